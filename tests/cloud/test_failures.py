"""Deployments that fail and can't or must not roll back, with IAM enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import ArnFormat, CfnResource, Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from cloud.shop import Declared
from cloud.stacks import Deployment, fail_after

if TYPE_CHECKING:
    from pathlib import Path

    from cloud.shop import Shop

    from cdk_iam_access_key import AccessKey

DENIAL = {
    "PolicyName": "denied",
    "PolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "iam:DeleteAccessKey", "Resource": "*"}],
    },
}
# A denied role may be a new one that does not work yet: it is given its time.
SECONDS_FOR_A_NEW_ROLE = 150


def denied_to_delete(key: AccessKey) -> None:
    """Take the right to delete keys from a key's role, and let the deployment fail after the key."""
    role = key.node.find_child("Role")
    assert isinstance(role, CfnResource)
    role.add_property_override("Policies.1", DENIAL)
    fail_after(Stack.of(key), key)


def failing(key: AccessKey) -> None:
    """Let the deployment fail after a key."""
    fail_after(Stack.of(key), key)


@pytest.mark.thorough
def test_a_delete_that_was_refused_is_done_by_the_next_one(shop: Shop) -> None:
    """The rollback leaves an Inactive key that the ledger knows; the stack's deletion sends a second Delete."""
    shop.add("plain", beside=denied_to_delete)
    shop.stack.begin(shop.declare)
    shop.stack.await_status("ROLLBACK_FAILED", SECONDS_FOR_A_NEW_ROLE)
    assert "iam:DeleteAccessKey" in shop.stack.reasons()
    (key,) = shop.account.keys("plain")
    assert key in shop.stack.reasons()
    assert shop.account.keys("plain") == {key: "Inactive"}
    (entry,) = shop.account.entries().values()
    assert list(entry["keys"]) == [key]
    (role,) = shop.account.iam.list_roles(PathPrefix="/cdk-iam-access-key/Shop/plain/")["Roles"]
    shop.account.iam.delete_role_policy(RoleName=role["RoleName"], PolicyName="denied")
    shop.stack.delete()
    assert shop.account.keys("plain") == {}


@pytest.mark.thorough
def test_without_rollback_the_rotated_key_stays_until_somebody_rolls_back(shop: Shop) -> None:
    """`cdk deploy --no-rollback`, then `cdk rollback`, then another serial: each goes on from what is there."""
    shop.add("plain")
    shop.deploy()
    key = shop["plain"]
    first = key.current
    shop.change("plain", serial="2", beside=failing)
    shop.stack.deploy_until(shop.declare, "UPDATE_FAILED", DisableRollback=True)
    second = key.current
    assert key.statuses == {first: "Active", second: "Active"}
    key.check()
    shop.account.cloud.client("cloudformation").rollback_stack(StackName="Shop")
    shop.stack.await_status("UPDATE_ROLLBACK_COMPLETE")
    assert (key.current, key.statuses[first]) == (first, "Active")
    key.check()
    shop.change("plain", serial="3", beside=lambda _: None, seconds={"GracePeriod": 0})
    shop.account.iam.update_access_key(UserName="plain", AccessKeyId=second, Status="Inactive")
    shop.deploy()
    assert key.current not in {first, second}
    key.check()


@pytest.mark.thorough
def test_a_creation_without_rollback_leaves_a_key_that_works(shop: Shop) -> None:
    """And that goes with the stack."""
    shop.add("plain", beside=failing)
    shop.stack.deploy_until(shop.declare, "CREATE_FAILED", OnFailure="DO_NOTHING")
    (secret,) = shop.account.entries()
    shop.account.check("plain", secret)
    assert shop.account.works(secret)


def without_suffix(stack: Stack) -> dict[str, Any]:
    """Import a secret by an ARN that lacks the six characters at its end."""
    arn = stack.format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name="existing-secret",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return {"secret": secretsmanager.Secret.from_secret_complete_arn(stack, "Existing", arn)}


@pytest.mark.thorough
def test_what_was_imported_wrongly_is_named_and_rolled_back(shop: Shop, tmp_path: Path) -> None:
    """A user with a path that is imported by its name, a secret without its suffix: the role is for another one."""
    account = shop.account
    account.iam.create_user(UserName="ci", Path="/team/")
    account.secrets.create_secret(Name="existing-secret")
    shop.declared["path"] = Declared("ci")
    account.iam.create_user(UserName="deploy")
    other = Deployment(account.cloud, tmp_path, "Other")
    shop.stack.begin(shop.declare)
    shop.declared = {"suffix": Declared("deploy", settings=without_suffix)}
    other.begin(shop.declare)
    for stack in (shop.stack, other):
        stack.await_status("ROLLBACK_COMPLETE", SECONDS_FOR_A_NEW_ROLE)
    assert "iam:ListAccessKeys on user ci was denied" in shop.stack.reasons()
    assert "path" in shop.stack.reasons()
    assert "secretsmanager:DescribeSecret on" in other.reasons()
    assert "suffix" in other.reasons() or "complete ARN" in other.reasons()
    assert account.keys("ci") == account.keys("deploy") == {}
    other.delete()
