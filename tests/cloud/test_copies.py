"""Copies of the secret as real deployments with IAM enforced: a parameter, secrets of another region and account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from botocore.exceptions import ClientError
from cloud.stacks import fail_after

from cdk_iam_access_key import Copy

if TYPE_CHECKING:
    from cloud.shop import Shop

    from local_cloud import LocalCloud

OTHER_ACCOUNT = "222222222222"
OTHER_REGION = "us-west-2"
PARAMETER = "/ci/key"
COPY = "copies/deploy"
_SECRETS_ACTIONS = ["CreateSecret", "DeleteSecret", "DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"]


def _of_other_account(cloud: LocalCloud, service: str) -> Any:
    return cloud.client(service, access_key_id=OTHER_ACCOUNT, secret_access_key="test")


def _role_of_other_account(cloud: LocalCloud) -> str:
    """Make a role there that this account's key roles may assume, for one secret."""
    iam_there = _of_other_account(cloud, "iam")
    trusted = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{cloud.account}:role/cdk-iam-access-key/*"}},
    }
    role = iam_there.create_role(
        RoleName="copies",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trusted]}),
    )
    secret = f"arn:aws:secretsmanager:{cloud.region}:{OTHER_ACCOUNT}:secret:{COPY}"
    allowed = {
        "Effect": "Allow",
        "Action": [f"secretsmanager:{action}" for action in _SECRETS_ACTIONS],
        "Resource": [secret, f"{secret}-??????"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam_there.put_role_policy(RoleName="copies", PolicyName="copies", PolicyDocument=document)
    return str(role["Role"]["Arn"])


def _copies(cloud: LocalCloud) -> dict[str, str | None]:
    """Read each copy as its readers do."""

    def read(read_one: Any) -> str | None:
        try:
            return str(read_one())
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"ParameterNotFound", "ResourceNotFoundException"}:
                raise
            return None

    here, there = cloud.client("ssm"), cloud.client("secretsmanager", region=OTHER_REGION)
    other = _of_other_account(cloud, "secretsmanager")
    return {
        "parameter": read(
            lambda: here.get_parameter(Name=f"{PARAMETER}:current", WithDecryption=True)["Parameter"]["Value"]
        ),
        "region": read(lambda: there.get_secret_value(SecretId=COPY)["SecretString"]),
        "account": read(lambda: other.get_secret_value(SecretId=COPY)["SecretString"]),
    }


def test_copies_through_their_deployments(shop: Shop) -> None:
    """Written before the key becomes current, back after a rollback, gone when they leave the stack."""
    cloud = shop.account.cloud
    role = _role_of_other_account(cloud)

    def all_copies(stack: Stack) -> dict[str, Any]:
        other = iam.Role.from_role_arn(stack, "Copies", role)
        return {
            "grace_period": Duration.seconds(0),
            "copies": [
                Copy.parameter(PARAMETER),
                Copy.secret(COPY, in_region=OTHER_REGION),
                Copy.secret(COPY, role=other),
            ],
        }

    def without_parameter(stack: Stack) -> dict[str, Any]:
        settings = all_copies(stack)
        return settings | {"copies": settings["copies"][1:]}

    def check(*gone: str) -> None:
        shop.check()
        secret = shop.account.secrets.get_secret_value(SecretId=shop["copied"].secret)["SecretString"]
        assert _copies(cloud) == {
            place: None if place in gone else secret for place in ("parameter", "region", "account")
        }

    shop.add("copied", settings=all_copies)
    shop.deploy()
    check()
    first = shop["copied"].current
    shop.change("copied", serial="2", beside=lambda key: fail_after(Stack.of(key), key))
    shop.deploy(fails=True)
    assert shop["copied"].current == first
    check()
    shop.change("copied", serial="2", beside=lambda _: None)
    shop.deploy()
    assert shop["copied"].current != first
    check()
    shop.change("copied", settings=without_parameter)
    shop.deploy()
    check("parameter")
    shop.stack.delete()
    assert _copies(cloud) == dict.fromkeys(("parameter", "region", "account"))


def test_what_somebody_else_has_made_is_not_written_over(shop: Shop) -> None:
    """The deployment fails and says so, and nothing is left but what was there."""
    ssm = shop.account.cloud.client("ssm")
    ssm.put_parameter(Name=PARAMETER, Value="theirs", Type="String")
    shop.add("copied", settings=lambda _: {"copies": [Copy.parameter(PARAMETER)]})
    with pytest.raises(
        AssertionError, match=f"the parameter {PARAMETER} in {shop.account.cloud.region} exists already"
    ):
        shop.deploy()
    assert ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"] == "theirs"
    assert shop.account.keys("copied") == {}
    ssm.delete_parameter(Name=PARAMETER)


@pytest.mark.thorough
def test_a_change_of_user_that_is_rolled_back_gives_the_copies_back(shop: Shop) -> None:
    """What the key's old and new role may do with a copy goes with each of them, as late as their other rights."""
    shop.account.iam.create_user(UserName="successor")

    def of(user: str | None) -> Any:
        def settings(stack: Stack) -> dict[str, Any]:
            named = {"user": iam.User.from_user_name(stack, "Named", user)} if user else {}
            return {"copies": [Copy.parameter(PARAMETER)], **named}

        return settings

    shop.add("copied", settings=of(None))
    shop.deploy()
    first = shop["copied"].current
    shop.change("copied", settings=of("successor"), beside=lambda key: fail_after(Stack.of(key), key))
    shop.deploy(fails=True)
    assert shop["copied"].current == first
    assert shop.account.keys("successor") == {}
    assert first in str(_copies(shop.account.cloud)["parameter"])
    shop.change("copied", settings=of(None), beside=lambda _: None)
    shop.stack.delete()
    assert _copies(shop.account.cloud)["parameter"] is None
