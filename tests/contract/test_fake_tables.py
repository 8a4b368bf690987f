"""The fake's tables: what the provider may ask, who may ask it, and what a person does to them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from contract.fake_sessions import ONCE, signed
from contract.subjects import refused
from fakes.aws import FakeAccount, MisuseError
from fakes.faults import CONNECTION_LOST, THROUGHPUT_EXCEEDED
from fakes.lags import Lag

if TYPE_CHECKING:
    from fakes.attribute_values import Item

TABLE = "ledger"
ABSENT_OR_SEEN = "attribute_not_exists(#v) OR #v = :seen"


@pytest.fixture
def account(account: FakeAccount) -> FakeAccount:
    """Give an account with a table."""
    account.person.make_table(TABLE)
    return account


@pytest.fixture
def table(account: FakeAccount) -> Any:
    """Give the function's client."""
    return account.client_of("dynamodb", config=ONCE)


def put(table: Any, version: int, key: str = "s", **attributes: Any) -> None:
    """Write a version of an item in place of the one before."""
    item = {"secretArn": {"S": key}, "version": {"N": str(version)}} | attributes
    table.put_item(
        TableName=TABLE,
        Item=item,
        ConditionExpression=ABSENT_OR_SEEN,
        ExpressionAttributeNames={"#v": "version"},
        ExpressionAttributeValues={":seen": {"N": str(version - 1)}},
    )


def versions(account: FakeAccount) -> dict[str, str]:
    """Return the version of each item."""
    return {key: item["version"]["N"] for key, item in account.entries().items()}


def user_keys(table: Any, name: str = "deploy") -> list[str]:
    """Ask the index which items a user has."""
    answer = table.query(
        TableName=TABLE,
        IndexName="user",
        KeyConditionExpression="#u = :u",
        ExpressionAttributeNames={"#u": "userName"},
        ExpressionAttributeValues={":u": {"S": name}},
    )
    return [item["secretArn"]["S"] for item in answer["Items"]]


def test_the_function_itself_may_use_a_table_and_nobody_else(account: FakeAccount, table: Any) -> None:
    """A key's role has no right to it."""
    put(table, 1)
    assert versions(account) == {"s": "1"}
    with refused("AccessDeniedException", status=400):
        signed(account, "dynamodb").get_item(TableName=TABLE, Key={"secretArn": {"S": "s"}}, ConsistentRead=True)


@pytest.mark.parametrize("consistent", [{}, {"ConsistentRead": False}])
def test_a_read_that_may_be_old_is_a_violation(account: FakeAccount, table: Any, consistent: dict[str, bool]) -> None:
    """The provider decides by what it reads."""
    table.get_item(TableName=TABLE, Key={"secretArn": {"S": "s"}}, ConsistentRead=True)
    assert account.violations == []
    table.get_item(TableName=TABLE, Key={"secretArn": {"S": "s"}}, **consistent)
    assert account.violations == ["the provider read an item that may be old"]


@pytest.mark.parametrize(
    "expression",
    ["attribute_exists(#v)", "#v = :seen OR attribute_not_exists(#v)", "#v < :seen", "version = :seen", "#v=:seen AND"],
)
def test_an_expression_that_nobody_needed_yet_fails_the_test(table: Any, expression: str) -> None:
    """The fake knows few forms, and guesses nothing."""
    with pytest.raises(MisuseError, match="knows no ConditionExpression"):
        table.put_item(TableName=TABLE, Item={"secretArn": {"S": "s"}}, ConditionExpression=expression)


def test_a_kind_of_value_that_nobody_needed_yet_fails_the_test(table: Any) -> None:
    """The fake knows no sets and no binary values."""
    with pytest.raises(MisuseError, match="is a SS"):
        table.put_item(TableName=TABLE, Item={"secretArn": {"S": "s"}, "labels": {"SS": ["one"]}})


@pytest.mark.parametrize(
    "value", [{"N": 1}, {"S": None}, {"BOOL": "true"}, {"X": "v"}, "v", {"L": [{"N": 1}]}, {"M": {"a": {"N": 1}}}]
)
def test_a_value_has_its_type(account: FakeAccount, table: Any, value: Any) -> None:
    """The SDK sends no other, however deep it is."""
    with pytest.raises(ParamValidationError):
        table.put_item(TableName=TABLE, Item={"secretArn": {"S": "s"}, "value": value})
    assert len(account.violations) == 1


def test_an_item_is_a_copy(account: FakeAccount, table: Any) -> None:
    """Neither what was written nor what was read can change it."""
    entry: dict[str, Any] = {"M": {"keys": {"L": []}}}
    put(table, 1, entry=entry, userName={"S": "deploy"})
    entry["M"]["keys"]["L"].append({"S": "AKIA"})
    read = table.get_item(TableName=TABLE, Key={"secretArn": {"S": "s"}}, ConsistentRead=True)["Item"]
    read["entry"]["M"]["keys"]["L"].append({"S": "AKIA"})
    account.entries()["s"].clear()
    assert account.entries()["s"]["entry"] == {"M": {"keys": {"L": []}}}


def test_an_index_is_late_and_the_table_is_not(account: FakeAccount, table: Any) -> None:
    """New, changed and deleted items alike; the administrator sees all at once."""
    account.lags.indexes = Lag(reads=1)
    put(table, 1, userName={"S": "deploy"})
    assert user_keys(account.client("dynamodb")) == ["s"]
    assert [user_keys(table) for _ in range(2)] == [[], ["s"]]
    put(table, 2, userName={"S": "other"})
    assert versions(account) == {"s": "2"}
    assert [user_keys(table) for _ in range(2)] == [["s"], []]
    account.person.delete_entry("s")
    assert [user_keys(table, "other") for _ in range(2)] == [["s"], []]


def test_a_table_can_be_deleted_and_restored(account: FakeAccount, table: Any) -> None:
    """To what it was at any time: what was changed since is as before, what was made is gone, what was deleted back."""
    put(table, 1, userName={"S": "deploy"})
    put(table, 1, "deleted")
    account.clock.sleep(3600)
    before = account.clock.now() - timedelta(minutes=30)
    put(table, 2, userName={"S": "other"})
    put(table, 1, "new")
    account.person.delete_entry("deleted")
    account.person.delete_table()
    with refused("ResourceNotFoundException", status=400):
        put(table, 3)
    account.person.restore_table(to=before)
    assert versions(account) == {"s": "1", "deleted": "1"}
    assert (user_keys(table), user_keys(table, "other")) == (["s"], [])
    account.person.restore_table(to=account.clock.now() - timedelta(days=1))
    assert versions(account) == {}


def test_somebody_else_can_write_first(account: FakeAccount, table: Any) -> None:
    """Between any two calls of the provider."""
    put(table, 1)

    def change(item: Item) -> None:
        item["version"] = {"N": "7"}

    account.at(1, lambda: account.person.change_entry("s", change))
    with refused("ConditionalCheckFailedException"):
        put(table, 2)
    assert versions(account) == {"s": "7"}


def test_a_lost_answer_makes_the_sdk_write_twice(account: FakeAccount) -> None:
    """The second attempt meets what the first one wrote."""
    table = account.client_of("dynamodb")
    put(table, 1)
    account.fail(CONNECTION_LOST, 1, phase="after", attempts=1)
    with refused("ConditionalCheckFailedException"):
        put(table, 2)
    assert versions(account) == {"s": "2"}
    assert [(call.outcome, call.wrote) for call in account.log.entries[1:]] == [
        ("ConnectionClosedError", True),
        ("ConditionalCheckFailedException", False),
    ]


def test_throughput_can_be_exceeded(account: FakeAccount) -> None:
    """The SDK tries again by itself."""
    injection = account.fail(THROUGHPUT_EXCEEDED, 0, attempts=1)
    put(account.client_of("dynamodb"), 1)
    assert injection.fired == 1


def test_an_item_that_is_written_as_it_is_changes_nothing(account: FakeAccount, table: Any) -> None:
    """Nor does the deletion of one that is not there."""
    for _ in range(2):
        table.put_item(TableName=TABLE, Item={"secretArn": {"S": "s"}})
    table.delete_item(TableName=TABLE, Key={"secretArn": {"S": "another"}})
    assert [call.wrote for call in account.log.entries] == [True, False, False]


def test_pages_are_the_accounts(account: FakeAccount, table: Any) -> None:
    """However many items are asked for, and the paginator goes through them."""
    account.switches.page_size = 2
    for key in "abc":
        put(table, 1, key, userName={"S": "deploy"})
    assert user_keys(table) == ["a", "b"]
    pages = table.get_paginator("query").paginate(
        TableName=TABLE,
        IndexName="user",
        KeyConditionExpression="#u = :u",
        ExpressionAttributeNames={"#u": "userName"},
        ExpressionAttributeValues={":u": {"S": "deploy"}},
    )
    assert [[item["secretArn"]["S"] for item in page["Items"]] for page in pages] == [["a", "b"], ["c"]]


def test_a_table_is_asked_by_its_indexes_or_its_key(table: Any) -> None:
    """A query of the table itself finds one item, which GetItem reads."""
    with pytest.raises(MisuseError, match="read it with GetItem"):
        table.query(TableName=TABLE, KeyConditionExpression="#k = :k")


def test_an_item_fits_into_400_kilobytes(table: Any) -> None:
    """A byte more is refused."""
    rest = len("secretArn") + len("s") + len("text")
    item = {"secretArn": {"S": "s"}, "text": {"S": "a" * (400 * 1024 - rest)}}
    table.put_item(TableName=TABLE, Item=item)
    item["text"]["S"] += "a"
    with pytest.raises(ClientError, match="maximum allowed size"):
        table.put_item(TableName=TABLE, Item=item)
