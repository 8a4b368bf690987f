"""A stack with several access keys, as a real deployment with IAM enforced, and what there is to see of each.

A deployment takes seconds, whatever is in it: one stack goes through many situations side by side, one a key.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from aws_cdk import CfnOutput, CfnResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from cloud.invocations import listen, received

from cdk_iam_access_key import AccessKey, AccessKeyProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aws_cdk import SecretValue
    from cloud.stacks import Account, Deployment

    # What is given to the construct, or is declared beside it.
    Settings = Callable[[Stack], dict[str, Any]]
    Beside = Callable[[AccessKey], object]

_SECONDS = 60
_EVENTS = "told"


@dataclass(frozen=True, slots=True)
class Declared:
    """A key as the app declares it.

    Attributes:
        user: The user, who exists; one whose settings say otherwise is not looked up.
        serial: The serial.
        construct: The id of the construct.
        settings: Gives more arguments of the construct.
        beside: Declares more in the stack once the key is defined.
        seconds: Times below those that the construct takes, by the property's name.
        waits: Whether it is changed after all others.
    """

    user: str
    serial: str = "1"
    construct: str = ""
    settings: Settings = lambda _: {}
    beside: Beside = lambda _: None
    seconds: dict[str, int] = field(default_factory=dict)
    waits: bool = False


@dataclass
class Shop:
    """The stack, and its keys by names that tell what they are about."""

    account: Account
    stack: Deployment
    declared: dict[str, Declared] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    _events: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, *, user: str = "", path: str = "/", **declared: Any) -> None:
        """Make a user, and declare a key for it."""
        self.account.iam.create_user(UserName=user or name, Path=path)
        self.declared[name] = Declared(user or name, **declared)

    def change(self, *names: str, **changes: Any) -> None:
        """Declare keys otherwise from now on."""
        for name in names:
            self.declared[name] = replace(self.declared[name], **changes)

    def deploy(self, *, fails: bool = False) -> None:
        """Deploy what is declared."""
        self.outputs |= self.stack.deploy(self.declare, fails=fails)

    def declare(self, stack: Stack) -> None:
        """Declare the keys in a stack, and a provider that does not wait for a key to settle."""
        AccessKeyProvider(stack, "AccessKeyProvider", settling_time=Duration.seconds(0))
        keys = [(name, one, _defined(stack, name, one)) for name, one in self.declared.items()]
        for name, one, key in keys:
            CfnOutput(stack, f"Secret{name}", value=key.secret.secret_arn)
            one.beside(key)
        for _, one, key in keys:
            if one.waits:
                key.node.add_dependency(*(other for _, another, other in keys if not another.waits))

    def __getitem__(self, name: str) -> Key:
        """Look at a key."""
        return Key(self.account, self.declared[name].user, self.outputs[f"Secret{name}"])

    def all(self) -> Iterator[Key]:
        """Look at each key that is declared."""
        return (self[name] for name in self.declared)

    def check(self) -> None:
        """Check the invariants of each key that is declared, once nobody is at work, as Secrets Manager is at first."""
        self.until(
            lambda: not any("lease" in entry for entry in self.account.entries().values()), "the leases are over"
        )
        for key in self.all():
            key.check()

    def sweep(self) -> None:
        """Let the sweep come now."""
        self.account.cloud.fire_rule(self.stack.physical_id("SweepRule", "AWS::Events::Rule"))

    def sweep_until(self, holds: Callable[[], bool], what: str) -> None:
        """Let the sweep come again and again until something holds."""

        def swept() -> bool:
            self.sweep()
            return holds()

        self.until(swept, what)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds."""
        end = time.monotonic() + _SECONDS
        while not holds():
            assert time.monotonic() < end, f"not within {_SECONDS} seconds: {what}\n{self.stack.log()}"
            time.sleep(0.2)

    def function(self, name: str) -> str:
        """Give the name of a function: `Function` is the provider, `Worker` the worker."""
        return self.stack.physical_id(f"AccessKeyProvider{name}", "AWS::Lambda::Function")

    def listen(self) -> None:
        """Keep the events of the provider from now on."""
        listen(self.account.cloud, _EVENTS)

    def told(self, key: str) -> list[str]:
        """Name what was told of a key."""
        self._events += received(self.account.cloud, _EVENTS)
        details = [(event["detail-type"], event["detail"]) for event in self._events]
        return [kind for kind, detail in details if detail.get("accessKeyId") == key]


@dataclass(frozen=True, slots=True)
class Key:
    """What there is to see of one key.

    Attributes:
        account: Where it is.
        user: Whose it is.
        secret: The ARN of its secret.
    """

    account: Account
    user: str
    secret: str

    @property
    def statuses(self) -> dict[str, str]:
        """The user's keys and their status, but for those that a person made."""
        unmanaged = self.account.unmanaged.get(self.user, {})
        return {key: status for key, status in self.account.keys(self.user).items() if key not in unmanaged}

    @property
    def current(self) -> str:
        """The id of the key that readers of the secret get."""
        return self.account.value(self.secret)["accessKeyId"]

    @property
    def previous(self) -> dict[str, str]:
        """The other keys and their status."""
        return {key: status for key, status in self.statuses.items() if key != self.current}

    @property
    def works(self) -> bool:
        """Whether a call signed with the current key succeeds."""
        return self.account.works(self.secret)

    def check(self, status: str | None = "Active", **expected: Any) -> None:
        """Check the invariants, and that the current key works if it should."""
        self.account.check(self.user, self.secret, status, **expected)
        assert self.works == (status == "Active")

    def rotate(self, shop: Shop) -> None:
        """Let Secrets Manager rotate, and wait until it has."""
        before = self.current
        self.begin_rotation(shop)
        shop.until(lambda: self.current != before and not self._pending(), "the secret is rotated")

    def begin_rotation(self, shop: Shop) -> None:
        """Let Secrets Manager begin to rotate."""
        # It tests the function after a schedule was made or changed.
        shop.until(lambda: not self._pending(), "the test of the schedule is over")
        self.account.secrets.rotate_secret(SecretId=self.secret)

    def _pending(self) -> bool:
        labels = self.account.secrets.describe_secret(SecretId=self.secret)["VersionIdsToStages"].values()
        return any("AWSPENDING" in found and "AWSCURRENT" not in found for found in labels)


def _defined(stack: Stack, name: str, declared: Declared) -> AccessKey:
    construct = declared.construct or name
    settings = declared.settings(stack)
    user = settings.pop("user", None) or iam.User.from_user_name(stack, f"{construct}User", declared.user)
    key = AccessKey(stack, construct, user=user, serial=declared.serial, **settings)
    resource = cast("CfnResource", key.node.find_child("Resource"))
    for property_, value in declared.seconds.items():
        resource.add_property_override(property_, str(value))
    return key


def consume(key: AccessKey) -> ssm.StringParameter:
    """Declare consumers of the key's id: one of whichever is current, which nobody orders, and one of this version.

    The id only: what takes the secret itself would show it to whoever may describe the consumer.
    """
    _consumer(key, "current", key.secret.secret_value_from_json("accessKeyId"))
    return _consumer(key, "pinned", key.secret_value("accessKeyId"))


def _consumer(key: AccessKey, what: str, value: SecretValue) -> ssm.StringParameter:
    name = f"{key.node.id}-{what}"
    return ssm.StringParameter(Stack.of(key), name, parameter_name=name, string_value=value.unsafe_unwrap())


def consumed(account: Account, construct: str, name: str) -> str:
    """Read which key a consumer has."""
    parameter = account.cloud.client("ssm").get_parameter(Name=f"{construct}-{name}")
    return str(parameter["Parameter"]["Value"])


def alarm(stack: Stack, name: str) -> cloudwatch.Alarm:
    """Declare an alarm."""
    metric = cloudwatch.Metric(namespace="Shop", metric_name=name)
    return cloudwatch.Alarm(stack, f"{name}Alarm", metric=metric, threshold=1, evaluation_periods=1, alarm_name=name)


def set_off(account: Account, name: str) -> None:
    """Set an alarm off."""
    watch = account.cloud.client("cloudwatch")
    watch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason=json.dumps("a consumer is denied"))
