"""Every way to name a user: the name without its path reaches the provider, and the role gets the ARN with it."""

from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Environment, NestedStack, Stack
from aws_cdk import aws_iam as iam
from synth.deployed_names import ACCOUNT, DeployedNames
from synth.templates import KEY, key_role, of_type, only, statements

from cdk_iam_access_key import AccessKey

from access_key_provider.entrypoints.custom_resource_request import Properties  # isort: skip

ARN = f"arn:aws:iam::{ACCOUNT}:user/team/deploy"

Declare = Callable[[Stack], Any]


def parameter(stack: Stack) -> str:
    """Declare a value that the deployment knows."""
    return CfnParameter(stack, "Given").value_as_string


WAYS: dict[str, Declare] = {
    "User": lambda stack: iam.User(stack, "User", user_name="deploy", path="/team/"),
    "CfnUser": lambda stack: iam.CfnUser(stack, "User", user_name="deploy", path="/team/"),
    "CfnUser by its ARN": lambda stack: iam.User.from_user_arn(
        stack, "Imported", iam.CfnUser(stack, "User", user_name="deploy", path="/team/").attr_arn
    ),
    "CfnUser named later": lambda stack: _named_later(iam.CfnUser(stack, "User", path="/team/")),
    "ARN": lambda stack: iam.User.from_user_arn(stack, "User", ARN),
    "attributes": lambda stack: iam.User.from_user_attributes(stack, "User", user_arn=ARN),
    "ARN known at deployment": lambda stack: iam.User.from_user_arn(stack, "User", parameter(stack)),
    "attributes known at deployment": lambda stack: iam.User.from_user_attributes(
        stack, "User", user_arn=parameter(stack)
    ),
    "path and name": lambda stack: iam.User.from_user_name(stack, "User", "team/deploy"),
    "path and name known at deployment": lambda stack: iam.User.from_user_name(stack, "User", parameter(stack)),
}


def _named_later(user: iam.CfnUser) -> iam.CfnUser:
    user.add_property_override("UserName", "deploy")
    return user


@pytest.mark.parametrize("way", WAYS)
def test_a_user_with_a_path_is_known_by_name_and_arn(app: App, way: str) -> None:
    """CloudFormation evaluates both to what IAM knows the user by."""
    stack = Stack(app, "Stack", env=Environment(account=ACCOUNT, region="eu-west-1"))
    AccessKey(stack, "Key", user=WAYS[way](stack))
    given = "team/deploy" if way.startswith("path") else ARN
    names = DeployedNames(app, {"Given": given})
    properties = only(stack, KEY) | {"UserName": names.value(stack, only(stack, KEY)["UserName"])}
    properties |= {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/a/b", "SecretArn": _SECRET}
    assert Properties.parse(properties).user_name == "deploy"
    _, role = key_role(stack)
    assert names.value(stack, statements(role)[0]["Resource"]) == ARN
    assert "//" not in names.value(stack, role["Path"])


_SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:deploy-AbCdEf"


@pytest.mark.parametrize("kind", [iam.User, iam.CfnUser])
def test_a_user_of_another_stack(app: App, stack: Stack, kind: Any) -> None:
    """The key's stack reads its name and its ARN from that stack."""
    users = Stack(app, "Users")
    AccessKey(stack, "Key", user=kind(users, "User", path="/team/"))
    app.synth()
    assert stack.dependencies == [users]
    assert "Fn::ImportValue" in only(stack, KEY)["UserName"]


def test_a_user_of_a_nested_stack(stack: Stack) -> None:
    """The same, with an output in place of an export."""
    nested = NestedStack(stack, "Nested")
    AccessKey(stack, "Key", user=iam.CfnUser(nested, "User", path="/team/"))
    assert of_type(stack, KEY)


def test_a_user_of_another_account_is_refused(app: App) -> None:
    """However it is declared."""
    stack = Stack(app, "Stack", env=Environment(account=ACCOUNT, region="eu-west-1"))
    other = Stack(app, "Other", env=Environment(account="444455556666", region="eu-west-1"))
    with pytest.raises(ValueError, match=f"user must be of the stack's account {ACCOUNT}, got .* of 444455556666"):
        AccessKey(stack, "Key", user=iam.CfnUser(other, "User"))


def test_one_user_in_two_ways_is_one_user(stack: Stack) -> None:
    """IAM allows it two keys, so a third is refused whichever way it is named."""
    user = iam.CfnUser(stack, "User", user_name="deploy")
    AccessKey(stack, "One", user=user)
    AccessKey(stack, "Two", user=iam.User.from_user_arn(stack, "ByArn", user.attr_arn))
    with pytest.raises(ValueError, match="belong to the same user"):
        AccessKey(stack, "Three", user=iam.User.from_user_name(stack, "ByName", "deploy"))


@pytest.mark.parametrize("name", ["with blank", "müller", "x" * 65])
def test_a_name_that_iam_has_not_is_refused(stack: Stack, name: str) -> None:
    """At synth, rather than by the first call to IAM."""
    with pytest.raises(ValueError, match="user must have a name of 1 to 64 letters, digits and"):
        AccessKey(stack, "Key", user=iam.User.from_user_name(stack, "User", name))


def test_root_is_refused_as_a_resource(stack: Stack) -> None:
    """Nobody gets round the check by a resource of one's own."""
    with pytest.raises(ValueError, match="user must not be the root user"):
        AccessKey(stack, "Key", user=iam.CfnUser(stack, "User", user_name="root"))
