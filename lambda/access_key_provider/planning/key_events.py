"""What is reported of keys: the kinds of events, and what each tells. The schema is in the construct package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    AdoptKey,
    CreateKey,
    Deactivate,
    DeleteKey,
    Deliver,
    Promote,
    RecordSwitch,
    ReleaseKey,
    Settle,
)
from access_key_provider.model.codec import written
from access_key_provider.model.state import ACTIVE

if TYPE_CHECKING:
    from access_key_provider.model.actions import Action
    from access_key_provider.model.entry import Entry, KeyRecord
    from access_key_provider.model.state import LastUse, Observed

SCHEMA_VERSION = "1"

Event = tuple[str, dict[str, str]]
"""Its kind, and its detail."""

CREATED = "Access Key Created"
PUBLISHED = "Access Key Published"
REPLACED = "Access Key Replaced"
POSTPONED = "Access Key Retirement Postponed"
OVERDUE = "Access Key Retirement Overdue"
DEACTIVATED = "Access Key Deactivated"
DELETED = "Access Key Deleted"
RESTORED = "Access Key Restored"
FAILED = "Access Key Upkeep Failed"
RECOVERED = "Access Key Upkeep Recovered"
TOO_OLD = "Access Key Too Old"
DRIFT = "Access Key Drift"
ROTATION_OFF = "Access Key Rotation Off"
LEFT_BEHIND = "Access Key Left Behind"
ADOPTED = "Access Key Adopted"
RELEASED = "Access Key Released"
DELIVERED = "Access Key Delivered"
ACKNOWLEDGED = "Access Key Acknowledged"

KINDS = (
    CREATED,
    PUBLISHED,
    REPLACED,
    POSTPONED,
    OVERDUE,
    DEACTIVATED,
    DELETED,
    RESTORED,
    FAILED,
    RECOVERED,
    TOO_OLD,
    DRIFT,
    ROTATION_OFF,
    LEFT_BEHIND,
    ADOPTED,
    RELEASED,
    DELIVERED,
    ACKNOWLEDGED,
)


def about_key(entry: Entry, key: KeyRecord, use: LastUse | None = None, **more: str) -> dict[str, str]:
    """Tell of a key all that a person needs to find who uses it; what is not known is left out."""
    times = {
        "created": key.created,
        "published": key.published,
        "replaced": key.replaced,
        "deactivated": key.deactivated,
    }
    return {
        "schemaVersion": SCHEMA_VERSION,
        "accessKeyId": key.id,
        "userName": key.user_name,
        "secretArn": entry.secret_arn,
        **{name: written(time) for name, time in times.items() if time},
        **({"lastUse": str(use)} if use else {}),
        **{name: value for name, value in more.items() if value},
    }


def about_secret(entry: Entry, **more: str) -> dict[str, str]:
    """Tell of the secret where no key is meant."""
    return {
        "schemaVersion": SCHEMA_VERSION,
        "secretArn": entry.secret_arn,
        **{name: value for name, value in more.items() if value},
    }


def events_of(action: Action, before: Entry, after: Entry, observed: Observed) -> list[Event]:
    """List what is to be reported of an action that was carried out."""
    events = []
    match action:
        case CreateKey(key_id=key_id):
            events = [(CREATED, about_key(after, after.keys[key_id]))]
        case Promote(key_id, _, by):
            events = _switched(before, after, key_id, by)
        case RecordSwitch(True, by_hand) if (made := by_hand or before.switching) and made.key_id in after.keys:
            events = _switched(before, after, made.key_id, made.by)
        case Deactivate(key_id, by) if _worked(observed, key_id):
            events = [(DEACTIVATED, _about(before, after, key_id, observed, by))]
        case DeleteKey(key_id, by):
            events = [(DELETED, _about(before, after, key_id, observed, by))]
        case AdoptKey(key):
            events = [(ADOPTED, about_key(after, after.keys[key.id]))]
        case ReleaseKey(key):
            events = [(RELEASED, about_key(after, key, why="nobody here manages it any more"))]
        case Deliver(delivery, key_id):
            events = [(DELIVERED, about_key(after, after.keys[key_id], consumer=delivery.name))]
        case Settle() if before.failing:
            events = [(RECOVERED, about_secret(after, why=before.failing.reason))]
    return events


def _worked(observed: Observed, key_id: str) -> bool:
    """Tell whether a key was seen to work; one that was made since was."""
    return next((key.status == ACTIVE for key in observed.keys if key.id == key_id), True)


def _about(before: Entry, after: Entry, key_id: str, observed: Observed, by: str) -> dict[str, str]:
    key = after.keys.get(key_id) or before.keys[key_id]
    return about_key(before, key, observed.last_uses.get(key_id), by=by)


def _switched(before: Entry, after: Entry, key_id: str, by: str) -> list[Event]:
    replaced = before.current if before.current and before.current.id != key_id else None
    key = after.keys[key_id]
    kind = RESTORED if before.keys[key_id].published and replaced else PUBLISHED
    events = [(kind, about_key(after, key, by=by, replacedAccessKeyId=replaced.id if replaced else ""))]
    if replaced:
        events.append((REPLACED, about_key(after, after.keys[replaced.id], by=by, newAccessKeyId=key_id)))
    return events
