"""A clock on which time passes only when somebody waits."""

from __future__ import annotations

import pytest
from fakes.aws import Context, VirtualClock

from lambda_shared.clock import InvocationClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> InvocationClock:
    """Give the clock of an invocation of five minutes."""
    virtual = VirtualClock()
    monkeypatch.setattr(InvocationClock, "now", lambda _self: virtual.now())
    monkeypatch.setattr(InvocationClock, "sleep", lambda _self, seconds: virtual.sleep(seconds))
    return InvocationClock(Context(virtual))
