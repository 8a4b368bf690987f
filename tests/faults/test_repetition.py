"""What fails for longer than Lambda tries it: a schedule comes back to it, once for all attempts."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from fakes.faults import ACCESS_DENIED, SERVER_ERROR
from fakes.scheduler import waiting
from faults.retiring import fire, look, pass_time, send, undo, wait_for
from faults.stack import Stack
from faults.test_retirement import deployed

if TYPE_CHECKING:
    from fakes.calls import Call
    from fakes.faults import Fault

_LAMBDA_TRIES = 3


def iam_fails(stack: Stack, fault: Fault = SERVER_ERROR) -> None:
    """Let nothing of IAM work until the account is healed."""

    def of_iam(call: Call) -> bool:
        return call.service == "iam"

    stack.account.fail(fault, of_iam, times=None)


def test_a_look_that_fails_for_hours_does_not_multiply() -> None:
    """However many attempts fail, one schedule brings the next, four times an hour; in the end the key is retired."""
    with Stack.on_fake_account() as stack:
        old, new = deployed(stack, "1", "2")
        iam_fails(stack)
        wait_for(stack, waiting(stack.account.state)[0])
        end, fired = stack.account.clock.now() + timedelta(hours=4), 0
        while stack.account.clock.now() < end:
            (schedule,) = waiting(stack.account.state)
            wait_for(stack, schedule)
            fire(stack, schedule)
            fired += 1
        # One more at the first and at the last quarter that is not whole.
        assert 8 <= fired <= 4 * 4 + 2
        assert stack._keys("deploy") == {old: "Active", new: "Active"}
        stack.account.heal()
        pass_time(stack)
        assert stack._keys("deploy") == {new: "Active"}


def test_a_look_that_is_not_allowed_does_not_come_back() -> None:
    """Tags that somebody forged would make looks without end."""
    with Stack.on_fake_account() as stack:
        deployed(stack, "1", "2")
        iam_fails(stack, ACCESS_DENIED)
        (schedule,) = waiting(stack.account.state)
        wait_for(stack, schedule)
        fire(stack, schedule)
        assert waiting(stack.account.state) == []


def test_an_alarm_that_cannot_be_heeded_at_once_is_heeded_later() -> None:
    """Nobody sends its event again."""
    with Stack.on_fake_account() as stack:
        good, bad = deployed(stack, "1", "2")
        iam_fails(stack)
        for _ in range(_LAMBDA_TRIES):
            assert send(stack, undo(stack, Alarm="denied", Time=_now(stack))) == "FAILED"
        stack.account.heal()
        schedule = waiting(stack.account.state)[0]
        assert json.loads(schedule.input)["Operation"] == "Undo"
        wait_for(stack, schedule)
        fire(stack, schedule)
        assert stack.current_key() == (good, "Active")
        assert stack._keys("deploy") == {good: "Active", bad: "Inactive"}


def test_an_alarm_that_is_heeded_later_does_not_take_back_what_came_since() -> None:
    """It was about the key that was current when it went off."""
    with Stack.on_fake_account() as stack:
        good, bad = deployed(stack, "1", "2")
        iam_fails(stack)
        assert send(stack, undo(stack, Alarm="denied", Time=_now(stack))) == "FAILED"
        stack.account.heal()
        repeated = json.loads(waiting(stack.account.state)[0].input)
        assert send(stack, undo(stack)) == "SUCCESS"
        (better,) = deployed(stack, "3")
        assert send(stack, repeated) == "SUCCESS"
        assert stack.current_key() == (better, "Active")
        assert stack._keys("deploy")[good] == "Active"
        assert bad not in stack._keys("deploy")


def test_an_undo_that_a_person_asks_for_fails_once() -> None:
    """Who asked is told, and asks again."""
    with Stack.on_fake_account() as stack:
        deployed(stack, "1", "2")
        before = waiting(stack.account.state)
        iam_fails(stack)
        assert send(stack, undo(stack)) == "FAILED"
        assert waiting(stack.account.state) == before


def test_an_event_with_a_time_that_is_none_is_refused() -> None:
    """Before anything is done."""
    with Stack.on_fake_account() as stack:
        _, bad = deployed(stack, "1", "2")
        assert send(stack, undo(stack, Alarm="denied", Time="yesterday")) == "FAILED"
        assert stack.current_key() == (bad, "Active")


def test_a_look_that_was_lost_is_made_up_for_by_any_other() -> None:
    """As the daily one: it finds what is due, whichever event said so."""
    with Stack.on_fake_account() as stack:
        old, new = deployed(stack, "1", "2")
        (schedule,) = waiting(stack.account.state)
        wait_for(stack, schedule)
        stack.account.state.schedules.clear()
        stack.account.clock.sleep(20 * 3600)
        assert stack._keys("deploy")[old] == "Active"
        assert send(stack, look(stack)) == "SUCCESS"
        assert stack._keys("deploy") == {old: "Inactive", new: "Active"}
        pass_time(stack)
        assert stack._keys("deploy") == {new: "Active"}


def _now(stack: Stack) -> str:
    return f"{stack.account.clock.now():%Y-%m-%dT%H:%M:%SZ}"
