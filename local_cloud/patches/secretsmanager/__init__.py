"""Secrets Manager: versions, encryption, conditions, rotation, and its resources in a template."""

from local_cloud.patches.secretsmanager import (
    conditions,
    encryption,
    other_accounts,
    resources,
    rotation,
    rotation_resources,
    versions,
)


def apply() -> None:
    """Apply every patch of this service."""
    versions.apply()
    conditions.apply()
    resources.apply()
    encryption.apply()
    other_accounts.apply()
    rotation.apply()
    rotation_resources.apply()
