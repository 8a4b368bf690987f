"""Each permission is needed, and none reaches further than it should: tried on the embedded account, IAM enforced.

The stacks are deployed once. Then the handler runs in this process, on events as CloudFormation sends them and with
sessions of the deployed roles, which the account's STS gives and its IAM judges. Only time is the test's own: a call
that is denied is tried again for 45 seconds, because a new role is given that long. That the deployed function works
with these roles is what `test_deploy` shows.

The actions come from the synthesized template, so a new one is tried without being listed here. Those on a KMS key are
not among them: no secret here has one; `tests/synth/test_policies.py` says why each is there.
It is stricter than AWS about `sts:AssumeRole`: within an account AWS lets in whom a role's trust names, whatever their
own policy says.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_cdk import App, CfnOutput, Stack
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template
from botocore.exceptions import ClientError
from cloud.stacks import Account, Deployment, Session
from provider.world import Context, TestClock

from access_key_provider import answer, invocation, main
from cdk_iam_access_key import AccessKey, AccessKeyProvider
from local_cloud.environment import FOREIGN_PREFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_cloud import LocalCloud

_DENIED = {"AccessDenied", "AccessDeniedException"}
_PATH = "/cdk-iam-access-key/"

# How each action of a key's role is tried on a key, in an order that works on one's own.
ATTEMPTS: dict[str, Callable[[Session, Target], Any]] = {
    "iam:ListAccessKeys": lambda by, of: by.client("iam").list_access_keys(UserName=of.user_name),
    "iam:ListUserTags": lambda by, of: by.client("iam").list_user_tags(UserName=of.user_name),
    "iam:GetAccessKeyLastUsed": lambda by, of: by.client("iam").get_access_key_last_used(AccessKeyId=of.key_id),
    "iam:TagUser": lambda by, of: by.client("iam").tag_user(UserName=of.user_name, Tags=[_record("x")]),
    "iam:UntagUser": lambda by, of: by.client("iam").untag_user(UserName=of.user_name, TagKeys=[_record()["Key"]]),
    "iam:UpdateAccessKey": lambda by, of: by.client("iam").update_access_key(**of.key, Status="Inactive"),
    "iam:DeleteAccessKey": lambda by, of: by.client("iam").delete_access_key(**of.key),
    "iam:CreateAccessKey": lambda by, of: by.client("iam").create_access_key(UserName=of.user_name),
    "secretsmanager:DescribeSecret": lambda by, of: by.client("secretsmanager").describe_secret(**of.secret),
    "secretsmanager:TagResource": lambda by, of: by.client("secretsmanager").tag_resource(
        **of.secret, Tags=[_record("x")]
    ),
    "secretsmanager:UntagResource": lambda by, of: by.client("secretsmanager").untag_resource(
        **of.secret, TagKeys=[_record()["Key"]]
    ),
    "secretsmanager:PutSecretValue": lambda by, of: by.client("secretsmanager").put_secret_value(
        **of.secret, SecretString="x", ClientRequestToken="0" * 32, VersionStages=["tried"]
    ),
    "secretsmanager:UpdateSecretVersionStage": lambda by, of: by.client("secretsmanager").update_secret_version_stage(
        **of.secret, VersionStage="tried", RemoveFromVersionId="0" * 32
    ),
}


def _record(value: str = "") -> dict[str, str]:
    return {"Key": "cdk-iam-access-key:tried", "Value": value}


@dataclass(frozen=True)
class Target:
    """One deployed key: who and what it is about, and the role that manages it."""

    stack_id: str
    logical_id: str
    user_name: str
    secret_arn: str
    role_arn: str
    key_id: str

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
        role_arn: The role of its function.
        function: A session of that role.
        log_group: The ARN of what the function writes to.
    """

    targets: dict[str, Target]
    role_arn: str
    function: Session
    log_group: str


def declaring(*user_names: str) -> Callable[[Stack], None]:
    """Declare a key for each of some users that exist."""

    def declare(stack: Stack) -> None:
        for name in user_names:
            user = iam.User.from_user_name(stack, name, name)
            CfnOutput(stack, f"{name}Secret", value=AccessKey(stack, f"{name}Key", user=user).secret.secret_arn)
        provider = AccessKeyProvider.get_or_create(stack)
        CfnOutput(stack, "Function", value=provider.role.role_arn)
        CfnOutput(stack, "Log", value=provider.log_group.log_group_arn)

    return declare


def synthesized_actions() -> list[tuple[str, str]]:
    """List each action of each role of a stack with one key, with whose role it is: `function` or `key`."""
    with TemporaryDirectory() as directory:
        stack = Stack(App(outdir=directory), "Shop")
        declaring("deploy")(stack)
        roles = Template.from_stack(stack).find_resources("AWS::IAM::Role").values()
    return [
        ("key" if "Path" in role["Properties"] else "function", action)
        for role in roles
        for policy in role["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in _listed(statement["Action"])
    ]


def _listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


ACTIONS = synthesized_actions()


@pytest.fixture(scope="module")
def account(cloud: LocalCloud) -> Account:
    """Give an account with three users in it, for all tests of this file."""
    cloud.reset()
    account = Account(cloud)
    for name in ("deploy", "vendor", "stranger"):
        account.iam.create_user(UserName=name)
    return account


@pytest.fixture(scope="module")
def tester(account: Account) -> Session:
    """Give an administrator, whose only use is to open doors that stay shut without."""
    return account.administrator("tester")


@pytest.fixture(scope="module")
def deploy(account: Account, tester: Session, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Deployed]:
    """Give what deploys a stack with a key for each of some users, and lets the tester into its function's role."""

    def deployed(name: str, *user_names: str) -> Deployed:
        shop = Deployment(account.cloud, tmp_path_factory.mktemp(name), name)
        outputs = shop.deploy(declaring(*user_names))
        resources = account.cloud.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        roles = account.iam.list_roles(PathPrefix=f"{_PATH}{name}/")["Roles"]
        targets = {
            user: Target(
                stack_id=resources[0]["StackId"],
                logical_id=next(r["LogicalResourceId"] for r in resources if _is_key_of(user, r)),
                user_name=user,
                secret_arn=outputs[f"{user}Secret"],
                role_arn=next(role["Arn"] for role in roles if f"{user}Key" in role["RoleName"]),
                key_id=next(iter(account.keys(user))),
            )
            for user in user_names
        }
        trust(account, outputs["Function"], tester.arn)
        role_arn = outputs["Function"]
        return Deployed(targets, role_arn, tester.assume(role_arn), outputs["Log"].removesuffix(":*"))

    return deployed


def _is_key_of(user_name: str, resource: dict[str, Any]) -> bool:
    is_key = resource["ResourceType"] == "Custom::IAMAccessKey"
    return is_key and resource["LogicalResourceId"].startswith(f"{user_name}Key")


def trust(account: Account, role_arn: str, principal: str) -> dict[str, Any]:
    """Let a principal assume a role too, and return the trust policy that was there before."""
    before: dict[str, Any] = account.iam.get_role(RoleName=_name(role_arn))["Role"]["AssumeRolePolicyDocument"]
    added = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    document = json.dumps({**before, "Statement": [*before["Statement"], added]})
    account.iam.update_assume_role_policy(RoleName=_name(role_arn), PolicyDocument=document)
    return before


def _name(role_arn: str) -> str:
    return role_arn.rsplit("/", 1)[-1]


@pytest.fixture(scope="module")
def shop(deploy: Callable[..., Deployed]) -> Deployed:
    """Deploy a stack with two keys."""
    return deploy("Shop", "deploy", "vendor")


@pytest.fixture(scope="module")
def other(deploy: Callable[..., Deployed]) -> Deployed:
    """Deploy another stack, with one key."""
    return deploy("Other", "stranger")


class Handler:
    """The handler, run here with the role of a deployed function; `answers` is what CloudFormation would get."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cloud: LocalCloud, function: Session) -> None:
        self.answers: list[dict[str, Any]] = []
        self._clock = TestClock()
        environment = cloud.environment() | {
            "AWS_ACCESS_KEY_ID": function.credentials["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": function.credentials["secret_access_key"],
            "AWS_SESSION_TOKEN": function.credentials["session_token"],
        }
        for name in [name for name in os.environ if name.startswith(FOREIGN_PREFIXES)]:
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        # It may hold the credentials of an earlier test, and so may the handler's own sessions.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        monkeypatch.setattr(invocation, "_SESSIONS", invocation.Sessions())
        monkeypatch.setattr(invocation.InvocationClock, "now", lambda _self: self._clock.now())
        monkeypatch.setattr(invocation.InvocationClock, "sleep", lambda _self, seconds: self._clock.sleep(seconds))
        monkeypatch.setattr(answer, "_put", self._take)

    def _take(self, _url: str, content: bytes) -> int:
        self.answers.append(json.loads(content))
        return 200

    def send(self, kind: str, target: Target, old: dict[str, str] | None = None, **properties: str) -> dict[str, Any]:
        """Hand over a request about a deployed resource and return the answer to it."""
        # The account's clock did not wait along with the last request.
        self._clock.slept = timedelta()
        event = {
            "RequestType": kind,
            "ResponseURL": "https://localhost/answer",
            "StackId": target.stack_id,
            "RequestId": f"request-{len(self.answers)}",
            "ResourceType": "Custom::IAMAccessKey",
            "LogicalResourceId": target.logical_id,
            "ResourceProperties": self.properties(target, **properties),
        }
        if kind != "Create":
            event["PhysicalResourceId"] = f"{target.user_name}@{target.secret_arn}"
        if old is not None:
            event["OldResourceProperties"] = self.properties(target, **old)
        main.handler(event, Context(self._clock))
        assert self.answers[-1]["RequestId"] == event["RequestId"]
        return self.answers[-1]

    @staticmethod
    def properties(target: Target, **properties: str) -> dict[str, str]:
        """Write the properties of a deployed resource, with some of them changed."""
        return {
            "UserName": target.user_name,
            "SecretArn": target.secret_arn,
            "RoleArn": target.role_arn,
            "Serial": "1",
            "Status": "Active",
        } | properties


class LifeError(Exception):
    """Something in the life of a key was not carried out in full."""


def live(account: Account, handler: Handler, target: Target) -> None:
    """Do everything with a key that can be done, and stop at the first thing that fails.

    Raises:
        LifeError: What failed, and the reason that was answered.
    """
    # Of a resource that was deleted long ago.
    mark = {"Key": f"cdk-iam-access-key:tombstone:{'0' * 16}", "Value": "20200101T000000Z gone"}
    account.secrets.tag_resource(**target.secret, Tags=[mark])
    _demand("Create", handler.send("Create", target))
    if mark in account.secrets.describe_secret(**target.secret)["Tags"]:
        raise LifeError("a mark that nobody needs is left")
    before: dict[str, str] = {}
    for properties in (
        {"Serial": "2"},
        {"Serial": "3"},  # makes room
        {"Serial": "2"},  # restores
        {"Serial": "2", "Status": "Inactive"},
        {"Serial": "2", "Status": "Active"},
        {"Serial": "2", "Description": "the build server"},
    ):
        _demand(f"Update to {properties}", handler.send("Update", target, before, **properties))
        before = properties
    foreign = account.iam.create_access_key(UserName=target.user_name)["AccessKey"]["AccessKeyId"]
    refusal = handler.send("Update", target, before, Serial="4")
    account.iam.delete_access_key(UserName=target.user_name, AccessKeyId=foreign)
    if refusal["Reason"].count("never used as far as IAM knows") != 2:
        raise LifeError(f"the keys in the way are not described: {refusal['Reason']}")
    _demand("Delete", handler.send("Delete", target, **before))


def _demand(request: str, given: dict[str, Any]) -> None:
    if given["Status"] != "SUCCESS":
        raise LifeError(f"{request}: {given['Reason']}")


def may_not_log(account: Account, deployed: Deployed) -> set[str]:
    """Name what IAM would refuse Lambda, which writes the function's log with its role.

    IAM is asked what it would say: the account judges the calls themselves by the log group's ARN, AWS by the stream's.
    """
    simulation = account.iam.simulate_principal_policy(
        PolicySourceArn=deployed.role_arn,
        ActionNames=["logs:CreateLogStream", "logs:PutLogEvents"],
        ResourceArns=[f"{deployed.log_group}:log-stream:2026/11/23/[$LATEST]0"],
    )
    results = simulation["EvaluationResults"]
    return {result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"}


@contextmanager
def without(account: Account, role_arn: str, action: str) -> Iterator[None]:
    """Take one action away from a role's inline policy, and give it back afterwards."""
    name = _name(role_arn)
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


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, account: Account, shop: Deployed) -> Iterator[Handler]:
    """Give the handler of the shop, whose user `deploy` has no key before and, whatever happens, none after."""
    handler, target = Handler(monkeypatch, account.cloud, shop.function), shop.targets["deploy"]
    assert handler.send("Delete", target)["Status"] == "SUCCESS"
    account.cloud.clear_calls()
    yield handler
    # With all permissions back one Delete finds whatever was left, wherever it stopped.
    assert handler.send("Delete", target)["Status"] == "SUCCESS"
    account.check("deploy", target.secret_arn, status=None)


def denied(account: Account) -> set[str]:
    """Name the calls that the account has denied."""
    return {call.name for call in account.cloud.calls() if call.error in _DENIED}


def test_the_roles_as_synthesized_are_enough(account: Account, shop: Deployed, handler: Handler) -> None:
    """In a whole life nothing is denied, and every action of the roles is used."""
    live(account, handler, shop.targets["deploy"])
    used = {call.name for call in account.cloud.calls()}
    assert denied(account) | may_not_log(account, shop) == set()
    assert {action for _, action in ACTIONS if not action.startswith("logs:")} - used == set()


@pytest.mark.parametrize(("owner", "action"), ACTIONS, ids=[action for _, action in ACTIONS])
def test_every_action_is_needed(account: Account, shop: Deployed, handler: Handler, owner: str, action: str) -> None:
    """Without it something fails that works with it, and it is that very action that was denied."""
    target = shop.targets["deploy"]
    with without(account, target.role_arn if owner == "key" else shop.role_arn, action):
        if action.startswith("logs:"):
            assert may_not_log(account, shop) == {action}
            return
        with pytest.raises(LifeError):
            live(account, handler, target)
    assert denied(account) == {action}


def refused(by: Session, of: Target) -> set[str]:
    """Name the actions that somebody is denied on a key, having tried all of them."""
    return {action for action, attempt in ATTEMPTS.items() if _is_denied(lambda: attempt(by, of))}  # noqa: B023


def _is_denied(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except ClientError as error:
        return error.response["Error"]["Code"] in _DENIED
    return False


def test_the_attempts_are_the_actions_of_a_keys_role() -> None:
    """Whoever gives the role another action says here how to try it on somebody else's key."""
    assert set(ATTEMPTS) == {action for owner, action in ACTIONS if owner == "key"}


def test_a_keys_session_reaches_no_other_key(
    account: Account, shop: Deployed, other: Deployed, handler: Handler
) -> None:
    """Every action of its role works on its own user and secret, and is denied on those of all others."""
    own = shop.targets["deploy"]
    _demand("Create", handler.send("Create", own))
    own = replace(own, key_id=next(iter(account.keys("deploy"))))
    session = shop.function.assume(own.role_arn)
    before = {name: account.keys(name) for name in ("vendor", "stranger")}
    assert refused(session, shop.targets["vendor"]) == set(ATTEMPTS)
    assert refused(session, other.targets["stranger"]) == set(ATTEMPTS)
    assert {name: account.keys(name) for name in before} == before
    assert refused(session, own) == set()
    for key_id in account.keys("deploy"):
        account.iam.delete_access_key(UserName="deploy", AccessKeyId=key_id)


def test_the_function_reaches_no_key_without_its_role(shop: Deployed, other: Deployed) -> None:
    """All that the function's own role has on a user or a secret is denied, in its stack and elsewhere."""
    for target in (*shop.targets.values(), *other.targets.values()):
        assert refused(shop.function, target) == set(ATTEMPTS)


def test_an_event_can_not_mix_two_keys(account: Account, shop: Deployed, handler: Handler) -> None:
    """Whoever may invoke the function can name the role of one key and the user or the secret of another, in vain."""
    own, victim = shop.targets["deploy"], shop.targets["vendor"]
    before = account.keys("vendor")
    for mixed in (replace(victim, role_arn=own.role_arn), replace(victim, secret_arn=own.secret_arn)):
        for kind in ("Create", "Update", "Delete"):
            assert "AccessDenied" in handler.send(kind, mixed, {}, Serial="2")["Reason"]
    assert account.keys("vendor") == before
    account.check("vendor", victim.secret_arn)


def test_an_event_can_not_name_another_role(
    account: Account, tester: Session, shop: Deployed, other: Deployed, handler: Handler
) -> None:
    """Not one of another stack, and not one that would let anybody of the account in."""
    anybody = {"Effect": "Allow", "Principal": {"AWS": _root(account)}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    powerful = account.iam.create_role(RoleName="powerful", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    assert tester.assume(powerful).arn.split("/")[1] == "powerful"
    for role_arn in (powerful, other.targets["stranger"].role_arn):
        reason = handler.send("Create", replace(shop.targets["deploy"], role_arn=role_arn))["Reason"]
        assert reason.startswith("AssumeRole: AccessDenied")
    account.iam.delete_role(RoleName="powerful")


def _root(account: Account) -> str:
    return f"arn:aws:iam::{account.cloud.account}:root"


@contextmanager
def trusting(account: Account, role_arn: str, principal: str) -> Iterator[None]:
    """Let a principal assume a role for a while, as far as the role is concerned."""
    before = trust(account, role_arn, principal)
    try:
        yield
    finally:
        account.iam.update_assume_role_policy(RoleName=_name(role_arn), PolicyDocument=json.dumps(before))


@contextmanager
def allowed_to_assume_any(account: Account, role_arn: str) -> Iterator[None]:
    """Let a role assume all roles for a while, as far as it is concerned."""
    everything = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    named = {"RoleName": _name(role_arn), "PolicyName": "any"}
    account.iam.put_role_policy(**named, PolicyDocument=document)
    try:
        yield
    finally:
        account.iam.delete_role_policy(**named)


def test_two_locks_keep_a_function_out_of_another_stack(account: Account, shop: Deployed, other: Deployed) -> None:
    """Its own policy does not name that stack's roles, and they do not trust it: each alone is enough."""
    key_role = shop.targets["deploy"].role_arn

    def kept_out() -> bool:
        return _is_denied(lambda: other.function.assume(key_role))

    assert kept_out()
    with trusting(account, key_role, _root(account)):
        assert kept_out()
    with allowed_to_assume_any(account, other.role_arn):
        assert kept_out()
        with trusting(account, key_role, _root(account)):
            assert not kept_out(), "it was something else that kept it out"
