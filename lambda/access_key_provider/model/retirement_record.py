"""What is recorded of a key that was replaced: a tag of the secret, one a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from access_key_provider.model.actions import CancelSchedule, UntagSecret
from access_key_provider.model.records import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from access_key_provider.model.actions import Action
    from access_key_provider.model.state import Observed, Place

RETIREMENT_TAG_PREFIX = "cdk-iam-access-key:retire:"

BY_DEPLOYMENT = "deployment"
BY_ROTATION = "rotation"
BY_UNDO = "undo"
BY_GIVING_UP = "giving-up"

NEVER_AGAIN = frozenset({BY_UNDO, BY_GIVING_UP})
"""Who has put a key aside so that it never becomes current again; nobody needs time to change over from it."""


@dataclass(frozen=True, slots=True)
class Retirement:
    """What is recorded of a key that was replaced, in a tag of the secret.

    Attributes:
        replaced: when another key became current.
        by: what replaced it: a deployment, a rotation of Secrets Manager, or an undo, after which it is never restored;
            or that the rotation which made it was given up.
        inactive: when it was deactivated.
        due: when it is to be looked at next, and `schedule` the name of the schedule that sees to that.
        looks: how often it was found still in use.
    """

    replaced: datetime
    by: str = BY_DEPLOYMENT
    inactive: datetime | None = None
    due: datetime | None = None
    schedule: str = ""
    looks: int = 0

    def __str__(self) -> str:
        """Write the tag's value."""
        words = [f"replaced={format_time(self.replaced)}", f"by={self.by}"]
        words += [f"inactive={format_time(self.inactive)}"] if self.inactive else []
        words += [f"due={format_time(self.due)}", f"schedule={self.schedule}"] if self.due else []
        return " ".join([*words, *([f"looks={self.looks}"] if self.looks else [])])

    @classmethod
    def parse(cls, value: str) -> Retirement | None:
        """Read a tag's value; None if it was edited by hand."""
        words = dict(word.split("=", 1) for word in value.split() if "=" in word)
        replaced = parse_time(words.get("replaced", ""))
        if replaced is None:
            return None
        looks = words.get("looks", "0")
        return cls(
            replaced,
            words.get("by", BY_DEPLOYMENT),
            parse_time(words.get("inactive", "")),
            parse_time(words.get("due", "")),
            words.get("schedule", ""),
            int(looks) if looks.isascii() and looks.isdigit() else 0,
        )


def retirement_tag(place: Place, key_id: str) -> str:
    """Name the tag of the secret that tells of a key's retirement."""
    return f"{RETIREMENT_TAG_PREFIX}{place.owner}:{key_id}"


def retirement_of(observed: Observed, place: Place, key_id: str) -> Retirement | None:
    """Find what is recorded of a key's retirement."""
    return Retirement.parse(observed.secret.tags.get(retirement_tag(place, key_id), ""))


def drop_records(observed: Observed, tags: Collection[str]) -> list[Action]:
    """Cancel the schedules that records name, then drop the records."""
    records = (Retirement.parse(observed.secret.tags[tag]) for tag in tags)
    cancelled = [CancelSchedule(record.schedule) for record in records if record and record.schedule]
    return [*cancelled, *([UntagSecret(tuple(tags))] if tags else [])]


def records_of(observed: Observed, place: Place) -> tuple[str, ...]:
    """Name the tags that tell of retirements of a place."""
    return tuple(
        sorted(tag for tag in observed.secret.tags if tag.startswith(f"{RETIREMENT_TAG_PREFIX}{place.owner}:"))
    )


def drop_record_of(observed: Observed, key_id: str) -> list[Action]:
    """Drop what is recorded of a key's retirement, whoever's it is."""
    tags = [t for t in observed.secret.tags if t.startswith(RETIREMENT_TAG_PREFIX) and t.endswith(f":{key_id}")]
    return drop_records(observed, tags)
