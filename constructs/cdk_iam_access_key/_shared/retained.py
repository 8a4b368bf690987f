"""What a removal policy leaves behind, whoever wrote it: an option, an aspect, an override."""

from typing import Any

_POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")


def retained(resource: dict[str, Any] | None) -> str | None:
    """Say which policy of a resource, as its template has it, leaves it behind; None if CloudFormation deletes it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    """
    for name in _POLICIES:
        policy = (resource or {}).get(name, "Delete")
        if policy != "Delete":
            return f"the {name} {policy}"
    return None


def instead(resource_type: str) -> str:
    """Say how to keep a type out of what is retained."""
    return (
        f'leave it out, as with RemovalPolicies.of(scope).retain(exclude_resource_types=["{resource_type}"]), or take '
        f'it back with RemovalPolicies.of(scope).destroy(apply_to_resource_types=["{resource_type}"], priority=1000)'
    )
