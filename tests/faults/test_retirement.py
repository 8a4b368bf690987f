"""What may not happen to keys that are kept, each rule by itself."""

from __future__ import annotations

from datetime import timedelta

from fakes.faults import ACCESS_DENIED, PROCESS_DEATH
from fakes.scheduler import waiting
from faults.retiring import KEEPING, TOKEN, fire, keep, look, pass_time, send, send_all, steps, undo, wait_for
from faults.stack import Stack


def deployed(stack: Stack, *serials: str) -> list[str]:
    """Deploy serials one after the other, and list the keys that were current."""
    current = []
    for serial in serials:
        properties = keep(stack, serial)
        stack.must(stack.update(properties) if stack.known else stack.create(properties))
        current.append(stack.current_key()[0])
    return current


def fire_next(stack: Stack) -> None:
    """Wait for the next look and let it come."""
    schedule = waiting(stack.account.state)[0]
    wait_for(stack, schedule)
    fire(stack, schedule)


def test_nothing_is_retired_while_the_current_key_does_not_work() -> None:
    """The previous key may be needed then."""
    with Stack.on_fake_account() as stack:
        old, new = deployed(stack, "1", "2")
        stack.account.person.deactivate_key(new)
        fire_next(stack)
        assert stack._keys("deploy") == {old: "Active", new: "Inactive"}


def test_a_key_in_use_stays_and_whoever_watches_is_told() -> None:
    """Each look finds it used and comes back later; when it is used no more it is retired."""
    with Stack.on_fake_account() as stack:
        old, _ = deployed(stack, "1", "2")
        for _ in range(3):
            wait_for(stack, waiting(stack.account.state)[0])
            stack.account.person.use_key(old)
            fire_next(stack)
            assert stack._keys("deploy")[old] == "Active"
        assert [event["DetailType"] for event in stack.account.state.events] == ["Access Key Still In Use"] * 3
        pass_time(stack)
        assert old not in stack._keys("deploy")


def test_a_last_use_that_cannot_be_read_counts_as_use() -> None:
    """An error is never taken for unused."""
    with Stack.on_fake_account() as stack:
        old, _ = deployed(stack, "1", "2")
        wait_for(stack, waiting(stack.account.state)[0])
        stack.account.fail(ACCESS_DENIED, "iam:GetAccessKeyLastUsed", times=None)
        assert send(stack, look(stack)) == "SUCCESS"
        assert stack._keys("deploy")[old] == "Active"


def test_an_undo_deactivates_the_bad_key_and_does_not_toggle() -> None:
    """The second undo is refused, and the bad key is there, Inactive."""
    with Stack.on_fake_account() as stack:
        good, bad = deployed(stack, "1", "2")
        assert send(stack, undo(stack)) == "SUCCESS"
        assert send(stack, undo(stack)) == "FAILED"
        assert stack._keys("deploy") == {good: "Active", bad: "Inactive"}
        assert stack.current_key()[0] == good


def test_a_native_rotation_waits_for_a_key_that_a_rollback_needs() -> None:
    """A deployment of the same day may still be rolled back to it."""
    with Stack.on_fake_account() as stack:
        old, new = deployed(stack, "1", "2")
        fire_next(stack)
        assert send_all(stack, steps(stack)) == "FAILED"
        assert stack._keys("deploy") == {old: "Inactive", new: "Active"}


def test_a_deployment_after_a_native_rotation_leaves_room_for_the_next_one() -> None:
    """AWSPENDING left on a version that is current no more would be taken for a rotation in progress."""
    with Stack.on_fake_account() as stack:
        deployed(stack, "1")
        assert send_all(stack, steps(stack)) == "SUCCESS"
        fire_next(stack)
        deployed(stack, "2")
        pass_time(stack)
        assert send_all(stack, steps(stack, TOKEN.replace("1", "2"))) == "SUCCESS"


def test_a_native_rotation_stores_no_key_that_is_not_proven() -> None:
    """A version never takes a second value: the next try would have to give the rotation up."""
    with Stack.on_fake_account() as stack:
        (key,) = deployed(stack, "1")
        events = steps(stack)
        stack.account.switches.new_key_rejections = 1000
        assert send_all(stack, events) == "FAILED"
        assert stack.account.state.secrets[stack.secret_arn].versions[TOKEN].value is None
        assert stack.our_keys() == [key]
        stack.account.switches.new_key_rejections = 0
        assert send_all(stack, events) == "SUCCESS"


def test_a_native_rotation_tried_again_makes_no_second_key() -> None:
    """The same token finds the key that it has made."""
    with Stack.on_fake_account() as stack:
        deployed(stack, "1")
        events = steps(stack)
        send(stack, events[0])
        keys = stack.our_keys()
        assert send_all(stack, events) == "SUCCESS"
        assert stack.our_keys() == keys


def test_the_grace_period_begins_at_the_switch() -> None:
    """The record of a try that died before the switch does not shorten it."""
    with Stack.on_fake_account() as stack:
        (key,) = deployed(stack, "1")
        events = steps(stack)
        assert send_all(stack, events[:3]) == "SUCCESS"
        stack.account.fail(PROCESS_DEATH, "secretsmanager:TagResource", phase="after")
        assert send(stack, events[3]) is None
        stack.account.heal()
        stack.account.clock.sleep(3600)
        assert send(stack, events[3]) == "SUCCESS"
        ends = stack.account.clock.now() + timedelta(seconds=int(KEEPING["GracePeriod"]))
        (schedule,) = waiting(stack.account.state)
        assert key[-8:] in schedule.name
        assert ends - timedelta(seconds=60) < schedule.at <= ends
