"""What a sweep does for a key, and when it comes back. Pure rules on a draft."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.actions import BY_CUT_OVER, BY_OPERATOR, BY_SWEEP, EndRotation
from access_key_provider.model.codec import written
from access_key_provider.model.entry import Failing, KeyState
from access_key_provider.model.errors import KeyInUseError
from access_key_provider.model.state import CURRENT, INACTIVE
from access_key_provider.planning.consumers import deliver, deliveries_due, overtaken
from access_key_provider.planning.copies import copies_due
from access_key_provider.planning.deletion import plan_deletion
from access_key_provider.planning.deployment import tag_current
from access_key_provider.planning.key_events import (
    DRIFT,
    ROTATION_OFF,
    TOO_OLD,
    about_key,
    about_secret,
)
from access_key_provider.planning.recovery import ATTEMPT_IS_OVER, ORPHAN_WAIT, recover, retire_orphans, unknown_labels
from access_key_provider.planning.removal import end_rotation, remove
from access_key_provider.planning.retirement import current_works, due_of, retire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from access_key_provider.model.consumers import DeliveryRecord
    from access_key_provider.model.entry import Claim, Entry, KeyRecord
    from access_key_provider.planning.draft import Draft

DAILY = timedelta(days=1)
_FIRST_RETRY = timedelta(minutes=5)
_AFTER_A_DEATH = timedelta(minutes=2)
# The index has whole seconds.
_CLOCK_STEP = timedelta(seconds=1)
# What became due while the plan was carried out was not put off: the next sweep does it.
_SINCE_THE_PLAN = timedelta(seconds=2)
_STUCK = timedelta(days=1)
_LONGEST_REASON = 300


def plan_maintenance(draft: Draft, owner: str) -> None:
    """Do what is due for the keys of a resource, and report what is not as the ledger has it.

    Nothing is retired while the current key is missing, Inactive or not current: the previous one may be needed then.
    """
    claim = draft.claim(owner)
    if not claim.present:
        plan_deletion(draft, owner, BY_SWEEP)
        return
    if not draft.observed.user_exists:
        _report_drift(draft, "user-missing", about_secret(draft.entry, userName=claim.user_name))
        return
    _report_gone(draft, owner)
    recover(draft, owner)
    _remove_abandoned(draft, owner)
    _report_unknown(draft)
    if not draft.observed.secret.writable:
        state = draft.observed.secret.state.value
        _report_drift(draft, "secret-unavailable", about_secret(draft.entry, state=state))
        return
    _report_current(draft, owner, claim)
    retire(draft, owner, BY_SWEEP)
    tag_current(draft, owner)
    deliver(draft, owner)
    retire_orphans(draft, owner)
    _report_age(draft, owner, claim)
    if claim.rules.rotation and not draft.observed.secret.rotation_enabled:
        draft.report(ROTATION_OFF, about_secret(draft.entry, userName=claim.user_name), once_a_day="rotation-off")


def owner_to_cut_over(entry: Entry, version_id: str) -> str:
    """Name the resource whose previous key nobody needs once all consumers use a version; empty if there is none."""
    current = entry.current
    if current is None or current.version_id != version_id:
        return ""
    replaced = any(key.state is KeyState.REPLACED and not key.adopted for key in entry.keys_of(current.owner))
    return current.owner if replaced else ""


def went_back(entry: Entry, owner: str) -> bool:
    """Tell whether the current key is older than those that were replaced: a rollback or an undo has restored it."""
    current = entry.current
    return current is not None and all(
        key.created > current.created
        for key in entry.keys_of(owner)
        if key.state is KeyState.REPLACED and not key.adopted
    )


def plan_cut_over(draft: Draft, owner: str, version_id: str) -> None:
    """Deactivate the previous key now: all consumers use the given version, if it still is the current one."""
    recover(draft, owner)
    current = draft.entry.current
    if current and current.owner == owner and current.version_id == version_id == draft.current:
        retire(draft, owner, BY_CUT_OVER, at_once=True)


def plan_retire_now(draft: Draft, owner: str) -> None:
    """Deactivate the previous key now: an operator says that nobody needs it.

    Raises:
        KeyInUseError: it is the key that readers of the secret get, or the current one does not work.
    """
    recover(draft, owner)
    current, read = draft.entry.current, draft.read_instead
    if current and read:
        raise KeyInUseError(
            f"readers of the secret get {read.id}: somebody has moved AWSCURRENT back to it. Move it to version "
            f"{current.version_id}, which has {current.id}, or rotate, then retire"
        )
    previous = [
        key.id for key in draft.entry.keys_of(owner) if (key.published or key.adopted) and draft.is_active(key.id)
    ]
    if previous and not current_works(draft, owner):
        raise KeyInUseError(
            f"the current key is gone or Inactive, so {previous[-1]} may be all that works: rotate, then retire"
        )
    retire(draft, owner, BY_OPERATOR, at_once=True)


def with_failure(entry: Entry, now: datetime, reasons: Sequence[str]) -> Entry:
    """Record that something could not be done, so that the sweep comes back soon."""
    return replace(entry, failing=entry.failing or Failing(now, 1, joined(reasons)))


def with_holders(entry: Entry, had: Mapping[str, DeliveryRecord], now: datetime) -> Entry:
    """Record that consumers may have a deleted key of another secret, so that the sweep brings them the one of this."""
    late = overtaken(entry, had)
    if not late:
        return entry
    changed = replace(entry, deliveries={**entry.deliveries, **late})
    return with_failure(changed, now, [f"{', '.join(late)} may have a deleted key of another secret"])


def joined(reasons: Sequence[str]) -> str:
    """Write reasons as an entry keeps them."""
    return "; ".join(reasons)[:_LONGEST_REASON]


def next_due(entry: Entry, now: datetime) -> datetime | None:
    """Tell when the sweep is to come back to a secret; None if nothing is left of it."""
    if entry.is_over and entry.lease is None:
        return None
    times = list(_due_times(entry))
    ahead = [time if time > now else now + _CLOCK_STEP for time in times if time > now - _SINCE_THE_PLAN]
    if entry.failing:
        ahead.append(_next_try(entry.failing, now))
    elif len(ahead) < len(times):
        # What is due and was not done waits for something else: it is asked for less and less often, what is due last
        # decides.
        latest = max(time for time in times if time <= now - _SINCE_THE_PLAN)
        ahead.append(now + min(max(now - latest, _FIRST_RETRY), DAILY))
    return min(ahead, default=None)


def _next_try(failing: Failing, now: datetime) -> datetime:
    """Wait longer after each failure, but not past the time when it is to be reported again."""
    pause = min(_FIRST_RETRY * (1 << min(failing.times - 1, 12)), DAILY)
    report = failing.reported + DAILY if failing.reported else now
    return min(now + pause, max(report, now + _FIRST_RETRY))


def _due_times(entry: Entry) -> Iterator[datetime]:
    for owner, claim in entry.claims.items():
        keys = entry.keys_of(owner)
        if claim.present or any(key.owner == owner for key in entry.keys.values()) or owner in entry.creating:
            yield (entry.checked or claim.request.time) + DAILY
        if not claim.present and entry.made_for(owner):
            yield claim.request.time + _AFTER_A_DEATH
        yield from (due for key in keys if (due := due_of(claim, key)))
        yield from (key.deactivated + _AFTER_A_DEATH for key in keys if key.deactivating and key.deactivated)
        for key in keys:
            if key.state is KeyState.ORPHAN:
                yield (
                    (key.deactivated + (claim.rules.retention or ORPHAN_WAIT))
                    if key.deactivated
                    else (key.created + ORPHAN_WAIT)
                )
        if owner in entry.creating:
            yield entry.creating[owner].until + _AFTER_A_DEATH
            yield entry.creating[owner].until + ATTEMPT_IS_OVER + _CLOCK_STEP
    yield from (key.created + _AFTER_A_DEATH for key in entry.keys.values() if _is_unfinished(entry, key))
    yield from deliveries_due(entry)
    yield from copies_due(entry)
    if entry.undo_asked:
        yield entry.undo_asked
    if entry.switching:
        yield entry.switching.since + _AFTER_A_DEATH
    if entry.rotation:
        yield entry.rotation.since + _STUCK
    if entry.lease:
        yield entry.lease.until


def _is_unfinished(entry: Entry, key: KeyRecord) -> bool:
    """Tell whether a key waits for a holder that may have died."""
    return key.state in {KeyState.CREATED, KeyState.STORED, KeyState.PROVEN} and key.id != entry.pending_key_id


def _remove_abandoned(draft: Draft, owner: str) -> None:
    """Remove the proven keys of requests that died before the switch, and those of rotations that are stuck."""
    rotation = draft.entry.rotation
    if rotation and draft.now >= rotation.since + _STUCK:
        end_rotation(draft, BY_SWEEP)
    elif rotation and draft.observed.secret.version(rotation.token) is None:
        draft.add(EndRotation())
    pending = draft.entry.pending_key_id
    for key in draft.entry.keys_of(owner):
        if key.usable and key.published is None and key.id != pending:
            remove(draft, key, BY_SWEEP)


def _report_current(draft: Draft, owner: str, claim: Claim) -> None:
    """Report that the current key is not as the ledger has it."""
    current = draft.entry.current
    if current is None:
        lost = draft.entry.keys_of(owner) or claim.applied
        if lost:
            _report_drift(draft, "current-key-gone", about_secret(draft.entry, userName=claim.user_name))
    elif current.owner != owner:
        return
    elif not draft.is_read(current):
        version = draft.observed.secret.version_with(CURRENT)
        where = version.id if version else "no version"
        _report_drift(draft, "current-version-moved", about_key(draft.entry, current, currentVersion=where))
    elif draft.statuses[current.id] != claim.status:
        _report_drift(draft, "current-key-status", about_key(draft.entry, current, status=draft.statuses[current.id]))


def _report_gone(draft: Draft, owner: str) -> None:
    """Report the keys that somebody else has deleted, before it is recorded; the current one is reported daily."""
    for key in draft.entry.keys_of(owner):
        was_in_use = key.adopted or (key.published and key.state is not KeyState.CURRENT)
        if was_in_use and not key.note and not draft.exists(key):
            _report_drift(draft, "previous-key-gone", about_key(draft.entry, key), key.id)


def _report_unknown(draft: Draft) -> None:
    """Report keys that only one witness says to be ours; one alone never lets a key be touched."""
    for key in unknown_labels(draft.entry, draft.observed):
        detail = about_secret(draft.entry, accessKeyId=key.id)
        _report_drift(draft, "unknown-key", detail, key.id)


def _report_drift(draft: Draft, what: str, detail: dict[str, str], key_id: str = "") -> None:
    draft.report(DRIFT, {**detail, "drift": what}, once_a_day=f"{what}{key_id}")


def _report_age(draft: Draft, owner: str, claim: Claim) -> None:
    """Report the keys that are Active for too long: the current one, and a previous one that is still used."""
    bound = claim.rules.max_active_age
    if bound is None or claim.status == INACTIVE:
        return
    current = draft.entry.current
    previous = [key for key in draft.entry.keys_of(owner) if key.state is KeyState.REPLACED and draft.is_active(key.id)]
    for key in [*([current] if current else []), *previous]:
        if draft.now >= key.created + bound:
            age = (draft.now - key.created).days
            detail = about_key(draft.entry, key, ageInDays=str(age), limit=written(key.created + bound))
            draft.report(TOO_OLD, detail, once_a_day=f"too-old{key.id}")
