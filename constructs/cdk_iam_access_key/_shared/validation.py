"""Checks of what an app passes in, whatever construct it is for."""

from aws_cdk import Duration
from aws_cdk import aws_events as events


def check_kind(name: str, value: object, kind: type, choices: str) -> None:
    """Refuse a value that is none of an enumeration."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be {choices}, got {shown(value)}; pass one of them")  # noqa: TRY004


def checked_schedule(schedule: events.Schedule | None) -> events.Schedule:
    """Return a schedule, once a day if there is none."""
    if schedule is None:
        return events.Schedule.rate(Duration.days(1))
    if not hasattr(schedule, "expression_string"):
        raise ValueError(
            f"schedule must be an aws_events.Schedule, got {shown(schedule)}; pass e.g. Schedule.rate(Duration.days(1))"
        )
    return schedule


def shown(value: object) -> str:
    """Show a value in a message, or of an object only what kind it is."""
    kind = type(value).__name__
    return f"{value!r} ({kind})" if isinstance(value, str | int | float | None) else f"an object of {kind}"
