"""CloudWatch: events of alarms, conditions on metrics."""

from local_cloud.patches.cloudwatch import (
    alarm_events,
    metric_conditions,
)


def apply() -> None:
    """Apply every patch of this service."""
    alarm_events.apply()
    metric_conditions.apply()
