"""AWS as it is: news come late, clocks differ, pages are short, and there are more keys than two."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.aws import Role
from fakes.lags import Lag
from faults.stack import OPERATIONS, Operation, Stack
from provider.world import ROLE_ARN

if TYPE_CHECKING:
    from faults.stack import Properties

LAGGING = ("new_keys", "deleted_keys", "key_status", "user_tags", "labels", "secret_tags")
LAGS = {"a read": Lag(reads=1), "two reads": Lag(reads=2), "three seconds": Lag(seconds=3)}


def deliver_and_check(stack: Stack, operation: Operation) -> None:
    """Carry an operation out, with what CloudFormation does then, and check the result."""
    event = operation.request(stack)
    assert stack.deliver(event) == "SUCCESS", stack.answers[-1]
    known: Properties | None = event["ResourceProperties"]
    if event["RequestType"] == "Delete":
        known = None
    elif stack.known and stack.last_id != stack.known[0]:
        assert stack.deliver(stack.event("Delete", stack.known[1], stack.known[0])) == "SUCCESS"
    # The checks read one page only.
    stack.account.switches.page_size = 100
    stack.check_deployed(known)
    assert what_is_left(stack) == ends_with(operation)


def what_is_left(stack: Stack) -> object:
    """Tell the keys, with their status, and the tags of each user; ids are the same in every run."""
    iam = stack.account.client("iam")
    return [
        (stack._keys(user), sorted((tag["Key"], tag["Value"]) for tag in iam.list_user_tags(UserName=user)["Tags"]))
        for user in ("deploy", "vendor")
    ]


@functools.cache
def ends_with(operation: Operation) -> object:
    """Tell what is left on an account where nothing comes late."""
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        event = operation.request(stack)
        stack.must(event) if event["RequestType"] != "Delete" else stack.deliver(event)
        if event["RequestType"] == "Update" and stack.last_id != event["PhysicalResourceId"]:
            stack.deliver(stack.event("Delete", event["OldResourceProperties"], event["PhysicalResourceId"]))
        return what_is_left(stack)


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("lagging", LAGGING)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_news_that_come_late(operation: Operation, lagging: str, lag: str) -> None:
    """What was written is seen late, and all ends as if it was seen at once."""
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        setattr(stack.account.lags, lagging, LAGS[lag])
        deliver_and_check(stack, operation)


IN_PLACE = [
    operation
    for operation in OPERATIONS
    if operation.name.startswith(("rotate", "restore", "deactivate", "activate", "describe"))
]


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("lagging", LAGGING)
@pytest.mark.parametrize("operation", IN_PLACE, ids=str)
def test_a_rollback_a_second_later_while_news_come_late(operation: Operation, lagging: str, lag: str) -> None:
    """What the request did is not seen yet when it is undone: what was deployed before is deployed again."""
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        assert stack.known
        setattr(stack.account.lags, lagging, LAGS[lag])
        before = stack.current_key()
        event = operation.request(stack)
        assert stack.deliver(event) == "SUCCESS", stack.answers[-1]
        stack.account.clock.sleep(1)
        back = stack.event("Update", stack.known[1], stack.known[0], event["ResourceProperties"])
        assert stack.deliver(back, after=0) == "SUCCESS", stack.answers[-1]
        stack.check_deployed(stack.known[1])
        # Going back to an earlier serial deletes the newer key, so that undoing that makes another one.
        assert stack.current_key() == before or operation.name == "restore"


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("operation", IN_PLACE, ids=str)
def test_a_delete_a_second_later_while_the_status_comes_late(operation: Operation, lag: str) -> None:
    """What is deleted is deactivated first, also if it seems to be Inactive already."""
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        stack.account.lags.key_status = LAGS[lag]
        stack.must(operation.request(stack))
        stack.account.clock.sleep(1)
        assert stack.known
        assert stack.deliver(stack.event("Delete", stack.known[1], stack.known[0]), after=0) == "SUCCESS"
        stack.check_deployed(None)


@pytest.mark.parametrize("lag", LAGS)
def test_room_that_a_person_has_made_is_seen_late(lag: str) -> None:
    """Who is told that the user has two keys deletes one and deploys again: the listing may have it for a moment."""
    with Stack.on_fake_account() as stack:
        stack.must(stack.create(stack.properties("1")))
        foreign = stack.account.person.make_key("deploy")
        stack.account.lags.deleted_keys = LAGS[lag]
        stack.account.person.deactivate_key(foreign)
        stack.account.person.delete_key(foreign)
        properties = stack.properties("2")
        assert stack.deliver(stack.update(properties), after=0) == "SUCCESS", stack.answers[-1]
        stack.check_deployed(properties)


CONDITIONS: dict[str, dict[str, Any]] = {
    **{f"a new key refused {times} times": {"new_key_rejections": times} for times in range(1, 5)},
    "IAM's clock ahead": {"iam_clock_skew": 30.0},
    "IAM's clock behind": {"iam_clock_skew": -30.0},
    "pages of one": {"page_size": 1},
}


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_conditions(operation: Operation, condition: str) -> None:
    """All ends as on an account that answers at once, in one page and with the right time."""
    with Stack.on_fake_account(operation.value) as stack:
        for name, value in CONDITIONS[condition].items():
            setattr(stack.account.switches, name, value)
        operation.prepare(stack)
        deliver_and_check(stack, operation)


@pytest.mark.parametrize("denied", ["assume_denials", "call_denials"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_role_that_was_just_made(operation: Operation, denied: str) -> None:
    """A new role is refused twice before it works."""
    with Stack.on_fake_account(operation.value) as stack:
        operation.prepare(stack)
        stack.account.roles[ROLE_ARN] = replace(Role(ROLE_ARN), **{denied: 2})
        deliver_and_check(stack, operation)


@pytest.mark.parametrize("quota", [3, 4, 5])
@pytest.mark.parametrize("foreign", [0, 1, 2, 3])
def test_more_than_two_keys(quota: int, foreign: int) -> None:
    """With an overshot quota a rotation removes retired keys of ours only, or says that there is no room."""
    with Stack.on_fake_account() as stack:
        stack.account.switches.keys_per_user = quota
        stack.must(stack.create(stack.properties("1")))
        stack.must(stack.update(stack.properties("2")))
        for _ in range(foreign):
            stack.add_foreign_key("deploy")
        current, _ = stack.current_key()
        answer = stack.deliver(stack.update(stack.properties("3")))
        stack.check_always()
        if foreign:
            assert answer == "FAILED"
            assert stack.current_key() == (current, "Active")
        else:
            assert answer == "SUCCESS"
            assert len(stack.our_keys()) == 2
            stack.check_deployed(stack.properties("3"))
        assert stack.deliver(stack.event("Delete", stack.properties("3"), stack.last_id)) == "SUCCESS"
        stack.check_nothing_of_ours()
