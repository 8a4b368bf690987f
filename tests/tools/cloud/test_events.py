"""The embedded account's EventBridge: alarms, rules, and who may put events."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import refused
from cloud.invocations import LISTENER, allow, assumed, attribute, events, function_arn, permission, role_arn
from tools.cloud.cloudformation_stack import LAMBDA, Stack, deployed, function, role

from local_cloud import LocalCloudError

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
SWEEP: Template = {"Operation": "Sweep"}
UNDO_INPUT = '{"Operation": "AlarmUndo", "SecretId": "arn:of:secret", "Event": <aws.events.event.json>}'


def scheduled(function: str, **more: Any) -> Template:
    """Declare a rule that asks a function to sweep every day."""
    target = {"Id": "function", "Arn": attribute(function), "Input": json.dumps(SWEEP)} | more
    return {"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 day)", "Targets": [target]}}


def queue_policy(queue: str, rule: str) -> Template:
    """Let a rule send to a queue."""
    statement = allow("sqs:SendMessage", attribute(queue), ArnEquals={"aws:SourceArn": attribute(rule)})
    statement["Principal"] = {"Service": SERVICE}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": queue}], "PolicyDocument": document}}


TEMPLATE: Template = {
    "Resources": {
        "Role": role(LAMBDA),
        "Sweeper": function(LISTENER, "Role"),
        "Failing": function(LISTENER + '    raise ValueError("always")\n', "Role"),
        "SweepRule": scheduled("Sweeper"),
        "SweepLeave": permission("Sweeper", SERVICE, SourceArn=attribute("SweepRule")),
        "FailingRule": scheduled("Failing"),
        "FailingLeave": permission("Failing", SERVICE, SourceArn=attribute("FailingRule")),
        "RefusedRule": scheduled("Sweeper", DeadLetterConfig={"Arn": attribute("DeadLetters")}),
        "UnheardRule": scheduled("Sweeper", DeadLetterConfig={"Arn": attribute("ShutQueue")}),
        "DeadLetters": {"Type": "AWS::SQS::Queue"},
        "DeadLettersPolicy": queue_policy("DeadLetters", "RefusedRule"),
        "ShutQueue": {"Type": "AWS::SQS::Queue"},
        "Undoer": function(LISTENER, "Role"),
        "UndoRule": rule("Undoer", ALARM_WENT_OFF, UNDO_INPUT),
        "UndoLeave": permission(
            "Undoer",
            SERVICE,
            SourceArn={"Fn::Sub": "arn:aws:events:${AWS::Region}:${AWS::AccountId}:rule/*"},
            SourceAccount={"Ref": "AWS::AccountId"},
        ),
        "Measured": {**ALARM, "Properties": {**ALARM["Properties"], "MetricName": "measured"}},
        "MeasuredRule": rule("Undoer", {**ALARM_WENT_OFF, "resources": [attribute("Measured")]}, UNDO_INPUT),
        "Stranger": function(LISTENER, "Role"),
        "StrangerRule": rule("Stranger", ALARM_WENT_OFF, UNDO_INPUT),
        "StrangerLeave": permission("Stranger", SERVICE, SourceAccount="999999999999"),
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
        "EachPutter": role(
            {"AWS": {"Ref": "AWS::AccountId"}},
            "/",
            allow(
                "events:PutEvents",
                BUS,
                **{"ForAllValues:StringEquals": {"events:source": "ours"}, "Null": {"events:source": "false"}},
            ),
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
    assert len(events(cloud, listener, 1, command="undo", why="loud")) == 1
    set_state(alarm, "OK", "quiet")
    set_state(alarm, "ALARM", "again")
    assert len(events(cloud, listener, 1, command="undo", why="again")) == 1
    own = [each for each in events(cloud, listener, command="undo") if each["why"] not in {"one", "two"}]
    assert own == [{"command": "undo", "alarm": alarm, "was": "OK", "why": why} for why in ("loud", "again")]


def reason_of(event: dict[str, Any]) -> str:
    """Give why an alarm changed its state."""
    return str(event["detail"]["state"]["reason"])


def about(cloud: LocalCloud, function: str, alarm: str, times: int, *reasons: str) -> list[dict[str, Any]]:
    """Give the events of an alarm that a function got as a whole, if need be for some reasons only."""
    deadline = time.monotonic() + 10
    while True:
        got = [each["Event"] for each in events(cloud, function)]
        found = [each for each in got if each["detail"]["alarmName"] == alarm]
        found = [each for each in found if not reasons or reason_of(each) in reasons]
        if len(found) >= times or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_an_alarm_event_reaches_the_function_as_a_whole(cloud: LocalCloud, stack: Stack) -> None:
    """Inside the rule's own input: with the reason data as the text that was given, and none that is old."""
    cloudwatch, undoer, alarm = cloud.client("cloudwatch"), stack.physical_id("Undoer"), stack.physical_id("Alarm")
    data = json.dumps({"version": "1.0", "startDate": "2026-01-01T00:00:00.000+0000", "recentDatapoints": [2.0]})
    for value, reason, more in (("OK", "quiet", {}), ("ALARM", "one", {"StateReasonData": data}), ("OK", "well", {})):
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=value, StateReason=reason, **more)
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="two")
    first, second = sorted(about(cloud, undoer, alarm, 2, "one", "two"), key=reason_of)
    assert (first["source"], first["detail-type"]) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
    assert first["resources"] == [f"arn:aws:cloudwatch:{cloud.region}:{cloud.account}:alarm:{alarm}"]
    assert json.loads(first["detail"]["state"].pop("reasonData")) == json.loads(data)
    assert first["detail"]["state"] | {"timestamp": ""} == {"value": "ALARM", "reason": "one", "timestamp": ""}
    assert first["detail"]["previousState"]["reason"] == "quiet"
    assert "reasonData" not in second["detail"]["state"]
    assert events(cloud, stack.physical_id("Stranger")) == []


def test_an_alarm_that_cloudwatch_evaluates_tells_since_when(cloud: LocalCloud, stack: Stack) -> None:
    """The reason data begin with the first period that counted."""
    undoer, now = stack.physical_id("Undoer"), time.time()
    measured = {"MetricName": "measured", "Value": 3.0, "Timestamp": now}
    cloud.client("cloudwatch").put_metric_data(Namespace="ours", MetricData=[measured])
    (event,) = about(cloud, undoer, stack.physical_id("Measured"), 1)
    data = json.loads(event["detail"]["state"]["reasonData"])
    began = dt.datetime.strptime(data["startDate"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    assert began == int(now) // 60 * 60
    assert (data["recentDatapoints"], data["threshold"], data["statistic"]) == ([3.0], 1.0, "Sum")


def test_a_rule_with_a_schedule_fires_when_a_test_wants(cloud: LocalCloud, stack: Stack) -> None:
    """By its name or its ARN, once, and the function has run when the call returns."""
    sweeper, name = stack.physical_id("Sweeper"), stack.physical_id("SweepRule")
    before = len(events(cloud, sweeper))
    cloud.fire_rule(name)
    assert events(cloud, sweeper)[before:] == [SWEEP]
    cloud.fire_rule(cloud.client("events").describe_rule(Name=name)["Arn"])
    assert events(cloud, sweeper)[before:] == [SWEEP, SWEEP]


def test_a_rule_fires_by_itself_too(cloud: LocalCloud, stack: Stack) -> None:
    """When its time has come, once."""
    sweeper, rules = stack.physical_id("Sweeper"), cloud.client("events")
    arn = rules.put_rule(Name="by-itself", ScheduleExpression="rate(1 minute)")["RuleArn"]
    function = function_arn(cloud, stack, "Sweeper")
    cloud.client("lambda").add_permission(
        FunctionName=sweeper,
        StatementId="by-itself",
        Action="lambda:InvokeFunction",
        Principal=SERVICE,
        SourceArn=arn,
    )
    rules.put_targets(Rule="by-itself", Targets=[{"Id": "f", "Arn": function, "Input": '{"by": "itself"}'}])
    assert events(cloud, sweeper, by="itself") == []
    deadline = time.monotonic() + 65
    while not (found := events(cloud, sweeper, by="itself")) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(found) == 1
    rules.disable_rule(Name="by-itself")
    with pytest.raises(LocalCloudError, match="no enabled rule"):
        cloud.fire_rule("by-itself")


@pytest.mark.parametrize("name", ["Alarm", "OwnRule", "no-such-rule"])
def test_only_a_rule_with_a_schedule_can_be_fired(cloud: LocalCloud, stack: Stack, name: str) -> None:
    """Anything else is refused by name."""
    physical = name if name == "no-such-rule" else stack.physical_id(name)
    with pytest.raises(LocalCloudError, match=physical):
        cloud.fire_rule(physical)


def test_a_function_that_fails_is_invoked_three_times(cloud: LocalCloud, stack: Stack) -> None:
    """The invocation is asynchronous, and Lambda tries twice more."""
    failing = stack.physical_id("Failing")
    cloud.fire_rule(stack.physical_id("FailingRule"))
    assert events(cloud, failing, 3) == [SWEEP] * 3
    time.sleep(1)
    assert len(events(cloud, failing)) == 3


def test_what_a_rule_may_not_invoke_goes_to_its_dead_letter_queue(cloud: LocalCloud, stack: Stack) -> None:
    """As the event that it was, if the queue lets the rule send."""
    sweeper, queues = stack.physical_id("Sweeper"), cloud.client("sqs")
    before = len(events(cloud, sweeper))
    for name in ("RefusedRule", "UnheardRule"):
        cloud.fire_rule(stack.physical_id(name))
    (message,) = queues.receive_message(QueueUrl=stack.physical_id("DeadLetters"), WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"])["detail-type"] == "Scheduled Event"
    assert "Messages" not in queues.receive_message(QueueUrl=stack.physical_id("ShutQueue"))
    assert len(events(cloud, sweeper)) == before


def test_a_rule_needs_the_permission_of_the_function(cloud: LocalCloud, stack: Stack) -> None:
    """No permission, or that of another rule, invokes nothing."""
    number = str(uuid.uuid4())
    for times in (1, 2):
        cloud.client("events").put_events(Entries=[entry("ours", id=number)])
        assert len(events(cloud, stack.physical_id("Listener"), times, id=number)) == times
    time.sleep(1)
    for name in ("Closed", "Wrong"):
        assert events(cloud, stack.physical_id(name), id=number) == []


@pytest.mark.parametrize("putter", ["Putter", "EachPutter"])
def test_a_condition_on_the_source_of_an_event_is_evaluated(cloud: LocalCloud, stack: Stack, putter: str) -> None:
    """The role may put events of one source; of another, or of both at once, it may not."""
    api = cloud.client("events", **assumed(cloud, role_arn(cloud, stack, putter)))
    number = str(uuid.uuid4())
    assert api.put_events(Entries=[entry("ours", id=number), entry("ours")])["FailedEntryCount"] == 0
    for entries in ([entry("theirs", id=number)], [entry("ours", id=number), entry("theirs")]):
        with refused("AccessDeniedException", "events:PutEvents"):
            api.put_events(Entries=entries)
    assert len(events(cloud, stack.physical_id("Listener"), 1, id=number)) == 1
