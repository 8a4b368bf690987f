"""What a company lays over its apps: paths, boundaries, roles made beforehand, tags, removal policies, stages."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsii
import pytest
from aws_cdk import (
    App,
    Aspects,
    BootstraplessSynthesizer,
    CfnResource,
    CliCredentialsStackSynthesizer,
    DefaultStackSynthesizer,
    Environment,
    IAspect,
    LegacyStackSynthesizer,
    NestedStack,
    Stack,
    Stage,
    Tags,
    pipelines,
)
from aws_cdk import aws_codecommit as codecommit
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template
from constructs import IConstruct
from synth.templates import KEY, ROLE, function, key_role, of_type, only, provider_role, resources, statements

from cdk_iam_access_key import (
    AccessKey,
    AccessKeyProvider,
    OrganizationRootKeyGuard,
    RootAccessKeyGuard,
)

BOUNDARY = "arn:aws:iam::111122223333:policy/boundary"


@jsii.implements(IAspect)
class OnEach:
    """Does something with each resource, after the app was built."""

    def __init__(self, change: Callable[[CfnResource], None]) -> None:
        """Take what to do."""
        self._change = change

    def visit(self, node: IConstruct) -> None:
        """Do it."""
        if isinstance(node, CfnResource):
            self._change(node)


def everything(stack: Stack) -> None:
    """Declare a key and each guard."""
    AccessKey(stack, "Key", user=iam.User(stack, "User"))
    RootAccessKeyGuard(stack, "Account")
    OrganizationRootKeyGuard(stack, "Organization")


def test_a_path_by_an_aspect_leaves_the_keys_roles_where_the_provider_looks_for_them(stack: Stack) -> None:
    """The roles of functions get the company's path; `role_path` gives the keys' roles one below it."""

    def give_path(node: CfnResource) -> None:
        if isinstance(node, iam.CfnRole):
            node.path = "/company/"

    AccessKeyProvider(stack, "AccessKeyProvider", role_path="/company/keys/")
    AccessKey(stack, "Key", user=iam.User(stack, "User"))
    Aspects.of(stack).add(OnEach(give_path))
    _, role = key_role(stack)
    provider = provider_role(stack)
    assert provider["Path"] == "/company/"
    assert role["Path"]["Fn::Join"][1][0] == "/company/keys/"
    (assume,) = [one for one in statements(provider) if one["Action"] == "sts:AssumeRole"]
    assert assume["Resource"]["Fn::Join"][1][-1] == ":role/company/keys/*"
    # Its ARN has the path, and CloudFormation knows it.
    trust = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert "Fn::GetAtt" in trust["ArnEquals"]["aws:PrincipalArn"]


@pytest.mark.parametrize("way", ["PermissionsBoundary.of", "context", "aspect", "custom qualifier"])
def test_a_permissions_boundary_reaches_every_role(tmp_path: Path, way: str) -> None:
    """Those of the keys, too."""
    context: dict[str, Any] = {"@aws-cdk/core:permissionsBoundary": {"name": "boundary"}}
    if way == "custom qualifier":
        context = {
            "@aws-cdk/core:permissionsBoundary": {"name": "cdk-${Qualifier}-boundary"},
            "@aws-cdk/core:bootstrapQualifier": "mine",
        }
    by_context = way in {"context", "custom qualifier"}
    app = App(outdir=str(tmp_path), context=context if by_context else None)
    stack = Stack(app, "Stack")
    everything(stack)
    if way == "PermissionsBoundary.of":
        iam.PermissionsBoundary.of(app).apply(iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", BOUNDARY))
    elif way == "aspect":

        def give_boundary(node: CfnResource) -> None:
            if node.cfn_resource_type == ROLE:
                node.add_property_override("PermissionsBoundary", BOUNDARY)

        Aspects.of(app).add(OnEach(give_boundary))
    roles = of_type(stack, ROLE)
    assert len(roles) > 5
    expected = "mine-boundary" if way == "custom qualifier" else "boundary"
    assert all(expected in json.dumps(one["Properties"]["PermissionsBoundary"]) for one in roles.values())


def test_roles_made_beforehand(stack: Stack) -> None:
    """The provider uses the one that the company made; nothing is added beside it, and keys trust it."""
    iam.Role.customize_roles(stack, use_precreated_roles={"Stack/AccessKeyProvider/Role": "precreated"})
    AccessKey(stack, "Key", user=iam.User(stack, "User"))
    _, role = key_role(stack)
    assert len(of_type(stack, ROLE)) == 1
    assert not of_type(stack, "AWS::IAM::Policy")
    for name in ("provider", "worker"):
        assert json.dumps(resources(stack)[function(stack, name)]["Properties"]["Role"]).endswith(
            ':role/precreated"]]}'
        )
    trusted = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    assert json.dumps(trusted).endswith(':role/precreated"]]}')


def test_report_of_roles_to_make_lists_what_the_provider_needs(app: App, stack: Stack, tmp_path: Path) -> None:
    """Whoever makes the role beforehand copies it from there."""
    iam.Role.customize_roles(stack, prevent_synthesis=False)
    AccessKey(stack, "Key", user=iam.User(stack, "User"))
    app.synth()
    report = (tmp_path / "cdk.out" / "iam-policy-report.json").read_text()
    roles = {role["roleConstructPath"]: role for role in json.loads(report)["roles"]}
    role = roles["Stack/AccessKeyProvider/Role"]
    for action in ("sts:AssumeRole", "dynamodb:PutItem", "events:PutEvents", "logs:PutLogEvents"):
        assert action in json.dumps(role["identityPolicyStatements"])


def test_names_by_an_aspect_reach_all_that_refers_to_them(stack: Stack) -> None:
    """Nothing in the template spells a name that somebody may change later."""

    def give_name(node: CfnResource) -> None:
        if isinstance(node, dynamodb.CfnTable):
            node.table_name = "named"
        elif isinstance(node, logs.CfnLogGroup):
            node.log_group_name = f"named-{node.node.addr}"
        elif isinstance(node, lambda_.CfnFunction):
            node.function_name = f"named-{node.node.addr}"

    everything(stack)
    Aspects.of(stack).add(OnEach(give_name))
    named = [one for one in resources(stack).values() if "named" in json.dumps(one)]
    assert {one["Type"] for one in named} == {"AWS::DynamoDB::Table", "AWS::Logs::LogGroup", "AWS::Lambda::Function"}
    assert all(json.dumps(one).count("named") == 1 for one in named)


def test_a_rule_that_an_aspect_names_still_starts_its_guard(stack: Stack) -> None:
    """The permission and the role that name the rule, because they come before it, name it as it is in the end."""

    def give_name(node: CfnResource) -> None:
        if isinstance(node, events.CfnRule):
            node.name = f"named-{node.node.addr}"

    everything(stack)
    Aspects.of(stack).add(OnEach(give_name))
    everywhere = json.dumps(resources(stack))
    for name in ("Account", "Organization"):
        rule = stack.node.find_child(name).node.find_child("Schedule")
        assert everywhere.count(f"named-{rule.node.addr}") == 2


def test_tags_of_the_app_are_on_what_can_have_tags(app: App, stack: Stack) -> None:
    """The key itself has none: a change of tags does not change it."""
    everything(stack)
    Tags.of(app).add("cost-center", "4711")
    assert "4711" not in json.dumps(only(stack, KEY))
    for kind in ("AWS::SecretsManager::Secret", ROLE, "AWS::Lambda::Function", "AWS::DynamoDB::Table"):
        for one in of_type(stack, kind).values():
            assert {"Key": "cost-center", "Value": "4711"} in one["Properties"]["Tags"]


SYNTHESIZERS: dict[str, Callable[[], Any]] = {
    "default": DefaultStackSynthesizer,
    "qualifier": lambda: DefaultStackSynthesizer(qualifier="mine", file_assets_bucket_name="company-assets"),
    "CLI credentials": CliCredentialsStackSynthesizer,
    "legacy": LegacyStackSynthesizer,
}


@pytest.mark.parametrize("synthesizer", SYNTHESIZERS)
@pytest.mark.parametrize("env", [None, Environment(account="111122223333", region="eu-west-1")], ids=["any", "known"])
def test_every_synthesizer_that_takes_assets(tmp_path: Path, synthesizer: str, env: Environment | None) -> None:
    """Also for a stack that may be deployed to any account and region, and for a stack nested in it."""
    app = App(outdir=str(tmp_path))
    stack = Stack(app, "Stack", env=env, synthesizer=SYNTHESIZERS[synthesizer]())
    everything(stack)
    AccessKey(NestedStack(stack, "Nested"), "Key", user=iam.User(stack, "NestedUser"))
    template = app.synth().get_stack_by_name("Stack").template
    assert KEY in {one["Type"] for one in template["Resources"].values()}


def test_a_synthesizer_without_assets_is_refused_by_the_cdk(app: App) -> None:
    """The functions' code has to be uploaded."""
    stack = Stack(app, "Stack", synthesizer=BootstraplessSynthesizer())
    with pytest.raises(RuntimeError, match="Cannot add assets to a Stack that uses the BootstraplessSynthesizer"):
        AccessKey(stack, "Key", user=iam.User(stack, "User"))


def test_stages_of_a_pipeline(app: App) -> None:
    """Each stage has a provider of its own, and the pipeline publishes the code once."""
    stack = Stack(app, "Pipeline", env=Environment(account="111122223333", region="eu-west-1"))
    repository = codecommit.Repository(stack, "Repository", repository_name="app")
    source = pipelines.CodePipelineSource.code_commit(repository, "main")
    pipeline = pipelines.CodePipeline(
        stack, "Pipeline", synth=pipelines.ShellStep("Synth", input=source, commands=["cdk synth"])
    )
    templates = []
    for name in ("Test", "Production"):
        stage = Stage(app, name, env=Environment(account="111122223333", region="eu-west-1"))
        keys = Stack(stage, "Keys")
        AccessKey(keys, "Key", user=iam.User(keys, "User"))
        pipeline.add_stage(stage)
        templates.append(Template.from_stack(keys).to_json()["Resources"])
    codes = [
        json.dumps(one) for template in templates for one in template.values() if one["Type"] == "AWS::Lambda::Function"
    ]
    app.synth()
    assert len(codes) == 4
    publishing = [
        one["Properties"]["Name"]
        for one in of_type(stack, "AWS::CodeBuild::Project").values()
        if "Name" in one["Properties"]
    ]
    assert len(publishing) == len(set(publishing))
