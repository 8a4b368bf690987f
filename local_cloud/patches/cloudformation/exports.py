"""An export that another stack imports: it can neither change nor go.

AWS fails the update of the exporting stack, and rolls it back. ministack changes the export, forgets none that is no
longer declared, and leaves the importing stack with what it read.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks

from local_cloud.replacing import Function, replace_function

_PARAMETERS = "outputs_defs conditions resources param_values mappings stack_name stack_id"

Exports = dict[str, dict[str, str]]


def apply() -> None:
    """Compare the exports of a stack with those it had, before anything is published."""
    replace_function(stacks, "_resolve_stack_outputs", _PARAMETERS, _checked)


def _checked(original: Function) -> Function:
    def resolve_stack_outputs(*arguments: Any) -> tuple[Any, Exports]:
        outputs, exports = original(*arguments)
        stack_id = arguments[-1]
        had = {name: export for name, export in cloudformation._exports.items() if export["StackId"] == stack_id}
        for name, export in had.items():
            _check(name, export["Value"], exports.get(name))
        for name in had.keys() - exports.keys():
            del cloudformation._exports[name]
        return outputs, exports

    return resolve_stack_outputs


def _check(name: str, value: str, new: dict[str, str] | None) -> None:
    if new is not None and new["Value"] == value:
        return
    importing = [
        stack_name
        for stack_name, stack in cloudformation._stacks.items()
        if stack["StackStatus"] != "DELETE_COMPLETE" and name in handlers._imported_export_names(stack, stack_name)
    ]
    if importing:
        verb = "update" if new else "delete"
        raise ValueError(f"Cannot {verb} export {name} as it is in use by {', '.join(sorted(importing))}.")
