"""What becomes of a key that is current no more: how long it stays Active, and then Inactive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

FAIL = "Fail"
RETIRE_PREVIOUS = "RetirePrevious"
REMOVE_UNUSED = "RemoveUnused"

# IAM's records of a key's last use lag behind: what they say of less than this is no evidence.
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
LAST_USE_LAG = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=1)

LONGEST_DEPLOYMENT = timedelta(days=1)
"""As long as a deployment may take, and a little more: until then its consumers, or its rollback, may need a key."""


@dataclass(frozen=True, slots=True)
class RetirementRules:
    """The rules of retirement and rotation that a template declares.

    Attributes:
        grace: how long the previous key stays Active after another became current; 0 deactivates it at once.
        retention: how long it then stays Inactive before it is deleted; None keeps it until its key slot is needed.
        unused_for: it is not deactivated while it was used within this time; None stands for the time that it stays
            Active anyway.
        overdue_after: how long after the switch a key still in use is reported as overdue.
        max_active_age: how old an Active key may become before it is reported daily.
        on_key_limit: what may be removed if the user has no key slot for another key.
        unused_since: for REMOVE_UNUSED, how old an unmanaged key must be that was never used and is Inactive.
        deferred: the consumers of the app decide when the previous key is deactivated, not the grace period.
        rotation: the schedule by which Secrets Manager is to rotate the key; empty if it is not to.
        consumers: who must acknowledge the current key before the previous one is deactivated.
        consumers_within: how long after the switch they are waited for; None if nobody is.
        retire_overdue: whether the previous key is deactivated then, all the same.
    """

    grace: timedelta = timedelta()
    retention: timedelta | None = None
    unused_for: timedelta | None = None
    overdue_after: timedelta | None = None
    max_active_age: timedelta | None = None
    on_key_limit: str = FAIL
    unused_since: timedelta | None = None
    deferred: bool = False
    rotation: str = ""
    consumers: tuple[str, ...] = ()
    consumers_within: timedelta | None = None
    retire_overdue: bool = False

    @property
    def time_active(self) -> timedelta:
        """How long the previous key stays Active unless something else decides."""
        return max(self.grace, LONGEST_DEPLOYMENT) if self.deferred else self.grace

    @property
    def window(self) -> timedelta:
        """Within which time a use holds the retirement back."""
        return self.unused_for or max(self.time_active, LAST_USE_LAG)

    @property
    def of_adopted_key(self) -> RetirementRules:
        """The same for an adopted key, which stays Active for as long as a rollback may give it back."""
        return replace(self, grace=max(self.time_active, LONGEST_DEPLOYMENT))

    def pause(self, postponed: int) -> timedelta:
        """How long to wait after a key was found in use: each time twice as long, a day at most."""
        return min(self.window * (1 << min(postponed, 10)), LONGEST_PAUSE)
