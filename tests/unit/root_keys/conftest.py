"""What the tests of the checks start from: an account without root keys, and a stack whose answers are kept."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from support.invocation import TestClock
from unit.root_keys.account import Account, Deployment

from lambda_shared import cfn_response
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def deployment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Deployment]:
    """Give a stack; no answer may be too long, and no response URL may be printed or logged at any level."""
    clock = TestClock()
    monkeypatch.setattr(InvocationClock, "now", lambda _self: clock.now())
    monkeypatch.setattr(InvocationClock, "sleep", lambda _self, seconds: clock.sleep(seconds))
    caplog.set_level(logging.DEBUG)
    with Account().installed() as account:
        assert isinstance(account, Account)
        made = Deployment(account, clock)

        def put(_url: str, content: bytes) -> int:
            assert len(content) <= cfn_response.MAX_BODY
            made.answers.append(json.loads(content))
            assert len(made.answers[-1]["Reason"]) <= cfn_response.MAX_REASON
            return 200

        monkeypatch.setattr(cfn_response, "_put", put)
        yield made
    printed = capsys.readouterr()
    for text in (printed.out, printed.err, *(record.getMessage() for record in caplog.records)):
        assert "https://localhost/answer/" not in text
