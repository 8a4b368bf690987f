"""A user, a secret, a ledger and a stack with one key resource, on moto: events in, answers out."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
import botocore.loaders
import botocore.session
from fakes.dynamodb import INDEXES, KEY
from support.invocation import Context, TestClock
from support.stack import ACCOUNT, REGION, ROLE_ARN, STACK_ID

from access_key_provider import main
from local_cloud.invariants import Expected, entries_of, violations

if TYPE_CHECKING:
    from datetime import datetime

TABLE = "ledger"
# One for all tests of the process: reading the service models takes longer than a test.
_MODELS = botocore.loaders.create_loader()


def begin_session() -> None:
    """Give boto3 a session whose service models are loaded already; moto has just taken the last one away."""
    session = botocore.session.Session()
    session.register_component("data_loader", _MODELS)
    boto3.setup_default_session(botocore_session=session, region_name=REGION)


@dataclass
class MotoStack:
    """A user, a secret, and a stack with one key resource.

    Attributes:
        expected: what the invariants are checked against at the end; one Active key unless a test says otherwise.
    """

    clock: TestClock
    iam: Any
    secrets: Any
    dynamodb: Any
    secret_arn: str = ""
    user_name: str = "deploy"
    answers: list[dict[str, Any]] = field(default_factory=list)
    expected: Expected | None = None
    requests: int = 0

    @classmethod
    def made(cls, clock: TestClock) -> MotoStack:
        """Make the user, the secret and the table; moto is there."""
        begin_session()
        stack = cls(clock, boto3.client("iam"), boto3.client("secretsmanager"), boto3.client("dynamodb"))
        stack.iam.create_user(UserName=stack.user_name)
        stack.secret_arn = stack.new_secret()
        _make_table(stack.dynamodb)
        return stack

    # --- CloudFormation

    def properties(self, serial: str = "1", **changes: Any) -> dict[str, Any]:
        """Build resource properties; a change to None leaves a property out."""
        properties = {
            "ServiceToken": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:provider",
            "ServiceTimeout": "330",
            "UserName": self.user_name,
            "SecretArn": self.secret_arn,
            "RoleArn": ROLE_ARN,
            "Serial": serial,
            "Status": "Active",
        } | changes
        return {name: value for name, value in properties.items() if value is not None}

    def event(self, kind: str, properties: Any, **members: Any) -> dict[str, Any]:
        """Build an event; `signed_at` dates its URL, as a presigned one is."""
        self.requests += 1
        signed_at: datetime = members.pop("signed_at", self.clock.now())
        event = {
            "RequestType": kind,
            "ResponseURL": f"https://localhost/answer/{self.requests}?X-Amz-Date={signed_at:%Y%m%dT%H%M%SZ}",
            "StackId": STACK_ID,
            "RequestId": f"00000000-0000-4000-8000-{self.requests:012}",
            "ResourceType": "Custom::IAMAccessKey",
            "LogicalResourceId": "Key961D73C5",
            "ResourceProperties": properties,
        } | members
        return {name: value for name, value in event.items() if value is not None}

    def handle(self, event: dict[str, Any], seconds: float = 300) -> dict[str, Any]:
        """Hand an event to the entry point and return the one answer it gave."""
        before = len(self.answers)
        main.handler(event, Context(self.clock, seconds))
        given = [answer for answer in self.answers[before:] if answer["RequestId"] == event["RequestId"]]
        assert len(given) == 1, "every request is answered exactly once"
        assert given[0]["StackId"] == event["StackId"]
        assert given[0]["LogicalResourceId"] == event["LogicalResourceId"]
        assert given[0]["PhysicalResourceId"], "CloudFormation takes no empty id"
        return given[0]

    def create(self, serial: str = "1", **changes: Any) -> dict[str, Any]:
        """Send a Create."""
        return self.handle(self.event("Create", self.properties(serial, **changes)))

    def update(self, new: dict[str, Any], old: dict[str, Any], physical_id: str | None = None) -> dict[str, Any]:
        """Send an Update."""
        members = {
            "OldResourceProperties": old,
            "PhysicalResourceId": physical_id or f"{old['UserName']}@{old['SecretArn']}",
        }
        return self.handle(self.event("Update", new, **members))

    def rotate(self, new: str, old: str) -> dict[str, Any]:
        """Send the Update that changes nothing but the serial."""
        return self.update(self.properties(new), self.properties(old))

    def delete(self, properties: Any = None, physical_id: str | None = None, **members: Any) -> dict[str, Any]:
        """Send a Delete, with an invented id unless one is given."""
        properties = properties or self.properties()
        return self.handle(
            self.event("Delete", properties, PhysicalResourceId=physical_id or "shop-Key961D73C5-1ABCDEF", **members)
        )

    # --- the sweep

    def sweep(self, after: float = 480) -> dict[str, Any]:
        """Let the sweep come after some seconds; if not told, once an interrupted attempt to create a key is over."""
        self.clock.sleep(after)
        with mock.patch.dict(os.environ, ENTRY_POINTS="worker"):
            swept: dict[str, Any] = main.handler({"Operation": "Sweep"}, Context(self.clock)) or {}
        return swept

    # --- people

    def add_unmanaged_key(self) -> str:
        """Let a person make a key by hand."""
        return str(self.iam.create_access_key(UserName=self.user_name)["AccessKey"]["AccessKeyId"])

    def new_secret(self, value: str | None = None) -> str:
        """Make another secret, with a value if one is given."""
        given = {"SecretString": value} if value else {}
        number = len(self.secrets.list_secrets()["SecretList"])
        return str(self.secrets.create_secret(Name=f"shop/{number}", **given)["ARN"])

    # --- what is there

    def statuses(self, user_name: str | None = None) -> dict[str, str]:
        """Return the user's keys and their status."""
        listed = self.iam.list_access_keys(UserName=user_name or self.user_name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    def active(self) -> list[str]:
        """List the user's Active keys; those that were replaced may be there beside them."""
        return [key for key, status in self.statuses().items() if status == "Active"]

    def current_value(self, secret_arn: str | None = None) -> str:
        """Read what AWSCURRENT names."""
        # moto answers with the version first made current unless it is asked for the label.
        wanted = {"SecretId": secret_arn or self.secret_arn, "VersionStage": "AWSCURRENT"}
        return str(self.secrets.get_secret_value(**wanted)["SecretString"])

    def current_key(self, secret_arn: str | None = None) -> str:
        """Return the id of the key that readers of the secret get."""
        return str(json.loads(self.current_value(secret_arn))["accessKeyId"])

    def entries(self) -> dict[str, Any]:
        """Read the ledger."""
        return entries_of(self.dynamodb.scan(TableName=TABLE, ConsistentRead=True)["Items"])

    def expect(self, **changes: Any) -> None:
        """Say what the invariants are to be checked against, now and at the end."""
        self.expected = Expected(**({"user_name": self.user_name, "secret_arn": self.secret_arn} | changes))
        self.check()

    def check(self) -> None:
        """Check the invariants."""
        expected = self.expected or Expected(self.user_name, self.secret_arn)
        assert violations(self.iam, self.secrets, self.entries(), expected) == []


def _make_table(dynamodb: Any) -> None:
    attributes = {KEY: "S"} | dict(attribute for index in INDEXES.values() for attribute in index.attributes)
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in attributes.items()],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [
                    {"AttributeName": attribute, "KeyType": key_type}
                    for (attribute, _), key_type in zip(index.attributes, ("HASH", "RANGE"), strict=False)
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for name, index in INDEXES.items()
        ],
        BillingMode="PAY_PER_REQUEST",
    )
