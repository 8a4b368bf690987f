"""What becomes of a key that is current no more: how long it stays Active, and then Inactive."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta

FAIL = "Fail"
RETIRE_PREVIOUS = "RetirePrevious"
REMOVE_UNUSED = "RemoveUnused"

# IAM's records of a key's last use lag behind: what they say of less than this is no evidence.
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
LAST_USE_LAG = timedelta(hours=1)
_LONGEST_PAUSE = timedelta(days=1)

LONGEST_DEPLOYMENT = timedelta(days=1)
"""As long as a deployment may take, and a little more: until then its consumers, or its rollback, may need a key."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of retirement. Those of a template that has none are: deactivate at once, delete to make room.

    Attributes:
        grace: how long the previous key stays Active after another became current; 0 deactivates it at once.
        retention: how long it then stays Inactive before it is deleted; None keeps it until its place is needed.
        unused_for: it is not deactivated while it was used within this time; None stands for the time that it stays
            Active anyway.
        retire_at_latest: how long after the switch a key still in use is reported as overdue.
        maximum_age: how old the current key may become before every look reports it.
        on_key_limit: what may be removed if the user has no room for another key.
        unused_since: for REMOVE_UNUSED, how old a foreign key must be that was never used and is Inactive.
        deferred: the consumers of the app decide when the previous key is deactivated, not the grace period.
        schedule: what the names of the schedules of this key begin with; empty if the template allows none.
    """

    grace: timedelta = timedelta()
    retention: timedelta | None = None
    unused_for: timedelta | None = None
    retire_at_latest: timedelta | None = None
    maximum_age: timedelta | None = None
    on_key_limit: str = FAIL
    unused_since: timedelta | None = None
    deferred: bool = False
    schedule: str = ""

    @property
    def time_active(self) -> timedelta:
        """How long the previous key stays Active unless something else decides."""
        return max(self.grace, LONGEST_DEPLOYMENT) if self.deferred else self.grace

    @property
    def window(self) -> timedelta:
        """Within which time a use holds the retirement back."""
        return self.unused_for or max(self.time_active, LAST_USE_LAG)

    def pause(self, looks: int) -> timedelta:
        """How long to wait after a look at a key that is still in use: each time twice as long, a day at most."""
        return min(self.window * (1 << min(looks, 10)), _LONGEST_PAUSE)

    def __str__(self) -> str:
        """Write the policy as the value of a tag, without what is left at its default."""
        words = []
        for item in fields(self):
            value = getattr(self, item.name)
            if value != item.default:
                words.append(f"{item.name}={_written(value)}")
        return " ".join(words) or "none"

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Read what `__str__` wrote; what was edited by hand and can't be read falls back to its default."""
        words = dict(word.split("=", 1) for word in text.split() if "=" in word)
        durations = ("grace", "retention", "unused_for", "retire_at_latest", "maximum_age", "unused_since")
        known: dict[str, object] = {name: _seconds(words[name]) for name in durations if name in words}
        return cls(
            **{name: value for name, value in known.items() if value is not None},  # type: ignore[arg-type] # all durations
            on_key_limit=words.get("on_key_limit", FAIL),
            deferred=words.get("deferred") == "yes",
            schedule=words.get("schedule", ""),
        )


def _written(value: object) -> str:
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    return "yes" if value is True else str(value)


def _seconds(text: str) -> timedelta | None:
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004
