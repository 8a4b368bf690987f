"""How each action of a deployed role is tried: on what is its own, and on what is somebody else's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloud.access import denied

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud.least_privilege.deployed import Target
    from cloud.stacks import Session

    Attempt = Callable[[Session, Target], Any]

DESCRIPTION = "AKIATRIEDTRIEDTRIED1"

# What a key's role may do to its key, in an order that works on one's own.
OF_A_KEY: dict[str, Attempt] = {
    "iam:ListAccessKeys": lambda by, of: by.client("iam").list_access_keys(UserName=of.user_name),
    "iam:ListUserTags": lambda by, of: by.client("iam").list_user_tags(UserName=of.user_name),
    "iam:GetAccessKeyLastUsed": lambda by, of: by.client("iam").get_access_key_last_used(AccessKeyId=of.key_id),
    "iam:TagUser": lambda by, of: tag_user(by, of, DESCRIPTION),
    "iam:UntagUser": lambda by, of: by.client("iam").untag_user(UserName=of.user_name, TagKeys=[DESCRIPTION]),
    "iam:UpdateAccessKey": lambda by, of: by.client("iam").update_access_key(**of.key, Status="Inactive"),
    "iam:DeleteAccessKey": lambda by, of: by.client("iam").delete_access_key(**of.key),
    "iam:CreateAccessKey": lambda by, of: by.client("iam").create_access_key(UserName=of.user_name),
    "secretsmanager:DescribeSecret": lambda by, of: by.client("secretsmanager").describe_secret(**of.secret),
    "secretsmanager:PutSecretValue": lambda by, of: by.client("secretsmanager").put_secret_value(
        **of.secret, SecretString="x", ClientRequestToken="0" * 32, VersionStages=["tried"]
    ),
    "secretsmanager:UpdateSecretVersionStage": lambda by, of: by.client("secretsmanager").update_secret_version_stage(
        **of.secret, VersionStage="tried", RemoveFromVersionId="0" * 32
    ),
}

# What no session of ours may do, to its own key either.
NEVER: dict[str, Attempt] = {
    "secretsmanager:GetSecretValue": lambda by, of: by.client("secretsmanager").get_secret_value(**of.secret),
    "secretsmanager:TagResource": lambda by, of: by.client("secretsmanager").tag_resource(
        **of.secret, Tags=[{"Key": "team", "Value": "x"}]
    ),
    "secretsmanager:DeleteSecret": lambda by, of: by.client("secretsmanager").delete_secret(**of.secret),
    "secretsmanager:RotateSecret": lambda by, of: by.client("secretsmanager").rotate_secret(**of.secret),
    "iam:TagUser": lambda by, of: tag_user(by, of, "team"),
    "iam:UntagUser": lambda by, of: by.client("iam").untag_user(UserName=of.user_name, TagKeys=["team"]),
    "iam:DeleteUser": lambda by, of: by.client("iam").delete_user(UserName=of.user_name),
    "iam:PutUserPolicy": lambda by, of: by.client("iam").put_user_policy(
        UserName=of.user_name, PolicyName="x", PolicyDocument="{}"
    ),
    "lambda:InvokeFunction provider": lambda by, of: invoke(by, of.provider, of),
    "lambda:InvokeFunction worker": lambda by, of: invoke(by, of.worker, of),
    "events:PutRule": lambda by, _: by.client("events").put_rule(Name="forged", ScheduleExpression="rate(1 minute)"),
    "events:PutTargets": lambda by, of: by.client("events").put_targets(
        Rule=of.sweep_rule, Targets=[{"Id": "Sweep", "Arn": of.worker, "Input": "{}"}]
    ),
    "dynamodb:Scan": lambda by, of: by.client("dynamodb").scan(TableName=of.table),
    "dynamodb:DeleteItem": lambda by, of: by.client("dynamodb").delete_item(TableName=of.table, Key=of.item),
    "dynamodb:UpdateItem": lambda by, of: by.client("dynamodb").update_item(TableName=of.table, Key=of.item),
}

# What the functions' role may do to its own ledger.
OF_THE_LEDGER: dict[str, Attempt] = {
    "dynamodb:GetItem": lambda by, of: by.client("dynamodb").get_item(TableName=of.table, Key=of.item),
    "dynamodb:Query due": lambda by, of: query(by, of, "due", "sweep"),
    "dynamodb:Query user": lambda by, of: query(by, of, "user", "userName"),
    "dynamodb:PutItem": lambda by, of: by.client("dynamodb").put_item(
        TableName=of.table, Item={"secretArn": {"S": "tried"}}
    ),
}


def tag_user(by: Session, of: Target, key: str) -> None:
    """Tag a key's user."""
    by.client("iam").tag_user(UserName=of.user_name, Tags=[{"Key": key, "Value": "x"}])


def invoke(by: Session, function: str, of: Target) -> None:
    """Invoke a function as an operator does."""
    payload = json.dumps({"Operation": "Show", **of.secret})
    by.client("lambda").invoke(FunctionName=function, Payload=payload)


def query(by: Session, of: Target, index: str, attribute: str) -> None:
    """Query an index of a ledger."""
    by.client("dynamodb").query(
        TableName=of.table,
        IndexName=index,
        KeyConditionExpression=f"{attribute} = :it",
        ExpressionAttributeValues={":it": {"S": "x"}},
    )


def refused(by: Session, of: Target, attempts: dict[str, Attempt]) -> set[str]:
    """Name the actions that somebody is denied on a key, having tried all of them."""
    return {action for action, attempt in attempts.items() if denied(lambda: attempt(by, of))}  # noqa: B023
