"""Every operation, every call in it, every fault, every way that it goes on afterwards.

The calls are those that a run without a fault makes: a new call is tried by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from fakes.faults import FAULTS, TIMED_OUT, Fault
from faults.stack import OPERATIONS, Event, Operation, Properties, Stack

if TYPE_CHECKING:
    from fakes.calls import Call

Recovery = Callable[[Stack, Event, "str | None"], "Properties | None"]


def redelivered(stack: Stack, event: Event, _answer: str | None) -> Properties | None:
    """The same event comes again, as Lambda or an operator has it, and must succeed."""
    assert stack.deliver(event) == "SUCCESS", stack.answers[-1]
    return completed(stack, event)


def completed(stack: Stack, event: Event) -> Properties | None:
    """CloudFormation takes the answer for good, and cleans the old place if the id has changed."""
    if event["RequestType"] == "Delete":
        return None
    if stack.known and stack.last_id != stack.known[0]:
        assert stack.deliver(stack.event("Delete", stack.known[1], stack.known[0])) == "SUCCESS"
    deployed: Properties = event["ResourceProperties"]
    return deployed


def rolled_back(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """CloudFormation undoes the request, whether it failed, never answered, or a sibling failed after it."""
    if event["RequestType"] == "Delete":
        return redelivered(stack, event, answer)
    new = event["ResourceProperties"]
    if stack.known is None:
        physical_id = stack.last_id if answer else "shop-Key-1QWERTZUIOPA"
        assert stack.deliver(stack.event("Delete", new, physical_id)) == "SUCCESS", stack.answers[-1]
        return None
    if answer == "SUCCESS" and stack.last_id != stack.known[0]:
        assert stack.deliver(stack.event("Delete", new, stack.last_id)) == "SUCCESS", stack.answers[-1]
    else:
        assert stack.deliver(stack.event("Update", stack.known[1], stack.known[0], new)) == "SUCCESS"
    return stack.known[1]


def redelivered_then_rolled_back(stack: Stack, event: Event, _answer: str | None) -> Properties | None:
    """Both, in the order that they were made."""
    return rolled_back(stack, event, stack.deliver(event))


def rolled_back_then_redelivered(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """The event comes again after it was undone: it must not be done again."""
    deployed = rolled_back(stack, event, answer)
    stack.deliver(event)
    return deployed


def deleted(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """Nothing, and then the stack is deleted, with what CloudFormation takes for deployed."""
    known = stack.known
    if answer == "SUCCESS":
        new = completed(stack, event)
        known = (f"{new['UserName']}@{new['SecretArn']}", new) if new else None
    elif stack.known is None:
        known = "shop-Key-1QWERTZUIOPA", event["ResourceProperties"]
    elif event["RequestType"] == "Update":
        # A failed update is rolled back before anything else.
        rolled_back(stack, event, answer)
    if known:
        assert stack.deliver(stack.event("Delete", known[1], known[0])) == "SUCCESS"
    return None


RECOVERIES = (redelivered, rolled_back, redelivered_then_rolled_back, rolled_back_then_redelivered, deleted)


def calls_of(operation: Operation) -> list[Call]:
    """List the calls that an operation makes when nothing goes wrong."""
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        stack.account.log.clear()
        assert stack.deliver(operation.request(stack)) == "SUCCESS"
        return stack.account.log.calls()


def cases(calls: list[Call], faults: tuple[Fault, ...] = FAULTS) -> Iterator[tuple[Call, Fault, Any]]:
    """List every fault of every call, at each end at which it can happen."""
    for call in calls:
        for fault in faults:
            if fault.applies_to(call):
                yield from ((call, fault, phase) for phase in fault.phases)


@pytest.mark.parametrize("recovery", RECOVERIES, ids=lambda recovery: recovery.__name__)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_crash_matrix(operation: Operation, recovery: Recovery, record_property: Callable[[str, object], None]) -> None:
    """Whatever fails wherever, and whatever comes then: no key is lost, none is too many, none is foreign."""
    tried = 0
    for call, fault, phase in cases(calls_of(operation)):
        with Stack.on_fake_account(operation.value) as stack:
            operation.prepare(stack)
            stack.account.log.clear()
            injection = stack.account.fail(fault, call.index, phase=phase)
            event = operation.request(stack)
            try:
                answer = stack.deliver(event)
                assert injection.fired, "the fault was never met"
                stack.check_always()
                check_current_key_works(stack, event)
                stack.account.heal()
                stack.check_deployed(recovery(stack, event, answer))
                check_value_given_back(stack, operation, event, recovery)
            except AssertionError as error:
                raise AssertionError(f"{fault} {phase} {call}\n{stack.account.log}") from error
        tried += 1
    record_property("tried", tried)
    assert tried > 30


def check_current_key_works(stack: Stack, event: Event) -> None:
    """Whoever reads the secret at this moment gets a key that exists, and works if it was declared so."""
    if stack.known is None or event["RequestType"] == "Delete":
        return
    before, after = stack.known[1], event["ResourceProperties"]
    _, status = stack.current_key(before["SecretArn"])
    assert status in {before["Status"], after["Status"]}, f"the current key is {status}"


def check_value_given_back(stack: Stack, operation: Operation, event: Event, recovery: Recovery) -> None:
    """A secret that had a value has it again when the key is gone."""
    if operation.value and recovery is not redelivered and event["RequestType"] == "Create":
        secrets = stack.account.client("secretsmanager")
        value = secrets.get_secret_value(SecretId=stack.secret_arn, VersionStage="AWSCURRENT")["SecretString"]
        assert value == operation.value


def test_create_access_key_is_sent_once() -> None:
    """It has no idempotency token: the SDK's own second attempt would make a second key."""
    operation = next(operation for operation in OPERATIONS if operation.name == "rotate")
    with Stack.on_fake_account() as stack:
        operation.prepare(stack)
        stack.account.log.clear()
        stack.account.fail(TIMED_OUT, "iam:CreateAccessKey", phase="after")
        event = operation.request(stack)
        assert stack.deliver(event) == "SUCCESS"
        attempts = [entry.attempt for entry in stack.account.log.entries if entry.name == "iam:CreateAccessKey"]
        assert attempts == [1, 1], "the first answer was lost, the second call made the key"
        stack.check_deployed(event["ResourceProperties"])
