"""AWS as it is: news come late, clocks differ, pages are short, and there are more keys than two."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from fakes.lags import Lag
from faults.operations import BY_CLOUDFORMATION, OPERATIONS
from faults.ways import SUCCESS, completed, rolled_back, send
from support.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stack import Operation

LATE = {
    "reads": Lag(reads=1),
    "seconds": Lag(seconds=3),
}
LAGGING = ("new_keys", "deleted_keys", "key_status", "labels", "indexes", "user_tags")
CONDITIONS: dict[str, Callable[[Stack], None]] = {
    "new keys are refused for seconds": lambda stack: setattr(stack.account.switches, "new_key_seconds", 8.0),
    "new keys are refused once more elsewhere": lambda stack: stack.account.switches.new_key_rejections_in.update(
        {"us-east-1": 3}
    ),
    "IAM's clock is ahead": lambda stack: setattr(stack.account.switches, "iam_clock_skew", 45.0),
    "IAM's clock is behind": lambda stack: setattr(stack.account.switches, "iam_clock_skew", -45.0),
    "pages of one": lambda stack: setattr(stack.account.switches, "page_size", 1),
    "slow calls": lambda stack: setattr(stack.account.switches, "latency", 2.0),
    "last use comes late": lambda stack: setattr(stack.account.switches, "last_use_seconds", 3600.0),
}
SOME = OPERATIONS[::3]


def all_is_well(operation: Operation, prepare: Callable[[Stack], None]) -> None:
    """Carry an operation out, with what its caller does then, and check everything after a sweep."""
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        prepare(stack)
        event = operation.request(stack)
        answer = send(stack, event)
        deployed = stack.known[1] if stack.known else None
        if "RequestType" in event:
            assert answer == SUCCESS, stack.answers[-1]
            deployed = completed(stack, event)
        # As long as what is late is seen, no attempt to create a key is ended.
        stack.sweep_for(timedelta(minutes=40), every=timedelta(minutes=8))
        if stack.entry.get("rotation"):
            stack.sweep(timedelta(days=1))
        # Those who check read one page.
        stack.account.switches.page_size = 100
        stack.check_deployed(deployed)


def lag(lagging: str, late: str) -> Callable[[Stack], None]:
    """Let something come late from now on."""
    return lambda stack: setattr(stack.account.lags, lagging, LATE[late])


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("lagging", LAGGING)
def test_news_that_come_late(lagging: str, late: str) -> None:
    """What was written is seen late, and all ends as if it was seen at once: some operations of each caller."""
    for operation in SOME:
        all_is_well(operation, lag(lagging, late))


@pytest.mark.thorough
@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("lagging", LAGGING)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_news_that_come_late_in_every_operation(operation: Operation, lagging: str, late: str) -> None:
    """The same for each operation of each caller."""
    all_is_well(operation, lag(lagging, late))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions(condition: str) -> None:
    """All ends as on an account that answers at once, in one page and with the right time."""
    for operation in BY_CLOUDFORMATION[::3]:
        all_is_well(operation, CONDITIONS[condition])


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("lagging", LAGGING)
def test_a_rollback_a_second_later_while_news_come_late(lagging: str, late: str) -> None:
    """What the request did is not seen yet when it is undone: what was deployed before is deployed again."""
    for operation in BY_CLOUDFORMATION[4:12]:
        with Stack.on_fake_account(operation.value) as stack:
            operation.prepare(stack)
            lag(lagging, late)(stack)
            event = operation.request(stack)
            assert stack.deliver(event) == SUCCESS, stack.answers[-1]
            stack.account.clock.sleep(1)
            deployed = rolled_back(stack, event, SUCCESS)
            stack.sweep_for(timedelta(minutes=40), every=timedelta(minutes=8))
            if stack.entry.get("rotation"):
                stack.sweep(timedelta(days=1))
            stack.check_deployed(deployed)


def test_a_role_that_was_just_made() -> None:
    """A new role is refused for a while before it works: the first request waits for it."""
    with Stack.on_fake_account() as stack:
        began = stack.account.clock.now()
        stack.account.deny(
            lambda call: (
                (call.name == "sts:AssumeRole" or call.service in {"iam", "secretsmanager"})
                and (call.time - began).total_seconds() < 100
            )
        )
        assert send(stack, stack.create(stack.properties())) == SUCCESS, stack.answers[-1]
