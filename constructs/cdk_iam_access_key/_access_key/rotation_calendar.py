"""How close and how far apart the windows of a cron expression open, as a calendar tells."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise

from cdk_iam_access_key._shared.durations import DAY, HOUR

WEEKDAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
_WEEK = 7
# Weekdays and leap days come back after 28 years.
_FIRST, _YEARS_IN_DAYS = date(2001, 1, 1).toordinal(), 28 * 365 + 7


@dataclass(frozen=True, slots=True)
class Days:
    """The days that a field of an expression names.

    Attributes:
        numbers: By number: of the month, or of the week from Sunday, 1, on.
        special: By what only a calendar can tell: `L`, `MONL` or `2L` for the last, `MON#1` for the first.
        of_week: Whether the field is the day-of-week.
    """

    numbers: frozenset[int]
    special: tuple[str, ...]
    of_week: bool

    def have(self, day: date) -> bool:
        """Tell whether a day is one of them."""
        number = day.isoweekday() % _WEEK + 1 if self.of_week else day.day
        return number in self.numbers or any(self._is(day, special) for special in self.special)

    def _is(self, day: date, special: str) -> bool:
        days_left = monthrange(day.year, day.month)[1] - day.day
        if special == "L" and not self.of_week:
            return days_left == 0
        # Some take the last day of the week for that of each week: what comes less often is the safe reading.
        name, _, week = ("SATL" if special == "L" else special).rstrip("L").partition("#")
        if day.isoweekday() % _WEEK + 1 != (WEEKDAYS.get(name) or int(name)):
            return False
        return (day.day - 1) // _WEEK + 1 == int(week) if week else days_left < _WEEK


@cache
def apart(hours: frozenset[int], months: frozenset[int], days: Days) -> tuple[int, int]:
    """Return the shortest and the longest time between the openings of two windows, in seconds."""
    opening = [
        number
        for number in range(_YEARS_IN_DAYS)
        if (day := date.fromordinal(_FIRST + number)).month in months and days.have(day)
    ]
    nights = {after - before for before, after in pairwise([*opening, opening[0] + _YEARS_IN_DAYS])}
    over_night = {night * DAY - (max(hours) - min(hours)) * HOUR for night in nights}
    times = over_night | {(after - before) * HOUR for before, after in pairwise(sorted(hours))}
    return min(times), max(times)
