"""The templates under the eyes of two checkers, and every statement of every role accounted for.

`tests/cloud/least_privilege` tries the same roles on an account.
"""

import ast
import json
import re
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import Acknowledgment, App, CfnParameter, Duration, Stack, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from aws_cdk.aws_events import Schedule
from botocore import xform_name
from botocore.loaders import create_loader
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from constructs import IConstruct
from synth.templates import ROLE

from cdk_iam_access_key import AccessKey, AccessKeyProvider, Copy, OnKeyLimit

ROOT = Path(__file__).parents[2]
HANDLERS = [ROOT / "lambda" / package for package in ("access_key_provider", "lambda_shared")]
ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:{}-AbCdEf"

# One of each partition.
REGIONS = ["us-east-1", "cn-north-1", "us-gov-west-1"]

NOT_SCHEDULED = "AwsSolutions-SMG4"
WILDCARD = "AwsSolutions-IAM5"
ROLE_PATH = "Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:role/cdk-iam-access-key/{}/*"
# What remains of cdk-nag's findings, and why it may.
REASONS = {
    NOT_SCHEDULED: "the key in it is rotated by a change of `serial`; a schedule is a choice of the app",
    ROLE_PATH: (
        "a list of the keys' roles would lose a removed key's role before its Delete is sent; the path is this "
        "stack's own, and each role under it trusts this stack's functions alone"
    ),
}
IGNORED_BY_CFN_LINT = {
    "W3005": "the CDK writes out dependencies that references imply; said twice is not wrong",
}

# Allowed to the roles and not called by the handler: whose call it is, and what says that it needs this.
ON_BEHALF = {
    "logs:CreateLogStream": "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
    "logs:PutLogEvents": "https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html",
    "kms:Decrypt": "https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html",
    "kms:Encrypt": "https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html",
    "kms:GenerateDataKey": "https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html",
}
# Called by the handler and allowed to everybody who can sign.
NEEDS_NO_PERMISSION = {"sts:GetCallerIdentity"}
# Where an action is not named as its operation.
ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction"}


def several_keys(app: App) -> Stack:
    """Declare keys of all kinds: users and secrets of the stack, imported, known at deployment only, with KMS."""
    stack = Stack(app, "Several")
    encryption_key = kms.Key(stack, "Kms", enable_key_rotation=True)
    far_key = kms.Key.from_key_arn(
        stack, "FarKms", "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    )
    parameter = CfnParameter(stack, "Name").value_as_string
    secret = secretsmanager.Secret
    plain = AccessKey(stack, "Plain", user=iam.User(stack, "User"))
    deliver = "arn:aws:lambda:eu-west-1:111122223333:function:deliver"
    plain.deliver_to(lambda_.Function.from_function_arn(stack, "Deliver", deliver), name="github")
    AccessKey(
        stack,
        "Full",
        user=iam.User(stack, "Named", user_name="named"),
        serial="2026-Q4",
        secret_name="named/key",
        encryption_key=encryption_key,
        description="the build server",
        copies=[
            Copy.parameter("/ci/key", encryption_key=encryption_key),
            Copy.secret("copies/key", in_region="eu-west-1"),
        ],
    )
    AccessKey(
        stack,
        "Imported",
        user=iam.User.from_user_arn(stack, "Far", "arn:aws:iam::111122223333:user/team/far"),
        status=iam.AccessKeyStatus.INACTIVE,
        secret=secret.from_secret_complete_arn(stack, "FarSecret", ARN.format("far")),
    )
    AccessKey(
        stack,
        "ImportedWithKms",
        user=iam.User.from_user_name(stack, "Farther", "farther"),
        secret=secret.from_secret_attributes(
            stack, "FartherSecret", secret_complete_arn=ARN.format("farther"), encryption_key=far_key
        ),
    )
    AccessKey(stack, "Late", user=iam.User.from_user_name(stack, "LateUser", parameter))
    alarm = cloudwatch.Alarm(
        stack,
        "Alarm",
        metric=cloudwatch.Metric(namespace="Mine", metric_name="Denied"),
        threshold=1,
        evaluation_periods=1,
    )
    AccessKey(
        stack,
        "Scheduled",
        user=iam.User(stack, "ScheduledUser"),
        rotation_schedule=Schedule.cron(minute="0", hour="0/12"),
        undo_on_alarm=[alarm],
    )
    AccessKey(
        stack,
        "FarScheduled",
        user=iam.User(stack, "FarScheduledUser"),
        automatically_after=Duration.days(30),
        secret=secret.from_secret_complete_arn(stack, "FarthestSecret", ARN.format("farthest")),
        undo_on_alarm=[alarm],
    )
    reminded = AccessKey(
        stack,
        "Reminded",
        user=iam.User(stack, "RemindedUser"),
        max_active_age=Duration.days(90),
        automatically_after=Duration.days(80),
        grace_period=Duration.seconds(0),
        on_key_limit=OnKeyLimit.remove_unused(),
    )
    reminded.cut_over_after(
        ssm.StringParameter(stack, "Consumer", string_value=reminded.secret_version_id),
    )
    return stack


@pytest.fixture(scope="module")
def example() -> Iterator[Callable[[App], Stack]]:
    """Run app.py once and give what declares its stack."""
    names: dict[str, Any] = runpy.run_path(str(ROOT / "app.py"))
    yield lambda app: names["AccessKeyExample"](app, "AccessKeyExample")
    shutil.rmtree(names["app"].outdir)


@pytest.fixture(params=["example", "several keys"])
def declared(request: pytest.FixtureRequest, app: App, example: Callable[[App], Stack]) -> Stack:
    """Declare the example's stack, and one with keys of all kinds."""
    return example(app) if request.param == "example" else several_keys(app)


def synthesized(stack: Stack) -> str:
    """Synthesize the app of a stack and return the stack's template."""
    app = stack.node.root
    assert isinstance(app, App)
    return Path(app.synth().get_stack_by_name(stack.stack_name).template_full_path).read_text("utf-8")


def acknowledged(stack: Stack) -> dict[str, str]:
    """Acknowledge what remains of cdk-nag's findings where it is found, and return why by construct and finding."""
    reasons: dict[str, str] = {}

    def acknowledge(where: IConstruct, rule: str, finding: str = "", because: str = "") -> None:
        rule_id = f"{rule}[{finding}]" if finding else rule
        reason = REASONS[because or rule]
        Validations.of(where).acknowledge(Acknowledgment(id=f"AwsSolutions::{rule_id}", reason=reason))
        reasons[f"{where.node.path}/Resource {rule_id}"] = reason

    for construct in stack.node.find_all():
        if isinstance(construct, AccessKeyProvider):
            acknowledge(construct.role, WILDCARD, ROLE_PATH.format(stack.stack_name), ROLE_PATH)
        if isinstance(construct, AccessKey):
            rotated = construct.node.try_find_child("RotationSchedule")
            if isinstance(construct.secret.node.default_child, secretsmanager.CfnSecret) and not rotated:
                acknowledge(construct.secret.node.find_child("Resource"), NOT_SCHEDULED)
    return reasons


def found_by_cdk_nag(app: App) -> dict[str, Any]:
    """Return what cdk-nag has reported about a synthesized app."""
    (report,) = json.loads((Path(app.outdir) / "validation-report.json").read_text("utf-8"))["pluginReports"]
    return report


def test_cdk_nag_has_no_finding_left(app: App, declared: Stack) -> None:
    """AwsSolutions finds nothing but what is acknowledged here with its reason, and nothing here is out of date."""
    reasons = acknowledged(declared)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    synthesized(declared)
    findings = found_by_cdk_nag(app)
    assert findings["violations"] == []
    assert {
        f"{construct['constructPath']} {finding['ruleName']}": finding["reason"]
        for finding in findings["suppressedViolations"]
        for construct in finding["violatingConstructs"]
    } == reasons


def test_cdk_nag_looks(app: App) -> None:
    """A wildcard and a secret that nothing rotates are found where nobody has acknowledged them."""
    stack = several_keys(app)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        synthesized(stack)
    findings = found_by_cdk_nag(app)
    assert {finding["ruleName"].partition("[")[0] for finding in findings["violations"]} == {
        NOT_SCHEDULED,
        WILDCARD,
    }


def test_cfn_lint_finds_nothing(declared: Stack) -> None:
    """No error and no warning in any partition."""
    config = ManualArgs(regions=REGIONS, ignore_checks=list(IGNORED_BY_CFN_LINT))
    assert [str(match) for match in lint(synthesized(declared), config=config)] == []


def test_cfn_lint_looks(app: App) -> None:
    """A runtime that Lambda does not have is found in the same template."""
    template = synthesized(several_keys(app)).replace("python3.14", "python3.99")
    assert {match.rule.id for match in lint(template, config=ManualArgs(regions=REGIONS))} > {"W3005"}


def statements(stack: Stack) -> list[dict[str, Any]]:
    """List all statements of all policies in a template: inline in its roles, and those for copies."""
    resources = json.loads(synthesized(stack))["Resources"].values()
    assert not [one["Type"] for one in resources if one["Type"] == "AWS::IAM::ManagedPolicy"]
    roles = [one["Properties"] for one in resources if one["Type"] == ROLE]
    assert not [role for role in roles if "ManagedPolicyArns" in role]
    policies = [policy for role in roles for policy in role["Policies"]]
    policies += [one["Properties"] for one in resources if one["Type"] in {"AWS::IAM::Policy", "AWS::IAM::RolePolicy"}]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    """Return a policy element as the list that it may be written without."""
    return value if isinstance(value, list) else [value]


def allowed_actions(stack: Stack) -> set[str]:
    """Name the actions of all statements in a template."""
    return {action for statement in statements(stack) for action in listed(statement["Action"])}


def test_statements_name_what_they_allow(declared: Stack) -> None:
    """Each allows named actions, and none says what it leaves out."""
    for statement in statements(declared):
        assert {"Action", "Effect", "Resource"} <= statement.keys() <= {"Action", "Effect", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
    assert not [action for action in allowed_actions(declared) if "*" in action or "?" in action]


def test_the_one_wildcard_is_bounded(declared: Stack) -> None:
    """It is for the keys' roles; every other resource is one, a copy by its name and what Secrets Manager adds to it.

    Roles can't be listed: CloudFormation changes policies before it sends the Delete of a removed key, which would then
    no longer have a role to assume.
    """
    wildcards = [
        (statement["Action"], resource)
        for statement in statements(declared)
        for resource in listed(statement["Resource"])
        if "*" in json.dumps(resource) or "?" in json.dumps(resource).replace("-??????", "")
    ]
    roles = f"arn:{declared.partition}:iam::{declared.account}:role/cdk-iam-access-key/{declared.stack_name}/*"
    assert wildcards == [("sts:AssumeRole", declared.resolve(roles))]


def test_callers_of_the_functions_are_bounded(app: App) -> None:
    """Secrets Manager of this account and its rules may call the worker, once for all keys; nobody the other one."""
    resources = json.loads(synthesized(several_keys(app)))["Resources"]
    assert not [one["Type"] for one in resources.values() if one["Type"] == "AWS::Lambda::Url"]
    permissions = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Lambda::Permission"]
    (worker,) = {one["FunctionName"]["Fn::GetAtt"][0] for one in permissions}
    assert resources[worker]["Properties"]["Environment"]["Variables"]["ENTRY_POINTS"] == "worker"
    assert sorted((one["Principal"], set(one) & {"SourceAccount", "SourceArn"}) for one in permissions) == [
        ("events.amazonaws.com", {"SourceArn"}),
        ("events.amazonaws.com", {"SourceAccount", "SourceArn"}),
        ("secretsmanager.amazonaws.com", {"SourceAccount"}),
    ]


def test_roles_trust_one_principal(declared: Stack) -> None:
    """A key's role trusts sessions of the functions' role, and that one trusts Lambda."""
    resources = json.loads(synthesized(declared))["Resources"]
    roles = {name: one["Properties"] for name, one in resources.items() if one["Type"] == ROLE}
    functions = [one["Properties"]["Role"] for one in resources.values() if one["Type"] == "AWS::Lambda::Function"]
    assert functions[0] == functions[1]
    for name, role in roles.items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert (statement.pop("Action"), statement.pop("Effect")) == ("sts:AssumeRole", "Allow")
        if {"Fn::GetAtt": [name, "Arn"]} == functions[0]:
            assert statement == {"Principal": {"Service": "lambda.amazonaws.com"}}
        else:
            assert statement == {
                "Principal": {"AWS": declared.resolve(f"arn:{declared.partition}:iam::{declared.account}:root")},
                "Condition": {"ArnEquals": {"aws:PrincipalArn": functions[0]}},
            }


def handler_calls() -> set[str]:
    """Name what the handler calls: in each module, each name that is an operation of a service it makes a client of."""
    models = create_loader()
    calls = set()
    for file in sorted(file for folder in HANDLERS for file in folder.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
        services = {
            node.args[0].value
            for node in nodes
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) == "boto3.client"
            and isinstance(node.args[0], ast.Constant)
        }
        attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        # A paginator is named by its operation.
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        calls |= {
            f"{service}:{operation}"
            for service in services
            for operation in models.load_service_model(service, "service-2")["operations"]
            if xform_name(operation) in attributes | texts
        }
    return {ACTIONS.get(call, call) for call in calls}


def test_the_roles_allow_what_the_handler_calls(app: App) -> None:
    """No statement without a call, no call without a statement, except what is listed with its reason."""
    calls = handler_calls()
    assert calls > NEEDS_NO_PERMISSION
    assert allowed_actions(several_keys(app)) == (calls - NEEDS_NO_PERMISSION) | ON_BEHALF.keys()


def test_every_client_is_found() -> None:
    """The handler makes clients in the one way that the comparison knows, of services named in its source."""
    sources = [file.read_text("utf-8") for folder in HANDLERS for file in folder.rglob("*.py")]
    calls = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = [call for call in calls if re.fullmatch(r"(boto3|botocore)[\w.]+", ast.unparse(call.func))]
    assert made
    for call in made:
        assert ast.unparse(call.func) == "boto3.client"
        assert isinstance(call.args[0], ast.Constant)
