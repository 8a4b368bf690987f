"""What the rules can ask for. One action is one call to AWS, or a change of the ledger alone.

Each action says what the ledger records before the call (`begin`) and after it (`end`). A holder that dies between the
two leaves the record of `begin`, from which the next holder goes on.
"""
# ruff: noqa: ARG002 - `begin` and `end` have the same parameters in every action

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from access_key_provider.model.consumers import Delivery, DeliveryRecord
from access_key_provider.model.copies import LOST, Copy, CopyKind, CopyRecord
from access_key_provider.model.entry import LEASE_LENGTH, Creating, KeyRecord, KeyState, Rotation, Switching
from access_key_provider.model.secret_format import DEFAULT_FORMAT, SecretFormat
from access_key_provider.model.state import version_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from access_key_provider.model.entry import Entry

NEW: Final = "(new)"
"""Stands for the key that `CreateKey` makes, whose id nobody knows before."""

BY_DEPLOYMENT = "deployment"
BY_ROTATION = "rotation"
BY_OPERATOR = "operator"
BY_ALARM = "alarm"
BY_CONSUMER = "consumer"
BY_SWEEP = "sweep"
BY_CUT_OVER = "cut-over"
BY_HAND = "somebody"
BY_ROLLBACK = "failed request"

# As many as a rollback may go back to, and more.
_ADOPTED_KEPT = 10


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do.

    Attributes:
        writes: whether it changes IAM or Secrets Manager, or must be on record, so that the lease is renewed right
            before it.
        bookkeeping: whether nothing depends on it: what fails is reported and tried again by the sweep.
        seconds: how long it may well take, where that is longer than AWS takes for a call.
    """

    writes: ClassVar[bool] = True
    bookkeeping: ClassVar[bool] = False
    seconds: ClassVar[float] = 0.0

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record what is about to be done."""
        return entry

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record what was done."""
        return entry


@dataclass(frozen=True, slots=True)
class CreateKey(Action):
    """Create an access key; its secret stays in memory until `StoreSecret`."""

    owner: str
    user_name: str
    baseline: tuple[str, ...]
    serial: str
    token: str = ""
    key_id: str = NEW

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record the attempt, so that a key is found whose response is lost."""
        # An attempt of a holder that died stays covered: what came to be since then may be its key.
        earlier = entry.creating.get(self.owner, Creating(self.user_name, now, now, self.baseline))
        begun = replace(entry, creating={**entry.creating, self.owner: replace(earlier, until=now)})
        return replace(begun, rotation=Rotation(self.token, now)) if self.token else begun

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record the key, which ends the attempt if it was the only one."""
        key = KeyRecord(self.key_id, self.owner, self.user_name, KeyState.CREATED, now, (self.serial,))
        ended = entry.with_key(key)
        attempt = entry.creating.get(self.owner)
        if attempt is None or attempt.is_first:
            ended = EndAttempt(self.owner).end(ended, now)
        if self.token and entry.rotation:
            ended = replace(ended, rotation=replace(entry.rotation, key_id=self.key_id))
        return ended.noted(now, f"created {self.key_id}")


@dataclass(frozen=True, slots=True)
class StoreSecret(Action):
    """Write the new key as a version of the secret, labelled with its id and not yet current.

    Secrets Manager's rotation has chosen the version already: `version_id` is its token.
    """

    version_id: str = ""
    key_id: str = NEW
    secret_format: SecretFormat = DEFAULT_FORMAT

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record the version, so that its label can be taken off if the response is lost."""
        key = entry.keys[self.key_id]
        version = self.version_id or key.version_id or version_id(key.owner, key.id)
        return entry.with_key(replace(key, version_id=version, labelled=True))

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record that it is stored."""
        key = entry.keys[self.key_id]
        state = KeyState.PROVEN if key.proven else KeyState.STORED
        return entry.with_key(replace(key, state=state, stored=now))


@dataclass(frozen=True, slots=True)
class ProveKey(Action):
    """Wait until calls signed with the new key succeed, a settling time longer, and until its SMTP passwords work."""

    key_id: str = NEW
    secret_format: SecretFormat = DEFAULT_FORMAT

    writes: ClassVar[bool] = False

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record that it works."""
        return entry.with_key(replace(entry.keys[self.key_id], state=KeyState.PROVEN, proven=now))


@dataclass(frozen=True, slots=True)
class MakeCopy(Action):
    """Make the secret that is to be a copy, empty; a parameter is made with its first version.

    What is there and was not made for this secret is somebody else's, so `known` says whether it was, or may have been.
    `is_new` says whether it was made now, once that is known.
    """

    copy: Copy
    owner: str
    known: bool
    is_new: bool = False

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record that it may be there, so that it is found if the response is lost."""
        return _begun_copy(entry, self.copy, self.owner)

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record that it is there. One that somebody has deleted comes back without the keys that were in it."""
        if self.is_new:
            lost = [key for key in entry.keys.values() if key.copies.get(self.copy.id)]
            if entry.current and entry.copies[self.copy.id].made:
                # One that is older than the copy, too: whoever reads the copy gets another key now.
                lost.append(entry.current)
            entry = _lost(entry, self.copy.id, lost)
            entry = entry.with_copy(replace(entry.copies[self.copy.id], key_id="", made=None))
        return _made_copy(entry, self.copy, now)


@dataclass(frozen=True, slots=True)
class WriteCopy(Action):
    """Write the new key to a copy, whose readers do not get it yet.

    `known` as for `MakeCopy`. `version` is what the write has made, once it is known.
    """

    copy: Copy
    owner: str
    known: bool
    version: str = ""
    key_id: str = NEW
    secret_format: SecretFormat = DEFAULT_FORMAT

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record that the key may be in it."""
        key = entry.keys[self.key_id]
        begun = _begun_copy(entry, self.copy, self.owner)
        return begun.with_key(replace(key, copies={**key.copies, self.copy.id: ""}))

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record which version holds the key.

        The versions of a parameter are numbered. One that somebody has deleted begins at 1 again, without the keys that
        were in it.
        """
        copy_id = self.copy.id
        if self.version.isdecimal():
            lost = [key for key in entry.keys.values() if _number(key, copy_id) >= int(self.version)]
            entry = _lost(entry, copy_id, lost)
        key = entry.keys[self.key_id]
        # While planning, nobody knows the version.
        copies = {**key.copies, copy_id: self.version or NEW}
        return _made_copy(entry, self.copy, now).with_key(replace(key, copies=copies))


@dataclass(frozen=True, slots=True)
class PointCopy(Action):
    """Let the readers of a copy get a key, which was written to it; `copy` and `version` are filled in."""

    copy_id: str
    key_id: str
    version: str = ""
    copy: Copy | None = None

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record that it is not known which key its readers get."""
        return entry.with_copy(replace(entry.copies[self.copy_id], key_id=""))

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record which one they get, and that its resource writes to the copy."""
        owner = entry.keys[self.key_id].owner
        return entry.with_copy(replace(entry.copies[self.copy_id], key_id=self.key_id, owner=owner))


@dataclass(frozen=True, slots=True)
class UnlabelCopy(Action):
    """Take the label of a key that is gone off its version of a copy."""

    copy: Copy
    key_id: str
    version: str

    # A label that is left keeps a version alive and does no harm.
    bookkeeping: ClassVar[bool] = True

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record it, and forget a deleted key of which nothing else is left."""
        key = entry.keys.get(self.key_id)
        return _forgotten_if_bare(entry, _without_copy(key, self.copy.id)) if key else entry


@dataclass(frozen=True, slots=True)
class RemoveCopy(Action):
    """Delete a copy, with all that is in it."""

    copy: Copy

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record that nobody may count on it any more."""
        record = entry.copies.get(self.copy.id)
        return entry.with_copy(replace(record, made=None, key_id="")) if record else entry

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Forget it."""
        ended = replace(
            entry, copies={known: record for known, record in entry.copies.items() if known != self.copy.id}
        )
        for key in entry.keys.values():
            if self.copy.id in key.copies:
                ended = _forgotten_if_bare(ended, _without_copy(key, self.copy.id))
        return ended.noted(now, f"deleted the {self.copy.id}")


@dataclass(frozen=True, slots=True)
class Deliver(Action):
    """Call the function that brings a key to a consumer; `version` is filled in.

    `instead_of` names a key that the consumer may have, and that must not go unless the call succeeds.
    """

    delivery: Delivery
    key_id: str
    instead_of: str = ""
    version: str = ""

    # To connect, and for a consumer's function to answer.
    seconds: ClassVar[float] = 45.0

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record that the function may be running from now on, and that the consumer may have the key."""
        known = entry.deliveries.get(self.delivery.name, DeliveryRecord(self.delivery.function_arn))
        begun = replace(known, function_arn=self.delivery.function_arn, calling=now, tried=self.key_id)
        return self._recorded(entry, begun)

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record that the consumer has it."""
        ended = self._recorded(entry, DeliveryRecord(self.delivery.function_arn, self.key_id, now))
        return ended.checked_at(now).noted(now, f"delivered {self.key_id} to {self.delivery.name}")

    def failed(self, entry: Entry, _: datetime) -> Entry:
        """Record that the function runs no more. How far it has come is not known."""
        return self._recorded(entry, replace(entry.deliveries[self.delivery.name], calling=None))

    def _recorded(self, entry: Entry, record: DeliveryRecord) -> Entry:
        return replace(entry, deliveries={**entry.deliveries, self.delivery.name: record})


@dataclass(frozen=True, slots=True)
class Promote(Action):
    """Make a key current, if `from_version` still is (empty: no version was).

    `note` says why the key that was current must not become current again; empty if it may. If it must not, this one is
    the key for its serials, too: whoever goes back to one of them gets it. `to_version` is the key's version, once that
    is known.
    """

    key_id: str
    from_version: str
    by: str
    adds_serial: str = ""
    note: str = ""
    to_version: str = ""

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record that AWSCURRENT is about to move; the switch itself is recorded only when it has happened."""
        switching = Switching(self.key_id, now, self.by, self.from_version, self.adds_serial, self.note)
        return replace(entry, switching=switching)

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record the switch: the grace period of the key that was current begins now."""
        ended = replace(entry, switching=None)
        before = entry.current
        if before and before.id != self.key_id:
            state = KeyState.INACTIVE if before.deactivated else KeyState.REPLACED
            note = self.note or before.note
            # Of a key that was current while it was Inactive, the retention period begins now.
            since = now if before.deactivated else None
            ended = ended.with_key(
                replace(before, state=state, replaced=now, deactivated=since, by=self.by, postponed=0, note=note)
            )
        key = ended.keys[self.key_id]
        taken = before.serials if before and before.id != self.key_id and self.note else ()
        added = [serial for serial in dict.fromkeys([self.adds_serial, *taken]) if serial and serial not in key.serials]
        current = replace(
            key,
            state=KeyState.CURRENT,
            published=now,
            replaced=None,
            came_after="" if ended.key_of_version(self.from_version) else self.from_version,
            by="",
            serials=(*key.serials, *added),
            postponed=0,
            next_check=None,
        )
        if ended.pending_key_id == self.key_id:
            ended = replace(ended, rotation=None)
        return ended.with_key(current).noted(now, f"published {self.key_id} by {self.by}")


@dataclass(frozen=True, slots=True)
class GiveBack(Action):
    """Make a version current that holds no key of the ledger: the value that was there before."""

    to_version: str
    from_version: str

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record that no managed key is current."""
        before = entry.current
        ended = entry.with_key(replace(before, state=KeyState.REPLACED, replaced=now)) if before else entry
        return ended.noted(now, f"made version {self.to_version} current again, which holds no managed key")


@dataclass(frozen=True, slots=True)
class Activate(Action):
    """Make a key Active."""

    key_id: str

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record that it works; of an adopted key that was released since, there is no record."""
        key = entry.keys.get(self.key_id)
        if key:
            state = KeyState.REPLACED if key.state is KeyState.INACTIVE else key.state
            entry = entry.with_key(replace(key, state=state, deactivated=None, deactivating=False))
        return entry.noted(now, f"activated {self.key_id}")


@dataclass(frozen=True, slots=True)
class Deactivate(Action):
    """Make a key Inactive; `note` says why it must not become current again.

    `anew` begins the retention period again: the key has worked since it was deactivated.
    """

    key_id: str
    by: str
    note: str = ""
    anew: bool = False

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record it with the act: its retention period begins whatever comes after."""
        key = entry.keys[self.key_id]
        # Of a key that is Inactive already, the retention period has begun.
        since = now if self.anew else key.deactivated or now
        state = key.state
        if state in {KeyState.REPLACED, KeyState.PROVEN, KeyState.CREATED, KeyState.STORED}:
            state = KeyState.INACTIVE
        begun = replace(key, state=state, deactivated=since, deactivating=True, note=self.note or key.note)
        return entry.with_key(begun)

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record that it was done, and note it unless it was Inactive already."""
        key = entry.keys[self.key_id]
        ended = entry.with_key(replace(key, deactivating=False))
        repeated = key.deactivated is not None and now - key.deactivated > LEASE_LENGTH
        return ended if repeated else ended.noted(now, f"deactivated {self.key_id} by {self.by}")


@dataclass(frozen=True, slots=True)
class DeleteKey(Action):
    """Delete a key, which is Inactive by now. It can't be restored from here on, whatever becomes of the call."""

    key_id: str
    by: str

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record that nobody may count on the key any more."""
        key = entry.keys[self.key_id]
        return entry.with_key(replace(key, note=key.note or "it is being deleted"))

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record it; the record stays as long as its label or its tag does."""
        return RecordGone(self.key_id, f"deleted {self.key_id} by {self.by}").end(entry, now)


@dataclass(frozen=True, slots=True)
class RemoveLabel(Action):
    """Take a label off a version: the key's own, or AWSPENDING of a rotation that has ended."""

    version_id: str
    label: str

    # A label that is left keeps a version alive and does no harm.
    bookkeeping: ClassVar[bool] = True

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record it, and forget a deleted key of which nothing else is left."""
        key = entry.keys.get(self.label)
        return _forgotten_if_bare(entry, replace(key, labelled=False)) if key else entry


@dataclass(frozen=True, slots=True)
class TagUser(Action):
    """Set the user's tag that the IAM console shows beside the key."""

    key_id: str
    value: str

    # Nothing reads it but people.
    bookkeeping: ClassVar[bool] = True

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record that there may be a tag."""
        return entry.with_key(replace(entry.keys[self.key_id], tag=self.value))


@dataclass(frozen=True, slots=True)
class UntagUser(Action):
    """Remove the user's tag of a key."""

    key_id: str

    # A tag of a key that is gone does no harm.
    bookkeeping: ClassVar[bool] = True

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record it, and forget a deleted key of which nothing else is left."""
        key = entry.keys.get(self.key_id)
        return _forgotten_if_bare(entry, replace(key, tag="")) if key else entry


@dataclass(frozen=True, slots=True)
class AdoptKey(Action):
    """A key that somebody else has made becomes a previous key of the resource, because the template names it.

    It is no call, but on record before the request is answered: the lease is renewed for it.
    """

    key: KeyRecord

    @property
    def key_id(self) -> str:
        """The key."""
        return self.key.id

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Record it, and that it was adopted, which outlives its record."""
        claim = entry.claims[self.key.owner]
        adopted = (*(known for known in claim.adopted if known != self.key_id), self.key_id)[-_ADOPTED_KEPT:]
        begun = entry.with_claim(self.key.owner, replace(claim, adopted=adopted))
        return begun.with_key(replace(self.key, replaced=now)).noted(now, f"adopted {self.key_id}")


@dataclass(frozen=True, slots=True)
class ReleaseKey(Action):
    """An adopted key is given back to whoever made it: it stays as it is, and nobody here manages it any more.

    It is no call either, and on record before the request is answered.
    """

    key: KeyRecord

    @property
    def key_id(self) -> str:
        """The key."""
        return self.key.id

    def begin(self, entry: Entry, now: datetime) -> Entry:
        """Forget the key."""
        return entry.without_key(self.key_id).noted(now, f"released {self.key_id}, which was adopted")


@dataclass(frozen=True, slots=True)
class LedgerAction(Action):
    """A change of the ledger alone."""

    writes: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class RecordGone(LedgerAction):
    """A key is in IAM no more."""

    key_id: str
    why: str = ""

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record it; the record stays as long as its label or its tag does."""
        key = entry.keys[self.key_id]
        ended = entry.noted(now, self.why or f"{self.key_id} is gone: somebody else deleted it")
        if ended.pending_key_id == self.key_id:
            ended = replace(ended, rotation=None)
        # A version of a parameter bears no label of the key.
        labelled = {
            known: version
            for known, version in key.copies.items()
            if known in entry.copies and entry.copies[known].copy.kind is CopyKind.SECRET
        }
        return _forgotten_if_bare(ended, replace(key, state=KeyState.DELETED, copies=labelled))


@dataclass(frozen=True, slots=True)
class RecordKey(LedgerAction):
    """A key is found that the ledger does not know: an orphan, or a key whose entry was lost."""

    key: KeyRecord
    why: str

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record it as it was found."""
        return entry.with_key(self.key).noted(now, f"{self.why}: {self.key.id}")


@dataclass(frozen=True, slots=True)
class EndAttempt(LedgerAction):
    """Nothing is left to find of an attempt to create a key."""

    owner: str

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Forget the attempt."""
        left = {owner: attempt for owner, attempt in entry.creating.items() if owner != self.owner}
        return replace(entry, creating=left)


@dataclass(frozen=True, slots=True)
class ForgetTraces(LedgerAction):
    """The user or the secret that bore a deleted key's tag and label is gone."""

    key_id: str

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Forget the key."""
        return entry.without_key(self.key_id)


@dataclass(frozen=True, slots=True)
class RecordSwitch(LedgerAction):
    """A switch that was begun has happened, or has not; or one that somebody has made by hand has happened."""

    happened: bool
    by_hand: Switching | None = None

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record the switch if it has happened; in any case none is begun any more."""
        switching = self.by_hand or entry.switching
        if switching is None:
            return entry
        if not self.happened or switching.key_id not in entry.keys:
            return replace(entry, switching=None)
        promote = Promote(switching.key_id, switching.from_version, switching.by, switching.adds_serial, switching.note)
        return promote.end(entry, now)


@dataclass(frozen=True, slots=True)
class EndRotation(LedgerAction):
    """A rotation of Secrets Manager has ended, or was given up."""

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Forget the rotation."""
        if entry.rotation is None:
            return entry
        return replace(entry, rotation=None).noted(now, f"ended the rotation {entry.rotation.token}")


@dataclass(frozen=True, slots=True)
class Postpone(LedgerAction):
    """A replaced key is not deactivated yet, because it is in use."""

    key_id: str
    until: datetime
    last_use: str

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record when to check again."""
        key = entry.keys[self.key_id]
        return entry.with_key(replace(key, postponed=key.postponed + 1, next_check=self.until, last_use=self.last_use))


@dataclass(frozen=True, slots=True)
class PublishEvent(LedgerAction):
    """Report something, by an event, a metric and the log; `once_a_day` names what is not repeated within a day."""

    kind: str
    detail: tuple[tuple[str, str], ...]
    once_a_day: str = ""

    # What was done is done, reported or not.
    bookkeeping: ClassVar[bool] = True

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record when it was reported."""
        return replace(entry, reported={**entry.reported, self.once_a_day: now}) if self.once_a_day else entry


@dataclass(frozen=True, slots=True)
class Settle(LedgerAction):
    """All that a claim declares is done: AWS and the ledger agree, unless it can't be read whose a key is."""

    owner: str
    applied: str
    agrees: bool = True

    def end(self, entry: Entry, now: datetime) -> Entry:
        """Record what is applied, and since when the entry and AWS agree."""
        claim = entry.claims[self.owner]
        settled = replace(entry, settled=now if self.agrees else entry.settled, failing=None)
        return settled.with_claim(self.owner, replace(claim, applied=self.applied, touched=False))


def _forgotten_if_bare(entry: Entry, key: KeyRecord) -> Entry:
    """Forget a deleted key that has left neither a label nor a tag."""
    if not key.exists and not key.labelled and not key.tag and not key.copies:
        return entry.without_key(key.id)
    return entry.with_key(key)


def _begun_copy(entry: Entry, copy: Copy, owner: str) -> Entry:
    return entry.with_copy(replace(entry.copies.get(copy.id, CopyRecord(copy, owner)), copy=copy))


def _lost(entry: Entry, copy_id: str, keys: Iterable[KeyRecord]) -> Entry:
    """Record that keys are in a copy no more."""
    for key in tuple(keys):
        entry = entry.with_key(replace(key, copies={**key.copies, copy_id: LOST}))
    return entry


def _made_copy(entry: Entry, copy: Copy, now: datetime) -> Entry:
    record = entry.copies[copy.id]
    return entry.with_copy(replace(record, made=record.made or now))


def _number(key: KeyRecord, copy_id: str) -> int:
    """Tell the number of the version of a parameter that holds a key; 0 if there is none."""
    version = key.copies.get(copy_id, "")
    return int(version) if version.isdecimal() else 0


def _without_copy(key: KeyRecord, copy_id: str) -> KeyRecord:
    return replace(key, copies={known: version for known, version in key.copies.items() if known != copy_id})
