"""The handler on moto, with the real boto3, and all secrets that ever were in an answer of it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
import pytest
from botocore.parsers import ResponseParser
from leaks.departures import collected, everything_to_debug
from leaks.hunt import Hunt
from moto import mock_aws
from provider.world import REGION, TestClock, World

from access_key_provider.entrypoints import session
from lambda_shared import cfn_response
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECRET_MEMBERS = (
    ("AccessKey", "SecretAccessKey"),
    ("Credentials", "SecretAccessKey"),
    ("Credentials", "SessionToken"),
)
# As long as one that CloudFormation signs, and as telling.
_SIGNED = (
    "https://localhost/arn%3Aaws%3Acloudformation%3Aeu-central-1%3A123456789012%3Astack/shop/0a1b2c3d%7CKey961D73C5%7C"
    "{request_id}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={time:%Y%m%dT%H%M%SZ}&X-Amz-SignedHeaders=host"
    "&X-Amz-Expires=7200&X-Amz-Credential=AKIA6L7Q4OWT3UXBW442%2F20260102%2Feu-central-1%2Fs3%2Faws4_request"
    "&X-Amz-Signature={digits:064x}"
)


class SignedWorld(World):
    """A stack on moto whose requests have response URLs as CloudFormation signs them."""

    def event(self, kind: str, properties: Any, **members: Any) -> dict[str, Any]:
        """Build an event."""
        event = super().event(kind, properties, **members)
        url = _SIGNED.format(
            request_id=event["RequestId"], time=self.clock.now(), digits=hash((id(self), self.requests)) % 2**256
        )
        return event | {"ResponseURL": url}


@dataclass
class MotoHunt:
    """What was made on moto, and the hunt for it."""

    world: SignedWorld
    secrets: list[str] = field(default_factory=list, repr=False)
    record: Callable[[str, object], None] = field(default=lambda _name, _value: None, repr=False)

    def run(self, steps: Callable[[SignedWorld], None], make_loud: Callable[[], None] = everything_to_debug) -> Hunt:
        """Take steps, and search all that leaves meanwhile. Raises LeakError."""
        world = self.world
        with collected(make_loud) as departures:
            steps(world)
        arns = [secret["ARN"] for secret in world.secrets.list_secrets()["SecretList"]]
        users = [user["UserName"] for user in world.iam.list_users()["Users"]]
        departures.add_account(world.iam, world.secrets, users, arns)
        hunt = Hunt(self.secrets, departures.urls)
        self.record("texts", len(departures.texts))
        hunt.check(departures.texts)
        self.record("bytes", hunt.length)
        assert departures.urls, "no event was handled"
        assert departures.answers, "nothing was answered"
        return hunt


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]) -> Iterator[MotoHunt]:
    """Give a user, an empty secret, and all secrets that moto gives out from now on."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, REGION)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    clock = TestClock()
    monkeypatch.setattr(InvocationClock, "now", lambda _self: clock.now())
    monkeypatch.setattr(InvocationClock, "sleep", lambda _self, seconds: clock.sleep(seconds))
    monkeypatch.setattr(session, "_SESSIONS", session.Sessions())
    # Clients of another test's session would not be moto's.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    secrets: list[str] = []
    parse = ResponseParser.parse

    def remembered(parser: ResponseParser, response: Any, shape: Any) -> Any:
        parsed = parse(parser, response, shape)
        given = [parsed.get(group, {}).get(name) for group, name in _SECRET_MEMBERS]
        secrets.extend(secret for secret in given if secret)
        return parsed

    with mock_aws(), mock.patch.object(ResponseParser, "parse", remembered):
        iam, manager = boto3.client("iam"), boto3.client("secretsmanager")
        iam.create_user(UserName="deploy")
        world = SignedWorld(clock, iam, manager, manager.create_secret(Name="shop/deploy")["ARN"])

        def put(_url: str, content: bytes) -> int:
            world.answers.append(json.loads(content))
            return 200

        monkeypatch.setattr(cfn_response, "_put", put)
        yield MotoHunt(world, secrets, record_property)
