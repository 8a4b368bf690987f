"""The exports of a nested stack: another stack imports them, also one beside it.

ministack resolves the outputs of a nested stack, and forgets that some of them are exports.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import provisioners, stacks

from local_cloud.replacing import Function, replace_function


def apply() -> None:
    """Publish them once the nested stack is complete."""
    parameters = "logical_id props parent_stack_name previous_physical_id previous_props"
    replace_function(provisioners, "_cfn_nested_stack_deploy", parameters, _publishing)


def _publishing(original: Function) -> Function:
    def deploy(*arguments: Any, **options: Any) -> tuple[str, dict[str, str]]:
        stack_id, attributes = original(*arguments, **options)
        stack = cloudformation._stacks[stack_id.split("/")[1]]
        template = stack["_template"]
        # The deletion of a nested stack takes those away that its outputs name.
        stack["Outputs"], exports = stacks._resolve_stack_outputs(
            template.get("Outputs", {}),
            stack["_conditions"],
            stack["_resources"],
            stack["_resolved_params"],
            template.get("Mappings", {}),
            stack["StackName"],
            stack_id,
        )
        cloudformation._exports.update(exports)
        return stack_id, attributes

    return deploy
