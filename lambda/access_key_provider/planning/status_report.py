"""The state of a key in words and times, for operators: no value of a secret is in it or could be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from access_key_provider.model.errors import NothingToUndoError
from access_key_provider.model.ownership import owned_keys
from access_key_provider.model.retirement_record import retirement_of
from access_key_provider.planning.undo import previous_key

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.ownership import OwnedKey
    from access_key_provider.model.registration import Registration
    from access_key_provider.model.state import Observed


def statement(observed: Observed, managed: Registration) -> dict[str, Any]:
    """Describe the keys of a place, the current one last, and what an undo would restore or why it can't."""
    answer: dict[str, Any] = {
        "secretArn": managed.place.secret_arn,
        "userName": managed.place.user_name,
        "keys": [_described(observed, managed, key) for key in owned_keys(observed, managed.place) if key.key],
    }
    try:
        return answer | {"undoRestores": previous_key(observed, managed).id}
    except NothingToUndoError as error:
        return answer | {"undoRefused": str(error)}


def _described(observed: Observed, managed: Registration, key: OwnedKey) -> dict[str, Any]:
    record = retirement_of(observed, managed.place, key.id)
    described = {
        "accessKeyId": key.id,
        "status": key.key.status if key.key else None,
        "role": "current" if key.current else "pending" if key.pending else "previous",
        "created": _written(key.key.created if key.key else None),
        "replaced": _written(record.replaced if record and not key.current else None),
        "deactivated": _written(record.inactive if record and not key.current else None),
        "nextLook": _written(record.due if record and not key.current else None),
    }
    return {name: value for name, value in described.items() if value is not None}


def _written(time: datetime | None) -> str | None:
    return time.isoformat(timespec="seconds") if time else None
