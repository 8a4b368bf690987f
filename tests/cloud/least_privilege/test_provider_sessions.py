"""What the function and the schedules of a stack can't do with their own roles."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import refused as refusal
from cloud.invocations import events
from cloud.least_privilege.attempts import ATTEMPTS, Schedule, denied, refused
from cloud.least_privilege.deployed import role_name, trusting
from cloud.least_privilege.life import LISTENING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud.least_privilege.deployed import Deployed, Target
    from cloud.stacks import Account, Session

_DESCRIBE = "secretsmanager:DescribeSecret"


@contextmanager
def secret_tagged(account: Account, tags: dict[str, str]) -> Iterator[str]:
    """Make a secret with some tags, for a while."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    arn = account.secrets.create_secret(Name="tagged", SecretString="{}", Tags=listed)["ARN"]
    yield arn
    account.secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize(
    ("tags", "refused_action"),
    [
        ({}, _DESCRIBE),
        ({"cdk-iam-access-key:provider": "/cdk-iam-access-key/Other/"}, _DESCRIBE),
        ({"cdk-iam-access-key:provider": "/cdk-iam-access-key/shop/"}, _DESCRIBE),
        ({"cdk-iam-access-key:provider": "/cdk-iam-access-key/*"}, _DESCRIBE),
        ({"cdk-iam-access-key:provider": ""}, _DESCRIBE),
        ({"cdk-iam-access-key:stack": "/cdk-iam-access-key/Shop/"}, _DESCRIBE),
        ({"cdk-iam-access-key:provider": "/cdk-iam-access-key/Shop/"}, ""),
    ],
)
def test_the_function_describes_secrets_of_its_stack_only(
    account: Account, shop: Deployed, tags: dict[str, str], refused_action: str
) -> None:
    """By the provider's tag, exactly."""
    with secret_tagged(account, tags) as arn:
        assert denied(lambda: shop.function.client("secretsmanager").describe_secret(SecretId=arn)) == refused_action


def test_the_function_reaches_no_key_without_its_role(account: Account, shop: Deployed, other: Deployed) -> None:
    """All that the function's own role has on a user or a secret is denied, but a description of its own secrets."""
    for target in shop.targets.values():
        account.secrets.tag_resource(
            **target.secret, Tags=[{"Key": "cdk-iam-access-key:provider", "Value": "/cdk-iam-access-key/Shop/"}]
        )
        assert refused(shop.function, target) == set(ATTEMPTS) - {_DESCRIBE}
    for target in other.targets.values():
        assert refused(shop.function, target) == set(ATTEMPTS)
    entry = {"DetailType": "x", "Detail": "{}", "Source": "cdk-iam-access-key"}
    assert denied(lambda: shop.function.client("events").put_events(Entries=[entry])) == "events:PutEvents"


def test_nobody_but_the_scheduler_runs_with_its_role(shop: Deployed, own: Target, session: Session) -> None:
    """Neither the function nor a key's session may assume it."""
    for somebody in (shop.function, session):
        assert denied(lambda: somebody.assume(own.scheduler_role)) == "sts:AssumeRole"  # noqa: B023


def test_the_schedulers_role_serves_its_group_only(account: Account, own: Target) -> None:
    """Whoever may pass it can't use it for a schedule of another group."""
    with refusal("ValidationException", "must allow AWS EventBridge Scheduler to assume"):
        replace(Schedule.of(own), group="default").create(account.cloud)


def test_the_schedulers_role_calls_its_function_only(
    account: Account, tester: Session, shop: Deployed, other: Deployed, own: Target
) -> None:
    """No other function, and no other queue."""
    with trusting(account, own.scheduler_role, tester.arn):
        session = tester.assume(own.scheduler_role)
    event = json.dumps({"Operation": "Show", **own.secret})

    def invoke(function: str) -> str:
        return denied(lambda: session.client("lambda").invoke(FunctionName=function, Payload=event))

    def write(queue: str) -> str:
        return denied(lambda: session.client("sqs").send_message(QueueUrl=queue, MessageBody="x"))

    assert invoke(own.function) == ""
    for function in (other.targets["stranger"].function, _listening(account)):
        assert invoke(function) == "lambda:InvokeFunction"
    assert write(other.dead_letters) == "sqs:SendMessage"
    assert write(shop.dead_letters) == ""
    _emptied(account, shop)
    assert refused(session, own) == set(ATTEMPTS)


def test_a_schedule_of_a_key_calls_no_other_function(
    account: Account, shop: Deployed, own: Target, session: Session
) -> None:
    """Though the key's session may name any function in it: the role does not reach further."""
    queue = account.cloud.client("sqs").get_queue_attributes(QueueUrl=shop.dead_letters, AttributeNames=["QueueArn"])
    elsewhere = replace(
        Schedule.of(own),
        function=_listening(account),
        event=json.dumps({"by": "a schedule"}),
        at="2020-01-01T00:00:00",
        dead_letters=queue["Attributes"]["QueueArn"],
    )
    elsewhere.create(session)
    end = time.monotonic() + 10
    while not (left := _emptied(account, shop)) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == [elsewhere.event]
    assert events(account.cloud, LISTENING, by="a schedule") == []


def _listening(account: Account) -> str:
    found: dict[str, Any] = account.cloud.client("lambda").get_function_configuration(FunctionName=LISTENING)
    return str(found["FunctionArn"])


def _emptied(account: Account, shop: Deployed) -> list[str]:
    queue = account.cloud.client("sqs")
    messages = queue.receive_message(QueueUrl=shop.dead_letters, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        queue.delete_message(QueueUrl=shop.dead_letters, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


@contextmanager
def allowed_to_assume_any(account: Account, role_arn: str) -> Iterator[None]:
    """Let a role assume all roles for a while, as far as it is concerned."""
    everything = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    named = {"RoleName": role_name(role_arn), "PolicyName": "any"}
    account.iam.put_role_policy(**named, PolicyDocument=document)
    try:
        yield
    finally:
        account.iam.delete_role_policy(**named)


def test_two_locks_keep_a_function_out_of_another_stack(account: Account, shop: Deployed, other: Deployed) -> None:
    """Its own policy does not name that stack's roles, and they do not trust it: each alone is enough."""
    key_role, anybody = shop.targets["deploy"].role_arn, f"arn:aws:iam::{account.cloud.account}:root"

    def kept_out() -> bool:
        return bool(denied(lambda: other.function.assume(key_role)))

    assert kept_out()
    with trusting(account, key_role, anybody):
        assert kept_out()
    with allowed_to_assume_any(account, other.roles["function"]):
        assert kept_out()
        with trusting(account, key_role, anybody):
            assert not kept_out(), "it was something else that kept it out"
