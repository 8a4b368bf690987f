"""Stacks with keys, deployed once for the tests of this folder, and what their roles are allowed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template
from cloud.access import trust

from cdk_iam_access_key import AccessKey, AccessKeyProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloud.stacks import Account, Session

ENCRYPTED = "deploy"
"""The user whose key is in a secret with a KMS key of the stack."""


@dataclass(frozen=True, slots=True)
class Target:
    """One deployed key: who and what it is about, and what manages it.

    Attributes:
        stack_id: The stack.
        logical_id: The custom resource in it.
        user_name: The user.
        secret_arn: The secret.
        role_arn: The role.
        key_id: The access key, as of the deployment.
        provider: The function that takes requests.
        worker: The function that sweeps.
        sweep_rule: The rule that invokes it.
        table: The ledger.
    """

    stack_id: str
    logical_id: str
    user_name: str
    secret_arn: str
    role_arn: str
    key_id: str
    provider: str
    worker: str
    sweep_rule: str
    table: str

    @property
    def key(self) -> dict[str, str]:
        """Name the access key in a call."""
        return {"UserName": self.user_name, "AccessKeyId": self.key_id}

    @property
    def secret(self) -> dict[str, str]:
        """Name the secret in a call."""
        return {"SecretId": self.secret_arn}

    @property
    def item(self) -> dict[str, dict[str, str]]:
        """Name the entry in a call."""
        return {"secretArn": {"S": self.secret_arn}}


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack as it was deployed.

    Attributes:
        targets: Its keys, by the name of their user.
        role: The role of its functions.
        function: A session of that role.
        log_group: The ARN of what the functions write to.
        environment: The settings of each function, by its ARN.
    """

    targets: dict[str, Target]
    role: str
    function: Session
    log_group: str
    environment: dict[str, dict[str, str]]

    def role_of(self, owner: str, target: Target) -> str:
        """Give the role that `synthesized_actions` names the owner of."""
        return target.role_arn if owner == "key" else self.role


def declaring(*user_names: str) -> Callable[[Stack], None]:
    """Declare a key for each of some users that exist."""

    def declare(stack: Stack) -> None:
        provider = AccessKeyProvider(stack, "AccessKeyProvider", settling_time=Duration.seconds(0))
        for name in user_names:
            user = iam.User.from_user_name(stack, name, name)
            encryption_key = kms.Key(stack, "Kms") if name == ENCRYPTED else None
            key = AccessKey(stack, f"{name}Key", user=user, encryption_key=encryption_key)
            CfnOutput(stack, f"{name}Secret", value=key.secret.secret_arn)
        CfnOutput(stack, "Provider", value=provider.function.function_arn)
        CfnOutput(stack, "Worker", value=provider.worker.function_arn)
        CfnOutput(stack, "Role", value=provider.role.role_arn)
        CfnOutput(stack, "Table", value=provider.ledger.table_name)
        CfnOutput(stack, "Log", value=provider.log_group.log_group_arn)

    return declare


def describe(account: Account, stack_name: str, outputs: dict[str, str], tester: Session) -> Deployed:
    """Describe a deployed stack, and let the tester into its functions' role."""
    resources = account.cloud.client("cloudformation").describe_stack_resources(StackName=stack_name)["StackResources"]
    roles = account.iam.list_roles(PathPrefix=f"/cdk-iam-access-key/{stack_name}/")["Roles"]
    user_names = [name.removesuffix("Secret") for name in outputs if name.endswith("Secret")]
    targets = {
        user: Target(
            stack_id=resources[0]["StackId"],
            logical_id=_one(resources, "Custom::IAMAccessKey", f"{user}Key")["LogicalResourceId"],
            user_name=user,
            secret_arn=outputs[f"{user}Secret"],
            role_arn=next(role["Arn"] for role in roles if f"{user}Key" in role["RoleName"]),
            key_id=next(iter(account.keys(user))),
            provider=outputs["Provider"],
            worker=outputs["Worker"],
            sweep_rule=_one(resources, "AWS::Events::Rule", "")["PhysicalResourceId"],
            table=outputs["Table"],
        )
        for user in user_names
    }
    trust(account, outputs["Role"], tester.arn)
    functions = account.cloud.client("lambda")
    environment = {
        arn: functions.get_function_configuration(FunctionName=arn)["Environment"]["Variables"]
        for arn in (outputs["Provider"], outputs["Worker"])
    }
    session = tester.assume(outputs["Role"])
    return Deployed(targets, outputs["Role"], session, outputs["Log"].removesuffix(":*"), environment)


def _one(resources: list[dict[str, Any]], kind: str, beginning: str) -> dict[str, Any]:
    found = [one for one in resources if one["ResourceType"] == kind]
    return next(one for one in found if one["LogicalResourceId"].startswith(beginning))


@cache
def synthesized_actions() -> tuple[tuple[str, str], ...]:
    """List each action of each role of a stack with one key, with whose role it is: `function` or `key`."""
    with TemporaryDirectory() as directory:
        stack = Stack(App(outdir=directory), "Shop")
        declaring(ENCRYPTED)(stack)
        template = Template.from_stack(stack)
    assert not template.find_resources("AWS::IAM::Policy")
    return tuple(
        ("function" if "AccessKeyProvider" in name else "key", action)
        for name, role in template.find_resources("AWS::IAM::Role").items()
        for policy in role["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in _listed(statement["Action"])
    )


def _listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


def role_name(role_arn: str) -> str:
    """Give the name in the ARN of a role."""
    return role_arn.rsplit("/", 1)[-1]


@contextmanager
def trusting(account: Account, role_arn: str, principal: str) -> Iterator[None]:
    """Let a principal assume a role for a while, as far as the role is concerned."""
    name = role_name(role_arn)
    before = account.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    trust(account, role_arn, principal)
    try:
        yield
    finally:
        account.iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before))


@contextmanager
def without(account: Account, role_arn: str, action: str) -> Iterator[None]:
    """Take one action away from a role's inline policy, and give it back afterwards."""
    name = role_name(role_arn)
    (policy,) = account.iam.list_role_policies(RoleName=name)["PolicyNames"]
    named = {"RoleName": name, "PolicyName": policy}
    document = account.iam.get_role_policy(**named)["PolicyDocument"]
    left = [
        {**statement, "Action": [one for one in _listed(statement["Action"]) if one != action]}
        for statement in document["Statement"]
    ]
    less = {**document, "Statement": [statement for statement in left if statement["Action"]]}
    assert less != document, f"{name} is not allowed {action}"
    account.iam.put_role_policy(**named, PolicyDocument=json.dumps(less))
    try:
        yield
    finally:
        account.iam.put_role_policy(**named, PolicyDocument=json.dumps(document))
