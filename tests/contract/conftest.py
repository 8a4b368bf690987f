"""One contract, three implementations: what the project relies on of AWS, told from outside.

A test that takes `aws` runs once on each implementation. Where moto or the embedded AWS is not like AWS, the case is
expected to fail there, and `deviations.py` says why; the contract itself is never weakened. An expected failure that
passes fails, so the table stays true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from contract.deviations import reason
from contract.implementations import Embedded, Fake, Moto
from contract.subjects import Key, Secret
from fakes.aws import FakeAccount
from moto import mock_aws

from local_cloud import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.implementations import Implementation

IMPLEMENTATIONS = ("fake", "moto", "embedded")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes an account on every implementation."""
    if "aws" in metafunc.fixturenames:
        metafunc.parametrize("aws", IMPLEMENTATIONS, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect the known deviations to fail."""
    for item in items:
        case = getattr(item, "callspec", None)
        implementation = case.params.get("aws") if case else None
        name = getattr(item, "originalname", "")
        why = reason(implementation, name, item.name) if implementation else None
        if why:
            item.add_marker(pytest.mark.xfail(reason=f"{implementation}: {why}", strict=True))


@pytest.fixture(scope="session")
def models() -> botocore.session.Session:
    """Load AWS's service models once."""
    nothing = (None, None, None, None)
    return botocore.session.Session(
        session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing}
    )


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """Run an embedded account for the whole session."""
    with LocalCloud() as account:
        yield account


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[Implementation]:
    """Give an account with nothing in it."""
    if request.param == "fake":
        yield Fake()
    elif request.param == "moto":
        with mock_aws():
            yield Moto(request.getfixturevalue("models"))
    else:
        yield Embedded(request.getfixturevalue("cloud"))


@pytest.fixture
def iam(aws: Implementation) -> Any:
    """Give a client of IAM."""
    return aws.client("iam")


@pytest.fixture
def secrets(aws: Implementation) -> Any:
    """Give a client of Secrets Manager."""
    return aws.client("secretsmanager")


@pytest.fixture
def parameters(aws: Implementation) -> Any:
    """Give a client of SSM."""
    return aws.client("ssm")


@pytest.fixture
def user(iam: Any) -> str:
    """Make a user."""
    iam.create_user(UserName="deploy")
    return "deploy"


@pytest.fixture
def key(iam: Any, user: str) -> Key:
    """Make an access key."""
    return Key.made(iam, user)


@pytest.fixture
def secret(secrets: Any) -> Secret:
    """Make a secret without a value."""
    return Secret(secrets, secrets.create_secret(Name="shop/deploy")["ARN"])


@pytest.fixture
def account() -> FakeAccount:
    """Give a fake account with a user."""
    account = FakeAccount()
    account.person.make_user("deploy")
    return account
