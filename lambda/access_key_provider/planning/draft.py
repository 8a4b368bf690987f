"""A plan in the making: the actions so far, and what the ledger and AWS will show once they are carried out.

The rules add actions to a draft one after the other. Each rule sees the effects of those before it, so one observation
is enough for a whole plan.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    Activate,
    CreateKey,
    Deactivate,
    DeleteKey,
    GiveBack,
    Promote,
    PublishEvent,
    RecordGone,
)
from access_key_provider.model.state import ACTIVE, CURRENT, INACTIVE, KEYS_PER_USER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from access_key_provider.model.actions import Action
    from access_key_provider.model.entry import Claim, Entry, KeyRecord
    from access_key_provider.model.state import Observed

# An hour less than a day, so that what is found at the same time each day is reported each day.
_NEARLY_A_DAY = timedelta(hours=23)


class Draft:
    """What a plan has come to.

    Attributes:
        entry: the entry as it will be.
        observed: what AWS showed before.
        now: the time of the plan.
        actions: what is to be done.
        optional: the indices of those whose failure does not fail the request: the sweep tries them again.
        statuses: of the user's keys, as they will be.
        current: the id of the version that AWSCURRENT will be on; empty if on none.
    """

    def __init__(self, entry: Entry, observed: Observed, deployed_serial: str = "") -> None:
        """Begin with nothing to do.

        `deployed_serial` is the one that CloudFormation takes for deployed: that of a key whose record was lost.
        """
        self.deployed_serial = deployed_serial
        self.entry = entry
        self.observed = observed
        self.now: datetime = observed.time
        self.actions: list[Action] = []
        self.optional: set[int] = set()
        self._is_optional = False
        self.statuses = {key.id: key.status for key in observed.keys}
        version = observed.secret.version_with(CURRENT)
        self.current = version.id if version else ""

    def add(self, *actions: Action) -> None:
        """Add actions, and take their effects for given."""
        for action in actions:
            if self._is_optional:
                self.optional.add(len(self.actions))
            self.actions.append(action)
            self.entry = action.end(action.begin(self.entry, self.now), self.now)
            self._imagine(action)

    @contextmanager
    def left_to_the_sweep(self) -> Iterator[None]:
        """Let what is added meanwhile not fail the request: who undoes must be able to, whatever is refused."""
        before, self._is_optional = self._is_optional, True
        try:
            yield
        finally:
            self._is_optional = before

    def claim(self, owner: str) -> Claim:
        """Return the claim of a resource."""
        return self.entry.claims[owner]

    def exists(self, key: KeyRecord) -> bool:
        """Tell whether a key is there."""
        return key.exists and key.id in self.statuses

    def is_active(self, key_id: str) -> bool:
        """Tell whether a key works."""
        return self.statuses.get(key_id) == ACTIVE

    def is_read(self, key: KeyRecord) -> bool:
        """Tell whether readers of the secret get a key."""
        return bool(key.version_id) and key.version_id == self.current

    @property
    def read_instead(self) -> KeyRecord | None:
        """Find the key that readers get in place of the current one: somebody has moved AWSCURRENT by hand."""
        current = self.entry.current
        others = (key for key in self.entry.keys.values() if self.is_read(key) and key is not current)
        return next(others, None) if current else None

    @property
    def missing_key_slots(self) -> int:
        """How many keys must go for a new one to fit."""
        return max(len(self.statuses) + 1 - KEYS_PER_USER, 0)

    def report(self, kind: str, detail: dict[str, str], *, once_a_day: str = "") -> None:
        """Add an event, unless the same was reported within a day."""
        last = self.entry.reported.get(once_a_day)
        if last is None or self.now - last >= _NEARLY_A_DAY:
            self.add(PublishEvent(kind, tuple(detail.items()), once_a_day))

    def _imagine(self, action: Action) -> None:
        match action:
            case CreateKey(key_id=key_id):
                self.statuses[key_id] = ACTIVE
            case Activate(key_id):
                self.statuses[key_id] = ACTIVE
            case Deactivate(key_id):
                if key_id in self.statuses:
                    self.statuses[key_id] = INACTIVE
            case DeleteKey(key_id) | RecordGone(key_id):
                self.statuses.pop(key_id, None)
            case Promote(key_id):
                self.current = self.entry.keys[key_id].version_id
            case GiveBack(to_version):
                self.current = to_version
