"""One secret's entry in the ledger: who claims the secret, which keys were made for it, what is being done.

All values are frozen. No secret access key is in an entry. `docs/ledger.md` shows entries as the console does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from access_key_provider.model.consumers import (  # noqa: TC001 - the same
    Acknowledgement,
    Delivery,
    DeliveryRecord,
)
from access_key_provider.model.copies import Copy, CopyRecord  # noqa: TC001 - `codec` reads the types
from access_key_provider.model.retirement_rules import RetirementRules
from access_key_provider.model.secret_format import DEFAULT_FORMAT, SecretFormat

LEASE_LENGTH = timedelta(seconds=60)
"""Longer than one call with its retries (45 s), so that a holder that is alive keeps its lease during a call."""

HISTORY_LENGTH = 50
# Of deleted keys whose tag or label can't be removed. They do no harm: the latest are tried again.
_DELETED_KEYS_KEPT = 10
# No request is delivered later: Lambda keeps an event for six hours at most.
TOMBSTONE_KEPT = timedelta(days=1)


class KeyState(StrEnum):
    """How far a key has come."""

    CREATED = "created"
    STORED = "stored"
    PROVEN = "proven"
    CURRENT = "current"
    REPLACED = "replaced"
    INACTIVE = "inactive"
    ORPHAN = "orphan"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class RequestStamp:
    """A request of CloudFormation: when it was signed, and its id. An undated one is taken as it comes."""

    time: datetime
    id: str
    dated: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """What one resource of one stack declares for this secret.

    Attributes:
        stack_id, logical_id, user_name: the resource's.
        role_arn: the role that may act on the user and the secret.
        serial: which key is declared; with the shape of the secret, if it is not the default one.
        status: `Active` or `Inactive`.
        description: for the user's tag.
        rules: of retirement and rotation.
        copies: where the key is written beside the secret.
        deliveries: which functions bring it to its consumers.
        request: the latest request.
        present: False once a Delete has come.
        applied: what AWS is known to follow: a digest of these properties; empty before the first success.
        touched: whether a deployment has begun to change it since.
        adopts: the unmanaged key of the user that the resource is to adopt; empty if none.
        adopted: the keys that it has adopted, the last ones; they may be gone or released since.
        secret_format: how the secret of the next key is written.
        moved_from: the secret that was deployed before this one; empty if none.
    """

    stack_id: str
    logical_id: str
    user_name: str
    role_arn: str
    serial: str
    status: str
    description: str
    request: RequestStamp
    rules: RetirementRules = field(default_factory=RetirementRules)
    copies: tuple[Copy, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    present: bool = True
    applied: str = ""
    touched: bool = False
    adopts: str = ""
    adopted: tuple[str, ...] = ()
    secret_format: SecretFormat = DEFAULT_FORMAT
    moved_from: str = ""

    @property
    def has_consumers(self) -> bool:
        """Whether a key that is current no more is kept for those who may have it."""
        return bool(self.rules.consumers) or any(delivery.required for delivery in self.deliveries)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of one access key.

    Attributes:
        owner: the resource that made or adopted it.
        user_name: the user it belongs to.
        state: how far it has come.
        serials: for which serials it is the key: the one that it was made for, then those that were declared when an
            undo went back to it.
        version_id: the version of the secret that holds it; empty before it is stored.
        created, stored, proven, published, replaced, deactivated: when; `published` is when AWSCURRENT moved to it.
        came_after: the version that AWSCURRENT moved from when it was published, if no key of the ledger was in it.
        deactivating: whether its deactivation has begun, and it is not known to have been done.
        by: what replaced or stopped it.
        last_use: what IAM said last of its use, in words.
        note: why it must not be restored; empty if it may be.
        postponed: how often its deactivation was put off because it is in use.
        next_check: when it is observed again because it is in use.
        tag: what the user's tag says of it; empty if the ledger knows of none.
        labelled: whether the version bears the key's label.
        copies: which version of each copy holds it; empty if it is not known whether that was written.
        adopted: whether somebody else has made it, and the template names it. Its secret is not known here, so it is
            a previous key from the first moment and never becomes current.
    """

    id: str
    owner: str
    user_name: str
    state: KeyState
    created: datetime
    serials: tuple[str, ...] = ()
    version_id: str = ""
    stored: datetime | None = None
    proven: datetime | None = None
    published: datetime | None = None
    replaced: datetime | None = None
    deactivated: datetime | None = None
    deactivating: bool = False
    came_after: str = ""
    by: str = ""
    last_use: str = ""
    note: str = ""
    postponed: int = 0
    next_check: datetime | None = None
    tag: str = ""
    labelled: bool = False
    copies: dict[str, str] = field(default_factory=dict)
    adopted: bool = False

    @property
    def exists(self) -> bool:
        """Whether it is in IAM as far as the ledger knows."""
        return self.state is not KeyState.DELETED

    @property
    def usable(self) -> bool:
        """Whether it was proven and its secret is stored, so that it can be the current key."""
        return self.proven is not None and self.stored is not None and self.exists

    @property
    def restorable(self) -> bool:
        """Whether it may become current again."""
        return self.usable and not self.note


@dataclass(frozen=True, slots=True)
class Creating:
    """Written before CreateAccessKey: when the first and the last attempt began, and which keys the user had."""

    user_name: str
    since: datetime
    until: datetime
    baseline: tuple[str, ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether no earlier attempt is open."""
        return self.since == self.until


@dataclass(frozen=True, slots=True)
class Switching:
    """Written before AWSCURRENT moves: to which key, from which version, and who asked."""

    key_id: str
    since: datetime
    by: str
    from_version: str = ""
    adds_serial: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation of Secrets Manager that has begun: its token, since when, and the key it made."""

    token: str
    since: datetime
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who acts on the secret, until when, and what it is doing."""

    holder: str
    until: datetime
    doing: str


@dataclass(frozen=True, slots=True)
class Failing:
    """That upkeep of this entry fails: since when, how often, and why the last time."""

    since: datetime
    times: int
    reason: str
    reported: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """All that is known of one secret.

    Attributes:
        secret_arn: the secret.
        version: counts the writes; 0 before the first.
        nonce: of the last write, empty before the first. Each write is conditional on it; by it a writer
            whose response was lost knows its own write.
        settled: when the entry and AWS were last known to agree.
        checked: when the keys were last observed to find drift.
        creating: the attempts to create a key that have not ended, by resource.
        copies: the copies that were made, by their place.
        deliveries: what was delivered, by consumer.
        acknowledged: which key each consumer has acknowledged last.
        reported: when each drift was reported last.
        undo_asked: since when the data goes of an alarm that asks for an undo which was not carried out yet.
    """

    secret_arn: str
    version: int = 0
    nonce: str = ""
    claims: dict[str, Claim] = field(default_factory=dict)
    keys: dict[str, KeyRecord] = field(default_factory=dict)
    creating: dict[str, Creating] = field(default_factory=dict)
    copies: dict[str, CopyRecord] = field(default_factory=dict)
    deliveries: dict[str, DeliveryRecord] = field(default_factory=dict)
    acknowledged: dict[str, Acknowledgement] = field(default_factory=dict)
    switching: Switching | None = None
    rotation: Rotation | None = None
    lease: Lease | None = None
    failing: Failing | None = None
    undo_asked: datetime | None = None
    settled: datetime | None = None
    checked: datetime | None = None
    reported: dict[str, datetime] = field(default_factory=dict)
    history: tuple[str, ...] = ()

    def keys_of(self, owner: str) -> tuple[KeyRecord, ...]:
        """List the keys of a resource that exist, the one published last comes last."""
        return tuple(
            sorted((key for key in self.keys.values() if key.owner == owner and key.exists), key=promotion_order)
        )

    @property
    def current(self) -> KeyRecord | None:
        """Find the key that AWSCURRENT names as far as the ledger knows."""
        return next((key for key in self.keys.values() if key.state is KeyState.CURRENT), None)

    @property
    def pending_key_id(self) -> str:
        """The key of a rotation of Secrets Manager that is not finished; empty if there is none."""
        return self.rotation.key_id if self.rotation else ""

    def key_of_version(self, version: str) -> KeyRecord | None:
        """Find the key that a version holds."""
        return next((key for key in self.keys.values() if key.version_id == version), None)

    def with_key(self, key: KeyRecord) -> Entry:
        """Record a key."""
        return replace(self, keys={**self.keys, key.id: key})

    def without_key(self, key_id: str) -> Entry:
        """Forget a key."""
        return replace(self, keys={known: key for known, key in self.keys.items() if known != key_id})

    def with_copy(self, record: CopyRecord) -> Entry:
        """Record a copy."""
        return replace(self, copies={**self.copies, record.copy.id: record})

    def copy(self, copy_id: str) -> Copy:
        """Return a copy as a resource declares it: with the role that may write there now. Else as it was made."""
        declared = (copy for claim in self.claims.values() if claim.present for copy in claim.copies)
        return next((copy for copy in declared if copy.id == copy_id), self.copies[copy_id].copy)

    def with_claim(self, owner: str, claim: Claim) -> Entry:
        """Record a claim."""
        return replace(self, claims={**self.claims, owner: claim})

    def noted(self, time: datetime, what: str) -> Entry:
        """Add a line to the history."""
        return replace(self, history=(*self.history, f"{time:%Y-%m-%dT%H:%M:%SZ} {what}")[-HISTORY_LENGTH:])

    def checked_at(self, time: datetime) -> Entry:
        """Have the sweep look at the keys that wait: what they wait for may have come."""
        keys = {known: replace(key, next_check=time) if key.next_check else key for known, key in self.keys.items()}
        return replace(self, keys=keys)

    def may_be_running(self, delivery: Delivery, now: datetime) -> bool:
        """Tell whether an earlier call for a consumer, or of its function for another one, may be running."""
        return any(
            record.is_running(now)
            for name, record in self.deliveries.items()
            if name == delivery.name or record.function_arn == delivery.function_arn
        )

    def made_for(self, owner: str) -> bool:
        """Tell whether a key of the resource exists or may exist."""
        return bool(self.keys_of(owner)) or owner in self.creating

    def pruned(self, now: datetime) -> Entry:
        """Forget the resources and keys that were deleted long ago, and reports of drift that is over."""
        writers = {record.owner for record in self.copies.values()}
        kept = {
            owner: claim
            for owner, claim in self.claims.items()
            if claim.present or claim.request.time > now - TOMBSTONE_KEPT or self.made_for(owner) or owner in writers
        }
        deleted = sorted((key for key in self.keys.values() if not key.exists), key=promotion_order)
        traces = {key.id for key in deleted[-_DELETED_KEYS_KEPT:] if key.owner in kept}
        keys = {key.id: key for key in self.keys.values() if key.exists or key.id in traces}
        recent = {what: time for what, time in self.reported.items() if time > now - 2 * TOMBSTONE_KEPT}
        declared = {delivery.name for claim in kept.values() for delivery in claim.deliveries}
        deliveries = {
            name: record for name, record in self.deliveries.items() if name in declared or record.is_running(now)
        }
        return replace(self, claims=kept, keys=keys, reported=recent, deliveries=deliveries)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to keep or to do."""
        left = self.keys or self.creating or self.copies
        return not left and not any(claim.present for claim in self.claims.values())


def promotion_order(key: KeyRecord) -> tuple[datetime, datetime, str]:
    """Sort keys by when they were published, then by when they were created."""
    return (key.published or key.created, key.created, key.id)
