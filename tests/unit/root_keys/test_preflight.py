"""The check, at deployment, that the guard of an organization can work: each message names the missing step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from unit.root_keys.account import FEATURES, ROOT, Unit
from unit.root_keys.organization import AwsError, Member, connection_lost, denied, failed_inside, throttled

from root_access_keys import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.root_keys.account import Deployment

ONE, UNKNOWN = "200000000000", "212121212121"
UNIT = "ou-ab12-11111111"
EXISTING = {"Only": [ONE], "OrganizationalUnits": [ROOT, UNIT], "Excluding": [ONE]}


def properties(**accounts: list[str]) -> dict[str, Any]:
    """Write the properties of the resource."""
    return {"Accounts": {"Only": [], "OrganizationalUnits": [], "Excluding": []} | accounts, "Code": "1"}


@pytest.fixture(autouse=True)
def members(deployment: Deployment) -> None:
    """Give an account and a unit to name."""
    deployment.account.members[ONE] = Member()
    deployment.account.units |= {ROOT: Unit(units=[UNIT]), UNIT: Unit([ONE])}


def check(deployment: Deployment, kind: str = "Create", physical_id: str | None = None, **accounts: list[str]) -> Any:
    """Send a request to the function."""
    return deployment.request(main.organization, kind, properties(**accounts), physical_id)


@pytest.mark.parametrize("accounts", [{}, *({name: EXISTING[name]} for name in EXISTING)], ids=str)
def test_what_is_set_up_passes(deployment: Deployment, accounts: dict[str, list[str]]) -> None:
    """And nothing is said of it."""
    given = check(deployment, **accounts)
    assert (given["Status"], given["Reason"]) == ("SUCCESS", "")


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("OrganizationNotFound", "account 111111111111 is in no organization: use RootAccessKeyGuard"),
        (
            "AccountNotManagementOrDelegatedAdministrator",
            "register-delegated-administrator --service-principal iam.amazonaws.com --account-id 111111111111",
        ),
        ("OrganizationNotInAllFeaturesMode", "enable all features (Organizations console, Settings)"),
        (
            "ServiceAccessNotEnabled",
            "aws organizations enable-aws-service-access --service-principal iam.amazonaws.com",
        ),
    ],
)
@pytest.mark.parametrize("suffix", ["", "Exception"])
def test_each_refusal_names_the_step(deployment: Deployment, code: str, step: str, suffix: str) -> None:
    """Whichever way AWS spells its code."""
    deployment.account.lasting["iam:ListOrganizationsFeatures", None] = lambda: AwsError(code + suffix, 409)
    given = check(deployment)
    assert given["Status"] == "FAILED"
    assert step in given["Reason"]


@pytest.mark.parametrize("enabled", [[], [FEATURES[0]], [FEATURES[1]], ["Other"]], ids=str)
def test_features_that_are_off_are_named(deployment: Deployment, enabled: list[str]) -> None:
    """With the command for each that is missing, and for no other."""
    deployment.account.features = enabled
    reason = check(deployment)["Reason"]
    commands = ("enable-organizations-root-credentials-management", "enable-organizations-root-sessions")
    for feature, command in zip(FEATURES, commands, strict=True):
        assert (feature in reason) == (command in reason) == (feature not in enabled)
    assert "IAM console, Root access management" in reason


@pytest.mark.parametrize(
    "accounts",
    [
        {"Only": [ONE, UNKNOWN]},
        {"Excluding": [UNKNOWN]},
        {"OrganizationalUnits": [UNIT, "ou-ab12-99999999"]},
        {"OrganizationalUnits": ["r-zz99"]},
    ],
    ids=str,
)
def test_what_does_not_exist_is_named(deployment: Deployment, accounts: dict[str, list[str]]) -> None:
    """The one that is wrong, and what to do."""
    given = check(deployment, **accounts)
    wrong = next(iter(accounts.values()))[-1]
    assert given["Status"] == "FAILED"
    assert f"accounts: {wrong} is " in given["Reason"]
    assert "correct it or leave it out" in given["Reason"]


@pytest.mark.parametrize("fault", [denied, throttled, failed_inside, connection_lost])
@pytest.mark.parametrize("action", ["iam:ListOrganizationsFeatures", "organizations:DescribeAccount"])
def test_what_can_not_be_looked_up_fails(
    deployment: Deployment, action: str, fault: Callable[[], BaseException]
) -> None:
    """It is never taken for set up; a Delete succeeds all the same."""
    deployment.account.lasting[action, None] = fault
    given = check(deployment, Only=[ONE])
    assert given["Status"] == "FAILED"
    assert action.split(":")[1] in given["Reason"] or "could not be reached" in given["Reason"]
    assert deployment.clock.slept.total_seconds() < 105
    assert check(deployment, "Delete", given["PhysicalResourceId"])["Status"] == "SUCCESS"


def test_a_new_role_gets_time(deployment: Deployment) -> None:
    """The first refusals may be those of permissions that do not work yet."""
    deployment.account.passing["iam:ListOrganizationsFeatures"] = 4
    assert check(deployment)["Status"] == "SUCCESS"


def test_a_rollback_of_its_own_failure_checks_nothing(deployment: Deployment) -> None:
    """The account that the old settings name may have left meanwhile."""
    deployed = check(deployment, Only=[ONE])["PhysicalResourceId"]
    del deployment.account.members[ONE]
    failed = check(deployment, "Update", deployed, Only=[ONE, UNKNOWN])
    assert (failed["Status"], failed["PhysicalResourceId"]) == ("FAILED", deployed)
    deployment.account.log.clear()
    back = check(deployment, "Update", deployed, Only=[ONE])
    assert (back["Status"], back["PhysicalResourceId"], deployment.account.log) == ("SUCCESS", deployed, [])


@pytest.mark.parametrize(
    ("stack_status", "status"), [("UPDATE_ROLLBACK_IN_PROGRESS", "SUCCESS"), ("UPDATE_IN_PROGRESS", "FAILED")]
)
def test_a_rollback_after_its_own_success_goes_through(deployment: Deployment, stack_status: str, status: str) -> None:
    """The settings before named an account that has left meanwhile; a person who goes back to them is told."""
    deployed = check(deployment, Only=[ONE])["PhysicalResourceId"]
    updated = check(deployment, "Update", deployed)["PhysicalResourceId"]
    del deployment.account.members[ONE]
    deployment.account.stack_status = stack_status
    back = check(deployment, "Update", updated, Only=[ONE])
    assert back["Status"] == status
    assert back["PhysicalResourceId"] == (deployed if status == "SUCCESS" else updated)
    assert f"accounts: {ONE} is not in the organization" in back["Reason"]


def test_nothing_is_changed_by_a_check(deployment: Deployment) -> None:
    """It reads, and no more."""
    check(deployment, **EXISTING)
    verbs = {name.split(":")[1] for name in deployment.account.log}
    assert verbs == {
        "ListOrganizationsFeatures",
        "DescribeAccount",
        "DescribeOrganizationalUnit",
        "ListOrganizationalUnitsForParent",
    }
