"""What a Delete of CloudFormation leads to. Pure rules on a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import BY_DEPLOYMENT, EndAttempt, GiveBack, Promote, RecordGone, RecordSwitch
from access_key_provider.model.entry import KeyState, promotion_order
from access_key_provider.model.state import INACTIVE, PREVIOUS
from access_key_provider.planning.adoption import release
from access_key_provider.planning.copies import point_copies
from access_key_provider.planning.key_events import LEFT_BEHIND, about_key
from access_key_provider.planning.recovery import is_in_doubt, recover
from access_key_provider.planning.removal import (
    clear_traces,
    end_finished_rotation,
    end_rotation,
    end_unrecorded_rotation,
    remove,
)

if TYPE_CHECKING:
    from access_key_provider.model.entry import KeyRecord
    from access_key_provider.planning.draft import Draft


def plan_deletion(draft: Draft, owner: str, by: str = BY_DEPLOYMENT) -> None:
    """Deactivate and delete every key of the resource, and give back what was somebody else's before.

    That is the value of the secret, and an adopted key that was not retired.
    """
    release(draft, owner)
    if not draft.observed.user_exists:
        _leave_behind(draft, owner)
        return
    for key in draft.entry.keys_of(owner):
        if not draft.exists(key) and not key.note:
            why = f"IAM does not list it for user {key.user_name}: if the user was renamed, delete the key by hand"
            draft.report(LEFT_BEHIND, about_key(draft.entry, key, why=why))
    recover(draft, owner, by)
    if _is_rotating(draft, owner):
        end_rotation(draft, by)
    if not _is_shared(draft, owner) and draft.observed.secret.writable:
        with draft.left_to_the_sweep():
            end_unrecorded_rotation(draft)
    current = draft.entry.current
    if current and current.owner == owner and draft.observed.secret.writable and draft.is_read(current):
        _give_back(draft, current, by)
    for key in reversed(draft.entry.keys_of(owner)):
        if is_in_doubt(draft, key):
            why = "it may be the key of another resource of the user, which is creating one: if not, delete it by hand"
            draft.report(LEFT_BEHIND, about_key(draft.entry, key, why=why), once_a_day=f"left{key.id}")
        else:
            remove(draft, key, by)


def _is_rotating(draft: Draft, owner: str) -> bool:
    rotation = draft.entry.rotation
    key = draft.entry.keys.get(rotation.key_id) if rotation else None
    return rotation is not None and (not _is_shared(draft, owner) or (key is not None and key.owner == owner))


def _is_shared(draft: Draft, owner: str) -> bool:
    return any(claim.present and known != owner for known, claim in draft.entry.claims.items())


def _give_back(draft: Draft, current: KeyRecord, by: str) -> None:
    """Make current again what was before: another resource's key, or a value that no key of the ledger is in."""
    others = [
        key
        for key in draft.entry.keys.values()
        if key.owner != current.owner and key.restorable and _is_as_declared(draft, key, current.user_name)
    ]
    other = max(others, key=promotion_order, default=None)
    if other:
        end_finished_rotation(draft, other.version_id)
        point_copies(draft, other)
        draft.add(Promote(other.id, draft.current, by))
        return
    before = draft.observed.secret.version_with(PREVIOUS)
    if before and before.id == current.came_after:
        end_finished_rotation(draft, before.id)
        draft.add(GiveBack(before.id, draft.current))


def _is_as_declared(draft: Draft, key: KeyRecord, observed_user: str) -> bool:
    """Tell whether its resource may have a key as the current one: one that works, or the very one that is Inactive.

    Whether another user's key is Active the ledger has to know.
    """
    claim = draft.claim(key.owner)
    if not claim.present:
        return False
    if claim.status == INACTIVE:
        return key.state is KeyState.INACTIVE and claim.serial in key.serials
    if key.state is not KeyState.REPLACED:
        return False
    return draft.is_active(key.id) if key.user_name == observed_user else key.deactivated is None


def _leave_behind(draft: Draft, owner: str) -> None:
    """Report the keys that can't be found: with their user they are gone, but a user that was renamed has them yet."""
    draft.add(RecordSwitch(happened=False), EndAttempt(owner))
    for key in draft.entry.keys_of(owner):
        why = f"user {key.user_name} does not exist: if it was renamed, delete the key by hand"
        draft.report(LEFT_BEHIND, about_key(draft.entry, key, why=why))
        draft.add(RecordGone(key.id, f"left {key.id} behind: its user is gone"))
        clear_traces(draft, key.id)
