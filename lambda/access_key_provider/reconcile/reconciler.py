"""Observe, plan, apply, under the lease: what every entry point runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from access_key_provider.model.actions import CreateKey
from access_key_provider.model.entry import KeyState
from access_key_provider.model.errors import (
    AdoptionRefusedError,
    ConflictError,
    KeyLimitReachedError,
    LeaseLostError,
    LedgerError,
)
from access_key_provider.model.state import CONSISTENCY_WAIT, INACTIVE
from access_key_provider.planning.draft import Draft
from access_key_provider.planning.late_call import plan_take_back
from access_key_provider.planning.maintenance import with_failure
from access_key_provider.planning.recovery import rebuild
from access_key_provider.reconcile.executor import Executor
from access_key_provider.reconcile.observer import observe
from lambda_shared import log
from lambda_shared.errors import OutcomeUnknownError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from access_key_provider.aws.dynamodb import Ledger
    from access_key_provider.model.actions import Action
    from access_key_provider.model.entry import Claim, Entry
    from access_key_provider.model.state import AccessKey, Observed
    from access_key_provider.planning.key_events import Event
    from access_key_provider.reconcile.lease import Change, HeldLease
    from access_key_provider.reconcile.ports import Session
    from lambda_shared.clock import Clock

    Plan = Callable[[Draft, str], None]

# Seconds kept back while acting, for taking back and the response, and while taking back, for the response.
RESERVE_TO_UNDO = 45.0
RESERVE_TO_ANSWER = 15.0

# How often to begin again when something changed in between or a response was lost.
_ATTEMPTS = 3


class OpenSession(Protocol):
    """Opens a session of the role that a claim names; nothing is called before its first use."""

    def __call__(self, claim: Claim, clock: Clock) -> Session:
        """Open one, which waits with the clock."""
        ...


class Reconciler:
    """One holder's work on one secret.

    Attributes:
        lease: the lease, which is held.
        made: the keys that it has created.
        left: what was left to the sweep, and why.
        events: what is to be reported.
        half_done: what was begun and of which it is not known whether it was done; the sweep sees to it soon.
    """

    def __init__(self, lease: HeldLease, ledger: Ledger, clock: Clock, open_session: OpenSession) -> None:
        """Work with a clock whose waits keep the lease."""
        self.lease = lease
        self._ledger = ledger
        self._clock = clock
        self._open_session = open_session
        self._late: _Late | None = None
        self.made: list[str] = []
        self.left: list[str] = []
        self.events: list[Event] = []
        self.half_done: list[str] = []

    def run(
        self,
        owner: str,
        plan: Plan,
        *,
        reserve: float = RESERVE_TO_ANSWER,
        check: bool = True,
        deploys: bool = False,
        deployed_serial: str = "",
    ) -> None:
        """Observe, plan and act for one resource.

        Args:
            owner: the resource.
            plan: adds to a draft what is to be done.
            reserve: seconds to keep back.
            check: whether a later request stops it.
            deploys: whether a deployment changes what the resource had, so that its rollback has something to do.
            deployed_serial: the serial that CloudFormation takes for deployed.

        Raises:
            ProviderError: the plan refuses, or an action failed. What was done is recorded.
        """
        claim = self.lease.entry.claims[owner]
        session = self._open_session(claim, self._clock)
        failures, left_before = 0, self.left
        while True:
            executor = Executor(session, self.lease, self._clock, owner, reserve=reserve, deploys=deploys)
            try:
                self.lease.refresh()
                observed = observe(session, self.lease, self._ledger, owner)
                self._record_lost(observed, owner, deployed_serial)
                draft = Draft(self.lease.entry, observed, deployed_serial)
                plan(draft, owner)
                executor.run(draft, check=check)
            except ProviderError as error:
                failures += 1
                if failures == _ATTEMPTS or not self._is_worth_another_try(error, reserve):
                    raise self._explained(session, error) from error
            else:
                return
            finally:
                self.made += executor.made
                self.left = [*left_before, *executor.left]
                self.events += executor.events
                self.half_done += executor.half_done
                if executor.late:
                    self._late = _Late(session, owner, claim, executor.late)
            self._clock.sleep(CONSISTENCY_WAIT)

    def _explained(self, session: Session, error: ProviderError) -> ProviderError:
        """Complete the message of a refused adoption, or of a reached limit, with what must be known of the keys."""
        if isinstance(error, AdoptionRefusedError) and error.user_name:
            whose = _whose(error.key_id, self._entries_of(error.user_name))
            return ProviderError(f"{error}{whose}. Remove adopt(), or wait until that key is deleted")
        if not isinstance(error, KeyLimitReachedError):
            return error
        entries = self._entries_of(error.user_name)
        described = "; ".join(_described(session, key, entries) for key in error.keys)
        return ProviderError(
            f"{error}, and {error.advice or 'none may be removed'}: {described}. Delete one that is not needed "
            "(aws iam update-access-key --status Inactive, wait, aws iam delete-access-key, each with --user-name "
            f"{error.user_name}), then deploy"
        )

    def _entries_of(self, user_name: str) -> list[Entry]:
        entries = [self.lease.entry]
        with suppress(LedgerError):
            entries += [self._ledger.read(arn) for arn in self._ledger.of_user(user_name)]
        return entries

    def _record_lost(self, observed: Observed, owner: str, deployed_serial: str) -> None:
        """Record keys again whose entry was lost, also if the plan refuses then: its rollback counts on it."""
        found = Draft(self.lease.entry, observed, deployed_serial)
        rebuild(found, owner)
        for action in found.actions:
            self.lease.change(action.end)

    def _is_worth_another_try(self, error: ProviderError, reserve: float) -> bool:
        # A key that was just deleted may be listed still, and one that was just retired seem Active.
        passes = isinstance(error, (ConflictError, OutcomeUnknownError, KeyLimitReachedError))
        return passes and self._clock.remaining() >= reserve + CONSISTENCY_WAIT

    def let_go(self, change: Change | None = None) -> None:
        """Write what has changed and let others act. If the lease was lost meanwhile, take back the last call.

        Raises:
            LeaseLostError: it was lost, and something was done that is not on record.
        """
        late, self._late = self._late, None
        left = [*self.half_done, *self.left]
        if left:
            self.lease.change(lambda entry, now: with_failure(entry, now, left))
        if self.lease.let_go(change) or not late:
            return
        is_lost = self.lease.is_lost
        self._take_back(late)
        if is_lost:
            raise LeaseLostError("another caller has taken over the secret: the last step of this one is undone")

    def _take_back(self, late: _Late) -> None:
        """Take back the one call whose outcome the ledger does not know."""
        action = late.action
        if isinstance(action, CreateKey) and action.key_id in self.made:
            with suppress(ProviderError):
                # Nobody else knows this key. Without the ledger, too, it must go.
                late.session.keys.set_status(action.key_id, INACTIVE)
                late.session.keys.delete(action.key_id)
                return
        made = tuple(self.made)
        try:
            self.lease.take()
            if late.owner not in self.lease.entry.claims:
                # A Delete leaves its claim for a day: without one, the entry was lost.
                self.lease.change(lambda entry, _: entry.with_claim(late.owner, late.claim))
            self.run(late.owner, lambda draft, of: plan_take_back(draft, of, action, made), check=False)
        except ProviderError as error:
            log.info("a call came through after the lease was lost, and was not taken back", reason=str(error))
        self.lease.let_go()


@dataclass(frozen=True, slots=True)
class _Late:
    """A call whose outcome is not on record, the session that it was made in, and the claim that it was made for."""

    session: Session
    owner: str
    claim: Claim
    action: Action


def _described(session: Session, key: AccessKey, entries: Sequence[Entry]) -> str:
    try:
        use = str(session.keys.last_use(key.id))
    except ProviderError:
        use = "last use unknown"
    return f"{key.id} {key.status}, created {key.created:%Y-%m-%d}, {use}{_whose(key.id, entries)}"


def _whose(key_id: str, entries: Sequence[Entry]) -> str:
    """Say which resource of the ledger a key belongs to, so that nobody takes it for one that is not needed."""
    for entry in entries:
        key = entry.keys.get(key_id)
        claim = entry.claims.get(key.owner) if key else None
        if key and claim:
            return f", the {'current' if key.state is KeyState.CURRENT else 'previous'} key of {claim.logical_id}"
    return ""
