"""CloudFormation: the dialogue with custom resources, and the rules of stacks."""

from local_cloud.patches.cloudformation import (
    custom_resource_answers,
    exports,
    failed_creates,
)


def apply() -> None:
    """Apply every patch of this service."""
    custom_resource_answers.apply()
    failed_creates.apply()
    exports.apply()
