"""The embedded account's EventBridge Scheduler fires, and asks who may."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import refused
from cloud.invocations import LISTENER, allow, assumed, attribute, events, function_arn, role_arn
from tools.cloud.cloudformation_stack import LAMBDA, Stack, function, role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

SCHEDULER = {"Service": "scheduler.amazonaws.com"}
FAILING = LISTENER + '    raise ValueError("always")\n'

TEMPLATE: Template = {
    "Resources": {
        "FunctionRole": role(LAMBDA),
        "Listener": function(LISTENER, "FunctionRole"),
        "Failing": function(FAILING, "FunctionRole"),
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "ours"}},
        "Invoker": role(SCHEDULER, "/", allow("lambda:InvokeFunction", [attribute("Listener"), attribute("Failing")])),
        "Powerless": role(SCHEDULER, "/", allow("sqs:SendMessage", attribute("Queue"))),
        "Untrusting": role(LAMBDA, "/", allow("lambda:InvokeFunction", "*")),
        "Maker": role(
            {"AWS": {"Ref": "AWS::AccountId"}},
            "/",
            allow(
                "scheduler:*",
                {"Fn::Sub": "arn:aws:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/ours/*"},
            ),
            allow(
                "iam:PassRole",
                [attribute("Invoker"), attribute("Untrusting")],
                StringEquals={"iam:PassedToService": "scheduler.amazonaws.com"},
            ),
            allow(
                "iam:PassRole",
                attribute("Powerless"),
                StringEquals={"iam:PassedToService": "lambda.amazonaws.com"},
            ),
        ),
    }
}


class Scheduling:
    """A stack with functions to invoke, and a role that may make schedules in its group."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud, self.stack = cloud, Stack(cloud)
        assert self.stack.create(TEMPLATE) == "CREATE_COMPLETE"
        self.account = cloud.account
        self.scheduler = cloud.client("scheduler", **assumed(cloud, self.role("Maker")))

    def role(self, logical_id: str) -> str:
        """Give the ARN of a role."""
        return role_arn(self.cloud, self.stack, logical_id)

    def function(self, logical_id: str) -> str:
        """Give the ARN of a function."""
        return function_arn(self.cloud, self.stack, logical_id)

    def target(self, text: str, function: str = "Listener", role: str = "Invoker") -> dict[str, Any]:
        """Give a schedule's target."""
        found = {"Arn": self.function(function), "RoleArn": self.role(role), "Input": json.dumps({"text": text})}
        return found | {"DeadLetterConfig": {"Arn": self._queue_arn()}}

    def schedule(self, name: str, text: str, seconds: float = 0, **changes: Any) -> dict[str, Any]:
        """Give the arguments that make a one-time schedule."""
        when = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
        wanted = {
            "Name": name,
            "GroupName": "ours",
            "ScheduleExpression": f"at({when:%Y-%m-%dT%H:%M:%S})",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": self.target(text),
        }
        return wanted | changes

    def heard(self, text: str, times: int = 1, function: str = "Listener") -> list[dict[str, Any]]:
        """Wait until a function got an event with this text so often, and give those events."""
        return events(self.cloud, self.stack.physical_id(function), times, text=text)

    def left(self) -> list[str]:
        """Give what is in the queue, and take it out."""
        queue = self.cloud.client("sqs").get_queue_url(QueueName=self.stack.physical_id("Queue").rsplit("/", 1)[-1])
        received = self.cloud.client("sqs").receive_message(QueueUrl=queue["QueueUrl"], WaitTimeSeconds=5)
        return [message["Body"] for message in received.get("Messages", [])]

    def _queue_arn(self) -> str:
        name = self.stack.physical_id("Queue").rsplit("/", 1)[-1]
        return f"arn:aws:sqs:{self.cloud.region}:{self.account}:{name}"

    def exists(self, name: str) -> bool:
        """Tell whether a schedule is there."""
        try:
            self.scheduler.get_schedule(Name=name, GroupName="ours")
        except self.scheduler.exceptions.ResourceNotFoundException:
            return False
        return True


@pytest.fixture(scope="module")
def scheduling(cloud: LocalCloud) -> Iterator[Scheduling]:
    """Deploy the functions and roles once."""
    cloud.reset()
    yield Scheduling(cloud)
    cloud.reset()


@pytest.fixture
def name() -> str:
    """Give a name that no other schedule has."""
    return f"schedule-{uuid.uuid4().hex[:8]}"


def test_a_one_time_schedule_fires_once_and_goes(scheduling: Scheduling, name: str) -> None:
    """The function gets the input about a second after the time, and the schedule is deleted."""
    text = f"{name} <aws.scheduler.schedule-arn>"
    scheduling.scheduler.create_schedule(**scheduling.schedule(name, text, seconds=1))
    assert scheduling.exists(name)
    expected = f"arn:aws:scheduler:{scheduling.cloud.region}:{scheduling.account}:schedule/ours/{name}"
    assert len(scheduling.heard(f"{name} {expected}")) == 1
    assert not scheduling.exists(name)


def test_a_name_is_used_once_at_a_time_and_may_come_again(scheduling: Scheduling, name: str) -> None:
    """While it is there, the name is taken; a schedule made again or updated fires again."""
    api = scheduling.scheduler
    api.create_schedule(**scheduling.schedule(name, name, seconds=3600))
    with refused("ConflictException"):
        api.create_schedule(**scheduling.schedule(name, name))
    api.update_schedule(**scheduling.schedule(name, name, ActionAfterCompletion="NONE"))
    assert len(scheduling.heard(name)) == 1
    api.update_schedule(**scheduling.schedule(name, name, ActionAfterCompletion="NONE"))
    assert len(scheduling.heard(name, times=2)) == 2
    api.delete_schedule(Name=name, GroupName="ours")
    api.create_schedule(**scheduling.schedule(name, name))
    assert len(scheduling.heard(name, times=3)) == 3


def test_a_schedule_that_is_deleted_does_not_fire(scheduling: Scheduling, name: str) -> None:
    """Nothing comes after DeleteSchedule."""
    scheduling.scheduler.create_schedule(**scheduling.schedule(name, name, seconds=2))
    scheduling.scheduler.delete_schedule(Name=name, GroupName="ours")
    with refused("ResourceNotFoundException"):
        scheduling.scheduler.delete_schedule(Name=name, GroupName="ours")
    marker = f"{name}-later"
    scheduling.scheduler.create_schedule(**scheduling.schedule(marker, marker, seconds=3))
    assert scheduling.heard(marker)
    assert scheduling.heard(name, times=0) == []


def test_policies_name_the_group(scheduling: Scheduling, name: str) -> None:
    """A role with rights on one group can't make, see or delete schedules of another."""
    api = scheduling.scheduler
    elsewhere = {"Name": name, "GroupName": "default"}
    with refused("AccessDeniedException", "scheduler:CreateSchedule"):
        api.create_schedule(**scheduling.schedule(name, name) | elsewhere)
    for action in (api.get_schedule, api.delete_schedule):
        with refused("AccessDeniedException"):
            action(**elsewhere)
        with refused("ResourceNotFoundException"):
            action(**elsewhere | {"GroupName": "ours"})


def test_whoever_makes_a_schedule_must_be_allowed_to_pass_its_role(scheduling: Scheduling, name: str) -> None:
    """A role that may be passed to Lambda only is no role for a schedule, also when one is updated."""
    target = scheduling.target(name, role="Powerless")
    with refused("AccessDeniedException", "iam:PassRole on resource: .*Powerless"):
        scheduling.scheduler.create_schedule(**scheduling.schedule(name, name, Target=target))
    scheduling.scheduler.create_schedule(**scheduling.schedule(name, name, seconds=3600))
    with refused("AccessDeniedException", "iam:PassRole"):
        scheduling.scheduler.update_schedule(**scheduling.schedule(name, name, Target=target))


def test_the_role_must_trust_scheduler(scheduling: Scheduling, name: str) -> None:
    """A role for Lambda is refused when the schedule is made."""
    target = scheduling.target(name, role="Untrusting")
    with refused("ValidationException", "must allow AWS EventBridge Scheduler to assume the role"):
        scheduling.scheduler.create_schedule(**scheduling.schedule(name, name, Target=target))


def test_a_role_without_the_right_invokes_nothing(scheduling: Scheduling, name: str) -> None:
    """What could not be invoked is in the dead-letter queue."""
    wanted = scheduling.schedule(name, name, Target=scheduling.target(name, role="Powerless"))
    scheduling.cloud.client("scheduler").create_schedule(**wanted)
    assert scheduling.left() == [json.dumps({"text": name})]
    assert scheduling.heard(name, times=0) == []


def test_a_function_that_fails_is_invoked_three_times(scheduling: Scheduling, name: str) -> None:
    """Scheduler invokes asynchronously, and Lambda tries twice more."""
    wanted = scheduling.schedule(name, name, Target=scheduling.target(name, function="Failing"))
    scheduling.scheduler.create_schedule(**wanted)
    assert len(scheduling.heard(name, times=3, function="Failing")) == 3


def test_a_flexible_window_needs_its_length(scheduling: Scheduling, name: str) -> None:
    """OFF goes without a length, FLEXIBLE with one."""
    for window in ({"Mode": "FLEXIBLE"}, {"Mode": "OFF", "MaximumWindowInMinutes": 5}):
        with refused("ValidationException", "FlexibleTimeWindow"):
            scheduling.scheduler.create_schedule(**scheduling.schedule(name, name, FlexibleTimeWindow=window))


class TestResources:
    """AWS::Scheduler::Schedule and AWS::Scheduler::ScheduleGroup in a template."""

    def declared(self, scheduling: Scheduling, **changes: Any) -> Template:
        """Declare a group and a schedule in it."""
        schedule = scheduling.schedule("declared", "declared", seconds=3600) | {"GroupName": {"Ref": "Group"}}
        del schedule["Name"]
        return {
            "Resources": {
                "Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "declared"}},
                "Schedule": {"Type": "AWS::Scheduler::Schedule", "Properties": schedule | changes},
            }
        }

    def test_they_come_change_and_go_with_the_stack(self, scheduling: Scheduling) -> None:
        """All properties are kept; with its group goes every schedule in it."""
        stack, api = Stack(scheduling.cloud), scheduling.cloud.client("scheduler")
        assert stack.create(self.declared(scheduling)) == "CREATE_COMPLETE"
        named = {"Name": stack.physical_id("Schedule"), "GroupName": "declared"}
        assert api.get_schedule(**named)["ActionAfterCompletion"] == "DELETE"
        assert stack.update(self.declared(scheduling, ScheduleExpression="rate(1 day)")) == "UPDATE_COMPLETE"
        assert api.get_schedule(**named)["ScheduleExpression"] == "rate(1 day)"
        api.create_schedule(**scheduling.schedule("by-hand", "by-hand", seconds=3600, GroupName="declared"))
        assert stack.delete() == "DELETE_COMPLETE"
        for gone in (named, {"Name": "by-hand", "GroupName": "declared"}):
            with refused("ResourceNotFoundException"):
                api.get_schedule(**gone)
        with refused("ResourceNotFoundException"):
            api.get_schedule_group(Name="declared")

    def test_what_is_wrong_fails_the_deployment(self, scheduling: Scheduling) -> None:
        """A role that does not trust Scheduler rolls the stack back."""
        stack = Stack(scheduling.cloud)
        target = scheduling.target("declared", role="Untrusting")
        assert stack.create(self.declared(scheduling, Target=target)) == "ROLLBACK_COMPLETE"
        assert "must allow AWS EventBridge Scheduler" in stack.reasons("Schedule")[0]
