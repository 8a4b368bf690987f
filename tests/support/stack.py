"""A stack with one key on the fake account: what its callers send, and what they do with the answers.

The callers are CloudFormation, Secrets Manager, EventBridge (the sweep and alarms) and operators. Each event goes to a
new process of the function that takes it.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

from fakes.aws import Context, FakeAccount, ProcessDeath, cold_start
from fakes.functions import Function
from fakes.installation import LEDGER_TABLE
from fakes.signed_requests import acknowledgement

from access_key_provider import main
from lambda_shared import cfn_response
from local_cloud.invariants import Expected, entries_of, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Properties = dict[str, Any]
Event = dict[str, Any]

REGION = "eu-central-1"
ACCOUNT = "123456789012"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop/0a1b2c3d-0000-1111-2222-333344445555"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/cdk-iam-access-key/shop/shop-KeyRole-ABCDEF"
INVENTED_ID = "shop-Key-1QWERTZUIOPA"
SIGNATURE = "5b2a4c2e7d0f4d0cb6f2ac0f8b7c4b6d9a8e1f20" * 2
SWEEP: Event = {"Operation": "Sweep"}
COPY_TYPE = "Custom::IAMAccessKeyCopy"
TOKEN = "00000000-0000-4000-9000-000000000001"
SMTP = {
    "SecretFormat": '{"username": "{access_key_id}", "password": "{ses_smtp_password:eu-central-1|url}"}',
    "SecretFormatKind": "json",
}
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")

COPIES = [
    {"Kind": "parameter", "Name": "/ci/key", "Region": REGION},
    {"Kind": "secret", "Name": "copies/deploy", "Region": "us-west-2"},
]
"""A copy of each kind."""

# Those that are there from the beginning.
_SECRETS = 2


def function_arn(name: str) -> str:
    """Name a function of the app."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def delivery(name: str = "github", *, before: bool = True, required: bool = True) -> dict[str, str]:
    """Declare a delivery."""
    phase = "BeforePublishing" if before else "AfterPublishing"
    return {
        "Name": name,
        "FunctionArn": function_arn(name),
        "Phase": phase,
        "Required": "true" if required else "false",
    }


@dataclass
class Stack:
    """One resource of one stack.

    Attributes:
        known: the id and the properties that CloudFormation takes for deployed.
        adoptable: a key of the user `deploy` that a person made, and that a template may adopt; empty if there is none.
        untouched_since: since when that key must be Active for a day; None if a person has a say.
    """

    account: FakeAccount
    secret_arn: str
    other_arn: str
    unmanaged: dict[str, dict[str, str]] = field(default_factory=dict)
    known: tuple[str, Properties] | None = None
    logical_id: str = "Key"
    requests: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    copies: list[dict[str, str]] = field(default_factory=list)
    adoptable: str = ""
    untouched_since: datetime | None = None
    _user_ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def on_fake_account(cls, value: str | None = None) -> Iterator[Stack]:
        """Give two users, two secrets, of which the first may have a value, a ledger, and the functions on them."""
        account = FakeAccount()
        account.person.make_user("deploy")
        account.person.make_user("vendor")
        account.person.make_table(LEDGER_TABLE)
        stack = cls(
            account,
            account.person.make_secret("shop/deploy", value),
            account.person.make_secret("shop/other"),
        )
        with stack.installed():
            yield stack

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Be what the functions find, and keep what they answer."""

        def put(_url: str, content: bytes) -> int:
            self.answers.append(json.loads(content))
            return 200

        with self.account.installed(), mock.patch.object(cfn_response, "_put", put):
            yield

    @contextmanager
    def forked(self) -> Iterator[Stack]:
        """Give a copy of everything as it stands, to try another way on from here."""
        copy = replace(
            self,
            account=self.account.fork(),
            unmanaged={user: dict(keys) for user, keys in self.unmanaged.items()},
            answers=list(self.answers),
            _user_ids=dict(self._user_ids),
        )
        with copy.installed():
            yield copy

    def properties(self, serial: str = "1", **changes: Any) -> Properties:
        """Build resource properties."""
        return {
            "UserName": "deploy",
            "SecretArn": self.secret_arn,
            "RoleArn": ROLE_ARN,
            "Serial": serial,
            "Status": "Active",
        } | changes

    def add_unmanaged_key(self, user_name: str) -> str:
        """Let a person make a key that must be untouched for ever."""
        key = self.account.person.make_key(user_name)
        self._user_ids[user_name] = self._user_id(user_name)
        self.unmanaged.setdefault(user_name, {})[key] = "Active"
        return key

    def make_adoptable(self) -> str:
        """Let a person make a key that a template may adopt."""
        self.adoptable = self.account.person.make_key("deploy")
        self.untouched_since = self.account.clock.now()
        return self.adoptable

    # --- CloudFormation

    def event(
        self,
        kind: str,
        properties: Properties,
        physical_id: str | None,
        old: Properties | None = None,
        logical_id: str = "",
    ) -> Event:
        """Make a request now."""
        self.requests += 1
        members = {
            "RequestType": kind,
            "ResponseURL": f"https://localhost/{self.requests}?X-Amz-Date={self.account.clock.now():%Y%m%dT%H%M%SZ}"
            f"&X-Amz-Signature={SIGNATURE}",
            "StackId": STACK_ID,
            "RequestId": f"00000000-0000-4000-8000-{self.requests:012}",
            "ResourceType": "Custom::IAMAccessKey",
            "LogicalResourceId": logical_id or self.logical_id,
            "ResourceProperties": properties,
            "PhysicalResourceId": physical_id,
            "OldResourceProperties": old,
        }
        return {name: value for name, value in members.items() if value is not None}

    def deliver(self, event: Event, after: float = 30) -> str | None:
        """Hand a request to a new process after some seconds; return the status it answered, None if it died."""
        self.account.clock.sleep(after)
        before = len(self.answers)
        if self.invoke(event, "provider") is ProcessDeath:
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

    def roll_back(self, update: Event) -> Event:
        """Make the request that takes an Update back."""
        assert self.known
        return self.event("Update", self.known[1], self.known[0], update["ResourceProperties"])

    def delete(self) -> Event:
        """Make the request that deletes the resource."""
        assert self.known
        return self.event("Delete", self.known[1], self.known[0])

    def must(self, event: Event) -> None:
        """Deliver a request that succeeds, and take its result for deployed."""
        assert self.deliver(event) == "SUCCESS", self.answers[-1]
        self.known = self.last_id, event["ResourceProperties"]

    def deploy(self, *serials: str, **changes: Any) -> None:
        """Create the resource and update it, one serial after the other."""
        for serial in serials:
            properties = self.properties(serial, **changes)
            self.must(self.update(properties) if self.known else self.create(properties))

    # --- the other callers

    def invoke(self, event: Event, function: str) -> Any:
        """Hand an event to a new process of a function: its result, or ProcessDeath if it died."""
        cold_start()
        with mock.patch.dict(os.environ, ENTRY_POINTS=function):
            try:
                return main.handler(event, Context(self.account.clock))
            except ProcessDeath:
                return ProcessDeath

    def sweep(self, after: timedelta = timedelta(minutes=8)) -> Any:
        """Let the sweep come after a time; if none is given, once an interrupted attempt to create a key is over."""
        self.account.clock.sleep(after.total_seconds())
        return self.invoke(SWEEP, "worker")

    def sweep_for(self, time: timedelta, every: timedelta = timedelta(hours=6)) -> None:
        """Let time pass, with a sweep now and then."""
        end = self.account.clock.now() + time
        while self.account.clock.now() < end:
            self.sweep(min(every, end - self.account.clock.now()))

    def operate(self, operation: str) -> Any:
        """Ask for an operation, as an operator."""
        return self.invoke({"Operation": operation, "SecretId": self.secret_arn}, "provider")

    def add_function(self, name: str = "github") -> Function:
        """Let the app have a function that brings keys to a consumer."""
        return self.account.state.functions.setdefault(function_arn(name), Function())

    def function(self, name: str = "github") -> Function:
        """Return a function of the app."""
        return self.account.state.functions[function_arn(name)]

    def acknowledgement(self, consumer: str, key_id: str = "") -> Event:
        """Make the event by which a consumer acknowledges a key, the current one if none is named."""
        key, _ = self.account.state.keys[key_id or self.current_key()[0]]
        return acknowledgement(key, self.secret_arn, consumer, self.account.clock.now(), REGION)

    def begin_rotation(self, token: str = TOKEN) -> Callable[[str], Event]:
        """Let Secrets Manager begin to rotate; return what makes the event of a step."""
        rotation_token = self.account.person.begin_rotation(self.secret_arn, token)
        members = {"SecretId": self.secret_arn, "ClientRequestToken": token, "RotationToken": rotation_token}
        return lambda step: {"Step": step, **members}

    def rotate(self, token: str = TOKEN) -> None:
        """Rotate as Secrets Manager does."""
        event = self.begin_rotation(token)
        for step in STEPS:
            assert self.invoke(event(step), "worker") is not ProcessDeath
            self.account.clock.sleep(1)

    def alarm(self, began: datetime | None = None) -> Event:
        """Make the event of an alarm whose data began at a time, now if left out."""
        now = self.account.clock.now()
        state = {
            "value": "ALARM",
            "timestamp": now.isoformat(),
            "reasonData": json.dumps({"startDate": (began or now).isoformat()}),
        }
        alarm = {"source": "aws.cloudwatch", "time": now.isoformat(), "detail": {"alarmName": "denied", "state": state}}
        return {"Operation": "AlarmUndo", "SecretId": self.secret_arn, "Event": alarm}

    # --- checks

    @property
    def entry(self) -> dict[str, Any]:
        """The entry of the secret."""
        return self.entries.get(self.secret_arn, {})

    @property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The ledger."""
        return entries_of(self.account.entries().values()) if self.account.state.tables else {}

    def keys(self, user_name: str = "deploy") -> dict[str, str]:
        """List the keys of a user and their statuses."""
        listed = self.account.client("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    def our_keys(self) -> list[str]:
        """List the keys of the user `deploy` that no person made."""
        theirs = {*self.unmanaged.get("deploy", {}), self.adoptable}
        return [key for key in self.keys() if key not in theirs]

    @property
    def adoption(self) -> dict[str, Any] | None:
        """What the ledger says of the key that a template may adopt; None if it is not adopted."""
        records = (entry.get("keys", {}).get(self.adoptable) for entry in self.entries.values())
        return next((record for record in records if record), None)

    def current_key(self, secret_arn: str | None = None) -> tuple[str, str]:
        """Return the key that readers of the secret get, and its status."""
        secrets = self.account.client("secretsmanager")
        value = secrets.get_secret_value(SecretId=secret_arn or self.secret_arn, VersionStage="AWSCURRENT")
        (key,) = set(re.findall("AKIA[A-Z0-9]{16}", value["SecretString"]))
        return key, {**self.keys("deploy"), **self.keys("vendor")}.get(key, "deleted")

    def check_always(self) -> None:
        """Check what holds at every moment, also after a death."""
        assert self.account.violations == []
        for arn, function in self.account.state.functions.items():
            assert function.overlaps == 0, f"{arn} was called while it was running"
        for user, keys in self.unmanaged.items():
            assert self.keys(user).items() >= keys.items(), "an unmanaged key was touched"
        if self.untouched_since and self.account.clock.now() < self.untouched_since + timedelta(days=1):
            # Whatever a deployment does, its rollback finds the key as it was.
            assert self.keys().get(self.adoptable) == "Active", "the key to adopt was touched within a day"

    def check_always_but_vanished(self) -> None:
        """Check that no unmanaged key was touched, but for those that went with their user."""
        for user, keys in self.unmanaged.items():
            listed = self.keys(user)
            assert all(listed.get(key, status) == status for key, status in keys.items()), (
                "an unmanaged key was touched"
            )
            if self._user_ids[user] == self._user_id(user):
                assert keys.keys() <= listed.keys(), "an unmanaged key was deleted"

    def check_nothing_of_ours(self) -> None:
        """Check that every key that is left was made by a person."""
        self.check_always_but_vanished()
        assert self.our_keys() == [], f"{self.our_keys()} is left"

    def check(self, *expected: Expected) -> None:
        """Check the invariants, for each user and secret named."""
        self.check_always()
        iam, secrets, entries = self.account.client("iam"), self.account.client("secretsmanager"), self.entries
        found = [problem for one in expected for problem in violations(iam, secrets, entries, one)]
        assert found == [], f"{found}\n{self.account.log}"

    def expected(self, properties: Properties | None, *, user: str, secret_arn: str) -> Expected:
        """Say what a user and a secret should look like when the properties are deployed, None if nothing is."""
        declared = properties and properties["UserName"] == user and properties["SecretArn"] == secret_arn
        status = properties["Status"] if properties and declared else None
        unmanaged = dict(self.unmanaged.get(user, {}))
        if self.adoptable in self.keys(user) and not self.adoption:
            unmanaged[self.adoptable] = "Active"
        plain = Expected(user, secret_arn, status, unmanaged)
        declared = (properties or {}).get("SecretFormat", plain.text)
        return plain if self._is_undone_to_default(secret_arn) else replace(plain, text=declared)

    def _is_undone_to_default(self, secret_arn: str) -> bool:
        """Tell whether an undo went back to a key that was made for the default format."""
        keys = self.entries.get(secret_arn, {}).get("keys", {}).values()
        # It is the key of the declared serial and shape, too, since then; all that are tried declare another one once.
        return any(key["state"] == "current" and len(key["serials"]) > 1 for key in keys)

    def check_deployed(self, properties: Properties | None) -> None:
        """Check everything: the user and secret that are deployed have their key, all others have none."""
        self.check_adoption(properties or {})
        if properties:
            self.check(self.expected(properties, user=properties["UserName"], secret_arn=properties["SecretArn"]))
        if self.account.state.parameters or len(self.account.state.secrets) > _SECRETS:
            self._check_copies(properties)
        for declared in (properties or {}).get("Deliveries", []):
            has, (current, _) = self.function(declared["Name"]).has, self.current_key()
            assert has == current, f"{declared['Name']} has {has}, {current} is current"
        pairs = {("deploy", self.secret_arn), ("vendor", self.other_arn)}
        taken = {properties["UserName"], properties["SecretArn"]} if properties else set[str]()
        self.check(
            *(
                self.expected(None, user=user, secret_arn=secret_arn)
                for user, secret_arn in sorted(pairs)
                if not {user, secret_arn} & taken
            )
        )

    def delete_copy(self, copy: dict[str, str]) -> Event:
        """Make the request that deletes a copy, after whatever used it."""
        properties = {"SecretArn": self.secret_arn, **copy}
        event = self.event("Delete", properties, f"copy {copy['Name']}", logical_id="Copy")
        return event | {"ResourceType": COPY_TYPE}

    def delete_copy_by_hand(self, copy: dict[str, str]) -> None:
        """Let somebody delete a copy, if it is there."""
        if copy["Kind"] == "parameter":
            self.account.state.parameters.pop((copy["Region"], copy["Name"]), None)
        for secret in [secret for secret in self.account.state.secrets.values() if secret.name == copy["Name"]]:
            if copy["Kind"] == "secret":
                self.account.person.delete_secret(secret.arn)

    def read_copy(self, copy: dict[str, str]) -> str | None:
        """Read a copy as its readers do; None if there is none."""
        state, place = self.account.state, (copy["Region"], copy["Name"])
        if copy["Kind"] == "parameter":
            found = state.parameters.get(place)
            return found.read("current") if found and "current" in found.labels else None
        secrets = (secret for secret in state.secrets.values() if (secret.arn.split(":")[3], secret.name) == place)
        for secret in secrets:
            return secret.versions[secret.labels.value["AWSCURRENT"]].value if secret.labels.value else None
        return None

    def _check_copies(self, properties: Properties | None) -> None:
        """Check that the readers of copies get what those of the secret get, and that nothing is left without a key."""
        if properties:
            value = self.account.client("secretsmanager").get_secret_value(SecretId=properties["SecretArn"])
            for copy in properties.get("Copies", []):
                assert self.read_copy(copy) == value["SecretString"], f"the copy {copy['Name']} is not the secret"
        declared = properties.get("Copies", []) if properties else []
        for copy in [copy for copy in COPIES if copy not in declared]:
            with self.forked() as after:
                assert after.deliver(after.delete_copy(copy)) == "SUCCESS", after.answers[-1]
                assert after.read_copy(copy) is None, f"the copy {copy['Name']} is left"

    def check_adoption(self, properties: Properties) -> None:
        """Check that the key of a person is adopted if the template says so, and else is theirs or was retired."""
        record = self.adoption
        if self.adoptable and properties.get("AdoptedKey") == self.adoptable:
            assert record or self.adoptable not in self.keys(), "the key was not adopted"
        elif record:
            assert record["state"] == "inactive", "the key was not released"

    def _user_id(self, user_name: str) -> str:
        return str(self.account.client("iam").get_user(UserName=user_name)["User"]["UserId"])


@dataclass(frozen=True)
class Operation:
    """Something that a caller asks for.

    Attributes:
        name: what tests are parametrised with.
        prepare: brings the stack to where it begins.
        request: makes the event.
        value: what the secret holds before, if anything.
        function: which function takes it.
    """

    name: str
    prepare: Callable[[Stack], None]
    request: Callable[[Stack], Event]
    value: str | None = None
    function: str = "provider"

    def __str__(self) -> str:
        """Name it in a test's id."""
        return self.name
