"""The schedule of a deployed guard, made to fire now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cloud.guards.deployed import OWN
from cloud.guards.runs import called

if TYPE_CHECKING:
    from cloud.guards.deployed import Guard

_POLL = 0.05
_KEPT = ("FlexibleTimeWindow", "GroupName", "Name", "Target")


def fire(guard: Guard, *, seconds: float = 30) -> str:
    """Let a guard's schedule fire once, and tell what became of it.

    The guard was started, or the dead-letter queue has what should have started it, or it is lost: for so many seconds
    there was neither.
    """
    account = guard.account
    account.cloud.clear_calls()
    scheduler, queues = account.cloud.client("scheduler"), account.cloud.client("sqs")
    schedule = scheduler.get_schedule(Name=_named(guard, "GuardSchedule"))
    as_it_is = {name: schedule[name] for name in _KEPT}
    scheduler.update_schedule(**as_it_is, ScheduleExpression="at(2026-01-01T00:00:00)")
    started = (
        ("Check", "iam:GetAccountSummary") if guard.name == OWN else ("Start", "organizations:DescribeOrganization")
    )
    end, url = time.monotonic() + seconds, _named(guard, "GuardDeadLetterQueue")
    while time.monotonic() < end:
        for message in queues.receive_message(QueueUrl=url).get("Messages", []):
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return "kept" if message["Body"] == schedule["Target"]["Input"] else message["Body"]
        if started in called(guard):
            _let_run_to_the_end(guard)
            return "carried out"
        time.sleep(_POLL)
    return "lost"


def _let_run_to_the_end(guard: Guard) -> None:
    states = guard.account.cloud.client("stepfunctions")
    running = {"stateMachineArn": guard.outputs.get("Machine", ""), "statusFilter": "RUNNING"}
    while guard.name != OWN and states.list_executions(**running)["executions"]:
        time.sleep(_POLL)


def _named(guard: Guard, logical_id: str) -> str:
    """Give the physical id of the one resource whose logical id is this and eight digits."""
    (found,) = (name for logical, name in guard.physical.items() if logical[:-8] == logical_id)
    return found
