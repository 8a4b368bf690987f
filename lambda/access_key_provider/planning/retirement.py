"""What becomes of the keys that are current no more. Pure rules on a draft.

A key that was replaced stays Active for the grace period since the switch, then, once it is no longer used and its
consumers have the current one, Inactive for the retention period, and is deleted at its end. The ledger and what is
observed decide all of that, so a sweep may come early, late, twice or not at all.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.actions import BY_OPERATOR, BY_SWEEP, Deactivate, Postpone
from access_key_provider.model.entry import KeyState
from access_key_provider.model.retirement_rules import LAST_USE_LAG, LONGEST_PAUSE
from access_key_provider.model.state import INACTIVE
from access_key_provider.planning.adoption import heed_activation, is_active_again
from access_key_provider.planning.consumers import deliver, is_awaited_too_long, missing_consumers, silent_consumers
from access_key_provider.planning.key_events import OVERDUE, POSTPONED, about_key
from access_key_provider.planning.removal import remove

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.entry import Claim, Entry, KeyRecord
    from access_key_provider.model.retirement_rules import RetirementRules
    from access_key_provider.model.state import LastUse, Observed
    from access_key_provider.planning.draft import Draft

# IAM tells the minute of a use.
_PROOF = timedelta(minutes=1)


def retire(draft: Draft, owner: str, by: str, *, at_once: bool = False) -> None:
    """Do what is due for each key that was replaced: wait, deactivate, or delete.

    While the current key does not work, the previous one may be all that does.

    Args:
        draft: the plan.
        owner: whose keys.
        by: who retires them.
        at_once: all resources that are cut over use the current key by now, or an operator says that nobody needs the
            previous one: neither the grace period nor the last use counts. Only an operator's word ends the wait for
            consumers.
    """
    if is_displaced(draft.entry, owner) or not current_works(draft, owner):
        return
    for key in draft.entry.keys_of(owner):
        if key.adopted and by != BY_OPERATOR and is_active_again(draft, key):
            heed_activation(draft, owner, key)
            continue
        if key.adopted and not _may_retire_adopted(draft, key, by):
            continue
        rules = rules_of(draft.claim(owner), key)
        if key.state is KeyState.REPLACED:
            _retire_replaced(draft, rules, key, by, at_once=at_once)
        elif key.state is KeyState.INACTIVE:
            _retire_inactive(draft, rules, key, by)


def _may_retire_adopted(draft: Draft, key: KeyRecord, by: str) -> bool:
    """Tell whether an adopted key may be retired: by no deployment, whose rollback must find it as it was.

    The sweep leaves it Active while the key that takes its place is declared Inactive: it is all that works then.
    """
    is_needed = key.state is KeyState.REPLACED and draft.claim(key.owner).status == INACTIVE
    return by == BY_OPERATOR or (by == BY_SWEEP and not is_needed)


def is_displaced(entry: Entry, owner: str) -> bool:
    """Tell whether another resource's key is current: a rollback of that resource makes this one's current again."""
    current = entry.current
    return current is not None and current.owner != owner and entry.claims[owner].present


def current_works(draft: Draft, owner: str) -> bool:
    """Tell whether the current key is Active, or Inactive as declared, and readers get no other one."""
    current = draft.entry.current
    if current is None or not draft.exists(current) or (draft.current and not draft.is_read(current)):
        return False
    return draft.is_active(current.id) or draft.claim(owner).status == INACTIVE


def in_question(entry: Entry, owner: str, now: datetime) -> tuple[str, ...]:
    """Name the replaced keys whose last use decides what becomes of them; without a grace period none does."""
    claim = entry.claims.get(owner)
    if claim is None:
        return ()
    return tuple(
        key.id
        for key in entry.keys_of(owner)
        for rules in (rules_of(claim, key),)
        if (key.state is KeyState.REPLACED and rules.time_active and is_grace_over(rules, key, now))
        or key.state is KeyState.ORPHAN
    )


def may_be_in_use(observed: Observed, rules: RetirementRules, key: KeyRecord) -> bool:
    """Tell whether a key was used since the switch, or lately; a last use that can't be read counts as one."""
    use = observed.last_uses.get(key.id)
    if use is None:
        return True
    if is_by_proof(use, key):
        return False
    since = observed.time - rules.window
    if rules.unused_for is None:
        # IAM may not tell a use of the last hour yet, so one of the hour before stands for it.
        since = max(since, min(key.replaced or observed.time, observed.time - LAST_USE_LAG))
    return use.time is not None and use.time + _rounding(use.time, rules) > since


def is_by_proof(use: LastUse, key: KeyRecord) -> bool:
    """Tell whether the last use was our own proof that the key works."""
    return use.service == "sts" and use.time is not None and key.proven is not None and use.time <= key.proven + _PROOF


def is_grace_over(rules: RetirementRules, key: KeyRecord, now: datetime) -> bool:
    """Tell whether the grace period since the switch is over."""
    return now >= (key.replaced or key.created) + rules.time_active


def rules_of(claim: Claim, key: KeyRecord) -> RetirementRules:
    """Return the rules by which a key is retired."""
    return claim.rules.of_adopted_key if key.adopted else claim.rules


def due_of(claim: Claim, key: KeyRecord) -> datetime | None:
    """Tell when something is next to be done for a key; None if only its key slot can make it go."""
    if key.state is KeyState.REPLACED:
        return key.next_check or (key.replaced or key.created) + rules_of(claim, key).time_active
    if key.state is KeyState.INACTIVE and claim.rules.retention is not None:
        return (key.deactivated or key.created) + claim.rules.retention
    return None


def _retire_replaced(draft: Draft, rules: RetirementRules, key: KeyRecord, by: str, *, at_once: bool) -> None:
    is_taken_back = bool(key.note) and not draft.claim(key.owner).has_consumers
    is_active = draft.is_active(key.id)
    # Also without a grace period: who goes back does not wait for deliveries.
    missing = missing_consumers(draft, key.owner, key) if is_active else ()
    if is_taken_back:
        # As in the undo, which may have died: no delivery is required, each is tried once.
        deliver(draft, key.owner)
    if is_taken_back or (at_once and by == BY_OPERATOR):
        draft.add(Deactivate(key.id, by))
    elif at_once or is_grace_over(rules, key, draft.now):
        in_use = is_active and bool(rules.time_active) and not at_once and may_be_in_use(draft.observed, rules, key)
        if in_use or missing:
            _postpone(draft, rules, key, missing, in_use=in_use)
        else:
            if is_active and (silent := silent_consumers(draft, key.owner, key)):
                # They are not waited for any longer.
                draft.report(OVERDUE, about_key(draft.entry, key, missingConsumers=", ".join(silent)))
            draft.add(Deactivate(key.id, by))


def _retire_inactive(draft: Draft, rules: RetirementRules, key: KeyRecord, by: str) -> None:
    since = key.deactivated or key.created
    if draft.is_active(key.id):
        # The call that was recorded did not come through, or somebody has activated the key since.
        draft.add(Deactivate(key.id, by, anew=True))
    elif rules.retention is not None and draft.now >= since + rules.retention:
        with draft.left_to_the_sweep():
            remove(draft, key, by)


def _postpone(draft: Draft, rules: RetirementRules, key: KeyRecord, missing: tuple[str, ...], *, in_use: bool) -> None:
    if key.next_check and key.next_check > draft.now:
        return
    use = draft.observed.last_uses.get(key.id)
    since = key.replaced or key.created
    overdue = (rules.overdue_after is not None and draft.now >= since + rules.overdue_after) or (
        bool(missing) and is_awaited_too_long(draft, key.owner, key)
    )
    # Who is missing is told each day. An acknowledgement or a delivery is heeded at once.
    until = draft.now + (rules.pause(key.postponed) if in_use else LONGEST_PAUSE)
    if missing and rules.consumers_within and since + rules.consumers_within > draft.now:
        until = min(until, since + rules.consumers_within)
    draft.add(Postpone(key.id, until, str(use) if use else ""))
    why = "its last use could not be read" if in_use and not use else ""
    detail = about_key(draft.entry, key, use, why=why, missingConsumers=", ".join(missing))
    kind = OVERDUE if overdue else POSTPONED
    # Each acknowledgement has the key looked at anew.
    draft.report(kind, detail, once_a_day="" if in_use else f"{kind} {key.id}")


def _rounding(time: datetime, rules: RetirementRules) -> timedelta:
    """Allow for a time that was cut to the minute: the use may have come up to a minute later."""
    return timedelta() if time.second else min(timedelta(minutes=1), rules.window)
