"""The sweep on the fake account: what is due is done, and nothing holds anything else back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from fakes.aws import Context, cold_start
from fakes.faults import ACCESS_DENIED, PROCESS_DEATH, THROTTLED
from fakes.lags import Lag
from support.stack import SWEEP

from access_key_provider import main
from access_key_provider.entrypoints import sweep
from access_key_provider.model.errors import LedgerError

if TYPE_CHECKING:
    from support.stack import Stack

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
GRACE = {"GracePeriod": "3600", "RetentionPeriod": "604800"}
NOTHING = {"swept": 0, "failed": 0, "postponed": 0}


def neighbours(stack: Stack, number: int) -> list[Stack]:
    """Make stacks beside, each with a user and a secret of its own, and a previous key in its grace period."""
    made = []
    for index in range(number):
        user = f"user-{index}"
        stack.account.person.make_user(user)
        secret = stack.account.person.make_secret(f"shop/{user}")
        one = replace(stack, secret_arn=secret, known=None)
        one.deploy("1", "2", UserName=user, **GRACE)
        stack.account.clock.sleep(1)
        made.append(one)
    return made


def previous(stack: Stack) -> dict[str, Any]:
    """Return the record of the key that is current no more."""
    (found,) = [key for key in stack.entry["keys"].values() if key["state"] in {"replaced", "inactive"}]
    return dict(found)


def visited(stack: Stack) -> list[str]:
    """List the secrets whose entries were read, in order."""
    calls = [call for call in stack.account.log.calls() if call.name == "dynamodb:GetItem"]
    return [call.parameters["Key"]["secretArn"]["S"] for call in calls]


def hold(stack: Stack, until: timedelta) -> None:
    """Let another caller hold the lease."""
    ends = f"{stack.account.clock.now() + until:%Y-%m-%dT%H:%M:%SZ}"
    lease = {"M": {"holder": {"S": "another"}, "until": {"S": ends}, "doing": {"S": "x"}}}
    stack.account.person.change_entry(stack.secret_arn, lambda item: item["entry"]["M"].update(lease=lease))


def test_a_previous_key_is_deactivated_and_deleted_at_its_time(stack: Stack) -> None:
    """By sweeps alone; before that nothing is done, and afterwards nothing but a daily check."""
    stack.deploy("1", "2", **GRACE)
    first, second = stack.our_keys()
    assert stack.sweep(HOUR / 2) == NOTHING
    assert stack.keys() == {first: "Active", second: "Active"}
    assert stack.sweep(HOUR) == NOTHING | {"swept": 1}
    assert stack.keys() == {first: "Inactive", second: "Active"}
    stack.sweep_for(7 * DAY)
    assert stack.keys() == {second: "Active"}
    assert len(stack.entry["keys"]) == 1
    stack.account.log.clear()
    stack.sweep_for(3 * DAY + 4 * HOUR, every=HOUR)
    assert visited(stack) == [stack.secret_arn] * 3, "once a day"


def test_the_daily_check_takes_few_calls(stack: Stack) -> None:
    """Of IAM, Secrets Manager and STS."""
    stack.deploy("1", **GRACE)
    stack.account.log.clear()
    assert stack.sweep(DAY) == NOTHING | {"swept": 1}
    names = [name for name in stack.account.log.names() if not name.startswith("dynamodb")]
    assert names == ["sts:AssumeRole", "iam:ListAccessKeys", "secretsmanager:DescribeSecret"]


def test_the_longest_due_comes_first(stack: Stack) -> None:
    """Whatever order the secrets have."""
    made = neighbours(stack, 4)
    stack.account.log.clear()
    assert stack.sweep(2 * HOUR) == NOTHING | {"swept": 4}
    assert visited(stack) == [one.secret_arn for one in made]


@pytest.mark.parametrize("broken", [0, 1, 2])
@pytest.mark.parametrize("how", ["denied", "edited", "a bug"])
def test_one_that_fails_does_not_hold_the_others_back(stack: Stack, how: str, broken: int) -> None:
    """Wherever it is in the order, and whatever the reason: also in the sweeps that follow."""
    made = neighbours(stack, 3)
    victim = made[broken].secret_arn
    if how == "denied":
        stack.account.deny(lambda call: call.parameters.get("UserName") == f"user-{broken}")
    elif how == "edited":
        stack.account.person.change_entry(victim, lambda item: item["entry"]["M"].update(claims={"S": "x"}))
    carry_out = sweep._maintain

    def burst(work: Any, owner: str) -> None:
        if how == "a bug" and work.secret_arn == victim:
            raise KeyError("x")
        carry_out(work, owner)

    with mock.patch.object(sweep, "_maintain", burst):
        counted = stack.sweep(2 * HOUR)
        assert counted == {"swept": 2, "failed": 1, "postponed": 0}
        for index, one in enumerate(made):
            if index != broken:
                assert previous(one)["state"] == "inactive"
        stack.sweep(DAY + HOUR)
    assert all(one.entry["checked"] > "2026-01-03T06" for index, one in enumerate(made) if index != broken)


def test_what_failed_is_done_once_it_is_allowed_again(stack: Stack) -> None:
    """It is reported once, then daily, then as recovered; and asked for less and less often meanwhile."""
    stack.deploy("1", "2", **GRACE)
    stack.account.deny("iam:UpdateAccessKey")
    stack.account.clock.sleep(3600)
    stack.account.log.clear()
    stack.sweep_for(DAY, every=5 * MINUTE)
    assert 3 < len(visited(stack)) < 20
    failing = stack.entry["failing"]
    assert failing["times"] > 3
    assert "UpdateAccessKey" in failing["reason"]
    kinds = [event["DetailType"] for event in stack.account.state.events]
    assert kinds.count("Access Key Upkeep Failed") <= 2
    stack.account.allow_again()
    stack.sweep_for(DAY, every=HOUR)
    assert previous(stack)["state"] == "inactive"
    assert "failing" not in stack.entry
    kinds = [event["DetailType"] for event in stack.account.state.events]
    assert kinds.count("Access Key Upkeep Recovered") == 1


def test_a_secret_that_another_caller_works_on_is_left_to_it(stack: Stack) -> None:
    """Nobody waits; the next sweep comes back, and so it does when that caller has died."""
    busy, idle = neighbours(stack, 2)
    stack.account.clock.sleep(7200)
    hold(busy, MINUTE)
    before = stack.account.clock.now()
    assert stack.invoke(SWEEP, "worker") == {"swept": 1, "failed": 0, "postponed": 1}
    assert (stack.account.clock.now() - before) < timedelta(seconds=5)
    assert previous(busy)["state"] == "replaced"
    assert previous(idle)["state"] == "inactive"
    assert stack.sweep(5 * MINUTE) == NOTHING | {"swept": 1}
    assert previous(busy)["state"] == "inactive"


def test_a_sweep_whose_time_is_short_leaves_the_rest_to_the_next(stack: Stack) -> None:
    """The longest due are done."""
    made = neighbours(stack, 4)
    stack.account.clock.sleep(7200)
    stack.account.switches.latency = 6.0
    cold_start()
    with mock.patch.dict("os.environ", ENTRY_POINTS="worker"):
        counted = main.handler(SWEEP, Context(stack.account.clock, seconds=200))
    stack.account.switches.latency = 0.05
    assert counted is not None
    assert counted["postponed"] > 0
    assert counted["swept"] > 0
    assert [previous(one)["state"] for one in made] == sorted(previous(one)["state"] for one in made)
    stack.sweep()
    assert {previous(one)["state"] for one in made} == {"inactive"}


def test_a_sweep_that_died_is_made_up_for(stack: Stack) -> None:
    """By the next one, for the secret that it was at and for those that come after."""
    made = neighbours(stack, 3)
    stack.account.fail(PROCESS_DEATH, "iam:UpdateAccessKey", phase="after", nth=2)
    stack.sweep(2 * HOUR)
    stack.account.heal()
    stack.sweep_for(HOUR, every=5 * MINUTE)
    assert {previous(one)["state"] for one in made} == {"inactive"}
    stack.account.switches.latency = 0.05


def test_two_sweeps_at_once_do_what_is_due_once(stack: Stack) -> None:
    """The second finds the first at work: the index that both have asked is late."""
    stack.deploy("1", "2", **GRACE)
    stack.account.clock.sleep(7200)
    stack.account.lags.indexes = Lag(seconds=60)
    second: list[Any] = []

    def another(call: Any) -> None:
        if call.name == "iam:UpdateAccessKey" and not second:
            second.append(None)
            second.append(stack.invoke(SWEEP, "worker"))

    stack.account.before.append(another)
    assert stack.invoke(SWEEP, "worker") == NOTHING | {"swept": 1}
    assert second[1] == NOTHING | {"postponed": 1}
    assert stack.account.log.names().count("iam:UpdateAccessKey") == 1


def test_a_ledger_that_can_not_be_asked_is_told(stack: Stack) -> None:
    """Lambda's metric of errors shows it; the next sweep comes in a few minutes."""
    stack.account.deny("dynamodb:Query")
    with pytest.raises(LedgerError, match="could not be queried"):
        stack.sweep()


def test_an_alarm_that_could_not_be_heard_is_carried_out_by_the_sweep(stack: Stack) -> None:
    """Another caller held the lease for as long as the alarm's invocation could wait."""
    stack.deploy("1", "2", **GRACE)
    first, second = stack.our_keys()
    stack.account.clock.sleep(60)
    for _ in range(2):
        hold(stack, HOUR / 4)
        with pytest.raises(Exception, match="another caller is at work"):
            stack.invoke(stack.alarm(), "worker")
    assert stack.entry["undo_asked"]
    stack.sweep(HOUR / 3)
    assert stack.current_key() == (first, "Active")
    assert stack.keys()[second] == "Inactive"
    assert "undo_asked" not in stack.entry


def test_an_alarm_that_comes_to_nothing_is_not_asked_for_ever(stack: Stack) -> None:
    """The current key was deleted by hand before anybody could carry it out."""
    stack.deploy("1", "2", **GRACE)
    stack.account.clock.sleep(60)
    hold(stack, HOUR / 4)
    with pytest.raises(Exception, match="another caller is at work"):
        stack.invoke(stack.alarm(), "worker")
    for key in stack.our_keys():
        stack.account.person.delete_key(key)
    stack.sweep_for(DAY / 2, every=HOUR / 3)
    assert "undo_asked" not in stack.entry


@pytest.mark.parametrize("fault", [ACCESS_DENIED, THROTTLED])
def test_a_delete_that_was_refused_is_finished_by_the_sweep(stack: Stack, fault: Any) -> None:
    """Although CloudFormation has given up."""
    stack.deploy("1", **GRACE)
    delete = stack.delete()
    stack.account.fail(fault, "iam:DeleteAccessKey", times=None)
    assert stack.deliver(delete) == "FAILED"
    stack.account.heal()
    stack.sweep_for(HOUR, every=5 * MINUTE)
    assert stack.our_keys() == []
    stack.account.log.clear()
    stack.sweep_for(3 * DAY, every=HOUR)
    assert visited(stack) == [], "nothing is left to come back to"


def test_an_event_that_brings_anything_else_is_a_sweep_all_the_same(stack: Stack) -> None:
    """Whoever changes the rule's input gets no more than that."""
    stack.deploy("1", "2", **GRACE)
    forged = SWEEP | {"SecretId": "x", "RequestType": "Delete", "Now": "2099-01-01T00:00:00Z"}
    assert stack.invoke(forged, "worker") == NOTHING
