"""Decide which key is used and stored. No input, no output, no clock: `Ports` does all that.

One visit of a consumer is

    if is_due(state, now, interval):
        state, notes = renewed(state, now, ports)
        # store it
        state, notes = acknowledged(state, now, ports)
        # store it
    state = promised(state, now, interval)
    # store it, unless it is the same; give out state.current.pair until expiration(state, now, interval)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from iam_access_key_client.errors import ClientError, DeniedError, NotAKeyPairError, RefusedError, UnavailableError
from iam_access_key_client.secret_value import find_pair
from iam_access_key_client.state import State, StoredKey

if TYPE_CHECKING:
    from iam_access_key_client.state import KeyPair

# A new key answers InvalidClientTokenId for some seconds, at each endpoint anew: 5 to 15 are reported.
SETTLED = 60
REPEATED_AFTER = 24 * 3600


@dataclass(frozen=True)
class Version:
    """The version of a secret that is AWSCURRENT.

    Args:
        version_id: Its id.
        created_at: When it was made, by the clock of AWS, in seconds since 1970.
        server_time: When it was read, by the same clock: that of this host may be hours off.
        text: The value of the secret.
    """

    version_id: str
    created_at: float
    server_time: float
    text: str = field(repr=False)


class Ports(Protocol):
    """What renewal needs of AWS."""

    def read_current(self, pair: KeyPair) -> Version:
        """Read AWSCURRENT with a key. Raises RefusedError, DeniedError or UnavailableError."""
        ...

    def works(self, pair: KeyPair) -> bool:
        """Ask STS whether a key works. Raises UnavailableError."""
        ...

    def acknowledge(self, pair: KeyPair, consumer: str) -> None:
        """Tell the provider that a consumer has the key. Raises RefusedError, DeniedError or UnavailableError."""
        ...


class Step(NamedTuple):
    """What is to be stored, and what a person should know of it."""

    state: State
    notes: tuple[str, ...] = ()


def renewed(state: State, now: float, ports: Ports) -> Step:
    """Read the secret with a stored key, and use the key in it if it is another one that works.

    Another version is not always a newer one: after an undo it is the key before.
    """
    for reader in state.keys:
        try:
            version = ports.read_current(reader.pair)
        except RefusedError:
            continue
        except DeniedError as error:
            note = (
                f"key {reader.pair.access_key_id} works but may not read its secret ({error}); declare "
                "key.grant_self_renewal(...) and check its conditions"
            )
            return Step(_swapped(replace(state, tried_at=now, refused=False), reader), (note,))
        except UnavailableError as error:
            return Step(replace(state, tried_at=now), (f"the secret could not be read ({error}); {_kept(state)}",))
        return _followed(_swapped(replace(state, tried_at=now, refused=False), reader), version, now, ports)
    return Step(replace(state, tried_at=now, refused=True))


def _followed(state: State, version: Version, now: float, ports: Ports) -> Step:
    """Move to the key of a version, from the key that could read it."""
    done = replace(state, read_at=now)
    if version.version_id == state.current.version_id:
        return Step(done)
    try:
        pair = find_pair(version.text, state.fields)
    except NotAKeyPairError as error:
        return Step(done, (f"{error}; {_kept(state)}",))
    if pair == state.current.pair:
        return Step(replace(done, current=replace(state.current, version_id=version.version_id)))
    if version.server_time - version.created_at < SETTLED:
        return Step(done)
    try:
        works = ports.works(pair)
    except UnavailableError as error:
        return Step(state, (f"key {pair.access_key_id} could not be checked ({error}); {_kept(state)}",))
    unusable = Step(done, (f"key {pair.access_key_id} of the secret does not work; {_kept(state)}",))
    return Step(_moved(done, pair, version.version_id)) if works else unusable


def _moved(state: State, pair: KeyPair, version_id: str) -> State:
    """Use another key. The one until now stands for all that SDKs may still have in their memory."""
    known = next((key for key in state.keys if key.pair == pair), StoredKey(pair))
    others = max(key.given_out_until for key in state.keys if key.pair != pair)
    previous = replace(state.current, given_out_until=others)
    return replace(state, current=replace(known, version_id=version_id), previous=previous, acknowledged=None)


def _kept(state: State) -> str:
    return f"the stored key {state.current.pair.access_key_id} is used"


def _swapped(state: State, reader: StoredKey) -> State:
    """Make the key current that could read the secret."""
    return state if reader is state.current else replace(state, current=reader, previous=state.current)


def acknowledged(state: State, now: float, ports: Ports) -> Step:
    """Acknowledge the current key, once no credentials of another one are in use here."""
    if not is_acknowledgement_due(state, now):
        return Step(state)
    try:
        ports.acknowledge(state.current.pair, state.consumer or "")
    except ClientError as error:
        return Step(state, (f"key {state.current.pair.access_key_id} could not be acknowledged yet: {error}",))
    return Step(replace(state, acknowledged=state.current.version_id, acknowledged_at=now))


def is_acknowledgement_due(state: State, now: float) -> bool:
    """Tell whether to acknowledge the current key: the last read found it, and no other one is in use here.

    It is repeated daily: an event may be lost, and after an undo the provider counts only what was said since.
    """
    current, previous = state.current, state.previous
    is_fresh = current.version_id == state.acknowledged and 0 <= now - state.acknowledged_at < REPEATED_AFTER
    return (
        state.consumer is not None
        and current.version_id is not None
        and not is_fresh
        and state.tried_at == state.read_at
        and (previous is None or now >= previous.given_out_until)
        and all(access_key_id == current.pair.access_key_id for access_key_id in state.files.values())
    )


def merged(planned: State, before: State, found: State) -> State:
    """Return what to store when a renewal that began with `before` ends, and others have stored `found` since.

    Others note that they gave a key out, or which file has which key; who enrolled anew wins.
    """
    if found.current.pair != before.current.pair:
        return found
    until = {key.pair: key.given_out_until for key in found.keys}
    current = replace(
        planned.current,
        given_out_until=max(planned.current.given_out_until, until.pop(planned.current.pair, 0)),
    )
    previous = planned.previous and replace(
        planned.previous, given_out_until=max([planned.previous.given_out_until, *until.values()])
    )
    return replace(
        planned,
        current=current,
        previous=previous,
        consumer=found.consumer,
        acknowledged=None if planned.acknowledged is None else found.acknowledged,
        acknowledged_at=found.acknowledged_at,
        files=found.files,
    )
