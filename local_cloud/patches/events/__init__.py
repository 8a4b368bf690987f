"""EventBridge: what a rule may invoke and when, and who may put which events."""

from local_cloud.patches.events import (
    conditions,
    scheduled_rules,
    targets,
)


def apply() -> None:
    """Apply every patch of this service."""
    targets.apply()
    scheduled_rules.apply()
    conditions.apply()
