"""DynamoDB: conditional writes, strong reads, and indexes, as the provider's ledger needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from contract.subjects import not_sent, refused

if TYPE_CHECKING:
    from contract.implementations import Implementation

FIRST_OR_SEEN = "attribute_not_exists(#v) OR #v = :seen"


@dataclass(frozen=True)
class Table:
    """A table."""

    client: Any
    name: str

    def put(self, key: str, version: int, *, seen: int | None = None, **attributes: Any) -> None:
        """Write an item if it is absent or has the version that was seen."""
        self.client.put_item(
            TableName=self.name,
            Item={"secretArn": {"S": key}, "version": {"N": str(version)}} | attributes,
            ConditionExpression=FIRST_OR_SEEN,
            ExpressionAttributeNames={"#v": "version"},
            ExpressionAttributeValues={":seen": {"N": str(version - 1 if seen is None else seen)}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def set(self, key: str, **attributes: Any) -> None:
        """Write an item, whatever is there."""
        self.client.put_item(TableName=self.name, Item={"secretArn": {"S": key}} | attributes)

    def get(self, key: str) -> dict[str, Any] | None:
        """Read an item."""
        answer = self.client.get_item(TableName=self.name, Key={"secretArn": {"S": key}}, ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def delete(self, key: str, *, seen: int | None = None) -> None:
        """Delete an item, of any version or of one."""
        condition = {
            "ConditionExpression": "#v = :seen",
            "ExpressionAttributeNames": {"#v": "version"},
            "ExpressionAttributeValues": {":seen": {"N": str(seen)}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        key_of = {"secretArn": {"S": key}}
        self.client.delete_item(TableName=self.name, Key=key_of, **(condition if seen is not None else {}))

    def due(self, until: int, **more: Any) -> dict[str, Any]:
        """Ask what is due."""
        answer: dict[str, Any] = self.client.query(
            TableName=self.name,
            IndexName="due",
            KeyConditionExpression="#s = :s AND #d <= :d",
            ExpressionAttributeNames={"#s": "sweep", "#d": "due"},
            ExpressionAttributeValues={":s": {"S": "sweep"}, ":d": {"N": str(until)}},
            **more,
        )
        return answer

    def of_user(self, name: str) -> dict[str, Any]:
        """Ask which items a user has."""
        answer: dict[str, Any] = self.client.query(
            TableName=self.name,
            IndexName="user",
            KeyConditionExpression="#u = :u",
            ExpressionAttributeNames={"#u": "userName"},
            ExpressionAttributeValues={":u": {"S": name}},
        )
        return answer


@pytest.fixture
def table(aws: Implementation) -> Table:
    """Make a table."""
    return Table(aws.client("dynamodb"), aws.make_table())


def due_at(time: int) -> dict[str, Any]:
    """Make an item due."""
    return {"sweep": {"S": "sweep"}, "due": {"N": str(time)}}


def keys(answer: dict[str, Any]) -> list[str]:
    """Return the keys of the items found."""
    return [item["secretArn"]["S"] for item in answer["Items"]]


class TestWrites:
    """Writes that depend on what is there."""

    def test_the_first_one_finds_nothing(self, table: Table) -> None:
        """And can be read at once."""
        assert table.get("s") is None
        table.put("s", 1, note={"S": "one"})
        assert table.get("s") == {"secretArn": {"S": "s"}, "version": {"N": "1"}, "note": {"S": "one"}}

    def test_the_next_one_takes_the_place_of_what_it_has_seen(self, table: Table) -> None:
        """Attributes that it does not name are gone."""
        table.put("s", 1, note={"S": "one"})
        table.put("s", 2)
        assert table.get("s") == {"secretArn": {"S": "s"}, "version": {"N": "2"}}

    def test_a_stale_one_is_refused_and_changes_nothing(self, table: Table) -> None:
        """It is told what is there."""
        table.put("s", 1)
        table.put("s", 2, note={"S": "two"})
        with pytest.raises(ClientError) as refusal:
            table.put("s", 3, seen=1)
        response: dict[str, Any] = dict(refusal.value.response)
        assert response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert response["Item"] == table.get("s")
        assert response["Item"]["note"] == {"S": "two"}

    def test_what_is_there_is_not_told_unless_it_is_asked_for(self, table: Table) -> None:
        """The refusal has no item then."""
        table.put("s", 1)
        with pytest.raises(ClientError) as refusal:
            table.client.put_item(
                TableName=table.name,
                Item={"secretArn": {"S": "s"}},
                ConditionExpression="attribute_not_exists(#v)",
                ExpressionAttributeNames={"#v": "version"},
            )
        assert refusal.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert "Item" not in refusal.value.response

    def test_an_error_is_a_class_of_the_client(self, table: Table) -> None:
        """By its name."""
        table.put("s", 1)
        with pytest.raises(table.client.exceptions.ConditionalCheckFailedException):
            table.put("s", 1)

    def test_one_of_two_wins(self, table: Table) -> None:
        """Both have seen the same version."""
        table.put("s", 1)
        table.put("s", 2, seen=1)
        with refused("ConditionalCheckFailedException"):
            table.put("s", 2, seen=1)

    def test_an_item_without_the_attribute_counts_as_absent(self, table: Table) -> None:
        """Though it is there."""
        table.set("s", note={"S": "by hand"})
        table.put("s", 1)
        assert table.get("s") == {"secretArn": {"S": "s"}, "version": {"N": "1"}}

    def test_numbers_are_compared_by_what_they_are_worth(self, table: Table) -> None:
        """However they are written."""
        table.set("s", version={"N": "10"})
        table.client.delete_item(
            TableName=table.name,
            Key={"secretArn": {"S": "s"}},
            ConditionExpression="#v = :seen",
            ExpressionAttributeNames={"#v": "version"},
            ExpressionAttributeValues={":seen": {"N": "1e1"}},
        )
        assert table.get("s") is None

    def test_a_number_is_not_a_text(self, table: Table) -> None:
        """They are never equal."""
        table.set("s", version={"S": "1"})
        with refused("ConditionalCheckFailedException"):
            table.put("s", 2)

    def test_one_item_is_not_another(self, table: Table) -> None:
        """Conditions are about the item of the key."""
        table.put("one", 1)
        table.put("two", 1)
        assert table.get("one") != table.get("two")


class TestDeletes:
    """Deletions, of any version or of one."""

    def test_the_version_that_was_seen_goes(self, table: Table) -> None:
        """Then there is nothing."""
        table.put("s", 1)
        table.delete("s", seen=1)
        assert table.get("s") is None

    def test_another_version_stays_and_is_told(self, table: Table) -> None:
        """As with writes."""
        table.put("s", 1)
        table.put("s", 2)
        with pytest.raises(ClientError) as refusal:
            table.delete("s", seen=1)
        response: dict[str, Any] = dict(refusal.value.response)
        assert response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert response["Item"] == table.get("s")

    def test_nothing_has_no_version(self, table: Table) -> None:
        """The refusal has no item."""
        with pytest.raises(ClientError) as refusal:
            table.delete("s", seen=1)
        assert refusal.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert "Item" not in refusal.value.response

    def test_nothing_can_be_deleted(self, table: Table) -> None:
        """Without a condition."""
        table.delete("s")

    def test_what_was_deleted_is_absent(self, table: Table) -> None:
        """And can be written as if it had never been."""
        table.put("s", 1)
        table.delete("s")
        table.put("s", 1)


class TestValues:
    """What an item can hold."""

    @pytest.mark.parametrize(
        "value",
        [
            {"S": ""},
            {"S": "äöü 🔑"},
            {"N": "-5"},
            {"BOOL": False},
            {"NULL": True},
            {"M": {}},
            {"L": []},
            {"M": {"keys": {"L": [{"M": {"id": {"S": "AKIAIOSFODNN7EXAMPLE"}, "at": {"N": "1767323045"}}}]}}},
        ],
        ids=["empty", "text", "number", "boolean", "null", "no members", "no elements", "nested"],
    )
    def test_it_is_read_as_it_was_written(self, table: Table, value: dict[str, Any]) -> None:
        """At any depth."""
        table.set("s", value=value)
        assert table.get("s") == {"secretArn": {"S": "s"}, "value": value}

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("1.0", "1"),
            ("007", "7"),
            ("1e2", "100"),
            ("0.50", "0.5"),
            ("-0", "0"),
            ("+3", "3"),
            ("1767323045.25", "1767323045.25"),
            pytest.param("9" * 38, "9" * 38, id="long"),
            pytest.param(f"-{'9' * 37}.90", f"-{'9' * 37}.9", id="long fraction"),
        ],
    )
    def test_a_number_is_read_in_its_shortest_form(self, table: Table, written: str, read: str) -> None:
        """Without an exponent."""
        table.set("s", value={"N": written})
        item = table.get("s")
        assert item is not None
        assert item["value"] == {"N": read}

    @pytest.mark.parametrize("number", ["", "one", "1_000", pytest.param("1" * 39, id="long"), "1e126", "1e-131"])
    def test_a_number_has_its_form_and_range(self, table: Table, number: str) -> None:
        """Any other is refused."""
        with refused("ValidationException", status=400):
            table.set("s", value={"N": number})

    def test_a_number_is_sent_as_a_text(self, table: Table) -> None:
        """The SDK sends no other."""
        with not_sent():
            table.set("s", value={"N": 1})

    @pytest.mark.parametrize("value", [{}, {"S": "1", "N": "1"}])
    def test_a_value_has_one_type(self, table: Table, value: dict[str, Any]) -> None:
        """Neither none nor two."""
        with refused("ValidationException", status=400):
            table.set("s", value=value)

    def test_an_item_has_at_most_400_kilobytes(self, table: Table) -> None:
        """All names and values together."""
        table.set("s", value={"S": "a" * (400 * 1024 - len("secretArn") - len("s") - len("value"))})
        with refused("ValidationException", status=400):
            table.set("s", value={"S": "a" * 400 * 1024})


class TestKeys:
    """How an item is named."""

    @pytest.mark.parametrize(
        "key",
        [{}, {"other": {"S": "s"}}, {"secretArn": {"S": "s"}, "other": {"S": "s"}}, {"secretArn": {"N": "1"}}],
        ids=["none", "another", "two", "number"],
    )
    def test_a_key_is_the_tables(self, table: Table, key: dict[str, Any]) -> None:
        """The attribute of that name, and no more."""
        with refused("ValidationException", status=400):
            table.client.get_item(TableName=table.name, Key=key, ConsistentRead=True)

    @pytest.mark.parametrize("item", [{}, {"secretArn": {"N": "1"}}, {"secretArn": {"S": ""}}])
    def test_an_item_has_its_key(self, table: Table, item: dict[str, Any]) -> None:
        """A text that is not empty."""
        with refused("ValidationException", status=400):
            table.client.put_item(TableName=table.name, Item=item)

    def test_a_key_has_at_most_2048_bytes(self, table: Table) -> None:
        """In UTF-8."""
        table.set("ä" * 1024)
        with refused("ValidationException", status=400):
            table.set("ä" * 1024 + "a")

    @pytest.mark.parametrize("wrong", [{"due": {"S": "1"}}, {"sweep": {"N": "1"}}, {"userName": {"S": ""}}])
    def test_an_item_has_the_types_of_the_indexes(self, table: Table, wrong: dict[str, Any]) -> None:
        """Or does without their attributes."""
        with refused("ValidationException", status=400):
            table.set("s", **due_at(1) | wrong)

    def test_a_table_must_be_there(self, aws: Implementation) -> None:
        """Every call is refused when it is gone."""
        gone = Table(aws.client("dynamodb"), "gone")
        calls = {gone.get: ("s",), gone.put: ("s", 1), gone.delete: ("s",), gone.due: (1,)}
        for call, arguments in calls.items():
            with refused("ResourceNotFoundException", status=400):
                call(*arguments)  # type: ignore[operator]


class TestExpressions:
    """Names and values stand for what they are given as."""

    @pytest.mark.parametrize("missing", ["ExpressionAttributeNames", "ExpressionAttributeValues"])
    def test_what_is_used_is_given(self, table: Table, missing: str) -> None:
        """Names and values alike."""
        given = {
            "ExpressionAttributeNames": {"#v": "version"},
            "ExpressionAttributeValues": {":seen": {"N": "1"}},
        }
        del given[missing]
        with refused("ValidationException", status=400):
            table.client.put_item(
                TableName=table.name, Item={"secretArn": {"S": "s"}}, ConditionExpression=FIRST_OR_SEEN, **given
            )

    @pytest.mark.parametrize("condition", [{}, {"ConditionExpression": "attribute_not_exists(#v)"}])
    @pytest.mark.parametrize(
        "unused",
        [{"ExpressionAttributeNames": {"#v": "version", "#w": "w"}}, {"ExpressionAttributeValues": {":w": {"N": "1"}}}],
        ids=["name", "value"],
    )
    def test_what_is_given_is_used(self, table: Table, condition: dict[str, Any], unused: dict[str, Any]) -> None:
        """Also without any expression."""
        given = ({"ExpressionAttributeNames": {"#v": "version"}} if condition else {}) | unused
        with refused("ValidationException", status=400):
            table.client.put_item(TableName=table.name, Item={"secretArn": {"S": "s"}}, **condition, **given)


class TestIndexes:
    """Items found by what they say, not by their key."""

    def test_what_is_due_comes_in_its_order(self, table: Table) -> None:
        """By number, the earliest first; up to the time that is asked for, and that too."""
        for time in (100, 9, 20, 21):
            table.put(f"at {time}", 1, **due_at(time))
        assert keys(table.due(20)) == ["at 9", "at 20"]
        assert keys(table.due(1000)) == ["at 9", "at 20", "at 21", "at 100"]
        assert keys(table.due(1000, ScanIndexForward=False)) == ["at 100", "at 21", "at 20", "at 9"]
        assert keys(table.due(8)) == []

    def test_an_item_that_lacks_an_attribute_is_not_in_the_index(self, table: Table) -> None:
        """Neither if it never had it nor if it lost it."""
        table.put("never", 1, sweep={"S": "sweep"})
        table.put("lost", 1, **due_at(1))
        table.put("lost", 2, due={"N": "1"})
        table.put("gone", 1, **due_at(1))
        table.delete("gone")
        table.put("there", 1, **due_at(1))
        assert keys(table.due(1)) == ["there"]

    def test_an_item_moves_in_the_index(self, table: Table) -> None:
        """When its attribute changes."""
        table.put("one", 1, **due_at(1))
        table.put("two", 1, **due_at(2))
        table.put("one", 2, **due_at(3))
        assert keys(table.due(3)) == ["two", "one"]

    def test_an_index_shows_keys(self, table: Table) -> None:
        """Those of the table and its own, nothing else."""
        table.put("s", 1, userName={"S": "deploy"}, entry={"M": {}}, **due_at(1))
        assert table.due(1)["Items"] == [{"secretArn": {"S": "s"}, **due_at(1)}]
        assert table.of_user("deploy")["Items"] == [{"secretArn": {"S": "s"}, "userName": {"S": "deploy"}}]

    def test_a_users_items_are_found(self, table: Table) -> None:
        """And no others."""
        for key, name in (("one", "deploy"), ("two", "other"), ("three", "deploy")):
            table.put(key, 1, userName={"S": name})
        answer = table.of_user("deploy")
        assert set(keys(answer)) == {"one", "three"}
        assert (answer["Count"], answer["ScannedCount"]) == (2, 2)
        assert keys(table.of_user("nobody")) == []

    def test_pages_go_on_where_the_one_before_ended(self, table: Table) -> None:
        """Also among items that are due at the same time."""
        for number in range(7):
            table.put(f"s{number}", 1, **due_at(number // 3))
        found: list[int] = []
        start: dict[str, Any] = {}
        for _ in range(4):
            page = table.due(1000, Limit=2, **start)
            found.append(len(keys(page)))
            last = page.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": last} if last else {}
        assert found == [2, 2, 2, 1]
        assert start == {}

    def test_pages_have_every_item_once(self, table: Table) -> None:
        """In either direction."""
        for number in range(7):
            table.put(f"s{number}", 1, **due_at(number // 3))
        for forward in (True, False):
            pages = table.client.get_paginator("query").paginate(
                TableName=table.name,
                IndexName="due",
                KeyConditionExpression="#s = :s AND #d <= :d",
                ExpressionAttributeNames={"#s": "sweep", "#d": "due"},
                ExpressionAttributeValues={":s": {"S": "sweep"}, ":d": {"N": "9"}},
                ScanIndexForward=forward,
                Limit=2,
            )
            items = [item for page in pages for item in page["Items"]]
            assert sorted(item["secretArn"]["S"] for item in items) == [f"s{number}" for number in range(7)]
            times = [int(item["due"]["N"]) for item in items]
            assert times == sorted(times, reverse=not forward)

    def test_a_page_that_is_full_does_not_know_whether_there_is_more(self, table: Table) -> None:
        """The next one may be empty; where a page ended is told by all keys."""
        for number in range(2):
            table.put(f"s{number}", 1, **due_at(number))
        last = table.due(9, Limit=2)["LastEvaluatedKey"]
        assert last == {"secretArn": {"S": "s1"}, **due_at(1)}
        page = table.due(9, Limit=2, ExclusiveStartKey=last)
        assert (page["Items"], "LastEvaluatedKey" in page) == ([], False)

    def test_an_index_can_not_be_read_consistently(self, table: Table) -> None:
        """It may be late."""
        with refused("ValidationException", status=400):
            table.due(1, ConsistentRead=True)

    def test_an_index_must_be_there(self, table: Table) -> None:
        """As part of its table."""
        with refused("ValidationException", status=400):
            table.client.query(
                TableName=table.name,
                IndexName="another",
                KeyConditionExpression="#u = :u",
                ExpressionAttributeNames={"#u": "userName"},
                ExpressionAttributeValues={":u": {"S": "deploy"}},
            )

    @pytest.mark.parametrize(
        ("names", "until"),
        [
            ({"#s": "userName", "#d": "due"}, {"N": "1"}),
            ({"#s": "sweep", "#d": "version"}, {"N": "1"}),
            ({"#s": "sweep", "#d": "due"}, {"S": "1"}),
        ],
        ids=["partition", "sort key", "type"],
    )
    def test_a_query_is_about_the_keys_of_the_index(
        self, table: Table, names: dict[str, str], until: dict[str, str]
    ) -> None:
        """With values of their types."""
        with refused("ValidationException", status=400):
            table.client.query(
                TableName=table.name,
                IndexName="due",
                KeyConditionExpression="#s = :s AND #d <= :d",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={":s": {"S": "sweep"}, ":d": until},
            )

    def test_a_start_has_all_keys(self, table: Table) -> None:
        """As it was told."""
        with refused("ValidationException", status=400):
            table.due(1, ExclusiveStartKey={"secretArn": {"S": "s"}})
