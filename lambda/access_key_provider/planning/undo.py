"""Going back to the previous key, for an operator or an alarm. Pure rules on a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import BY_ALARM, BY_OPERATOR, Activate, Deactivate
from access_key_provider.model.codec import written
from access_key_provider.model.entry import KeyState, promotion_order
from access_key_provider.model.errors import NothingToUndoError
from access_key_provider.model.state import INACTIVE
from access_key_provider.planning.consumers import deliver
from access_key_provider.planning.deployment import make_active, promote, require_user_and_secret
from access_key_provider.planning.recovery import recover

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.entry import KeyRecord
    from access_key_provider.planning.draft import Draft

_TAKEN_BACK = "an undo has taken it back"


def plan_undo(draft: Draft, owner: str, *, alarm: datetime | None = None) -> None:
    """Make the previous key Active and current again, and deactivate the key that was current.

    Deliveries come first, whether they succeed or not. If the resource waits for consumers or has required deliveries,
    that one is retired as any other key instead, once all have the restored one.

    The restored key becomes the key of the serial that is declared, so that the next deployment does not bring the bad
    one back.

    Args:
        draft: the plan.
        owner: whose key.
        alarm: since when the data goes that the alarm is about; None if a person asks. An alarm undoes a switch only
            if its data began after it, only within the grace period, and only to a key that is still Active.

    Raises:
        NothingToUndoError: there is no key to go back to; the message says why.
    """
    recover(draft, owner)
    claim = draft.claim(owner)
    if alarm:
        # First of all, so that an alarm that comes to nothing is not asked about again.
        previous_key(draft, owner, alarm=alarm)
    require_user_and_secret(draft.observed, claim, draft.entry.secret_arn)
    by = BY_ALARM if alarm else BY_OPERATOR
    current = _current(draft, owner)
    if not alarm and _is_half_undone(draft, current):
        _finish(draft, current)
        return
    previous = previous_key(draft, owner, alarm=alarm)
    if not alarm:
        make_active(draft, previous)
    promote(draft, draft.entry.keys[previous.id], by, adds_serial=claim.serial, note=_TAKEN_BACK)
    deliver(draft, owner)
    if not claim.has_consumers:
        draft.add(Deactivate(current.id, by))


def previous_key(draft: Draft, owner: str, *, alarm: datetime | None = None) -> KeyRecord:
    """Find the key that was current before the current one.

    Raises:
        NothingToUndoError: there is none, or not any more.
    """
    current = _current(draft, owner)
    if draft.claim(owner).status == INACTIVE:
        raise NothingToUndoError("the template declares the key Inactive: nobody uses it, deploy it Active first")
    earlier = [
        key
        for key in draft.entry.keys_of(owner)
        # A key that was created later was replaced by a rollback, not by a key that may be bad.
        if key.published and key.replaced and key.created < current.created and draft.exists(key)
    ]
    restorable = [key for key in earlier if key.restorable]
    if not restorable:
        taken_back = next((key for key in draft.entry.keys_of(owner) if key.note == _TAKEN_BACK), None)
        if taken_back:
            raise NothingToUndoError(
                f"{taken_back.id} was taken back by an undo, and {current.id} is current again: to get another key, "
                "deploy a new serial"
            )
        adopted = next((key for key in draft.entry.keys_of(owner) if key.adopted), None)
        if adopted:
            raise NothingToUndoError(
                f"{adopted.id} was adopted, so its secret is not known here and it can't become current; to keep it "
                "for good, remove adopt() and deploy"
            )
        raise NothingToUndoError(f"{current.id} has no previous key: none was replaced, or it is deleted already")
    found = max(restorable, key=promotion_order)
    if alarm:
        _require_cause(draft, owner, current, found, alarm)
    return found


def _require_cause(draft: Draft, owner: str, current: KeyRecord, found: KeyRecord, alarm: datetime) -> None:
    """Refuse an alarm that is not about the current key, or that comes when the previous one may be forgotten."""
    switch = current.published
    grace = draft.claim(owner).rules.time_active
    if switch is None or found.state is not KeyState.REPLACED or draft.now >= switch + grace:
        raise NothingToUndoError(f"the grace period of {found.id} is over: an alarm no longer goes back to it")
    if alarm < switch:
        raise NothingToUndoError(
            f"the alarm's data began at {written(alarm)}, before {current.id} became current at {written(switch)}: "
            "it is not about that key"
        )
    if not draft.is_active(found.id):
        raise NothingToUndoError(f"somebody has deactivated {found.id}: an alarm does not activate it again")


def _current(draft: Draft, owner: str) -> KeyRecord:
    current, read = draft.entry.current, draft.read_instead
    if current and read:
        raise NothingToUndoError(
            f"readers of the secret get {read.id} already: somebody has moved AWSCURRENT by hand. Move it to version "
            f"{current.version_id}, which has {current.id}, then undo"
        )
    if current is None or current.owner != owner or not draft.exists(current) or not draft.is_read(current):
        raise NothingToUndoError(
            "the value that is current was not written by this key, or its key is gone: rotate, or deploy a new serial"
        )
    return current


def _is_half_undone(draft: Draft, current: KeyRecord) -> bool:
    """Tell whether an undo has made the key current, and it does not work, or the bad one still does."""
    if draft.claim(current.owner).status == INACTIVE:
        return False
    taken_back = [] if draft.claim(current.owner).has_consumers else _taken_back(draft, current)
    return any(draft.is_active(key.id) for key in taken_back) or bool(taken_back and not draft.is_active(current.id))


def _finish(draft: Draft, current: KeyRecord) -> None:
    """Do what is left of an undo."""
    if not draft.is_active(current.id):
        draft.add(Activate(current.id))
    deliver(draft, current.owner)
    for key in _taken_back(draft, current):
        if draft.is_active(key.id):
            draft.add(Deactivate(key.id, BY_OPERATOR))


def _taken_back(draft: Draft, current: KeyRecord) -> list[KeyRecord]:
    return [key for key in draft.entry.keys_of(current.owner) if key.note == _TAKEN_BACK and key.id != current.id]
