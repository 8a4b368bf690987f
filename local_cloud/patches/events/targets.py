"""How EventBridge invokes a Lambda function, and starts an execution of a state machine.

A rule needs the function's permission (`events.amazonaws.com`, the rule as source), a schedule a role that may
invoke it; for a state machine both need a role. A function that fails is invoked twice more, because the invocation is
asynchronous; what could not be invoked at all goes to the dead-letter queue. ministack starts everything once and asks
for nothing.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import new_uuid
from ministack.services import eventbridge, lambda_svc, scheduler

from local_cloud.patches import service_access
from local_cloud.replacing import Function, replace_function

_SCHEDULER = "scheduler.amazonaws.com"
_EVENTS = "events.amazonaws.com"
_ACTIONS = {"lambda": service_access.INVOKE, "states": "states:StartExecution"}

Target = dict[str, Any]


def apply() -> None:
    """Ask for leave before anything is started, and invoke it as an asynchronous invocation does."""
    replace_function(eventbridge, "_invoke_target", "target event rule view", _with_leave)
    replace_function(eventbridge, "_dispatch_to_lambda", "arn payload", _asynchronously)


def _with_leave(original: Function) -> Function:
    def invoke_target(target: Target, event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        if "ScheduleExpressionTimezone" in rule:
            target = _with_attributes(target, rule)
            if _schedule_may(target, rule):
                original(target, event, rule, view)
            else:
                _leave_in_queue(target)
        elif _rule_may(target, rule):
            original(target, event, rule, view)

    return invoke_target


def _schedule_may(target: Target, schedule: dict[str, Any]) -> bool:
    kind = _kind(target)
    if kind not in _ACTIONS:
        return True
    return (
        (kind == "states" or lambda_svc._get_func_record_for_ref(target["Arn"])[0] is not None)
        and service_access.may_assume(_SCHEDULER, target["RoleArn"], scheduler._group_arn(schedule["GroupName"]))
        and service_access.role_may(target["RoleArn"], _ACTIONS[kind], target["Arn"])
    )


def _rule_may(target: Target, rule: dict[str, Any]) -> bool:
    kind = _kind(target)
    if kind == "lambda":
        return service_access.may_invoke(_EVENTS, target["Arn"], rule["Arn"])
    role_arn = target.get("RoleArn", "")
    return kind != "states" or (
        service_access.may_assume(_EVENTS, role_arn, rule["Arn"])
        and service_access.role_may(role_arn, _ACTIONS[kind], target["Arn"])
    )


def _kind(target: Target) -> str:
    parts = target.get("Arn", "").split(":")
    return parts[2] if len(parts) > 2 else ""  # noqa: PLR2004 -- arn:aws:service


def _leave_in_queue(target: Target) -> None:
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue_arn and service_access.role_may(target["RoleArn"], "sqs:SendMessage", queue_arn):
        eventbridge._dispatch_to_sqs(parse_arn(queue_arn), target.get("Input") or "{}")


def _with_attributes(target: Target, schedule: dict[str, Any]) -> Target:
    if "Input" not in target:
        return target
    text = target["Input"]
    for name, value in {
        "schedule-arn": schedule["Arn"],
        "scheduled-time": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "execution-id": new_uuid(),
        "attempt-number": "1",
    }.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return {**target, "Input": text}


def _asynchronously(original: Function) -> Function:
    def dispatch_to_lambda(arn: str, payload: str) -> None:
        function, config, _ = lambda_svc._get_func_record_for_ref(arn)
        try:
            event = json.loads(payload)
        except ValueError:
            function = None
        if function and config:
            lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), event)
        else:
            original(arn, payload)

    return dispatch_to_lambda
