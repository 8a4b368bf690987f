"""The events that tell what became of a key that was replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import Tell

if TYPE_CHECKING:
    from access_key_provider.model.ownership import OwnedKey
    from access_key_provider.model.retirement_record import Retirement
    from access_key_provider.model.state import LastUse, Observed, Place

STILL_IN_USE = "Access Key Still In Use"
OVERDUE = "Access Key Retirement Overdue"
HELD_BACK = "Access Key Retirement Held Back"
DEACTIVATED = "Access Key Deactivated"
DELETED = "Access Key Deleted"
TOO_OLD = "Access Key Too Old"


def tell_of(
    kind: str, observed: Observed, place: Place, key: OwnedKey, record: Retirement | None, *, why: str = ""
) -> Tell:
    """Tell of a replaced key, by an event that has all a person needs to find who uses it."""
    use: LastUse | None = observed.last_uses.get(key.id)
    return Tell(
        kind,
        (
            ("accessKeyId", key.id),
            ("userName", place.user_name),
            ("secretArn", place.secret_arn),
            ("replaced", record.replaced.isoformat() if record else "unknown"),
            ("lastUse", str(use) if use else "unknown"),
            *([("why", why)] if why else []),
        ),
    )
