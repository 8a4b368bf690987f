"""When Secrets Manager rotates a key by itself, as it takes it.

Its expressions, `rate(30 days)` and `cron(…)` in UTC, differ from those of EventBridge: windows open on the hour, no
more often than every four hours.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html
"""

import re
from dataclasses import dataclass

from aws_cdk import Duration, Token
from aws_cdk import aws_events as events

from cdk_iam_access_key._access_key.rotation_cron import EXAMPLE, checked_cron
from cdk_iam_access_key._shared.durations import DAY, HOUR, MINUTE, checked_seconds, in_words
from cdk_iam_access_key._shared.validation import shown

_CLOSEST = 4 * HOUR
_FARTHEST = 999 * DAY
_LONGEST_AUTOMATIC = 1000 * DAY
_RATE = re.compile(r"rate\((?P<number>[0-9]{1,9}) (?P<unit>minute|hour|day)s?\)")
_UNITS = {"minute": MINUTE, "hour": HOUR, "day": DAY}


@dataclass(frozen=True, slots=True)
class RotationRules:
    """When Secrets Manager rotates, as it takes it.

    Attributes:
        expression: A rate or a cron expression.
        closest: The shortest time between two rotations, in seconds.
        farthest: The longest time between the openings of two windows, in seconds.
        open_for: How long a window is open, in seconds: as long as `window` says, or else as Secrets Manager has it.
        window: How long a window is, in seconds; None if Secrets Manager decides.
        after_days: Rotates so many days after the last rotation, instead of by the expression.
    """

    expression: str
    closest: int
    farthest: int
    open_for: int
    window: int | None = None
    after_days: int | None = None

    @property
    def text(self) -> str:
        """Say it in one line, another one for each other schedule."""
        if self.after_days is not None:
            return f"{self.expression} since the last rotation"
        return self.expression if self.window is None else f"{self.expression} for {in_words(self.window)}"


def rate_in_seconds(expression: str) -> int | None:
    """Read how far apart a rate is; None if it is none."""
    rate = _RATE.fullmatch(expression)
    return int(rate["number"]) * _UNITS[rate["unit"]] if rate else None


def checked_rules(schedule: events.Schedule, window: Duration | None) -> RotationRules:
    """Read a schedule, and how long the windows are that it opens.

    Raises:
        ValueError: It says what Secrets Manager refuses.
    """
    if not isinstance(schedule, events.Schedule):
        raise ValueError(  # noqa: TRY004 - one kind of error at synth
            f"rotation_schedule must be an aws_events.Schedule, got {shown(schedule)}; pass "
            f"Schedule.rate(Duration.days(30)), or {EXAMPLE}"
        )
    expression = schedule.expression_string
    if Token.is_unresolved(expression):
        raise ValueError("rotation_schedule must be known at synth, got a token; write the schedule out")
    rate = rate_in_seconds(expression)
    if rate is not None:
        return _checked_rate(expression, rate, window)
    cron = checked_cron(expression)
    length = _checked_window(window, cron.longest_window)
    return _rules(cron.expression, cron.shortest, cron.longest, length, cron.window)


def checked_automatic(after: Duration) -> RotationRules:
    """Read so many days after the last rotation.

    Raises:
        ValueError: They are out of bounds, or no whole days.
    """
    seconds = checked_seconds("automatically_after", after, minimum=DAY, maximum=_LONGEST_AUTOMATIC)
    if seconds % DAY:
        raise ValueError(
            f"automatically_after must be whole days, got {after.to_human_string()}; change it, or use "
            "rotation_schedule"
        )
    # Some time of the day on which the last rotation is so many days ago.
    return RotationRules(f"rate({in_words(seconds)})", seconds - DAY, seconds, DAY, after_days=seconds // DAY)


def _checked_rate(expression: str, seconds: int, window: Duration | None) -> RotationRules:
    if seconds % HOUR or not _CLOSEST <= seconds <= _FARTHEST:
        raise ValueError(
            f"rotation_schedule must be a rate of whole hours or days, at least {in_words(_CLOSEST)} and at most "
            f"{in_words(_FARTHEST)}, got {expression}; change it"
        )
    in_days = seconds % DAY == 0
    length = _checked_window(window, DAY if in_days else min(seconds, DAY % seconds or seconds))
    return _rules(f"rate({in_words(seconds)})", seconds, seconds, length, DAY if in_days else HOUR)


def _rules(expression: str, shortest: int, longest: int, window: int | None, default: int) -> RotationRules:
    open_for = window or default
    return RotationRules(expression, shortest - open_for, longest, open_for, window)


def _checked_window(window: Duration | None, longest: int) -> int | None:
    if window is None:
        return None
    seconds = checked_seconds("rotation_window", window, minimum=HOUR, maximum=longest)
    if seconds % HOUR:
        raise ValueError(f"rotation_window must be whole hours, got {window.to_human_string()}; change it")
    return seconds
