"""The embedded account's EventBridge: alarms, rules, and who may put events."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import refused
from cloud.invocations import LISTENER, allow, assumed, attribute, events, permission, role_arn
from tools.cloud.cloudformation_stack import LAMBDA, Stack, deployed, function, role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

SERVICE = "events.amazonaws.com"


def rule(function: str, pattern: Template, template: str, **paths: str) -> Template:
    """Declare a rule that invokes a function with a transformed input."""
    transformer = {"InputPathsMap": paths, "InputTemplate": template}
    target = {"Id": "function", "Arn": attribute(function), "InputTransformer": transformer}
    return {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": [target]}}


ALARM_WENT_OFF: Template = {
    "source": ["aws.cloudwatch"],
    "detail-type": ["CloudWatch Alarm State Change"],
    "resources": [attribute("Alarm")],
    "detail": {"state": {"value": ["ALARM"]}},
}
INPUT = '{"command": "undo", "alarm": "<alarm>", "was": "<was>", "why": "<why>"}'
PATHS = {"alarm": "$.detail.alarmName", "was": "$.detail.previousState.value", "why": "$.detail.state.reason"}
OWN: Template = {"source": ["ours"]}
OWN_INPUT = '{"id": "<id>"}'
BUS = {"Fn::Sub": "arn:aws:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"}

ALARM: Template = {
    "Type": "AWS::CloudWatch::Alarm",
    "Properties": {
        "Namespace": "ours",
        "MetricName": "errors",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
    },
}
TEMPLATE: Template = {
    "Resources": {
        "Role": role(LAMBDA),
        "Listener": function(LISTENER, "Role"),
        "Closed": function(LISTENER, "Role"),
        "Wrong": function(LISTENER, "Role"),
        "Alarm": ALARM,
        "Silent": ALARM,
        "Rule": rule("Listener", ALARM_WENT_OFF, INPUT, **PATHS),
        "OwnRule": rule("Listener", OWN, OWN_INPUT, id="$.detail.id"),
        "ClosedRule": rule("Closed", OWN, OWN_INPUT, id="$.detail.id"),
        "WrongRule": rule("Wrong", OWN, OWN_INPUT, id="$.detail.id"),
        "Leave": permission("Listener", SERVICE, SourceArn=attribute("Rule")),
        "OwnLeave": permission("Listener", SERVICE, SourceArn=attribute("OwnRule")),
        "WrongLeave": permission("Wrong", SERVICE, SourceArn=attribute("Rule")),
        "Putter": role(
            {"AWS": {"Ref": "AWS::AccountId"}},
            "/",
            allow("events:PutEvents", BUS, StringEquals={"events:source": "ours"}),
        ),
        "Queue": {"Type": "AWS::SQS::Queue"},
    }
}


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud) -> Iterator[Stack]:
    """Deploy the alarms, rules and functions once."""
    with deployed(cloud, TEMPLATE) as stack:
        yield stack


def entry(source: str, **detail: Any) -> dict[str, str]:
    """Give an entry of PutEvents."""
    return {"Source": source, "DetailType": "news", "Detail": json.dumps(detail)}


def test_an_alarm_that_goes_off_reaches_the_function(cloud: LocalCloud, stack: Stack) -> None:
    """The rule matches that alarm and that state only, and the transformed input arrives, once for each change."""
    cloudwatch, listener = cloud.client("cloudwatch"), stack.physical_id("Listener")
    alarm, silent = stack.physical_id("Alarm"), stack.physical_id("Silent")

    def set_state(name: str, value: str, reason: str) -> None:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=value, StateReason=reason)

    set_state(alarm, "OK", "quiet")
    set_state(silent, "ALARM", "another alarm")
    set_state(alarm, "ALARM", "loud")
    set_state(alarm, "ALARM", "still loud")
    assert events(cloud, listener, 1, command="undo") == [
        {"command": "undo", "alarm": alarm, "was": "OK", "why": "loud"}
    ]
    set_state(alarm, "OK", "quiet")
    set_state(alarm, "ALARM", "again")
    assert [event["why"] for event in events(cloud, listener, 2, command="undo")] == ["loud", "again"]


def test_a_rule_needs_the_permission_of_the_function(cloud: LocalCloud, stack: Stack) -> None:
    """No permission, or that of another rule, invokes nothing."""
    number = str(uuid.uuid4())
    for times in (1, 2):
        cloud.client("events").put_events(Entries=[entry("ours", id=number)])
        assert len(events(cloud, stack.physical_id("Listener"), times, id=number)) == times
    for name in ("Closed", "Wrong"):
        assert events(cloud, stack.physical_id(name), id=number) == []


def test_a_condition_on_the_source_of_an_event_is_evaluated(cloud: LocalCloud, stack: Stack) -> None:
    """The role may put events of one source; of another, or of both at once, it may not."""
    api = cloud.client("events", **assumed(cloud, role_arn(cloud, stack, "Putter")))
    number = str(uuid.uuid4())
    assert api.put_events(Entries=[entry("ours", id=number), entry("ours")])["FailedEntryCount"] == 0
    for entries in ([entry("theirs", id=number)], [entry("ours", id=number), entry("theirs")]):
        with refused("AccessDeniedException", "events:PutEvents"):
            api.put_events(Entries=entries)
    assert len(events(cloud, stack.physical_id("Listener"), 1, id=number)) == 1
