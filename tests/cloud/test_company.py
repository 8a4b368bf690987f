"""A key under a company's rules, as a real deployment with IAM enforced."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsii
from aws_cdk import Aspects, CfnOutput, CfnParameter, Duration, IAspect, RemovalPolicy, Stack, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_

from cdk_iam_access_key import AccessKey, AccessKeyProvider

if TYPE_CHECKING:
    from cloud.shop import Shop
    from constructs import IConstruct

_BOUNDARY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["iam:CreateUser", "iam:*Policy"], "Resource": "*"},
    ],
}


@jsii.implements(IAspect)
class _CompanyPath:
    """Gives all roles the path that a company prescribes."""

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, iam.CfnRole):
            node.path = "/company/"


def test_a_key_lives_under_a_companys_rules(shop: Shop) -> None:
    """Created, rotated and deleted with prescribed paths, a boundary on each role, KMS keys, tags and options.

    Its users have paths: one is a CfnUser, the other is known by an ARN that only the deployment knows.
    """
    account = shop.account
    boundary = account.iam.create_policy(PolicyName="boundary", PolicyDocument=json.dumps(_BOUNDARY))["Policy"]["Arn"]
    arn = account.iam.create_user(UserName="vendor", Path="/team/")["User"]["Arn"]
    serial = 1

    def declare(stack: Stack) -> None:
        key = kms.Key(stack, "Kms", removal_policy=RemovalPolicy.DESTROY)
        AccessKeyProvider(
            stack,
            "AccessKeyProvider",
            role_path="/company/keys/",
            environment_encryption=key,
            log_encryption_key=key,
            table_encryption_key=key,
            tracing=lambda_.Tracing.ACTIVE,
            memory_size=512,
            architecture=lambda_.Architecture.X86_64,
            runtime=lambda_.Runtime.PYTHON_3_13,
            reserved_concurrent_executions=5,
            settling_time=Duration.seconds(0),
        )
        at_once = Duration.seconds(0)
        own = iam.CfnUser(stack, "Own", user_name="own", path="/team/")
        own_key = AccessKey(stack, "OwnKey", user=own, serial=serial, encryption_key=key, grace_period=at_once)
        CfnOutput(stack, "Name", value=own_key.secret.secret_name)
        given = CfnParameter(stack, "VendorArn", default=arn).value_as_string
        vendor = iam.User.from_user_arn(stack, "Vendor", given)
        AccessKey(stack, "VendorKey", user=vendor, serial=serial, grace_period=at_once)
        Aspects.of(stack).add(_CompanyPath())
        iam.PermissionsBoundary.of(stack).apply(iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", boundary))
        Tags.of(stack).add("cost-center", "4711")

    name = shop.stack.deploy(declare)["Name"]
    first = {user: account.keys(user) for user in ("own", "vendor")}
    assert [list(keys.values()) for keys in first.values()] == [["Active"], ["Active"]]
    assert account.value(name)["accessKeyId"] in first["own"]
    roles = [role for role in account.iam.list_roles()["Roles"] if role["Path"].startswith("/company/")]
    assert len(roles) == 3
    assert {"/company/"} < {role["Path"] for role in roles}
    serial = 2
    shop.stack.deploy(declare)
    for user, before in first.items():
        now = account.keys(user)
        assert sorted(now.values()) == ["Active", "Inactive"]
        assert {now[key_id] for key_id in before} == {"Inactive"}
    shop.stack.delete()
    assert account.keys("vendor") == {}
    account.iam.delete_user(UserName="vendor")
    account.iam.delete_policy(PolicyArn=boundary)
