"""How a rule of EventBridge invokes a Lambda function, and starts an execution of a state machine.

A function must let `events.amazonaws.com` invoke it for the rule; to start a state machine the rule needs a role. A
function that fails is invoked twice more, because the invocation is asynchronous; an event that was not delivered goes
to the target's dead-letter queue as it is, if that queue lets the rule send. ministack starts everything once, asks for
nothing, and has no dead-letter queues.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id
from ministack.services import eventbridge, lambda_svc, sqs

from local_cloud.patches import service_access
from local_cloud.replacing import Function, replace_function

_EVENTS = "events.amazonaws.com"
_START = "states:StartExecution"

Rule = dict[str, Any]
Target = dict[str, Any]


def apply() -> None:
    """Check the permission before anything is started, and invoke a function asynchronously."""
    replace_function(eventbridge, "_invoke_target", "target event rule view", _with_permission)
    replace_function(eventbridge, "_dispatch_to_lambda", "arn payload", _asynchronously)


def may_invoke(rule: Rule, target: Target) -> bool:
    """Tell whether a rule may start what its target names."""
    arn = target.get("Arn", "")
    if arn.startswith("arn:aws:lambda:"):
        return service_access.may_invoke(_EVENTS, arn, rule["Arn"])
    role_arn = target.get("RoleArn", "")
    return not arn.startswith("arn:aws:states:") or (
        service_access.may_assume(_EVENTS, role_arn, rule["Arn"]) and service_access.role_may(role_arn, _START, arn)
    )


def _with_permission(original: Function) -> Function:
    def invoke_target(target: Target, event: dict[str, Any], rule: Rule, view: Any = None) -> None:
        if may_invoke(rule, target):
            original(target, event, rule, view)
        else:
            view = view or eventbridge._pattern_event_view(event)
            _leave_in_queue(target, rule, json.dumps(view.event_with_detail()))

    return invoke_target


def _leave_in_queue(target: Target, rule: Rule, event: str) -> None:
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue_arn and sqs.queue_policy_allows(queue_arn, _EVENTS, rule["Arn"], get_account_id()):
        eventbridge._dispatch_to_sqs(parse_arn(queue_arn), event)


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
