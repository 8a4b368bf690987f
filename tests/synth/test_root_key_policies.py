"""The templates of the guards under the eyes of two checkers."""

import json
from pathlib import Path

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_sns as sns
from cdk_nag import AwsSolutionsChecks
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from cdk_iam_access_key import (
    Accounts,
    DenyRootAccessKeyCreation,
    OrganizationRootKeyGuard,
    RootAccessKeyGuard,
    RootKeyMode,
)

# What remains of cdk-nag's findings, by the end of the construct's path and the rule, and why it may.
REASONS = {
    ("AwsSolutions-S1", "Results"): "its readers are two functions, and each run's own record says what was read",
    (
        "AwsSolutions-IAM5",
        "Role",
    ): "actions on the whole account or organization, or objects of one bucket by their prefix",
    ("AwsSolutions-IAM5", "DefaultPolicy"): "what the CDK writes for logs, traces and the versions of a function",
    ("AwsSolutions-IAM5", "DistributedMapPolicy"): "the executions of this one state machine",
}
IGNORED_BY_CFN_LINT = ["W3005"]


@pytest.fixture
def guarded(app: App) -> Stack:
    """Declare all guards, with a topic."""
    stack = Stack(app, "Guarded")
    topic = sns.Topic(stack, "Topic", enforce_ssl=True)
    RootAccessKeyGuard(stack, "Root", notify=topic)
    OrganizationRootKeyGuard(
        stack, "Org", mode=RootKeyMode.DELETE_UNUSED, accounts=Accounts.excluding(["111111111111"]), notify=topic
    )
    OrganizationRootKeyGuard(stack, "Audit", accounts=Accounts.organizational_units(["ou-ab12-34cd56ef"]))
    DenyRootAccessKeyCreation(stack, "Deny", targets=["r-ab12"])
    return stack


def template(stack: Stack) -> str:
    """Synthesize the app of a stack and return the stack's template."""
    app = stack.node.root
    assert isinstance(app, App)
    return Path(app.synth().get_stack_by_name(stack.stack_name).template_full_path).read_text("utf-8")


def findings(app: App) -> list[tuple[str, str]]:
    """Name the rules that cdk-nag has found broken, and where."""
    (report,) = json.loads((Path(app.outdir) / "validation-report.json").read_text("utf-8"))["pluginReports"]
    return [
        (finding["ruleName"], construct["constructPath"].removesuffix("/Resource"))
        for finding in report["violations"]
        for construct in finding["violatingConstructs"]
    ]


def test_cdk_nag_finds_what_is_known(app: App, guarded: Stack) -> None:
    """AwsSolutions finds nothing but what has its reason here, and nothing here is out of date."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        template(guarded)
    found = {(rule.partition("[")[0], path.rsplit("/", 1)[-1]) for rule, path in findings(app)}
    assert found == REASONS.keys()


def test_cfn_lint_finds_nothing(guarded: Stack) -> None:
    """No error and no warning."""
    config = ManualArgs(regions=["us-east-1"], ignore_checks=IGNORED_BY_CFN_LINT)
    assert [str(match) for match in lint(template(guarded), config=config)] == []
