"""A stack with one access key, as a real deployment with IAM enforced, and what there is to see of it.

The construct refuses times below a minute, so they are set here in seconds on the resource itself.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from aws_cdk import CfnOutput, CfnResource, CustomResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from cloud.stacks import Account, Deployment, fail_after

from cdk_iam_access_key import AccessKey, RotationSchedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import IDependable

_SECONDS = 60


@dataclass
class Shop:
    """A stack with a key of the user `deploy`, and what there is to see of it.

    Attributes:
        account: Where it is deployed.
        stack: The stack.
        settings: What is declared of the key besides; by default a rotation every four hours and an alarm that undoes.
        consumer: Declares what takes the key in the same stack.
        secret: The ARN of the key's secret, once it is deployed.
    """

    account: Account
    stack: Deployment
    settings: dict[str, Any] = field(default_factory=dict)
    consumer: Callable[[AccessKey], IDependable] | None = None
    secret: str = ""

    def deploy(self, serial: str, *, fails: bool = False, **given: int) -> None:
        """Deploy it with a serial; `given` are seconds, by the property's name."""

        def declare(stack: Stack) -> None:
            seconds = {"GracePeriod": 3600, "RetentionPeriod": 3600} | given
            settings = self.settings or {
                "rotation_schedule": RotationSchedule.rate(Duration.hours(4)),
                "undo_on_alarm": [alarm(stack)],
            }
            user = iam.User.from_user_name(stack, "User", "deploy")
            key = AccessKey(stack, "Key", user=user, serial=serial, **settings)
            resource = cast("CfnResource", cast("CustomResource", key.node.find_child("Resource")).node.default_child)
            for name, value in seconds.items():
                resource.add_property_override(name, str(value))
            CfnOutput(stack, "Secret", value=key.secret.secret_arn)
            consumer = self.consumer(key) if self.consumer else key
            if fails:
                fail_after(stack, consumer)

        outputs = self.stack.deploy(declare, fails=fails)
        self.secret = outputs.get("Secret", self.secret)

    def statuses(self) -> dict[str, str]:
        """Return the user's keys and their status."""
        return self.account.keys("deploy")

    def current(self) -> str:
        """Return the id of the key that readers of the secret get."""
        value = self.account.secrets.get_secret_value(SecretId=self.secret)["SecretString"]
        return str(json.loads(value)["accessKeyId"])

    def other(self) -> str:
        """Return the id of the key that is not current."""
        return next(key for key in self.statuses() if key != self.current())

    def credentials(self) -> dict[str, str]:
        """Return the current key, as the arguments of a client."""
        value = json.loads(self.account.secrets.get_secret_value(SecretId=self.secret)["SecretString"])
        return {"access_key_id": value["accessKeyId"], "secret_access_key": value["secretAccessKey"]}

    def rotate(self) -> None:
        """Let Secrets Manager rotate, and wait until it has."""
        before = self.current()
        self.begin_rotation()
        self.until(lambda: self.current() != before, "the secret is rotated")

    def begin_rotation(self) -> None:
        """Let Secrets Manager begin to rotate."""
        self.until(lambda: not self.testing(), "the test of the schedule is over")
        self.account.secrets.rotate_secret(SecretId=self.secret)

    def testing(self) -> bool:
        """Tell whether Secrets Manager still tests the function, as it does after a schedule was made or changed."""
        labels = self.account.secrets.describe_secret(SecretId=self.secret)["VersionIdsToStages"].values()
        return any("AWSPENDING" in found and "AWSCURRENT" not in found for found in labels)

    def operate(self, operation: str, **more: str) -> dict[str, Any]:
        """Invoke the function as an operator does."""
        function = self.stack.physical_id("AccessKeyProvider", "AWS::Lambda::Function")
        payload = json.dumps({"Operation": operation, "SecretId": self.secret, **more})
        answer = self.account.cloud.client("lambda").invoke(FunctionName=function, Payload=payload)
        return dict(json.loads(answer["Payload"].read()))

    def schedules(self) -> list[str]:
        """List the one-time schedules that wait, which the provider makes; the daily look is the template's."""
        listed = self.account.cloud.client("scheduler").list_schedules()["Schedules"]
        return [schedule["Name"] for schedule in listed if "DailyLook" not in schedule["Name"]]

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        end = time.monotonic() + _SECONDS
        while not holds():
            assert time.monotonic() < end, f"not within {_SECONDS} seconds: {what}\n{self.stack.log()}"
            time.sleep(0.2)


def alarm(stack: Stack) -> cloudwatch.Alarm:
    """Declare the alarm that undoes a rotation."""
    metric = cloudwatch.Metric(namespace="Shop", metric_name="Denied")
    return cloudwatch.Alarm(stack, "Alarm", metric=metric, threshold=1, evaluation_periods=1, alarm_name="denied")
