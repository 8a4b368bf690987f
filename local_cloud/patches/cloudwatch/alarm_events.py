"""An alarm that changes its state is an event on the default bus.

EventBridge gets `CloudWatch Alarm State Change` from CloudWatch for every transition, whether the alarm has
actions or not. ministack tells SNS topics only.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, eventbridge

from local_cloud.replacing import Function, replace_function


def apply() -> None:
    """Send the event wherever ministack looks for an alarm's actions."""
    replace_function(cloudwatch, "_dispatch_alarm_actions", "alarm old_state new_state reason", _with_event)


def _with_event(original: Function) -> Function:
    def dispatch_alarm_actions(alarm: dict[str, Any], old_state: str, new_state: str, reason: str) -> None:
        original(alarm, old_state, new_state, reason)
        eventbridge._dispatch_event(_event(alarm, old_state, new_state, reason))

    return dispatch_alarm_actions


def _event(alarm: dict[str, Any], old_state: str, new_state: str, reason: str) -> dict[str, Any]:
    state = {"value": new_state, "reason": reason, "timestamp": _timestamp()}
    if alarm.get("StateReasonData"):
        state["reasonData"] = alarm["StateReasonData"]
    detail = {
        "alarmName": alarm["AlarmName"],
        "state": state,
        "previousState": {"value": old_state},
        "configuration": {"description": alarm.get("AlarmDescription") or ""},
    }
    return {
        "EventId": new_uuid(),
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Detail": json.dumps(detail),
        "EventBusName": "default",
        "Time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "Resources": [alarm["AlarmArn"]],
        "Account": get_account_id(),
        "Region": get_region(),
    }


def _timestamp() -> str:
    now = dt.datetime.now(dt.UTC)
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}+0000"
