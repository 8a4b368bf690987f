"""Every action of every role is needed.

The actions come from the synthesized template, so a new one is tried without being listed here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from cloud.least_privilege.deployed import role_name, synthesized_actions, without
from cloud.least_privilege.life import LifeError, demand, live, update

if TYPE_CHECKING:
    from cloud.least_privilege.deployed import Deployed
    from cloud.least_privilege.handling import Handler
    from cloud.stacks import Account

    from local_cloud.calls import ApiCall

ACTIONS = synthesized_actions()
# What a schedule needs is not called by the function.
OF_THE_FUNCTION = [(owner, action) for owner, action in ACTIONS if owner != "scheduler"]

_DENIED = {"AccessDenied", "AccessDeniedException"}
# By their paths: the account's record knows no other name of them.
_NAMED = {
    "scheduler:POST.scheduler": "scheduler:CreateSchedule",
    "scheduler:DELETE.scheduler": "scheduler:DeleteSchedule",
}
# No calls of their own: which call is denied without them.
_ASKED_FOR_BY = {
    "iam:PassRole": "scheduler:CreateSchedule",
    "kms:Decrypt": "secretsmanager:PutSecretValue",
    "kms:GenerateDataKey": "secretsmanager:PutSecretValue",
}
_SECONDS = 15


def called(account: Account, shop: Deployed, *, denied: bool = False) -> set[tuple[str, str]]:
    """Name the calls of the function's and the key's role, with whose role it was."""
    names = {role_name(shop.role_of(owner, shop.targets["deploy"])): owner for owner in ("function", "key")}
    made = [call for call in account.cloud.calls() if not denied or call.error in _DENIED]
    return {(names[role], _NAMED.get(call.name, call.name)) for call in made if (role := _role(call)) in names}


def _role(call: ApiCall) -> str:
    """Give the name of the role in whose session a call was made."""
    _, _, session = (call.principal or "").partition(":assumed-role/")
    return session.partition("/")[0]


def may_not_log(account: Account, shop: Deployed) -> set[str]:
    """Name what IAM would refuse Lambda, which writes the function's log with its role.

    IAM is asked what it would say: the account judges the calls themselves by the log group's ARN, AWS by the stream's.
    """
    simulation = account.iam.simulate_principal_policy(
        PolicySourceArn=shop.roles["function"],
        ActionNames=["logs:CreateLogStream", "logs:PutLogEvents"],
        ResourceArns=[f"{shop.log_group}:log-stream:2026/11/23/[$LATEST]0"],
    )
    results = simulation["EvaluationResults"]
    return {result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"}


def test_the_roles_as_synthesized_are_enough(account: Account, shop: Deployed, handler: Handler) -> None:
    """In a whole life nothing is denied, and every action of the roles is used."""
    live(account, handler, shop.targets["deploy"])
    assert called(account, shop, denied=True) == set()
    assert may_not_log(account, shop) == set()
    calls = {
        (owner, _ASKED_FOR_BY.get(action, action))
        for owner, action in OF_THE_FUNCTION
        if not action.startswith("logs:")
    }
    assert called(account, shop) == calls


@pytest.mark.parametrize(("owner", "action"), OF_THE_FUNCTION, ids=[" ".join(one) for one in OF_THE_FUNCTION])
def test_every_action_is_needed(account: Account, shop: Deployed, handler: Handler, owner: str, action: str) -> None:
    """Without it something fails that works with it, and it is that very action that was denied."""
    target = shop.targets["deploy"]
    with without(account, shop.role_of(owner, target), action):
        if action.startswith("logs:"):
            assert may_not_log(account, shop) == {action}
            return
        with pytest.raises(LifeError):
            live(account, handler, target)
    assert called(account, shop, denied=True) == {(owner, _ASKED_FOR_BY.get(action, action))}


def look_on_schedule(account: Account, shop: Deployed, handler: Handler) -> str:
    """Replace a key with a grace period of seconds, and tell what became of the look at its end.

    The deployed function has it, or the dead-letter queue, or it is lost.
    """
    target = shop.targets["deploy"]
    short = {"GracePeriod": "4", "RetireWhenUnusedFor": "1"}
    demand("Create", handler.send("Create", target, **short))
    (old,) = account.keys("deploy")
    update(handler, target, short, Serial="2", **short)
    (name,) = [one["Name"] for one in _schedules(account, shop) if old[-8:] in one["Name"]]
    end = time.monotonic() + _SECONDS
    while name in [one["Name"] for one in _schedules(account, shop)]:
        assert time.monotonic() < end, "the schedule did not fire"
        time.sleep(0.1)
    queue = account.cloud.client("sqs")
    end = time.monotonic() + 4
    found = "lost"
    while found == "lost" and time.monotonic() < end:
        if account.keys("deploy")[old] == "Inactive":
            found = "carried out"
        for message in queue.receive_message(QueueUrl=shop.dead_letters).get("Messages", []):
            queue.delete_message(QueueUrl=shop.dead_letters, ReceiptHandle=message["ReceiptHandle"])
            found = "kept"
        time.sleep(0.1)
    demand("Delete", handler.send("Delete", target))
    return found


def _schedules(account: Account, shop: Deployed) -> list[dict[str, str]]:
    group = shop.environment["SCHEDULE_GROUP"]
    schedules: list[dict[str, str]] = account.cloud.client("scheduler").list_schedules(GroupName=group)["Schedules"]
    return schedules


def test_a_schedule_needs_its_roles_actions(account: Account, shop: Deployed, handler: Handler) -> None:
    """Without the right to call the function the look is in the queue, without that to the queue it is nowhere."""
    role = shop.roles["scheduler"]
    invoke, send = (action for owner, action in ACTIONS if owner == "scheduler")
    assert look_on_schedule(account, shop, handler) == "carried out"
    with without(account, role, invoke):
        assert look_on_schedule(account, shop, handler) == "kept"
        with without(account, role, send):
            assert look_on_schedule(account, shop, handler) == "lost"
