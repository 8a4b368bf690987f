"""Who uses a key: consumers that acknowledge it, and functions that deliver it to them. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

BEFORE_PUBLISHING = "BeforePublishing"
AFTER_PUBLISHING = "AfterPublishing"

LONGEST_CALL = timedelta(minutes=18)
"""A call whose response was lost may run for as long, and not longer: the 15 minutes of a function, and 3 in which it
may have waited to be let in.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A function of the app that brings a key to a consumer.

    Attributes:
        name: the consumer.
        function_arn: the function.
        before: whether it is called before a new key becomes current, not after.
        required: whether the previous key stays current, or is not retired, until it has succeeded.
    """

    name: str
    function_arn: str
    before: bool = False
    required: bool = False

    @property
    def phase(self) -> str:
        """When it is called, as templates and consumers' functions have it."""
        return BEFORE_PUBLISHING if self.before else AFTER_PUBLISHING


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """What is known of a delivery.

    Attributes:
        function_arn: the function that was called.
        key_id: the key that it has succeeded with last; empty if it has not yet.
        delivered: when.
        tried: the key of a call that has not succeeded: the consumer may have it. Empty if the last call succeeded.
        calling: when a call began whose response is not known; None if none is.
    """

    function_arn: str
    key_id: str = ""
    delivered: datetime | None = None
    tried: str = ""
    calling: datetime | None = None

    def is_running(self, now: datetime) -> bool:
        """Tell whether an earlier call may be running: a function is never called twice at once."""
        return self.calling is not None and now < self.calling + LONGEST_CALL


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """That a consumer has a key: which, since when, and who says so: the consumer itself, or an operator."""

    key_id: str
    time: datetime
    by: str
