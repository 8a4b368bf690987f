"""EventBridge Scheduler: one-time schedules of one group, which wait for a test to let them fire.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fakes.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.state import State

GROUP = "cdk-iam-access-key-shop"
ROLE_ARN = "arn:aws:iam::123456789012:role/shop-ScheduleRole"
DEAD_LETTER_ARN = "arn:aws:sqs:eu-central-1:123456789012:shop-DeadLetters"
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OneTimeSchedule:
    """A schedule that fires once, and is gone then."""

    name: str
    at: datetime
    target_arn: str
    input: str


def create_schedule(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Create a schedule; the name must be new in its group."""
    _require_group(parameters)
    name, target = parameters["Name"], parameters["Target"]
    at = _time_in(parameters["ScheduleExpression"])
    if name in state.schedules:
        raise ServiceError("ConflictException", f"Schedule {name} already exists.")
    if parameters.get("ActionAfterCompletion") != "DELETE" or "DeadLetterConfig" not in target:
        raise ServiceError("ValidationException", "a test allows no schedule that stays or loses its event")
    state.schedules[name] = OneTimeSchedule(name, at, target["Arn"], target["Input"])
    state.changed()
    arn = f"arn:aws:scheduler:{state.region}:{state.account_id}:schedule/{GROUP}/{name}"
    return {"ScheduleArn": arn}


def delete_schedule(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Delete a schedule."""
    _require_group(parameters)
    if parameters["Name"] not in state.schedules:
        raise ServiceError("ResourceNotFoundException", f"Schedule {parameters['Name']} does not exist.")
    del state.schedules[parameters["Name"]]
    state.changed()
    return {}


def waiting(state: State) -> list[OneTimeSchedule]:
    """List the schedules that have not fired, the one that is due first, first."""
    return sorted(state.schedules.values(), key=lambda schedule: (schedule.at, schedule.name))


def _time_in(expression: str) -> datetime:
    found = _AT.fullmatch(expression)
    try:
        return datetime.fromisoformat(found[1] if found else "").replace(tzinfo=UTC)
    except ValueError:
        raise ServiceError("ValidationException", f"Invalid Schedule Expression {expression}.") from None


def _require_group(parameters: Mapping[str, Any]) -> None:
    group = parameters.get("GroupName", "default")
    if group != GROUP:
        raise ServiceError("ResourceNotFoundException", f"Schedule group {group} does not exist.")
