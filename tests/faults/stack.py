"""A stack with one key on the fake account: what CloudFormation sends, and what it does with the answers."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

from fakes.aws import Context, FakeAccount, ProcessDeath, cold_start
from fakes.faults import PROCESS_DEATH
from provider.world import ROLE_ARN, STACK_ID

from access_key_provider import main
from lambda_shared import cfn_response
from local_cloud.invariants import Expected, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Properties = dict[str, str]
Event = dict[str, Any]


@dataclass
class Stack:
    """One resource of one stack. `known` is the id and the properties that CloudFormation takes for deployed."""

    account: FakeAccount
    secret_arn: str
    other_arn: str
    foreign: dict[str, dict[str, str]] = field(default_factory=dict)
    known: tuple[str, Properties] | None = None
    requests: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    _user_ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def on_fake_account(cls, value: str | None = None) -> Iterator[Stack]:
        """Give two users, two secrets, of which the first may have a value, and the handler on them."""
        account = FakeAccount()
        account.person.make_user("deploy")
        account.person.make_user("vendor")
        stack = cls(
            account,
            account.person.make_secret("shop/deploy", value),
            account.person.make_secret("shop/other"),
        )

        def put(_url: str, content: bytes) -> int:
            stack.answers.append(json.loads(content))
            return 200

        with account.installed(), mock.patch.object(cfn_response, "_put", put):
            yield stack

    def properties(self, serial: str = "1", **changes: str) -> Properties:
        """Build resource properties."""
        return {
            "UserName": "deploy",
            "SecretArn": self.secret_arn,
            "RoleArn": ROLE_ARN,
            "Serial": serial,
            "Status": "Active",
        } | changes

    def add_foreign_key(self, user_name: str) -> str:
        """Let a person make a key that must be untouched for ever."""
        key = self.account.person.make_key(user_name)
        self._user_ids[user_name] = self._user_id(user_name)
        self.foreign.setdefault(user_name, {})[key] = "Active"
        return key

    def event(self, kind: str, properties: Properties, physical_id: str | None, old: Properties | None = None) -> Event:
        """Make a request now."""
        self.requests += 1
        members = {
            "RequestType": kind,
            "ResponseURL": f"https://localhost/{self.requests}?X-Amz-Date={self.account.clock.now():%Y%m%dT%H%M%SZ}",
            "StackId": STACK_ID,
            "RequestId": f"00000000-0000-4000-8000-{self.requests:012}",
            "ResourceType": "Custom::IAMAccessKey",
            "LogicalResourceId": "Key",
            "ResourceProperties": properties,
            "PhysicalResourceId": physical_id,
            "OldResourceProperties": old,
        }
        return {name: value for name, value in members.items() if value is not None}

    def deliver(self, event: Event, after: float = 30) -> str | None:
        """Hand an event to a new process after some seconds; return the status it answered, None if it died."""
        self.account.clock.sleep(after)
        cold_start()
        before = len(self.answers)
        try:
            main.handler(event, Context(self.account.clock))
        except ProcessDeath:
            assert len(self.answers) == before, "it answered and died"
            return None
        assert len(self.answers) == before + 1, "it did not answer once"
        given = self.answers[-1]
        assert given["RequestId"] == event["RequestId"]
        assert given["PhysicalResourceId"]
        return str(given["Status"])

    @property
    def last_id(self) -> str:
        """The id that the last answer gave."""
        return str(self.answers[-1]["PhysicalResourceId"])

    def create(self, properties: Properties) -> Event:
        """Make the request that creates the resource."""
        return self.event("Create", properties, None)

    def update(self, properties: Properties) -> Event:
        """Make the request that changes what is known to be deployed."""
        assert self.known
        return self.event("Update", properties, self.known[0], self.known[1])

    def must(self, event: Event) -> None:
        """Deliver an event that succeeds, and take its result for deployed."""
        assert self.deliver(event) == "SUCCESS", self.answers[-1]
        self.known = self.last_id, event["ResourceProperties"]

    def check_always(self) -> None:
        """Check what holds at every moment, also after a crash."""
        assert self.account.violations == []
        for user, keys in self.foreign.items():
            assert self._keys(user).items() >= keys.items(), "a foreign key was touched"

    def our_keys(self) -> list[str]:
        """List the keys of the user `deploy` that no person made."""
        return [key for key in self._keys("deploy") if key not in self.foreign.get("deploy", {})]

    def check_always_but_vanished(self) -> None:
        """Check that no foreign key was touched, but for those that went with their user."""
        for user, keys in self.foreign.items():
            listed = self._keys(user)
            assert all(listed.get(key, status) == status for key, status in keys.items()), "a foreign key was touched"
            if self._user_ids[user] == self._user_id(user):
                assert keys.keys() <= listed.keys(), "a foreign key was deleted"

    def check_nothing_of_ours(self) -> None:
        """Check that every key that is left was made by a person."""
        self.check_always_but_vanished()
        assert self.our_keys() == [], f"{self.our_keys()} is left"

    def _user_id(self, user_name: str) -> str:
        return str(self.account.client("iam").get_user(UserName=user_name)["User"]["UserId"])

    def check(self, *expected: Expected) -> None:
        """Check the invariants, for each user and secret named."""
        self.check_always()
        iam, secrets = self.account.client("iam"), self.account.client("secretsmanager")
        found = [problem for one in expected for problem in violations(iam, secrets, one)]
        assert found == [], f"{found}\n{self.account.log}"

    def expected(self, properties: Properties | None, *, user: str, secret_arn: str) -> Expected:
        """Say what a user and a secret should look like when the properties are deployed, None if nothing is."""
        declared = properties and properties["UserName"] == user and properties["SecretArn"] == secret_arn
        status = properties["Status"] if properties and declared else None
        return Expected(user, secret_arn, status, self.foreign.get(user, {}))

    def check_deployed(self, properties: Properties | None) -> None:
        """Check everything: the place that is deployed has its key, all others have none."""
        if properties:
            self.check(self.expected(properties, user=properties["UserName"], secret_arn=properties["SecretArn"]))
        places = {("deploy", self.secret_arn), ("vendor", self.other_arn)}
        taken = {properties["UserName"], properties["SecretArn"]} if properties else set[str]()
        self.check(
            *(
                self.expected(None, user=user, secret_arn=secret_arn)
                for user, secret_arn in places
                if not {user, secret_arn} & taken
            )
        )

    def current_key(self, secret_arn: str | None = None) -> tuple[str, str]:
        """Return the key that readers of the secret get, and its status."""
        secrets = self.account.client("secretsmanager")
        value = secrets.get_secret_value(SecretId=secret_arn or self.secret_arn, VersionStage="AWSCURRENT")
        key = json.loads(value["SecretString"])["accessKeyId"]
        return key, {**self._keys("deploy"), **self._keys("vendor")}.get(key, "deleted")

    def _keys(self, user_name: str) -> dict[str, str]:
        listed = self.account.client("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}


@dataclass(frozen=True)
class Operation:
    """Something that CloudFormation asks for.

    Attributes:
        name: what tests are parametrised with.
        prepare: brings the stack to where it begins.
        request: makes the request.
        value: what the secret holds before, if anything.
    """

    name: str
    prepare: Callable[[Stack], None]
    request: Callable[[Stack], Event]
    value: str | None = None

    def __str__(self) -> str:
        """Name it in a test's id."""
        return self.name


def _deployed(*serials: str, **changes: str) -> Callable[[Stack], None]:
    def prepare(stack: Stack) -> None:
        for serial in serials:
            properties = stack.properties(serial, **changes)
            stack.must(stack.update(properties) if stack.known else stack.create(properties))

    return prepare


def _beside_a_foreign_key(stack: Stack) -> None:
    stack.add_foreign_key("deploy")


def _deployed_and_a_foreign_key_at_the_new_user(stack: Stack) -> None:
    _deployed("1")(stack)
    stack.add_foreign_key("vendor")


def _delete(stack: Stack) -> Event:
    assert stack.known
    return stack.event("Delete", stack.known[1], stack.known[0])


def _cancelled(call: str, nth: int) -> Operation:
    """Let a Create die after a call, and never answer: its Delete comes with an id that CloudFormation invents."""

    def prepare(stack: Stack) -> None:
        stack.account.fail(PROCESS_DEATH, call, phase="after", nth=nth)
        create = stack.create(stack.properties())
        assert stack.deliver(create) is None, "the Create did not die"
        stack.account.heal()
        stack.known = "shop-Key-1QWERTZUIOPA", create["ResourceProperties"]

    return Operation(f"cancel a create after {call} {nth}", prepare, _delete)


def _to_serial(serial: str, **changes: str) -> Callable[[Stack], Event]:
    return lambda stack: stack.update(stack.properties(serial, **changes))


OPERATIONS = (
    Operation("create", _beside_a_foreign_key, lambda stack: stack.create(stack.properties())),
    Operation("create inactive", lambda _: None, lambda stack: stack.create(stack.properties(Status="Inactive"))),
    Operation(
        "create in a secret with a value", lambda _: None, lambda stack: stack.create(stack.properties()), "before"
    ),
    Operation("rotate", _deployed("1"), _to_serial("2")),
    Operation("rotate and make room", _deployed("1", "2"), _to_serial("3")),
    Operation("rotate while inactive", _deployed("1", Status="Inactive"), _to_serial("2", Status="Inactive")),
    Operation("restore", _deployed("1", "2"), _to_serial("1")),
    Operation("deactivate", _deployed("1"), _to_serial("1", Status="Inactive")),
    Operation("activate", _deployed("1", Status="Inactive"), _to_serial("1")),
    Operation("describe", _deployed("1"), _to_serial("1", Description="for the vendor")),
    Operation("delete", _deployed("1", "2"), _delete),
    Operation(
        "another user",
        _deployed_and_a_foreign_key_at_the_new_user,
        lambda stack: stack.update(stack.properties(UserName="vendor", SecretArn=stack.other_arn)),
    ),
    Operation(
        "another secret",
        _deployed("1"),
        lambda stack: stack.update(stack.properties(SecretArn=stack.other_arn)),
    ),
    _cancelled("secretsmanager:TagResource", 1),
    _cancelled("iam:TagUser", 1),
    _cancelled("iam:CreateAccessKey", 1),
    _cancelled("iam:TagUser", 2),
    _cancelled("secretsmanager:PutSecretValue", 1),
    _cancelled("secretsmanager:UpdateSecretVersionStage", 1),
    _cancelled("iam:UntagUser", 1),
)
