"""What a host knows of a secret's keys, and what follows from the time alone. Nothing here is slow to import."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# How long before the secret is read again, in seconds, if nobody says so.
DEFAULT_INTERVAL = 30 * 60
# An SDK asks again 15 minutes before `Expiration`, at each request when less is left: measured with botocore 1.43.
LEAD = 15 * 60
# How long after a failed read the next one comes, in seconds. A shorter interval is the pause itself.
PAUSE = 60


@dataclass(frozen=True)
class KeyPair:
    """An access key id and its secret access key, which is not in `repr`."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class StoredKey:
    """A key pair and what became of it here.

    Args:
        pair: The key pair.
        version_id: The version of the secret that holds it; None while that is not known.
        given_out_until: Until when an SDK may use it without asking again, in seconds since 1970; 0: it never was.
    """

    pair: KeyPair
    version_id: str | None = None
    given_out_until: float = 0


@dataclass(frozen=True)
class State:
    """What is stored for a secret. Times are in seconds since 1970, by the clock of this host.

    Args:
        secret_arn: The secret.
        current: The key in use.
        previous: The key that was in use before. It stays until a third one comes: an undo may deactivate the current
            key at once, and then only this one can read the secret.
        read_at: When the secret was last read.
        tried_at: When it was last tried; later than `read_at` if that failed.
        refused: Whether AWS refused every stored key at the last try.
        consumer: The name under which this host acknowledges keys.
        acknowledged: The version that was acknowledged last; None once another one is in use.
        acknowledged_at: When.
        fields: The names of the fields of the secret, where they don't speak for themselves.
        files: By path, the id of the key in each file that `write` keeps and whose command has succeeded; empty while
            it has not.
        in_keyring: Whether the secret access keys are in the keyring of the operating system.
    """

    secret_arn: str
    current: StoredKey
    previous: StoredKey | None = None
    read_at: float = 0
    tried_at: float = 0
    refused: bool = False
    consumer: str | None = None
    acknowledged: str | None = None
    acknowledged_at: float = 0
    fields: tuple[str, str] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    in_keyring: bool = False

    @property
    def keys(self) -> list[StoredKey]:
        """Return the keys, the current one first."""
        return [self.current, *([self.previous] if self.previous else [])]


def is_due(state: State, now: float, interval: float) -> bool:
    """Tell whether the secret is to be read: an interval after the last read, a pause after a try that failed.

    A time in the future means that the clock was set back, so it counts as long ago.
    """
    last, pause = _last_try(state, interval)
    return not last <= now < last + pause


def expiration(state: State, now: float, interval: float) -> float:
    """Return until when an SDK may use a key that it gets now: it asks again when the secret is to be read.

    So no key is in use for longer than that after a read that would have found another one, whenever it was asked for.
    """
    last, pause = _last_try(state, interval)
    return min(max(last + pause, now), now + interval) + LEAD


def promised(state: State, now: float, interval: float) -> State:
    """Note that the current key is given out now. That is one write between two reads, however many ask."""
    until = expiration(state, now, interval)
    if state.current.given_out_until >= until:
        return state
    return replace(state, current=replace(state.current, given_out_until=until))


def _last_try(state: State, interval: float) -> tuple[float, float]:
    """Return when the secret was last read or tried, and how long the pause after that is."""
    failed = state.tried_at != state.read_at
    return (state.tried_at, min(PAUSE, interval)) if failed else (state.read_at, interval)


def named(state: State, consumer: str | None) -> State:
    """Give the host another name. What was acknowledged under the former one does not count."""
    if consumer is None or consumer == state.consumer:
        return state
    return replace(state, consumer=consumer, acknowledged=None)
