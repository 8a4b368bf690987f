"""Stacks with keys, deployed once for the tests of a file, and what their roles are allowed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aws_cdk import App, CfnOutput, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from cdk_iam_access_key import AccessKey, AccessKeyProvider
from cdk_iam_access_key._access_key.identity import schedule_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloud.stacks import Account, Session

ENCRYPTED = "deploy"
"""The user whose key is in a secret with a KMS key of the stack."""


@dataclass(frozen=True)
class Target:
    """One deployed key: who and what it is about, and the role that manages it.

    Attributes:
        stack_id: The stack.
        logical_id: The custom resource in it.
        user_name: The user.
        secret_arn: The secret.
        role_arn: The role.
        key_id: The access key, as of the deployment.
        schedule: What the names of its schedules begin with.
        group: The schedule group of its stack.
        scheduler_role: The role that schedules of that group run with.
        function: The function that manages it.
    """

    stack_id: str
    logical_id: str
    user_name: str
    secret_arn: str
    role_arn: str
    key_id: str
    schedule: str
    group: str
    scheduler_role: str
    function: str

    @property
    def key(self) -> dict[str, str]:
        """Name the access key in a call."""
        return {"UserName": self.user_name, "AccessKeyId": self.key_id}

    @property
    def secret(self) -> dict[str, str]:
        """Name the secret in a call."""
        return {"SecretId": self.secret_arn}


@dataclass(frozen=True)
class Deployed:
    """A stack as it was deployed.

    Attributes:
        targets: Its keys, by the name of their user.
        roles: Its roles by owner: `function` and `scheduler`.
        function: A session of the function's role.
        log_group: The ARN of what the function writes to.
        dead_letters: The URL of the queue of what could not be delivered.
        environment: The function's own settings.
    """

    targets: dict[str, Target]
    roles: dict[str, str]
    function: Session
    log_group: str
    dead_letters: str
    environment: dict[str, str]

    def role_of(self, owner: str, target: Target) -> str:
        """Give the role that `synthesized_actions` tells the owner of."""
        return target.role_arn if owner == "key" else self.roles[owner]


def declaring(*user_names: str) -> Callable[[Stack], None]:
    """Declare a key for each of some users that exist."""

    def declare(stack: Stack) -> None:
        for name in user_names:
            user = iam.User.from_user_name(stack, name, name)
            encryption_key = kms.Key(stack, "Kms") if name == ENCRYPTED else None
            key = AccessKey(stack, f"{name}Key", user=user, encryption_key=encryption_key)
            CfnOutput(stack, f"{name}Secret", value=key.secret.secret_arn)
            CfnOutput(stack, f"{name}Schedule", value=schedule_name(key))
        provider = AccessKeyProvider.get_or_create(stack)
        CfnOutput(stack, "Function", value=provider.function.function_arn)
        CfnOutput(stack, "FunctionRole", value=provider.role.role_arn)
        CfnOutput(stack, "SchedulerRole", value=provider.scheduler_role.role_arn)
        CfnOutput(stack, "Group", value=provider.schedule_group_name)
        CfnOutput(stack, "Log", value=provider.log_group.log_group_arn)
        CfnOutput(stack, "DeadLetters", value=provider.dead_letter_queue.queue_url)

    return declare


def describe(account: Account, stack_name: str, outputs: dict[str, str], tester: Session) -> Deployed:
    """Describe a deployed stack, and let the tester into its function's role."""
    resources = account.cloud.client("cloudformation").describe_stack_resources(StackName=stack_name)["StackResources"]
    roles = account.iam.list_roles(PathPrefix=f"/cdk-iam-access-key/{stack_name}/")["Roles"]
    user_names = [name.removesuffix("Schedule") for name in outputs if name.endswith("Schedule")]
    targets = {
        user: Target(
            stack_id=resources[0]["StackId"],
            logical_id=next(r["LogicalResourceId"] for r in resources if _is_key_of(user, r)),
            user_name=user,
            secret_arn=outputs[f"{user}Secret"],
            role_arn=next(role["Arn"] for role in roles if f"{user}Key" in role["RoleName"]),
            key_id=next(iter(account.keys(user))),
            schedule=outputs[f"{user}Schedule"],
            group=outputs["Group"],
            scheduler_role=outputs["SchedulerRole"],
            function=outputs["Function"],
        )
        for user in user_names
    }
    trust(account, outputs["FunctionRole"], tester.arn)
    function = account.cloud.client("lambda").get_function_configuration(FunctionName=outputs["Function"])
    return Deployed(
        targets,
        {"function": outputs["FunctionRole"], "scheduler": outputs["SchedulerRole"]},
        tester.assume(outputs["FunctionRole"]),
        outputs["Log"].removesuffix(":*"),
        outputs["DeadLetters"],
        function["Environment"]["Variables"],
    )


def _is_key_of(user_name: str, resource: dict[str, Any]) -> bool:
    is_key = resource["ResourceType"] == "Custom::IAMAccessKey"
    return is_key and resource["LogicalResourceId"].startswith(f"{user_name}Key")


def synthesized_actions() -> list[tuple[str, str]]:
    """List each action of each role of a stack with one key, with whose role it is: function, scheduler or key."""
    with TemporaryDirectory() as directory:
        stack = Stack(App(outdir=directory), "Shop")
        declaring(ENCRYPTED)(stack)
        template = Template.from_stack(stack)
    roles = {name: role["Properties"] for name, role in template.find_resources("AWS::IAM::Role").items()}
    documents = [(name, one["PolicyDocument"]) for name, role in roles.items() for one in role.get("Policies", [])]
    for policy in template.find_resources("AWS::IAM::Policy").values():
        properties = policy["Properties"]
        documents += [(role["Ref"], properties["PolicyDocument"]) for role in properties["Roles"]]
    return [
        (_owner(name, roles[name]), action)
        for name, document in documents
        for statement in document["Statement"]
        for action in _listed(statement["Action"])
    ]


def _owner(logical_id: str, role: dict[str, Any]) -> str:
    if "Path" in role:
        return "key"
    return "scheduler" if "SchedulerRole" in logical_id else "function"


def _listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


def role_name(role_arn: str) -> str:
    """Give the name in the ARN of a role."""
    return role_arn.rsplit("/", 1)[-1]


def trust(account: Account, role_arn: str, principal: str) -> dict[str, Any]:
    """Let a principal assume a role too, and return the trust policy that was there before."""
    before: dict[str, Any] = account.iam.get_role(RoleName=role_name(role_arn))["Role"]["AssumeRolePolicyDocument"]
    added = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    document = json.dumps({**before, "Statement": [*before["Statement"], added]})
    account.iam.update_assume_role_policy(RoleName=role_name(role_arn), PolicyDocument=document)
    return before


@contextmanager
def trusting(account: Account, role_arn: str, principal: str) -> Iterator[None]:
    """Let a principal assume a role for a while, as far as the role is concerned."""
    before = trust(account, role_arn, principal)
    try:
        yield
    finally:
        account.iam.update_assume_role_policy(RoleName=role_name(role_arn), PolicyDocument=json.dumps(before))


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
    if less["Statement"]:
        account.iam.put_role_policy(**named, PolicyDocument=json.dumps(less))
    else:
        account.iam.delete_role_policy(**named)
    try:
        yield
    finally:
        account.iam.put_role_policy(**named, PolicyDocument=json.dumps(document))
