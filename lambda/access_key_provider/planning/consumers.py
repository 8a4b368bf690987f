"""Consumers of a key: who must have the current one before the previous one goes, and the functions that bring it.

A delivery that has failed, or whose response was lost, may have reached its consumer. So a key that never became
current, or is current no more, goes only once every such consumer has the current one again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from access_key_provider.model.actions import Deliver
from access_key_provider.model.consumers import LONGEST_CALL, Acknowledgement
from access_key_provider.model.errors import DeliveryError
from access_key_provider.model.state import ACTIVE, INACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from access_key_provider.model.consumers import Delivery, DeliveryRecord
    from access_key_provider.model.entry import Claim, Entry, KeyRecord
    from access_key_provider.planning.draft import Draft

# Of consumers that the template does not name: whoever has the key chooses their names.
_UNDECLARED_KEPT = 50


def with_acknowledgement(entry: Entry, consumer: str, given: Acknowledgement, now: datetime) -> Entry:
    """Record that a consumer has a key, unless it has acknowledged one since; the sweep looks at the others soon."""
    known = entry.acknowledged.get(consumer)
    if known and known.time >= given.time:
        return entry
    acknowledged = {**entry.acknowledged, consumer: given}
    declared = {name for claim in entry.claims.values() for name in claim.rules.consumers}
    others = sorted(acknowledged.keys() - declared, key=lambda name: acknowledged[name].time)
    for name in others[:-_UNDECLARED_KEPT]:
        del acknowledged[name]
    recorded = replace(entry, acknowledged=acknowledged).checked_at(now)
    if known and known.key_id == given.key_id:
        return recorded
    return recorded.noted(now, f"{consumer} has {given.key_id}, says the {given.by}")


def missing_consumers(draft: Draft, owner: str, key: KeyRecord) -> tuple[str, ...]:
    """Name the consumers of a resource that may not have the current key yet, and for which a previous one is kept."""
    claim, current = draft.claim(owner), draft.entry.current
    if current is None:
        return ()
    is_given_up = claim.rules.retire_overdue and is_awaited_too_long(draft, owner, key)
    silent = () if is_given_up else silent_consumers(draft, owner, key)
    undelivered = [delivery.name for delivery in _due(draft.entry, claim, current.id) if delivery.required]
    return tuple(dict.fromkeys([*silent, *undelivered]))


def silent_consumers(draft: Draft, owner: str, key: KeyRecord) -> tuple[str, ...]:
    """Name the consumers that have not acknowledged the current key since a previous one was replaced.

    What a consumer said before that does not count: it may have come to that one since, and not said so.
    """
    said, current = draft.entry.acknowledged, draft.entry.current
    # A signature tells the second only.
    since = (key.replaced or key.created).replace(microsecond=0)
    return tuple(
        name
        for name in draft.claim(owner).rules.consumers
        if name not in said or current is None or said[name].key_id != current.id or said[name].time < since
    )


def is_awaited_too_long(draft: Draft, owner: str, key: KeyRecord) -> bool:
    """Tell whether the consumers had the time to acknowledge that the template gives them."""
    within = draft.claim(owner).rules.consumers_within
    return within is not None and draft.now >= (key.replaced or key.created) + within


def deliver_before(draft: Draft, key: KeyRecord) -> None:
    """Bring a new key to the consumers that are to have it before it becomes current.

    Raises:
        DeliveryError: one of them has to have it, and an earlier call of its function may be running yet.
    """
    claim = draft.claim(key.owner)
    if claim.status == INACTIVE:
        # It would not work there. Who has the previous key keeps it until this one is declared Active.
        return
    for delivery in _due(draft.entry, claim, key.id):
        if not delivery.before:
            continue
        if delivery.required and draft.entry.may_be_running(delivery, draft.now):
            raise DeliveryError(
                f"the delivery to {delivery.name} has not answered and may be running yet: the previous key stays "
                f"current; try again in {LONGEST_CALL.total_seconds() // 60:.0f} minutes"
            )
        if delivery.required:
            draft.add(Deliver(delivery, key.id))
        else:
            _deliver(draft, [delivery], key.id)


def deliver(draft: Draft, owner: str) -> None:
    """Bring the current key to all consumers of a resource that do not have it; what fails is left to the sweep.

    Comes after what is decided by who has it: in a plan, a delivery counts as done.
    """
    current = draft.entry.current
    if (
        current
        and current.owner == owner
        and draft.exists(current)
        and draft.is_read(current)
        and draft.claim(owner).status == ACTIVE
    ):
        _deliver(draft, _due(draft.entry, draft.claim(owner), current.id), current.id)


def holders(draft: Draft, key: KeyRecord) -> list[Delivery]:
    """List the deliveries whose consumer may have a key, and that can get the current one instead."""
    current, claim = draft.entry.current, draft.entry.claims.get(key.owner)
    if current is None or current.id == key.id or claim is None or not claim.present or not draft.is_active(key.id):
        return []
    if not draft.exists(current) or not draft.is_read(current) or claim.status == INACTIVE:
        return []
    return [
        delivery
        for delivery in _due(draft.entry, claim, current.id)
        if (record := draft.entry.deliveries.get(delivery.name)) and key.id in {record.key_id, record.tried}
    ]


def holders_of_lost_keys(entry: Entry) -> dict[str, DeliveryRecord]:
    """Name the consumers that have a key last which does not exist any more, as far as is known, or may have."""
    lost = {name: entry.keys.get(record.tried or record.key_id) for name, record in entry.deliveries.items()}
    return {name: entry.deliveries[name] for name, key in lost.items() if key is None or not key.exists}


def overtaken(entry: Entry, had: Mapping[str, DeliveryRecord]) -> dict[str, DeliveryRecord]:
    """Name the consumers to which the same function has brought another secret's key since; they may have that one."""
    return {
        name: replace(known, tried=record.tried or record.key_id)
        for name, record in had.items()
        if (known := entry.deliveries.get(name)) and known.function_arn == record.function_arn and known.delivered
        if not known.tried and (record.tried or (record.delivered and record.delivered > known.delivered))
    }


def release(draft: Draft, key: KeyRecord, held: list[Delivery]) -> bool:
    """Bring the current key to the consumers that may have another one; tell whether that one can go in this plan."""
    current = draft.entry.current
    if current is None or any(draft.entry.may_be_running(delivery, draft.now) for delivery in held):
        return False
    _deliver(draft, held, current.id, instead_of=key.id)
    return True


def deliveries_due(entry: Entry) -> Iterator[datetime]:
    """Tell when deliveries are to be made: at once, or when a call is over whose response was lost."""
    current = entry.current
    claim = entry.claims.get(current.owner) if current else None
    if current is None or claim is None or claim.status == INACTIVE:
        return
    for delivery in _due(entry, claim, current.id):
        record = entry.deliveries.get(delivery.name)
        yield record.calling + LONGEST_CALL if record and record.calling else current.published or current.created


def _due(entry: Entry, claim: Claim, key_id: str) -> list[Delivery]:
    """List the deliveries that have not succeeded with a key."""
    return [
        delivery
        for delivery in claim.deliveries
        for record in (entry.deliveries.get(delivery.name),)
        if record is None or record.tried or record.key_id != key_id or record.function_arn != delivery.function_arn
    ]


def _deliver(draft: Draft, deliveries: Iterable[Delivery], key_id: str, *, instead_of: str = "") -> None:
    with draft.left_to_the_sweep():
        for delivery in deliveries:
            if not draft.entry.may_be_running(delivery, draft.now):
                draft.add(Deliver(delivery, key_id, instead_of))
