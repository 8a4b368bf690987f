"""The guards of root access keys, deployed once for each file of this folder, in an organization with three members.

IAM is enforced. The steps of a run are the deployed functions, started by the deployed state machine. The two checks of
custom resources run in the test's process, with sessions of the deployed roles: a call that is denied is tried again
for 45 seconds of the test's own time, because a new role is given that long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cloud.guards.deployed import GUARDS, Guard, declaring, managing
from cloud.least_privilege.deployed import trust
from cloud.stacks import Deployment

if TYPE_CHECKING:
    from cloud.stacks import Account, Session

    from local_cloud import LocalCloud


@pytest.fixture(scope="module")
def account(cloud: LocalCloud) -> Account:
    """Give an account that manages an organization with three members."""
    return managing(cloud)


@pytest.fixture(scope="module")
def tester(account: Account) -> Session:
    """Give an administrator, whose only use is to open doors that stay shut without."""
    return account.administrator("tester")


@pytest.fixture(scope="module")
def guards(account: Account, tester: Session, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Guard]:
    """Deploy all guards by their names, and let the tester into their roles."""
    # A test that came before may have given the account's own root user a key, which fails a deployment.
    account.cloud.organization.set_root_keys({account.cloud.account: []})
    found = {}
    for name in GUARDS:
        stack = Deployment(account.cloud, tmp_path_factory.mktemp(name), name)
        found[name] = Guard.of(account, name, stack.deploy(declaring(name, account.cloud.organization.root_id)))
        for whose in found[name].roles():
            trust(account, found[name].role_arn(whose), tester.arn)
    return found
