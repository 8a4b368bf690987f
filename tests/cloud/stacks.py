"""Stacks of the construct library, deployed by the account's CloudFormation itself.

The same templates, assets and permissions as with the CDK command line, in a second or two instead of ten: the
command line's own part is tested by the demo.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_cdk import App, CfnWaitCondition, CfnWaitConditionHandle, CliCredentialsStackSynthesizer, Environment, Stack
from cloud.account import new_key, policy

from local_cloud.invariants import Expected, entries_of, violations

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import IDependable

    from local_cloud import LocalCloud

_SECONDS_OF_A_SWEEP = 15
# A denied role may be a new one that does not work yet: it is given its time.
_SECONDS = 150
_POLL = 0.05


class DeploymentError(AssertionError):
    """A deployment ended in another status than it should have."""


@dataclass
class Deployment:
    """One stack of one account, deployed again and again as a test changes what it declares."""

    cloud: LocalCloud
    directory: Path
    name: str = "Shop"
    bucket: str = "assets"
    deployed: bool = field(default=False, init=False)
    _ended: int = field(default=0, init=False)

    def deploy(self, declare: Callable[[Stack], None], *, fails: bool = False) -> dict[str, str]:
        """Create or update the stack with what `declare` adds to it, and return its outputs.

        Raises:
            DeploymentError: it ended otherwise than meant; the message has the failed events and the function's log.
        """
        bad = "UPDATE_ROLLBACK_COMPLETE" if self.deployed else "ROLLBACK_COMPLETE"
        good = "UPDATE_COMPLETE" if self.deployed else "CREATE_COMPLETE"
        return self.deploy_until(declare, bad if fails else good)

    def deploy_until(self, declare: Callable[[Stack], None], status: str, **options: Any) -> dict[str, str]:
        """Create or update the stack with more options, until it has the status that is meant. Raises the same."""
        self.begin(declare, **options)
        return self.outputs(self.await_status(status))

    @staticmethod
    def outputs(stack: dict[str, Any]) -> dict[str, str]:
        """Return the outputs of a stack as CloudFormation describes it."""
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def begin(self, declare: Callable[[Stack], None], **options: Any) -> None:
        """Begin to create or update the stack, as on AWS never within the second in which its last operation ended."""
        self.start(self._synthesized(declare), **options)

    def start(self, template: dict[str, Any] | str, **options: Any) -> None:
        """Begin to create or update the stack with a template, and at no other time."""
        while int(time.time()) == self._ended:
            time.sleep(_POLL)
        body = template if isinstance(template, str) else json.dumps(template)
        client = self.cloud.client("cloudformation")
        operation = client.update_stack if self.deployed else client.create_stack
        self.deployed = True
        operation(StackName=self.name, TemplateBody=body, Capabilities=["CAPABILITY_NAMED_IAM"], **options)

    def delete(self) -> None:
        """Delete the stack."""
        self.cloud.client("cloudformation").delete_stack(StackName=self.name)
        self.deployed = False
        self.await_status("DELETE_COMPLETE")

    def reasons(self) -> str:
        """Join the reasons of all events that failed."""
        events = self.cloud.client("cloudformation").describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(
            f"{event['LogicalResourceId']} {event['ResourceStatus']}: {event.get('ResourceStatusReason', '')}"
            for event in events
            if event["ResourceStatus"].endswith("FAILED")
        )

    def physical_id(self, part: str, kind: str = "Custom::IAMAccessKey") -> str:
        """Find the physical id of the resource of a type whose logical id has a part."""
        resources = self.cloud.client("cloudformation").describe_stack_resources(StackName=self.name)["StackResources"]
        found = [resource for resource in resources if resource["ResourceType"] == kind]
        return next(str(r["PhysicalResourceId"]) for r in found if part in r["LogicalResourceId"])

    def _synthesized(self, declare: Callable[[Stack], None]) -> dict[str, Any]:
        app = App(outdir=str(self.directory / f"cdk.out.{time.monotonic_ns()}"))
        stack = Stack(
            app,
            self.name,
            env=Environment(account=self.cloud.account, region=self.cloud.region),
            synthesizer=CliCredentialsStackSynthesizer(file_assets_bucket_name=self.bucket),
        )
        declare(stack)
        assembly = app.synth()
        self._publish(Path(assembly.directory))
        template: dict[str, Any] = json.loads(
            Path(assembly.get_stack_by_name(self.name).template_full_path).read_text("utf-8")
        )
        return template

    def _publish(self, assembly: Path) -> None:
        s3 = self.cloud.client("s3")
        s3.create_bucket(Bucket=self.bucket)
        manifest = json.loads((assembly / f"{self.name}.assets.json").read_text("utf-8"))
        for file in manifest["files"].values():
            content = (assembly / file["source"]["path"]).read_bytes()
            for destination in file["destinations"].values():
                s3.put_object(Bucket=self.bucket, Key=destination["objectKey"], Body=content)

    def await_status(self, wanted: str, seconds: float = _SECONDS) -> dict[str, Any]:
        """Wait until the stack has a status, and describe it. Raises DeploymentError."""
        client = self.cloud.client("cloudformation")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stacks = client.list_stacks()["StackSummaries"]
            status = next(stack["StackStatus"] for stack in reversed(stacks) if stack["StackName"] == self.name)
            if status == wanted:
                break
            if not status.endswith("IN_PROGRESS"):
                raise DeploymentError(f"{self.name} is {status}, not {wanted}\n{self.reasons()}\n{self.log()}")
            time.sleep(_POLL)
        else:
            raise DeploymentError(f"{self.name} is not {wanted} after {seconds} seconds\n{self.log()}")
        self._ended = int(time.time())
        if wanted == "DELETE_COMPLETE":
            return {}
        found: dict[str, Any] = client.describe_stacks(StackName=self.name)["Stacks"][0]
        return found

    def log(self, lines: int = 30) -> str:
        """Join the last lines that the functions of the account have logged."""
        logs = self.cloud.client("logs")
        logged: list[tuple[int, str]] = []
        for group in logs.describe_log_groups()["logGroups"]:
            events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            logged += [(event["timestamp"], event["message"]) for event in events]
        logged.sort(key=lambda line: line[0])
        return "\n".join(message for _, message in logged[-lines:])


@dataclass(frozen=True)
class Session:
    """Credentials of somebody in the account."""

    cloud: LocalCloud
    arn: str
    credentials: dict[str, str] = field(repr=False)

    def client(self, service: str) -> Any:
        """Give a client that signs with them."""
        return self.cloud.client(service, **self.credentials)

    def assume(self, role_arn: str) -> Session:
        """Assume a role."""
        assumed = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")
        credentials = assumed["Credentials"]
        return Session(
            self.cloud,
            assumed["AssumedRoleUser"]["Arn"],
            {
                "access_key_id": credentials["AccessKeyId"],
                "secret_access_key": credentials["SecretAccessKey"],
                "session_token": credentials["SessionToken"],
            },
        )


@dataclass
class Account:
    """What tests look at and do in the account, as its administrator.

    Attributes:
        cloud: The account.
        unmanaged: The keys that a person made by hand, and their status, by user.
    """

    cloud: LocalCloud
    unmanaged: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def iam(self) -> Any:
        """Give a client of IAM."""
        return self.cloud.client("iam")

    @property
    def secrets(self) -> Any:
        """Give a client of Secrets Manager."""
        return self.cloud.client("secretsmanager")

    def keys(self, user_name: str) -> dict[str, str]:
        """Return a user's keys and their status."""
        try:
            listed = self.iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]
        except self.iam.exceptions.NoSuchEntityException:
            return {}
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    def value(self, secret_arn: str) -> dict[str, str]:
        """Return what readers of a secret get."""
        value: dict[str, str] = json.loads(self.secrets.get_secret_value(SecretId=secret_arn)["SecretString"])
        return value

    def client_of(self, secret_arn: str, service: str) -> Any:
        """Give a client that signs with the key that readers of a secret get."""
        value = self.value(secret_arn)
        keys = {"access_key_id": value["accessKeyId"], "secret_access_key": value["secretAccessKey"]}
        return self.cloud.client(service, **keys)

    def works(self, secret_arn: str) -> bool:
        """Sign a call with the key that readers of a secret get."""
        sts = self.client_of(secret_arn, "sts")
        try:
            sts.get_caller_identity()
        except sts.exceptions.ClientError:
            return False
        return True

    def add_unmanaged_key(self, user_name: str) -> str:
        """Let a person make a key by hand; it must be untouched at the end."""
        key = str(self.iam.create_access_key(UserName=user_name)["AccessKey"]["AccessKeyId"])
        self.unmanaged.setdefault(user_name, {})[key] = "Active"
        return key

    def make_key(self, user_name: str) -> str:
        """Let a person make a key by hand, which a template may adopt."""
        return new_key(self.cloud, user_name)["access_key_id"]

    def administrator(self, user_name: str) -> Session:
        """Make a user that IAM lets do everything."""
        arn = self.iam.create_user(UserName=user_name)["User"]["Arn"]
        self.iam.put_user_policy(UserName=user_name, PolicyName="everything", PolicyDocument=policy("*", "*"))
        key = new_key(self.cloud, user_name)
        self.unmanaged[user_name] = {key["access_key_id"]: "Active"}
        return Session(self.cloud, arn, key)

    def entries(self) -> dict[str, Any]:
        """Read the entries of all ledgers."""
        tables = self.cloud.client("dynamodb")
        names = tables.list_tables()["TableNames"]
        return entries_of(item for name in names for item in tables.scan(TableName=name)["Items"])

    def check(self, user_name: str, secret_arn: str | None, status: str | None = "Active", **expected: Any) -> None:
        """Check the invariants for a user and a secret."""
        unmanaged = self.unmanaged.get(user_name, {})
        one = Expected(user_name, secret_arn, status, unmanaged, **expected)
        found = violations(self.iam, self.secrets, self.entries(), one)
        for _ in range(_SECONDS_OF_A_SWEEP):
            if "lease is left in the entry" not in found:
                break
            # A sweep may be at work at this moment.
            time.sleep(1)
            found = violations(self.iam, self.secrets, self.entries(), one)
        assert not found, found

    def check_nothing_of_ours(self) -> None:
        """Check that nothing is left of any provider, ledger or key, and that nobody touched what a person made."""
        for user in self.iam.list_users()["Users"]:
            name = user["UserName"]
            tags = [tag["Key"] for tag in self.iam.list_user_tags(UserName=name)["Tags"]]
            assert (name, self.keys(name), tags) == (name, self.unmanaged.get(name, {}), [])
        left = {
            "roles": [role["Arn"] for role in self.iam.list_roles()["Roles"]],
            "tables": self.cloud.client("dynamodb").list_tables()["TableNames"],
            "functions": self.cloud.client("lambda").list_functions()["Functions"],
            "rules": [rule for rule in self.cloud.client("events").list_rules()["Rules"] if "Schedule" in rule],
            "parameters": self.cloud.client("ssm").describe_parameters()["Parameters"],
        }
        assert not any(left.values()), left


def fail_after(stack: Stack, *done: IDependable) -> None:
    """Add a resource that fails once others are done: it waits a second for a signal that nobody sends."""
    handle = CfnWaitConditionHandle(stack, "NoSignal")
    condition = CfnWaitCondition(stack, "FailOnPurpose", handle=handle.ref, timeout="1", count=1)
    condition.node.add_dependency(*done)
