"""Guards that nobody but their own rules start, which the embedded account fires before their time has come."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import CfnOutput
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from cloud.guards.deployed import UNUSED, Guard, managing
from cloud.guards.runs import KEY, summary
from cloud.stacks import Deployment

from cdk_iam_access_key import OrganizationRootKeyGuard, RootAccessKeyGuard, RootKeyMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws_cdk import Stack
    from cloud.stacks import Account

    from local_cloud import LocalCloud

_SECONDS = 60


def declare(stack: Stack) -> None:
    """Declare both guards, each with its schedule, and a queue of all that they tell."""
    topic = sns.Topic(stack, "Topic", enforce_ssl=True)
    notices, told = sqs.Queue(stack, "Notices"), sqs.Queue(stack, "Told")
    topic.add_subscription(subscriptions.SqsSubscription(notices, raw_message_delivery=True))
    pattern = events.EventPattern(source=["cdk-iam-access-key"])
    events.Rule(stack, "Rule", event_pattern=pattern, targets=[targets.SqsQueue(told)])
    own = RootAccessKeyGuard(stack, "Own", schedule=events.Schedule.cron(hour="4", minute="0"), notify=topic)
    of_all = OrganizationRootKeyGuard(stack, "Guard", mode=RootKeyMode.DELETE_UNUSED, notify=topic)
    for name, value in {
        "Machine": of_all.state_machine.state_machine_arn,
        "Bucket": of_all.bucket.bucket_name,
        "Notices": notices.queue_url,
        "Told": told.queue_url,
        "Alarm": own.alarm.alarm_name,
        "FailureAlarm": own.failure_alarm.alarm_name,
    }.items():
        CfnOutput(stack, f"{name}Output", value=value)


class Watched:
    """The stack with both guards, and what there is to see of them."""

    def __init__(self, account: Account, stack: Deployment) -> None:
        self.cloud = account.cloud
        outputs = stack.deploy(declare)
        self.outputs = {name.removesuffix("Output"): value for name, value in outputs.items()}
        self.guard = Guard.of(account, stack.name, self.outputs)
        self.told: dict[str, list[str]] = {"Notices": [], "Told": []}

    def fire(self) -> None:
        """Let the rules of both guards fire."""
        rules = [name for logical, name in self.guard.physical.items() if "Schedule" in logical[:-8][-8:]]
        assert len(rules) == 2
        for rule in rules:
            self.cloud.fire_rule(rule)

    def executions(self) -> list[dict[str, Any]]:
        """List the runs."""
        states = self.cloud.client("stepfunctions")
        found: list[dict[str, Any]] = states.list_executions(stateMachineArn=self.outputs["Machine"])["executions"]
        return found

    def alarms(self) -> tuple[str, str]:
        """Give the states of the alarms of the guard of one account: of what it found, and of its failure."""
        names = [self.outputs["Alarm"], self.outputs["FailureAlarm"]]
        found = self.cloud.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
        states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}
        return states[names[0]], states[names[1]]

    def kinds(self) -> list[str]:
        """Take the events that were told, and name their kinds."""
        return [json.loads(body)["detail-type"] for body in self._received("Told")]

    def notices(self) -> str:
        """Take the notices, and join them."""
        return "\n".join(self._received("Notices"))

    def _received(self, name: str) -> list[str]:
        queues, url = self.cloud.client("sqs"), self.outputs[name]
        while messages := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                self.told[name].append(message["Body"])
        return self.told[name]


@pytest.fixture
def watched(cloud: LocalCloud, tmp_path: Path) -> Watched:
    """Deploy both guards while nobody has a root key, in an account whose metrics know of none either."""
    account = managing(cloud)
    return Watched(account, Deployment(cloud, tmp_path, "Watched"))


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < end, f"not within {_SECONDS} seconds: {what}"
        time.sleep(0.1)


def test_their_rules_start_both_guards(watched: Watched) -> None:
    """Each once: there is a run with its summary, notice and event, and the metric, alarm and event of the check."""
    cloud = watched.cloud
    assert watched.executions() == []
    assert watched.kinds() == []
    assert "ALARM" not in watched.alarms()
    cloud.organization.set_root_keys({cloud.account: [KEY], UNUSED: [KEY]})
    cloud.clear_calls()
    watched.fire()
    until(lambda: [run["status"] for run in watched.executions()] == ["SUCCEEDED"], "a run succeeds")
    found = summary(watched.guard, watched.executions()[0]["executionArn"])
    assert (found["DryRun"], found["Keys"]["planned"], found["Accounts"]["detected"]) == (True, 1, 1)
    until(lambda: watched.alarms()[0] == "ALARM", "the alarm tells of the account's own key")
    until(lambda: len(watched.kinds()) > 1, "both guards have told")
    assert sorted(watched.kinds()) == ["Root Access Key Found", "Root Access Keys Checked"]
    until(lambda: "ALARM" in watched.notices(), "the notice of the alarm has come")
    assert f"{UNUSED} {KEY.access_key_id} planned" in watched.notices()
    assert watched.alarms()[1] != "ALARM"
    assert [call.name for call in cloud.calls() if "AccessDenied" in (call.error or "")] == []
    assert len(watched.executions()) == 1
    assert set(cloud.organization.root_keys()) == {cloud.account, UNUSED}


@pytest.mark.thorough
def test_what_a_rule_finds_clean_is_told_by_the_run_only(watched: Watched) -> None:
    """The check of the account gives its metric a value, and no event, no notice and no alarm."""
    cloud = watched.cloud
    assert watched.executions() == []
    cloud.clear_calls()
    watched.fire()
    until(lambda: [run["status"] for run in watched.executions()] == ["SUCCEEDED"], "a run succeeds")
    found = summary(watched.guard, watched.executions()[0]["executionArn"])
    assert (found["Found"], found["Management"], found["Accounts"]["clean"]) == ([], [], 4)
    until(lambda: any(call.name == "monitoring:PutMetricData" for call in cloud.calls()), "the account is checked")
    assert watched.kinds() == ["Root Access Keys Checked"]
    assert "4 clean, 0 with keys, 0 failed" in watched.notices()
    assert "ALARM" not in watched.notices()
    assert "ALARM" not in watched.alarms()
