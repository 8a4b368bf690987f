"""What CloudFormation really sends, row by row, as real deployments with IAM enforced.

Rows that the embedded account can't produce (a Delete beside a running Create, redeliveries, late events) are
hand-made events in the provider's tests.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from cloud.stacks import Account, Deployment, fail_after

from cdk_iam_access_key import AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local_cloud import LocalCloud


@pytest.fixture
def account(empty_cloud: LocalCloud) -> Account:
    """Give an account with nothing in it but two users that no stack declares."""
    account = Account(empty_cloud)
    account.iam.create_user(UserName="deploy")
    account.iam.create_user(UserName="vendor")
    return account


@pytest.fixture
def shop(account: Account, tmp_path: Path) -> Iterator[Deployment]:
    """Give a stack to deploy, and see afterwards that its deletion leaves nothing of ours."""
    shop = Deployment(account.cloud, tmp_path)
    yield shop
    if shop.deployed:
        shop.delete()
    account.check("deploy", None, status=None, foreign=account.foreign)
    account.check("vendor", None, status=None)
    roles = [role["Path"] for role in account.iam.list_roles()["Roles"]]
    assert not [path for path in roles if path.startswith("/cdk-iam-access-key/")]


def one_key(
    serial: str = "1",
    *,
    user_name: str = "deploy",
    secret_arn: str | None = None,
    secret_name: str | None = None,
    construct: str = "Key",
    status: iam.AccessKeyStatus = iam.AccessKeyStatus.ACTIVE,
    then_fail: bool = False,
) -> Callable[[Stack], None]:
    """Declare a key of a user that exists, and what there is to know of it."""

    def declare(stack: Stack) -> None:
        key = AccessKey(
            stack,
            construct,
            user=iam.User.from_user_name(stack, "User", user_name),
            serial=serial,
            status=status,
            secret=secretsmanager.Secret.from_secret_complete_arn(stack, "Existing", secret_arn)
            if secret_arn
            else None,
            secret_name=secret_name,
            grace_period=Duration.seconds(0),
        )
        CfnOutput(stack, "Secret", value=key.secret.secret_arn)
        CfnOutput(stack, "Id", value=key.access_key_id)
        CfnOutput(stack, "Version", value=key.secret_version_id)
        if then_fail:
            fail_after(stack, key)

    return declare


def test_create_and_stack_deletion(account: Account, shop: Deployment) -> None:
    """The key works, its secret is readable where it should be, and nothing of it is left afterwards."""
    outputs = shop.deploy(one_key())
    account.check("deploy", outputs["Secret"])
    assert account.keys("deploy") == {outputs["Id"]: "Active"}
    assert account.works(outputs["Secret"])
    version = account.secrets.get_secret_value(SecretId=outputs["Secret"])["VersionId"]
    assert outputs["Version"] == version
    assert shop.physical_id("Key") == f"deploy@{outputs['Secret']}"
    shop.delete()
    assert account.keys("deploy") == {}
    assert account.secrets.list_secrets()["SecretList"] == []


def test_a_create_that_fails_is_rolled_back_without_a_trace(account: Account, shop: Deployment) -> None:
    """Both keys are somebody else's: the deployment says which, and touches neither."""
    first, second = account.add_foreign_key(), account.add_foreign_key()
    shop.deploy(one_key(), fails=True)
    assert first in shop.reasons()
    assert second in shop.reasons()
    account.check("deploy", None, status=None, foreign={first: "Active", second: "Active"})


def test_a_sibling_that_fails_takes_the_new_key_back(account: Account, shop: Deployment) -> None:
    """The rollback deletes the key that the same deployment created."""
    shop.deploy(one_key(then_fail=True), fails=True)
    assert account.keys("deploy") == {}
    account.check("deploy", None, status=None)


def test_a_sibling_that_fails_gives_an_existing_secret_its_value_back(account: Account, shop: Deployment) -> None:
    """Whoever reads the secret gets what was there before the deployment."""
    arn = account.secrets.create_secret(Name="existing", SecretString="the value before")["ARN"]
    shop.deploy(one_key(secret_arn=arn, then_fail=True), fails=True)
    assert account.secrets.get_secret_value(SecretId=arn)["SecretString"] == "the value before"
    account.check("deploy", arn, status=None)


def test_rotation(account: Account, shop: Deployment) -> None:
    """Three rotations: always two keys, the current one Active and working, the one before Inactive."""
    before = shop.deploy(one_key())
    for serial in ("2", "3", "2026-Q4"):
        after = shop.deploy(one_key(serial))
        assert after["Secret"] == before["Secret"]
        assert account.keys("deploy") == {before["Id"]: "Inactive", after["Id"]: "Active"}
        assert account.works(after["Secret"])
        account.check("deploy", after["Secret"])
        before = after


def test_a_rotation_that_is_rolled_back_restores_the_very_key(account: Account, shop: Deployment) -> None:
    """Active and current again; the other is Inactive, and there is no third key."""
    before = shop.deploy(one_key())
    shop.deploy(one_key("2", then_fail=True), fails=True)
    statuses = account.keys("deploy")
    assert statuses.pop(before["Id"]) == "Active"
    assert list(statuses.values()) == ["Inactive"]
    assert account.works(before["Secret"])
    account.check("deploy", before["Secret"])


def test_a_rotation_without_room_fails_and_changes_nothing(account: Account, shop: Deployment) -> None:
    """The Update fails, the rollback's Update finds everything as it was."""
    before = shop.deploy(one_key())
    foreign = account.add_foreign_key()
    shop.deploy(one_key("2"), fails=True)
    assert foreign in shop.reasons()
    assert account.keys("deploy") == {before["Id"]: "Active", foreign: "Active"}
    account.check("deploy", before["Secret"], foreign={foreign: "Active"})


def test_status(account: Account, shop: Deployment) -> None:
    """Off and on, without a new key."""
    before = shop.deploy(one_key())
    shop.deploy(one_key(status=iam.AccessKeyStatus.INACTIVE))
    account.check("deploy", before["Secret"], status="Inactive")
    assert not account.works(before["Secret"])
    shop.deploy(one_key())
    account.check("deploy", before["Secret"])
    assert account.works(before["Secret"])


def test_another_user(account: Account, shop: Deployment) -> None:
    """The key of the old user is deleted with the role that was made for it, though the template has it no more."""
    before = shop.deploy(one_key())
    after = shop.deploy(one_key(user_name="vendor"))
    assert account.keys("deploy") == {}
    assert account.keys("vendor") == {after["Id"]: "Active"}
    assert after["Id"] != before["Id"]
    account.check("vendor", after["Secret"])


def test_another_user_rolled_back(account: Account, shop: Deployment) -> None:
    """Only the new place is cleaned."""
    before = shop.deploy(one_key())
    shop.deploy(one_key(user_name="vendor", then_fail=True), fails=True)
    assert account.keys("vendor") == {}
    assert account.keys("deploy") == {before["Id"]: "Active"}
    account.check("deploy", before["Secret"])


def test_another_name_of_a_user_of_the_same_stack(account: Account, shop: Deployment) -> None:
    """The logical id stays, the user behind it is replaced: the old role must keep its rights till the Delete."""

    def declare(user_name: str) -> Callable[[Stack], None]:
        def user_and_key(stack: Stack) -> None:
            AccessKey(stack, "Key", user=iam.User(stack, "Own", user_name=user_name))

        return user_and_key

    shop.deploy(declare("before"))
    shop.deploy(declare("after"))
    assert list(account.keys("after").values()) == ["Active"]
    with pytest.raises(account.iam.exceptions.NoSuchEntityException):
        account.keys("before")


def test_another_secret(account: Account, shop: Deployment) -> None:
    """A new name replaces the secret; the user has both keys until the old place is cleaned."""
    before = shop.deploy(one_key(secret_name="shop/before"))
    after = shop.deploy(one_key(secret_name="shop/after"))
    assert after["Secret"] != before["Secret"]
    assert account.keys("deploy") == {after["Id"]: "Active"}
    account.check("deploy", after["Secret"])


def test_another_secret_rolled_back(account: Account, shop: Deployment) -> None:
    """The old secret still has the key that works."""
    before = shop.deploy(one_key(secret_name="shop/before"))
    shop.deploy(one_key(secret_name="shop/after", then_fail=True), fails=True)
    assert account.keys("deploy") == {before["Id"]: "Active"}
    assert account.works(before["Secret"])
    account.check("deploy", before["Secret"])


def test_a_renamed_construct_on_an_existing_secret(account: Account, shop: Deployment) -> None:
    """The new resource is created before the old one is deleted, for the same user and secret."""
    arn = account.secrets.create_secret(Name="existing", SecretString="the value before")["ARN"]
    shop.deploy(one_key(secret_arn=arn))
    after = shop.deploy(one_key(secret_arn=arn, construct="Renamed"))
    assert account.keys("deploy") == {after["Id"]: "Active"}
    assert account.works(arn)
    account.check("deploy", arn)


def two_keys(stack: Stack) -> None:
    """Declare keys of both users."""
    for name in ("deploy", "vendor"):
        key = AccessKey(stack, f"{name}Key", user=iam.User.from_user_name(stack, name, name))
        CfnOutput(stack, f"{name}Secret", value=key.secret.secret_arn)


def first_of_two_keys(stack: Stack) -> None:
    """Declare the key of the first user only."""
    key = AccessKey(stack, "deployKey", user=iam.User.from_user_name(stack, "deploy", "deploy"))
    CfnOutput(stack, "deploySecret", value=key.secret.secret_arn)


def test_a_key_removed_from_a_deployed_stack_is_deleted(account: Account, shop: Deployment) -> None:
    """CloudFormation has updated all policies by the time it sends the cleanup's Delete."""
    outputs = shop.deploy(two_keys)
    shop.deploy(first_of_two_keys)
    assert account.keys("vendor") == {}
    account.check("vendor", None, status=None)
    account.check("deploy", outputs["deploySecret"])


def test_a_key_added_to_a_deployed_stack(account: Account, shop: Deployment) -> None:
    """The first key is left as it is."""
    before = shop.deploy(first_of_two_keys)
    kept = account.keys("deploy")
    after = shop.deploy(two_keys)
    assert account.keys("deploy") == kept
    account.check("deploy", before["deploySecret"])
    account.check("vendor", after["vendorSecret"])


def test_the_last_key_removed_takes_the_function_along(account: Account, shop: Deployment) -> None:
    """The function outlives the Delete that it has to answer."""
    shop.deploy(two_keys)
    shop.deploy(lambda stack: secretsmanager.Secret(stack, "Other").apply_removal_policy(RemovalPolicy.DESTROY))
    assert account.keys("deploy") == account.keys("vendor") == {}
    assert account.cloud.client("lambda").list_functions()["Functions"] == []


def test_a_new_key_is_waited_for_until_it_works(account: Account, shop: Deployment) -> None:
    """AWS refuses a new key for some seconds."""
    account.cloud.configure(new_key_rejections=3)
    outputs = shop.deploy(one_key())
    calls = [call for call in account.cloud.calls() if call.name == "sts:GetCallerIdentity"]
    assert [call.error for call in calls] == ["InvalidClientTokenId"] * 3 + [None] * 3
    account.check("deploy", outputs["Secret"])


def test_a_user_with_a_path(account: Account, shop: Deployment) -> None:
    """Its ARN is what the role's policy names."""
    account.iam.create_user(UserName="ci", Path="/team/")
    arn = account.iam.get_user(UserName="ci")["User"]["Arn"]

    def declare(stack: Stack) -> None:
        key = AccessKey(stack, "Key", user=iam.User.from_user_arn(stack, "User", arn))
        CfnOutput(stack, "Secret", value=key.secret.secret_arn)

    account.check("ci", shop.deploy(declare)["Secret"])


def test_a_kms_key_of_the_stack(account: Account, shop: Deployment) -> None:
    """The key's role may use the KMS key for its secret, or nothing would be stored."""

    def declare(stack: Stack) -> None:
        key = AccessKey(
            stack,
            "Key",
            user=iam.User.from_user_name(stack, "User", "deploy"),
            encryption_key=kms.Key(stack, "Kms", removal_policy=RemovalPolicy.DESTROY),
        )
        CfnOutput(stack, "Secret", value=key.secret.secret_arn)

    account.check("deploy", shop.deploy(declare)["Secret"])


def test_a_session_of_a_key_can_do_what_its_key_needs_and_nothing_else(account: Account, shop: Deployment) -> None:
    """Its user and its secret; not those of the stack's other key, and never a secret's value.

    Nobody but the function may assume the role, so the test first is refused, then lets itself in.
    """
    outputs = shop.deploy(two_keys)
    roles = account.iam.list_roles(PathPrefix="/cdk-iam-access-key/")["Roles"]
    role = next(role for role in roles if "deployKey" in role["RoleName"])
    tester = account.administrator("tester")
    with pytest.raises(tester.client("sts").exceptions.ClientError, match="AccessDenied"):
        tester.assume(role["Arn"])
    trust = role["AssumeRolePolicyDocument"]
    trust["Statement"].append({"Effect": "Allow", "Principal": {"AWS": tester.arn}, "Action": "sts:AssumeRole"})
    account.iam.update_assume_role_policy(RoleName=role["RoleName"], PolicyDocument=json.dumps(trust))
    session = tester.assume(role["Arn"])
    iam_, secrets = session.client("iam"), session.client("secretsmanager")
    assert len(iam_.list_access_keys(UserName="deploy")["AccessKeyMetadata"]) == 1
    assert secrets.describe_secret(SecretId=outputs["deploySecret"])["VersionIdsToStages"]
    new_value = {"SecretString": "x", "ClientRequestToken": "0" * 32}
    for denied in (
        lambda: iam_.list_access_keys(UserName="vendor"),
        lambda: iam_.create_access_key(UserName="vendor"),
        lambda: iam_.delete_user(UserName="deploy"),
        lambda: iam_.tag_user(UserName="deploy", Tags=[{"Key": "team", "Value": "x"}]),
        lambda: secrets.tag_resource(SecretId=outputs["deploySecret"], Tags=[{"Key": "team", "Value": "x"}]),
        lambda: secrets.describe_secret(SecretId=outputs["vendorSecret"]),
        lambda: secrets.put_secret_value(SecretId=outputs["vendorSecret"], **new_value),
        lambda: secrets.get_secret_value(SecretId=outputs["deploySecret"]),
    ):
        with pytest.raises(iam_.exceptions.ClientError, match="AccessDenied"):
            denied()


def test_only_the_provider_can_read_or_write_what_it_should(account: Account, shop: Deployment) -> None:
    """In all calls of a life: the function assumes roles, the roles never read a value, no call names no user."""
    outputs = shop.deploy(one_key())
    shop.deploy(one_key("2"))
    shop.deploy(one_key("2", status=iam.AccessKeyStatus.INACTIVE))
    shop.delete()
    calls = [call for call in account.cloud.calls() if call.principal and ":assumed-role/" in call.principal]
    ours = [call for call in calls if "Create-" in call.principal or "Update-" in call.principal]
    ours += [call for call in calls if "Delete-" in str(call.principal)]
    assert {call.name for call in ours} == {
        "iam:CreateAccessKey",
        "iam:DeleteAccessKey",
        "iam:ListAccessKeys",
        "iam:ListUserTags",
        "iam:TagUser",
        "iam:UntagUser",
        "iam:UpdateAccessKey",
        "secretsmanager:DescribeSecret",
        "secretsmanager:PutSecretValue",
        "secretsmanager:TagResource",
        "secretsmanager:UntagResource",
        "secretsmanager:UpdateSecretVersionStage",
        "scheduler:CreateSchedule",
        "scheduler:DeleteSchedule",
        "events:PutEvents",
    }
    assert [call for call in ours if call.error] == []
    assert all(call.parameters["UserName"] == "deploy" for call in ours if call.service == "iam")
    assert all(call.parameters["SecretId"] == outputs["Secret"] for call in ours if call.service == "secretsmanager")
