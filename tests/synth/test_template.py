"""The template for other languages is the construct, with parameters in place of properties."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Template
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from synth.evaluated import Evaluated

from cdk_iam_access_key import AccessKey, OnKeyLimit
from cdk_iam_access_key.template.build import ARCHIVE, write_template

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "other-languages.md"
KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a/b-AbCdEf"
# It is meant for `package`; the CDK names what a reference orders already; an empty parameter is no ARN.
ALLOWED = {"W1030", "W3002", "W3005"}
# AWS's limits of a template given inline, of its parameters, resources and outputs, and of a description.
LARGEST, MOST_PARAMETERS, MOST_RESOURCES, MOST_OUTPUTS, LONGEST_DESCRIPTION = 51_200, 200, 500, 200, 4000


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Write it twice."""
    return [write_template(tmp_path_factory.mktemp(name)) for name in ("one", "other")]


@pytest.fixture(scope="module")
def template(written: list[list[Path]]) -> dict[str, Any]:
    """Read it."""
    return dict(json.loads(written[0][0].read_text("utf-8")))


def evaluated(template: dict[str, Any], **parameters: str) -> Evaluated:
    """Give parameters to the template, with a user that has a key."""
    return Evaluated(template, {"UserName": "ann", **parameters})


def test_it_is_the_same_whenever_it_is_written(written: list[list[Path]]) -> None:
    """A release that changes nothing updates nobody's function."""
    first, second = written
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.name for path in first] == ["cdk-iam-access-key.template.json", ARCHIVE]


def test_it_passes_cfn_lint(written: list[list[Path]]) -> None:
    """Whatever the conditions are, nothing refers to what is not there."""
    text = written[0][0].read_text("utf-8")
    matches = lint(text, config=ManualArgs(regions=["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"]))
    assert [str(match) for match in matches if match.rule.id not in ALLOWED] == []


def test_it_stays_within_the_limits_of_cloudformation(written: list[list[Path]], template: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html."""
    assert written[0][0].stat().st_size < LARGEST
    assert len(template["Parameters"]) < MOST_PARAMETERS
    assert len(template["Resources"]) < MOST_RESOURCES
    assert len(template["Outputs"]) < MOST_OUTPUTS
    described = [template, *template["Parameters"].values(), *template["Outputs"].values()]
    assert all(len(one.get("Description", "")) < LONGEST_DESCRIPTION for one in described)


def test_it_names_nothing_that_only_one_stack_can_have(template: dict[str, Any]) -> None:
    """It is deployed under any name, as often as one likes, without CAPABILITY_NAMED_IAM."""
    names = ("RoleName", "FunctionName", "TableName", "LogGroupName", "Name")
    given = [resource["Properties"].get(one) for resource in template["Resources"].values() for one in names]
    assert not [name for name in given if isinstance(name, str)]
    assert "Parent" not in json.dumps(template["Resources"])


def options(**given: Any) -> Callable[[Stack], dict[str, Any]]:
    """Give options of the construct that need no stack."""
    return lambda _: given


SAME: list[tuple[dict[str, str], Callable[[Stack], dict[str, Any]]]] = [
    ({}, options()),
    ({"Serial": "2026-Q4", "Status": "Inactive"}, options(serial="2026-Q4", status=iam.AccessKeyStatus.INACTIVE)),
    ({"Description": "the build server"}, options(description="the build server")),
    ({"SecretName": "team/key"}, options(secret_name="team/key")),
    ({"EncryptionKeyArn": KEY_ARN}, lambda stack: {"encryption_key": kms.Key.from_key_arn(stack, "Kms", KEY_ARN)}),
    (
        {"SecretArn": SECRET},
        lambda stack: {"secret": secretsmanager.Secret.from_secret_complete_arn(stack, "Far", SECRET)},
    ),
    ({"GracePeriod": "0"}, options(grace_period=Duration.seconds(0))),
    ({"RetentionPeriod": "86400"}, options(retention_period=Duration.days(1))),
    (
        {"GracePeriod": "7200", "RetireWhenUnusedFor": "10800", "OverdueAfter": "14400"},
        options(
            grace_period=Duration.hours(2),
            retire_when_unused_for=Duration.hours(3),
            overdue_after=Duration.hours(4),
        ),
    ),
    ({"OnKeyLimit": "RetirePrevious"}, options(on_key_limit=OnKeyLimit.RETIRE_PREVIOUS)),
    ({"OnKeyLimit": "RemoveUnused"}, options(on_key_limit=OnKeyLimit.remove_unused())),
    ({"RotationSchedule": "rate(30 days)"}, options(rotation_schedule=events.Schedule.rate(Duration.days(30)))),
    (
        {"RotationSchedule": "rate(30 days)", "MaxActiveAge": "5184000"},
        options(rotation_schedule=events.Schedule.rate(Duration.days(30)), max_active_age=Duration.days(60)),
    ),
    (
        {"RotationSchedule": "cron(0 4 1 * ? *)", "RotationWindow": "2h"},
        options(
            rotation_schedule=events.Schedule.cron(minute="0", hour="4", day="1"), rotation_window=Duration.hours(2)
        ),
    ),
]


@pytest.mark.parametrize(("parameters", "given"), SAME)
def test_parameters_are_the_construct_s_properties(
    app: App,
    template: dict[str, Any],
    parameters: dict[str, str],
    given: Callable[[Stack], dict[str, Any]],
) -> None:
    """The same key, secret, schedule and permissions come of both, also of the defaults."""
    stack = Stack(app, "Same")
    user = iam.User.from_user_name(stack, "User", "ann")
    AccessKey(stack, "Key", user=user, **given(stack))
    declared = Template.from_stack(stack).to_json()["Resources"]
    assert _of_key(evaluated(template, **parameters).resources, template["Resources"]) == _of_key(
        {name: one.get("Properties", {}) for name, one in declared.items()}, declared
    )


def test_a_parameter_names_the_key_to_adopt(app: App, template: dict[str, Any]) -> None:
    """As the construct does, and nothing else changes."""
    stack = Stack(app, "Same")
    AccessKey(stack, "Key", user=iam.User.from_user_name(stack, "User", "ann")).adopt("AKIAIOSFODNN7EXAMPLE")
    declared = Template.from_stack(stack).to_json()["Resources"]
    assert _of_key(evaluated(template, AdoptedKey="AKIAIOSFODNN7EXAMPLE").resources, template["Resources"]) == _of_key(
        {name: one.get("Properties", {}) for name, one in declared.items()}, declared
    )


def _of_key(properties: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """Take what a key is made of, with the types of the resources in place of their logical ids."""
    kinds = {name: declared[name]["Type"] for name in properties}
    of_key = {
        "Custom::IAMAccessKey",
        "AWS::SecretsManager::Secret",
        "AWS::SecretsManager::RotationSchedule",
    }
    found = {kind: properties[name] for name, kind in kinds.items() if kind in of_key}
    found["role"] = next(
        one for name, one in properties.items() if one.get("Description", "").startswith("Manages the access keys")
    )
    text = json.dumps(found, sort_keys=True)
    for name, kind in kinds.items():
        text = text.replace(f'"{name}"', f'"{kind}"')
    # The stack's name is known to the CDK, and a path is written in one piece.
    text = text.replace(" for 2h", " for 2 hours")
    text = re.sub(r'"Path": .*?, "Policies"', '"Policies"', text)
    return dict(json.loads(text))


def test_a_user_with_a_path_is_named_by_both(template: dict[str, Any]) -> None:
    """Its ARN is what the key's role may act on."""
    role = evaluated(template, UserPath="/team/").resources["KeyRole"]
    arn = role["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"]["Fn::Join"][1]
    assert arn[-1] == ":user/team/ann"


@pytest.mark.parametrize(
    ("parameters", "roles"),
    [
        ({"UserName": "ben"}, 2),
        ({"SecretArn": SECRET}, 2),
        ({"Serial": "2"}, 1),
        ({"UserPath": "/team/"}, 1),
        ({"EncryptionKeyArn": KEY_ARN}, 1),
    ],
)
def test_another_user_or_secret_is_another_role(
    template: dict[str, Any], parameters: dict[str, str], roles: int
) -> None:
    """The old role has its rights until the old key is deleted: IAM replaces a role whose path changes."""
    paths = [evaluated(template, **given).resources["KeyRole"]["Path"] for given in ({}, parameters)]
    assert len({json.dumps(path) for path in paths}) == roles


def test_a_key_of_another_stack_s_provider_brings_none(template: dict[str, Any]) -> None:
    """It has what that stack exports, and CloudFormation keeps an export that is imported."""
    resources = evaluated(template, Provider="Platform", RotationSchedule="rate(30 days)").resources
    assert set(resources) == {"Key", "KeyRole", "KeySecret", "KeyRotationSchedule"}
    exports = {output["Export"]["Name"]["Fn::Sub"] for output in template["Outputs"].values() if "Export" in output}
    imported = set(re.findall(r'"Fn::ImportValue": {"Fn::Sub": "\${Provider}(.*?)"', json.dumps(template["Resources"])))
    assert exports == {f"${{AWS::StackName}}{name}" for name in imported}
    assert "ProviderFunction" not in json.dumps(resources)


def test_a_provider_may_stand_alone(template: dict[str, Any]) -> None:
    """A platform team has a stack that outlives each key."""
    resources = Evaluated(template, {"RotationSchedule": "rate(30 days)"}).resources
    assert {name for name in resources if not name.startswith("Provider")} == set()


REFUSED = [
    ("UserName", "root"),
    ("UserName", "team/ann"),
    ("UserName", "a" * 65),
    ("UserPath", "team"),
    ("UserPath", "//"),
    ("Serial", ""),
    ("Serial", " "),
    ("Status", "active"),
    ("Description", "a\nb"),
    ("SecretName", "a b"),
    ("SecretName", "a" * 257),
    ("SecretArn", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:name"),
    ("EncryptionKeyArn", "arn:aws:kms:eu-west-1:111122223333:alias/mine"),
    ("OnKeyLimit", "fail"),
    ("AdoptedKey", "ASIAIOSFODNN7EXAMPLE"),
    ("RotationSchedule", "rate(3 hours)"),
    ("RotationSchedule", "rate(1 days)"),
    ("RotationSchedule", "rate(30 minutes)"),
    ("RotationSchedule", "cron(30 4 1 * ? *)"),
    ("RotationSchedule", "cron(0 4 ? * ? 2027)"),
    ("RotationSchedule", "30"),
    ("RotationWindow", "0h"),
    ("RotationWindow", "25h"),
    ("Provider", "arn:aws:cloudformation:eu-west-1:111122223333:stack/a/b"),
    ("PermissionsBoundary", "boundary"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_bad_parameter_is_refused_with_what_it_must_be(template: dict[str, Any], name: str, value: str) -> None:
    """CloudFormation says so before it makes anything."""
    parameter = template["Parameters"][name]
    assert not _allowed(parameter, value)
    assert parameter["ConstraintDescription"].startswith("must ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UserName", "rooted"),
        ("UserName", "a+=,.@_-Z9"),
        ("UserPath", "/a/b.c/"),
        ("Serial", "x"),
        ("SecretArn", SECRET),
        ("EncryptionKeyArn", "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd"),
        ("RotationSchedule", "rate(1 day)"),
        ("RotationSchedule", "rate(4 hours)"),
        ("RotationSchedule", "cron(0 0/8 ? * MON#1 *)"),
        ("RotationWindow", "24h"),
        ("Provider", "StackSet-keys-0a1b2c3d"),
        ("PermissionsBoundary", "arn:aws:iam::111122223333:policy/team/boundary"),
    ],
)
def test_a_good_parameter_passes(template: dict[str, Any], name: str, value: str) -> None:
    """What the construct takes, the template takes."""
    assert _allowed(template["Parameters"][name], value)


def _allowed(parameter: dict[str, Any], value: str) -> bool:
    return (
        len(value) <= parameter.get("MaxLength", LONGEST_DESCRIPTION)
        and value in map(str, parameter.get("AllowedValues", [value]))
        and re.fullmatch(parameter.get("AllowedPattern", ".*"), value, re.DOTALL) is not None
    )


def test_every_default_is_allowed(template: dict[str, Any]) -> None:
    """Nothing but the user must be given."""
    for name, parameter in template["Parameters"].items():
        assert (name, _allowed(parameter, str(parameter["Default"]))) == (name, True)


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"UserName": "", "Provider": "Platform"}, "UserName must be given"),
        ({"SecretArn": SECRET, "SecretName": "mine"}, "SecretName must be empty"),
        ({"Status": "Inactive", "RotationSchedule": "rate(30 days)"}, "RotationSchedule must be empty"),
        ({"RotationWindow": "2h"}, "RotationWindow must come with"),
        ({"MaxActiveAge": "7776000"}, "MaxActiveAge must come with"),
        ({"GracePeriod": "0", "OverdueAfter": "3600"}, "RetireWhenUnusedFor and OverdueAfter must be 0"),
    ],
)
def test_parameters_that_exclude_each_other_are_refused(
    template: dict[str, Any], parameters: dict[str, str], why: str
) -> None:
    """A rule of the template says which, before anything is made."""
    (refusal,) = evaluated(template, **parameters).refusals
    assert refusal.startswith(why)


def test_parameters_that_agree_are_not_refused(template: dict[str, Any]) -> None:
    """The rules refuse nothing of what is the same as with the construct."""
    assert [evaluated(template, **parameters).refusals for parameters, _ in SAME] == [[]] * len(SAME)


def test_the_documentation_lists_the_parameters_with_their_defaults(template: dict[str, Any]) -> None:
    """The table is the template's."""
    table = re.findall(r"^\| `(\w+)` \| (\S+) \|", DOCUMENTATION.read_text("utf-8"), flags=re.MULTILINE)
    defaults = {name: parameter["Default"] for name, parameter in template["Parameters"].items()}
    assert table == [(name, "none" if default == "" else f"`{default}`") for name, default in defaults.items()]
