"""What was broken on the first ground, in every order: rows R1 to R6 and R25 of the cases at run time.

That the current key works after every call, that nothing is deleted while it is Active, and that no key is left of a
resource that was deleted, is checked for every pair: see `meet` and `aftermath`.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from faults.interleavings.aftermath import answers_to, check_errors
from faults.interleavings.meet import meet_in_every, meet_in_some
from faults.interleavings.orders import LEDGER_WRITE, Meeting, calls_of, every_turn, some_turns
from faults.interleavings.situations import SITUATIONS, callers_in
from faults.interleavings.turns import Why, after_calls, race

from access_key_provider.model.errors import NothingToUndoError

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.interleavings.turns import Race

_DEACTIVATED, _DELETED = "Access Key Deactivated", "Access Key Deleted"


def in_every_order(situation: str, first: str, second: str, check: Callable[[Race], None] | None = None) -> None:
    """Let two meet in every order with up to two changes of turn; there must be a good many."""
    tried = meet_in_every(Meeting(situation, (first, second)), every_turn(), check)
    assert tried > calls_of(situation, first) + calls_of(situation, second)


_FORWARD = {"iam:CreateAccessKey", "secretsmanager:PutSecretValue", "iam:TagUser"}


@pytest.mark.parametrize(
    ("situation", "first", "second"), [("nothing", "create", "delete"), ("one key", "update", "rollback")]
)
def test_a_request_stops_at_its_next_renewal_once_a_later_one_is_announced(
    situation: str, first: str, second: str
) -> None:
    """It makes the call that it had begun, finds the announcement, goes back, and fails."""
    stopped = 0
    for calls in range(2, calls_of(situation, first) - 3):
        with SITUATIONS[situation].prepared.forked() as stack, race(stack, callers_in(stack, first, second)) as running:
            one, other = running.callers["first"], running.callers["second"]
            running.run("first", after_calls(calls))
            running.run("second", after_calls(2))
            assert [call.name for call in other.sent] == ["dynamodb:GetItem", LEDGER_WRITE]
            running.finish()
            later = [call.name for call in one.sent[calls:]]
            assert not _FORWARD & set(later[later.index(LEDGER_WRITE) :]), f"{calls}: {later}"
            assert answers_to(stack, one.event)[0]["Status"] == "FAILED"
            assert answers_to(stack, other.event)[0]["Status"] == "SUCCESS"
            stopped += 1
    assert stopped > 5


@pytest.mark.parametrize("step", ["createSecret", "setSecret", "testSecret", "finishSecret"])
def test_a_delete_beside_a_step_of_a_rotation(step: str) -> None:
    """R1, R6: no key is left, and none was deleted while it was Active."""
    in_every_order("pending", "delete", step)


def test_a_delete_beside_the_first_step() -> None:
    """R1: createSecret refuses, or takes back what it made."""
    in_every_order("one key", "delete", "createSecret")


def keys_in(situation: str) -> tuple[str, str]:
    """Name the previous and the current key of a situation."""
    stack = SITUATIONS[situation].prepared
    current, _ = stack.current_key()
    (previous,) = stack.keys().keys() - {current}
    return previous, current


def test_an_undo_beside_a_sweep_that_deactivates() -> None:
    """R2: the restored key is current and Active."""
    previous, _ = keys_in("grace over")

    def check(race: Race) -> None:
        assert race.callers["first"].error is None
        assert race.stack.current_key() == (previous, "Active")

    in_every_order("grace over", "undo", "sweep", check)


def test_an_undo_beside_a_sweep_that_deletes() -> None:
    """R2: the restored key is current and Active, or the undo says that it is too late and nothing was done."""
    previous, current = keys_in("retention over")
    seen = set()

    def check(race: Race) -> None:
        error = race.callers["first"].error
        assert error is None or isinstance(error, NothingToUndoError)
        assert race.stack.current_key() == (previous if error is None else current, "Active")
        seen.add(error is None)

    in_every_order("retention over", "undo", "sweep", check)
    assert seen == {True, False}


def test_an_alarm_in_the_last_moments_of_the_grace_period_beside_the_sweep_that_ends_it() -> None:
    """R3: the previous key is current and Active, or the current one still is and the previous one is deactivated."""
    keys = keys_in("end of grace")
    seen = set()

    def check(race: Race) -> None:
        assert race.callers["first"].error is None
        current, status = race.stack.current_key()
        assert status == "Active"
        (other,) = set(keys) - {current}
        seen.add((keys.index(current), race.stack.keys()[other]))

    in_every_order("end of grace", "alarm", "sweep", check)
    assert seen <= {(0, "Inactive"), (1, "Inactive"), (1, "Active")}
    assert {(0, "Inactive"), (1, "Inactive")} <= seen


def test_create_secret_beside_an_update() -> None:
    """R5, a sample: the current key works at each moment; whoever comes first, the other one gives way or waits."""
    meeting = Meeting("one key", ("update", "createSecret"))
    meet_in_some(meeting, some_turns(meeting, 30))


@pytest.mark.thorough
def test_create_secret_beside_an_update_in_every_order() -> None:
    """R5: all of it."""
    in_every_order("one key", "update", "createSecret")


@pytest.mark.parametrize("stalls", [False, True], ids=["waits its turn", "stalls"])
def test_the_same_first_step_twice_the_second_until_the_rotation_is_finished(*, stalls: bool) -> None:
    """R4: the late one finds its token current and does nothing; it may have held the lease when it stalled."""
    situation = SITUATIONS["one key"]
    before = situation.prepared.keys()
    kinds = ("createSecret", "createSecret", "setSecret", "testSecret", "finishSecret")
    for calls in range(calls_of("one key", "createSecret") + 1):
        with situation.prepared.forked() as stack, race(stack, callers_in(stack, *kinds)) as running:
            running.run("second", after_calls(calls))
            for name in ("first", "third", "fourth", "fifth"):
                if stalls:
                    running.run(name, alone=True)
                else:
                    if running.run(name) is Why.WAITS:
                        running.run("second")
                    running.run(name)
            finished = stack.current_key()
            running.finish()
            check_errors(running)
            assert finished[0] not in before
            assert stack.current_key() == finished == (finished[0], "Active"), f"after {calls} calls"


@pytest.mark.parametrize(
    ("situation", "kind", "reported"),
    [
        ("grace over", "sweep", _DEACTIVATED),
        ("grace over", "cut-over", _DEACTIVATED),
        ("grace over", "retire", _DEACTIVATED),
        ("in grace", "retire", _DEACTIVATED),
        ("retention over", "sweep", _DELETED),
        ("retention over", "update", _DELETED),
    ],
)
def test_two_that_retire_the_same_key(situation: str, kind: str, reported: str) -> None:
    """R25: it is deactivated, or deleted, once, and one event tells of it."""
    previous, _ = keys_in(situation)

    def check(race: Race) -> None:
        events = race.stack.account.state.events[len(SITUATIONS[situation].prepared.account.state.events) :]
        about = Counter(
            event["DetailType"] for event in events if json.loads(event["Detail"]).get("accessKeyId") == previous
        )
        assert about[reported] == 1, about

    in_every_order(situation, kind, "retire" if situation == "in grace" else "sweep", check)
