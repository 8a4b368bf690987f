"""A stack that failed without a rollback takes an update, which goes on from what is there.

AWS keeps what succeeded: its old properties in the next update are the ones that it got then. A custom resource whose
Update failed is sent back at once. One whose Create failed is made again by the next update, and what the first
attempt left gets a Delete with the id of that attempt; AWS does not say when, and here it comes last. The update must
leave the rollback disabled again, and nothing may be replaced meanwhile. RollbackStack goes back to the last complete
state, over all updates since. Express mode leaves out the rollback by default, can't use RollbackStack, and must be
kept up until the stack is complete. ministack refuses an update of such a stack, and does not know express mode.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-express-mode.html
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ministack.core.concurrency import run_reentrant
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, handlers, helpers, stacks

from local_cloud.patches.cloudformation import failed_creates
from local_cloud.replacing import Function, replace_function, replace_item

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAILED = ("CREATE_FAILED", "UPDATE_FAILED")
_DEPLOY = (
    "stack_name stack_id template param_values disable_rollback tags is_update previous_stack retain_except_on_create "
    "imports"
)
_NO_UPDATES = "stack template param_values tags use_previous_template tags_given"
# What the record of a stack holds of its last operation, and that of a change set of the one it is for.
_EXPRESS = "_express"
_NO_ROLLBACK = "_no_rollback"
_REPLACEMENT = "Replacement type updates not supported on stack with disable-rollback."
_NEEDS_NO_ROLLBACK = (
    "This stack is currently in a non-terminal [{status}] state. To update the stack from this state, please use the "
    "disable-rollback parameter with update-stack API. To rollback to the last known good state, use the "
    "rollback-stack API"
)
_NEEDS_EXPRESS = (
    "This stack is in a {status} state from a previous operation that used EXPRESS deployment mode with "
    "disable-rollback. Follow-up operations must use the same DeploymentConfig (mode=EXPRESS) until the stack reaches "
    "a *_COMPLETE state"
)
_NO_ROLLBACK_OF_EXPRESS = (
    "RollbackStack is not supported for stacks that were last updated using EXPRESS deployment mode and are in a "
    "failed state"
)

Record = dict[str, Any]
Parameters = dict[str, Any]


def apply() -> None:
    """Let failed stacks be updated, and the API know express mode."""
    for action, replacement in (
        ("CreateStack", _beginning),
        ("UpdateStack", _beginning),
        ("CreateChangeSet", _proposing),
        ("ExecuteChangeSet", _executing),
        ("RollbackStack", _rolling_back),
        ("DescribeStacks", _describing),
        ("DescribeChangeSet", _describing),
    ):
        replace_item(handlers._ACTION_HANDLERS, action, "params", replacement)
    replace_function(handlers, "_stack_has_no_updates", _NO_UPDATES, _but_for_a_failed_stack)
    replace_function(stacks, "_update_keeping_seed", "args", _refusing_replacements)
    for module in (stacks, handlers, changesets):
        replace_function(module, "_deploy_stack_async", _DEPLOY, _deploying)


def _text(parameters: Parameters, name: str) -> str:
    return str(helpers._p(parameters, name))


def _mode(parameters: Parameters) -> Record:
    express = _text(parameters, "DeploymentConfig.Mode") == "EXPRESS"
    disabled = _text(parameters, "DeploymentConfig.DisableRollback") or str(express)
    leaves_out = "true" in (_text(parameters, "DisableRollback").lower(), disabled.lower())
    return {_EXPRESS: express, _NO_ROLLBACK: leaves_out}


def _is_failed(stack: Record | None) -> bool:
    return stack is not None and stack.get("StackStatus") in _FAILED


def _refused(stack: Record | None, mode: Record) -> str:
    if stack is None or not _is_failed(stack):
        return ""
    if stack.get(_EXPRESS) and not mode[_EXPRESS]:
        return _NEEDS_EXPRESS.format(status=stack["StackStatus"])
    return "" if mode[_NO_ROLLBACK] else _NEEDS_NO_ROLLBACK.format(status=stack["StackStatus"])


def _beginning(original: Function) -> Function:
    def begin(params: Parameters) -> Any:
        mode = _mode(params)
        if mode[_NO_ROLLBACK] and not _text(params, "OnFailure"):
            params = {**params, "DisableRollback": ["true"]}
        stack = handlers._resolve_stack(_text(params, "StackName"))
        if refusal := _refused(stack, mode):
            return helpers._error("ValidationError", refusal)
        status = stack["StackStatus"] if _is_failed(stack) else ""
        if status:
            # ministack updates what is complete, and takes what succeeded last for the previous template.
            stack["StackStatus"] = "UPDATE_COMPLETE"
            if _text(params, "UsePreviousTemplate").lower() == "true":
                params = {**params, "TemplateBody": [stack["_template_body"]], "UsePreviousTemplate": ["false"]}
        response = original(params)
        if response[0] == 200:  # noqa: PLR2004 -- the status of a request that was taken
            handlers._resolve_stack(_text(params, "StackName"))[_EXPRESS] = mode[_EXPRESS]
        elif status:
            stack["StackStatus"] = status
        return response

    return begin


def _proposing(original: Function) -> Function:
    def create_change_set(params: Parameters) -> Any:
        response = original(params)
        _, change_set = changesets._find_change_set(_text(params, "ChangeSetName"), _text(params, "StackName"))
        if change_set:
            change_set |= _mode(params)
        return response

    return create_change_set


def _executing(original: Function) -> Function:
    def execute_change_set(params: Parameters) -> Any:
        _, change_set = changesets._find_change_set(_text(params, "ChangeSetName"), _text(params, "StackName"))
        stack = handlers._resolve_stack(change_set["StackName"]) if change_set else None
        if stack is None:
            return original(params)
        express, asked = change_set[_EXPRESS], _text(params, "DisableRollback").lower() == "true"
        mode = {_EXPRESS: express, _NO_ROLLBACK: asked or (express and change_set[_NO_ROLLBACK])}
        if refusal := _refused(stack, mode):
            return helpers._error("ValidationError", refusal)
        stack[_EXPRESS] = express
        return original({**params, "DisableRollback": ["true"]} if mode[_NO_ROLLBACK] else params)

    return execute_change_set


def _rolling_back(original: Function) -> Function:
    def rollback_stack(params: Parameters) -> Any:
        stack = handlers._resolve_stack(_text(params, "StackName"))
        if _is_failed(stack) and stack.get(_EXPRESS):
            return helpers._error("ValidationError", _NO_ROLLBACK_OF_EXPRESS)
        return original(params)

    return rollback_stack


def _describing(original: Function) -> Function:
    def describe(params: Parameters) -> Any:
        status, headers, body = original(params)
        is_of_stacks = _text(params, "Action") == "DescribeStacks"
        named, records = (
            ("StackId", cloudformation._stacks) if is_of_stacks else ("ChangeSetId", cloudformation._change_sets)
        )
        for record in records.values():
            element = f"<{named}>{record[named]}</{named}>"
            body = body.replace(element.encode(), f"{element}{_as_xml(record)}".encode())
        return status, headers, body

    return describe


def _as_xml(record: Record) -> str:
    if not record.get(_EXPRESS):
        return ""
    disabled = f"<DisableRollback>{str(record.get(_NO_ROLLBACK, False)).lower()}</DisableRollback>"
    return f"<DeploymentConfig><Mode>EXPRESS</Mode>{disabled}</DeploymentConfig>"


def _but_for_a_failed_stack(original: Function) -> Function:
    def stack_has_no_updates(stack: Record, *arguments: Any) -> bool:
        return "_failed_operation" not in stack and bool(original(stack, *arguments))

    return stack_has_no_updates


def _refusing_replacements(original: Function) -> Function:
    def update(*args: Any) -> Any:
        kind, physical_id, old, new, stack_name, *_ = args
        stack = cloudformation._stacks.get(stack_name) or {}
        if stack.get(_NO_ROLLBACK) and stacks._replacing_change(kind, old, new):
            raise ValueError(_REPLACEMENT)
        made = original(*args)
        if stack.get(_NO_ROLLBACK) and failed_creates.is_custom(kind) and made[0][0] != physical_id:
            raise ValueError(_REPLACEMENT)
        return made

    return update


def _deploying(original: Function) -> Function:
    signature = inspect.signature(original)

    async def deploy(stack_name: str, stack_id: str, template: Record, *arguments: Any, **named: Any) -> None:
        given = signature.bind(stack_name, stack_id, template, *arguments, **named).arguments
        stack = cloudformation._stacks[stack_name]
        is_update = given.get("is_update", False)
        earlier = stack.pop("_failed_operation", None)
        attempts = failed_creates.take(stack)
        before = stack["_template"] if is_update else {}
        stack[_NO_ROLLBACK] = given["disable_rollback"]
        await original(stack_name, stack_id, template, *arguments, **named)
        ended = stack["StackStatus"]
        stack["StackStatus"] = f"{ended.partition('_')[0]}_IN_PROGRESS"
        if is_update:
            await _delete_attempts(stack, attempts)
        if ended in _FAILED and "_failed_operation" in stack:
            await _keep_what_succeeded(stack, before, template, earlier)
        stack["StackStatus"] = ended

    return deploy


async def _delete_attempts(stack: Record, attempts: Mapping[str, Record]) -> None:
    """Send a Delete to what failed to be made earlier, unless what was made since has the same id."""
    for name, record in attempts.items():
        kind, physical_id = record["ResourceType"], record["PhysicalResourceId"]
        if stack["_resources"].get(name, {}).get("PhysicalResourceId") == physical_id:
            continue
        told = (stack["StackId"], stack["StackName"], name, kind)
        stacks._add_event(*told, "DELETE_IN_PROGRESS", physical_id=physical_id)
        try:
            given = (kind, physical_id, record["Properties"], stack["StackName"], name)
            await run_reentrant(stacks._delete_resource, *given)
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises is why it is not deleted
            stacks._add_event(*told, "DELETE_FAILED", str(error), physical_id)
        else:
            stacks._add_event(*told, "DELETE_COMPLETE", physical_id=physical_id)


async def _keep_what_succeeded(stack: Record, before: Record, template: Record, earlier: Record | None) -> None:
    """Let the stack's template be that of what is there, and its rollback go back over all failed updates."""
    operation, resources = stack["_failed_operation"], stack["_resources"]
    failed = operation["failed_update"]
    if failed and failed[3] is not None and failed_creates.is_custom(failed[1]):
        await _send_back(stack, operation)
    done, new, old = set(operation["created"]), template["Resources"], before.get("Resources", {})
    definitions = {name: (new if name in done else old)[name] for name in resources}
    stack["_template"] = {**template, "Resources": definitions, "Outputs": before.get("Outputs", {})}
    for name, record in stack.get(failed_creates.FAILED_CREATES, {}).items():
        record[failed_creates.DEFINITION] = new[name]
    if earlier:
        operation |= {
            **{name: earlier[name] for name in ("is_update", "previous_stack", "previous_tags")},
            "created": list(dict.fromkeys([*earlier["created"], *operation["created"]])),
        }


async def _send_back(stack: Record, operation: Record) -> None:
    """Give a custom resource whose Update failed the properties that it had."""
    name, kind, physical_id, *rest = operation["failed_update"]
    record = stack["_resources"][name]
    try:
        await stacks._revert_update(stack["StackId"], stack["StackName"], name, kind, physical_id, *rest, record)
    except Exception:  # noqa: BLE001 -- the events tell; a rollback of the stack tries again
        return
    finally:
        record["ResourceStatus"] = "UPDATE_FAILED"
    operation["failed_update"] = [name, kind, physical_id, None, None, None]
