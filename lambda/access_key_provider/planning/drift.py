"""What a Create or Update found otherwise than the ledger has it, in words for the response and the log.

Each sentence says what was observed first. It states facts and guesses at no culprit. Pure rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.entry import KeyState
from access_key_provider.model.state import ACTIVE, CURRENT, INACTIVE
from access_key_provider.planning.recovery import unknown_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from access_key_provider.model.entry import Entry, KeyRecord
    from access_key_provider.model.state import Observed

MAX_SHOWN = 256


def findings(entry: Entry, observed: Observed, owner: str) -> tuple[str, ...]:
    """Say what was found, the gravest first; nothing if all was as it had been left.

    Args:
        entry: what the ledger said before anything was done.
        observed: what AWS showed then.
        owner: the resource.
    """
    if entry.switching or owner in entry.creating:
        # An attempt that was interrupted explains whatever is found.
        return ()
    statuses = {key.id: key.status for key in observed.keys}
    found = [*_gone(entry, statuses, owner), *_current_elsewhere(entry, observed, owner)]
    found += [
        f"{role} key {key.id} was {statuses[key.id]}"
        for key in entry.keys_of(owner)
        if key.usable and key.id in statuses
        for role, expected in (_expected(key),)
        if statuses[key.id] != expected
    ]
    found += [
        f"key {key.id} bears the label of this secret, and the ledger did not know it"
        for key in unknown_labels(entry, observed)
    ]
    return tuple(found)


def shown(found: Iterable[str]) -> str:
    """Join as many sentences as the reason of a response has room for; the log has all of them."""
    every = tuple(found)
    sentences = list(every)
    while sentences:
        left_out = len(every) - len(sentences)
        text = "; ".join([*sentences, *([f"{left_out} more in the log"] if left_out else [])])
        if len(text) <= MAX_SHOWN:
            return text
        sentences.pop()
    return ""


def _gone(entry: Entry, statuses: dict[str, str], owner: str) -> Iterator[str]:
    for key in entry.keys_of(owner):
        if key.usable and key.id not in statuses:
            yield f"key {key.id} was deleted by somebody else"


def _current_elsewhere(entry: Entry, observed: Observed, owner: str) -> Iterator[str]:
    current, version = entry.current, observed.secret.version_with(CURRENT)
    if current and current.owner == owner and (version is None or version.id != current.version_id):
        yield f"AWSCURRENT was not on key {current.id}, which the ledger has as current"


def _expected(key: KeyRecord) -> tuple[str, str]:
    status = INACTIVE if key.deactivated else ACTIVE
    return ("current" if key.state is KeyState.CURRENT else "previous"), status
