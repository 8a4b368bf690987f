"""What changes with a rotation never becomes an export, which can't change while another stack imports it."""

from collections.abc import Callable

import pytest
from aws_cdk import App, CfnOutput, Environment, NestedStack, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct
from synth.templates import resources

from cdk_iam_access_key import AccessKey

ACCOUNT = "111122223333"


def key_in(scope: Construct) -> AccessKey:
    """Declare a key."""
    return AccessKey(scope, "Key", user=iam.User(scope, "User"))


def consume(stack: Stack, value: str) -> None:
    """Declare a consumer."""
    ssm.StringParameter(stack, "Consumer", string_value=value)


@pytest.mark.parametrize(
    "read",
    [
        lambda key: key.access_key_id,
        lambda key: key.secret_version_id,
        lambda key: key.status,
        lambda key: key.secret_value("accessKeyId").unsafe_unwrap(),
    ],
    ids=["access_key_id", "secret_version_id", "status", "secret_value"],
)
@pytest.mark.parametrize("nested", [False, True], ids=["stack", "nested stack"])
def test_another_stack_that_consumes_the_key_is_refused(
    app: App, stack: Stack, read: Callable[[AccessKey], str], *, nested: bool
) -> None:
    """The export could not change, so no deployment could rotate; the message names both, and the way out."""
    key = key_in(NestedStack(stack, "Nested") if nested else stack)
    other = Stack(app, "Other")
    consumer = NestedStack(other, "Nested") if nested else other
    consume(consumer, read(key))
    message = rf"{key.node.path} must be rotated, .* the export .*, used by {consumer.node.path}: .*key\.secret, whose"
    with pytest.raises(RuntimeError, match=message):
        app.synth()


def test_another_region_that_consumes_the_key_is_refused(app: App) -> None:
    """The CDK carries the value there in a parameter that it refuses to change."""
    home, far = (
        Stack(app, region, env=Environment(account=ACCOUNT, region=region), cross_region_references=True)
        for region in ("eu-west-1", "us-east-1")
    )
    consume(far, key_in(home).access_key_id)
    with pytest.raises(RuntimeError, match=r"got the export /cdk/exports/us-east-1/.*, used by us-east-1: "):
        app.synth()


def output(stack: Stack, key: AccessKey) -> None:
    """Export by an output."""
    CfnOutput(stack, "Output", value=f"key {key.access_key_id}", export_name="the-key")


def export_value(stack: Stack, key: AccessKey) -> None:
    """Export as the CDK does."""
    stack.export_value(key.access_key_id)


def override(stack: Stack, key: AccessKey) -> None:
    """Export by an override of an output, as text."""
    value = CfnOutput(stack, "Output", value="nothing", export_name="the-key")
    value.value = f"${{{stack.resolve(key.access_key_id)['Fn::GetAtt'][0]}.AccessKeyId}}"


@pytest.mark.parametrize("export", [output, export_value, override])
def test_an_export_by_hand_is_refused(app: App, stack: Stack, export: Callable[[Stack, AccessKey], None]) -> None:
    """Nobody exports what nobody is to import."""
    export(stack, key_in(stack))
    with pytest.raises(RuntimeError, match=r"got the export .*the-key|got the export Stack:Exports.*used by no stack"):
        app.synth()


def test_the_stack_of_the_key_and_its_nested_stacks_consume_it(app: App, stack: Stack) -> None:
    """An output without an export too: it is there to be read."""
    key = key_in(stack)
    consume(stack, key.secret_value("accessKeyId").unsafe_unwrap())
    consume(NestedStack(stack, "Nested"), key.access_key_id)
    CfnOutput(stack, "Output", value=key.access_key_id)
    app.synth()


def test_another_stack_refers_to_the_secret(app: App, stack: Stack) -> None:
    """The secret's ARN is the same after each rotation."""
    key, other = key_in(stack), Stack(app, "Other")
    key.grant_read(iam.Role(other, "Role", assumed_by=iam.AccountRootPrincipal()))
    consume(other, key.secret.secret_value_from_json("accessKeyId").unsafe_unwrap())
    app.synth()
    assert "ImportValue" in str(resources(other))
