"""An alarm that changes its state is an event on the default bus.

EventBridge gets `CloudWatch Alarm State Change` from CloudWatch for every transition, whether the alarm has actions or
not. `reasonData` is a JSON text: what `SetAlarmState` gave, or what CloudWatch looked at, whose `startDate` is the
beginning of the first period that counted. ministack tells SNS topics only, and keeps no reason data of an evaluation.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import contextvars
import datetime as dt
import json
import time
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, eventbridge

from local_cloud.replacing import Function, replace_function

Alarm = dict[str, Any]

_is_evaluated: contextvars.ContextVar[bool] = contextvars.ContextVar("is_evaluated", default=False)
# By the ARN of an alarm the state that its last event told.
_told: dict[str, dict[str, str]] = {}


def apply() -> None:
    """Send the event wherever ministack looks for an alarm's actions."""
    replace_function(cloudwatch, "_dispatch_alarm_actions", "alarm old_state new_state reason", _with_event)
    replace_function(cloudwatch, "_evaluate_alarm", "alarm", _known_as_evaluation)
    replace_function(cloudwatch, "_set_alarm_state", "params cbor_data is_cbor is_json", _without_old_reason_data)


def _known_as_evaluation(original: Function) -> Function:
    def evaluate_alarm(alarm: Alarm) -> None:
        token = _is_evaluated.set(True)
        try:
            original(alarm)
        finally:
            _is_evaluated.reset(token)

    return evaluate_alarm


def _without_old_reason_data(original: Function) -> Function:
    def set_alarm_state(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:  # noqa: FBT001, FBT002
        named = cbor_data.get("AlarmName") if is_cbor or is_json else cloudwatch._p(params, "AlarmName")
        cloudwatch._alarms.get(named, {}).pop("StateReasonData", None)
        return original(params, cbor_data, is_cbor, is_json)

    return set_alarm_state


def _with_event(original: Function) -> Function:
    def dispatch_alarm_actions(alarm: Alarm, old_state: str, new_state: str, reason: str) -> None:
        if _is_evaluated.get() and alarm["AlarmName"] in cloudwatch._alarms:
            alarm["StateReasonData"] = _reason_data(alarm)
        original(alarm, old_state, new_state, reason)
        eventbridge._dispatch_event(_event(alarm, old_state, new_state, reason))

    return dispatch_alarm_actions


def _reason_data(alarm: Alarm) -> str:
    period = int(alarm.get("Period", 60))
    points = _evaluated_points(alarm, period)
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    return json.dumps(
        {
            "version": "1.0",
            "queryDate": _written(time.time()),
            "startDate": _written(min(point["Timestamp"] for point in points) // period * period),
            "statistic": statistic,
            "period": period,
            "recentDatapoints": [cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points)],
            "threshold": alarm.get("Threshold"),
        },
        separators=(",", ":"),
    )


def _evaluated_points(alarm: Alarm, period: int) -> list[dict[str, Any]]:
    since = time.time() - period * alarm.get("EvaluationPeriods", 1)
    return [
        point
        for (namespace, metric, _), points in cloudwatch._metrics.items()
        if (namespace, metric) == (alarm["Namespace"], alarm["MetricName"])
        for point in points
        if point["Timestamp"] >= since
    ]


def _event(alarm: Alarm, old_state: str, new_state: str, reason: str) -> dict[str, Any]:
    arn = alarm["AlarmArn"]
    state = {"value": new_state, "reason": reason, "timestamp": _written(time.time())}
    if alarm.get("StateReasonData"):
        state["reasonData"] = alarm["StateReasonData"]
    previous, _told[arn] = _told.get(arn, {}), state
    detail = {
        "alarmName": alarm["AlarmName"],
        "state": state,
        "previousState": previous if previous.get("value") == old_state else {"value": old_state},
        "configuration": {"description": alarm.get("AlarmDescription") or ""},
    }
    return {
        "EventId": new_uuid(),
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Detail": json.dumps(detail),
        "EventBusName": "default",
        "Time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "Resources": [arn],
        "Account": get_account_id(),
        "Region": get_region(),
    }


def _written(seconds: float) -> str:
    then = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{then:%Y-%m-%dT%H:%M:%S}.{then.microsecond // 1000:03}+0000"
