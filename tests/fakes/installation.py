"""Puts a fake account where the provider looks for AWS."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
from fakes.sts import Credentials

from access_key_provider.aws.sts import Sessions
from access_key_provider.entrypoints import session
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from fakes.aws import FakeAccount


LEDGER_TABLE = "ledger"


@contextmanager
def installed(account: FakeAccount) -> Iterator[None]:
    """Replace `boto3.client`, the invocation's clock, the warm sessions and the AWS variables of the environment."""

    def client(
        service: str,
        *,
        region_name: str | None = None,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        config: Any = None,
    ) -> Any:
        credentials = Credentials(aws_access_key_id, aws_secret_access_key, aws_session_token)
        return account.client_of(service, credentials, config, region_name)

    def now(_self: object) -> datetime:
        return account.clock.now()

    def sleep(_self: object, seconds: float) -> None:
        account.clock.sleep(seconds)

    clock = InvocationClock
    with (
        mock.patch.object(boto3, "client", client),
        mock.patch.multiple(clock, now=now, sleep=sleep),
        mock.patch.object(session, "_SESSIONS", Sessions()),
        _environment(account.state.region),
    ):
        yield


def cold_start() -> None:
    """Forget what a warm function keeps, as a new process does; while an account is installed."""
    session._SESSIONS = Sessions()


@contextmanager
def _environment(region: str) -> Iterator[None]:
    """Set the variables of Lambda, and no others of AWS's."""
    settings = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "LEDGER_TABLE": LEDGER_TABLE}
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_") or name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            os.environ.pop(name, None)
        os.environ.update(before)
