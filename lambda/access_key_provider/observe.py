"""Takes the look at AWS that the rules decide on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from access_key_provider.errors import UserNotFoundError
from access_key_provider.model import Observed
from access_key_provider.ownership import orphan_candidates

if TYPE_CHECKING:
    from access_key_provider.model import Place
    from access_key_provider.ports import Ports


def observe(ports: Ports, place: Place) -> Observed:
    """Look at the user's keys and tags and at the secret; at a key's last use only where a decision needs it."""
    secret = ports.secret.describe()
    try:
        keys, tags, user_exists = ports.keys.list(), ports.keys.tags(), True
    except UserNotFoundError:
        keys, tags, user_exists = (), {}, False
    observed = Observed(time=ports.clock.now(), user_exists=user_exists, keys=keys, user_tags=tags, secret=secret)
    used = frozenset(key.id for key in orphan_candidates(observed, place) if ports.keys.last_use(key.id).time)
    return replace(observed, used=used)
