"""Another user or secret needs another role; nothing else does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from synth.templates import KEY, key_role, key_roles, of_type, only, resources, statements

from cdk_iam_access_key import AccessKey

ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:{}-AbCdEf"


@pytest.fixture
def role_of(tmp_path: Path) -> Callable[..., str]:
    """Return the logical id of a key's role, in an app made for it."""

    def synth(define: Callable[[Stack], dict[str, Any]], *, stack_id: str = "Stack") -> str:
        stack = Stack(App(outdir=str(tmp_path)), stack_id, stack_name="name")
        AccessKey(stack, "Key", **define(stack))
        return key_role(stack)[0]

    return synth


def plain(stack: Stack) -> dict[str, Any]:
    """Return a user of the stack, with a name that CloudFormation makes."""
    return {"user": iam.User(stack, "User")}


def test_same_app_gives_the_same_role(role_of: Callable[..., str]) -> None:
    """Two synths agree, and so does one of a stack whose construct was renamed."""
    assert role_of(plain) == role_of(plain) == role_of(plain, stack_id="Renamed")


@pytest.mark.parametrize(
    "change",
    [
        {"serial": 2},
        {"status": iam.AccessKeyStatus.INACTIVE},
        {"description": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_in_place_changes_keep_the_role(role_of: Callable[..., str], change: dict[str, Any]) -> None:
    """Serial, status and description change the custom resource and not its permissions."""
    assert role_of(lambda stack: {**plain(stack), **change}) == role_of(plain)


@pytest.mark.parametrize(
    "define",
    [
        lambda stack: {"user": iam.User(stack, "User", user_name="alice")},
        lambda stack: {"user": iam.User(stack, "Other")},
        lambda stack: {"user": iam.User.from_user_name(stack, "User", "alice")},
        lambda stack: {"user": iam.User(Stack(stack.node.root, "Far"), "User")},
        lambda stack: {**plain(stack), "secret_name": "one"},
        lambda stack: {**plain(stack), "secret": secretsmanager.Secret(stack, "Secret")},
        lambda stack: {**plain(stack), "secret": secretsmanager.Secret(stack, "Secret", secret_name="one")},
        lambda stack: {
            **plain(stack),
            "secret": secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", ARN.format("one")),
        },
    ],
    ids=[
        "user gets a name",
        "other user of the stack",
        "imported user",
        "user of another stack",
        "secret gets a name",
        "secret passed in",
        "secret passed in gets a name",
        "imported secret",
    ],
)
def test_each_other_user_or_secret_has_its_own_role(
    role_of: Callable[..., str], define: Callable[[Stack], dict[str, Any]]
) -> None:
    """A change that makes CloudFormation act on another user or secret never rewrites the role of the old one."""
    assert role_of(define) != role_of(plain)


def test_changes_of_name_differ_from_each_other(role_of: Callable[..., str]) -> None:
    """From one name to another is a replacement as well, of the user and of the secret."""
    users = [role_of(lambda stack, name=name: {"user": iam.User(stack, "User", user_name=name)}) for name in "ab"]
    secrets = [role_of(lambda stack, name=name: {**plain(stack), "secret_name": name}) for name in "ab"]
    imported = [
        role_of(
            lambda stack, name=name: {
                **plain(stack),
                "secret": secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", ARN.format(name)),
            }
        )
        for name in "ab"
    ]
    assert len({*users, *secrets, *imported}) == 6


def test_user_moved_to_another_stack_is_another_user(role_of: Callable[..., str]) -> None:
    """The same logical id in two stacks is two users."""

    def user_of(far: str) -> Callable[[Stack], dict[str, Any]]:
        return lambda stack: {"user": iam.User(Stack(stack.node.root, far), "User")}

    assert len({role_of(plain), role_of(user_of("Far")), role_of(user_of("Farther"))}) == 3


def test_key_beside_it_changes_nothing(app: App) -> None:
    """A second key leaves every resource of the first one, and of the provider, as it is."""
    alone, together = Stack(app, "Alone", stack_name="same"), Stack(app, "Together", stack_name="same")
    for stack in (alone, together):
        AccessKey(stack, "Key", user=iam.User(stack, "User"))
    AccessKey(together, "Another", user=iam.User(together, "AnotherUser"))
    before, after = resources(alone), resources(together)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 5


def test_user_known_at_deployment_only_is_in_the_path(stack: Stack) -> None:
    """A parameter can change with no change of the template, and a change of the path replaces the role."""
    parameter = CfnParameter(stack, "Name").value_as_string
    AccessKey(stack, "Key", user=iam.User.from_user_name(stack, "User", parameter))
    _, role = key_role(stack)
    assert role["Path"] == {"Fn::Join": ["", ["/cdk-iam-access-key/Stack/", {"Ref": "Name"}, "/"]]}


def test_user_whose_name_is_a_parameter_is_in_the_path(stack: Stack) -> None:
    """The same holds for a user of the stack whose name is known at deployment only."""
    user = iam.User(stack, "User", user_name=CfnParameter(stack, "Name").value_as_string)
    AccessKey(stack, "Key", user=user)
    _, role = key_role(stack)
    assert role["Path"]["Fn::Join"][1][1] == stack.resolve(user.user_name)


def test_secret_known_at_deployment_only_is_in_the_path(stack: Stack, user: iam.User) -> None:
    """The same holds for a secret: its name with the suffix, the last part of the ARN."""
    parameter = CfnParameter(stack, "Arn").value_as_string
    AccessKey(
        stack, "Key", user=user, secret=secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", parameter)
    )
    _, role = key_role(stack)
    name = {"Fn::Select": [6, {"Fn::Split": [":", {"Ref": "Arn"}]}]}
    assert role["Path"] == {"Fn::Join": ["", ["/cdk-iam-access-key/Stack/", name, "/"]]}


def test_each_key_has_its_own_role(stack: Stack) -> None:
    """Two keys never share a role, and each custom resource names its own."""
    for name in "AB":
        AccessKey(stack, name, user=iam.User(stack, f"User{name}"))
    named = {key["Properties"]["RoleArn"]["Fn::GetAtt"][0] for key in of_type(stack, KEY).values()}
    assert named == set(key_roles(stack))
    assert len(named) == 2


def test_user_of_another_stack_is_imported(app: App, stack: Stack) -> None:
    """The name and the ARN of another stack's user come from that stack's exports."""
    AccessKey(stack, "Key", user=iam.User(Stack(app, "Users"), "User"))
    _, role = key_role(stack)
    assert set(only(stack, KEY)["UserName"]) == {"Fn::ImportValue"}
    assert set(statements(role)[0]["Resource"]) == {"Fn::ImportValue"}
    assert role["Path"] == "/cdk-iam-access-key/Stack/"
