"""Taking back a call that came through after the lease was lost. Pure rules on a draft.

Another holder has acted since, on a ledger that says nothing of the call. So what the ledger says is made true again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    BY_ROLLBACK,
    Activate,
    CreateKey,
    Deactivate,
    GiveBack,
    Promote,
    RecordKey,
    RemoveLabel,
    StoreSecret,
    TagUser,
    UntagUser,
)
from access_key_provider.model.entry import KeyRecord, KeyState
from access_key_provider.model.state import CURRENT, PENDING, PREVIOUS, version_id
from access_key_provider.planning.recovery import recover

if TYPE_CHECKING:
    from access_key_provider.model.actions import Action
    from access_key_provider.planning.draft import Draft


def plan_take_back(draft: Draft, owner: str, late: Action) -> None:
    """Undo what a late call has done, as far as the ledger has it otherwise."""
    with draft.left_to_the_sweep():
        match late:
            case CreateKey(key_id=key_id) if key_id not in draft.entry.keys and key_id in draft.statuses:
                lost = KeyRecord(key_id, owner, draft.claim(owner).user_name, KeyState.CREATED, draft.now)
                draft.add(RecordKey(lost, "made while the lease was lost"))
            case Deactivate(key_id):
                _restore_active(draft, key_id)
            case Activate(key_id):
                _restore_inactive(draft, key_id)
            case Promote(key_id, from_version):
                _restore_current(draft, owner, key_id, from_version, late.to_version)
            case GiveBack(to_version):
                _restore_current(draft, owner, to_version)
            case StoreSecret(key_id=key_id) if not _exists(draft, key_id):
                _remove_labels(draft, late.version_id or version_id(owner, key_id), key_id)
            case TagUser(key_id) if not _exists(draft, key_id):
                draft.add(UntagUser(key_id))
    recover(draft, owner, BY_ROLLBACK)


def _exists(draft: Draft, key_id: str) -> bool:
    key = draft.entry.keys.get(key_id)
    return key is not None and key.exists


def _remove_labels(draft: Draft, version: str, key_id: str) -> None:
    """Let go of a version with a key that is gone: AWSPENDING on it would block every rotation from now on."""
    pending = draft.observed.secret.version_with(PENDING)
    if pending and pending.id == version and not pending.labels & {CURRENT, PREVIOUS}:
        draft.add(RemoveLabel(version, PENDING))
    draft.add(RemoveLabel(version, key_id))


def _restore_active(draft: Draft, key_id: str) -> None:
    key = draft.entry.keys.get(key_id)
    if key and key.deactivated is None and key.state in {KeyState.CURRENT, KeyState.REPLACED}:
        draft.add(Activate(key_id))


def _restore_inactive(draft: Draft, key_id: str) -> None:
    key = draft.entry.keys.get(key_id)
    if key and key.exists and key.deactivated is not None:
        draft.add(Deactivate(key_id, BY_ROLLBACK))


def _restore_current(draft: Draft, owner: str, moved_to: str, from_version: str = "", to_version: str = "") -> None:
    """Move AWSCURRENT back from where the late call put it, if it is there.

    If no key is current in the ledger, the resource was deleted meanwhile: the value before the late call is back.
    """
    current = draft.entry.current
    late = draft.entry.keys.get(moved_to)
    version = to_version or (late.version_id if late else moved_to if "-" in moved_to else version_id(owner, moved_to))
    if current and current.id != moved_to:
        draft.add(Promote(current.id, version, BY_ROLLBACK))
    elif current is None and from_version and draft.current == version:
        draft.add(GiveBack(from_version, version))
