"""Two stacks, each with a key of the same user, at the same time. A user has room for two keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faults.neighbours import Resource, two_stacks
from faults.stack import Stack
from faults.test_races import answers_to, handler, random_schedules, schedules
from faults.turns import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.stack import Event
    from faults.turns import Schedule

Answers = tuple[str, str]

CALLS = 22
RANDOM = 50


def at_once(stack: Stack, schedule: Schedule, first: Event, second: Event) -> Answers:
    """Run two requests, and return what they were answered."""
    run(stack.account, schedule, first=handler(stack, first), second=handler(stack, second))
    stack.check_always()
    one, two = (str(answers_to(stack, event)[0]["Status"]) for event in (first, second))
    return one, two


def deploy(resource: Resource, *serials: str) -> None:
    """Create a resource, and rotate its key."""
    for before, serial in zip(("", *serials), serials, strict=False):
        event = resource.event("Update" if before else "Create", serial, before)
        assert resource.stack.deliver(event) == "SUCCESS", resource.stack.answers[-1]


def two_creates(stack: Stack, schedule: Schedule) -> None:
    """Each gets a key of its own."""
    resources = two_stacks(stack)
    events = [resource.event("Create", "1") for resource in resources]
    assert at_once(stack, schedule, *events) == ("SUCCESS", "SUCCESS")
    assert len({resource.current_key() for resource in resources}) == 2
    assert len(stack.our_keys()) == 2


def a_create_and_a_delete(stack: Stack, schedule: Schedule) -> None:
    """One is there in the end, the other is gone."""
    one, two = two_stacks(stack)
    deploy(two, "1")
    assert at_once(stack, schedule, one.event("Create", "1"), two.event("Delete", "1")) == ("SUCCESS", "SUCCESS")
    assert stack.our_keys() == [one.current_key()]


def two_deletes(stack: Stack, schedule: Schedule) -> None:
    """Nothing is left."""
    one, two = two_stacks(stack)
    deploy(one, "1")
    deploy(two, "1")
    assert at_once(stack, schedule, one.event("Delete", "1"), two.event("Delete", "1")) == ("SUCCESS", "SUCCESS")
    stack.check_nothing_of_ours()


def a_rotation_and_a_create(stack: Stack, schedule: Schedule) -> None:
    """The rotation deletes its retired key for room, and one of the two gets it; the other fails, and is undone."""
    one, two = two_stacks(stack)
    deploy(one, "1", "2")
    before = one.current_key()
    rotated, created = at_once(stack, schedule, one.event("Update", "3", "2"), two.event("Create", "1"))
    assert (rotated, created) != ("SUCCESS", "SUCCESS")
    if rotated == "FAILED":
        assert stack.deliver(one.event("Update", "2", "3")) == "SUCCESS", stack.answers[-1]
        assert one.current_key() == before
    else:
        assert one.current_key() != before
    if created == "FAILED":
        assert stack.deliver(two.event("Delete", "1")) == "SUCCESS", stack.answers[-1]
        assert all(stack._keys("deploy")[key] == "Inactive" for key in {*stack.our_keys()} - {one.current_key()})
    else:
        assert {*stack.our_keys()} == {before, two.current_key()}


def every_turn(name: str) -> Iterator[Schedule]:
    """Give all turns with up to two changes, and a sample of those with more."""
    yield from schedules(CALLS, CALLS)
    yield from random_schedules(name, RANDOM)


@pytest.mark.parametrize("pair", [two_creates, a_create_and_a_delete, two_deletes, a_rotation_and_a_create])
def test_two_stacks_with_keys_of_one_user(
    pair: Callable[[Stack, Schedule], None], record_property: Callable[[str, object], None]
) -> None:
    """Whoever has turns when: neither touches the other's key, and after both are deleted nothing is left."""
    orders = list(every_turn(pair.__name__))
    for schedule in orders:
        shown = str(schedule)
        with Stack.on_fake_account() as stack:
            try:
                pair(stack, schedule)
                for resource in two_stacks(stack):
                    assert stack.deliver(resource.event("Delete", "1")) == "SUCCESS"
                stack.check_deployed(None)
            except AssertionError as error:
                raise AssertionError(f"{shown}\n{stack.account.log}") from error
    record_property("tried", len(orders))


@pytest.mark.parametrize("turn", range(0, 45, 3))
def test_two_stacks_rotate_keys_of_one_user(turn: int) -> None:
    """Two keys are all the room there is: neither may take the other's, so both stay as they are."""
    for other in range(0, 45, 3):
        for last in ("first", "second"):
            with Stack.on_fake_account() as stack:
                one, two = two_stacks(stack)
                deploy(one, "1")
                deploy(two, "1")
                before = one.current_key(), two.current_key()
                schedule: Schedule = [("first", turn), ("second", other), (last, None)]
                answers = at_once(stack, schedule, one.event("Update", "2"), two.event("Update", "2"))
                assert answers == ("FAILED", "FAILED")
                assert (one.current_key(), two.current_key()) == before
