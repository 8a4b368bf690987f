"""Taking back a call that came through after the lease was lost. Pure rules on a draft.

Another holder has acted since, on a ledger that says nothing of the call. So what the ledger says is made true again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    BY_ROLLBACK,
    Activate,
    Deactivate,
    DeleteKey,
    GiveBack,
    MakeCopy,
    PointCopy,
    Promote,
    RecordKey,
    RemoveCopy,
    RemoveLabel,
    StoreSecret,
    TagUser,
    UnlabelCopy,
    UntagUser,
    WriteCopy,
)
from access_key_provider.model.entry import KeyRecord, KeyState
from access_key_provider.model.state import PENDING, version_id
from access_key_provider.planning.recovery import recover
from access_key_provider.planning.removal import end_finished_rotation

if TYPE_CHECKING:
    from access_key_provider.model.actions import Action
    from access_key_provider.planning.draft import Draft


def plan_take_back(draft: Draft, owner: str, late: Action, made: tuple[str, ...] = ()) -> None:
    """Undo what a late call has done, as far as the ledger has it otherwise.

    Args:
        draft: the plan.
        owner: whose call.
        late: the call.
        made: the keys that the caller has created; the ledger may have lost those that it knew.
    """
    with draft.left_to_the_sweep():
        for key_id in made:
            if key_id not in draft.entry.keys and key_id in draft.statuses:
                draft.add(RecordKey(_made(draft, owner, key_id), "made while the lease was lost"))
        match late:
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
            case PointCopy() | MakeCopy() | WriteCopy():
                _restore_copy(draft, owner, late)
            case TagUser(key_id) if not _exists(draft, key_id):
                draft.add(UntagUser(key_id))
            case DeleteKey(key_id) | RemoveLabel(label=key_id) if not key_id.startswith("AWS"):
                _remove_traces(draft, key_id)
    recover(draft, owner, BY_ROLLBACK)


def _made(draft: Draft, owner: str, key_id: str) -> KeyRecord:
    """Describe a key that was made: one that is current stays, if there is no other; else it goes."""
    claim, version = draft.claim(owner), draft.observed.secret.version_with(key_id)
    key = KeyRecord(
        id=key_id,
        owner=owner,
        user_name=claim.user_name,
        state=KeyState.CREATED,
        created=draft.now,
        serials=(claim.serial,),
        version_id=version.id if version else "",
        labelled=version is not None,
    )
    if version is None or draft.entry.current or draft.current != version.id or not claim.present:
        return key
    return replace(key, state=KeyState.CURRENT, stored=draft.now, proven=draft.now, published=draft.now)


def _exists(draft: Draft, key_id: str) -> bool:
    key = draft.entry.keys.get(key_id)
    return key is not None and key.exists


def _remove_labels(draft: Draft, version: str, key_id: str) -> None:
    """Take the labels of a key that is gone off its version: AWSPENDING left on it would block every rotation."""
    pending = draft.observed.secret.version_with(PENDING)
    if pending and pending.id == version and pending.is_only_pending:
        draft.add(RemoveLabel(version, PENDING))
    draft.add(RemoveLabel(version, key_id))


def _remove_traces(draft: Draft, key_id: str) -> None:
    """Take the label and the tag of a deleted key away, if no entry records it any more."""
    if key_id in draft.entry.keys or key_id in draft.statuses:
        return
    version = draft.observed.secret.version_with(key_id)
    if version:
        draft.add(RemoveLabel(version.id, key_id))
    draft.add(UntagUser(key_id))


def _restore_copy(draft: Draft, owner: str, late: PointCopy | MakeCopy | WriteCopy) -> None:
    """Let the readers of a copy get the current key again, or take a copy or a label away that nobody knows of."""
    current, known = draft.entry.current, draft.entry.copies
    match late:
        case PointCopy(copy_id) if copy_id in known and current and current.copies.get(copy_id):
            draft.add(PointCopy(copy_id, current.id))
        case MakeCopy(copy) | WriteCopy(copy) if copy.id not in known:
            draft.add(RemoveCopy(copy))
        case WriteCopy(copy, key_id=key_id) if not _exists(draft, key_id):
            draft.add(UnlabelCopy(copy, key_id, version_id(owner, key_id)))


def _restore_active(draft: Draft, key_id: str) -> None:
    key = draft.entry.keys.get(key_id)
    if key is None:
        # An adopted key was released meanwhile, because it was Active.
        works = any(key_id in claim.adopted for claim in draft.entry.claims.values()) and key_id in draft.statuses
    else:
        works = key.deactivated is None and key.state in {KeyState.CURRENT, KeyState.REPLACED}
    if works:
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
        end_finished_rotation(draft, current.version_id)
        draft.add(Promote(current.id, version, BY_ROLLBACK))
    elif current is None and from_version and draft.current == version:
        end_finished_rotation(draft, from_version)
        draft.add(GiveBack(from_version, version))
