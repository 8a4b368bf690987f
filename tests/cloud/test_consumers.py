"""Consumers of a key, on real deployments: self renewal, acknowledgements, deliveries, and real clients."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aws_cdk import Duration, Stack
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from cloud import aws_cli
from cloud.access import denied
from cloud.stacks import fail_after

from cdk_iam_access_key.cli import command
from demo.machine import Machine
from iam_access_key_client import renewal
from iam_access_key_client.client import Client
from iam_access_key_client.store import Store
from local_cloud.environment import PUBLIC_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud.shop import Key, Shop

    from cdk_iam_access_key import AccessKey

ROOT = Path(__file__).resolve().parents[2]
SOON = {"GracePeriod": 2, "RetireWhenUnusedFor": 1}
CONSUMER, PROFILE = "ci-runner-7", "ci"
INTERVAL = 1
# SDKs ask again 15 minutes before `Expiration`, and what they have until then may be the key before.
LATER = 16 * 60
DELIVERED = "/delivered"
# Reads the version as its consumer would get it, and stores which key that is, and what it was called with.
DELIVERY = f"""
import boto3, json
ssm = boto3.client("ssm")
def handler(event, context):
    value = boto3.client("secretsmanager").get_secret_value(SecretId=event["secretArn"], VersionId=event["versionId"])
    before = json.loads(ssm.get_parameter(Name="{DELIVERED}")["Parameter"]["Value"])
    got = dict(event, read=json.loads(value["SecretString"])["accessKeyId"])
    ssm.put_parameter(Name="{DELIVERED}", Value=json.dumps([*before, got]), Type="String", Overwrite=True)
"""


@dataclass
class Consumer:
    """A machine, where the client runs in this process too, with a clock that can be put forward."""

    shop: Shop
    key: Key
    machine: Machine
    ahead: float = 0

    def enrol(self) -> None:
        """Bring the current key to the machine."""
        value = self.shop.account.value(self.key.secret)
        options = ("--profile", PROFILE, "--consumer", CONSUMER, "--interval", f"{INTERVAL}s")
        self.machine.enrol(self.key.secret, *options, key=value)

    def key_id(self) -> str:
        """Ask for credentials once the interval is over, and give the id of the key."""
        self.ahead += INTERVAL
        store = Store(self.key.secret, self.machine.home / ".aws" / "iam-access-key")
        client = Client(store, interval=INTERVAL, clock=lambda: time.time() + self.ahead)
        return client.credentials()[0].access_key_id


@dataclass
class Clients:
    """boto3 and the AWS command line on a machine, which get their key by `credential_process`."""

    shop: Shop
    machine: Machine
    cli: Path

    def key_ids(self) -> set[str | None]:
        """Let each sign a call, and tell with which keys."""
        self.shop.account.cloud.clear_calls()
        boto3 = f"import boto3; boto3.Session(profile_name='{PROFILE}').client('sts').get_session_token()"
        self.machine.run([sys.executable, "-c", boto3])
        aws = ["-m", "awscli", "--profile", PROFILE, "sts", "get-session-token"]
        self.machine.run([sys.executable, *aws], PYTHONPATH=f"{self.cli}:{ROOT / 'client'}")
        found = [call for call in self.shop.account.cloud.calls() if call.action == "GetSessionToken"]
        assert [call.error for call in found] == [None, None]
        return {call.access_key_id for call in found}


@pytest.fixture
def machine(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Give a consumer's machine, to which this process belongs as well; a new key need not settle here."""
    for name, value in shop.account.cloud.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(renewal, "SETTLED", 0)
    machine = Machine(shop.account.cloud)
    yield machine
    machine.close()


def published(shop: Shop) -> list[dict[str, str]]:
    """Tell what the target of `on_published` got."""
    queue = shop.account.cloud.client("sqs")
    url = queue.get_queue_url(QueueName="published")["QueueUrl"]
    messages = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"])["detail"] for message in messages]


def delivered(shop: Shop) -> list[dict[str, str]]:
    """Tell what the function was called with, and which key it read."""
    parameter = shop.account.cloud.client("ssm").get_parameter(Name=DELIVERED)["Parameter"]
    calls: list[dict[str, str]] = json.loads(parameter["Value"])
    return calls


def renews(key: AccessKey) -> None:
    """Let the key's user renew it from here, and wait for it; tell a queue of each new key."""
    key.grant_self_renewal(from_addresses=["203.0.113.0/24"])
    key.wait_for_consumers(CONSUMER, within=Duration.days(7))
    key.on_published(targets.SqsQueue(sqs.Queue(key, "Queue", queue_name="published")))


def from_here(key: AccessKey) -> None:
    """Let the key's user renew it from here."""
    key.grant_self_renewal(from_addresses=[PUBLIC_ADDRESS])


def delivers(key: AccessKey) -> None:
    """Bring the key to a consumer by a function."""
    function = lambda_.Function(
        key,
        "Deliver",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline(DELIVERY),
        timeout=Duration.seconds(30),
    )
    parameter = ssm.StringParameter(key, "Delivered", parameter_name=DELIVERED, string_value="[]")
    parameter.grant_read(function)
    parameter.grant_write(function)
    key.deliver_to(function, name="github")


def declare(shop: Shop) -> None:
    """Declare a key for each way to a consumer."""
    shop.add("renewing", seconds=SOON, beside=renews)
    shop.add("elsewhere", beside=lambda key: key.grant_self_renewal(from_addresses=["198.51.100.7"]))
    shop.add("endpoint", beside=lambda key: key.grant_self_renewal(from_vpc_endpoints=["vpce-0a1b2c3d"]))
    shop.add("anywhere", beside=lambda key: key.grant_self_renewal(anywhere=True))
    shop.add("encrypted", settings=lambda stack: {"encryption_key": kms.Key(stack, "Kms")}, beside=from_here)
    shop.add("delivered", seconds=SOON, beside=delivers)


def a_key_reads_its_own_current_value(shop: Shop) -> None:
    """From where it is granted, and nothing else: no other version, no other secret, and no right to write."""

    def reading(name: str, of: str = "", **version: str) -> str:
        reader = shop.account.client_of(shop[name].secret, "secretsmanager")
        secret = shop[of or name].secret
        return denied(lambda: reader.get_secret_value(SecretId=secret, **version))

    current, action = {"VersionStage": "AWSCURRENT"}, "secretsmanager:GetSecretValue"
    version_id = shop.account.secrets.get_secret_value(SecretId=shop["renewing"].secret)["VersionId"]
    assert [reading(name, **current) for name in ("renewing", "anywhere", "encrypted")] == [""] * 3
    assert [reading(name, **current) for name in ("elsewhere", "endpoint", "delivered")] == [action] * 3
    assert reading("renewing", VersionStage="AWSPREVIOUS") == action
    assert reading("renewing", VersionId=version_id) == action
    assert reading("renewing", of="anywhere", **current) == action
    writer = shop.account.client_of(shop["renewing"].secret, "secretsmanager")
    assert denied(lambda: writer.put_secret_value(SecretId=shop["renewing"].secret, SecretString="x"))
    assert denied(lambda: writer.describe_secret(SecretId=shop["renewing"].secret))


def a_key_puts_no_other_events(shop: Shop) -> None:
    """It may acknowledge, and can't speak as the provider or as an AWS service would."""
    entry = {"Source": "cdk-iam-access-key.consumer", "DetailType": "Access Key Acknowledgement", "Detail": "{}"}
    events = shop.account.client_of(shop["renewing"].secret, "events")
    put = lambda **changes: denied(lambda: events.put_events(Entries=[{**entry, **changes}]))  # noqa: E731
    assert put() == ""
    assert put(Source="cdk-iam-access-key") == "events:PutEvents"
    assert put(DetailType="Access Key Published") == "events:PutEvents"
    other = shop.account.client_of(shop["anywhere"].secret, "events")
    assert denied(lambda: other.put_events(Entries=[entry])) == "events:PutEvents"


def retirement_waits_for_the_acknowledgement(shop: Shop, consumer: Consumer, old: str) -> None:
    """The client, PutEvents, the rule, the worker, STS and the ledger, end to end."""
    key = shop["renewing"]
    assert consumer.key_id() == key.current != old
    shop.sweep_until(lambda: "Access Key Retirement Postponed" in shop.told(old), "somebody is missing")
    assert key.previous == {old: "Active"}
    assert "Access Key Acknowledged" not in shop.told(key.current)
    consumer.ahead += LATER
    assert consumer.key_id() == key.current
    shop.until(lambda: "Access Key Acknowledged" in shop.told(key.current), "the acknowledgement is told")
    shop.sweep_until(lambda: key.previous == {old: "Inactive"}, "the previous key is retired")
    assert consumer.key_id() == key.current


def functions_get_both_ways(shop: Shop, *keys: tuple[str, str]) -> None:
    """A function gets the new key before readers of the secret do, and after a rollback the one before."""
    key = shop["delivered"]
    calls = [(call["accessKeyId"], call["previousAccessKeyId"]) for call in delivered(shop)]
    assert calls == list(keys)
    for call in delivered(shop):
        assert call["read"] == call["accessKeyId"]
        assert (call["secretArn"], call["consumer"]) == (key.secret, "github")
        assert set(call) == {
            *("secretArn", "versionId", "accessKeyId", "previousAccessKeyId", "consumer", "phase", "read")
        }


def an_undo_waits_for_those_who_have_to_come_back(shop: Shop, consumer: Consumer, good: str) -> None:
    """The key that is taken back works until the consumer has the restored one."""
    key, bad = shop["renewing"], shop["renewing"].current
    assert command.main(["undo", "--secret", key.secret, "--yes"]) == 0
    assert (consumer.key_id(), key.current, key.previous) == (good, good, {bad: "Active"})
    consumer.ahead += LATER
    assert consumer.key_id() == good
    shop.sweep_until(lambda: key.previous == {bad: "Inactive"}, "the key that was taken back is retired")


def test_new_keys_reach_consumers(shop: Shop, machine: Machine, tmp_path: Path) -> None:
    """By self renewal and by a function, through a rotation, a rollback and an undo, on one stack."""
    shop.listen()
    declare(shop)
    shop.deploy()
    shop.check()
    old = {name: shop[name].current for name in shop.declared}
    consumer = Consumer(shop, shop["renewing"], machine)
    consumer.enrol()
    shop.until(lambda: "Access Key Acknowledged" in shop.told(old["renewing"]), "the first key is acknowledged")
    assert consumer.key_id() == old["renewing"]
    a_key_reads_its_own_current_value(shop)
    a_key_puts_no_other_events(shop)
    functions_get_both_ways(shop, (old["delivered"], ""))
    clients = Clients(shop, machine, aws_cli.unpack(tmp_path))

    shop.change("renewing", "delivered", serial="2")
    shop.deploy()
    new = shop["delivered"].current
    functions_get_both_ways(shop, (old["delivered"], ""), (new, old["delivered"]))
    *_, told = published(shop)
    version_id = shop.account.secrets.get_secret_value(SecretId=shop["renewing"].secret)["VersionId"]
    assert (told["labelUpdated"], told["versionId"]) == ("AWSCURRENT", version_id)
    assert clients.key_ids() == {old["renewing"]}
    retirement_waits_for_the_acknowledgement(shop, consumer, old["renewing"])
    assert clients.key_ids() == {shop["renewing"].current}

    shop.change("delivered", serial="3", beside=lambda key: (delivers(key), fail_after(Stack.of(key), key)))
    shop.deploy(fails=True)
    taken_back = delivered(shop)[2]["accessKeyId"]
    assert taken_back not in {new, old["delivered"]}
    assert shop["delivered"].current == new
    functions_get_both_ways(shop, (old["delivered"], ""), (new, old["delivered"]), (taken_back, new), (new, taken_back))

    an_undo_waits_for_those_who_have_to_come_back(shop, consumer, old["renewing"])
    assert clients.key_ids() == {old["renewing"]}
    shop.stack.delete()
