"""The ledger is unreachable, throttled, denied, slow, or its answers get lost: at any of its calls, once or for good.

Nothing is done that the ledger does not know first. What was begun is ended by whoever comes next.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from fakes.faults import (
    ACCESS_DENIED,
    CONNECTION_LOST,
    SERVER_ERROR,
    THROTTLED,
    THROUGHPUT_EXCEEDED,
    TIMED_OUT,
    UNREACHABLE,
)
from faults.interleavings.aftermath import check_after, outcome
from faults.interleavings.meet import story
from faults.interleavings.orders import LEDGER_WRITE
from faults.interleavings.situations import SITUATIONS, callers_in
from faults.interleavings.turns import race

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.aws import Call
    from fakes.faults import Fault, Phase

    Record = Callable[[str, object], None]

_SAMPLE = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """How calls to the ledger fail.

    Attributes:
        fault: the fault.
        phase: whether the call is carried out.
        times: how many calls fail, from the first one on; None is all.
        attempts: how many of the SDK's attempts of each fail; None is all.
    """

    fault: Fault
    phase: Phase = "before"
    times: int | None = 1
    attempts: int | None = None

    def is_healed_at_once(self, call: Call) -> bool:
        """Tell whether the SDK, or the second try of a write that may have come through, succeeds: nobody notices."""
        is_tried_again = self.fault not in {THROTTLED, ACCESS_DENIED} and call.name == LEDGER_WRITE
        return self.attempts is not None or (self.times == 1 and is_tried_again)

    def __str__(self) -> str:
        """Name it in a test's id."""
        calls = "for good" if self.times is None else "once" if self.attempts is None else "for an attempt"
        return f"{self.fault} {self.phase} a call, {calls}"


_PASSING = [
    *(Trouble(fault, attempts=1) for fault in (UNREACHABLE, THROTTLED, THROUGHPUT_EXCEEDED, SERVER_ERROR, TIMED_OUT)),
    *(Trouble(fault, "after", attempts=1) for fault in (CONNECTION_LOST, SERVER_ERROR, TIMED_OUT)),
    *(Trouble(fault, "after", attempts=3) for fault in (CONNECTION_LOST, SERVER_ERROR)),
    *(Trouble(fault) for fault in (UNREACHABLE, THROTTLED, SERVER_ERROR, ACCESS_DENIED)),
    *(Trouble(fault, "after") for fault in (CONNECTION_LOST, SERVER_ERROR, TIMED_OUT)),
]
_LASTING = [
    *(Trouble(fault, times=None) for fault in (UNREACHABLE, THROTTLED, SERVER_ERROR, ACCESS_DENIED)),
    *(Trouble(fault, "after", times=None) for fault in (CONNECTION_LOST, SERVER_ERROR)),
]
TROUBLES = [*_PASSING, *_LASTING]
CALLERS = [(situation.name, kind) for situation in SITUATIONS.values() for kind in situation.kinds]


@pytest.mark.parametrize(("situation", "kind"), CALLERS, ids=lambda name: name)
def test_a_ledger_in_trouble(situation: str, kind: str) -> None:
    """A sample: some trouble at some call."""
    chance = random.Random(f"ledger {situation} {kind}")
    for trouble in chance.sample(TROUBLES, _SAMPLE):
        _meet_trouble(situation, kind, trouble, chance.randint(1, 9))


@pytest.mark.thorough
@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
@pytest.mark.parametrize(("situation", "kind"), CALLERS, ids=lambda name: name)
def test_a_ledger_in_trouble_at_each_call(situation: str, kind: str, trouble: Trouble, record_property: Record) -> None:
    """Each call, and from it on if the trouble lasts."""
    nth = 1
    while _meet_trouble(situation, kind, trouble, nth):
        nth += 1
    record_property("tried", nth)


@functools.cache
def undisturbed(situation: str, kind: str) -> str:
    """Say how a caller fares without trouble."""
    with SITUATIONS[situation].prepared.forked() as stack, race(stack, callers_in(stack, kind)) as running:
        running.finish()
        return outcome(running.callers["first"], stack)


def _meet_trouble(situation: str, kind: str, trouble: Trouble, nth: int) -> bool:
    """Let a caller meet trouble at a call to the ledger, and tell whether it came so far."""
    with SITUATIONS[situation].prepared.forked() as stack:
        injection = stack.account.fail(
            trouble.fault,
            lambda call: call.service == "dynamodb",
            phase=trouble.phase,
            nth=nth,
            times=trouble.times,
            attempts=trouble.attempts,
        )
        try:
            with race(stack, callers_in(stack, kind)) as running:
                running.finish()
            stack.account.heal()
            (caller,) = running.callers.values()
            met = [call for call in caller.sent if call.service == "dynamodb"][nth - 1 : nth]
            if met and trouble.is_healed_at_once(met[0]):
                assert outcome(caller, stack) == undisturbed(situation, kind), "somebody noticed"
            check_after(stack, running)
        except AssertionError as error:
            error.add_note(f"{situation}: {kind}\n{trouble}, number {nth}\n{story(stack)}")
            raise
    return bool(injection.fired)
