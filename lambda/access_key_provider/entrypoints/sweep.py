"""The sweep: does what is due for each key, every few minutes. What one sweep misses, the next one does."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from access_key_provider.aws.dynamodb import Ledger
from access_key_provider.entrypoints.alarm import undo_as_asked
from access_key_provider.entrypoints.session import KNOWN_ROLE, Work
from access_key_provider.model.entry import Failing
from access_key_provider.model.errors import BusyError, LeaseLostError, LedgerError, SupersededError
from access_key_provider.planning.key_events import FAILED, RECOVERED, about_secret
from access_key_provider.planning.maintenance import DAILY, joined, plan_maintenance
from lambda_shared import log
from lambda_shared.clock import InvocationClock
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from access_key_provider.model.entry import Entry

# Kept back for the key that is being worked on when the time is short.
_RESERVE = 90.0
_UNDECIDED = "a creation was interrupted, and it can't be read whether a key of the user was made by it"


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Do what is due, the longest due first, and return how many secrets it was.

    Raises:
        LedgerError: the ledger can't be asked what is due.
    """
    del event
    clock = InvocationClock(context)
    counted = {"swept": 0, "failed": 0, "postponed": 0}
    for secret_arn in tuple(Ledger().due(clock.now())):
        if clock.remaining() < _RESERVE:
            counted["postponed"] += 1
            continue
        try:
            failed = _sweep(secret_arn, context)
        except (BusyError, LeaseLostError, SupersededError):
            # Another caller is at work, and leaves nothing undone.
            counted["postponed"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the other secrets are swept all the same
            log.redacted(error, secret=secret_arn)
            counted["failed"] += 1
        else:
            counted["failed" if failed else "swept"] += 1
    log.info("swept", **counted)
    return counted


def _sweep(secret_arn: str, context: Any) -> bool:
    """Do what is due for one secret; tell whether something failed, which is recorded."""
    with Work(secret_arn, "Sweep", context, patience=KNOWN_ROLE) as work:
        work.lease.take(wait=False)
        reasons: list[str] = []
        for owner in tuple(work.lease.entry.claims):
            try:
                _maintain(work, owner)
                if owner in work.lease.entry.creating:
                    reasons.append(_UNDECIDED)
            except (LeaseLostError, SupersededError, LedgerError):
                raise
            except ProviderError as error:
                reasons.append(str(error))
        reasons += work.reconciler.left
        # An entry that was lost since is not settled: its keys are found again when they are claimed.
        if work.lease.entry.claims:
            _record_outcome(work, reasons)
    return bool(reasons)


def _maintain(work: Work, owner: str) -> None:
    entry = work.lease.entry
    claim = entry.claims[owner]
    if not claim.present and not any(key.owner == owner for key in entry.keys.values()) and owner not in entry.creating:
        return
    current = entry.current
    if entry.undo_asked and (current is None or current.owner == owner):
        undo_as_asked(work, owner, entry.undo_asked)
    if claim.present or entry.made_for(owner):
        work.reconciler.run(owner, plan_maintenance)
    else:
        # Tags and labels are left of keys that are deleted. The role may be gone, as it is once a stack is deleted.
        with suppress(ProviderError):
            work.reconciler.run(owner, plan_maintenance)


def _record_outcome(work: Work, reasons: list[str]) -> None:
    """Record that it failed, or that it fails no more; report it once, and then daily."""
    now, before = work.lease.now(), work.lease.entry.failing
    failing = None
    if reasons:
        reason = joined(reasons)
        failing = Failing(before.since if before else now, before.times + 1 if before else 1, reason)
        reported = before.reported if before else None
        if reported is None or now - reported >= DAILY:
            reported = now
            work.reconciler.events.append((FAILED, about_secret(work.lease.entry, why=reason)))
        failing = replace(failing, reported=reported)
    elif before and before.reported:
        work.reconciler.events.append((RECOVERED, about_secret(work.lease.entry, why=before.reason)))

    def change(entry: Entry, time: datetime) -> Entry:
        undecided = any(what.startswith("unknown-key") and time - at < DAILY for what, at in entry.reported.items())
        settled = entry.settled if failing or undecided else time
        return replace(entry, failing=failing, checked=time, settled=settled)

    work.finally_change(change)
