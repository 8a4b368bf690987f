"""Observes AWS: what the rules decide on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from access_key_provider.model.entry import KeyState
from access_key_provider.model.errors import LedgerError, UserNotFoundError
from access_key_provider.model.state import CONSISTENCY_WAIT, Observed, SecretState
from access_key_provider.planning.adoption import is_in_question
from access_key_provider.planning.key_slots import unmanaged_in_question
from access_key_provider.planning.recovery import orphan_candidates, unknown_labels
from access_key_provider.planning.retirement import in_question
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from access_key_provider.aws.dynamodb import Ledger
    from access_key_provider.model.entry import Entry
    from access_key_provider.model.state import LastUse
    from access_key_provider.reconcile.lease import HeldLease
    from access_key_provider.reconcile.ports import Session

_TRIES = 2


def observe(session: Session, lease: HeldLease, ledger: Ledger, owner: str) -> Observed:
    """Observe the user's keys and the secret; last uses, tags and other entries only where a decision needs them.

    What IAM lists late is no news: a user, a secret or a recorded key counts as gone only if it is missing again after
    a pause.
    """
    observed = _observe_once(session, lease)
    missing, tries = _missing(observed, lease.entry, owner), 0
    while missing and tries < _TRIES:
        lease.pause(CONSISTENCY_WAIT)
        observed, before = _observe_once(session, lease), missing
        missing = _missing(observed, lease.entry, owner)
        # What was there a moment ago is missing for the first time.
        tries = tries + 1 if missing <= before else 1
    return _with_details(observed, session, lease.entry, ledger, owner)


def _observe_once(session: Session, lease: HeldLease) -> Observed:
    try:
        keys, exists = session.keys.list(), True
    except UserNotFoundError:
        keys, exists = (), False
    return Observed(lease.now(), exists, keys, session.secret.describe())


def _missing(observed: Observed, entry: Entry, owner: str) -> set[str]:
    """Name what the entry knows and AWS does not show."""
    missing = {key.id for key in entry.keys_of(owner)} - {key.id for key in observed.keys}
    if not observed.user_exists:
        missing.add("user")
    if observed.secret.state is SecretState.MISSING:
        missing.add("secret")
    return missing


def _with_details(observed: Observed, session: Session, entry: Entry, ledger: Ledger, owner: str) -> Observed:
    orphans = orphan_candidates(entry, observed.keys, owner)
    unmanaged = unmanaged_in_question(entry, owner, observed)
    listed = {key.id for key in observed.keys}
    asked = [
        key_id
        for key_id in dict.fromkeys(
            (*(key.id for key in orphans), *unmanaged, *in_question(entry, owner, observed.time))
        )
        if key_id in listed
    ]
    detailed = replace(observed, last_uses=_last_uses(session, asked))
    adopting = is_in_question(entry, owner, observed)
    undecided = orphans or adopting or any(key.state is KeyState.ORPHAN for key in entry.keys.values())
    if undecided or unknown_labels(entry, observed):
        with suppress(ProviderError):
            detailed = replace(detailed, user_tags=session.keys.tags())
    if undecided or unmanaged:
        detailed = _with_other_entries(detailed, entry, ledger, owner)
    return detailed


def _last_uses(session: Session, key_ids: list[str]) -> dict[str, LastUse]:
    """Read last uses. One that can't be read is left out, never taken for "unused"."""
    uses = {}
    for key_id in key_ids:
        with suppress(ProviderError):
            uses[key_id] = session.keys.last_use(key_id)
    return uses


def _with_other_entries(observed: Observed, entry: Entry, ledger: Ledger, owner: str) -> Observed:
    """Read which keys other entries of the same user record, and whether one is creating a key at this moment.

    The keys were listed before: a key of another entry was recorded since, or its creation is not finished yet. If the
    entries can't be read, they may record any key.
    """
    user_name = entry.claims[owner].user_name
    try:
        others = [ledger.read(arn) for arn in ledger.of_user(user_name) if arn != entry.secret_arn]
    except LedgerError:
        return replace(observed, creating_elsewhere=True)
    recorded = frozenset(key_id for other in others for key_id in other.keys)
    creating = any(attempt.user_name == user_name for other in others for attempt in other.creating.values())
    return replace(observed, recorded_elsewhere=recorded, creating_elsewhere=creating)
