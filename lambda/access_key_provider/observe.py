"""Takes the look at AWS that the rules decide on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from access_key_provider.errors import UserNotFoundError
from access_key_provider.model import SETTLING_TIME, Observed, SecretDescription, SecretState
from access_key_provider.ownership import orphan_candidates, owned_keys

if TYPE_CHECKING:
    from access_key_provider.model import Place
    from access_key_provider.ports import Ports

_LOOKS = 3


def observe(ports: Ports, place: Place) -> Observed:
    """Look at the user's keys and tags and at the secret; at a key's last use only where a decision needs it.

    A user, a secret or a key on record that is not found is taken for deleted only if it is not found some seconds
    later either.
    """
    observed = _look(ports, place)
    for _ in range(_LOOKS - 1):
        if _shows_everything(observed, place):
            break
        ports.clock.sleep(SETTLING_TIME)
        observed = _look(ports, place)
    used = frozenset(key.id for key in orphan_candidates(observed, place) if ports.keys.last_use(key.id).time)
    return replace(observed, used=used)


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
