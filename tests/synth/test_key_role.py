"""Another user or secret needs another role, whoever says so and whenever; nothing else does."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsii
import pytest
from aws_cdk import App, Aspects, CfnParameter, CfnResource, IAspect, NestedStack, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct
from synth.deployed_names import ACCOUNT, DeployedNames
from synth.templates import KEY, key_role, key_roles, of_type, provider_role, resources, statements

from cdk_iam_access_key import AccessKey, AccessKeyProvider

ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:{}-AbCdEf"

Declare = Callable[[Stack], None]


@jsii.implements(IAspect)
class Naming:
    """Gives all resources of a type a property, as a company's aspect does, after the app was built."""

    def __init__(self, kind: type, **properties: str) -> None:
        """Take the type of resource and its properties."""
        self._kind = kind
        self._properties = properties

    def visit(self, node: IConstruct) -> None:
        """Set them."""
        if isinstance(node, self._kind):
            for name, value in self._properties.items():
                setattr(node, name, value)


@pytest.fixture
def role_of(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Return what tells a key's role from others: its logical id, and its path as CloudFormation finds it."""

    def synth(declare: Declare, *, stack_id: str = "Stack", **parameters: str) -> tuple[str, str]:
        app = App(outdir=str(tmp_path))
        stack = Stack(app, stack_id, stack_name="name")
        declare(stack)
        name, role = key_role(stack)
        path = DeployedNames(app, parameters).value(stack, role["Path"])
        assert path.startswith("/cdk-iam-access-key/name/")
        assert path.endswith("/")
        assert "//" not in path
        return name, path

    return synth


def a_key(stack: Stack, user: iam.IUser | None = None, **properties: Any) -> AccessKey:
    """Declare a key, of a user of the stack if none is given."""
    return AccessKey(stack, "Key", user=user or iam.User(stack, "User"), **properties)


def plain(stack: Stack) -> None:
    """Declare a user and a key, with names that CloudFormation makes."""
    a_key(stack)


def cfn_user(key: AccessKey) -> iam.CfnUser:
    """Return the resource behind a key's user."""
    user = key.user.node.default_child
    assert isinstance(user, iam.CfnUser)
    return user


def cfn_secret(key: AccessKey) -> secretsmanager.CfnSecret:
    """Return the resource behind a key's secret."""
    secret = key.secret.node.default_child
    assert isinstance(secret, secretsmanager.CfnSecret)
    return secret


def user_by_aspect(stack: Stack, name: str) -> None:
    """Let an aspect name the user."""
    a_key(stack)
    Aspects.of(stack).add(Naming(iam.CfnUser, user_name=name))


def user_by_override(stack: Stack, name: str) -> None:
    """Name the user through the escape hatch, after the key was made."""
    cfn_user(a_key(stack)).add_property_override("UserName", name)


def user_by_attribute(stack: Stack, name: str) -> None:
    """Name the user by its resource's attribute, after the key was made."""
    cfn_user(a_key(stack)).user_name = name


def user_by_logical_id(stack: Stack, name: str) -> None:
    """Give the user's resource another logical id, after the key was made."""
    cfn_user(a_key(stack)).override_logical_id(f"User{name}")


def user_by_construct(stack: Stack, name: str) -> None:
    """Declare another user."""
    a_key(stack, iam.User(stack, f"User{name}"))


def user_by_property(stack: Stack, name: str) -> None:
    """Name the user where it is declared."""
    a_key(stack, iam.User(stack, "User", user_name=name))


def user_by_import(stack: Stack, name: str) -> None:
    """Import a user."""
    a_key(stack, iam.User.from_user_arn(stack, "User", f"arn:aws:iam::{ACCOUNT}:user/robots/{name}"))


def user_of_another_stack(stack: Stack, name: str) -> None:
    """Name the user of another stack, after the key was made."""
    key = a_key(stack, iam.User(Stack(stack.node.root, "Users"), "User"))
    cfn_user(key).add_property_override("UserName", name)


def user_in_a_nested_stack(stack: Stack, name: str) -> None:
    """Name the user of a nested stack, after the key was made."""
    key = a_key(stack, iam.User(NestedStack(stack, "Nested"), "User"))
    cfn_user(key).add_property_override("UserName", name)


def secret_by_aspect(stack: Stack, name: str) -> None:
    """Let an aspect name the secret."""
    a_key(stack)
    Aspects.of(stack).add(Naming(secretsmanager.CfnSecret, name=name))


def secret_by_override(stack: Stack, name: str) -> None:
    """Name the secret through the escape hatch."""
    cfn_secret(a_key(stack)).add_property_override("Name", name)


def secret_by_attribute(stack: Stack, name: str) -> None:
    """Name the secret by its resource's attribute."""
    cfn_secret(a_key(stack)).name = name


def secret_by_logical_id(stack: Stack, name: str) -> None:
    """Give the secret's resource another logical id."""
    cfn_secret(a_key(stack)).override_logical_id(f"Secret{name}")


def secret_by_property(stack: Stack, name: str) -> None:
    """Name the secret, with a slash in it, where the key is declared."""
    a_key(stack, secret_name=f"keys/{name}")


def secret_passed_in(stack: Stack, name: str) -> None:
    """Pass in a secret, named after the key was made."""
    secret = secretsmanager.Secret(stack, "Mine")
    a_key(stack, secret=secret)
    resource = secret.node.default_child
    assert isinstance(resource, CfnResource)
    resource.add_property_override("Name", name)


def secret_by_import(stack: Stack, name: str) -> None:
    """Import a secret, with a slash in its name."""
    a_key(stack, secret=secretsmanager.Secret.from_secret_complete_arn(stack, "Far", ARN.format(f"keys/{name}")))


WAYS = [
    *(user_by_aspect, user_by_override, user_by_attribute, user_by_logical_id, user_by_construct, user_by_property),
    *(user_by_import, user_of_another_stack, user_in_a_nested_stack),
    *(secret_by_aspect, secret_by_override, secret_by_attribute, secret_by_logical_id, secret_by_property),
    *(secret_passed_in, secret_by_import),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_another_user_or_secret_has_another_role(
    role_of: Callable[..., tuple[str, str]], way: Callable[[Stack, str], None]
) -> None:
    """From one name to another, and from none to one: the old role keeps its rights until the old key is deleted."""
    assert role_of(lambda stack: way(stack, "alice")) == role_of(lambda stack: way(stack, "alice"))
    assert (
        len({role_of(plain), *(role_of(lambda stack, name=name: way(stack, name)) for name in ("alice", "bob"))}) == 3
    )


def user_by_parameter(stack: Stack) -> None:
    """Import a user whose name is given at deployment."""
    a_key(stack, iam.User.from_user_name(stack, "User", CfnParameter(stack, "Name").value_as_string))


def user_named_by_parameter(stack: Stack) -> None:
    """Declare a user whose name is given at deployment."""
    a_key(stack, iam.User(stack, "User", user_name=CfnParameter(stack, "Name").value_as_string))


def secret_named_by_parameter(stack: Stack) -> None:
    """Declare a key whose secret's name is given at deployment."""
    a_key(stack, secret_name=CfnParameter(stack, "Name").value_as_string)


@pytest.mark.parametrize("declare", [user_by_parameter, user_named_by_parameter, secret_named_by_parameter])
def test_a_parameter_can_say_so_without_any_change_of_the_template(
    role_of: Callable[..., tuple[str, str]], declare: Declare
) -> None:
    """What only the deployment knows tells roles apart as well."""
    assert role_of(declare, Name="alice") == role_of(declare, Name="alice") != role_of(declare, Name="bob")


def test_an_imported_secret_known_at_deployment_only_is_in_the_path(
    role_of: Callable[..., tuple[str, str]],
) -> None:
    """Its name with the suffix, the last part of the ARN."""

    def declare(stack: Stack) -> None:
        arn = CfnParameter(stack, "Arn").value_as_string
        a_key(stack, secret=secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", arn))

    _, path = role_of(declare, Arn=ARN.format("team/key"))
    assert path.endswith("/team-key-AbCdEf/")
    assert role_of(declare, Arn=ARN.format("other"))[1] != path


def named(stack: Stack, construct_id: str) -> None:
    """Declare a key for a user and a secret with names of their own, of constructs with the given ids."""
    user = iam.User(stack, f"User{construct_id}", user_name="alice")
    a_key(stack, user, secret=secretsmanager.Secret.from_secret_complete_arn(stack, construct_id, ARN.format("one")))


def test_a_construct_renamed_for_the_same_user_and_secret_keeps_the_role(
    role_of: Callable[..., tuple[str, str]],
) -> None:
    """Also if the user is imported from then on: the role goes by the names."""
    before = role_of(lambda stack: named(stack, "One"))
    assert role_of(lambda stack: named(stack, "Other")) == before
    imported = role_of(
        lambda stack: a_key(
            stack,
            iam.User.from_user_name(stack, "Imported", "alice"),
            secret=secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", ARN.format("one")),
        )
    )
    assert imported == before


def test_same_app_gives_the_same_role(role_of: Callable[..., tuple[str, str]]) -> None:
    """So does an app whose stack's construct was renamed."""
    assert role_of(plain)[0] == role_of(plain)[0] == role_of(plain, stack_id="Renamed")[0]


@pytest.mark.parametrize(
    "change",
    [{"serial": 2}, {"status": iam.AccessKeyStatus.INACTIVE}, {"description": "other"}],
    ids=lambda change: next(iter(change)),
)
def test_in_place_changes_keep_the_role(role_of: Callable[..., tuple[str, str]], change: dict[str, Any]) -> None:
    """Serial, status and description change the custom resource and not its permissions."""
    assert role_of(lambda stack: a_key(stack, **change)) == role_of(plain)


def test_an_aspect_that_gives_all_roles_a_path_does_not_take_that_away(
    role_of: Callable[..., tuple[str, str]],
) -> None:
    """Without its path the role of the old user would become that of the new one."""

    def declare(stack: Stack) -> None:
        a_key(stack)
        Aspects.of(stack).add(Naming(iam.CfnRole, path="/company/"))

    assert role_of(declare) == role_of(plain)


def test_the_provider_may_assume_the_roles_of_its_keys(app: App) -> None:
    """Whatever the names are, a role is under the path that the functions' role is allowed."""
    stack = Stack(app, "Stack")
    AccessKeyProvider(stack, "AccessKeyProvider", role_path="/company/keys/")
    user_by_import(stack, "alice")
    _, role = key_role(stack)
    names = DeployedNames(app)
    arn = f"arn:aws:iam::{ACCOUNT}:role{names.value(stack, role['Path'])}Stack-KeyRole-X"
    assert ":role/company/keys/alice/Stack-KeySecret" in arn
    (allowed,) = [one for one in statements(provider_role(stack)) if one["Action"] == "sts:AssumeRole"]
    pattern = names.value(stack, allowed["Resource"])
    assert pattern == f"arn:aws:iam::{ACCOUNT}:role/company/keys/*"
    assert fnmatchcase(arn, pattern)


def test_key_beside_it_changes_nothing(app: App) -> None:
    """A second key leaves every resource of the first one, and of the provider, as it is."""
    alone, together = Stack(app, "Alone", stack_name="same"), Stack(app, "Together", stack_name="same")
    for stack in (alone, together):
        AccessKey(stack, "Key", user=iam.User(stack, "User"))
    AccessKey(together, "Another", user=iam.User(together, "AnotherUser"))
    before, after = resources(alone), resources(together)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 4


def test_each_key_has_its_own_role(stack: Stack) -> None:
    """Two keys never share a role, and each custom resource names its own."""
    for name in "AB":
        AccessKey(stack, name, user=iam.User(stack, f"User{name}"))
    roles = {key["Properties"]["RoleArn"]["Fn::GetAtt"][0] for key in of_type(stack, KEY).values()}
    assert roles == set(key_roles(stack))
    assert len(roles) == 2
