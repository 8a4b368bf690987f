"""Two stacks with keys, deployed once for each module, and an administrator who opens doors.

Each permission is needed, and none reaches further than it should: tried on the embedded account, IAM enforced. The
handler runs in the test's process, on events as AWS sends them and with sessions of the deployed roles, which the
account's STS gives and its IAM judges. A call that is denied is tried again for as long as a new role may need, of the
test's own time. That the deployed functions work with these roles is what `test_deploy` and `test_rotation` show.

The account is stricter than AWS about `sts:AssumeRole`: within an account AWS lets in whom a role's trust names,
whatever their own policy says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cloud.least_privilege import deployed, life
from cloud.least_privilege.handling import Handler
from cloud.stacks import Account, Deployment, Session
from support.invocation import TestClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloud.least_privilege.deployed import Deployed, Target

    from local_cloud import LocalCloud


@pytest.fixture(scope="module")
def account(cloud: LocalCloud) -> Account:
    """Give an account with three users in it."""
    cloud.reset()
    account = Account(cloud)
    for name in ("deploy", "vendor", "stranger"):
        account.iam.create_user(UserName=name)
    life.prepare(account)
    return account


@pytest.fixture(scope="module")
def tester(account: Account) -> Session:
    """Give an administrator, whose only use is to open doors that stay shut without."""
    return account.administrator("tester")


@pytest.fixture(scope="module")
def deploy(account: Account, tester: Session, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Deployed]:
    """Give what deploys a stack with a key for each of some users, and lets the tester into its functions' role."""

    def deploy_stack(name: str, *user_names: str) -> Deployed:
        stack = Deployment(account.cloud, tmp_path_factory.mktemp(name), name)
        return deployed.describe(account, name, stack.deploy(deployed.declaring(*user_names)), tester)

    return deploy_stack


@pytest.fixture(scope="module")
def shop(deploy: Callable[..., Deployed]) -> Deployed:
    """Deploy a stack with two keys."""
    return deploy("Shop", "deploy", "vendor")


@pytest.fixture(scope="module")
def other(deploy: Callable[..., Deployed]) -> Deployed:
    """Deploy another stack, with one key."""
    return deploy("Other", "stranger")


@pytest.fixture(scope="module")
def clock() -> TestClock:
    """Give a time that goes on from one test to the next, as the ledger does."""
    return TestClock()


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, account: Account, shop: Deployed, clock: TestClock) -> Iterator[Handler]:
    """Give the handler of the shop, whose user `deploy` has no key before and, whatever happens, none after."""
    handler, target = Handler(monkeypatch, shop, clock), shop.targets["deploy"]
    assert handler.send("Delete", target)["Status"] == "SUCCESS"
    account.cloud.clear_calls()
    yield handler
    # With all permissions back one Delete finds whatever was left, wherever it stopped.
    assert handler.send("Delete", target)["Status"] == "SUCCESS"
    account.check("deploy", target.secret_arn, status=None)


@pytest.fixture
def own(account: Account, shop: Deployed, handler: Handler) -> Target:
    """Give a key of the shop."""
    target = shop.targets["deploy"]
    life.demand("Create", handler.send("Create", target))
    return replace(target, key_id=next(iter(account.keys("deploy"))))


@pytest.fixture
def session(shop: Deployed, own: Target) -> Session:
    """Give a session of that key's role."""
    return shop.function.assume(own.role_arn)
