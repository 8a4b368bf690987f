"""One writer a key: whoever acts on a secret holds the lease of its entry.

The holder renews it by a conditional write right before each write to IAM or Secrets Manager. That write is at once the
fence (the lease was lost: stop), the check that no later request came, and the record of what was done.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.aws.dynamodb import StaleEntryError
from access_key_provider.model.entry import LEASE_LENGTH, Lease
from access_key_provider.model.errors import (
    BusyError,
    LeaseLostError,
    LedgerDeniedError,
    LedgerError,
    SupersededError,
)
from access_key_provider.planning.maintenance import next_due, with_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from access_key_provider.aws.dynamodb import Ledger
    from access_key_provider.model.entry import Entry
    from lambda_shared.clock import Clock

    Change = Callable[[Entry, datetime], Entry]

# A wait is cut into pieces, with a renewal between them where the last one is not fresh.
_LONGEST_PIECE = 15.0
_FRESH = 10.0
_POLL = 2.0
# Kept back for the response when another caller does not let go.
_RESERVE_TO_ANSWER = 20.0
_WRITES = 50


class HeldLease:
    """The lease of one secret's entry, as this invocation holds it.

    Attributes:
        holder: who this is: no two invocations are called the same.
    """

    def __init__(self, ledger: Ledger, clock: Clock, secret_arn: str, doing: str, patience: float = 0.0) -> None:
        """Prepare to act on a secret; nothing is held yet. Until `patience` is over, a refusal may be a new role's."""
        self._ledger = ledger
        self._clock = clock
        self._secret_arn = secret_arn
        self._doing = doing
        self._denied_until = clock.now() + timedelta(seconds=patience)
        self.holder = f"{doing}-{secrets.token_hex(6)}"
        self._stored: Entry | None = None
        self._changes: list[tuple[Change, datetime]] = []
        self._watched: dict[str, tuple[str, bool]] = {}
        self._renewed: datetime | None = None
        self._lost = False
        # Whether what has changed since is planned on an entry that another caller has gone on from.
        self._is_old = False
        self._unsure: tuple[Lease, int] | None = None

    @property
    def entry(self) -> Entry:
        """The entry as it will be with what is not written yet."""
        assert self._stored is not None, "the lease is taken first"  # noqa: S101
        return self._changed(self._stored)

    @property
    def is_lost(self) -> bool:
        """Whether another caller has taken it from this one."""
        return self._lost

    @property
    def taken(self) -> bool:
        """Whether it was ever taken."""
        return self._stored is not None

    def has_recorded(self, key_id: str) -> bool:
        """Tell whether a key is in the entry as it is written."""
        return self._stored is not None and key_id in self._stored.keys

    def now(self) -> datetime:
        """Return the time as the ledger keeps it: to the millisecond."""
        time = self._clock.now()
        return time.replace(microsecond=time.microsecond // 1000 * 1000)

    def take(self, announce: Change | None = None, *, wait: bool = True, own: str = "") -> None:
        """Take the lease, as soon as nobody else holds it.

        Args:
            announce: what is written at once, also while another holds the lease: a request of CloudFormation.
            wait: whether to wait for another holder as long as the invocation allows.
            own: the resource whose requests alone make this caller stop; if empty, those of every resource do.

        Raises:
            BusyError: another caller holds it.
            SupersededError: CloudFormation has made a later request.
            LedgerError: the ledger can't be read or written.
        """
        entry, beaten = self._read_first(), 0
        while beaten < _WRITES:
            now = self.now()
            announced = announce(entry, now) if announce else entry
            other = entry.lease if entry.lease and entry.lease.until > now else None
            if other is None or other.holder == self.holder:
                wanted = replace(_after_a_death(announced, now), lease=self._lease(now, "observing"))
            elif announced == entry:
                self._wait_for(other, wait=wait)
                entry = self._ledger.read(self._secret_arn)
                continue
            else:
                wanted = announced
            try:
                entry = self._ledger.write(wanted, next_due(wanted, now))
            except StaleEntryError as stale:
                entry, beaten = stale.entry, beaten + 1
                continue
            except LedgerDeniedError:
                if self._waits_for_role():
                    continue
                raise
            if entry.lease and entry.lease.holder == self.holder:
                self._stored, self._renewed = entry, now
                if self._is_old:
                    self._changes.clear()
                self._is_old = False
                watched = [own] if own else list(entry.claims)
                self._watched = {owner: _wish(entry, owner) for owner in watched}
                return
        raise BusyError("the entry in the ledger changes all the time: try again")

    def _read_first(self) -> Entry:
        while True:
            try:
                return self._ledger.read(self._secret_arn)
            except LedgerDeniedError:
                if not self._waits_for_role():
                    raise

    def _waits_for_role(self) -> bool:
        """Wait a little for a role that a deployment has just made; nothing is held yet."""
        if self._clock.now() >= self._denied_until or self._clock.remaining() < _RESERVE_TO_ANSWER + _POLL:
            return False
        self._clock.sleep(_POLL)
        return True

    def read(self) -> None:
        """Read the entry without taking the lease."""
        self._stored = self._ledger.read(self._secret_arn)

    def change(self, change: Change) -> None:
        """Change the entry; it is written with the next renewal, or when the lease is let go."""
        self._changes.append((change, self.now()))

    def refresh(self) -> None:
        """Read the entry again if the last write may have come through.

        Raises:
            LeaseLostError: another caller has taken the lease.
            LedgerError: the ledger can't be read.
        """
        if self._unsure:
            entry = self._ledger.read(self._secret_arn)
            self._require_held(entry)
            self._adopt(entry)

    def renew(self, doing: str, change: Change | None = None, *, check: bool = True) -> None:
        """Renew the lease, and write what has changed.

        Args:
            doing: what comes next, for those who wait.
            change: one more change to write.
            check: whether a later request makes this caller stop. Who takes back what it made goes on.

        Raises:
            LeaseLostError: another caller has taken it; nothing was written.
            SupersededError: a later request came. What has changed is written all the same.
            LedgerError: the ledger can't be written.
        """
        assert self._stored is not None, "the lease is taken first"  # noqa: S101
        for _ in range(_WRITES):
            now = self.now()
            superseded = check and any(_wish(self._stored, owner) != wish for owner, wish in self._watched.items())
            wanted = self._changed(self._stored)
            if change and not superseded:
                wanted = change(wanted, now)
            lease = self._lease(now, doing)
            wanted = replace(wanted, lease=lease)
            try:
                self._stored = self._ledger.write(wanted, next_due(wanted, now))
            except StaleEntryError as stale:
                self._require_held(stale.entry)
                self._adopt(stale.entry)
                continue
            except LedgerError:
                self._unsure = lease, len(self._changes)
                raise
            self._changes.clear()
            self._renewed, self._unsure = now, None
            if superseded:
                raise SupersededError(
                    "CloudFormation made another request while this one was carried out: it is undone"
                )
            return
        raise LeaseLostError("the entry in the ledger changes all the time")

    def let_go(self, change: Change | None = None) -> bool:
        """Write what has changed, and let others act. Tell whether all that was done is recorded."""
        if self._stored is None or self._renewed is None:
            return False
        if change:
            self.change(change)
        self._renewed = None
        for _ in range(_WRITES):
            now = self.now()
            wanted = replace(self._changed(self._stored), lease=None).pruned(now)
            try:
                self._stored = self._ledger.write(wanted, next_due(wanted, now))
            except StaleEntryError as stale:
                if stale.entry.lease is None or stale.entry.lease.holder != self.holder:
                    self._changes.clear()
                    self._lost = True
                    return False
                self._adopt(stale.entry)
                continue
            except LedgerError:
                # The lease ends by itself; what was done last is found by whoever comes next.
                return not self._changes
            self._changes.clear()
            return True
        return False

    def pause(self, seconds: float) -> None:
        """Wait, and keep the lease meanwhile."""
        left = seconds
        while left > 0:
            piece = min(left, _LONGEST_PIECE)
            self._clock.sleep(piece)
            left -= piece
            if self._renewed and (self._clock.now() - self._renewed).total_seconds() > _FRESH:
                self.renew("waiting", check=False)

    def _adopt(self, entry: Entry) -> None:
        """Go on from what is there, which may have what the last write has changed."""
        if self._unsure and entry.lease == self._unsure[0]:
            del self._changes[: self._unsure[1]]
        self._stored, self._unsure = entry, None

    def _changed(self, entry: Entry) -> Entry:
        for change, time in self._changes:
            entry = change(entry, time)
        return entry

    def _lease(self, now: datetime, doing: str) -> Lease:
        return Lease(self.holder, now + LEASE_LENGTH, f"{self._doing}: {doing}")

    def _require_held(self, entry: Entry) -> None:
        if entry.lease is None or entry.lease.holder != self.holder:
            self._renewed, self._is_old = None, True
            self._changes.clear()
            raise LeaseLostError("another caller has taken over the secret: this one stops")

    def _wait_for(self, other: Lease, *, wait: bool) -> None:
        if not wait or self._clock.remaining() < _RESERVE_TO_ANSWER + _POLL:
            raise BusyError(f"another caller is at work on the secret ({other.doing}; {other.holder}): try again")
        self._clock.sleep(_POLL * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not cryptography


class LeasedClock:
    """The invocation's clock, whose waits keep the lease."""

    def __init__(self, clock: Clock, lease: HeldLease) -> None:
        """Wait for a holder."""
        self._clock = clock
        self._lease = lease

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._clock.now()

    def remaining(self) -> float:
        """Return the seconds until the response must be sent."""
        return self._clock.remaining()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._lease.pause(seconds)


def _after_a_death(entry: Entry, now: datetime) -> Entry:
    """Let the sweep come soon if the last holder did not let go: it may have left something half done."""
    return with_failure(entry, now, [f"a caller died ({entry.lease.doing})"]) if entry.lease else entry


def _wish(entry: Entry, owner: str) -> tuple[str, bool]:
    """Name the latest request of a resource."""
    claim = entry.claims.get(owner)
    return (claim.request.id, claim.present) if claim else ("", False)
