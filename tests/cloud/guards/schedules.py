"""The rule of a deployed guard, made to fire now."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloud.guards.deployed import OWN
from cloud.guards.runs import called

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud.guards.deployed import Guard

_POLL = 0.05


def fire(guard: Guard, *, seconds: float = 30) -> bool:
    """Let a guard's rule fire once, and tell whether that has started it within so many seconds."""
    cloud = guard.account.cloud
    cloud.clear_calls()
    cloud.fire_rule(rule(guard))
    started = (
        ("Check", "iam:GetAccountSummary") if guard.name == OWN else ("Start", "organizations:DescribeOrganization")
    )
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if started in called(guard):
            _let_run_to_the_end(guard)
            return True
        time.sleep(_POLL)
    return False


def rule(guard: Guard) -> str:
    """Give the name of a guard's rule."""
    (found,) = (name for logical, name in guard.physical.items() if logical[:-8] == "GuardSchedule")
    return found


@contextmanager
def without_permission(guard: Guard) -> Iterator[None]:
    """Take away the one permission of a function's own policy, and give it back afterwards."""
    functions, named = guard.account.cloud.client("lambda"), {"FunctionName": guard.function("Check")}
    (statement,) = json.loads(functions.get_policy(**named)["Policy"])["Statement"]
    functions.remove_permission(**named, StatementId=statement["Sid"])
    try:
        yield
    finally:
        functions.add_permission(
            **named,
            StatementId=statement["Sid"],
            Action=statement["Action"],
            Principal=statement["Principal"]["Service"],
            SourceArn=next(iter(statement["Condition"].values()))["AWS:SourceArn"],
        )


def _let_run_to_the_end(guard: Guard) -> None:
    states = guard.account.cloud.client("stepfunctions")
    running = {"stateMachineArn": guard.outputs.get("Machine", ""), "statusFilter": "RUNNING"}
    while guard.name != OWN and states.list_executions(**running)["executions"]:
        time.sleep(_POLL)
