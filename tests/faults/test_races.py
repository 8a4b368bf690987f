"""Two requests at once, in every order with up to two changes of turn and a sample of others; a person in between."""

from __future__ import annotations

import functools
import itertools
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fakes.aws import Context
from faults.stack import OPERATIONS, Operation, Stack
from faults.turns import run

from access_key_provider import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.stack import Event, Properties
    from faults.turns import Schedule

    Record = Callable[[str, object], None]


def handler(stack: Stack, event: Event) -> Callable[[], None]:
    """Handle an event without looking at the answer."""
    return lambda: main.handler(event, Context(stack.account.clock))


def answers_to(stack: Stack, event: Event) -> list[dict[str, Any]]:
    """List what an event was answered, first answer first."""
    return [answer for answer in stack.answers if answer["RequestId"] == event["RequestId"]]


def schedules(first: int, second: int, step: int = 1) -> Iterator[Schedule]:
    """Give turns: the first makes i calls, the second j, then the first goes on, then the second; and the reverse."""
    for i, j in itertools.product(range(0, first + 1, step), range(0, second + 1, step)):
        yield [("first", i), ("second", j), ("first", None), ("second", None)]
        yield [("first", i), ("second", j), ("second", None), ("first", None)]


def random_schedules(seed: str, number: int) -> Iterator[Schedule]:
    """Give turns of a few calls each, three to eight changes of them, then each goes on to its end."""
    chance = random.Random(seed)
    for _ in range(number):
        names = chance.sample(("first", "second"), 2)
        turns = [(names[turn % 2], chance.randint(1, 9)) for turn in range(chance.randint(3, 8))]
        yield [*turns, *((name, None) for name in names)]


@contextmanager
def raced(
    operation: Operation, schedule: Schedule, follow: Callable[[Stack, Event], Event]
) -> Iterator[tuple[Stack, Event, Event]]:
    """Run an operation's request and the one that follows it as the schedule says, and report it if a check fails."""
    shown = str(schedule)
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        first = operation.request(stack)
        second = follow(stack, first)
        run(stack.account, schedule, first=handler(stack, first), second=handler(stack, second))
        try:
            yield stack, first, second
        except AssertionError as error:
            raise AssertionError(f"{shown}\n{stack.account.log}") from error


@functools.cache
def count_calls(operation: Operation) -> int:
    """Count the calls that an operation makes."""
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        stack.account.log.clear()
        stack.deliver(operation.request(stack))
        return len(stack.account.log.calls())


CREATIONS = [operation for operation in OPERATIONS if operation.name.startswith("create")]
# Not "restore": it deletes the newer key, and a request that comes between its last check and that call comes too late.
# CloudFormation never rolls a rollback back; only a person who changes the serial back and then cancels gets there.
UPDATES_IN_PLACE = [
    operation for operation in OPERATIONS if operation.name.startswith(("rotate", "deactivate", "activate", "describe"))
]
RANDOM = 30


def turns_of(operation: Operation, second: int, step: int = 1) -> Iterator[Schedule]:
    """Give all turns with up to two changes, and a sample of those with more."""
    yield from schedules(count_calls(operation) + 2, second, step)
    yield from random_schedules(operation.name, RANDOM)


@pytest.mark.parametrize("operation", CREATIONS, ids=str)
def test_a_create_and_the_delete_that_cancels_it(operation: Operation, record_property: Record) -> None:
    """CloudFormation does not wait for the Create: nothing is left, and the secret's own value is back."""

    def cancelled(stack: Stack, create: Event) -> Event:
        stack.account.clock.sleep(1)
        return stack.event("Delete", create["ResourceProperties"], "shop-Key-1QWERTZUIOPA")

    orders = list(turns_of(operation, 14))
    for schedule in orders:
        with raced(operation, schedule, cancelled) as (stack, _, delete):
            if answers_to(stack, delete)[0]["Status"] == "FAILED":
                # CloudFormation tries a failed Delete again.
                assert stack.deliver(delete) == "SUCCESS"
            stack.check_deployed(None)
            if operation.value:
                value = stack.account.client("secretsmanager").get_secret_value(
                    SecretId=stack.secret_arn, VersionStage="AWSCURRENT"
                )
                assert value["SecretString"] == operation.value
    record_property("tried", len(orders))


@pytest.mark.parametrize("operation", UPDATES_IN_PLACE, ids=str)
def test_an_update_and_the_rollback_that_overtakes_it(operation: Operation, record_property: Record) -> None:
    """The rollback came last, so its properties are what is deployed in the end."""

    def undone(stack: Stack, update: Event) -> Event:
        stack.account.clock.sleep(1)
        assert stack.known
        return stack.event("Update", stack.known[1], stack.known[0], update["ResourceProperties"])

    orders = list(turns_of(operation, 12))
    for schedule in orders:
        with raced(operation, schedule, undone) as (stack, _, back):
            assert answers_to(stack, back)[0]["Status"] == "SUCCESS"
            assert stack.known
            stack.check_deployed(stack.known[1])
    record_property("tried", len(orders))


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_the_same_event_twice_at_once(operation: Operation, record_property: Record) -> None:
    """CloudFormation takes the first answer; after what it does then, all is as it should be."""
    orders = list(turns_of(operation, 12, 2))
    for schedule in orders:
        with raced(operation, schedule, lambda _, event: event) as (stack, event, _):
            stack.check_deployed(followed_up(stack, event))
    record_property("tried", len(orders))


def followed_up(stack: Stack, event: Event) -> Properties | None:
    """Do what CloudFormation does after the first answer, and return what it takes for deployed."""
    first = answers_to(stack, event)[0]
    new: Properties = event["ResourceProperties"]
    succeeded = first["Status"] == "SUCCESS"
    if event["RequestType"] == "Delete":
        if not succeeded:
            assert stack.deliver(event) == "SUCCESS"
        return None
    if stack.known is None:
        if succeeded:
            # The second delivery may have failed since and taken the key with it: the next request repairs that.
            stack.known = first["PhysicalResourceId"], new
            stack.must(stack.update(new))
            return new
        assert stack.deliver(stack.event("Delete", new, first["PhysicalResourceId"])) == "SUCCESS"
        return None
    if not succeeded:
        assert stack.deliver(stack.event("Update", stack.known[1], stack.known[0], new)) == "SUCCESS"
        return stack.known[1]
    old, stack.known = stack.known, (first["PhysicalResourceId"], new)
    stack.must(stack.update(new))
    if old[0] != stack.known[0]:
        assert stack.deliver(stack.event("Delete", old[1], old[0])) == "SUCCESS"
    return new


HANDS: dict[str, Callable[[Stack], object]] = {
    "makes a key": lambda stack: stack.add_foreign_key("deploy"),
    "deletes all keys": lambda stack: [stack.account.person.delete_key(key) for key in stack.our_keys()],
    "deactivates all keys": lambda stack: [stack.account.person.deactivate_key(key) for key in stack.our_keys()],
    "removes all labels": lambda stack: stack.account.person.remove_own_labels(stack.secret_arn),
    "removes the user's tags": lambda stack: stack.account.person.untag_user("deploy"),
    "removes the secret's tags": lambda stack: stack.account.person.untag_secret(stack.secret_arn),
    "puts a value": lambda stack: stack.account.person.put_value(stack.secret_arn, "by hand"),
    "creates the user anew": lambda stack: stack.account.person.recreate_user("deploy"),
}


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("name", ["create", "create in a secret with a value", "rotate", "restore", "delete"])
def test_a_person_between_any_two_calls(name: str, hand: str) -> None:
    """Whatever they do and whenever: no foreign key is touched, and after the stack is deleted none of ours is left."""
    operation = next(operation for operation in OPERATIONS if operation.name == name)
    for index in range(count_calls(operation) + 1):
        with Stack.on_fake_account(operation.value) as stack:
            operation.prepare(stack)
            stack.account.log.clear()
            event = operation.request(stack)
            stack.account.at(index, lambda stack=stack: HANDS[hand](stack))
            try:
                answer = stack.deliver(event)
                stack.account.heal()
                stack.check_always_but_vanished()
                if event["RequestType"] != "Delete" or answer == "FAILED":
                    delete = stack.event("Delete", event["ResourceProperties"], stack.last_id)
                    assert stack.deliver(delete) == "SUCCESS", stack.answers[-1]
                stack.check_nothing_of_ours()
            except AssertionError as error:
                raise AssertionError(f"before call {index}\n{stack.account.log}") from error
