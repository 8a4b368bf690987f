"""Takes the look at AWS that the rules decide on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from access_key_provider.errors import UserNotFoundError
from access_key_provider.model import Observed
from access_key_provider.ownership import orphan_candidates, owned_keys

if TYPE_CHECKING:
    from access_key_provider.model import Place
    from access_key_provider.ports import Ports

# A key is listed, and a label is shown, some seconds after it was made.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
SETTLING_TIME = 5.0
_LOOKS = 3


def observe(ports: Ports, place: Place) -> Observed:
    """Look at the user's keys and tags and at the secret; at a key's last use only where a decision needs it.

    A key that is on record and not listed may have been made a moment ago: it is taken for deleted only if it is
    not listed some seconds later either.
    """
    observed = _look(ports)
    for _ in range(_LOOKS - 1):
        if not observed.user_exists or all(key.key for key in owned_keys(observed, place)):
            break
        ports.clock.sleep(SETTLING_TIME)
        observed = _look(ports)
    used = frozenset(key.id for key in orphan_candidates(observed, place) if ports.keys.last_use(key.id).time)
    return replace(observed, used=used)


def _look(ports: Ports) -> Observed:
    secret = ports.secret.describe()
    try:
        keys, tags, user_exists = ports.keys.list(), ports.keys.tags(), True
    except UserNotFoundError:
        keys, tags, user_exists = (), {}, False
    return Observed(time=ports.clock.now(), user_exists=user_exists, keys=keys, user_tags=tags, secret=secret)
