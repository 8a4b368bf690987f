"""No template of an app has an access key but those of AccessKey, however it came to be there."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from aws_cdk import (
    App,
    CfnMapping,
    CfnOutput,
    CfnResource,
    Environment,
    NestedStack,
    SecretValue,
    Stack,
    Stage,
    custom_resources,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from aws_cdk.cloudformation_include import CfnInclude
from constructs import Construct

from cdk_iam_access_key import AccessKey, NoUnmanagedAccessKeys

# Of the right form, and no key of anybody.
KEY_ID, VALUE = "AKIA" + "ABCD" * 4, "a/B+" * 10


def found(app: App) -> dict[str, str]:
    """Synthesize, and say what was found by its path."""
    try:
        app.synth()
    except RuntimeError as error:
        message = str(error)
    else:
        return {}
    assert VALUE not in message
    assert KEY_ID not in message
    return dict(re.findall(r"\] (\S+) (.*?); declare an AccessKey", message))


def level_2(scope: Construct, _: Path) -> str:
    """Define it with the CDK's construct."""
    iam.AccessKey(scope, "Raw", user=iam.User(scope, "RawUser"))
    return "Raw/Resource"


def level_1(scope: Construct, _: Path) -> str:
    """Define it with the resource's own."""
    iam.CfnAccessKey(scope, "Raw", user_name="alice")
    return "Raw"


def no_level(scope: Construct, _: Path) -> str:
    """Define it by its type."""
    CfnResource(scope, "Raw", type="AWS::IAM::AccessKey", properties={"UserName": "alice"})
    return "Raw"


def override(scope: Construct, _: Path) -> str:
    """Define something else, whose type is overridden."""
    CfnResource(scope, "Raw", type="AWS::IAM::User").add_override("Type", "AWS::IAM::AccessKey")
    return "Raw"


def include(scope: Construct, directory: Path) -> str:
    """Include a template that has one."""
    template = {"Resources": {"Theirs": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": "alice"}}}}
    (directory / "theirs.json").write_text(json.dumps(template), "utf-8")
    CfnInclude(scope, "Raw", template_file=str(directory / "theirs.json"))
    return "Raw/Theirs"


def call(scope: Construct, _: Path, action: str = "createAccessKey") -> str:
    """Call IAM in a custom resource."""
    create = custom_resources.AwsSdkCall(
        service="IAM",
        action=action,
        parameters={"UserName": "alice"},
        physical_resource_id=custom_resources.PhysicalResourceId.of("key"),
    )
    policy = custom_resources.AwsCustomResourcePolicy.from_sdk_calls(resources=["*"])
    custom_resources.AwsCustomResource(scope, "Raw", on_create=create, policy=policy)
    return "Raw/Resource/Default"


def api(scope: Construct, directory: Path) -> str:
    """Call IAM by the name that its API has for the action, which the CDK takes as well."""
    return call(scope, directory, "CreateAccessKey")


@pytest.mark.parametrize("define", [level_2, level_1, no_level, override, include, call, api])
@pytest.mark.parametrize("where", ["stack", "nested stack", "stage"])
def test_a_key_of_whatever_construct_is_found(
    app: App, stack: Stack, tmp_path: Path, define: Callable[[Construct, Path], str], where: str
) -> None:
    """Also in stages and nested stacks, and if it is defined after the rule."""
    NoUnmanagedAccessKeys.of(app).require()
    scopes = {"stack": lambda: stack, "nested stack": lambda: NestedStack(stack, "Nested")}
    scope = scopes.get(where, lambda: Stack(Stage(app, "Stage"), "Stack"))()
    AccessKey(scope, "Key", user=iam.User(scope, "User"))
    path = define(scope, tmp_path)
    assert set(found(app)) == {f"{scope.node.path}/{path}"}


def test_whatever_takes_the_secret_is_found(app: App, stack: Stack) -> None:
    """A secret, a parameter, an environment, an output; the keys themselves are left out here."""
    NoUnmanagedAccessKeys.of(app).require()
    key = iam.CfnAccessKey(stack, "Raw", user_name="alice")
    NoUnmanagedAccessKeys.of(key).exempt(reason="replaced next week")
    value = key.attr_secret_access_key
    secretsmanager.CfnSecret(stack, "Secret", secret_string=f'{{"id":"{key.ref}","key":"{value}"}}')
    ssm.StringParameter(stack, "Parameter", string_value=value)
    environment = lambda_.CfnFunction.EnvironmentProperty(variables={"KEY": value})
    code = lambda_.CfnFunction.CodeProperty(zip_file="x")
    lambda_.CfnFunction(stack, "Function", code=code, role="r", environment=environment)
    CfnOutput(stack, "Output", value=value)
    CfnOutput(stack, "Id", value=key.ref)
    text = cast("CfnResource", CfnResource(stack, "Text", type="Custom::Text"))
    text.add_property_override("Text", {"Fn::Sub": f"key ${{{stack.resolve(key.logical_id)}.SecretAccessKey}}"})
    taken = "takes the secret access key of the resource Raw"
    assert found(app) == {
        f"Stack/{name}": taken for name in ("Secret", "Parameter/Resource", "Function", "Output", "Text")
    }


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"accessKeyId": KEY_ID, "secretAccessKey": VALUE}),
        f"{KEY_ID}:{VALUE}",
        f"aws_secret_access_key = {VALUE}\nregion = eu-west-1",
        json.dumps({"AWS_SECRET_ACCESS_KEY": VALUE}),
    ],
    ids=["json", "pair", "credentials file", "variable"],
)
def test_a_literal_secret_access_key_is_found(app: App, stack: Stack, text: str) -> None:
    """The message says where, and never what."""
    NoUnmanagedAccessKeys.of(app).require()
    secretsmanager.Secret(stack, "Secret", secret_string_value=SecretValue.unsafe_plain_text(text))
    CfnResource(stack, "Override", type="Custom::Text").add_property_override("Text", text)
    (what,) = set(found(app).values())
    assert (set(found(app)), what.partition(":")[0]) == (
        {"Stack/Secret/Resource", "Stack/Override"},
        "has a secret access key written into it",
    )


def test_a_secret_access_key_in_any_part_of_a_template_is_found(app: App, stack: Stack) -> None:
    """In the variables of a container, which are a list; in a mapping; in metadata."""
    NoUnmanagedAccessKeys.of(app).require()
    container = {"Environment": [{"Name": "AWS_SECRET_ACCESS_KEY", "Value": VALUE}]}
    CfnResource(stack, "Task", type="AWS::ECS::TaskDefinition", properties={"ContainerDefinitions": [container]})
    CfnMapping(stack, "Mapping", mapping={"prod": {"secretAccessKey": VALUE}})
    stack.template_options.metadata = {"secret_access_key": VALUE}
    assert set(found(app)) == {"Stack/Task", "Stack/Mapping", "Stack/Metadata"}


def test_a_key_that_a_service_makes_is_found(app: App, stack: Stack) -> None:
    """A state machine, a schedule and a runbook call IAM without code, a stack set deploys a template."""
    NoUnmanagedAccessKeys.of(app).require()
    states = {"StartAt": "Key", "States": {"Key": {"Resource": "arn:aws:states:::aws-sdk:iam:createAccessKey"}}}
    step = {"action": "aws:executeAwsApi", "inputs": {"Service": "iam", "Api": "CreateAccessKey"}}
    given = {
        "AWS::SSM::Document": {"Content": {"mainSteps": [step]}},
        "AWS::StepFunctions::StateMachine": {"DefinitionString": json.dumps(states)},
        "AWS::Scheduler::Schedule": {"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:iam:createAccessKey"}},
        "AWS::CloudFormation::StackSet": {
            "TemplateBody": json.dumps({"Resources": {"K": {"Type": "AWS::IAM::AccessKey"}}})
        },
    }
    for kind, properties in given.items():
        CfnResource(stack, kind.rpartition(":")[2], type=kind, properties=properties)
    assert set(found(app)) == {f"Stack/{name}" for name in ("StateMachine", "Schedule", "StackSet", "Document")}


def test_what_only_looks_like_a_key_is_not_found(app: App, stack: Stack) -> None:
    """An id alone, a commit, a hash, a dynamic reference; what an AccessKey deploys, and its consumers."""
    NoUnmanagedAccessKeys.of(app).require()
    CfnOutput(stack, "Id", value=KEY_ID)
    CfnOutput(stack, "Commit", value="0123456789abcdef0123456789abcdef01234567")
    CfnOutput(stack, "Hash", value=f"{KEY_ID} {'0' * 64}")
    key = AccessKey(stack, "Key", user=iam.User(stack, "User"))
    ssm.StringParameter(stack, "Consumer", string_value=key.secret_value("accessKeyId").unsafe_unwrap())
    environment = {"SECRET_ACCESS_KEY": key.secret_value().unsafe_unwrap()}
    code = lambda_.Code.from_inline("def handler(event, context): pass")
    runtime = lambda_.Runtime.PYTHON_3_13
    lambda_.Function(stack, "Function", handler="i.h", runtime=runtime, code=code, environment=environment)
    assert found(app) == {}


def test_an_exemption_has_a_reason_and_covers_what_is_below(app: App, stack: Stack) -> None:
    """And nothing beside it; a rule of a scope finds what is in it."""
    iam.CfnAccessKey(Stack(app, "Elsewhere"), "Raw", user_name="alice")
    NoUnmanagedAccessKeys.of(stack).require()
    scopes = {name: Construct(stack, name) for name in ("Exempt", "ExemptNot")}
    for scope in scopes.values():
        iam.AccessKey(scope, "Raw", user=iam.User(scope, "User"))
    NoUnmanagedAccessKeys.of(scopes["Exempt"]).exempt(reason="a test of the vendor")
    assert set(found(app)) == {"Stack/ExemptNot/Raw/Resource"}
    with pytest.raises(ValueError, match="reason must say why Stack is exempt from no-unmanaged-access-keys, got ''"):
        NoUnmanagedAccessKeys.of(stack).exempt(reason="")


def test_an_app_without_the_rule_is_free(app: App) -> None:
    """Nobody is judged who does not ask."""
    stack = Stack(app, "Stack", env=Environment(account="111122223333", region="eu-west-1"))
    iam.CfnAccessKey(stack, "Raw", user_name="alice")
    assert found(app) == {}
