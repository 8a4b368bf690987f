"""A custom resource whose Create failed, or was cancelled, gets a Delete.

When a stack rolls back, or is deleted after a rollback that was disabled, CloudFormation sends Delete also to
the custom resource that failed: with the physical id its answer named, or with one that CloudFormation made up
if there was no valid answer, or none yet. ministack forgets a resource that failed.
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

# Where a stack has the logical ids of the Creates that nobody waits for any more.
CANCELLED = "_cancelled_creates"
# Where it has the records of what failed to be made, and such a record the definition, if the template is another's.
FAILED_CREATES = "_failed_creates"
DEFINITION = "_definition"

_SUFFIX_LENGTH = 13

Record = dict[str, Any]


def apply() -> None:
    """Remember what failed, and let the rollback find it; `deletions` take it up too."""
    request = "request_type logical_id props stack_name stack_id resource_type physical_id old_props"
    replace_function(custom_resource, "invoke_custom_resource", request, _remembering_a_failed_create)
    rollback = "stack_name stack_id stack operation reason_override"
    for module in (stacks, handlers):
        replace_function(module, "_roll_back_operation", rollback, _rolling_back_failed_creates)


def is_custom(kind: str) -> bool:
    """Tell whether a function of the user makes a resource."""
    return kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource"


def cancel(stack: Record, logical_id: str, kind: str, properties: Record) -> None:
    """Let nobody wait for a Create that is running; the Delete that it gets has an id that is made up."""
    stack.setdefault(CANCELLED, []).append(logical_id)
    if is_custom(kind):
        _remember(stack, logical_id, kind, properties, _invented_id(stack["StackName"], logical_id))


def take(stack: Record) -> dict[str, Record]:
    """Take what failed to be created from the record of a stack, by logical id."""
    failed: dict[str, Record] = stack.pop(FAILED_CREATES, {})
    return failed


def take_up(stack: Record) -> list[str]:
    """Put what failed to be created among the resources of the stack, and give the logical ids."""
    resources = stack.setdefault("_resources", {})
    definitions = stack["_template"].setdefault("Resources", {})
    failed = {logical_id: record for logical_id, record in take(stack).items() if logical_id not in resources}
    for logical_id, record in failed.items():
        definitions.setdefault(logical_id, record.pop(DEFINITION, {}))
    resources.update(failed)
    return list(failed)


def _remembering_a_failed_create(original: Function) -> Function:
    def invoke(request_type: str, logical_id: str, props: Record, stack_name: str, *rest: Any, **named: Any) -> Any:
        try:
            return original(request_type, logical_id, props, stack_name, *rest, **named)
        except (RuntimeError, TimeoutError) as error:
            stack_id, kind, *_ = rest
            # There is no such stack any more if the account was emptied meanwhile.
            stack = cloudformation._stacks.get(stack_name) or {}
            is_awaited = stack.get("StackId") == stack_id and logical_id not in stack.get(CANCELLED, ())
            if request_type == "Create" and is_awaited:
                _remember(stack, logical_id, kind, props, _physical_id(error, stack_name, logical_id))
            raise

    return invoke


def _remember(stack: Record, logical_id: str, kind: str, properties: Record, physical_id: str) -> None:
    stack.setdefault(FAILED_CREATES, {})[logical_id] = {
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "ResourceStatus": "CREATE_FAILED",
        "LogicalResourceId": logical_id,
        "Properties": properties,
        "Attributes": {},
        "Timestamp": now_iso(),
    }


def _physical_id(error: Exception, stack_name: str, logical_id: str) -> str:
    reason = error.args[0]
    if isinstance(reason, FailureReason) and reason.physical_id:
        return reason.physical_id
    return _invented_id(stack_name, logical_id)


def _invented_id(stack_name: str, logical_id: str) -> str:
    characters = string.ascii_uppercase + string.digits
    suffix = "".join(secrets.choice(characters) for _ in range(_SUFFIX_LENGTH))
    return f"{stack_name}-{logical_id}-{suffix}"


def _rolling_back_failed_creates(original: Function) -> Function:
    async def roll_back(
        stack_name: str, stack_id: str, stack: Record, operation: Record, reason_override: str = ""
    ) -> None:
        # What was created last is deleted first, and what failed came last.
        created = [*operation.get("created", []), *take_up(stack)]
        await original(stack_name, stack_id, stack, {**operation, "created": created}, reason_override)

    return roll_back
