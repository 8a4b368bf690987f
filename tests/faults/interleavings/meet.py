"""Lets callers meet in an order, and says in which if something does not hold afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from faults.interleavings.aftermath import KeyWatch, check_after
from faults.interleavings.orders import Stall
from faults.interleavings.situations import KINDS, SITUATIONS, callers_in
from faults.interleavings.turns import race

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from faults.interleavings.orders import Meeting, Taken, Turns
    from faults.interleavings.turns import Race
    from support.stack import Stack

    Order = Stall | Turns
    Check = Callable[[Race], None]
    Skews = tuple[float, ...]


def meet(meeting: Meeting, order: Order, check: Check | None = None, skews: Skews = ()) -> Taken:
    """Let callers meet, and check what must hold.

    While all are alive, the current key must work at each moment, unless one of the callers removes it. A call that
    comes through after its lease was lost may break that for the moment that it takes to take it back.

    Args:
        meeting: who meets, and where.
        order: in which order they make their calls.
        check: what is to be checked beside that, before anybody does anything else.
        skews: how many seconds each one's clock is ahead.
    """
    removes = any(KINDS[kind].removes for kind in meeting.kinds)
    is_late = isinstance(order, Stall) or any(skews)
    with SITUATIONS[meeting.situation].prepared.forked() as stack:
        watch = KeyWatch(stack) if stack.known and not removes and not is_late else None
        try:
            with race(stack, callers_in(stack, *meeting.kinds)) as running:
                for caller, skew in zip(running.callers.values(), skews, strict=False):
                    caller.skew = timedelta(seconds=skew)
                found = order.take(running)
            if is_late:
                _forgive(stack)
            if check:
                check(running)
            check_after(stack, running)
            assert watch is None or watch.broken == []
        except AssertionError as error:
            error.add_note(f"{meeting}\n{order} {skews or ''}\n{story(stack)}")
            raise
    return found


def meet_in_every(meeting: Meeting, orders: Generator[Order, Taken, None], check: Check | None = None) -> int:
    """Try all orders of a generator that has to know what came of each; return how many there were."""
    tried, order = 0, next(orders)
    while True:
        found, tried = meet(meeting, order, check), tried + 1
        try:
            order = orders.send(found)
        except StopIteration:
            return tried


def meet_in_some(meeting: Meeting, orders: Iterable[Order], check: Check | None = None) -> None:
    """Try some orders."""
    for order in orders:
        meet(meeting, order, check)


def story(stack: Stack) -> str:
    """Tell what was called, without the questions of those who wait for the lease."""
    calls = stack.account.log.entries
    return "\n".join(
        f"{call} {call.parameters.get('AccessKeyId', '')}"
        for before, call in zip([None, *calls], calls, strict=False)
        if before is None or not before.name == call.name == "dynamodb:GetItem"
    )


def _forgive(stack: Stack) -> None:
    """Let pass that a late call made a key Active between the two calls that deactivate and delete it.

    IAM has no condition that would keep it from that. The key goes all the same.
    """
    stack.account.violations[:] = [told for told in stack.account.violations if "while it was Active" not in told]
