"""AWS::IAM::RolePolicy, which follows its role where a template replaces that; ministack has AWS::IAM::Policy only.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-rolepolicy.html
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners

from local_cloud.replacing import add_item

_TYPE = "AWS::IAM::RolePolicy"

Properties = dict[str, Any]


def apply() -> None:
    """Register the type."""
    handlers = {
        "create": _create,
        "update": _update,
        "delete": lambda policy_id, props: provisioners._iam_policy_delete(policy_id, _policy(props)),
    }
    add_item(provisioners._RESOURCE_HANDLERS, _TYPE, handlers)
    provisioners._REPLACING_PROPERTIES[_TYPE] = ("PolicyName", "RoleName")


def _create(logical_id: str, props: Properties, stack_name: str) -> tuple[str, dict[str, str]]:
    provisioners._iam_policy_create(logical_id, _policy(props), stack_name)
    return f"{props['PolicyName']}|{props['RoleName']}", {}


def _update(policy_id: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, dict[str, str]]:
    provisioners._iam_policy_update(policy_id, _policy(old), _policy(new), stack_name)
    return policy_id, {}


def _policy(props: Properties) -> Properties:
    return {**props, "Roles": [props["RoleName"]]}
