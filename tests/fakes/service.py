"""Which function carries out which action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fakes import administrator, dynamodb, events, functions, iam, secret_tags, secretsmanager, ssm, sts
from fakes.parameters import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fakes.state import State

    Operation = Callable[[State, Mapping[str, Any]], dict[str, Any]]

OPERATIONS: Final[dict[str, Operation]] = {
    "dynamodb:GetItem": dynamodb.get_item,
    "dynamodb:PutItem": dynamodb.put_item,
    "dynamodb:DeleteItem": dynamodb.delete_item,
    "dynamodb:Query": dynamodb.query,
    "iam:CreateAccessKey": iam.create_access_key,
    "iam:UpdateAccessKey": iam.update_access_key,
    "iam:DeleteAccessKey": iam.delete_access_key,
    "iam:ListAccessKeys": iam.list_access_keys,
    "iam:GetAccessKeyLastUsed": iam.get_access_key_last_used,
    "iam:ListUserTags": iam.list_user_tags,
    "iam:TagUser": iam.tag_user,
    "iam:UntagUser": iam.untag_user,
    "secretsmanager:CreateSecret": administrator.create_secret,
    "secretsmanager:DeleteSecret": administrator.delete_secret,
    "secretsmanager:DescribeSecret": secretsmanager.describe_secret,
    "secretsmanager:GetSecretValue": secretsmanager.get_secret_value,
    "secretsmanager:PutSecretValue": secretsmanager.put_secret_value,
    "secretsmanager:UpdateSecretVersionStage": secretsmanager.update_secret_version_stage,
    "secretsmanager:TagResource": secret_tags.tag_resource,
    "secretsmanager:UntagResource": secret_tags.untag_resource,
    "ssm:PutParameter": ssm.put_parameter,
    "ssm:LabelParameterVersion": ssm.label_parameter_version,
    "ssm:DeleteParameter": ssm.delete_parameter,
    "events:PutEvents": events.put_events,
    "lambda:Invoke": functions.invoke,
    "sts:AssumeRole": sts.assume_role,
}
"""What anybody may ask for, if permitted. GetCallerIdentity is about who asks, not about the state."""

ADMINISTRATION: Final[dict[str, Operation]] = {
    "iam:CreateUser": administrator.create_user,
    "iam:GetUser": administrator.get_user,
    "iam:UpdateUser": administrator.update_user,
    "iam:DeleteUser": administrator.delete_user,
    "secretsmanager:RestoreSecret": administrator.restore_secret,
}
"""What only the administrator can do here."""


def actions_of(service: str, *, administrator_too: bool = False) -> frozenset[str]:
    """List the actions of a service."""
    names = [*ACTIONS, *(ADMINISTRATION if administrator_too else ())]
    return frozenset(name.split(":")[1] for name in names if name.split(":")[0] == service)
