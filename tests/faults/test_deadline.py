"""The function's time runs out in the middle of every call of every operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faults.operations import BY_CLOUDFORMATION
from faults.ways import deployed_next, redelivered, rolled_back, send
from support.stack import Stack

if TYPE_CHECKING:
    from faults.ways import Way
    from support.stack import Operation

_SOME = 5


def met(operation: Operation, left: int, ways: tuple[Way, ...], every: int) -> None:
    """Let a call take so long that little time is left; look that it is answered, and go on."""
    with Stack.on_fake_account(operation.value) as prepared:
        operation.prepare(prepared)
        prepared.account.log.clear()
        with prepared.forked() as undisturbed:
            send(undisturbed, operation.request(undisturbed))
            calls = undisturbed.account.log.calls()
        for call in calls[::every]:
            with prepared.forked() as stack:
                clock = stack.account.clock
                stack.account.at(call.index, lambda clock=clock: clock.sleep(300 - left))  # type: ignore[misc]
                event = operation.request(stack)
                answer = send(stack, event)
                assert answer is not None, f"no answer {left} seconds after {call}"
                stack.check_always()
                stack.account.heal()
                for way in ways:
                    with stack.forked() as fork:
                        deployed = way(fork, event, answer)
                        fork.sweep()
                        fork.check_deployed(deployed)


@pytest.mark.parametrize("left", [30, 10], ids=["time to undo", "time to answer"])
@pytest.mark.parametrize("operation", BY_CLOUDFORMATION[::4], ids=str)
def test_the_deadline_is_met(operation: Operation, left: int) -> None:
    """A call takes so long that little time is left: it is answered in time, and what comes then finds its way."""
    met(operation, left, (redelivered, rolled_back), _SOME)


@pytest.mark.thorough
@pytest.mark.parametrize("left", [30, 10], ids=["time to undo", "time to answer"])
@pytest.mark.parametrize("operation", BY_CLOUDFORMATION, ids=str)
def test_the_deadline_is_met_at_every_call(operation: Operation, left: int) -> None:
    """The same at every call of every operation of CloudFormation."""
    met(operation, left, (redelivered, rolled_back, deployed_next), 1)
