"""Callers that take turns: each runs in a thread of its own, one at a time, and stops where it is told to.

A caller stops *before* a call (it is on its way, and reaches AWS when the caller goes on), *after* one (AWS has carried
it out, the caller has not seen the answer), or where it *waits* for the lease that another caller holds. Time passes by
the account's clock only: a caller that waits lets the others go on, and the clock moves when nobody else can.
"""

from __future__ import annotations

import os
import random
import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any
from unittest import mock

from fakes.aws import Context, ProcessDeath

from access_key_provider import main
from access_key_provider.aws.dynamodb import Ledger
from access_key_provider.aws.sts import Sessions
from access_key_provider.entrypoints import session
from access_key_provider.reconcile.lease import HeldLease
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from fakes.aws import Call
    from support.stack import Event, Stack

    Stop = Callable[["Caller", "Moment"], bool]

# An invocation of five minutes that asks every second or two.
_MOST_POLLS = 400
_MOST_ROUNDS = 1000
_PAUSE_MORE = 15.0


class Why(Enum):
    """Why a caller does not go on."""

    STOPPED = "it is where it was to stop"
    WAITS = "it waits for the lease"
    ENDED = "it has ended"


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a caller is: `before` or `after` a call."""

    phase: str
    call: Call


@dataclass
class Caller:
    """An invocation in the making.

    Attributes:
        name: what a schedule calls it.
        event: what it was sent.
        function: which function it runs in.
        sent: the calls that it has sent.
        held: how many calls it had sent when it took its lease last; None as long as it never did.
        polls: how often it has found that another one holds the lease.
        result: what it returned.
        error: what it raised.
        skew: how far its clock is ahead.
    """

    name: str
    event: Event
    function: str
    sent: list[Call] = field(default_factory=list)
    held: int | None = None
    polls: int = 0
    ended: bool = False
    result: Any = None
    error: BaseException | None = None
    skew: timedelta = timedelta()
    _go: Any = field(default_factory=threading.Lock)
    _sessions: Sessions = field(default_factory=Sessions)
    _thread: threading.Thread | None = None
    _stop: Stop | None = None
    _alone: bool = False
    _why: Why = Why.STOPPED
    _killed: bool = False

    @property
    def calls(self) -> int:
        """How many calls it has sent."""
        return len(self.sent)

    @property
    def calls_under_lease(self) -> int:
        """How many calls it has sent since it took its lease."""
        return 0 if self.held is None else self.calls - self.held


class _SessionsOfEach:
    """The warm sessions of each process: two invocations at once never share one."""

    def __init__(self, race: Race) -> None:
        self._race = race

    def assume(self, *arguments: Any) -> Any:
        return self._race.running._sessions.assume(*arguments)


class Race:
    """Several callers on one stack; use `race` to make one."""

    def __init__(self, stack: Stack, callers: Mapping[str, Caller]) -> None:
        """Nobody has begun yet."""
        self.stack = stack
        self.callers = dict(callers)
        self._running: Caller | None = None
        self._main = threading.Lock()
        self._main.acquire()

    @property
    def running(self) -> Caller:
        """Whose turn it is."""
        assert self._running is not None, "nobody has the turn"
        return self._running

    def run(self, name: str, stop: Stop | None = None, *, alone: bool = False) -> Why:
        """Let a caller go on.

        Args:
            name: which one.
            stop: tells where it stops; at its end if left out.
            alone: whether the others stand still, so that it waits for the lease until it has it.
        """
        caller = self.callers[name]
        if caller.ended:
            return Why.ENDED
        caller._stop, caller._alone, self._running = stop, alone, caller
        if caller._thread is None:
            caller._go.acquire()
            caller._thread = threading.Thread(target=self._work, args=(caller,), name=name)
            caller._thread.start()
        else:
            caller._go.release()
        self._main.acquire()
        self._running = None
        return Why.ENDED if caller.ended else caller._why

    def finish(self) -> None:
        """Let all go on to their ends, each as far as it can; the clock moves on where all wait."""
        for _ in range(_MOST_ROUNDS):
            left = [name for name, caller in self.callers.items() if not caller.ended]
            if not left:
                return
            if all(self.run(name) is Why.WAITS for name in left):
                self.run(left[0], lambda caller, _: caller.held is not None, alone=True)
        raise AssertionError("the callers never end")

    def kill(self, name: str) -> None:
        """Let a process die where it is."""
        caller = self.callers[name]
        if caller._thread is None:
            caller.ended = True
        if not caller.ended:
            caller._killed = True
            self.run(name)

    # --- in the caller's thread

    def _work(self, caller: Caller) -> None:
        os.environ["ENTRY_POINTS"] = caller.function
        try:
            caller.result = main.handler(caller.event, Context(self.stack.account.clock))
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            caller.error = error
        caller.ended = True
        self._main.release()

    def _before(self, call: Call) -> None:
        if call.attempt > 1 or self._running is None:
            return
        self._meet(self._running, Moment("before", call))
        self._running.sent.append(call)

    def _after(self, call: Call) -> None:
        if self._running is not None:
            self._meet(self._running, Moment("after", call))

    def _meet(self, caller: Caller, moment: Moment) -> None:
        if caller._stop and caller._stop(caller, moment):
            self._pause(caller, Why.STOPPED)

    def _waits(self, caller: Caller) -> None:
        caller.polls += 1
        assert caller.polls < _MOST_POLLS, f"{caller.name} waits for ever"
        if caller._alone:
            # Besides its own pause: to ask thirty times for the same lease shows no more than to ask four times.
            self.stack.account.clock.sleep(_PAUSE_MORE)
        else:
            self._pause(caller, Why.WAITS)

    def _pause(self, caller: Caller, why: Why) -> None:
        caller._why = why
        self._main.release()
        caller._go.acquire()
        if caller._killed:
            raise ProcessDeath(caller.name)

    def _now(self) -> datetime:
        skew = self._running.skew if self._running else timedelta()
        return self.stack.account.clock.now() + skew


def _share_no_locks() -> None:
    """Take away the lock that a cached property of Python 3.11 has for all objects: processes share none."""
    for kind in (session.RoleSession, Ledger):
        for member in vars(kind).values():
            if isinstance(member, cached_property):
                member.lock = nullcontext()  # type: ignore[attr-defined] # gone since Python 3.12


@contextmanager
def race(stack: Stack, callers: Mapping[str, Caller]) -> Iterator[Race]:
    """Prepare callers to run on a stack that is installed; who has not ended at the end is killed."""
    made = Race(stack, callers)
    waits, take = HeldLease._wait_for, HeldLease.take

    def wait_for(lease: HeldLease, *arguments: Any, wait: bool) -> None:
        if wait and made._running:
            made._waits(made._running)
        waits(lease, *arguments, wait=wait)

    def take_it(lease: HeldLease, *arguments: Any, **named: Any) -> None:
        take(lease, *arguments, **named)
        if made._running:
            made._running.held = made._running.calls

    def now(_clock: InvocationClock) -> datetime:
        return made._now()

    account = stack.account
    before = os.environ.get("ENTRY_POINTS")
    random.seed(0)
    _share_no_locks()
    with (
        mock.patch.multiple(HeldLease, _wait_for=wait_for, take=take_it),
        mock.patch.object(InvocationClock, "now", now),
        mock.patch.object(session, "_SESSIONS", _SessionsOfEach(made)),
    ):
        account.before.append(made._before)
        account.after.append(made._after)
        try:
            yield made
        finally:
            for name in made.callers:
                made.kill(name)
            account.before.remove(made._before)
            account.after.remove(made._after)
            os.environ.pop("ENTRY_POINTS", None)
            if before is not None:
                os.environ["ENTRY_POINTS"] = before


def after_calls(number: int | None) -> Stop | None:
    """Stop before the call after so many more calls; at the end if there is no number."""
    if number is None:
        return None
    left = number

    def stop(_: Caller, moment: Moment) -> bool:
        nonlocal left
        if moment.phase != "before":
            return False
        left -= 1
        return left < 0

    return stop
