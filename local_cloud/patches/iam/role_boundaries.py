"""The permissions boundary of an AWS::IAM::Role in a template.

AWS sets it when it makes the role, changes it without another role, and fails the resource for a policy that does not
exist. ministack drops it, so that a role may do more than its boundary allows.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
"""

from __future__ import annotations

import re
from typing import Any

from ministack.services import iam
from ministack.services.cloudformation import provisioners

from local_cloud.replacing import Function, replace_item

_TYPE = "AWS::IAM::Role"
_BOUNDARY = "PermissionsBoundary"
_MESSAGE = re.compile(rb"<Message>([^<]+)</Message>")

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, str]]


def apply() -> None:
    """Set the boundary that the template declares."""
    handlers = provisioners._RESOURCE_HANDLERS[_TYPE]
    replace_item(handlers, "create", "logical_id props stack_name", _creating)
    replace_item(handlers, "update", "physical_id old_props new_props stack_name logical_id", _updating)


def _creating(original: Function) -> Function:
    def create(logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        _check(props)
        name, attributes = original(logical_id, props, stack_name)
        iam._roles[name][_BOUNDARY] = props.get(_BOUNDARY)
        return name, attributes

    return create


def _updating(original: Function) -> Function:
    def update(
        physical_id: str, old_props: Properties, new_props: Properties, stack_name: str, logical_id: str | None
    ) -> Provisioned:
        _check(new_props)
        name, attributes = original(physical_id, old_props, new_props, stack_name, logical_id)
        iam._roles[name][_BOUNDARY] = new_props.get(_BOUNDARY)
        return name, attributes

    return update


def _check(props: Properties) -> None:
    refusal = _BOUNDARY in props and iam._boundary_policy_error(props[_BOUNDARY])
    if refusal:
        status, _, body = refusal
        message = _MESSAGE.search(body)
        raise ValueError(f"{message[1].decode() if message else body!r} (Service: Iam, Status Code: {status})")
