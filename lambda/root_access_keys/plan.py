"""What was published that runs may delete, and since when. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Plan:
    """The keys that were published as planned.

    Attributes:
        keys: when each was published first, by the key's id, by account.
    """

    keys: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)

    def published(self, account_id: str) -> Mapping[str, datetime]:
        """Return when each key of an account was published."""
        return self.keys.get(account_id, {})

    def due(self, account_id: str, notice_period: timedelta, now: datetime) -> tuple[str, ...]:
        """Return the keys of an account that were published at least a notice period ago."""
        return tuple(key for key, at in self.published(account_id).items() if now - at >= notice_period)

    def to_json(self) -> dict[str, Any]:
        """Write it."""
        return {
            account: {key: at.isoformat() for key, at in self.keys[account].items()} for account in sorted(self.keys)
        }

    @classmethod
    def from_json(cls, item: Any) -> Plan:
        """Read it back.

        Raises:
            ValueError: it is no plan.
        """
        try:
            return cls({account: {key: _time(at) for key, at in keys.items()} for account, keys in item.items()})
        except (AttributeError, TypeError) as error:
            raise ValueError("it is no plan") from error


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time has no time zone")
    return at
