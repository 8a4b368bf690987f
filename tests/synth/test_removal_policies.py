"""No removal policy leaves a key behind that is Active and that no ledger knows."""

from collections.abc import Callable
from typing import Any, cast

import jsii
import pytest
from aws_cdk import (
    App,
    Aspects,
    CfnDeletionPolicy,
    CfnResource,
    IAspect,
    MissingRemovalPolicies,
    NestedStack,
    RemovalPolicies,
    RemovalPolicy,
    Stack,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Annotations, Match
from constructs import IConstruct
from synth.templates import KEY, SECRET, of_type, resources

from cdk_iam_access_key import AccessKey, AccessKeyProvider, Copy, OrganizationRootKeyGuard, RootAccessKeyGuard

COPY, PARAMETER, NESTED_STACK = "Custom::IAMAccessKeyCopy", "AWS::SSM::Parameter", "AWS::CloudFormation::Stack"


@jsii.implements(IAspect)
class Retaining:
    """Retains each resource, as a company does with an aspect of its own."""

    def visit(self, node: IConstruct) -> None:
        """Do it."""
        if isinstance(node, CfnResource):
            node.apply_removal_policy(RemovalPolicy.RETAIN)


def _resource(stack: Stack) -> CfnResource:
    """Return the custom resource of the key."""
    return cast("CfnResource", stack.node.find_child("Key").node.find_child("Resource"))


def _except_on_create(stack: Stack) -> None:
    _resource(stack).apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)


def _on_replacement_only(stack: Stack) -> None:
    _resource(stack).cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN


WAYS: dict[str, Callable[[Stack], object]] = {
    "RemovalPolicies": lambda stack: RemovalPolicies.of(stack).retain(),
    "RemovalPolicies, also when its creation fails": lambda stack: RemovalPolicies.of(
        stack
    ).retain_on_update_or_delete(),
    "an aspect": lambda stack: Aspects.of(stack).add(cast("IAspect", Retaining())),
    "apply_removal_policy": lambda stack: _resource(stack).apply_removal_policy(RemovalPolicy.RETAIN),
    "RETAIN_ON_UPDATE_OR_DELETE": _except_on_create,
    "cfn_options, on a replacement": _on_replacement_only,
    "an override": lambda stack: _resource(stack).add_override("DeletionPolicy", "Retain"),
    "an override with a function": lambda stack: _resource(stack).add_override(
        "DeletionPolicy", {"Ref": "AWS::NoValue"}
    ),
    "everything but the secret": lambda stack: RemovalPolicies.of(stack).retain(exclude_resource_types=[SECRET]),
    "everything but the ledger": lambda stack: RemovalPolicies.of(stack).retain(
        exclude_resource_types=["AWS::DynamoDB::Table"]
    ),
    "everything but the role": lambda stack: RemovalPolicies.of(stack).retain(
        exclude_resource_types=["AWS::IAM::Role"]
    ),
    "everything but the functions": lambda stack: RemovalPolicies.of(stack).retain(
        exclude_resource_types=["AWS::Lambda::Function"]
    ),
    "everything but the parameter": lambda stack: RemovalPolicies.of(stack).retain(exclude_resource_types=[PARAMETER]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_never_retained(app: App, stack: Stack, user: iam.User, way: str) -> None:
    """Whatever is retained with it: the next deployment may delete the ledger, and the template can't tell."""
    AccessKey(stack, "Key", user=user)
    WAYS[way](stack)
    with pytest.raises(
        RuntimeError,
        match=r"Stack/Key must not be retained, got the (Deletion|UpdateReplace)Policy .*: .* stay Active .*"
        r'exclude_resource_types=\["Custom::IAMAccessKey"\]',
    ):
        app.synth()


def test_a_copy_is_never_retained(app: App, stack: Stack, user: iam.User) -> None:
    """It would hold a key that nobody replaces there; the copy of another key is that key's."""
    AccessKey(stack, "Key", user=user, copies=[Copy.parameter("/ci/key")])
    AccessKey(stack, "Other", user=iam.User(stack, "OtherUser"))
    RemovalPolicies.of(stack).retain(exclude_resource_types=[KEY, PARAMETER])
    with pytest.raises(RuntimeError) as refusal:
        app.synth()
    assert "Stack/Key must have no copy that is retained, got the DeletionPolicy Retain of /ci/key" in str(
        refusal.value
    )
    assert f'exclude_resource_types=["{COPY}"]' in str(refusal.value)
    assert "Stack/Other" not in str(refusal.value)
    RemovalPolicies.of(stack).destroy(apply_to_resource_types=[COPY], priority=1000)
    app.synth(force=True)


@pytest.mark.parametrize("levels", [1, 2])
def test_a_key_in_a_nested_stack_that_is_retained_is_refused(app: App, stack: Stack, levels: int) -> None:
    """The nested stack would stay with all that is in it, and lose what it has of its parent."""
    inner = outer = NestedStack(stack, "Outer", removal_policy=RemovalPolicy.RETAIN)
    if levels > 1:
        inner = NestedStack(outer, "Inner")
    AccessKey(inner, "Key", user=iam.User(stack, "User"))
    with pytest.raises(RuntimeError, match=r"Key must not be in a nested stack that is retained.*of Stack/Outer"):
        app.synth()
    RemovalPolicies.of(app).destroy(apply_to_resource_types=[NESTED_STACK], priority=1000)
    app.synth(force=True)


@pytest.mark.parametrize("way", ["left out", "taken back"])
def test_the_ways_out_that_the_error_names_work(app: App, stack: Stack, user: iam.User, way: str) -> None:
    """All else may be retained, and the key is deleted."""
    AccessKey(stack, "Key", user=user)
    kept = [KEY, PARAMETER]
    RemovalPolicies.of(stack).retain(exclude_resource_types=kept if way == "left out" else None)
    if way == "taken back":
        RemovalPolicies.of(stack).destroy(apply_to_resource_types=kept, priority=1000)
    app.synth()
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("Retain"))
    retained = {one["Type"] for one in resources(stack).values() if one.get("DeletionPolicy") == "Retain"}
    assert not retained & set(kept)
    assert {SECRET, "AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::Lambda::Function"} <= retained


def test_what_has_no_policy_may_be_retained(app: App, stack: Stack, user: iam.User) -> None:
    """The key and the parameter have one, so this leaves them alone, and nobody is warned."""
    AccessKey(stack, "Key", user=user, copies=[Copy.parameter("/ci/key")])
    MissingRemovalPolicies.of(app).retain()
    app.synth()
    Annotations.from_stack(stack).has_no_warning("*", Match.string_like_regexp("Retain"))
    ((_, key),) = of_type(stack, KEY).items()
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Delete", "Delete")
    assert resources(stack)[stack.get_logical_id(cast("CfnResource", user.node.default_child))]["DeletionPolicy"] == (
        "Retain"
    )


@pytest.mark.parametrize("way", ["option", "override"])
def test_a_parameter_that_is_retained_is_warned_of(app: App, stack: Stack, way: str) -> None:
    """It has a fixed name, so that operators find it: the next stack of this name can't make it."""
    provider = AccessKeyProvider(stack, "AccessKeyProvider")
    parameter = cast("CfnResource", provider.node.find_child("Parameter"))
    if way == "option":
        parameter.apply_removal_policy(RemovalPolicy.RETAIN)
    else:
        parameter.add_override("UpdateReplacePolicy", "Retain")
    app.synth()
    Annotations.from_stack(stack).has_warning(
        "/Stack/AccessKeyProvider",
        Match.string_like_regexp(r"Parameter has the \w+Policy Retain: its name is taken .*AWS::SSM::Parameter"),
    )


POLICIES = {
    None: ("Delete", "Delete"),
    RemovalPolicy.DESTROY: ("Delete", "Delete"),
    RemovalPolicy.RETAIN: ("Retain", "Retain"),
    RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE: ("RetainExceptOnCreate", "Retain"),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_removal_policy_is_of_the_secret_alone(stack: Stack, user: iam.User, policy: RemovalPolicy | None) -> None:
    """The key is deleted with its construct, whatever becomes of the secret."""
    AccessKey(stack, "Key", user=user, removal_policy=policy)
    (secret,), (key,) = of_type(stack, SECRET).values(), of_type(stack, KEY).values()
    assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == POLICIES[policy]
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Delete", "Delete")


@pytest.mark.parametrize("policy", [RemovalPolicy.SNAPSHOT, "retain"])
def test_a_removal_policy_that_secrets_do_not_have_is_refused(stack: Stack, user: iam.User, policy: Any) -> None:
    """CloudFormation would refuse a snapshot of a secret, at deployment only."""
    with pytest.raises(ValueError, match=r"removal_policy must be RemovalPolicy.DESTROY, .RETAIN or .* got .*snapshot"):
        AccessKey(stack, "Key", user=user, removal_policy=policy)


def test_a_removal_policy_for_a_secret_that_is_given_is_refused(stack: Stack, user: iam.User) -> None:
    """It has its own."""
    secret = secretsmanager.Secret(stack, "Mine", removal_policy=RemovalPolicy.RETAIN)
    with pytest.raises(ValueError, match="removal_policy"):
        AccessKey(stack, "Key", user=user, secret=secret, removal_policy=RemovalPolicy.RETAIN)


def test_guards_may_be_retained(app: App, stack: Stack) -> None:
    """They make no keys: nothing that is left behind can harm."""
    RootAccessKeyGuard(stack, "Account")
    OrganizationRootKeyGuard(stack, "Organization")
    RemovalPolicies.of(app).retain()
    app.synth()


def test_by_default_nothing_of_a_key_is_retained(stack: Stack, user: iam.User) -> None:
    """As nothing helps once the key is gone."""
    AccessKey(stack, "Key", user=user)
    assert {one.get("DeletionPolicy", "Delete") for one in resources(stack).values()} == {"Delete"}
