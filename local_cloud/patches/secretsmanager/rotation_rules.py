"""When Secrets Manager rotates a secret by its schedule.

A schedule is a number of days, a rate in hours or days (four hours at least), or a cron expression; the window in
which it rotates may not reach into the next day.
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from ministack.services import eventbridge

_RATE = re.compile(r"rate\((\d+) (hour|day)s?\)")
_CRON_MINUTES_AND_YEAR = re.compile(r"cron\(0 .+ \*\)")
_DURATION = re.compile(r"([1-9]|1\d|2[0-4])h")
_MOST_DAYS = 1000
_FEWEST_HOURS = 4
_DAY = dt.timedelta(days=1)

Rules = dict[str, Any]


def mistake(rules: Rules) -> str | None:
    """Say what is wrong with rotation rules, None if nothing is."""
    days, expression = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    if days is not None and expression is not None:
        return "You can specify either AutomaticallyAfterDays or ScheduleExpression, but not both."
    if days is not None and not 1 <= int(days) <= _MOST_DAYS:
        return f"AutomaticallyAfterDays must be between 1 and {_MOST_DAYS}."
    if expression is not None and _interval(expression) is None and _cron(expression) is None:
        return f"The schedule expression {expression} is not valid."
    duration = rules.get("Duration")
    if duration is not None and not _DURATION.fullmatch(duration):
        return f"The duration {duration} is not valid."
    return None


def next_date(rules: Rules, last: float) -> float | None:
    """Give the time by which the next rotation comes after one, None if there is no schedule."""
    after = dt.datetime.fromtimestamp(last, dt.UTC)
    expression = rules.get("ScheduleExpression")
    if expression is None:
        interval = dt.timedelta(days=int(rules.get("AutomaticallyAfterDays") or 0)) or None
    else:
        interval = _interval(expression)
    if interval is None:
        fields = _cron(expression or "")
        found: dt.datetime | None = eventbridge._cron_next_fire(fields, after) if fields else None
        return found.timestamp() if found else None
    if interval % _DAY:
        return (after + interval).timestamp()
    # The window of a schedule in days is open until the end of the day.
    midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + interval + _DAY).timestamp() - 1


def _interval(expression: str) -> dt.timedelta | None:
    rate = _RATE.fullmatch(expression)
    if not rate:
        return None
    interval = dt.timedelta(**{f"{rate.group(2)}s": int(rate.group(1))})
    allowed = dt.timedelta(hours=_FEWEST_HOURS) <= interval <= dt.timedelta(days=_MOST_DAYS)
    return interval if allowed else None


def _cron(expression: str) -> Any:
    if not _CRON_MINUTES_AND_YEAR.fullmatch(expression):
        return None
    return eventbridge._parse_cron_fields(expression)
