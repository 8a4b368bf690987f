"""Time that passes only when somebody waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class VirtualClock:
    """The time of an account and of every invocation in it."""

    def __init__(self, start: datetime = START) -> None:
        """Begin at a time, the same in every test."""
        self._now = start

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self._now += timedelta(seconds=max(0.0, seconds))


class Context:
    """Lambda's context, with a deadline on a virtual clock."""

    aws_request_id = "00000000-0000-4000-8000-000000000000"
    function_name = "provider"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:provider"

    def __init__(self, clock: VirtualClock, seconds: float = 300) -> None:
        """Begin an invocation of so many seconds."""
        self._clock, self._ends = clock, clock.now() + timedelta(seconds=seconds)

    def get_remaining_time_in_millis(self) -> int:
        """Say how long the invocation may go on; never so short that crhelper's timer goes off in a test."""
        return max(1000, int((self._ends - self._clock.now()).total_seconds() * 1000))
