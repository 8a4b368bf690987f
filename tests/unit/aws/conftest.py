"""A fake account with a user, a secret and a table, and what acts on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.aws import Context, FakeAccount
from fakes.installation import LEDGER_TABLE

from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.aws.secrets_manager import SecretsManagerVersions
from access_key_provider.aws.sts import Sessions
from lambda_shared.aws_calls import RetryingCaller
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from access_key_provider.aws.sts import Credentials

ROLE = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/r"


@pytest.fixture
def account() -> Iterator[FakeAccount]:
    """Give an account with a user and a table that is found where AWS is; the test must end without a violation."""
    account = FakeAccount()
    account.person.make_user("deploy")
    account.person.make_table(LEDGER_TABLE)
    with account.installed():
        yield account
    assert account.violations == []


@pytest.fixture
def clock(account: FakeAccount) -> InvocationClock:
    """Give the clock of an invocation."""
    return InvocationClock(Context(account.clock))


@pytest.fixture
def call(clock: InvocationClock) -> RetryingCaller:
    """Give a caller that waits long for a role."""
    return RetryingCaller(clock)


@pytest.fixture
def credentials(call: RetryingCaller, clock: InvocationClock) -> Credentials:
    """Assume the key's role."""
    return Sessions().assume(ROLE, "test", call, clock)


@pytest.fixture
def keys(credentials: Credentials, clock: InvocationClock) -> IamUserKeys:
    """Act on the user."""
    return IamUserKeys(credentials, "deploy", RetryingCaller(clock))


@pytest.fixture
def arn(account: FakeAccount) -> str:
    """Make a secret without a value."""
    return account.person.make_secret("shop/deploy")


@pytest.fixture
def secret(credentials: Credentials, clock: InvocationClock, arn: str) -> SecretsManagerVersions:
    """Act on the secret."""
    return SecretsManagerVersions(credentials, arn, RetryingCaller(clock))
