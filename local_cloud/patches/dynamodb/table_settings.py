"""The settings of an AWS::DynamoDB::Table that are calls of their own: expiry and point-in-time recovery.

CloudFormation makes them after it made the table, and again when the template changes. ministack leaves both out.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from local_cloud.replacing import Function, replace_item

_TYPE = "AWS::DynamoDB::Table"
_EXPIRY = "TimeToLiveSpecification"
_RECOVERY = "PointInTimeRecoverySpecification"

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, str]]


def apply() -> None:
    """Make the calls for what the template declares."""
    handlers = provisioners._RESOURCE_HANDLERS[_TYPE]
    replace_item(handlers, "create", "logical_id props stack_name", _creating)
    replace_item(handlers, "update", "physical_id old_props new_props stack_name logical_id", _updating)


def _creating(original: Function) -> Function:
    def create(logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        name, attributes = original(logical_id, props, stack_name)
        _set(name, props)
        return name, attributes

    return create


def _updating(original: Function) -> Function:
    def update(
        physical_id: str, old_props: Properties, new_props: Properties, stack_name: str, logical_id: str | None = None
    ) -> Provisioned:
        name, attributes = original(physical_id, old_props, new_props, stack_name, logical_id)
        _set(name, new_props)
        return name, attributes

    return update


def _set(name: str, props: Properties) -> None:
    # What is not declared is off, whatever a table of this name had before.
    dynamodb._ttl_settings.pop(name, None)
    if _EXPIRY in props:
        declared = props[_EXPIRY]
        expiry = {**declared, "Enabled": provisioners._cfn_bool(declared.get("Enabled", False))}
        dynamodb._update_ttl({"TableName": name, _EXPIRY: expiry})
    recovery = (props.get(_RECOVERY) or {}).get("PointInTimeRecoveryEnabled", False)
    dynamodb._pitr_settings[name] = provisioners._cfn_bool(recovery)
