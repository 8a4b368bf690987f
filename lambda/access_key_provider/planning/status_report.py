"""The state of a secret's keys in words and times, for operators: no value of a secret is in it or could be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from access_key_provider.model.codec import written
from access_key_provider.model.errors import NothingToUndoError
from access_key_provider.planning.maintenance import next_due
from access_key_provider.planning.retirement import due_of
from access_key_provider.planning.undo import previous_key

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.entry import Entry, KeyRecord
    from access_key_provider.planning.draft import Draft


def status_report(draft: Draft, owner: str) -> dict[str, Any]:
    """Describe the keys of a resource, the current one last, and what an undo would do or why it can't.

    `undoRestores` is the key that it would make current, `undoWaits` whether it would leave the other one Active until
    its consumers have come back.
    """
    entry = draft.entry
    report: dict[str, Any] = {
        "secretArn": entry.secret_arn,
        "userName": draft.claim(owner).user_name,
        "keys": [_described(draft, owner, key) for key in entry.keys_of(owner)],
        "nextSweep": _time(next_due(entry, draft.now)),
        "history": list(entry.history[-10:]),
    }
    if entry.copies:
        report["copies"] = {known: record.key_id or "not known" for known, record in entry.copies.items()}
    deliveries = {delivery.name for delivery in draft.claim(owner).deliveries}
    if deliveries:
        delivered = entry.deliveries
        report["deliveries"] = {
            name: delivered[name].key_id if name in delivered else "" for name in sorted(deliveries)
        }
    consumers = dict.fromkeys([*draft.claim(owner).rules.consumers, *entry.acknowledged])
    if consumers:
        report["acknowledged"] = {name: _acknowledgement(entry, name) for name in consumers}
    if entry.failing:
        report["failing"] = {"since": written(entry.failing.since), "reason": entry.failing.reason}
    try:
        restored = previous_key(draft, owner).id
        return report | {"undoRestores": restored, "undoWaits": draft.claim(owner).has_consumers}
    except NothingToUndoError as error:
        return report | {"undoRefused": str(error)}


def owner_of(entry: Entry) -> str | None:
    """Choose the resource that an operator means: that of the current key, or the one that claims the secret."""
    current = entry.current
    if current and current.owner in entry.claims:
        return current.owner
    present = [owner for owner, claim in entry.claims.items() if claim.present]
    return present[0] if present else next(iter(entry.claims), None)


def _described(draft: Draft, owner: str, key: KeyRecord) -> dict[str, Any]:
    described = {
        "accessKeyId": key.id,
        "status": draft.statuses.get(key.id, "missing"),
        "state": str(key.state),
        "created": _time(key.created),
        "published": _time(key.published),
        "replaced": _time(key.replaced),
        "deactivated": _time(key.deactivated),
        "nextStep": _time(due_of(draft.claim(owner), key)),
        "lastUse": key.last_use or None,
        "note": key.note or ("adopted" if key.adopted else None),
    }
    return {name: value for name, value in described.items() if value is not None}


def _acknowledgement(entry: Entry, consumer: str) -> dict[str, str]:
    given = entry.acknowledged.get(consumer)
    return {"accessKeyId": given.key_id, "time": written(given.time), "by": given.by} if given else {}


def _time(time: datetime | None) -> str | None:
    return written(time) if time else None
