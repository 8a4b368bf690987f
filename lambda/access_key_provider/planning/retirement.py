"""What becomes of the keys that are current no more. Pure functions, as in `deployment`.

A key that was replaced stays Active for the grace period, then, once it is no longer used, Inactive for the retention
period, and is deleted at its end. When it was replaced, when it was deactivated and which schedule brings the next
look is kept in a tag of the secret. Any look may come early, late, twice or not at all: what is due is told from the
tag and from what is seen, never from the look.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.actions import CancelSchedule, ScheduleLook, SetStatus, TagSecret
from access_key_provider.model.ownership import current_key, owned_keys
from access_key_provider.model.records import format_time
from access_key_provider.model.retirement_record import (
    BY_DEPLOYMENT,
    BY_GIVING_UP,
    BY_UNDO,
    NEVER_AGAIN,
    Retirement,
    drop_records,
    records_of,
    retirement_of,
    retirement_tag,
)
from access_key_provider.model.retirement_rules import LAST_USE_LAG
from access_key_provider.model.state import INACTIVE, PENDING
from access_key_provider.planning.cleanup import remove
from access_key_provider.planning.key_events import DEACTIVATED, DELETED, OVERDUE, STILL_IN_USE, tell_of

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.actions import Action
    from access_key_provider.model.ownership import OwnedKey
    from access_key_provider.model.retirement_rules import Policy
    from access_key_provider.model.state import Observed, Place

_IF_INTERRUPTED = timedelta(minutes=15)


def replaced_keys(observed: Observed, place: Place) -> tuple[OwnedKey, ...]:
    """List our proven keys that are current no more, oldest generation first."""
    return tuple(key for key in owned_keys(observed, place) if key.proven and not key.current and not key.pending)


def given_up(observed: Observed, place: Place, key: OwnedKey) -> bool:
    """Tell whether a key is of a rotation that was given up: it was never replaced, as it never was current.

    To begin another rotation while one is stuck, a person takes AWSPENDING off its version.
    """
    return key.let_go and retirement_of(observed, place, key.id) is None


def keys_in_question(observed: Observed, place: Place, policy: Policy) -> frozenset[str]:
    """Name the replaced keys whose last use decides what becomes of them; without a grace period none does."""
    if not policy.time_active:
        return frozenset()
    return frozenset(
        key.id
        for key in replaced_keys(observed, place)
        if key.active
        and (record := retirement_of(observed, place, key.id))
        and _grace_is_over(observed, record, policy)
    )


def next_look(observed: Observed, place: Place) -> datetime | None:
    """Tell when the next look is due that a record asks for."""
    records = (retirement_of(observed, place, key.id) for key in replaced_keys(observed, place))
    return min((record.due for record in records if record and record.due), default=None)


def supersede(observed: Observed, place: Place, policy: Policy, by: str) -> list[Action]:
    """Record that the current key is about to be replaced, and see to the look at the end of its grace period.

    Before the switch, so that a crash right after it leaves no key that nobody comes back to. An earlier record of the
    key, of a switch that never came, is written over: the grace period begins now.
    """
    if not policy.schedule:
        return []
    return [*_record_displaced(observed, place, policy), *_record_current(observed, place, policy, by)]


def _record_displaced(observed: Observed, place: Place, policy: Policy) -> list[Action]:
    """Record the key of a rotation after which somebody put another value: the switch takes its last label of AWS."""
    displaced = [
        key
        for key in replaced_keys(observed, place)
        if key.version and PENDING in key.version.labels and not retirement_of(observed, place, key.id)
    ]
    due = observed.time + policy.time_active
    return [
        action for key in displaced for action in _keep(observed, place, policy, key, Retirement(observed.time), due)
    ]


def _record_current(observed: Observed, place: Place, policy: Policy, by: str) -> list[Action]:
    current = current_key(observed, place)
    if current is None:
        return []
    record = Retirement(observed.time, by)
    if by == BY_UNDO:
        # Deactivated at once; but nobody repeats an undo that dies before.
        return _keep(observed, place, policy, current, record, observed.time + _IF_INTERRUPTED)
    if not policy.time_active:
        return [TagSecret(((retirement_tag(place, current.id), str(record)),))]
    return _keep(observed, place, policy, current, record, observed.time + policy.time_active)


def plan_retirement(observed: Observed, place: Place, policy: Policy, *, cut_over: bool = False) -> list[Action]:
    """Do what is due for each key that was replaced: wait, deactivate, or delete.

    Args:
        observed: what is seen.
        place: where.
        policy: the rules.
        cut_over: all consumers use the current key by now: the previous one is deactivated, in its grace period too.
    """
    actions: list[Action] = []
    for key in replaced_keys(observed, place):
        made_in_vain = given_up(observed, place, key)
        unrecorded = Retirement(observed.time, BY_GIVING_UP if made_in_vain else BY_DEPLOYMENT)
        record = retirement_of(observed, place, key.id) or unrecorded
        if record.inactive and not key.active:
            actions += _retain(observed, place, policy, key, record)
        elif cut_over or record.by in NEVER_AGAIN or not policy.time_active:
            actions += _deactivate(observed, place, policy, key, record)
        elif not _grace_is_over(observed, record, policy):
            actions += _keep(observed, place, policy, key, record, record.replaced + policy.time_active)
        elif key.active and may_be_in_use(observed, key.id, record, policy):
            actions += _postpone(observed, place, policy, key, record)
        else:
            actions += _deactivate(observed, place, policy, key, record)
    return [*actions, *_forget_records(observed, place)]


def may_be_in_use(observed: Observed, key_id: str, record: Retirement, policy: Policy) -> bool:
    """Tell whether a key was used since the switch, or lately; a last use that can't be read counts as one."""
    use = observed.last_uses.get(key_id)
    if use is None:
        return True
    since = observed.time - policy.window
    if policy.unused_for is None:
        # A use of the last hour may not be told yet, so one of the hour before stands for it.
        since = max(since, min(record.replaced, observed.time - LAST_USE_LAG))
    return use.time is not None and use.time + _rounding(use.time, policy) > since


def _rounding(time: datetime, policy: Policy) -> timedelta:
    """Allow for a time that was cut to the minute: the use may have come up to a minute later."""
    return timedelta() if time.second else min(timedelta(minutes=1), policy.window)


def out_of_grace(observed: Observed, place: Place, policy: Policy, key: OwnedKey) -> bool:
    """Tell whether an Active key that was replaced may be removed early: its grace is over, and it is not used."""
    record = retirement_of(observed, place, key.id)
    if record is None:
        return False
    return _grace_is_over(observed, record, policy) and not may_be_in_use(observed, key.id, record, policy)


def _grace_is_over(observed: Observed, record: Retirement, policy: Policy) -> bool:
    return observed.time >= record.replaced + policy.time_active


def _deactivate(observed: Observed, place: Place, policy: Policy, key: OwnedKey, record: Retirement) -> list[Action]:
    """Deactivate a key, whatever status is seen: what was set a moment ago is seen late."""
    told = [tell_of(DEACTIVATED, observed, place, key, record)] if policy.schedule else []
    retained = _retain(observed, place, policy, key, replace(record, inactive=observed.time))
    return [SetStatus(key.id, INACTIVE), *retained, *told]


def _retain(observed: Observed, place: Place, policy: Policy, key: OwnedKey, record: Retirement) -> list[Action]:
    if policy.retention is None:
        return []
    inactive = record.inactive or observed.time
    if observed.time >= inactive + policy.retention:
        return [*remove(observed, key), tell_of(DELETED, observed, place, key, record)]
    return _keep(observed, place, policy, key, replace(record, inactive=inactive), inactive + policy.retention)


def _postpone(observed: Observed, place: Place, policy: Policy, key: OwnedKey, record: Retirement) -> list[Action]:
    if record.due and record.due > observed.time:
        return []
    bound = policy.retire_at_latest
    kind = OVERDUE if bound is not None and observed.time >= record.replaced + bound else STILL_IN_USE
    next_look = observed.time + policy.pause(record.looks)
    kept = _keep(observed, place, policy, key, replace(record, looks=record.looks + 1), next_look)
    return [*kept, tell_of(kind, observed, place, key, record)]


def _keep(  # noqa: PLR0917 - what is seen and by which rules, then of which key what
    observed: Observed, place: Place, policy: Policy, key: OwnedKey, record: Retirement, due: datetime
) -> list[Action]:
    """Record a key's state and schedule the next look, unless both are there already. The schedule first."""
    if not policy.schedule or record.due == due.replace(microsecond=0):
        return []
    name = f"{policy.schedule}-{key.id[-8:]}-{format_time(due)}"
    before = retirement_of(observed, place, key.id)
    waiting = before is not None and before.due is not None and before.due > observed.time and before.schedule != name
    cancel = [CancelSchedule(before.schedule)] if before and waiting else []
    value = str(replace(record, due=due, schedule=name))
    return [ScheduleLook(name, due), TagSecret(((retirement_tag(place, key.id), value),)), *cancel]


def _forget_records(observed: Observed, place: Place) -> list[Action]:
    """Drop the records of keys that are current again or gone."""
    retiring = {retirement_tag(place, key.id) for key in replaced_keys(observed, place)}
    return drop_records(observed, [tag for tag in records_of(observed, place) if tag not in retiring])
