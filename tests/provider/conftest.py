"""The handler on moto: events as CloudFormation sends them, answers as it would get them, the invariants after each.

Every test begins with a user and an empty secret, and ends with the invariants checked: a test that expects
something else than one Active key says so with `world.expect`.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from provider.world import REGION, TestClock, World

from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.entrypoints import session
from lambda_shared import cfn_response
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Remember every secret access key that the handler is given."""
    secrets: list[str] = []
    create = IamUserKeys.create

    def remembered(keys: IamUserKeys) -> Any:
        key = create(keys)
        secrets.append(key.secret)
        return key

    monkeypatch.setattr(IamUserKeys, "create", remembered)
    return secrets


@pytest.fixture(autouse=True)
def leak_hunt(made: list[str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Search what the test printed and logged, at every level, for the secrets made in it."""
    caplog.set_level(logging.DEBUG)
    yield
    printed = capsys.readouterr()
    logged = [record.getMessage() for record in caplog.records if record.name.split(".")[0] != "moto"]
    for text in (printed.out, printed.err, *logged):
        assert not any(secret in text for secret in made), "a secret access key was printed or logged"
        assert "https://localhost/answer/" not in text, "a response URL was printed or logged"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, made: list[str]) -> Iterator[World]:
    """A user without keys, an empty secret, and a handler whose answers are kept."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    clock = TestClock()
    monkeypatch.setattr(InvocationClock, "now", lambda _self: clock.now())
    monkeypatch.setattr(InvocationClock, "sleep", lambda _self, seconds: clock.sleep(seconds))
    monkeypatch.setattr(session, "_SESSIONS", session.Sessions())
    with mock_aws():
        iam, secrets = boto3.client("iam"), boto3.client("secretsmanager")
        iam.create_user(UserName="deploy")
        arn = secrets.create_secret(Name="shop/deploy")["ARN"]
        created = World(clock, iam, secrets, arn)

        def put(_url: str, content: bytes) -> int:
            assert len(content) <= cfn_response.MAX_BODY
            assert not any(secret in content.decode() for secret in made), "a secret access key was answered"
            created.answers.append(json.loads(content))
            return 200

        monkeypatch.setattr(cfn_response, "_put", put)
        yield created
        created.check()
