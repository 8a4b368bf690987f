"""Copies of the secret: what a key with copies adds to the template, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, CfnParameter, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Annotations, Match, Template

from cdk_iam_access_key import AccessKey, Copy, Field, SecretFormat

if TYPE_CHECKING:
    from collections.abc import Callable

KMS = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TYPE = "Custom::IAMAccessKeyCopy"


def synthesized(copies: Callable[[Stack], list[Copy]], **settings: Any) -> tuple[Stack, Template]:
    """Synthesize a stack with a key that has copies."""
    stack = Stack(App(), "Shop", env=Environment(account="123456789012", region="eu-central-1"))
    AccessKey(stack, "Key", user=iam.User(stack, "User"), copies=copies(stack), **settings)
    return stack, Template.from_stack(stack)


def actions_of(template: Template) -> dict[str, Any]:
    """Map each policy of a copy to what it allows."""
    policies = template.find_resources("AWS::IAM::RolePolicy").values()
    return {
        resource["Properties"]["PolicyName"]: resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in policies
        if resource["Properties"]["PolicyName"].startswith("Copy")
    }


def test_a_copy_has_a_policy_and_a_resource_that_outlive_the_key() -> None:
    """CloudFormation deletes the key first, then the copy, then what allows that."""
    _, template = synthesized(lambda _: [Copy.parameter("/ci/key"), Copy.secret("x", in_region="us-west-2")])
    (key,) = template.find_resources("Custom::IAMAccessKey").values()
    copies = template.find_resources(TYPE)
    assert len(copies) == 2
    assert copies.keys() <= set(key["DependsOn"])
    policies = {name for name in template.find_resources("AWS::IAM::RolePolicy") if "Copy" in name}
    assert all(set(copy["DependsOn"]) & policies for copy in copies.values())
    described = [{name: copy["Properties"][name] for name in ("Kind", "Name", "Region")} for copy in copies.values()]
    assert described == key["Properties"]["Copies"]
    assert described == [
        {"Kind": "parameter", "Name": "/ci/key", "Region": "eu-central-1"},
        {"Kind": "secret", "Name": "x", "Region": "us-west-2"},
    ]


def test_the_policy_of_a_copy_names_it_and_nothing_else() -> None:
    """And never allows to read it."""
    _, template = synthesized(
        lambda stack: [
            Copy.parameter("/ci/key", encryption_key=kms.Key.from_key_arn(stack, "Kms", KMS)),
            Copy.secret("x", in_region="us-west-2"),
            Copy.secret("x", role=iam.Role.from_role_arn(stack, "There", "arn:aws:iam::222222222222:role/copies")),
        ]
    )
    statements = [statement for found in actions_of(template).values() for statement in found]
    resources = [str(statement["Resource"]) for statement in statements]
    assert all(
        any(part in resource for part in (":parameter/ci/key", ":secret:x", KMS, ":role/copies"))
        for resource in resources
    )
    allowed = {
        action for statement in statements for action in statement["Action"] if isinstance(statement["Action"], list)
    }
    assert not {"ssm:GetParameter", "secretsmanager:GetSecretValue", "kms:Decrypt"} & allowed
    assert "kms:Encrypt" in allowed


def test_the_policy_of_a_copy_follows_the_role_of_the_key() -> None:
    """Another user makes another role: CloudFormation takes this policy off the old one only after the old key."""
    _, template = synthesized(lambda _: [Copy.parameter("/ci/key")])
    (policy,) = template.find_resources("AWS::IAM::RolePolicy").values()
    (role,) = (name for name in template.find_resources("AWS::IAM::Role") if name.startswith("KeyRole"))
    assert policy["Properties"]["RoleName"] == {"Ref": role}


def test_a_name_that_only_the_deployment_knows_may_begin_with_a_slash() -> None:
    """IAM knows the parameter `/ci/key` as `parameter/ci/key`, and `key` as `parameter/key`."""
    _, template = synthesized(lambda stack: [Copy.parameter(CfnParameter(stack, "Name").value_as_string)])
    ((statement,),) = actions_of(template).values()
    ends = [resource["Fn::Join"][1][-2] for resource in statement["Resource"]]
    assert [end[-len("parameter") - 1 :] for end in ends] == ["parameter/", ":parameter"]


def test_two_roles_of_one_account_write_to_one_place() -> None:
    """There is one secret of a name in it."""
    roles = ["arn:aws:iam::222222222222:role/a", "arn:aws:iam::222222222222:role/b"]
    with pytest.raises(ValueError, match="got the secret x twice"):
        synthesized(lambda stack: [Copy.secret("x", role=iam.Role.from_role_arn(stack, r[-1], r)) for r in roles])


def test_the_same_copies_have_the_same_ids_in_any_order() -> None:
    """Else a change of order would delete a copy and make it again."""
    copies = [Copy.parameter("/a"), Copy.secret("b"), Copy.parameter("/c")]
    _, one = synthesized(lambda _: copies)
    _, other = synthesized(lambda _: copies[::-1])
    assert one.find_resources(TYPE).keys() == other.find_resources(TYPE).keys()


def test_a_key_with_copies_says_that_a_change_rotates() -> None:
    """At synthesis."""
    stack, _ = synthesized(lambda _: [Copy.parameter("/ci/key")])
    Annotations.from_stack(stack).has_info("/Shop/Key", Match.string_like_regexp("any change of them rotates"))


def test_a_key_without_copies_adds_nothing() -> None:
    """No resource, no property."""
    _, template = synthesized(lambda _: [])
    template.resource_count_is(TYPE, 0)
    (key,) = template.find_resources("Custom::IAMAccessKey").values()
    assert "Copies" not in key["Properties"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: Copy.parameter("a b"), "the name of a parameter must be at most 512"),
        (lambda _: Copy.parameter("/" + "a" * 512), "the name of a parameter must be at most 512"),
        (lambda _: Copy.parameter("ci/key"), "must begin with a slash if it has one, got 'ci/key'"),
        (lambda _: Copy.parameter("/aws/key"), "must not begin with aws or ssm"),
        (lambda _: Copy.parameter("/a" * 16), "must have at most 15 levels, got 16"),
        (lambda _: Copy.secret("shop-abcdef"), "must not end in a hyphen and six characters"),
        (lambda _: Copy.secret("x", in_region="Frankfurt"), "in_region must be the name of a region"),
        (lambda _: Copy.secret("x", role="arn:aws:iam::1:role/x"), "role must be an iam.IRole"),
        (
            lambda stack: Copy.secret("x", encryption_key=kms.Alias.from_alias_name(stack, "A", "alias/x")),
            "encryption_key must be a key",
        ),
    ],
)
def test_copies_that_can_not_be_made(make: Callable[[Stack], Copy], message: str) -> None:
    """Are refused where they are declared."""
    with pytest.raises(ValueError, match=message):
        make(Stack())


@pytest.mark.parametrize(
    ("copies", "settings", "message"),
    [
        ([Copy.parameter("/a"), Copy.parameter("/a")], {}, "got the parameter /a twice"),
        ([Copy.parameter(f"/{number}") for number in range(11)], {}, "copies must be at most 10, got 11"),
        ([Copy.secret("mine")], {"secret_name": "mine"}, "got the secret mine itself"),
        ([Copy.secret("mine", in_region="eu-central-1")], {"secret_name": "mine"}, "got the secret mine itself"),
        (["/ci/key"], {}, "copies must be of Copy"),
        (
            [Copy.parameter("/a")],
            {
                "secret_format": SecretFormat.json(
                    {"id": Field.ACCESS_KEY_ID, "secret": Field.SECRET_ACCESS_KEY, "more": "x" * 5000}
                )
            },
            "which takes 4,096 bytes, and secret_format may make 5,",
        ),
        (
            [Copy.parameter("/a")],
            {"secret_format": SecretFormat.template("{access_key_id} {secret_access_key}" + "x" * 4000)},
            "which takes 4,096 bytes, and secret_format may make 4,2",
        ),
    ],
)
def test_copies_that_do_not_go_together(copies: list[Copy], settings: dict[str, Any], message: str) -> None:
    """Are refused, naming both properties."""
    with pytest.raises(ValueError, match=message):
        synthesized(lambda _: copies, **settings)


@pytest.mark.parametrize("where", ["stack", "another stack", "a role of the account"])
def test_two_keys_with_one_copy_are_refused(where: str) -> None:
    """The second would not write over the key of the first, but fail when it is deployed."""
    app, env = App(), Environment(account="123456789012", region="eu-central-1")
    stack = Stack(app, "Shop", env=env)
    other = Stack(app, "Other", env=env) if where == "another stack" else stack
    role = iam.Role.from_role_arn(stack, "There", "arn:aws:iam::123456789012:role/there") if "role" in where else None
    AccessKey(stack, "Key", user=iam.User(stack, "User"), copies=[Copy.parameter("/ci/key")])
    with pytest.raises(ValueError, match=r"but Shop/Key and \w+/Second write the parameter /ci/key; give each"):
        AccessKey(other, "Second", user=iam.User(other, "SecondUser"), copies=[Copy.parameter("/ci/key", role=role)])


def test_copies_of_one_name_elsewhere_are_two() -> None:
    """In another region, and in stacks that may be deployed to two accounts."""
    app = App()
    for number, env in enumerate([None, None, Environment(account="123456789012", region="eu-central-1")]):
        stack = Stack(app, f"Shop{number}", env=env)
        AccessKey(stack, "Key", user=iam.User(stack, "User"), copies=[Copy.parameter("/ci/key")])
    elsewhere = [Copy.parameter("/ci/key", in_region="us-west-2")]
    AccessKey(stack, "Second", user=iam.User(stack, "SecondUser"), copies=elsewhere)
    app.synth()


@pytest.mark.parametrize(("number", "is_refused"), [(10, True), (6, False)])
def test_policies_that_are_too_long_for_a_role(number: int, *, is_refused: bool) -> None:
    """Each copy with a KMS key takes a thousand characters of ten; IAM says so at deployment only."""
    app = App()
    stack = Stack(app, "Shop")
    key = kms.Key.from_key_arn(stack, "Kms", KMS.replace("eu-central-1", "us-west-2"))
    copies = [
        Copy.secret(f"team/shop/production/application/deploy/{one}", in_region="us-west-2", encryption_key=key)
        for one in range(number)
    ]
    AccessKey(stack, "Key", user=iam.User(stack, "User"), copies=copies)
    if is_refused:
        with pytest.raises(RuntimeError, match=r"Shop/Key must have a role with inline policies of at most 10,240"):
            app.synth()
    else:
        app.synth()
