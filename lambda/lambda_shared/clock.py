"""Time, and how much of it an invocation has left."""

from __future__ import annotations

from datetime import UTC, datetime
from time import sleep
from typing import Any, Protocol


class Clock(Protocol):
    """Time, and how much of it the invocation has left."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        ...

    def remaining(self) -> float:
        """Return the seconds until the response must be sent."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class InvocationClock:
    """The time of one invocation, and how much of it Lambda leaves us."""

    def __init__(self, context: Any) -> None:
        """Take the deadline from Lambda's context."""
        self._context = context

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)

    def remaining(self) -> float:
        """Return the seconds until Lambda ends the function."""
        return float(self._context.get_remaining_time_in_millis()) / 1000

    def sleep(self, seconds: float) -> None:
        """Wait."""
        sleep(seconds)
