"""Carries out what the rules ask for: renew the lease, act, record. It stops at the first action that fails."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    NEW,
    Activate,
    CreateKey,
    Deactivate,
    DeleteKey,
    Deliver,
    EndAttempt,
    GiveBack,
    MakeCopy,
    PointCopy,
    Promote,
    ProveKey,
    PublishEvent,
    RemoveCopy,
    RemoveLabel,
    StoreSecret,
    TagUser,
    UnlabelCopy,
    UntagUser,
    WriteCopy,
)
from access_key_provider.model.consumers import LONGEST_CALL
from access_key_provider.model.copies import LOST, Copy
from access_key_provider.model.errors import (
    ConflictError,
    CopyError,
    DeliveryError,
    LeaseLostError,
    LedgerError,
    OutOfTimeError,
    SupersededError,
)
from access_key_provider.model.state import ACTIVE, CURRENT, INACTIVE, PENDING, version_id
from access_key_provider.planning.key_events import Event, events_of
from lambda_shared import log
from lambda_shared.errors import OutcomeUnknownError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from access_key_provider.model.actions import Action
    from access_key_provider.model.entry import Entry
    from access_key_provider.model.secret_format import SecretFormat
    from access_key_provider.model.state import NewAccessKey
    from access_key_provider.planning.draft import Draft
    from access_key_provider.reconcile.lease import HeldLease
    from access_key_provider.reconcile.ports import Session
    from lambda_shared.clock import Clock

# What may be left to the sweep, and takes long, leaves so many seconds for what may not.
_FOR_WHAT_IS_REQUIRED = 30.0


class Executor:
    """Runs one draft for one resource. The new key's secret lives here, between CreateKey and the end of the run.

    Attributes:
        made: the keys that it has created.
        late: the last call whose outcome is not in the ledger yet.
        half_done: what may be recorded as begun, and of which it is not known whether it was done.
        left: why optional actions failed.
        events: what is to be reported.
    """

    def __init__(
        self, session: Session, lease: HeldLease, clock: Clock, owner: str, *, reserve: float, deploys: bool
    ) -> None:
        """Stop beginning actions when less than `reserve` seconds are left; mark the claim if a deployment acts."""
        self._session = session
        self._lease = lease
        self._clock = clock
        self._owner = owner
        self._reserve = reserve
        self._deploys = deploys
        self._new: NewAccessKey | None = None
        self._new_labels: frozenset[str] = frozenset()
        self.made: list[str] = []
        self.late: Action | None = None
        self.half_done: list[str] = []
        self.left: list[str] = []
        self.events: list[Event] = []
        self._left_keys: set[str] = set()

    def run(self, draft: Draft, *, check: bool = True) -> None:
        """Carry out the actions of a draft in order.

        Args:
            draft: the plan.
            check: whether a later request stops it. Who takes back what it made goes on.

        Raises:
            OutOfTimeError: the deadline is near; what is done so far is consistent.
            LeaseLostError: another caller has taken over; `late` may not be recorded.
            ProviderError: an action failed.
        """
        for index, planned in enumerate(draft.actions):
            action = self._named(planned)
            is_required = index not in draft.optional and not action.bookkeeping
            needed = self._reserve + action.seconds
            if action.seconds and not is_required:
                needed += _FOR_WHAT_IS_REQUIRED
            if action.writes and self._clock.remaining() < needed:
                self._out_of_time(action, is_required=is_required)
            elif is_required:
                self._perform(action, draft, check=check)
            elif _key_of(action) not in self._left_keys:
                self._try(action, draft, check=check)

    def _out_of_time(self, action: Action, *, is_required: bool) -> None:
        """Stop, or leave the action to the sweep. Raises OutOfTimeError."""
        name = f"the delivery to {action.delivery.name}" if isinstance(action, Deliver) else type(action).__name__
        if is_required:
            raise OutOfTimeError(f"the function ran out of time before {name}: deploy again to go on from there")
        self._leave(action, f"the function ran out of time before {name}")

    def _leave(self, action: Action, reason: str) -> None:
        """Leave an action to the sweep, with all that follows for the same key unless that does not depend on it."""
        self.left.append(reason)
        log.info("left to the sweep", action=type(action).__name__, reason=reason)
        if isinstance(action, Deliver) and action.instead_of:
            self._left_keys.add(action.instead_of)
        # Neither the copies nor the deliveries wait for each other.
        elif not (action.bookkeeping or isinstance(action, (Deliver, PointCopy))):
            self._left_keys.add(_key_of(action))

    def _try(self, action: Action, draft: Draft, *, check: bool) -> None:
        """Perform what may fail."""
        try:
            self._perform(action, draft, check=check)
        except (LeaseLostError, SupersededError, LedgerError, OutOfTimeError):
            raise
        except ProviderError as error:
            self._leave(action, str(error))

    def _perform(self, action: Action, draft: Draft, *, check: bool) -> None:
        unchanged = self._lease.entry
        if isinstance(action, Deliver) and unchanged.may_be_running(action.delivery, self._lease.now()):
            # Since the plan was made: the function of several consumers has not answered for one of them.
            raise DeliveryError(
                f"the delivery to {action.delivery.name} waits for its function, which may be running yet: try again "
                f"in {LONGEST_CALL.total_seconds() // 60:.0f} minutes"
            )
        if action.writes:
            self._renew(action, check=check)
            self.late = action
        elif isinstance(action, ProveKey) and not self._lease.has_recorded(self._new_key.id):
            # A key that was used is nobody's orphan: it has to be on record by then.
            self._lease.renew(_described(action), check=check)
        try:
            done = self._call(action, draft)
        except Exception as error:
            if getattr(error, "changed_nothing", False):
                self.late = None
                self._lease.change(lambda entry, _: _put_back(entry, unchanged))
            elif action.writes:
                self.half_done.append(_may_be_half_done(action))
            raise
        if action.writes:
            self.late = done
        before = self._lease.entry
        self._lease.change(done.end)
        self.events += events_of(done, before, self._lease.entry, draft.observed)

    def _renew(self, action: Action, *, check: bool) -> None:
        try:
            self._lease.renew(_described(action), self._with_begin(action), check=check)
        except LedgerError:
            self.half_done.append(_may_be_half_done(action))
            raise

    def _with_begin(self, action: Action) -> Callable[[Entry, datetime], Entry]:
        """Record what is about to be done, and that a deployment changes what the resource had."""

        def change(entry: Entry, now: datetime) -> Entry:
            begun = action.begin(entry, now)
            claim = begun.claims.get(self._owner) if self._deploys else None
            return begun.with_claim(self._owner, replace(claim, touched=True)) if claim else begun

        return change

    def _call(self, action: Action, draft: Draft) -> Action:  # noqa: C901, PLR0912 - one line an action
        """Make the call of an action, and return the action with the new key's id in place of the stand-in."""
        keys, secret = self._session.keys, self._session.secret
        match action:
            case CreateKey():
                return self._create(action)
            case StoreSecret(version_id, secret_format=secret_format):
                self._store(version_id, secret_format)
            case ProveKey(secret_format=secret_format):
                self._prove(secret_format)
            case MakeCopy(copy, known=known):
                return replace(action, is_new=self._session.copy(copy).make(known=known))
            case WriteCopy():
                return self._write_copy(action)
            case PointCopy(version=version, copy=Copy() as copy):
                self._point(action.key_id, copy, version)
            case UnlabelCopy(copy, key_id, version):
                self._session.copy(copy).unlabel(version, key_id)
            case Deliver():
                self._deliver(action)
            case RemoveCopy(copy):
                self._session.copy(copy).remove()
            case Promote(key_id, from_version, to_version=to_version):
                self._move_current(to_version, from_version, new=key_id in self.made)
            case GiveBack(to_version, from_version):
                secret.move_current(to_version, from_version)
            case Activate(key_id):
                keys.set_status(key_id, ACTIVE)
            case Deactivate(key_id):
                keys.set_status(key_id, INACTIVE)
            case DeleteKey(key_id):
                keys.delete(key_id)
            case RemoveLabel(version_id, label):
                self._remove_label(version_id, label, draft)
            case TagUser(key_id, value):
                keys.tag(key_id, value)
            case UntagUser(key_id):
                keys.untag(key_id)
            case PublishEvent(kind, detail):
                self.events.append((kind, dict(detail)))
        return action

    def _create(self, action: CreateKey) -> CreateKey:
        try:
            self._new = self._session.keys.create()
        except OutcomeUnknownError:
            raise
        except ProviderError:
            # Nothing was made, so a key that comes to light now is somebody else's, unless an earlier attempt is open.
            attempt = self._lease.entry.creating.get(action.owner)
            if attempt and attempt.is_first:
                self._lease.change(EndAttempt(action.owner).end)
            raise
        self.made.append(self._new.id)
        return replace(action, key_id=self._new.id)

    def _named(self, action: Action) -> Action:
        """Put the new key's id where the plan has a stand-in. `CreateKey` has none before it is carried out."""
        if self._new is not None and not isinstance(action, CreateKey):
            named = {field.name: self._new.id for field in fields(action) if getattr(action, field.name) == NEW}
            action = replace(action, **named) if named else action
        if isinstance(action, Promote):
            action = replace(action, to_version=self._lease.entry.keys[action.key_id].version_id)
        if isinstance(action, Deliver):
            action = replace(action, version=self._lease.entry.keys[action.key_id].version_id)
        if isinstance(action, PointCopy):
            version = self._lease.entry.keys[action.key_id].copies.get(action.copy_id, "")
            action = replace(action, version=version, copy=self._lease.entry.copy(action.copy_id))
        return action

    @property
    def _new_key(self) -> NewAccessKey:
        assert self._new is not None, "a plan uses a new key before it creates one"  # noqa: S101
        return self._new

    def _store(self, token: str, secret_format: SecretFormat) -> None:
        """Write the secret. A version that Secrets Manager has chosen keeps AWSPENDING."""
        key = self._new_key
        labels = (PENDING, key.id) if token else (key.id,)
        version_id = self._lease.entry.keys[key.id].version_id
        self._new_labels = self._session.secret.put(version_id, secret_format.document(key), labels)

    def _write_copy(self, action: WriteCopy) -> WriteCopy:
        key = self._new_key
        version = version_id(action.owner, key.id)
        document = action.secret_format.document(key)
        copy = self._session.copy(action.copy)
        return replace(action, version=copy.write(document, version, key.id, known=action.known))

    def _point(self, key_id: str, copy: Copy, version: str) -> None:
        if version in {"", LOST}:
            missing = CopyError(
                f"{key_id} is not known to be in the {copy.id}, whose readers may get another key: deploy a new serial"
            )
            missing.changed_nothing = True
            raise missing
        self._session.copy(copy).point(version)

    def _deliver(self, action: Deliver) -> None:
        """Call the consumer's function. It gets the same for the same key each time, and no secret."""
        entry, delivery = self._lease.entry, action.delivery
        previous = entry.deliveries[delivery.name].key_id
        payload = {
            "secretArn": entry.secret_arn,
            "versionId": action.version,
            "accessKeyId": action.key_id,
            # A function may take that one away from its consumer, so it is never the one that it brings.
            "previousAccessKeyId": previous if previous != action.key_id else "",
            "consumer": delivery.name,
            "phase": delivery.phase,
        }
        try:
            self._session.functions.call(delivery.function_arn, payload)
        except DeliveryError:
            self._lease.change(action.failed)
            raise

    def _prove(self, secret_format: SecretFormat) -> None:
        key = self._new_key
        self._session.prover.prove(key, self._lease.entry.keys[key.id].user_name)
        if secret_format.prove_smtp_port:
            self._session.smtp_prover.prove(key, secret_format.smtp_regions, secret_format.prove_smtp_port)

    def _remove_label(self, version_id: str, label: str, draft: Draft) -> None:
        try:
            self._session.secret.remove_label(version_id, label)
        except ConflictError:
            version = draft.observed.secret.version_with(label)
            # One that was not seen on this version is off it already; else the sweep tries again.
            if version and version.id == version_id:
                raise

    def _move_current(self, to_version: str, from_version: str, *, new: bool) -> None:
        # Secrets Manager makes the first version of a secret current by itself, and refuses to do it twice.
        if not (new and CURRENT in self._new_labels):
            self._session.secret.move_current(to_version, from_version or None)


def _put_back(entry: Entry, before: Entry) -> Entry:
    """Take back what was recorded before a call that has changed nothing. Only the lease's holder records these."""
    return replace(
        entry,
        keys=before.keys,
        creating=before.creating,
        switching=before.switching,
        copies=before.copies,
        deliveries=before.deliveries,
    )


def _may_be_half_done(action: Action) -> str:
    return f"{_described(action)}: not known whether it was done"


def _described(action: Action) -> str:
    return f"{type(action).__name__} {_key_of(action)}".strip()


def _key_of(action: Action) -> str:
    return getattr(action, "key_id", "")
