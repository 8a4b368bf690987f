"""What compliance tools find in a stack of everything, and whether docs/compliance.md says so."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Duration, Stack, Validations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk.aws_events import Schedule
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from cdk_iam_access_key import (
    AccessKey,
    AccessKeyProvider,
    FunctionOptions,
    OrganizationRootKeyGuard,
    RootAccessKeyGuard,
    RootKeyMode,
)

PAGE = Path(__file__).parents[2] / "docs" / "compliance.md"
PACKS = (AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks)
REGIONS = [
    *("us-east-1", "eu-central-1", "ap-southeast-7"),
    *("cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1"),
    *("us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1"),
]
KMS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"


def everything(app: App, *, options: bool) -> Stack:
    """Declare a key and the guards, with the default of each option or with all that a pack may ask for."""
    stack = Stack(app, "Stack")
    user = iam.User.from_user_name(stack, "User", "deploy")
    if not options:
        AccessKey(stack, "Key", user=user)
        RootAccessKeyGuard(stack, "Account")
        OrganizationRootKeyGuard(stack, "Organization", mode=RootKeyMode.DELETE_UNUSED)
        return stack
    key = kms.Key.from_key_arn(stack, "Kms", KMS_KEY)
    common: dict[str, Any] = {
        "vpc": ec2.Vpc.from_vpc_attributes(
            stack,
            "Vpc",
            vpc_id="vpc-0123456789abcdef0",
            availability_zones=["a"],
            private_subnet_ids=["subnet-0123456789abcdef0"],
            private_subnet_route_table_ids=["rtb-0123456789abcdef0"],
        ),
        "security_groups": [ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-0123456789abcdef0")],
        "environment_encryption": key,
        "log_encryption_key": key,
        "tracing": lambda_.Tracing.ACTIVE,
    }
    AccessKeyProvider(stack, "AccessKeyProvider", table_encryption_key=key, reserved_concurrent_executions=5, **common)
    AccessKey(stack, "Key", user=user, encryption_key=key, rotation_schedule=Schedule.rate(Duration.days(30)))
    topic = sns.Topic.from_topic_arn(stack, "Topic", "arn:aws:sns:eu-west-1:111122223333:topic")
    guard: dict[str, Any] = {"notify": topic, "function_options": FunctionOptions(**common)}
    RootAccessKeyGuard(stack, "Account", **guard)
    OrganizationRootKeyGuard(stack, "Organization", mode=RootKeyMode.DELETE_UNUSED, **guard)
    return stack


def found(tmp_path: Path, *, options: bool) -> dict[str, set[str]]:
    """Return where the packs have findings, by the finding's name without that of its pack."""
    app = App(outdir=str(tmp_path))
    everything(app, options=options)
    Validations.of(app).add_plugins(*(pack(app) for pack in PACKS))
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    reports = json.loads((tmp_path / "validation-report.json").read_text("utf-8"))["pluginReports"]
    assert len(reports) == len(PACKS)
    findings = defaultdict(set)
    for finding in (one for report in reports for one in report["violations"]):
        name = finding["ruleName"].partition("[")[0].rpartition("-")[2]
        for construct in finding["violatingConstructs"]:
            findings[name].add(construct["constructPath"].removesuffix("/Resource").rpartition("/")[2])
    return dict(findings)


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading of the page."""
    section = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_page_has_every_finding_that_stays(tmp_path: Path) -> None:
    """And none that does not, each where the page says, with a reason."""
    rows = table("What stays, and why")
    assert all(reason for *_, reason in rows)
    stays = {name: set(where.split(", ")) for names, where, _ in rows for name in names.split(", ")}
    assert found(tmp_path, options=True) == stays


def test_page_has_every_finding_that_an_option_settles(tmp_path: Path) -> None:
    """A stack without options has these in addition, and no others."""
    settled = {name for name, _ in table("What an option settles")}
    stays = {name for names, *_ in table("What stays, and why") for name in names.split(", ")}
    assert found(tmp_path, options=False).keys() == settled | stays
    assert not settled & stays


@pytest.mark.parametrize("options", [False, True], ids=["defaults", "options"])
def test_cfn_lint_finds_nothing_in_any_partition(app: App, *, options: bool) -> None:
    """Beside dependencies that are said twice."""
    everything(app, options=options)
    template = Path(app.synth().get_stack_by_name("Stack").template_full_path).read_text("utf-8")
    assert len(REGIONS) == 11
    config = ManualArgs(regions=REGIONS, ignore_checks=["W3005"])
    assert [str(match) for match in lint(template, config=config)] == []
