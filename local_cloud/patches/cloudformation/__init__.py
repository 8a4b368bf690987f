"""CloudFormation: the dialogue with custom resources, and the rules of stacks."""

from local_cloud.patches.cloudformation import (
    creations,
    custom_resource_answers,
    deletions,
    exports,
    failed_creates,
    metadata_references,
    nested_exports,
    without_rollback,
)


def apply() -> None:
    """Apply every patch of this service."""
    custom_resource_answers.apply()
    creations.apply()
    deletions.apply()
    failed_creates.apply()
    exports.apply()
    metadata_references.apply()
    nested_exports.apply()
    without_rollback.apply()
