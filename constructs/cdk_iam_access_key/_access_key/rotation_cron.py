"""The cron expressions of Secrets Manager, `cron(minutes hours day-of-month month day-of-week year)` in UTC.

They differ from other crons: windows open on the hour, no more often than every four hours, each year.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from cdk_iam_access_key._access_key.rotation_calendar import WEEKDAYS, Days, apart
from cdk_iam_access_key._shared.durations import DAY, HOUR

_FIELDS = ("minutes", "hours", "day-of-month", "month", "day-of-week", "year")
EXAMPLE = 'Schedule.cron(minute="0", hour="4", day="1"), at 4:00 UTC on the first day of each month'
_MONTHS = {"JAN": 1, "FEB": 2, "MAR": 3, "APR": 4, "MAY": 5, "JUN": 6, "JUL": 7, "AUG": 8, "SEP": 9}
_MONTHS |= {"OCT": 10, "NOV": 11, "DEC": 12}
_WEEKDAY = f"(?:[1-7]|{'|'.join(WEEKDAYS)})"
_DAYS_OF_MONTHS = dict(zip(range(1, 13), (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), strict=True))
_CLOSEST_HOURS = 4
_RANGE = re.compile(r"(?P<first>\*|\w+)?(?:-(?P<last>\w+))?(?:/(?P<step>[0-9]{1,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the fields: its name, the numbers it allows, and the words for them."""

    name: str
    lowest: int
    highest: int
    words: dict[str, int]
    special: re.Pattern[str] = re.compile("(?!)")

    def values(self, text: str) -> set[int]:
        """List the numbers that the field stands for."""
        return {
            number
            for part in text.upper().split(",")
            if not self.special.fullmatch(part)
            for number in self._values(part, text)
        }

    def days(self, text: str) -> Days:
        """List the days that the field stands for."""
        special = [part for part in text.upper().split(",") if self.special.fullmatch(part)]
        return Days(frozenset(self.values(text)), tuple(special), self is _DAYS_OF_WEEK)

    def _values(self, part: str, text: str) -> set[int]:
        match = _RANGE.fullmatch(part)
        if not match or not part or (match["last"] and match["first"] in {None, "*"}):
            raise self._refused(text)
        step = int(match["step"] or 1)
        open_ended = match["first"] in {None, "*"}
        first = self.lowest if open_ended else self._number(match["first"], text)
        if match["last"]:
            last = self._number(match["last"], text)
        else:
            last = self.highest if open_ended or match["step"] else first
        if step < 1 or step > self.highest or last < first:
            raise self._refused(text)
        return set(range(first, last + 1, step))

    def _number(self, text: str, field: str) -> int:
        number = self.words.get(text, int(text) if text.isdigit() else -1)
        if not self.lowest <= number <= self.highest:
            raise self._refused(field)
        return number

    def _refused(self, text: str) -> ValueError:
        allowed = f"{self.lowest} to {self.highest}"
        if self.words:
            words = list(self.words)
            allowed += f" or {words[0]} to {words[-1]}"
        return ValueError(
            f"rotation_schedule must have {allowed} as its {self.name}, got {text!r}; write e.g. {EXAMPLE}"
        )


_HOURS = _Field("hours", 0, 23, {})
_DAYS = _Field("day-of-month", 1, 31, {}, re.compile(f"L|(?:{'|'.join(WEEKDAYS)})L"))
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAYS_OF_WEEK = _Field("day-of-week", 1, 7, WEEKDAYS, re.compile(f"{_WEEKDAY}?L|{_WEEKDAY}#[1-5]"))


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression as Secrets Manager takes it.

    Attributes:
        expression: The expression.
        shortest: The shortest time between the openings of two windows, in seconds.
        longest: The longest time between two of them.
        window: How long a window is by default, in seconds: an hour for several a day, else to the end of the day.
        longest_window: How long one can be: to the next one, or to the end of the day.
    """

    expression: str
    shortest: int
    longest: int
    window: int
    longest_window: int


def checked_cron(expression: str) -> Cron:
    """Read an expression.

    Raises:
        ValueError: It says what Secrets Manager refuses.
    """
    match = re.fullmatch(r"cron\(([^()]*)\)", expression)
    fields = match[1].split() if match else []
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"rotation_schedule must be a rate or cron({' '.join(_FIELDS)}), six fields, got {expression!r} with "
            f"{len(fields)}; write e.g. {EXAMPLE}"
        )
    minutes, hours, day, month, week_day, year = fields
    if minutes != "0":
        raise ValueError(
            f"rotation_schedule must have 0 as its minutes, because Secrets Manager rotates within hours, got "
            f"{minutes!r}; write e.g. {EXAMPLE}"
        )
    if year != "*":
        raise ValueError(f"rotation_schedule must have * as its year, got {year!r}; Secrets Manager has no other")
    if (day == "?") == (week_day == "?"):
        raise ValueError(
            f"rotation_schedule must have ? as its day-of-month or as its day-of-week, and not as both, got {day!r} "
            f"and {week_day!r}; write e.g. {EXAMPLE}"
        )
    months, opening = _MONTH.values(month), _HOURS.values(hours)
    by_hour = _shortest_of_day(opening, hours)
    to_end_of_day = DAY - max(opening) * HOUR
    expression = f"cron({' '.join(fields)})"
    if day == "?":
        days = _DAYS_OF_WEEK.days(week_day)
    else:
        days = _DAYS.days(day)
        _check_days_come(days, months, day, month)
    shortest, longest = apart(frozenset(opening), frozenset(months), days)
    if by_hour < DAY:
        return Cron(expression, shortest, longest, HOUR, min(by_hour, to_end_of_day))
    return Cron(expression, shortest, longest, to_end_of_day, to_end_of_day)


def _check_days_come(days: Days, months: set[int], day: str, month: str) -> None:
    if not days.special and min(days.numbers) > max(_DAYS_OF_MONTHS[number] for number in months):
        raise ValueError(
            f"rotation_schedule must have a day-of-month that comes in one of its months, got {day!r} and {month!r}, "
            f"which never comes; write e.g. {EXAMPLE}"
        )


def _shortest_of_day(hours: set[int], text: str) -> int:
    ordered = sorted(hours)
    shortest = min(after - before for before, after in pairwise([*ordered, ordered[0] + 24]))
    if shortest < _CLOSEST_HOURS:
        raise ValueError(
            f"rotation_schedule must be at least {_CLOSEST_HOURS} hours apart, got hours {text!r} with {shortest} "
            "between two of them; write e.g. 0/4 or 8"
        )
    return shortest * HOUR
