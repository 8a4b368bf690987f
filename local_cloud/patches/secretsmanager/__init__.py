"""Secrets Manager: versions, encryption, rotation, and its resources in a template."""

from local_cloud.patches.secretsmanager import (
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
    resources.apply()
    encryption.apply()
    other_accounts.apply()
    rotation.apply()
    rotation_resources.apply()
