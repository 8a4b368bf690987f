"""The embedded account's DynamoDB, as far as the ledger needs it: a table, its two indexes, and who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cloud.invocations import allow, assumed, attribute, role_arn
from tools.cloud.cloudformation_stack import Stack, deployed, role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

ACCOUNT = {"AWS": {"Ref": "AWS::AccountId"}}
KEY = {"secretArn": {"S": "arn:of:secret"}}
NOT_SEEN = "attribute_not_exists(version) OR version = :seen"


def index(name: str, *keys: tuple[str, str]) -> Template:
    """Declare an index that keeps keys only."""
    schema = [{"AttributeName": attribute, "KeyType": kind} for attribute, kind in keys]
    return {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "KEYS_ONLY"}}


def table(**more: Any) -> Template:
    """Declare a ledger."""
    types = {"secretArn": "S", "sweep": "S", "due": "N", "userName": "S"}
    return {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()],
            "KeySchema": [{"AttributeName": "secretArn", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [
                index("due", ("sweep", "HASH"), ("due", "RANGE")),
                index("user", ("userName", "HASH")),
            ],
            "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            **more,
        },
    }


def index_arn(table: str, name: str) -> Template:
    """Give the ARN of an index."""
    return {"Fn::Sub": f"${{{table}.Arn}}/index/{name}"}


TEMPLATE: Template = {
    "Resources": {
        "Ledger": table(),
        "Other": table(),
        "Worker": role(
            ACCOUNT,
            "/",
            allow(["dynamodb:GetItem", "dynamodb:PutItem"], attribute("Ledger")),
            allow("dynamodb:Query", [index_arn("Ledger", "due"), index_arn("Ledger", "user")]),
        ),
        "Reader": role(ACCOUNT, "/", allow("dynamodb:GetItem", attribute("Ledger"))),
        "Sweeper": role(ACCOUNT, "/", allow("dynamodb:Query", index_arn("Ledger", "due"))),
        "Nobody": role(ACCOUNT, "/", allow("dynamodb:*", attribute("Other"))),
    }
}


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud) -> Iterator[Stack]:
    """Deploy two ledgers, and roles with rights on one, once."""
    with deployed(cloud, TEMPLATE) as stack:
        yield stack


@pytest.fixture(autouse=True)
def _empty(cloud: LocalCloud, stack: Stack) -> None:
    administrator = cloud.client("dynamodb")
    for item in administrator.scan(TableName=stack.physical_id("Ledger"))["Items"]:
        administrator.delete_item(TableName=stack.physical_id("Ledger"), Key={"secretArn": item["secretArn"]})


def client(cloud: LocalCloud, stack: Stack, who: str) -> Any:
    """Give a client of DynamoDB with what a role may."""
    return cloud.client("dynamodb", **assumed(cloud, role_arn(cloud, stack, who)))


def entry(version: int, **more: Any) -> dict[str, Any]:
    """Give an item."""
    return {**KEY, "version": {"N": str(version)}, **more}


def test_a_table_has_its_indexes_its_expiry_and_its_recovery(cloud: LocalCloud, stack: Stack) -> None:
    """As the template declares them."""
    api, name = cloud.client("dynamodb"), stack.physical_id("Ledger")
    described = api.describe_table(TableName=name)["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert {
        index["IndexName"]: index["Projection"]["ProjectionType"] for index in described["GlobalSecondaryIndexes"]
    } == {
        "due": "KEYS_ONLY",
        "user": "KEYS_ONLY",
    }
    assert settings(api, name) == ("ENABLED", "expires", "ENABLED")


def settings(api: Any, table: str) -> tuple[str, str | None, str]:
    """Give the status of a table's expiry, its attribute, and the status of its recovery."""
    expiry = api.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    backups = api.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    return expiry["TimeToLiveStatus"], expiry.get("AttributeName"), recovery


def test_a_conditional_write_compares_and_swaps(cloud: LocalCloud, stack: Stack) -> None:
    """The second who saw the same version is refused, and shown what was in the way."""
    api, name = client(cloud, stack, "Worker"), stack.physical_id("Ledger")
    api.put_item(TableName=name, Item=entry(1), ConditionExpression="attribute_not_exists(version)")
    put = {"TableName": name, "ConditionExpression": NOT_SEEN, "ExpressionAttributeValues": {":seen": {"N": "1"}}}
    api.put_item(**put, Item=entry(2, lease={"M": {"holder": {"S": "first"}}}))
    with pytest.raises(api.exceptions.ConditionalCheckFailedException) as refusal:
        api.put_item(**put, Item=entry(2), ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert refusal.value.response["Item"]["lease"] == {"M": {"holder": {"S": "first"}}}
    assert api.get_item(TableName=name, Key=KEY, ConsistentRead=True)["Item"]["version"] == {"N": "2"}


def test_the_indexes_list_keys_of_what_has_their_attributes(cloud: LocalCloud, stack: Stack) -> None:
    """In the order of `due`, up to now, page by page; and nothing but keys."""
    api, name = client(cloud, stack, "Worker"), stack.physical_id("Ledger")
    for number in range(5):
        item = {"secretArn": {"S": f"arn:{number}"}, "version": {"N": "1"}, "userName": {"S": f"user-{number % 2}"}}
        api.put_item(
            TableName=name, Item=item | ({"sweep": {"S": "x"}, "due": {"N": str(90 - number)}} if number else {})
        )
    query = {
        "TableName": name,
        "IndexName": "due",
        "KeyConditionExpression": "sweep = :sweep AND due <= :now",
        "ExpressionAttributeValues": {":sweep": {"S": "x"}, ":now": {"N": "88"}},
        "Limit": 2,
    }
    first = api.query(**query)
    second = api.query(**query, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [item["secretArn"]["S"] for item in first["Items"] + second["Items"]] == ["arn:4", "arn:3", "arn:2"]
    assert first["Items"][0].keys() == {"secretArn", "sweep", "due"}
    found = api.query(
        TableName=name,
        IndexName="user",
        KeyConditionExpression="userName = :name",
        ExpressionAttributeValues={":name": {"S": "user-0"}},
    )
    assert {item["secretArn"]["S"] for item in found["Items"]} == {"arn:0", "arn:2", "arn:4"}


def test_each_right_is_on_its_table_or_its_index(cloud: LocalCloud, stack: Stack) -> None:
    """Reading is not writing, an index is not its table, one index not the other, one table not the other."""
    name, other = stack.physical_id("Ledger"), stack.physical_id("Other")
    cloud.client("dynamodb").put_item(TableName=name, Item=entry(1))

    def query(api: Any, table: str, **index: str) -> Any:
        values = {":value": {"S": "x"}}
        condition = "userName = :value" if index.get("IndexName") == "user" else "sweep = :value"
        condition = condition if index else "secretArn = :value"
        return api.query(TableName=table, KeyConditionExpression=condition, ExpressionAttributeValues=values, **index)

    attempts = {
        "get": lambda api: api.get_item(TableName=name, Key=KEY),
        "get other": lambda api: api.get_item(TableName=other, Key=KEY),
        "put": lambda api: api.put_item(TableName=name, Item=entry(1)),
        "put other": lambda api: api.put_item(TableName=other, Item=entry(1)),
        "update": lambda api: api.update_item(TableName=name, Key=KEY),
        "delete": lambda api: api.delete_item(TableName=name, Key=KEY),
        "scan": lambda api: api.scan(TableName=name),
        "batch": lambda api: api.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": entry(1)}}]}),
        "transact": lambda api: api.transact_write_items(TransactItems=[{"Delete": {"TableName": name, "Key": KEY}}]),
        "query": lambda api: query(api, name),
        "query due": lambda api: query(api, name, IndexName="due"),
        "query user": lambda api: query(api, name, IndexName="user"),
        "query other": lambda api: query(api, other, IndexName="due"),
        "describe": lambda api: api.describe_table(TableName=name),
    }
    may = {
        who: {what for what, attempt in attempts.items() if is_allowed(attempt, client(cloud, stack, who))}
        for who in ("Worker", "Reader", "Sweeper", "Nobody")
    }
    assert may == {
        "Worker": {"get", "put", "query due", "query user"},
        "Reader": {"get"},
        "Sweeper": {"query due"},
        "Nobody": {"get other", "put other"},
    }
    assert cloud.client("dynamodb").get_item(TableName=name, Key=KEY)["Item"] == entry(1)


def is_allowed(attempt: Any, api: Any) -> bool:
    """Tell whether a call is allowed; any other refusal fails the test."""
    try:
        attempt(api)
    except api.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error  # noqa: PT017
        return False
    return True


def test_calls_name_the_table_and_the_index(cloud: LocalCloud, stack: Stack) -> None:
    """And nothing of the items."""
    api, name = client(cloud, stack, "Worker"), stack.physical_id("Ledger")
    cloud.clear_calls()
    api.put_item(TableName=name, Item=entry(1, note={"S": "private"}))
    (call,) = cloud.calls()
    assert (call.name, dict(call.parameters), call.error) == ("dynamodb:PutItem", {"TableName": name}, None)


def test_what_a_template_no_longer_declares_is_off(cloud: LocalCloud) -> None:
    """The table and its items stay."""
    declared, api = Stack(cloud), cloud.client("dynamodb")
    assert declared.create({"Resources": {"Ledger": table()}}) == "CREATE_COMPLETE"
    name = declared.physical_id("Ledger")
    api.put_item(TableName=name, Item=entry(1))
    plain = table()
    for setting in ("TimeToLiveSpecification", "PointInTimeRecoverySpecification"):
        del plain["Properties"][setting]
    assert declared.update({"Resources": {"Ledger": plain}}) == "UPDATE_COMPLETE"
    assert settings(api, name) == ("DISABLED", None, "DISABLED")
    assert api.get_item(TableName=name, Key=KEY)["Item"] == entry(1)
    assert declared.delete() == "DELETE_COMPLETE"
