"""Checks of durations, which reach the provider as whole seconds."""

from typing import Any

from aws_cdk import Duration

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# Nine digits, which is what the provider reads.
LONGEST = 999_999_999


def checked_seconds(name: str, duration: Any, *, minimum: int = MINUTE, maximum: int = LONGEST) -> int:
    """Return a duration in seconds.

    Raises:
        ValueError: It is no Duration, known at deployment only, no whole number of seconds, or out of bounds.
    """
    if not isinstance(duration, Duration):
        raise ValueError(  # noqa: TRY004 - one kind of error at synth
            f"{name} must be an aws_cdk.Duration, got an object of {type(duration).__name__}; pass e.g. "
            "Duration.days(1)"
        )
    if duration.is_unresolved():
        raise ValueError(f"{name} must be known at synth, got a token; pass a Duration of a number")
    seconds = duration.to_seconds(integral=False)
    if seconds != int(seconds) or not minimum <= seconds <= maximum:
        raise ValueError(
            f"{name} must be whole seconds, at least {in_words(minimum)} and at most {in_words(maximum)}, "
            f"got {duration.to_human_string() if seconds else '0'}; change it"
        )
    return int(seconds)


def in_words(seconds: int) -> str:
    """Write a duration in its largest whole unit."""
    for unit, length in (("day", DAY), ("hour", HOUR), ("minute", MINUTE)):
        if seconds and seconds % length == 0:
            return _counted(seconds // length, unit)
    return _counted(seconds, "second")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
