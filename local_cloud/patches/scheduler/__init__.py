"""EventBridge Scheduler: who may make a schedule, and when it fires."""

from local_cloud.patches.scheduler import (
    schedule_resources,
    schedules,
)


def apply() -> None:
    """Apply every patch of this service."""
    schedules.apply()
    schedule_resources.apply()
