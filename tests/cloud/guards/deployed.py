"""The guards of root access keys as stacks of their own, and what each of their roles is allowed."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aws_cdk import App, CfnOutput, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template
from cloud.access import trust
from cloud.stacks import Account, Deployment

from cdk_iam_access_key import Accounts, OrganizationRootKeyGuard, RootAccessKeyGuard, RootKeyMode
from local_cloud.organization import BOTH_FEATURES, OrganizationalUnit
from local_cloud.organization import Account as Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloud.stacks import Session

    from cdk_iam_access_key.root_keys.accounts import AccountSelection
    from local_cloud import LocalCloud

EVERYWHERE, UNITS, INNER_UNIT, ONLY, OWN = "Everywhere", "Units", "InnerUnit", "Only", "Own"
"""The stacks: a guard of an organization for each way to select accounts, and the guard of one account.

`Units` has the root among its units, so that it may do all that a selection of units needs.
"""
GUARDS = (EVERYWHERE, UNITS, ONLY, OWN)

UNIT = OrganizationalUnit("ou-lcld-workloads1", "Workloads")
INNER = OrganizationalUnit("ou-lcld-sandboxes1", "Sandboxes", UNIT.id)
UNUSED, CLEAN, EXCLUDED = (f"{number}00000000000" for number in (3, 4, 5))
MEMBERS = [Member(UNUSED, parent=UNIT.id), Member(CLEAN, parent=INNER.id), Member(EXCLUDED)]
# At synthesis no root is known; what its id begins with decides what is allowed.
_ANY_ROOT = "r-ab12"
_ROLE = re.compile(r"Guard(Start|Audit|Delete|Finish|Preflight|StateMachine|Schedule|Check)[a-zA-Z]*Role[0-9A-F]{8}")


def managing(cloud: LocalCloud) -> Account:
    """Empty the account, and give it as one that manages an organization with three members."""
    cloud.reset()
    cloud.organization.configure(features=BOTH_FEATURES)
    cloud.organization.seed(MEMBERS, [UNIT, INNER])
    return Account(cloud)


def _selection(name: str, root: str) -> AccountSelection:
    return {
        EVERYWHERE: Accounts.excluding([EXCLUDED]),
        UNITS: Accounts.organizational_units([UNIT.id, root]),
        INNER_UNIT: Accounts.organizational_units([INNER.id]),
        ONLY: Accounts.only([UNUSED]),
    }[name]


def declaring(name: str, root: str = _ANY_ROOT) -> Callable[[Stack], None]:
    """Declare the guard of a stack; one of an organization deletes, and its notices go to a queue."""

    def declare(stack: Stack) -> None:
        if name == OWN:
            RootAccessKeyGuard(stack, "Guard")
            return
        # The embedded account takes a topic's default policy for leave to everybody in the account.
        topic, queue = sns.Topic(stack, "Topic", enforce_ssl=True), sqs.Queue(stack, "Notices")
        topic.add_subscription(subscriptions.SqsSubscription(queue, raw_message_delivery=True))
        guard = OrganizationRootKeyGuard(
            stack, "Guard", mode=RootKeyMode.DELETE_UNUSED, accounts=_selection(name, root), notify=topic
        )
        CfnOutput(stack, "Machine", value=guard.state_machine.state_machine_arn)
        CfnOutput(stack, "Bucket", value=guard.bucket.bucket_name)
        CfnOutput(stack, "Queue", value=queue.queue_url)

    return declare


def deploy(account: Account, tester: Session, directory: Path, name: str) -> Guard:
    """Deploy a guard as a stack of its own, and let a tester into its roles."""
    stack = Deployment(account.cloud, directory, name)
    guard = Guard.of(account, name, stack.deploy(declaring(name, account.cloud.organization.root_id)))
    for whose in guard.roles():
        trust(account, guard.role_arn(whose), tester.arn)
    return guard


@dataclass(frozen=True)
class Permission:
    """One action on one resource that a role of a guard is allowed.

    Attributes:
        guard: The stack.
        role: The role's logical id.
        policy: The name of its policy.
        statement: The statement's place in it.
        action: The action.
        number: The resource's place in the statement.
        resource: The resource as it stands in the template.
    """

    guard: str
    role: str
    policy: str
    statement: int
    action: str
    number: int
    resource: str

    @property
    def owner(self) -> str:
        """Say whose role it is, in the construct's word."""
        return owner(self.role)

    @property
    def name(self) -> str:
        """Name it in the id of a test."""
        return f"{self.guard} {self.owner} {self.action} {self.statement}.{self.number}"


def owner(role: str) -> str:
    """Say whose role it is that has a logical id."""
    found = _ROLE.fullmatch(role)
    assert found, f"{role} is the role of nobody known here"
    return found[1]


def synthesized_permissions() -> list[Permission]:
    """List what the roles of all guards are allowed; what the roles of two stacks have in common comes once."""
    found: dict[tuple[Any, ...], Permission] = {}
    for name in GUARDS:
        for permission in _permissions(name):
            what = (name == OWN, permission.owner, permission.action, permission.resource)
            found.setdefault(what, permission)
    return list(found.values())


def _permissions(name: str) -> Iterator[Permission]:
    with TemporaryDirectory() as directory:
        stack = Stack(App(outdir=directory), name)
        declaring(name)(stack)
        template = Template.from_stack(stack)
    policies = [
        (logical_id, inline["PolicyName"], inline["PolicyDocument"])
        for logical_id, role in template.find_resources("AWS::IAM::Role").items()
        for inline in role["Properties"].get("Policies", ())
    ]
    for policy in template.find_resources("AWS::IAM::Policy").values():
        given = policy["Properties"]
        policies += [(role["Ref"], given["PolicyName"], given["PolicyDocument"]) for role in given["Roles"]]
    for role, policy_name, document in policies:
        for index, statement in enumerate(document["Statement"]):
            if statement["Effect"] != "Allow":
                continue
            for action in listed(statement["Action"]):
                for number, resource in enumerate(listed(statement["Resource"])):
                    written = json.dumps(resource, sort_keys=True)
                    yield Permission(name, role, policy_name, index, action, number, written)


def listed(found: Any) -> list[Any]:
    """Give what a policy writes alone or as a list, as a list."""
    return found if isinstance(found, list) else [found]


@dataclass(frozen=True)
class Guard:
    """A guard as it is deployed.

    Attributes:
        account: Where.
        name: The stack.
        outputs: The stack's.
        physical: The physical ids of its resources, by their logical ids.
    """

    account: Account
    name: str
    outputs: dict[str, str]
    physical: dict[str, str]

    @classmethod
    def of(cls, account: Account, name: str, outputs: dict[str, str]) -> Guard:
        """Describe a deployed stack."""
        stack = account.cloud.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in stack}
        return cls(account, name, outputs, physical)

    def roles(self) -> dict[str, str]:
        """Give the names of its roles by whose they are."""
        return {owner(logical): name for logical, name in self.physical.items() if _ROLE.fullmatch(logical)}

    def role_arn(self, whose: str) -> str:
        """Give the ARN of a role."""
        return f"arn:aws:iam::{self.account.cloud.account}:role/{self.roles()[whose]}"

    def function(self, whose: str) -> str:
        """Give the name of a function."""
        logical_id = re.compile(rf"Guard{whose}[a-zA-Z]*Function[0-9A-F]{{8}}")
        return next(name for logical, name in self.physical.items() if logical_id.fullmatch(logical))

    def actions(self, whose: str) -> set[str]:
        """Name what a deployed role is allowed, on whatever."""
        iam, name = self.account.iam, self.roles()[whose]
        documents = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        statements = [statement for document in documents for statement in document["Statement"]]
        return {action for one in statements if one["Effect"] == "Allow" for action in listed(one["Action"])}

    def assume(self, tester: Session, whose: str) -> Session:
        """Assume a role, whose trust a tester is let into first."""
        return tester.assume(self.role_arn(whose))

    @contextmanager
    def without(self, *permissions: Permission) -> Iterator[None]:
        """Take permissions of one policy away from its deployed role, and give them back afterwards."""
        iam, ((role, policy),) = self.account.iam, {(one.role, one.policy) for one in permissions}
        named = {"RoleName": self.physical[role], "PolicyName": policy}
        document = iam.get_role_policy(**named)["PolicyDocument"]
        less = [
            {**statement, "Action": action, "Resource": resource}
            for index, statement in enumerate(document["Statement"])
            for action in listed(statement["Action"])
            for number, resource in enumerate(listed(statement["Resource"]))
            if (index, action, number) not in {(one.statement, one.action, one.number) for one in permissions}
        ]
        before = sum(len(listed(one["Action"])) * len(listed(one["Resource"])) for one in document["Statement"])
        assert len(less) == before - len(permissions), f"{permissions} are not deployed"
        if less:
            iam.put_role_policy(**named, PolicyDocument=json.dumps({**document, "Statement": less}))
        else:
            iam.delete_role_policy(**named)
        try:
            yield
        finally:
            iam.put_role_policy(**named, PolicyDocument=json.dumps(document))
