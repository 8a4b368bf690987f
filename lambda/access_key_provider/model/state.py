"""The values that the rules work on. All of them are frozen, and none holds a secret access key."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from access_key_provider.model.records import INTENT_TAG_PREFIX, REQUEST_TAG_PREFIX, TOMBSTONE_TAG_PREFIX, Intent
from access_key_provider.model.retirement_rules import Policy

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.records import Mark

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"
ACTIVE = "Active"
INACTIVE = "Inactive"

# Two access keys a user, inactive ones count; the quota can't be raised.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
KEYS_PER_USER = 2

# What was made a moment ago may not show yet: how many seconds to wait before looking again.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
SETTLING_TIME = 5.0

_OWNER_IN_TAG = re.compile(r"(?:^| )owner=(?P<owner>[0-9a-f]{16})$")
_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key as IAM lists it: its id, `Active` or `Inactive`, and when it was created."""

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


class SecretState(Enum):
    """Whether the secret can be written to."""

    WRITABLE = "writable"
    SCHEDULED_FOR_DELETION = "scheduled for deletion"
    MISSING = "missing"
    REPLICA = "a replica"


@dataclass(frozen=True, slots=True)
class SecretDescription:
    """What DescribeSecret tells: everything but the value."""

    state: SecretState
    versions: tuple[SecretVersion, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource keeps its key: one resource of one stack, one user, one secret.

    Everything recorded in AWS carries `owner`, a digest of the four, so that two resources never take each other's
    keys for their own, not even while one takes the other's place under the same user and secret.
    """

    stack_id: str
    logical_id: str
    user_name: str
    secret_arn: str

    @property
    def owner(self) -> str:
        """16 hexadecimal digits."""
        return _digest(self.stack_id, self.logical_id, self.user_name, self.secret_arn)

    @property
    def physical_id(self) -> str:
        """The same for the same user and secret; at most 64 + 1 + 600 characters."""
        return f"{self.user_name}@{self.secret_arn}"

    @property
    def intent_tag(self) -> str:
        """The key of the user's tag that announces a creation."""
        return INTENT_TAG_PREFIX + self.owner

    def request_tag(self, request_id: str) -> str:
        """Name the secret's tag that a Create or Update leaves: each its own, so that none writes over another's."""
        return f"{REQUEST_TAG_PREFIX}{self.owner}:{_digest(request_id)[:8]}"

    @property
    def tombstone_tag(self) -> str:
        """The key of the secret's tag that a Delete leaves."""
        return TOMBSTONE_TAG_PREFIX + self.owner

    def version_id(self, access_key_id: str) -> str:
        """Name the version for a key: the same at every attempt, and ours at a glance (it begins with the owner)."""
        hexadecimal = self.owner + _digest(self.owner, access_key_id)
        return "-".join((hexadecimal[:8], hexadecimal[8:12], hexadecimal[12:16], hexadecimal[16:20], hexadecimal[20:]))

    def names(self, version: SecretVersion, access_key_id: str) -> bool:
        """Tell whether this place wrote the version, for that key.

        Secrets Manager chooses the id of the version that it rotates to: there the id that we would have chosen is a
        label.
        """
        return self.version_id(access_key_id) in names_of(version)

    def wrote(self, version: SecretVersion) -> bool:
        """Tell whether this place wrote the version, whatever labels it has left."""
        return any(
            looks_like_version_id(name) and name.replace("-", "").startswith(self.owner) for name in names_of(version)
        )

    def serial_digest(self, serial: str) -> str:
        """Stand for a serial in a label: a serial may hold characters and lengths that labels can't."""
        return _digest(self.owner, serial)

    def key_tag_value(self, description: str) -> str:
        """Write the tag that IAM's console shows as the key's description."""
        return f"{description} owner={self.owner}"


def names_of(version: SecretVersion) -> frozenset[str]:
    """List what a version goes by: its id and its labels."""
    return version.labels | {version.id}


def looks_like_version_id(name: str) -> bool:
    """Tell whether a label looks like what `Place.version_id` gives."""
    return bool(_UUID.match(name))


def owner_in_tag(value: str) -> str | None:
    """Read the owner back from a tag written by `Place.key_tag_value`."""
    match = _OWNER_IN_TAG.search(value)
    return match["owner"] if match else None


@dataclass(frozen=True, slots=True)
class Observed:
    """All that the rules may know of the world, taken in one look.

    `used` names the keys of an interrupted attempt that were ever used; `last_uses` has the last use of the keys
    that a decision needs it for, as far as it could be read.
    """

    time: datetime
    user_exists: bool
    keys: tuple[AccessKey, ...]
    user_tags: dict[str, str]
    secret: SecretDescription
    used: frozenset[str] = frozenset()
    last_uses: dict[str, LastUse] = field(default_factory=dict)

    @property
    def intents(self) -> tuple[Intent, ...]:
        """The creations that are announced and not finished, of all resources that share the user."""
        parsed = (Intent.parse(key, value) for key, value in self.user_tags.items())
        return tuple(intent for intent in parsed if intent)

    def version_with(self, label: str) -> SecretVersion | None:
        """Find the version that carries a label: at most one does."""
        return next((version for version in self.secret.versions if label in version.labels), None)


@dataclass(frozen=True, slots=True)
class Desired:
    """The key that a Create or Update asks for.

    Attributes:
        place: where.
        serial: which key.
        status: `Active` or `Inactive`.
        description: for the tag that the IAM console shows.
        deployed_serial: which key CloudFormation took for deployed when it made the request.
        request: which request this is, and when it was made.
        dated: whether CloudFormation said when; if not, the time is when the request came.
        deployed_status: which status CloudFormation took for deployed; None if nothing was.
        policy: what becomes of the keys that it replaces.
        role_arn: the key's role; registered on the secret for those who know only the secret.
        function_name: the function that serves the request; registered too.
    """

    place: Place
    serial: str
    status: str
    description: str
    deployed_serial: str
    request: Mark
    dated: bool
    deployed_status: str | None = None
    policy: Policy = field(default_factory=Policy)
    role_arn: str = ""
    function_name: str = ""

    @property
    def serial_digest(self) -> str:
        """Stand for the serial in labels and tags."""
        return self.place.serial_digest(self.serial)
