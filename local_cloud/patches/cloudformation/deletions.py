"""In which order CloudFormation deletes, and what it keeps when a deletion fails.

Resources that do not need each other go side by side. What could not be deleted stays in the stack, in ROLLBACK_FAILED
as in DELETE_FAILED, with everything that it needs, such as the function of a custom resource; the next DeleteStack
tries again. ministack deletes one after the other, goes on with what a failed one needs, and forgets after a rollback
what is left.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html#troubleshooting-errors-delete-stack-fails
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.core.responses import now_iso
from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks

from local_cloud.patches.cloudformation import creations, failed_creates
from local_cloud.patches.cloudformation.dependencies import Limit, SideBySide, needed_by
from local_cloud.replacing import Function, replace_function

if TYPE_CHECKING:
    from collections.abc import Collection

_STACK = "AWS::CloudFormation::Stack"

Record = dict[str, Any]


def apply() -> None:
    """Replace the deletion of a stack, unless it is forced, and the rollback of a creation."""
    deletion = "stack_name stack_id retain_resources force"
    rollback = "stack_name stack_id stack operation reason_override"
    for module in (stacks, handlers):
        replace_function(module, "_delete_stack_async", deletion, _deleting)
        replace_function(module, "_roll_back_operation", rollback, _rolling_back)


class _Deletion:
    """The deletion of resources of a stack.

    Args:
        stack: The stack, whose record shrinks.
        retained: What stays, and leaves the stack.
    """

    def __init__(self, stack: Record, retained: Collection[str]) -> None:
        self._stack, self._retained = stack, retained
        self._resources: dict[str, Record] = stack["_resources"]
        self._limit = Limit()
        self._failed: list[str] = []

    async def run(self) -> list[str]:
        """Delete, and give what failed."""
        definitions = self._stack["_template"].get("Resources", {})
        order = list(reversed(self._resources))
        deletion = SideBySide(needed_by(definitions, order), self._delete)
        for task in deletion.start(order).values():
            await task
        return sorted(self._failed)

    async def _delete(self, name: str, those_that_need_it: list[bool]) -> bool:
        """Tell whether nothing of the resource is in the way of those that it needs."""
        record = self._resources[name]
        if not all(those_that_need_it):
            return False
        if name in self._retained:
            self._tell(name, record, "DELETE_SKIPPED")
            del self._resources[name]
            return True
        self._tell(name, record, "DELETE_IN_PROGRESS")
        kind, physical_id = record["ResourceType"], record["PhysicalResourceId"]
        given = (kind, physical_id, record.get("Properties", {}), self._stack["StackName"], name)
        try:
            await self._limit.run(kind, stacks._delete_resource, *given)
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises is why the resource is not deleted
            record |= {"ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": str(error), "Timestamp": now_iso()}
            self._tell(name, record, "DELETE_FAILED", str(error))
            self._failed.append(name)
            return False
        self._tell(name, record, "DELETE_COMPLETE")
        self._resources.pop(name, None)
        return True

    def _tell(self, name: str, record: Record, status: str, reason: str = "") -> None:
        stack, physical_id = self._stack, record["PhysicalResourceId"]
        stacks._add_event(
            stack["StackId"], stack["StackName"], name, record["ResourceType"], status, reason, physical_id
        )


def _deleting(original: Function) -> Function:
    async def delete(stack_name: str, stack_id: str, retain_resources: Any = (), force: bool = False) -> None:  # noqa: FBT001, FBT002
        stack = cloudformation._stacks.get(stack_name)
        if not stack:
            return
        creations.cancel(stack)
        failed_creates.take_up(stack)
        if force:
            await original(stack_name, stack_id, retain_resources, force)
            return
        _settle(stack, "DELETE_IN_PROGRESS")
        _take_up_what_a_rollback_left(stack)
        retained = _with_policy(stack, stacks._RETAINING_POLICIES) | set(retain_resources)
        failed = await _Deletion(stack, retained).run()
        if failed:
            _settle(stack, "DELETE_FAILED", _reason(failed))
            return
        for output in stack.get("Outputs", []):
            cloudformation._exports.pop(output.get("ExportName"), None)
        _settle(stack, "DELETE_COMPLETE")

    return delete


def _rolling_back(original: Function) -> Function:
    async def roll_back(
        stack_name: str, stack_id: str, stack: Record, operation: Record, reason_override: str = ""
    ) -> None:
        if operation.get("is_update") or operation.get("imports"):
            await original(stack_name, stack_id, stack, operation, reason_override)
            return
        stack.pop("_failed_operation", None)
        failed_first = operation.get("failed_logical_id")
        why = f"The following resource(s) failed to create: [{failed_first}]. " if failed_first else ""
        _settle(stack, "ROLLBACK_IN_PROGRESS", reason_override or f"{why}Rollback requested by user.")
        retaining = () if operation.get("retain_except_on_create") else ("Retain",)
        failed = await _Deletion(stack, _with_policy(stack, retaining)).run()
        if failed:
            _settle(stack, "ROLLBACK_FAILED", _reason(failed))
        else:
            _settle(stack, "ROLLBACK_COMPLETE", "Rollback complete")

    return roll_back


def _take_up_what_a_rollback_left(stack: Record) -> None:
    for name, record in stack.pop("_rollback_failed", {}).items():
        if "RevertTo" not in record:
            stack["_resources"].setdefault(name, record)


def _with_policy(stack: Record, policies: Collection[str]) -> set[str]:
    template = stack["_template"]
    definitions = template.get("Resources", {})
    parameters, conditions = stack.get("_resolved_params", {}), stack.get("_conditions", {})
    rest = (parameters, conditions, template.get("Mappings", {}), stack["StackName"], stack["StackId"])
    resources = stack["_resources"]
    return {
        name
        for name in resources
        if stacks._resource_policy(definitions.get(name), "DeletionPolicy", resources, *rest) in policies
    }


def _settle(stack: Record, status: str, reason: str = "") -> None:
    stack["StackStatus"], stack["StackStatusReason"] = status, reason
    name, stack_id = stack["StackName"], stack["StackId"]
    stacks._add_event(stack_id, name, name, _STACK, status, reason, stack_id)


def _reason(failed: list[str]) -> str:
    return f"The following resource(s) failed to delete: [{', '.join(failed)}]."
