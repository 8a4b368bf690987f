"""The resources of a new stack are made side by side, as far as they do not need each other.

When one fails, AWS starts no other and cancels the custom resources whose Create is running: they are CREATE_FAILED,
the rollback sends them a Delete with a physical id that CloudFormation made up, perhaps while the Create still runs,
and nobody reads its answer any more. Without a rollback, what is running comes to its end. DeleteStack cancels in the
same way. ministack makes one resource after the other, and goes on making them while the stack is deleted.
An update still changes one resource after the other.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-dependson.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, stacks

from local_cloud.patches.cloudformation import failed_creates
from local_cloud.patches.cloudformation.dependencies import Limit, SideBySide, needs
from local_cloud.replacing import Function, replace_function

_STACK = "AWS::CloudFormation::Stack"
_CANCELLED = "Resource creation cancelled"
_PARAMETERS = (
    "stack_name stack_id template param_values disable_rollback tags is_update previous_stack retain_except_on_create "
    "imports"
)

Record = dict[str, Any]

_running: dict[str, _Creation] = {}


def apply() -> None:
    """Replace the deployment of a new stack."""
    for module in (stacks, handlers, changesets):
        replace_function(module, "_deploy_stack_async", _PARAMETERS, _deploying)


def cancel(stack: Record) -> None:
    """Stop making the resources of a stack, which is about to be deleted."""
    creation = _running.get(stack["StackId"])
    if creation:
        creation.cancel()


def _deploying(original: Function) -> Function:
    signature = inspect.signature(original)

    async def deploy(stack_name: str, stack_id: str, template: Record, *arguments: Any, **named: Any) -> None:
        given = signature.bind(stack_name, stack_id, template, *arguments, **named).arguments
        if given.get("is_update") or given.get("imports"):
            await original(stack_name, stack_id, template, *arguments, **named)
            return
        stack = cloudformation._stacks[stack_name]
        # A change set leaves them out until the stack is complete, and a rollback goes by them.
        stack |= {"_template": template, "_resolved_params": given["param_values"]}
        creation = _Creation(stack, template, given["param_values"], rolls_back=not given["disable_rollback"])
        _running[stack_id] = creation
        try:
            await creation.run(retain_except_on_create=given.get("retain_except_on_create", False))
        finally:
            del _running[stack_id]

    return deploy


class _Creation:
    """The creation of a stack's resources."""

    def __init__(self, stack: Record, template: Record, parameters: Record, *, rolls_back: bool) -> None:
        self._stack, self._template, self._parameters, self._rolls_back = stack, template, parameters, rolls_back
        self._name, self._id = stack["StackName"], stack["StackId"]
        self._definitions: Record = template.get("Resources", {})
        self._conditions = engine._evaluate_conditions(template, parameters)
        self._mappings = template.get("Mappings", {})
        self._resources: Record = stack["_resources"]
        self._limit = Limit()
        # By the logical id of what is being made its properties.
        self._under_way: Record = {}
        self._failure = ""
        self._failed_first: str | None = None
        self._is_deleted = False
        self._over = asyncio.Event()

    def cancel(self) -> None:
        """Leave everything to the deletion of the stack."""
        self._is_deleted = True
        self._give_up()

    async def run(self, *, retain_except_on_create: bool) -> None:
        """Make everything, and leave the stack complete, failed or rolled back."""
        try:
            order = engine._topological_sort(self._definitions, self._conditions)
        except ValueError as error:
            self._settle("CREATE_FAILED", str(error))
            return
        if not self._stack.get("_disable_validation") and self._is_invalid(order):
            return
        await self._make(order)
        if self._is_deleted:
            return
        outputs, exports = self._outputs()
        if not self._failure:
            self._publish(outputs, exports)
            return
        operation = self._operation(retain_except_on_create=retain_except_on_create)
        if self._rolls_back:
            await stacks._roll_back_operation(self._name, self._id, self._stack, operation)
        else:
            self._stack["_failed_operation"] = operation
            self._settle("CREATE_FAILED", self._failure)

    async def _make(self, order: list[str]) -> None:
        creation = SideBySide(needs(self._definitions, order), self._create)
        made = asyncio.gather(*creation.start(order).values())
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait((made, over), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()

    async def _create(self, name: str, _: list[Any]) -> None:
        if self._failure or self._is_deleted:
            return
        kind = self._definitions[name].get("Type", "AWS::CloudFormation::CustomResource")
        try:
            properties, dynamic = self._resolved(name)
            self._tell(name, kind, "CREATE_IN_PROGRESS")
            self._under_way[name] = properties
            tags = self._stack.get("Tags") or []
            tagged = stacks._with_stack_tags(kind, properties, tags, self._name, self._id, name)
            made = await self._limit.run(kind, stacks._provision_keeping_seed, kind, name, tagged, self._name)
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises is why the resource is not made
            if self._is_under_way(name):
                self._fail(name, kind, str(error))
            return
        if self._is_under_way(name):
            (physical_id, attributes), seed = made
            self._keep(name, kind, physical_id, attributes, {"_dynamic": dynamic, "_name_seed": seed})

    def _is_under_way(self, name: str) -> bool:
        """Tell whether anybody waits for a resource; one that failed before it began is waited for too."""
        return name not in self._stack.get(failed_creates.CANCELLED, ())

    def _resolved(self, name: str) -> tuple[Record, Record]:
        raw = copy.deepcopy(self._definitions[name].get("Properties", {}))
        rest = (self._parameters, self._conditions, self._mappings, self._name, self._id)
        resolved = engine._resolve_refs(raw, self._resources, *rest)
        properties = {key: value for key, value in resolved.items() if value is not engine._NO_VALUE}
        found: tuple[Record, Record] = engine._resolve_dynamic_references(
            properties, None, reuse_ssm=False, reuse_secrets=False
        )
        return found

    def _keep(self, name: str, kind: str, physical_id: str, attributes: Record, more: Record) -> None:
        self._resources[name] = {
            "PhysicalResourceId": physical_id,
            "ResourceType": kind,
            "ResourceStatus": "CREATE_COMPLETE",
            "LogicalResourceId": name,
            "Properties": self._under_way.pop(name),
            "Attributes": attributes,
            "Timestamp": now_iso(),
            **{key: value for key, value in more.items() if value},
        }
        self._tell(name, kind, "CREATE_COMPLETE", physical_id=physical_id)
        if self._failure and self._rolls_back:
            self._give_up()

    def _fail(self, name: str, kind: str, reason: str) -> None:
        self._under_way.pop(name, None)
        self._tell(name, kind, "CREATE_FAILED", reason)
        if not self._failure:
            self._failed_first, self._failure = name, f"Resource {name} failed: {reason}"
        if self._rolls_back:
            self._give_up()

    def _give_up(self) -> None:
        """Cancel what is being made, but for nested stacks: they come to their end."""
        for name, properties in list(self._under_way.items()):
            kind = self._definitions[name]["Type"]
            if kind != _STACK:
                del self._under_way[name]
                self._tell(name, kind, "CREATE_FAILED", _CANCELLED)
                failed_creates.cancel(self._stack, name, kind, properties)
        if not self._under_way:
            self._over.set()

    def _is_invalid(self, order: list[str]) -> bool:
        return bool(
            stacks._fail_property_validation(
                self._stack,
                self._id,
                self._name,
                self._definitions,
                order,
                self._parameters,
                self._conditions,
                self._mappings,
                not self._rolls_back,
            )
        )

    def _outputs(self) -> tuple[list[Record], Record]:
        if self._failure:
            return [], {}
        rest = (self._parameters, self._mappings, self._name, self._id)
        try:
            found: tuple[list[Record], Record] = stacks._resolve_stack_outputs(
                self._template.get("Outputs", {}), self._conditions, self._resources, *rest
            )
        except Exception as error:  # noqa: BLE001 -- an output that can't be resolved fails the stack, whatever is wrong
            self._failure = str(error)
            stacks._add_event(self._id, self._name, self._name, _STACK, "CREATE_FAILED", str(error), self._id)
            return [], {}
        return found

    def _publish(self, outputs: list[Record], exports: Record) -> None:
        self._stack |= {"_template": self._template, "_resolved_params": self._parameters, "Outputs": outputs}
        cloudformation._exports.update(exports)
        self._settle("CREATE_COMPLETE", "")

    def _operation(self, *, retain_except_on_create: bool) -> Record:
        operation: Record = stacks._failed_operation(
            is_update=False,
            previous_stack=None,
            created=list(self._resources),
            failed_update=None,
            failed_logical_id=self._failed_first,
            replaced_ids=[],
            cancelled=False,
            template=self._template,
            param_values=self._parameters,
            retain_except_on_create=retain_except_on_create,
            stack_tags=self._stack.get("Tags") or [],
            previous_tags=[],
        )
        return operation

    def _settle(self, status: str, reason: str) -> None:
        self._stack["StackStatus"], self._stack["StackStatusReason"] = status, reason
        stacks._add_event(self._id, self._name, self._name, _STACK, status, reason, self._id)

    def _tell(self, name: str, kind: str, status: str, reason: str = "", physical_id: str = "") -> None:
        stacks._add_event(self._id, self._name, name, kind, status, reason, physical_id)
