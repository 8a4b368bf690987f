"""An invocation whose waits cost no time, for accounts that date things with the machine's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class TestClock:
    """The real time plus all that was slept."""

    __test__ = False

    def __init__(self) -> None:
        """Begin now."""
        self.slept = timedelta()

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + self.slept

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept += timedelta(seconds=seconds)


class Context:
    """Lambda's context, with a deadline that moves with the test's clock."""

    aws_request_id = "0"
    function_name = "provider"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:provider"

    def __init__(self, clock: TestClock, seconds: float = 300) -> None:
        """Begin an invocation of so many seconds."""
        self._clock, self._ends = clock, clock.now() + timedelta(seconds=seconds)

    def get_remaining_time_in_millis(self) -> int:
        """Say how long the invocation may go on."""
        return max(1000, int((self._ends - self._clock.now()).total_seconds() * 1000))
