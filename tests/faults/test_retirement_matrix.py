"""The crash matrix of keys that are kept: faults of every call of what retires, restores and rotates them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from fakes.faults import ACCESS_DENIED, CONFLICT, CONNECTION_LOST, FAULTS, NOT_FOUND, PROCESS_DEATH
from faults.retiring import COURSES, Course, check_kept, keep, pass_time, send, send_all
from faults.stack import Event, Properties, Stack
from faults.test_crash_matrix import cases

if TYPE_CHECKING:
    from fakes.calls import Call

# The other faults of a connection or of AWS end as these do: they are tried with two of the ways on.
DIFFERENT = (PROCESS_DEATH, CONNECTION_LOST, ACCESS_DENIED, NOT_FOUND, CONFLICT)

Recovery = Callable[[Stack, "list[Event]", "str | None"], "Properties | None"]


def again(stack: Stack, events: list[Event], _answer: str | None) -> Properties | None:
    """The same events come again, as Lambda, Secrets Manager or an operator has it, and must succeed."""
    succeeded = send_all(stack, events) == "SUCCESS"
    # Who asks twice to undo is told that there is nothing left to undo.
    assert succeeded or events[0].get("Operation") == "Undo", f"{events[0]} did not succeed at the second time"
    assert stack.known
    kind = events[0].get("RequestType")
    if kind == "Delete":
        return None
    if kind == "Update":
        stack.known = stack.known[0], events[0]["ResourceProperties"]
    return stack.known[1]


def again_much_later(stack: Stack, events: list[Event], answer: str | None) -> Properties | None:
    """All schedules fire first, those of the looks that are made meanwhile too."""
    pass_time(stack)
    return again(stack, events, answer)


def rolled_back(stack: Stack, events: list[Event], _answer: str | None) -> Properties | None:
    """CloudFormation undoes what it asked for; of what others asked for, a deployment that fails knows nothing."""
    assert stack.known
    kind, known = events[0].get("RequestType"), stack.known
    if kind == "Delete":
        return again(stack, events, _answer)
    new = events[0]["ResourceProperties"] if kind == "Update" else keep(stack, "9")
    if kind != "Update":
        send(stack, stack.update(new))
    assert send(stack, stack.event("Update", known[1], known[0], new)) == "SUCCESS", stack.answers[-1]
    return known[1]


def rolled_back_then_again(stack: Stack, events: list[Event], answer: str | None) -> Properties | None:
    """The same events come again after that, and may fail or not."""
    deployed = rolled_back(stack, events, answer)
    send_all(stack, events)
    return deployed


def deleted(stack: Stack, events: list[Event], answer: str | None) -> Properties | None:
    """The stack is deleted, after what failed was undone."""
    if events[0].get("RequestType") == "Update" and answer != "SUCCESS":
        rolled_back(stack, events, answer)
    assert stack.known
    assert send(stack, stack.event("Delete", stack.known[1], stack.known[0])) == "SUCCESS", stack.answers[-1]
    stack.known = None
    return None


RECOVERIES = (again, again_much_later, rolled_back, rolled_back_then_again, deleted)
TRIED_WITH_ALL = (again, rolled_back)


def calls_of(course: Course) -> list[Call]:
    """List the calls that are made when nothing goes wrong."""
    with Stack.on_fake_account() as stack:
        course.prepare(stack)
        events = course.events(stack)
        stack.account.log.clear()
        assert send_all(stack, events) == "SUCCESS"
        return stack.account.log.calls()


@pytest.mark.parametrize("recovery", RECOVERIES, ids=lambda recovery: recovery.__name__)
@pytest.mark.parametrize("course", COURSES, ids=str)
def test_retirement_matrix(course: Course, recovery: Recovery, record_property: Callable[[str, object], None]) -> None:
    """Whatever fails wherever: the current key works, each replaced key is looked after, and is gone in the end."""
    tried = 0
    kinds = FAULTS if recovery in TRIED_WITH_ALL else DIFFERENT
    for call, fault, phase in cases(calls_of(course), kinds):
        with Stack.on_fake_account() as stack:
            course.prepare(stack)
            events = course.events(stack)
            stack.account.log.clear()
            injection = stack.account.fail(fault, call.index, phase=phase)
            try:
                answer = send_all(stack, events)
                assert injection.fired, "the fault was never met"
                stack.check_always()
                check_current_works(stack, events)
                stack.account.heal()
                deployed = recovery(stack, events, answer)
                check_kept(stack, deployed)
                check_end(stack, deployed)
            except AssertionError as error:
                raise AssertionError(f"{fault} {phase} {call}\n{stack.account.log}") from error
        tried += 1
    record_property("tried", tried)
    assert tried > 20


def check_current_works(stack: Stack, events: list[Event]) -> None:
    """Whoever reads the secret at this moment gets a key that works."""
    if events[0].get("RequestType") != "Delete":
        assert stack.current_key()[1] == "Active"


def check_end(stack: Stack, deployed: Properties | None) -> None:
    """When all time has passed only the current key is left, and one that a rotation has not finished."""
    if deployed is None:
        stack.check_nothing_of_ours()
        return
    pass_time(stack)
    check_kept(stack, deployed)
    labels = stack.account.state.secrets[stack.secret_arn].labels.value
    pending = [label for label, version in labels.items() if version == labels.get("AWSPENDING")]
    staying = {stack.current_key()[0], *(label for label in pending if label.startswith("AKIA"))}
    assert set(stack.our_keys()) == staying, "a replaced key is still there"
