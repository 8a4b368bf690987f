"""The policy that only providers create access keys, deployed, and evaluated in a member account of the organization.

The organization and its calls are ministack's; the resource type and what a policy denies to member accounts are ours.
ministack does not ask whether a role may be passed, so that part of the policy is not tried here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_iam as iam
from cloud.access import denied
from cloud.account import policy
from cloud.guards.deployed import MEMBERS, UNIT, managing
from cloud.stacks import Account, Deployment, DeploymentError, Session

from cdk_iam_access_key import AccessKey, AccessKeyProvider, DenyUnmanagedAccessKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws_cdk import Stack

    from local_cloud import LocalCloud

BOUND = MEMBERS[0].id
DEPLOYMENT_ROLE = f"cdk-hnb659fds-cfn-exec-role-{BOUND}-us-east-1"
ANYBODY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": BOUND}, "Action": "sts:AssumeRole"},
    }
)


@dataclass
class Member:
    """A member account, as its root user sees it; ministack takes the account's id for the key of its root user."""

    cloud: LocalCloud
    account: str

    @property
    def region(self) -> str:
        """The region."""
        return self.cloud.region

    def client(self, service: str, *, access_key_id: str = "", **credentials: str) -> Any:
        """Give a client."""
        return self.cloud.client(service, access_key_id=access_key_id or self.account, **credentials)


@pytest.fixture
def organization(cloud: LocalCloud) -> LocalCloud:
    """Give the account as one that manages an organization."""
    return managing(cloud).cloud


@pytest.fixture
def member(organization: LocalCloud) -> Account:
    """Give a member account that is bootstrapped, with a person who may do everything, and a user."""
    account = Account(Member(organization, BOUND))  # type: ignore[arg-type]
    account.iam.create_user(UserName="other")
    account.iam.create_role(RoleName=DEPLOYMENT_ROLE, AssumeRolePolicyDocument=ANYBODY)
    account.iam.put_role_policy(RoleName=DEPLOYMENT_ROLE, PolicyName="p", PolicyDocument=policy("*", "*"))
    return account


@pytest.fixture
def person(member: Account) -> Session:
    """Give the administrator of the member account, with a key from before the policy."""
    return member.administrator("admin")


def attach(cloud: LocalCloud, directory: Path, **properties: Any) -> Deployment:
    """Deploy the policy in the management account."""

    def declare(stack: Stack) -> None:
        DenyUnmanagedAccessKeys(stack, "Deny", targets=[UNIT.id], **properties)

    stack = Deployment(cloud, directory, "Policy")
    stack.deploy(declare)
    return stack


def declare_key(stack: Stack) -> None:
    """Declare a key, which need not settle: there is one endpoint."""
    AccessKeyProvider(stack, "AccessKeyProvider", settling_time=Duration.seconds(0))
    key = AccessKey(stack, "Key", user=iam.User(stack, "User"))
    CfnOutput(stack, "UserName", value=key.user.user_name)
    CfnOutput(stack, "SecretArn", value=key.secret.secret_arn)


def attempts(session: Any, key_role: str) -> dict[str, Callable[[], Any]]:
    """List what would get somebody a key, by the action that is denied."""
    role = {"RoleName": key_role}
    allow_all = {"PolicyName": "q", "PolicyDocument": policy("*", "*")}
    return {
        "iam:CreateAccessKey": lambda: session.create_access_key(UserName="other"),
        "iam:CreateRole": lambda: session.create_role(
            RoleName="mine", Path="/cdk-iam-access-key/mine/", AssumeRolePolicyDocument=ANYBODY
        ),
        "iam:UpdateAssumeRolePolicy": lambda: session.update_assume_role_policy(**role, PolicyDocument=ANYBODY),
        "iam:PutRolePolicy": lambda: session.put_role_policy(**role, **allow_all),
    }


def test_nobody_but_the_provider_creates_a_key(
    organization: LocalCloud, member: Account, person: Session, tmp_path: Path
) -> None:
    """A person and a root user are refused, also by way of a role; a deployment gets its key and deletes it."""
    policy_stack = attach(organization, tmp_path / "policy")
    stack = Deployment(member.cloud, tmp_path / "keys", "Keys", "assets-of-the-member")
    outputs = stack.deploy(declare_key)
    (key,) = member.keys(outputs["UserName"])
    key_role = stack.physical_id("KeyRole", "AWS::IAM::Role").rpartition("/")[2]
    provider_role = stack.physical_id("ProviderRole", "AWS::IAM::Role").rpartition("/")[2]

    for who in (person.client("iam"), member.iam):
        for role in (key_role, provider_role):
            found = {action: denied(attempt) for action, attempt in attempts(who, role).items()}
            assert found == {action: action for action in found}
    assert list(member.keys("other")) == []
    # Nor by a deployment role of one's own, or the one that there is.
    mine = f"{DEPLOYMENT_ROLE}-mine"
    ours = {"RoleName": DEPLOYMENT_ROLE, "PolicyDocument": ANYBODY}
    iam_client = person.client("iam")
    assert denied(lambda: iam_client.create_role(RoleName=mine, AssumeRolePolicyDocument=ANYBODY)) == "iam:CreateRole"
    assert denied(lambda: iam_client.update_assume_role_policy(**ours)) == "iam:UpdateAssumeRolePolicy"
    # A key that has leaked is deactivated at once.
    iam_client.update_access_key(UserName=outputs["UserName"], AccessKeyId=key, Status="Inactive")
    iam_client.update_access_key(UserName=outputs["UserName"], AccessKeyId=key, Status="Active")

    stack.delete()
    assert member.keys(outputs["UserName"]) == {}
    policy_stack.delete()
    assert denied(lambda: person.client("iam").create_access_key(UserName="other")) == ""


def test_deployment_roles_deploy_and_create_no_keys(
    organization: LocalCloud, member: Account, person: Session, tmp_path: Path
) -> None:
    """They make the roles of providers; an access key of CloudFormation's own they do not."""
    attach(organization, tmp_path)
    deployment = person.assume(f"arn:aws:iam::{BOUND}:role/{DEPLOYMENT_ROLE}").client("iam")
    path = "/cdk-iam-access-key/Keys/"
    deployment.create_role(RoleName="key", Path=path, AssumeRolePolicyDocument=ANYBODY)
    deployment.put_role_policy(RoleName="key", PolicyName="p", PolicyDocument=policy("iam:*", "*"))
    assert denied(lambda: deployment.create_access_key(UserName="other")) == "iam:CreateAccessKey"
    key_role = person.assume(f"arn:aws:iam::{BOUND}:role{path}key").client("iam")
    assert denied(lambda: key_role.create_access_key(UserName="other")) == ""
    assert len(member.keys("other")) == 1


@pytest.mark.thorough
def test_other_paths_and_administrators_are_what_the_policy_says(
    organization: LocalCloud, member: Account, person: Session, tmp_path: Path
) -> None:
    """A provider beside the named paths gets no key; a named administrator changes deployment roles, and no others."""
    attach(organization, tmp_path / "policy", role_paths=["/team/keys/"], administrators=["arn:*:iam::*:role/Admin*"])
    stack = Deployment(member.cloud, tmp_path / "keys", "Keys", "assets-of-the-member")
    with pytest.raises(DeploymentError, match="iam:CreateAccessKey"):
        stack.deploy(declare_key)
    root = member.iam
    root.create_role(RoleName="Administrator", AssumeRolePolicyDocument=ANYBODY)
    root.put_role_policy(RoleName="Administrator", PolicyName="p", PolicyDocument=policy("*", "*"))
    administrator = person.assume(f"arn:aws:iam::{BOUND}:role/Administrator").client("iam")
    role = {"RoleName": DEPLOYMENT_ROLE, "PolicyDocument": ANYBODY}
    assert denied(lambda: administrator.update_assume_role_policy(**role)) == ""
    made = {"RoleName": "mine", "Path": "/team/keys/", "AssumeRolePolicyDocument": ANYBODY}
    assert denied(lambda: administrator.create_role(**made)) == "iam:CreateRole"
    assert denied(lambda: administrator.create_access_key(UserName="admin")) == "iam:CreateAccessKey"
