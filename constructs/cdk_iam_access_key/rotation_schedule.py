"""When Secrets Manager rotates a key by itself."""

from dataclasses import dataclass

from aws_cdk import Duration

from cdk_iam_access_key._cron import checked_cron
from cdk_iam_access_key._durations import DAY, HOUR, checked_seconds, in_words

_CLOSEST = 4 * HOUR
_FARTHEST = 999 * DAY


@dataclass(frozen=True, slots=True)
class RotationSchedule:
    """Say when Secrets Manager rotates the key, in UTC: `RotationSchedule.rate(…)` or `RotationSchedule.cron(…)`.

    Secrets Manager rotates at some moment of the window that then opens. Unless `window` says how long it is, it closes
    after an hour for a schedule in hours, and at the end of the day for one in days.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html

    Args:
        expression: Use `rate` and `cron`.
        closest: Use `rate` and `cron`.
        window: Use `rate` and `cron`.
    """

    expression: str
    closest: int | None = None
    window: int | None = None

    @classmethod
    def rate(cls, interval: Duration, *, window: Duration | None = None) -> "RotationSchedule":
        """Rotate every so many hours, at least 4, or days, at most 999.

        Args:
            interval: From the opening of one window to that of the next; the first opens at midnight.
            window: Whole hours, no more than to the next window or the end of the day.

        Raises:
            ValueError: The interval or the window is out of bounds or no whole number of hours.
        """
        seconds = checked_seconds("rotation_schedule", interval, minimum=_CLOSEST, maximum=_FARTHEST)
        if seconds % HOUR:
            raise ValueError(
                f"rotation_schedule must be whole hours or days, got {interval.to_human_string()}; change it"
            )
        in_days = seconds % DAY == 0
        length = _checked_window(window, DAY if in_days else min(seconds, DAY % seconds or seconds))
        return cls(f"rate({in_words(seconds)})", seconds - (length or (DAY if in_days else HOUR)), length)

    @classmethod
    def cron(
        cls,
        expression: str | None = None,
        *,
        hour: str | None = None,
        day: str | None = None,
        month: str | None = None,
        week_day: str | None = None,
        window: Duration | None = None,
    ) -> "RotationSchedule":
        """Rotate by an expression, `cron(0 4 1 * ? *)`, or by its fields.

        Args:
            expression: `cron(minutes hours day-of-month month day-of-week year)`. The minutes are 0 and the year is *:
                Secrets Manager has no others. One of the two days is ?.
            hour: 0 to 23, or steps of at least 4: `0/8`. Midnight if left out.
            day: 1 to 31, or L for the last day of the month. Every day if left out.
            month: 1 to 12 or JAN to DEC. Every month if left out.
            week_day: 1 to 7 or SUN to SAT, instead of `day`.
            window: Whole hours, no more than to the next window or the end of the day.

        Raises:
            ValueError: The expression says what Secrets Manager refuses, or is given beside fields; or the window is
                too long or no whole number of hours.
        """
        fields = (hour, day, month, week_day)
        if expression is None:
            days = (day or "*", "?") if week_day is None else (day or "?", week_day)
            expression = f"0 {hour or '0'} {days[0]} {month or '*'} {days[1]} *"
        elif any(field is not None for field in fields):
            raise ValueError(
                f"rotation_schedule must be an expression or fields, got {expression!r} and fields; leave one out"
            )
        cron = checked_cron(expression)
        length = _checked_window(window, cron.longest_window)
        closest = None if cron.shortest is None else cron.shortest - (length or cron.window)
        return cls(cron.expression, closest, length)


def _checked_window(window: Duration | None, longest: int) -> int | None:
    if window is None:
        return None
    seconds = checked_seconds("window", window, minimum=HOUR, maximum=longest)
    if seconds % HOUR:
        raise ValueError(f"window must be whole hours, got {window.to_human_string()}; change it")
    return seconds
