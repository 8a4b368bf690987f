"""Which key may go when the user has no key slot for another one. Pure rules on a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import BY_DEPLOYMENT, RecordKey
from access_key_provider.model.entry import KeyRecord, KeyState
from access_key_provider.model.errors import KeyLimitReachedError
from access_key_provider.model.retirement_rules import LONGEST_DEPLOYMENT, REMOVE_UNUSED, RETIRE_PREVIOUS
from access_key_provider.model.state import INACTIVE, KEYS_PER_USER
from access_key_provider.planning.adoption import is_retired
from access_key_provider.planning.consumers import holders, missing_consumers
from access_key_provider.planning.removal import remove
from access_key_provider.planning.retirement import is_displaced, is_grace_over, may_be_in_use

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.entry import Entry
    from access_key_provider.model.retirement_rules import RetirementRules
    from access_key_provider.model.state import AccessKey, Observed
    from access_key_provider.planning.draft import Draft


def free_key_slot(draft: Draft, owner: str, by: str, *, for_rotation: bool = False) -> None:
    """Remove as many keys as the new one needs to fit, and none that somebody may still use.

    In this order: our keys that never became current; our Inactive keys, the oldest first; our replaced keys whose
    grace period is over and that are not used. Beyond that only what the template names.

    Args:
        draft: the plan.
        owner: whose key is to be made.
        by: who asks.
        for_rotation: whether Secrets Manager rotates. It waits for a key that a deployment may still go back to.

    Raises:
        KeyLimitReachedError: there is no key slot; the message names each key and says what to do.
    """
    while draft.missing_key_slots:
        key = next(iter(_removable(draft, owner, for_rotation=for_rotation)), None)
        if key is not None:
            # What still holds it the template has decided, or `_removable` has.
            remove(draft, key, by, is_held=False)
            continue
        unused = _unused(draft, owner)
        if unused is None:
            raise KeyLimitReachedError(
                draft.claim(owner).user_name, draft.observed.keys, _advice(draft, owner, for_rotation=for_rotation)
            )
        record = KeyRecord(unused.id, owner, draft.claim(owner).user_name, KeyState.INACTIVE, unused.created)
        draft.add(RecordKey(record, "takes an unused key, which the template names for removal"))
        remove(draft, record, by)


def unmanaged_in_question(entry: Entry, owner: str, observed: Observed) -> tuple[str, ...]:
    """Name the unmanaged keys whose last use decides whether the template lets them be removed."""
    claim = entry.claims.get(owner)
    if claim is None or claim.rules.on_key_limit != REMOVE_UNUSED or len(observed.keys) < KEYS_PER_USER:
        return ()
    return tuple(
        key.id
        for key in observed.keys
        if key.id not in entry.keys and key.id != claim.adopts and _is_old(claim.rules, key, observed.time)
    )


def _removable(draft: Draft, owner: str, *, for_rotation: bool) -> list[KeyRecord]:
    if is_displaced(draft.entry, owner):
        return []
    rules = draft.claim(owner).rules
    is_forced = rules.on_key_limit == RETIRE_PREVIOUS
    pending = draft.entry.pending_key_id
    unpublished = [
        key
        for key in draft.entry.keys_of(owner)
        if draft.exists(key)
        and key.state is KeyState.PROVEN
        and key.id != pending
        and (is_forced or not holders(draft, key))
    ]
    replaced = [
        key
        for key in draft.entry.keys_of(owner)
        if draft.exists(key)
        and key.state in {KeyState.REPLACED, KeyState.INACTIVE}
        # An Inactive one is of no use to its readers.
        and not (draft.is_read(key) and draft.is_active(key.id))
        and not (for_rotation and is_kept_for_rollback(draft, key))
        # Who uses it is not known here: the sweep alone may tell.
        and not (key.adopted and not is_retired(draft, key))
        and (is_forced or not holders(draft, key))
    ]
    inactive = [key for key in replaced if not draft.is_active(key.id)]
    active = [key for key in replaced if draft.is_active(key.id)]
    chosen = [*unpublished, *inactive, *(key for key in active if _is_out_of_grace(draft, rules, key))]
    if is_forced:
        chosen += [key for key in active if key not in chosen]
    return chosen


def is_kept_for_rollback(draft: Draft, key: KeyRecord) -> bool:
    """Tell whether a deployment replaced the key so lately that CloudFormation may go back to it."""
    return (
        key.by == BY_DEPLOYMENT
        and key.replaced is not None
        and not key.note
        and draft.now < key.replaced + LONGEST_DEPLOYMENT
    )


def _is_out_of_grace(draft: Draft, rules: RetirementRules, key: KeyRecord) -> bool:
    is_over = is_grace_over(rules, key, draft.now) and not may_be_in_use(draft.observed, rules, key)
    return is_over and not missing_consumers(draft, key.owner, key)


def _unused(draft: Draft, owner: str) -> AccessKey | None:
    """Choose the oldest Inactive unmanaged key of which IAM knows that it was never used."""
    elsewhere = draft.observed.recorded_elsewhere
    candidates = [
        key
        for key in draft.observed.keys
        if key.id in unmanaged_in_question(draft.entry, owner, draft.observed)
        and key.id in draft.statuses
        and elsewhere is not None
        and key.id not in elsewhere
        and (use := draft.observed.last_uses.get(key.id)) is not None
        and use.time is None
    ]
    return min(candidates, key=lambda key: (key.created, key.id), default=None)


def _is_old(rules: RetirementRules, key: AccessKey, now: datetime) -> bool:
    return key.status == INACTIVE and rules.unused_since is not None and key.created < now - rules.unused_since


def _advice(draft: Draft, owner: str, *, for_rotation: bool) -> str:
    """Say when a managed key may go; empty if there is none."""
    for key in draft.entry.keys_of(owner):
        waiting = [delivery.name for delivery in holders(draft, key)]
        if key.state is KeyState.REPLACED and draft.is_active(key.id):
            waiting += missing_consumers(draft, owner, key)
        if waiting:
            names = ", ".join(dict.fromkeys(waiting))
            is_previous = key.state is KeyState.REPLACED
            remedy = "wait, or retire it as an operator" if is_previous else "wait until the deliveries succeed"
            return f"{key.id} is kept for {names}, which may not have the current key yet: {remedy}"
        if key.state not in {KeyState.REPLACED, KeyState.INACTIVE}:
            continue
        if key.adopted:
            return f"{key.id} was adopted: wait until the sweep has retired it, or retire it as an operator"
        if draft.is_read(key):
            return f"readers of the secret get {key.id}: somebody has moved AWSCURRENT back to it by hand"
        if for_rotation and is_kept_for_rollback(draft, key) and key.replaced:
            return f"{key.id} is kept until {key.replaced + LONGEST_DEPLOYMENT:%Y-%m-%d %H:%M} UTC for a rollback"
        if draft.is_active(key.id):
            return (
                f"{key.id} is the previous key, in its grace period or still in use: wait until it is retired, or set "
                "on_key_limit to retire it now"
            )
    return ""
