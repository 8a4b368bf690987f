"""EventBridge: who may invoke what, and who may put which events."""

from local_cloud.patches.events import (
    conditions,
    targets,
)


def apply() -> None:
    """Apply every patch of this service."""
    targets.apply()
    conditions.apply()
