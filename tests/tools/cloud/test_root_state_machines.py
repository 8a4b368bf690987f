"""State machines of the embedded account may what their roles may, and schedules start them."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import refused
from cloud.invocations import allow, assumed, attribute, role_arn
from tools.cloud.cloudformation_stack import LAMBDA, Stack, function, role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

STATES = {"Service": "states.amazonaws.com"}
BUCKET = "items-of-the-guard"
NAMESPACE = "RootKeys"
# Fails for an item as often as it says, and answers its item and its context.
WORKER = """
import os
def handler(event, context):
    if event.get("fails"):
        raise RuntimeError("as told")
    return {"item": event.get("item"), "execution": event.get("execution")}
"""


def task(payload: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Write a state that invokes the worker."""
    parameters = {"FunctionName": "${worker}", "Payload": payload}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": parameters,
        "ResultSelector": {"payload.$": "$.Payload"},
        **more,
    }


CONTEXT = {"id.$": "$$.Execution.Id", "name.$": "$$.Execution.Name", "start.$": "$$.Execution.StartTime"}
PAYLOAD = {"item.$": "$.item", "fails.$": "$.item.fails", "execution.$": "$.execution"}
RETRY = [
    {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 1,
        "MaxAttempts": 2,
        "MaxDelaySeconds": 5,
        "BackoffRate": 2,
        "JitterStrategy": "FULL",
    }
]
CATCH = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Failed"}]
PROCESSOR: dict[str, Any] = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "First",
    "States": {
        "First": task(PAYLOAD, ResultPath="$.first", Retry=RETRY, Next="Second"),
        "Second": task(PAYLOAD, Catch=CATCH, ResultPath="$.second", End=True),
        "Failed": {"Type": "Fail", "Error": "Caught"},
    },
}
SELECTED = {"item.$": "$$.Map.Item.Value", "execution": CONTEXT}


def machine(role_name: str, **changes: Any) -> Template:
    """Declare a state machine that maps the items of an object."""
    definition = {
        "StartAt": "Map",
        "States": {
            "Map": {
                "Type": "Map",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSON"},
                    "Parameters": {"Bucket": BUCKET, "Key.$": "$.key"},
                },
                "ItemSelector": SELECTED,
                "ItemProcessor": PROCESSOR,
                "MaxConcurrency": 20,
                "ToleratedFailurePercentage": 50,
                "ResultPath": "$.results",
                "End": True,
                **changes,
            }
        },
    }
    return {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": attribute(role_name),
            "DefinitionString": json.dumps(definition),
            "DefinitionSubstitutions": {"worker": attribute("Worker")},
        },
    }


INVOKE = allow("lambda:InvokeFunction", attribute("Worker"))
READ = allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*")
START = allow("states:StartExecution", "*")
EVENTS = {"Service": "events.amazonaws.com"}
TEMPLATE: Template = {
    "Resources": {
        "WorkerRole": role(LAMBDA),
        "Worker": function(WORKER, "WorkerRole"),
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": BUCKET}},
        "Role": role(STATES, "/", INVOKE, READ, START),
        "WithoutInvoke": role(STATES, "/", READ, START),
        "WithoutRead": role(STATES, "/", INVOKE, START),
        "WithoutStart": role(STATES, "/", INVOKE, READ),
        "Untrusting": role(LAMBDA, "/", INVOKE, READ, START),
        "Machine": machine("Role"),
        "Quiet": machine("Role", ResultPath=None),
        "MachineWithoutInvoke": machine("WithoutInvoke"),
        "MachineWithoutRead": machine("WithoutRead"),
        "MachineWithoutStart": machine("WithoutStart"),
        "MachineUntrusted": machine("Untrusting"),
        "Starter": role(EVENTS, "/", allow("states:StartExecution", {"Ref": "Machine"})),
        "Powerless": role(EVENTS, "/", allow("lambda:InvokeFunction", "*")),
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Queue": {"Type": "AWS::SQS::Queue"},
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "sns.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": attribute("Queue"),
                            "Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": "Topic"}}},
                        }
                    ],
                },
            },
        },
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": attribute("Queue"),
                "RawMessageDelivery": True,
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Namespace": NAMESPACE,
                "MetricName": "Found",
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
                "AlarmActions": [{"Ref": "Topic"}],
            },
        },
        "Teller": role(
            {"AWS": {"Ref": "AWS::AccountId"}},
            "/",
            allow("sns:Publish", {"Ref": "Topic"}),
            allow("events:PutEvents", "*"),
            allow("cloudwatch:PutMetricData", "*", StringEquals={"cloudwatch:namespace": NAMESPACE}),
        ),
    }
}


class Machines:
    """A stack with state machines, and what starts them."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud, self.stack = cloud, Stack(cloud)
        assert self.stack.create(TEMPLATE) == "CREATE_COMPLETE"
        self.states = cloud.client("stepfunctions")

    def put(self, *items: dict[str, Any]) -> str:
        """Put items into an object and give its key."""
        key = f"items-{time.monotonic_ns()}.json"
        self.cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(items))
        return key

    def run(self, *items: dict[str, Any], machine: str = "Machine") -> dict[str, Any]:
        """Run an execution to its end."""
        arn = self.states.start_execution(
            stateMachineArn=self.stack.physical_id(machine), input=json.dumps({"key": self.put(*items)})
        )["executionArn"]
        return self.ended(arn)

    def ended(self, arn: str) -> dict[str, Any]:
        """Wait for an execution's end."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.states.describe_execution(executionArn=arn)
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.1)
        raise TimeoutError(arn)

    def told(self, text: str) -> list[str]:
        """Wait until the queue has a message with a text, and take it out."""
        sqs = self.cloud.client("sqs")
        for _ in range(10):
            found = sqs.receive_message(QueueUrl=self.stack.physical_id("Queue"), WaitTimeSeconds=2)
            bodies = [message["Body"] for message in found.get("Messages", []) if text in message["Body"]]
            if bodies:
                return bodies
        return []


@pytest.fixture(scope="module")
def machines(cloud: LocalCloud) -> Iterator[Machines]:
    """Deploy everything once."""
    cloud.reset()
    yield Machines(cloud)
    cloud.reset()


def test_a_distributed_map_runs_its_items(machines: Machines) -> None:
    """Each item of the object once, retried, caught, and tolerated up to the percentage."""
    ended = machines.run(*({"number": number, "fails": number == 3} for number in range(10)))
    assert ended["status"] == "SUCCEEDED"
    results = json.loads(ended["output"])["results"]
    done = [result["second"]["payload"] for result in results if result]
    assert sorted(each["item"]["number"] for each in done) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    execution = done[0]["execution"]
    assert (execution["id"], execution["name"]) == (ended["executionArn"], ended["name"])
    assert execution["start"].startswith(f"{dt.datetime.now(dt.UTC):%Y-}")
    (run,) = machines.states.list_map_runs(executionArn=ended["executionArn"])["mapRuns"]
    counts = machines.states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
    assert (counts["succeeded"], counts["failed"]) == (9, 1)


def test_more_failures_than_tolerated_fail_the_map(machines: Machines) -> None:
    """With the error that says so."""
    ended = machines.run(*({"number": number, "fails": number < 3} for number in range(5)))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")


@pytest.mark.parametrize(
    ("machine", "error"),
    [
        ("MachineWithoutRead", "States.ItemReaderFailed"),
        ("MachineWithoutStart", "StepFunctions.AWSStepFunctionsException"),
        ("MachineUntrusted", "StepFunctions.AWSStepFunctionsException"),
        ("MachineWithoutInvoke", "States.ExceedToleratedFailureThreshold"),
    ],
)
def test_the_role_of_the_machine_decides(machines: Machines, machine: str, error: str) -> None:
    """On the object, the child executions and the function; and it must trust Step Functions."""
    ended = machines.run({"number": 1, "fails": False}, machine=machine)
    assert (ended["status"], ended["error"]) == ("FAILED", error)


def test_a_result_has_a_largest_size(machines: Machines) -> None:
    """256 KiB, also all results of a map together."""
    ended = machines.run(*({"number": number, "fails": False, "text": "x" * 50_000} for number in range(3)))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.DataLimitExceeded")


@pytest.mark.parametrize("role_name", ["Starter", "Powerless"])
def test_a_rule_starts_what_its_role_may(machines: Machines, role_name: str) -> None:
    """And nothing else."""
    arn, rules = machines.stack.physical_id("Machine"), machines.cloud.client("events")
    before = {each["executionArn"] for each in machines.states.list_executions(stateMachineArn=arn)["executions"]}
    target = {
        "Id": "machine",
        "Arn": arn,
        "RoleArn": role_arn(machines.cloud, machines.stack, role_name),
        "Input": json.dumps({"key": machines.put({"number": 1, "fails": False})}),
    }
    rules.put_rule(Name=f"by-{role_name}", ScheduleExpression="rate(1 day)")
    rules.put_targets(Rule=f"by-{role_name}", Targets=[target])
    machines.cloud.fire_rule(f"by-{role_name}")
    found = machines.states.list_executions(stateMachineArn=arn)["executions"]
    started = {each["executionArn"] for each in found} - before
    assert len(started) == (1 if role_name == "Starter" else 0)
    for execution in started:
        assert machines.ended(execution)["status"] == "SUCCEEDED"


def test_findings_are_told(machines: Machines) -> None:
    """By a topic, an event and a metric whose namespace the policy names; the metric's alarm tells the topic."""
    cloud, topic = machines.cloud, machines.stack.physical_id("Topic")
    key = assumed(cloud, role_arn(cloud, machines.stack, "Teller"))
    cloud.client("sns", **key).publish(TopicArn=topic, Message="a root key was found")
    assert machines.told("a root key was found")
    entry = {"Source": "guard", "DetailType": "found", "Detail": "{}"}
    assert cloud.client("events", **key).put_events(Entries=[entry])["FailedEntryCount"] == 0
    metrics = cloud.client("cloudwatch", **key)
    with refused("AccessDeniedException"):
        metrics.put_metric_data(Namespace="Other", MetricData=[{"MetricName": "Found", "Value": 1}])
    metrics.put_metric_data(Namespace=NAMESPACE, MetricData=[{"MetricName": "Found", "Value": 1}])
    assert machines.told("ALARM")


def test_500_items_take_no_minutes(machines: Machines) -> None:
    """Two tasks each, 20 at once."""
    machines.run(*({"number": number, "fails": False} for number in range(20)))
    before = time.monotonic()
    ended = machines.run(*({"number": number, "fails": False} for number in range(500)), machine="Quiet")
    assert ended["status"] == "SUCCEEDED"
    assert time.monotonic() - before < 60
