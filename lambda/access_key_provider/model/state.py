"""What AWS shows of a user's keys and of a secret: frozen values. None but `NewAccessKey` holds a secret access key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"
ACTIVE = "Active"
INACTIVE = "Inactive"

# Two access keys a user, inactive ones count; the quota can't be raised.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
KEYS_PER_USER = 2

# What was made a moment ago may not show yet: how many seconds to wait before observing again.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
CONSISTENCY_WAIT = 5.0


def digest(*parts: str) -> str:
    """Give 16 hexadecimal digits that stand for the parts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key as IAM lists it: its id, its status (`Active`, `Inactive`, perhaps others), when it was created."""

    id: str
    status: str
    created: datetime


@dataclass(frozen=True, slots=True)
class NewAccessKey:
    """A key just created, with the secret that AWS shows this once. Lives in one invocation's memory only."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LastUse:
    """What IAM knows of a key's last use: None where it is not known to have been used."""

    time: datetime | None
    service: str = ""
    region: str = ""

    def __str__(self) -> str:
        """Say it in a message."""
        if not self.time:
            return "never used as far as IAM knows"
        where = f" in {self.region}" if self.region else ""
        return f"last used {self.time:%Y-%m-%d %H:%M} UTC by {self.service}{where}"


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """A version of the secret: its id and its staging labels."""

    id: str
    labels: frozenset[str]

    @property
    def is_only_pending(self) -> bool:
        """Whether it bears AWSPENDING and is neither current nor previous: Secrets Manager waits for a rotation."""
        return self.labels & {PENDING, CURRENT, PREVIOUS} == {PENDING}


class SecretState(Enum):
    """Whether the secret can be written to."""

    WRITABLE = "writable"
    SCHEDULED_FOR_DELETION = "scheduled for deletion"
    MISSING = "missing"
    REPLICA = "a replica"


@dataclass(frozen=True, slots=True)
class SecretDescription:
    """What DescribeSecret shows: everything but the value."""

    state: SecretState
    versions: tuple[SecretVersion, ...] = ()
    rotation_enabled: bool = False

    @property
    def writable(self) -> bool:
        """Whether versions and labels can be changed."""
        return self.state is SecretState.WRITABLE

    def version(self, version_id: str) -> SecretVersion | None:
        """Find a version by its id."""
        return next((version for version in self.versions if version.id == version_id), None)

    def version_with(self, label: str) -> SecretVersion | None:
        """Find the version that carries a label: at most one does."""
        return next((version for version in self.versions if label in version.labels), None)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the rules may know of AWS, observed under the lease.

    Attributes:
        time: when.
        user_exists: whether IAM knows the user.
        keys: the user's keys.
        secret: the secret.
        last_uses: of the keys that a decision needs it for, as far as it could be read.
        user_tags: where a decision needs them, else None.
        recorded_elsewhere: keys of this user that other entries of the ledger record; None if it was not asked.
        creating_elsewhere: whether another entry is creating a key for the user, or may be.
    """

    time: datetime
    user_exists: bool
    keys: tuple[AccessKey, ...]
    secret: SecretDescription
    last_uses: dict[str, LastUse] = field(default_factory=dict)
    user_tags: dict[str, str] | None = None
    recorded_elsewhere: frozenset[str] | None = None
    creating_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class KeyResource:
    """One resource of one stack, with the user and the secret of its key.

    All that is recorded carries `owner_id`, a digest of the four, so that two resources never take each other's keys
    for their own, not even while one takes the other's place under the same user and secret.
    """

    stack_id: str
    logical_id: str
    user_name: str
    secret_arn: str

    @property
    def owner_id(self) -> str:
        """16 hexadecimal digits."""
        return digest(self.stack_id, self.logical_id, self.user_name, self.secret_arn)

    @property
    def physical_id(self) -> str:
        """The same for the same user and secret; at most 64 + 1 + 600 characters."""
        return f"{self.user_name}@{self.secret_arn}"


def version_id(owner_id: str, access_key_id: str) -> str:
    """Name the version for a key: the same at every attempt, so that a repeated write is the same write."""
    text = owner_id + digest(owner_id, access_key_id)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def key_tag(description: str, owner_id: str) -> str:
    """Write the user's tag that the IAM console shows as the key's description."""
    return f"{description} owner={owner_id}"


def owner_in_tag(value: str) -> str:
    """Read the owner back from a tag that `key_tag` wrote; empty if it is another tag."""
    return value.rpartition(" owner=")[2] if " owner=" in value else ""
