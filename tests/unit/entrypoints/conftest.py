"""A stack on moto, and one on the fake account; no secret access key and no response URL may be printed or logged."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws
from support.invocation import TestClock
from support.stack import REGION, Stack
from unit.entrypoints.moto_stack import TABLE, MotoStack

from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.aws.sts import Sessions
from access_key_provider.entrypoints import session
from lambda_shared import cfn_response
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def secrets_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Remember every secret access key that the provider is given."""
    secrets: list[str] = []
    create = IamUserKeys.create

    def remembered(keys: IamUserKeys) -> Any:
        key = create(keys)
        secrets.append(key.secret)
        return key

    monkeypatch.setattr(IamUserKeys, "create", remembered)
    return secrets


@pytest.fixture(autouse=True)
def leaks(
    secrets_made: list[str], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Search what the test printed and logged, at every level, for the secrets made in it and for response URLs."""
    caplog.set_level(logging.DEBUG)
    yield
    printed = capsys.readouterr()
    logged = [record.getMessage() for record in caplog.records if record.name.split(".")[0] != "moto"]
    for text in (printed.out, printed.err, *logged):
        assert not any(secret in text for secret in secrets_made), "a secret access key was printed or logged"
        assert "https://localhost/" not in text, "a response URL was printed or logged"


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a stack on the fake account; nothing unmanaged may be touched."""
    with Stack.on_fake_account() as made:
        yield made
        made.check_always()


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch, secrets_made: list[str]) -> Iterator[MotoStack]:
    """Give a stack on moto; it ends with the invariants checked, and no answer may be too long or hold a secret."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "LEDGER_TABLE": TABLE,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    clock = TestClock()
    monkeypatch.setattr(InvocationClock, "now", lambda _self: clock.now())
    monkeypatch.setattr(InvocationClock, "sleep", lambda _self, seconds: clock.sleep(seconds))
    monkeypatch.setattr(session, "_SESSIONS", Sessions())
    with mock_aws():
        stack = MotoStack.made(clock)

        def put(_url: str, content: bytes) -> int:
            assert len(content) <= cfn_response.MAX_BODY
            assert not any(secret in content.decode() for secret in secrets_made), "a secret access key was answered"
            stack.answers.append(json.loads(content))
            return 200

        monkeypatch.setattr(cfn_response, "_put", put)
        yield stack
        stack.check()
