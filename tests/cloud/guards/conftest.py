"""The guards of root access keys, deployed once for each file of this folder, in an organization with three members.

IAM is enforced. The steps of a run are the deployed functions, started by the deployed state machine. The two checks of
custom resources run in the test's process, with sessions of the deployed roles: a call that is denied is tried again
for 100 seconds of the test's own time, because a new role is given that long. Step Functions' waits are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cloud.guards.deployed import GUARDS, deploy, managing

if TYPE_CHECKING:
    from cloud.guards.deployed import Guard
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
    return {name: deploy(account, tester, tmp_path_factory.mktemp(name), name) for name in GUARDS}
