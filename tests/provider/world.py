"""A user, a secret and a stack with one key resource, on moto: events in, answers out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from access_key_provider import main
from local_cloud.invariants import Expected, violations

REGION = "eu-central-1"
ACCOUNT = "123456789012"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop/0a1b2c3d-0000-1111-2222-333344445555"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/cdk-iam-access-key/shop/shop-KeyRole-ABCDEF"


class Context:
    """Lambda's context, with a deadline that moves with the test's clock."""

    aws_request_id = "0"
    function_name = "provider"
    invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:provider"

    def __init__(self, clock: TestClock, seconds: float = 300) -> None:
        """Begin an invocation of so many seconds."""
        self._clock, self._ends = clock, clock.now() + timedelta(seconds=seconds)

    def get_remaining_time_in_millis(self) -> int:
        """Say how long the invocation may go on."""
        return max(1000, int((self._ends - self._clock.now()).total_seconds() * 1000))


class TestClock:
    """The real time plus all that was slept."""

    __test__ = False

    def __init__(self) -> None:
        """Begin now."""
        self.slept = timedelta()

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC) + self.slept

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept += timedelta(seconds=seconds)


@dataclass
class World:
    """A user, a secret, and a stack with one key resource."""

    clock: TestClock
    iam: Any
    secrets: Any
    secret_arn: str
    user_name: str = "deploy"
    answers: list[dict[str, Any]] = field(default_factory=list)
    expected: Expected | None = None
    requests: int = 0

    def properties(self, serial: str = "1", **changes: Any) -> dict[str, Any]:
        """Build resource properties; a change to None leaves a property out."""
        properties = {
            "ServiceToken": "arn:aws:lambda:eu-central-1:123456789012:function:provider",
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
        signed_at = members.pop("signed_at", None)
        query = f"?X-Amz-Date={signed_at:%Y%m%dT%H%M%SZ}" if signed_at else ""
        event = {
            "RequestType": kind,
            "ResponseURL": f"https://localhost/answer/{self.requests}{query}",
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
        assert len(self.answers) == before + 1, "every request is answered exactly once"
        given = self.answers[-1]
        assert given["RequestId"] == event["RequestId"]
        assert given["StackId"] == event["StackId"]
        assert given["LogicalResourceId"] == event["LogicalResourceId"]
        assert given["PhysicalResourceId"], "CloudFormation takes no empty id"
        return given

    def create(self, serial: str = "1", **changes: Any) -> dict[str, Any]:
        """Send a Create."""
        return self.handle(self.event("Create", self.properties(serial, **changes)))

    def update(self, new: dict[str, Any], old: dict[str, Any], physical_id: str | None = None) -> dict[str, Any]:
        """Send an Update."""
        return self.handle(
            self.event(
                "Update",
                new,
                OldResourceProperties=old,
                PhysicalResourceId=physical_id or f"{old['UserName']}@{old['SecretArn']}",
            )
        )

    def delete(self, properties: Any = None, physical_id: str | None = None, **members: Any) -> dict[str, Any]:
        """Send a Delete."""
        properties = properties or self.properties()
        return self.handle(
            self.event("Delete", properties, PhysicalResourceId=physical_id or "shop-Key961D73C5-1ABCDEF", **members)
        )

    def key_status(self, user_name: str | None = None) -> dict[str, str]:
        """Return the user's keys and their status."""
        listed = self.iam.list_access_keys(UserName=user_name or self.user_name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    def add_foreign_key(self) -> str:
        """Let a person make a key by hand."""
        return str(self.iam.create_access_key(UserName=self.user_name)["AccessKey"]["AccessKeyId"])

    def new_secret(self, value: str | None = None) -> str:
        """Make another secret, with a value if one is given."""
        named = {"Name": f"secret-{self.requests}-{len(self.answers)}-{id(value)}"}
        return str(self.secrets.create_secret(**named, **({"SecretString": value} if value else {}))["ARN"])

    def current_value(self, secret_arn: str | None = None) -> str:
        """Read what AWSCURRENT names."""
        # moto answers with the version first made current unless it is asked for the label.
        wanted = {"SecretId": secret_arn or self.secret_arn, "VersionStage": "AWSCURRENT"}
        return str(self.secrets.get_secret_value(**wanted)["SecretString"])

    def expect(self, **changes: Any) -> None:
        """Say what the invariants are to be checked against, now and at the end."""
        self.expected = Expected(
            **({"user_name": self.user_name, "secret_arn": self.secret_arn, "status": "Active"} | changes)
        )
        self.check()

    def check(self) -> None:
        """Check the invariants."""
        expected = self.expected or Expected(self.user_name, self.secret_arn)
        assert violations(self.iam, self.secrets, expected) == []
