"""The function's time runs out in the middle of every call of every operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faults.stack import OPERATIONS, Operation, Stack
from faults.test_crash_matrix import RECOVERIES, calls_of

if TYPE_CHECKING:
    from faults.test_crash_matrix import Recovery


@pytest.mark.parametrize("left", [30, 10], ids=["time to undo", "time to answer"])
@pytest.mark.parametrize("recovery", RECOVERIES, ids=lambda recovery: recovery.__name__)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_the_deadline_is_met_at_every_call(operation: Operation, recovery: Recovery, left: int) -> None:
    """A call takes so long that little time is left: it is answered in time, and what comes then finds its way."""
    for call in calls_of(operation):
        with Stack.on_fake_account(operation.value) as stack:
            operation.prepare(stack)
            stack.account.log.clear()
            clock = stack.account.clock
            stack.account.at(call.index, lambda clock=clock: clock.sleep(300 - left))
            event = operation.request(stack)
            try:
                answer = stack.deliver(event)
                assert answer is not None
                stack.check_always()
                stack.account.heal()
                stack.check_deployed(recovery(stack, event, answer))
            except AssertionError as error:
                raise AssertionError(f"{left} seconds after {call}\n{stack.account.log}") from error
