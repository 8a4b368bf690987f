"""The embedded AWS account that the tests of this folder deploy to.

One account a test process, started when the first test asks for it. Nothing here leaves the machine: the
account listens on the loopback address, and its clients know no other endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cloud.leak_hunt import CloudHunt
from cloud.shop import Shop
from cloud.stacks import Account, Deployment
from support.embedded_account import bootstrapped_cloud, cloud, empty_cloud

from local_cloud import CdkCli

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_cloud import CdkResult, LocalCloud

__all__ = ["bootstrapped_cloud", "cloud", "empty_cloud"]


@pytest.fixture(autouse=True)
def leak_hunt(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CloudHunt | None]:
    """Search what each test on the account has written for the keys made in it: at its end, and after its clean-up."""
    if "cloud" not in request.fixturenames:
        yield None
        return
    hunt = CloudHunt(request.getfixturevalue("cloud"), tmp_path)
    finished = CdkCli._finished

    def remembered(*arguments: object) -> CdkResult:
        result = finished(*arguments)  # type: ignore[arg-type]
        hunt.outputs.append(result)
        return result

    monkeypatch.setattr(CdkCli, "_finished", remembered)
    yield hunt
    hunt.check()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Search before the fixtures clean up: with a stack go its logs."""
    result = yield
    hunt = pyfuncitem.funcargs.get("leak_hunt")
    if isinstance(hunt, CloudHunt):
        hunt.check()
    return result


@pytest.fixture
def cdk(bootstrapped_cloud: LocalCloud) -> CdkCli:
    """Give the CDK command line, on the project's own app, against a bootstrapped account."""
    return CdkCli(bootstrapped_cloud)


@pytest.fixture
def shop(empty_cloud: LocalCloud, tmp_path: Path) -> Iterator[Shop]:
    """Give a stack to deploy, and see afterwards that its deletion leaves nothing of ours."""
    shop = Shop(Account(empty_cloud), Deployment(empty_cloud, tmp_path))
    yield shop
    if shop.stack.deployed:
        shop.stack.delete()
    shop.account.check_nothing_of_ours()
