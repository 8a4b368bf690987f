"""Eventual consistency: how late what was written is seen by those who read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Lag:
    """A change is seen when it was read over so often and is so old; by default at once."""

    reads: int = 0
    seconds: float = 0.0


AT_ONCE = Lag()


@dataclass(slots=True)
class Lags:
    """What is seen late. Whoever writes is never confused by it, only who lists or describes.

    Attributes:
        new_keys: a key just created is not listed yet.
        deleted_keys: a key just deleted is listed still.
        key_status: a key is listed with the status it had.
        user_tags: the tags of a user.
        labels: which version a label of a secret sits on.
        secret_tags: the tags of a secret.
        indexes: what an index of a table shows.
    """

    new_keys: Lag = AT_ONCE
    deleted_keys: Lag = AT_ONCE
    key_status: Lag = AT_ONCE
    user_tags: Lag = AT_ONCE
    labels: Lag = AT_ONCE
    secret_tags: Lag = AT_ONCE
    indexes: Lag = AT_ONCE


@dataclass(slots=True)
class _Change(Generic[_Value]):
    value: _Value
    time: datetime
    lag: Lag
    reads: int = 0

    def due(self, now: datetime) -> bool:
        return self.reads >= self.lag.reads and now - self.time >= timedelta(seconds=self.lag.seconds)


@dataclass(slots=True)
class Seen(Generic[_Value]):
    """A value of which readers see the latest changes late, one after the other.

    `value` is what it really is. Set it to a new one, never change it.
    """

    value: _Value
    _shown: _Value = field(init=False)
    _changes: list[_Change[_Value]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Show what it begins with."""
        self._shown = self.value

    def set(self, value: _Value, now: datetime, lag: Lag = AT_ONCE) -> None:
        """Change the value."""
        self.value = value
        self._changes.append(_Change(value, now, lag))

    def read(self, now: datetime) -> _Value:
        """Return the value as a reader sees it, and count that it was read."""
        while self._changes and self._changes[0].due(now):
            self._shown = self._changes.pop(0).value
        for change in self._changes:
            change.reads += 1
        return self._shown
