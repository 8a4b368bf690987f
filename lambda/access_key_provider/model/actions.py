"""What the rules can ask for: one call to AWS each, carried out in order by `executor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

NEW: Final = "(new)"
"""Stands for the key that `CreateKey` makes, and for its version, whose ids nobody knows before."""


@dataclass(frozen=True, slots=True)
class TagUser:
    """Set a tag of the user; a `key` of NEW is the new key's id."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class UntagUser:
    """Remove a tag of the user."""

    key: str


@dataclass(frozen=True, slots=True)
class CreateKey:
    """Create an access key; its secret stays in memory until `StoreSecret`."""


@dataclass(frozen=True, slots=True)
class StoreSecret:
    """Write the new key as a version of the secret, labelled with its id and not yet current.

    For a rotation of Secrets Manager, the version is the one that `token` names, and `label` is put on it as well: the
    key is proven by then.
    """

    token: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ProveKey:
    """Wait until calls signed with the new key succeed."""


@dataclass(frozen=True, slots=True)
class AddLabel:
    """Put a label on a version; NEW is the new key's."""

    version_id: str
    label: str


@dataclass(frozen=True, slots=True)
class RemoveLabel:
    """Take a label of ours off a version."""

    version_id: str
    label: str


@dataclass(frozen=True, slots=True)
class TagSecret:
    """Set tags of the secret: keys and values."""

    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UntagSecret:
    """Remove tags of the secret."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckStillWanted:
    """Stop if another request has come since we looked: our mark is gone, or there are others than those we saw.

    The mark of an earlier request does not count, if the time of ours is known: that one finds ours, and stops.

    Who is not a request of CloudFormation leaves no mark.
    """

    mark: str | None
    seen: frozenset[tuple[str, str]]
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Observe and plan once more, after a wait in seconds: what was done may have brought something to light."""

    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class MoveCurrent:
    """Make a version current, if `from_version` still is (None: no version was)."""

    to_version: str
    from_version: str | None


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Make a key Active or Inactive."""

    key_id: str
    status: str


@dataclass(frozen=True, slots=True)
class DeleteKey:
    """Delete a key, which is Inactive by now."""

    key_id: str


@dataclass(frozen=True, slots=True)
class ScheduleLook:
    """See to it that the function looks at the key at a time, by a schedule that is gone after it ran."""

    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CancelSchedule:
    """Delete a schedule that is not needed any more; one that ran is gone already."""

    name: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Send an event to those who watch over keys: what happened, and the names and values that say to which."""

    what: str
    about: tuple[tuple[str, str], ...]


Action = (
    TagUser
    | UntagUser
    | CreateKey
    | StoreSecret
    | ProveKey
    | AddLabel
    | RemoveLabel
    | TagSecret
    | UntagSecret
    | CheckStillWanted
    | LookAgain
    | MoveCurrent
    | SetStatus
    | DeleteKey
    | ScheduleLook
    | CancelSchedule
    | Tell
)
