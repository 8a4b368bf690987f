"""Policies of the embedded account's organization: as resources of a template, and over its member accounts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import policy, refused
from tools.cloud.cloudformation_stack import Stack

from local_cloud import Account, OrganizationalUnit

if TYPE_CHECKING:
    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud
    from local_cloud.organization import Role

pytestmark = pytest.mark.thorough

UNIT = OrganizationalUnit("ou-lcld-workloads1", "Workloads")
INNER = OrganizationalUnit("ou-lcld-sandboxes1", "Sandboxes", UNIT.id)
BELOW, OUTSIDE = "300000000001", "300000000002"
NO_USERS = json.loads(policy("iam:CreateUser", "*").replace("Allow", "Deny"))


@pytest.fixture(autouse=True)
def members(empty_cloud: LocalCloud) -> None:
    """Fill the organization with an account in a unit of a unit, and one outside."""
    empty_cloud.organization.seed([Account(BELOW, parent=INNER.id), Account(OUTSIDE)], [UNIT, INNER])


def declared(*targets: str, **changes: Any) -> Template:
    """Declare a policy with targets."""
    properties = {
        "Name": "NoUsers",
        "Type": "SERVICE_CONTROL_POLICY",
        "Content": NO_USERS,
        "TargetIds": list(targets),
    }
    return {"Resources": {"Policy": {"Type": "AWS::Organizations::Policy", "Properties": properties | changes}}}


def policies(cloud: LocalCloud) -> dict[str, list[str]]:
    """Give the service control policies of ours by name, each with its targets."""
    client = cloud.client("organizations")
    found = client.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
    targets = {
        each["Name"]: client.list_targets_for_policy(PolicyId=each["Id"])["Targets"]
        for each in found
        if not each["AwsManaged"]
    }
    return {name: sorted(target["TargetId"] for target in those) for name, those in targets.items()}


def test_a_policy_is_made_changed_in_place_and_deleted(cloud: LocalCloud, stack: Stack) -> None:
    """With its targets; only another type makes another policy."""
    assert stack.create(declared(UNIT.id, OUTSIDE)) == "CREATE_COMPLETE"
    first = stack.physical_id("Policy")
    assert policies(cloud) == {"NoUsers": sorted([OUTSIDE, UNIT.id])}
    changed = {"Name": "NoRoles", "Description": "none", "Content": policy("iam:CreateRole", "*")}
    assert stack.update(declared(OUTSIDE, INNER.id, **changed)) == "UPDATE_COMPLETE"
    told = cloud.client("organizations").describe_policy(PolicyId=first)["Policy"]
    assert (told["PolicySummary"]["Name"], told["PolicySummary"]["Description"]) == ("NoRoles", "none")
    assert told["Content"] == changed["Content"]
    assert policies(cloud) == {"NoRoles": sorted([OUTSIDE, INNER.id])}
    assert stack.physical_id("Policy") == first
    assert stack.delete() == "DELETE_COMPLETE"
    assert policies(cloud) == {}


def test_what_organizations_refuses_fails_the_deployment(cloud: LocalCloud, stack: Stack) -> None:
    """A target that is not there fails a creation, which leaves nothing, and a change, which is rolled back."""
    assert stack.create(declared(UNIT.id, "ou-lcld-nowhere001")) == "ROLLBACK_COMPLETE"
    assert "ou-lcld-nowhere001" in stack.reasons("Policy")[0]
    assert policies(cloud) == {}
    other = Stack(cloud)
    assert other.create(declared(UNIT.id)) == "CREATE_COMPLETE"
    assert other.update(declared("ou-lcld-nowhere001", Name="Other")) == "UPDATE_ROLLBACK_COMPLETE"
    assert policies(cloud) == {"NoUsers": [UNIT.id]}


def test_policies_of_that_type_must_be_enabled(cloud: LocalCloud, stack: Stack) -> None:
    """As the template reference says of the root."""
    root = cloud.organization.root_id
    cloud.client("organizations").disable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    assert stack.create(declared(UNIT.id)) == "ROLLBACK_COMPLETE"
    assert "not enabled" in stack.reasons("Policy")[0]
    assert policies(cloud) == {}


@pytest.mark.parametrize("role", ["member", "delegated", "alone"])
def test_only_the_management_account_makes_policies(cloud: LocalCloud, stack: Stack, role: Role) -> None:
    """Whoever else deploys one is refused."""
    cloud.organization.configure(role=role)
    assert stack.create(declared(cloud.account)) == "ROLLBACK_COMPLETE"


def denied_to(cloud: LocalCloud) -> set[str]:
    """Let the root user of each account make a user, and name the accounts where that is denied."""
    found = set()
    for account in (BELOW, OUTSIDE, cloud.account):
        iam = cloud.client("iam") if account == cloud.account else cloud.client("iam", access_key_id=account)
        try:
            iam.create_user(UserName="made")
            iam.delete_user(UserName="made")
        except iam.exceptions.ClientError as error:
            found.add(f"{account} {error.response['Error']['Code']}")
    return found


def test_a_policy_binds_the_accounts_below_its_targets(cloud: LocalCloud) -> None:
    """Not those beside, never the management account, and nobody once it is detached or deleted."""
    client = cloud.client("organizations")
    made = client.create_policy(
        Name="NoUsers", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(NO_USERS)
    )
    named = {"PolicyId": made["Policy"]["PolicySummary"]["Id"]}
    assert denied_to(cloud) == set()
    for target, bound in (
        (OUTSIDE, {OUTSIDE}),
        (UNIT.id, {BELOW}),
        (BELOW, {BELOW}),
        (cloud.organization.root_id, {BELOW, OUTSIDE}),
        (cloud.account, set()),
    ):
        client.attach_policy(**named, TargetId=target)
        assert denied_to(cloud) == {f"{account} AccessDenied" for account in bound}
        client.detach_policy(**named, TargetId=target)
    assert denied_to(cloud) == set()


def test_a_policy_binds_users_too(cloud: LocalCloud) -> None:
    """What it denies no policy of theirs allows, and what it does not deny they need leave for."""
    root = cloud.client("iam", access_key_id=BELOW)
    root.create_user(UserName="admin")
    root.put_user_policy(UserName="admin", PolicyName="p", PolicyDocument=policy("iam:*User", "*"))
    key = root.create_access_key(UserName="admin")["AccessKey"]
    admin = cloud.client("iam", access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])
    admin.create_user(UserName="first")
    client = cloud.client("organizations")
    content = json.dumps(NO_USERS)
    made = client.create_policy(Name="NoUsers", Description="", Type="SERVICE_CONTROL_POLICY", Content=content)
    client.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=UNIT.id)
    with refused("AccessDenied"):
        admin.create_user(UserName="second")
    with refused("AccessDenied"):
        admin.list_users()
    assert admin.get_user(UserName="first")["User"]["UserName"] == "first"
