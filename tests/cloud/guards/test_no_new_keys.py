"""The policy that root users create no keys, deployed by the CDK command line and evaluated by the embedded account.

The organization and its calls are ministack's; the resource type and what a policy denies to member accounts are ours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cloud.access import denied
from cloud.account import policy, refused
from cloud.guards.deployed import CLEAN, EXCLUDED, INNER, MEMBERS, UNIT, UNUSED

from local_cloud import CdkCli

if TYPE_CHECKING:
    from local_cloud import LocalCloud

IN_THE_UNIT, ALL = {UNUSED, CLEAN}, {UNUSED, CLEAN, EXCLUDED}
CREATE = "iam:CreateAccessKey"


@pytest.fixture
def organization(bootstrapped_cloud: LocalCloud) -> LocalCloud:
    """Give an organization with two accounts below a unit and one beside it, each with a user."""
    bootstrapped_cloud.organization.seed(MEMBERS, [UNIT, INNER])
    for account_id in (*ALL, bootstrapped_cloud.account):
        root(bootstrapped_cloud, account_id).create_user(UserName="other")
    return bootstrapped_cloud


@pytest.fixture
def administrators(organization: LocalCloud) -> list[Any]:
    """Give clients of users of all member accounts that may do everything."""
    found = []
    for account_id in ALL:
        iam = root(organization, account_id)
        iam.create_user(UserName="admin")
        iam.put_user_policy(UserName="admin", PolicyName="p", PolicyDocument=policy("*", "*"))
        key = iam.create_access_key(UserName="admin")["AccessKey"]
        credentials = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
        found.append(organization.client("iam", **credentials))
    return found


def root(cloud: LocalCloud, account_id: str) -> Any:
    """Give a client of the root user of an account; ministack takes the id of a member account for its root's key."""
    return cloud.client("iam") if account_id == cloud.account else cloud.client("iam", access_key_id=account_id)


def denied_to_root(cloud: LocalCloud) -> set[str]:
    """Let every root user create a key for a user, and name the accounts where it is denied."""
    found = set()
    for account_id in (*ALL, cloud.account):
        iam = root(cloud, account_id)
        action = denied(lambda: iam.create_access_key(UserName="other"))  # noqa: B023
        made = iam.list_access_keys(UserName="other")["AccessKeyMetadata"]
        assert (action, bool(made)) in {("", True), (CREATE, False)}
        for key in made:
            iam.delete_access_key(UserName="other", AccessKeyId=key["AccessKeyId"])
        found |= {account_id} if action else set()
    return found


def attached(cloud: LocalCloud) -> dict[str, set[str]]:
    """Give the targets of each policy that AWS does not bring along, by the policy's id."""
    client = cloud.client("organizations")
    found = client.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
    return {
        each["Id"]: {target["TargetId"] for target in client.list_targets_for_policy(PolicyId=each["Id"])["Targets"]}
        for each in found
        if not each["AwsManaged"]
    }


@pytest.mark.thorough
def test_root_users_of_member_accounts_create_no_keys(organization: LocalCloud, administrators: list[Any]) -> None:
    """Below the targets, from the deployment to the destruction; targets change in place, and nobody else is bound."""
    cloud, cdk = organization, CdkCli(organization, app=("python", "-m", "demo.root_app"))
    assert (attached(cloud), denied_to_root(cloud)) == ({}, set())
    cdk.deploy(context={"guard": "future", "targets": UNIT.id})
    ((policy_id, targets),) = attached(cloud).items()
    told = cloud.client("organizations").describe_policy(PolicyId=policy_id)["Policy"]
    assert (told["PolicySummary"]["Name"], targets) == ("DenyRootAccessKeyCreation", {UNIT.id})
    assert json.loads(told["Content"])["Statement"][0]["Effect"] == "Deny"
    assert denied_to_root(cloud) == IN_THE_UNIT
    # Its own key neither; without the policy there is another refusal, as only a sign-in creates one here.
    with refused("AccessDenied", CREATE):
        root(cloud, UNUSED).create_access_key()
    with refused("ValidationError"):
        root(cloud, EXCLUDED).create_access_key()
    cdk.deploy(context={"guard": "future", "targets": f"{EXCLUDED},{cloud.organization.root_id}"})
    assert attached(cloud) == {policy_id: {EXCLUDED, cloud.organization.root_id}}
    assert denied_to_root(cloud) == ALL
    for administrator in administrators:
        administrator.create_access_key(UserName="other")
        administrator.delete_user_policy(UserName="admin", PolicyName="p")
    root(cloud, UNUSED).create_user(UserName="another")
    cdk.destroy(context={"guard": "future", "targets": UNIT.id})
    assert (attached(cloud), denied_to_root(cloud)) == ({}, set())
