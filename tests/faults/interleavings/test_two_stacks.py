"""Two stacks at once, each with a key of the same user and a secret of its own.

Each secret has an entry and a lease of its own, so nothing keeps the two from acting at the same time. A user has two
key slots.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from fakes.aws import ProcessDeath
from fakes.faults import PROCESS_DEATH
from faults.interleavings.aftermath import answers_to, check_errors
from faults.interleavings.meet import story
from faults.interleavings.orders import Turns, every_turn
from faults.interleavings.situations import RULES
from faults.interleavings.turns import Caller, race
from support.stack import STACK_ID, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.interleavings.orders import Taken
    from support.stack import Event

_SAMPLE = 25
_MOST_CALLS = 26


@dataclass(frozen=True, slots=True)
class Resource:
    """A key of one of the stacks."""

    stack: Stack
    name: str
    secret_arn: str

    def event(self, kind: str, serial: str, deployed: str = "1") -> Event:
        """Make a request for it."""
        new = self.stack.properties(serial, SecretArn=self.secret_arn, RoleArn=self.role_arn, **RULES)
        old = new | {"Serial": deployed} if kind == "Update" else None
        physical_id = None if kind == "Create" else f"deploy@{self.secret_arn}"
        return self.stack.event(kind, new, physical_id, old) | {"StackId": STACK_ID.replace("/shop/", f"/{self.name}/")}

    @property
    def role_arn(self) -> str:
        """The role of its key."""
        return f"arn:aws:iam::123456789012:role/cdk-iam-access-key/{self.name}/{self.name}-KeyRole-ABCDEF"

    def deploy(self, *serials: str) -> None:
        """Create it, and rotate its key."""
        for before, serial in zip(("", *serials), serials, strict=False):
            event = self.event("Update" if before else "Create", serial, before)
            assert self.stack.deliver(event) == "SUCCESS", self.stack.answers[-1]

    def current_key(self) -> str:
        """Return the key that readers of its secret get, which must work."""
        key, status = self.stack.current_key(self.secret_arn)
        assert status == "Active", f"the current key {key} of {self.name} is {status}"
        return key


def resources_of(stack: Stack) -> tuple[Resource, Resource]:
    """Name the two."""
    return Resource(stack, "one", stack.secret_arn), Resource(stack, "two", stack.other_arn)


@dataclass(frozen=True)
class Pair:
    """What the two stacks do at once.

    Attributes:
        prepare: what was done before.
        requests: what each asks for.
        check: what must hold then, given whether each succeeded.
    """

    prepare: Callable[[Resource, Resource], object]
    requests: Callable[[Resource, Resource], tuple[Event, Event]]
    check: Callable[[Resource, Resource, tuple[str, str]], None]


def _both_have_a_key(one: Resource, two: Resource, answers: tuple[str, str]) -> None:
    assert answers == ("SUCCESS", "SUCCESS")
    assert {one.current_key(), two.current_key()} == {*one.stack.our_keys()}
    assert len(one.stack.our_keys()) == 2


def _the_first_has_a_key(one: Resource, _: Resource, answers: tuple[str, str]) -> None:
    assert answers == ("SUCCESS", "SUCCESS")
    assert one.stack.our_keys() == [one.current_key()]


def _none_has_a_key(one: Resource, _: Resource, answers: tuple[str, str]) -> None:
    assert answers == ("SUCCESS", "SUCCESS")
    one.stack.check_nothing_of_ours()


def _one_gets_the_slot(one: Resource, two: Resource, answers: tuple[str, str]) -> None:
    """One gets the slot, or neither; who fails has what it had."""
    assert answers != ("SUCCESS", "SUCCESS")
    one.current_key()
    if answers[1] == "SUCCESS":
        two.current_key()


def _both_stay(one: Resource, two: Resource, answers: tuple[str, str]) -> None:
    """There is no slot: neither takes the other's key."""
    assert answers == ("FAILED", "FAILED")
    _both_have_a_key(one, two, ("SUCCESS", "SUCCESS"))


def _other_is_untouched(_: Resource, two: Resource, answers: tuple[str, str]) -> None:
    """A key that the second makes is never taken for what the first has lost."""
    if answers[1] == "SUCCESS":
        two.current_key()


def _each_deploys(one: Resource, two: Resource) -> None:
    one.deploy("1")
    two.deploy("1")


def _first_dies(one: Resource, _: Resource) -> None:
    """Let the first die as it makes a key, and its lease end."""
    one.stack.account.fail(PROCESS_DEATH, "iam:CreateAccessKey", phase="after")
    assert one.stack.invoke(one.event("Create", "1"), "provider") is ProcessDeath
    one.stack.account.heal()
    one.stack.account.clock.sleep(61)


PAIRS = {
    "two creates": Pair(
        lambda _one, _two: None,
        lambda one, two: (one.event("Create", "1"), two.event("Create", "1")),
        _both_have_a_key,
    ),
    "a create and a delete": Pair(
        lambda _one, two: two.deploy("1"),
        lambda one, two: (one.event("Create", "1"), two.event("Delete", "1")),
        _the_first_has_a_key,
    ),
    "two deletes": Pair(
        _each_deploys, lambda one, two: (one.event("Delete", "1"), two.event("Delete", "1")), _none_has_a_key
    ),
    "a rotation and a create": Pair(
        lambda one, _two: one.deploy("1", "2"),
        lambda one, two: (one.event("Update", "3", "2"), two.event("Create", "1")),
        _one_gets_the_slot,
    ),
    "two rotations": Pair(
        _each_deploys, lambda one, two: (one.event("Update", "2"), two.event("Update", "2")), _both_stay
    ),
    "a create again after a death and a create": Pair(
        _first_dies,
        lambda one, two: (one.event("Create", "1"), two.event("Create", "1")),
        _other_is_untouched,
    ),
}


def meet(name: str, order: Turns) -> Taken:
    """Let the two act at once, and then both be deleted: nothing is left."""
    pair = PAIRS[name]
    with Stack.on_fake_account() as stack:
        one, two = resources_of(stack)
        pair.prepare(one, two)
        events = pair.requests(one, two)
        callers = {"first": Caller("first", events[0], "provider"), "second": Caller("second", events[1], "provider")}
        try:
            with race(stack, callers) as running:
                found = order.take(running)
            check_errors(running)
            stack.check_always()
            answers = [str(answers_to(stack, event)[0]["Status"]) for event in events]
            pair.check(one, two, (answers[0], answers[1]))
            for resource in (one, two):
                assert stack.deliver(resource.event("Delete", "1")) == "SUCCESS", stack.answers[-1]
            for _ in range(16):
                stack.sweep()
            stack.check_deployed(None)
        except AssertionError as error:
            error.add_note(f"{name}\n{order}\n{story(stack)}")
            raise
    return found


def _some(name: str) -> Iterator[Turns]:
    chance = random.Random(name)
    for _ in range(_SAMPLE):
        one, other = chance.sample(("first", "second"), 2)
        number = chance.randint(2, 6)
        turns = [((one, other)[turn % 2], chance.randint(1, _MOST_CALLS // 2)) for turn in range(number)]
        yield Turns(tuple(turns))


@pytest.mark.parametrize("name", PAIRS)
def test_two_stacks_with_keys_of_one_user(name: str) -> None:
    """A sample: whoever has turns when, neither touches the other's key."""
    for order in _some(name):
        meet(name, order)


def test_a_create_that_fails_for_another_stacks_key_does_not_delete_it() -> None:
    """It can't know yet whose the key is that came to be meanwhile: the other stack has not recorded it."""
    meet("a create again after a death and a create", Turns((("second", 7), ("first", 37), ("second", None))))


@pytest.mark.thorough
@pytest.mark.parametrize("name", PAIRS)
def test_two_stacks_with_keys_of_one_user_in_every_order(name: str) -> None:
    """Every order with up to two changes of turn."""
    orders = every_turn()
    order = next(orders)
    while True:
        found = meet(name, order)
        try:
            order = orders.send(found)
        except StopIteration:
            return
