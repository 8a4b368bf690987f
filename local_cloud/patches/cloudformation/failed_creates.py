"""A custom resource whose Create failed gets a Delete.

When a stack rolls back, or is deleted after a rollback that was disabled, CloudFormation sends Delete also to
the custom resource that failed: with the physical id its answer named, or with one that CloudFormation made up
if there was no valid answer. ministack forgets a resource that failed.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-requesttypes-delete.html
"""

from __future__ import annotations

import secrets
import string
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import cloudformation
from ministack.services.cloudformation import custom_resource, handlers, stacks

from local_cloud.patches.cloudformation.custom_resource_answers import FailureReason
from local_cloud.replacing import Function, replace_function

_FAILED_CREATES = "_failed_creates"
_SUFFIX_LENGTH = 13

Record = dict[str, Any]


def apply() -> None:
    """Remember what failed, and let the rollback and the deletion of the stack find it."""
    request = "request_type logical_id props stack_name stack_id resource_type physical_id old_props"
    replace_function(custom_resource, "invoke_custom_resource", request, _remembering_a_failed_create)
    rollback = "stack_name stack_id stack operation reason_override"
    deletion = "stack_name stack_id retain_resources force"
    for module in (stacks, handlers):
        replace_function(module, "_roll_back_operation", rollback, _rolling_back_failed_creates)
        replace_function(module, "_delete_stack_async", deletion, _deleting_failed_creates)


def _remembering_a_failed_create(original: Function) -> Function:
    def invoke(request_type: str, logical_id: str, props: Record, stack_name: str, *rest: Any, **more: Any) -> Any:
        try:
            return original(request_type, logical_id, props, stack_name, *rest, **more)
        except (RuntimeError, TimeoutError) as error:
            # There is no stack any more if the account was emptied meanwhile.
            stack = cloudformation._stacks.get(stack_name)
            if request_type == "Create" and stack is not None:
                stack.setdefault(_FAILED_CREATES, {})[logical_id] = {
                    "PhysicalResourceId": _physical_id(error, stack_name, logical_id),
                    "ResourceType": rest[-1],
                    "ResourceStatus": "CREATE_FAILED",
                    "LogicalResourceId": logical_id,
                    "Properties": props,
                    "Attributes": {},
                    "Timestamp": now_iso(),
                }
            raise

    return invoke


def _physical_id(error: Exception, stack_name: str, logical_id: str) -> str:
    reason = error.args[0]
    if isinstance(reason, FailureReason) and reason.physical_id:
        return reason.physical_id
    characters = string.ascii_uppercase + string.digits
    suffix = "".join(secrets.choice(characters) for _ in range(_SUFFIX_LENGTH))
    return f"{stack_name}-{logical_id}-{suffix}"


def _rolling_back_failed_creates(original: Function) -> Function:
    async def roll_back(
        stack_name: str, stack_id: str, stack: Record, operation: Record, reason_override: str = ""
    ) -> None:
        # What was created last is deleted first, and what failed came last.
        created = [*operation.get("created", []), *_take_up_failed_creates(stack)]
        await original(stack_name, stack_id, stack, {**operation, "created": created}, reason_override)

    return roll_back


def _deleting_failed_creates(original: Function) -> Function:
    async def delete(stack_name: str, *rest: Any, **more: Any) -> None:
        _take_up_failed_creates(cloudformation._stacks.get(stack_name) or {})
        await original(stack_name, *rest, **more)

    return delete


def _take_up_failed_creates(stack: Record) -> list[str]:
    resources = stack.setdefault("_resources", {})
    failed = {
        logical_id: record
        for logical_id, record in stack.pop(_FAILED_CREATES, {}).items()
        if logical_id not in resources
    }
    resources.update(failed)
    return list(failed)
