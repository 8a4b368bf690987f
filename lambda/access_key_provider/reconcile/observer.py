"""Takes the look at AWS that the rules decide on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from access_key_provider.model.errors import UserNotFoundError
from access_key_provider.model.ownership import orphan_candidates, owned_keys
from access_key_provider.model.retirement_rules import Policy
from access_key_provider.model.state import SETTLING_TIME, Observed, SecretDescription, SecretState
from access_key_provider.planning.key_limit import foreign_keys_in_question
from access_key_provider.planning.retirement import keys_in_question
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from access_key_provider.model.state import LastUse, Place
    from access_key_provider.reconcile.ports import Ports

_LOOKS = 3
_Seen = TypeVar("_Seen")


def observe(ports: Ports, place: Place, policy: Policy | None = None) -> Observed:
    """Look at the user's keys and tags and at the secret; at a key's last use only where a decision needs it.

    The policy says which keys are in question because they were replaced; without one none is.

    A user, a secret or a key on record that is not found is taken for deleted only if it is not found some seconds
    later either.
    """
    observed = _look_until(ports, lambda: _look(ports, place), lambda seen: _shows_everything(seen, place))
    used = frozenset(key.id for key in orphan_candidates(observed, place) if ports.keys.last_use(key.id).time)
    return replace(observed, used=used, last_uses=_last_uses(ports, observed, place, policy or Policy()))


def look_at_secret(ports: Ports) -> SecretDescription:
    """Look at the secret alone; it too is taken for deleted only if it is not found some seconds later either."""
    return _look_until(ports, ports.secret.describe, lambda secret: secret.state is not SecretState.MISSING)


def _look_until(ports: Ports, look: Callable[[], _Seen], shows_everything: Callable[[_Seen], bool]) -> _Seen:
    """Look until everything is there, a few times at most, and return the last look."""
    seen = look()
    for _ in range(_LOOKS - 1):
        if shows_everything(seen):
            break
        ports.clock.sleep(SETTLING_TIME)
        seen = look()
    return seen


def _last_uses(ports: Ports, observed: Observed, place: Place, policy: Policy) -> dict[str, LastUse]:
    """Read the last use of the keys in question. One that can't be read is left out, never taken for "unused"."""
    uses = {}
    for key_id in keys_in_question(observed, place, policy) | foreign_keys_in_question(observed, place, policy):
        with suppress(ProviderError):
            uses[key_id] = ports.keys.last_use(key_id)
    return uses


def _shows_everything(observed: Observed, place: Place) -> bool:
    return (
        observed.user_exists
        and observed.secret.state is not SecretState.MISSING
        and all(key.key for key in owned_keys(observed, place))
    )


def _look(ports: Ports, place: Place) -> Observed:
    """Look at the user, then at the secret: who sees a later request's key sees the mark that it left before.

    If the secret knows of a key that was not there a moment ago, the user is looked at again: it may be that new.
    """
    user = _look_at_user(ports)
    observed = replace(user, secret=ports.secret.describe())
    if _shows_everything(observed, place):
        return observed
    return replace(_look_at_user(ports), secret=observed.secret)


def _look_at_user(ports: Ports) -> Observed:
    try:
        keys, tags, user_exists = ports.keys.list(), ports.keys.tags(), True
    except UserNotFoundError:
        keys, tags, user_exists = (), {}, False
    return Observed(
        time=ports.clock.now(),
        user_exists=user_exists,
        keys=keys,
        user_tags=tags,
        secret=SecretDescription(SecretState.MISSING),
    )
