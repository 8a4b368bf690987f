"""What a template promises of the keys that are replaced, as the documents have it and not as the planner does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from faults.stack import Properties

Place = tuple[str, str]
"""A user's name and the ARN of a secret."""

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one template."""

    grace: timedelta
    retention: timedelta | None
    unused_for: timedelta | None
    makes_room: bool
    inactive: bool

    @classmethod
    def of(cls, properties: Properties) -> Rules:
        """Read a template."""
        seconds = {
            name: timedelta(seconds=int(properties[name]))
            for name in ("GracePeriod", "RetentionPeriod", "RetireWhenUnusedFor")
            if name in properties
        }
        grace = seconds.get("GracePeriod", timedelta())
        return cls(
            max(grace, _DAY) if "CutOver" in properties else grace,
            seconds.get("RetentionPeriod"),
            seconds.get("RetireWhenUnusedFor"),
            properties.get("OnKeyLimit") == "RetirePrevious",
            properties["Status"] == "Inactive",
        )


@dataclass(slots=True)
class Key:
    """What has become of a key of ours.

    Attributes:
        id: its id.
        place: where it was made.
        created_by: what was asked for when it was made.
        status: `Active`, `Inactive`, or None when it is gone.
        rank: which it was of those that became current for the first time, or again by an undo; 0 if it never was.
        replaced: when it was replaced last, at the earliest, and `replaced_by` what replaced it.
        deactivated: when it was deactivated last, at the earliest.
        idle: whether it was Inactive when it was replaced, or never was current.
        used: when it was used last, and not by us.
    """

    id: str
    place: Place
    created_by: str
    status: str | None = "Active"
    rank: int = 0
    replaced: datetime | None = None
    replaced_by: str = ""
    deactivated: datetime | None = None
    used: datetime | None = None
    idle: bool = True


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why the provider was called, and what holds then.

    Attributes:
        kind: the request type, the operation, or the step of a rotation.
        begins: when it was called.
        place: where it acts.
        deployed: the place that is deployed.
        rules: those of the template that counts; of two, where it is not known which one left its mark.
        cuts_over: whether the version that it names is current.
    """

    kind: str
    begins: datetime
    place: Place | None
    deployed: Place | None
    rules: tuple[Rules, ...]
    cuts_over: bool = False

    @property
    def deploys(self) -> bool:
        """Whether CloudFormation asks."""
        return self.kind in {"Create", "Update", "Delete"}

    def may_deactivate(self, key: Key, now: datetime, *, current: bool, crowded: bool) -> bool:
        """Tell whether a key may be deactivated now.

        Args:
            key: the key.
            now: the time.
            current: whether it is the current one of its secret.
            crowded: whether its user has no room for another key.
        """
        if self._given_up(key):
            return True
        if current:
            return self.deploys and any(rules.inactive for rules in self.rules)
        if not key.rank or key.replaced_by == "Undo" or self.cuts_over:
            return True
        return any(self._is_due(rules, key, now, crowded=crowded) for rules in self.rules)

    def _is_due(self, rules: Rules, key: Key, now: datetime, *, crowded: bool) -> bool:
        if not rules.grace or (rules.makes_room and crowded and self._makes_room_of(key, now)):
            return True
        return key.replaced is not None and now >= key.replaced + rules.grace and not in_use(rules, key, now)

    def may_delete(self, key: Key, now: datetime, *, current: bool, crowded: bool) -> bool:
        """Tell whether a key that is Inactive may be deleted now."""
        if self._given_up(key) or (not key.rank and self.kind not in {"Look", "Undo", "CutOver"}):
            return True
        if current or key.deactivated is None:
            return False
        if crowded and self._makes_room_of(key, now):
            return True
        kept = [rules.retention for rules in self.rules if rules.retention is not None]
        return any(now >= key.deactivated + retention for retention in kept)

    def _given_up(self, key: Key) -> bool:
        """Tell whether CloudFormation has the key removed: its resource, or the place that it is not deployed at."""
        if self.kind == "Delete":
            return key.place == self.place
        return self.deploys and key.place != self.deployed

    def _makes_room_of(self, key: Key, now: datetime) -> bool:
        """Tell whether it may make a key, and this one is not kept for a deployment that may roll back."""
        if self.kind != "createSecret":
            return self.deploys
        by_deployment = key.replaced_by in {"Create", "Update"}
        return not by_deployment or key.replaced is None or now >= key.replaced + _DAY


def in_use(rules: Rules, key: Key, now: datetime) -> bool:
    """Tell whether a use of a key holds its retirement back: lately, and unless told how long, since the switch."""
    if key.used is None or key.replaced is None:
        return False
    if rules.unused_for is not None:
        return now - key.used < rules.unused_for
    return key.used > key.replaced and now - key.used < max(rules.grace, _HOUR)
