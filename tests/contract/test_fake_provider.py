"""The provider, unchanged, on the fake: the fake is where the provider looks for AWS, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from fakes.aws import Context, FakeAccount, ProcessDeath, cold_start
from fakes.faults import CONNECTION_LOST, PROCESS_DEATH
from fakes.installation import LEDGER_TABLE

from access_key_provider import main
from access_key_provider.entrypoints import session
from lambda_shared import cfn_response
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Send = Callable[..., dict[str, Any]]

STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/0a1b2c3d-0000-1111-2222-333344445555"
ROLE = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/r"


@pytest.fixture
def arn(account: FakeAccount) -> str:
    """Make a secret without a value, and the ledger."""
    account.person.make_table(LEDGER_TABLE)
    return account.person.make_secret("shop/deploy")


@pytest.fixture
def send(account: FakeAccount, arn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Send]:
    """Send an event to the handler and return its answer."""
    answers: list[dict[str, Any]] = []

    def put(_url: str, content: bytes) -> int:
        answers.append(json.loads(content))
        return 200

    monkeypatch.setattr(cfn_response, "_put", put)

    def send(kind: str, serial: str = "1", **members: Any) -> dict[str, Any]:
        properties = {"UserName": "deploy", "SecretArn": arn, "RoleArn": ROLE, "Serial": serial, "Status": "Active"}
        event = {
            "RequestType": kind,
            "ResponseURL": "https://localhost/answer",
            "StackId": STACK_ID,
            "RequestId": "00000000-0000-4000-8000-000000000000",
            "LogicalResourceId": "Key",
            "ResourceProperties": properties,
            **members,
        }
        main.handler(event, Context(account.clock))
        return answers.pop()

    with account.installed():
        yield send
    assert account.violations == []


def living(account: FakeAccount) -> dict[str, str | None]:
    """Return the status of the user's keys."""
    return {key.id: key.status.value for key in account.state.users["deploy"].living_keys()}


def test_a_key_is_created_rotated_and_deleted(account: FakeAccount, arn: str, send: Send) -> None:
    """Everything happens in the account, in the name of the key's role, and no real time passes."""
    first = send("Create")["Data"]["AccessKeyId"]
    assert living(account) == {first: "Active"}
    updated = send("Update", "2", PhysicalResourceId=f"deploy@{arn}", OldResourceProperties={})
    second = updated["Data"]["AccessKeyId"]
    assert living(account) == {first: "Inactive", second: "Active"}
    current = account.client("secretsmanager").get_secret_value(SecretId=arn)
    assert json.loads(current["SecretString"])["accessKeyId"] == second
    assert send("Delete", "2", PhysicalResourceId=f"deploy@{arn}")["Status"] == "SUCCESS"
    assert living(account) == {}
    principals = {call.principal for call in account.log.entries if call.service in {"iam", "secretsmanager"}}
    assert all(":assumed-role/r/" in principal for principal in principals)


def test_the_log_can_be_enumerated(account: FakeAccount, send: Send) -> None:
    """Each call of an operation has a number, from 0, and fails when that number is named."""
    send("Create")
    names = account.log.names()
    assert [call.index for call in account.log.calls()] == list(range(len(names)))
    send("Delete")
    account.log.clear()
    cold_start()
    injection = account.fail(PROCESS_DEATH, 3)
    with pytest.raises(ProcessDeath):
        send("Create")
    assert (injection.fired, len(account.log.entries)) == (1, 4)


def test_a_killed_provider_leaves_what_it_did(account: FakeAccount, send: Send) -> None:
    """No handler catches its death, no answer is sent, and the redelivered event finds the rest."""
    account.fail(PROCESS_DEATH, "iam:CreateAccessKey", phase="after")
    with pytest.raises(ProcessDeath):
        send("Create")
    assert len(living(account)) == 1
    threads = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert [thread for thread in threads if not thread.finished.is_set()] == []
    cold_start()
    account.clock.sleep(60)
    made = send("Create")["Data"]["AccessKeyId"]
    assert living(account) == {made: "Active"}


def test_a_lost_answer_is_looked_for(account: FakeAccount, send: Send) -> None:
    """CreateAccessKey is sent once, and one key is left."""
    injection = account.fail(CONNECTION_LOST, "iam:CreateAccessKey", phase="after")
    made = send("Create")["Data"]["AccessKeyId"]
    assert injection.fired == 1
    assert living(account) == {made: "Active"}


def test_installing_leaves_nothing_behind(account: FakeAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client, the clock, the sessions and the environment are as before."""
    monkeypatch.setenv("AWS_REGION", "before")
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    clock = InvocationClock
    before = (boto3.client, clock.now, clock.sleep, session._SESSIONS, dict(os.environ))
    with account.installed():
        assert boto3.client("iam").meta.region_name == account.state.region
        assert boto3.client("sts", region_name="us-east-1").meta.region_name == "us-east-1"
        assert "AWS_PROFILE" not in os.environ
        cold_start()
    assert (boto3.client, clock.now, clock.sleep, session._SESSIONS, dict(os.environ)) == before


def test_no_client_of_boto3_is_made(account: FakeAccount, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing asks botocore for a client, which would load models and take long."""
    monkeypatch.setattr("botocore.session.Session.create_client", None)
    monkeypatch.setattr("boto3.session.Session.client", None)
    assert send("Create")["Status"] == "SUCCESS"
    assert account.log.names()
