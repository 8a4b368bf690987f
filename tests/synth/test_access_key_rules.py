"""What an app demands of its keys is judged at synthesis, wherever they are and whatever has changed them since."""

import re
from typing import Any, cast

import jsii
import pytest
from aws_cdk import App, Aspects, CfnCondition, CfnResource, Duration, IAspect, NestedStack, Stack, Stage
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.aws_events import Schedule
from constructs import Construct, IConstruct

from cdk_iam_access_key import AccessKey, AccessKeyRules

AGE = Duration.days(90)
ROTATED: dict[str, Any] = {"automatically_after": Duration.days(80), "max_active_age": AGE}
ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:far-AbCdEf"


def key_in(scope: Construct, name: str = "Key", **given: Any) -> AccessKey:
    """Declare a key of a user of its own."""
    return AccessKey(scope, name, user=iam.User(scope, f"{name}User"), **given)


def broken(app: App) -> list[str]:
    """Synthesize, and return the paths of the keys that break a rule, with the rule."""
    try:
        app.synth()
    except RuntimeError as error:
        return re.findall(r"\] (\S+?):? .*; .* requires (\w+) of", str(error))
    return []


@pytest.mark.parametrize(
    ("rules", "good"),
    [
        ({"max_active_age": AGE}, ROTATED),
        ({"schedule": True}, {"rotation_schedule": Schedule.rate(Duration.days(30))}),
        ({"schedule": True}, {"automatically_after": Duration.days(30)}),
        ({"description": True}, {"description": "for the vendor"}),
    ],
    ids=["age", "schedule", "after", "description"],
)
def test_a_key_that_breaks_a_rule_is_refused(app: App, stack: Stack, rules: dict[str, Any], good: Any) -> None:
    """By its path; one that keeps it is not, and the keys of no rules are free."""
    AccessKeyRules.of(stack).require(**rules)
    key_in(stack, "Bad")
    key_in(stack, "Good", **good)
    key_in(Stack(app, "Other"))
    assert broken(app) == [("Stack/Bad", next(iter(rules)))]


def test_secrets_need_their_own_kms_key(app: App, stack: Stack) -> None:
    """Given, defined, or imported with what is known of it."""
    AccessKeyRules.of(app).require(encryption_key=True)
    kms_key = kms.Key(stack, "KmsKey")
    key_in(stack, "Good", encryption_key=kms_key)
    key_in(stack, "Given", secret=secretsmanager.Secret(stack, "Given Secret", encryption_key=kms_key))
    imported = secretsmanager.Secret.from_secret_attributes(
        stack, "Imported", encryption_key=kms_key, secret_complete_arn=ARN
    )
    key_in(stack, "Known", secret=imported)
    key_in(stack, "Bad")
    key_in(stack, "Plain", secret=secretsmanager.Secret(stack, "PlainSecret"))
    key_in(
        stack, "Far", secret=secretsmanager.Secret.from_secret_complete_arn(stack, "S", ARN.replace("far", "farther"))
    )
    assert broken(app) == [(f"Stack/{name}", "encryption_key") for name in ("Bad", "Plain", "Far")]


def test_alarms_are_demanded(app: App, stack: Stack) -> None:
    """A key goes back by itself."""
    AccessKeyRules.of(app).require(undo_on_alarm=True)
    metric = cloudwatch.Metric(namespace="Mine", metric_name="Denied")
    alarm = cloudwatch.Alarm(stack, "Alarm", metric=metric, threshold=1, evaluation_periods=1)
    key_in(stack, "Good", undo_on_alarm=[alarm])
    key_in(stack, "Bad")
    rules = [
        cast("CfnResource", key_in(stack, name, undo_on_alarm=[alarm]).node.find_child("UndoRule"))
        for name in ("Off", "Sometimes")
    ]
    rules[0].add_property_override("State", "DISABLED")
    rules[1].cfn_options.condition = CfnCondition(stack, "Condition")
    assert broken(app) == [(f"Stack/{name}", "undo_on_alarm") for name in ("Bad", "Off", "Sometimes")]


def test_keys_of_stages_and_nested_stacks_are_judged(app: App, stack: Stack) -> None:
    """An aspect of an app would never see those of a stage; keys that are defined after the rule count too."""
    AccessKeyRules.of(app).require(schedule=True)
    key_in(NestedStack(stack, "Nested"))
    key_in(Stack(Stage(app, "Stage"), "Stack"))
    assert broken(app) == [("Stack/Nested/Key", "schedule"), ("Stage/Stack/Key", "schedule")]


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"automatically_after": Duration.days(80)}, "of at most 90 days, got none; set it"),
        (
            {"automatically_after": Duration.days(90), "max_active_age": Duration.days(100)},
            "of at most 90 days, got 100 days; set it",
        ),
    ],
    ids=["none", "more"],
)
def test_the_message_says_what_to_change(app: App, stack: Stack, given: dict[str, Any], got: str) -> None:
    """And who demands it, and how a key is exempt."""
    AccessKeyRules.of(app).require(max_active_age=AGE)
    key_in(stack, **given)
    message = (
        f"Stack/Key must have a max_active_age {got}; the app requires max_active_age of its access keys, from which "
        "AccessKeyRules.of(key).exempt('max_active_age', reason=…) exempts a key"
    )
    with pytest.raises(RuntimeError, match=re.escape(message)):
        app.synth()


def test_a_key_that_is_inactive_has_no_age(app: App, stack: Stack) -> None:
    """It can't be rotated."""
    AccessKeyRules.of(app).require(max_active_age=AGE, schedule=True)
    key_in(stack, status=iam.AccessKeyStatus.INACTIVE)
    assert broken(app) == []


@jsii.implements(IAspect)
class _Slower:
    """Rotates every key once a year, and takes its alarms' grace for longer."""

    def __init__(self, name: str, value: Any) -> None:
        self._name, self._value = name, value

    def visit(self, node: IConstruct) -> None:
        """Override a property where it is."""
        kind = "AWS::SecretsManager::RotationSchedule" if "." in self._name else "Custom::IAMAccessKey"
        if isinstance(node, CfnResource) and node.cfn_resource_type == kind:
            node.add_property_override(self._name, self._value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RotationRules.AutomaticallyAfterDays", 365),
        ("GracePeriod", str(30 * 86400)),
        ("RetireWhenUnusedFor", str(30 * 86400)),
        ("GracePeriod", {"Ref": "Parameter"}),
        ("RotationRules.AutomaticallyAfterDays", {"Ref": "Parameter"}),
        ("RotationRules.ScheduleExpression", {"Ref": "Parameter"}),
        ("RotationRules.Duration", {"Ref": "Parameter"}),
    ],
    ids=["schedule", "grace", "gate", "unknown", "unknown days", "unknown schedule", "unknown window"],
)
@pytest.mark.parametrize("ruled", [True, False], ids=["rule", "key alone"])
def test_what_an_aspect_overrides_is_judged(app: App, stack: Stack, name: str, value: Any, *, ruled: bool) -> None:
    """The budget of the construct was right when it was made."""
    if ruled:
        AccessKeyRules.of(app).require(max_active_age=AGE)
    key_in(stack, **ROTATED)
    Aspects.of(stack).add(cast("IAspect", _Slower(name, value)))
    with pytest.raises(RuntimeError, match=r"Stack/Key: (max_active_age must be at least|\w+ must be known)"):
        app.synth()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ScheduleExpression", "rate(20 days)"), ("ScheduleExpression", {"Ref": "Parameter"}), ("State", "DISABLED")],
    ids=["slower", "unknown", "off"],
)
@pytest.mark.parametrize("ruled", [True, False], ids=["rule", "key alone"])
def test_a_sweep_that_an_override_slows_down_is_judged(
    app: App, stack: Stack, name: str, value: Any, *, ruled: bool
) -> None:
    """A previous key stays Active until the next one."""
    if ruled:
        AccessKeyRules.of(app).require(max_active_age=AGE)
    rule = key_in(stack, **ROTATED).provider.node.find_child("SweepRule")
    cast("CfnResource", rule).add_property_override(name, value)
    with pytest.raises(
        RuntimeError, match=r"Stack/Key: (max_active_age must be at least|the sweep of the provider mu)"
    ):
        app.synth()


def test_a_schedule_that_is_removed_is_missed(app: App, stack: Stack) -> None:
    """Whoever removes the construct of it."""
    AccessKeyRules.of(app).require(schedule=True)
    key = key_in(stack, automatically_after=Duration.days(80))
    key.node.try_remove_child("RotationSchedule")
    assert broken(app) == [("Stack/Key", "schedule")]


def test_awss_own_kms_key_is_none_of_yours(app: App, stack: Stack) -> None:
    """An aspect may name it outright."""
    AccessKeyRules.of(app).require(encryption_key=True)
    secret = key_in(stack).secret.node.default_child
    cast("CfnResource", secret).add_property_override("KmsKeyId", "alias/aws/secretsmanager")
    assert broken(app) == [("Stack/Key", "encryption_key")]


def test_a_schedule_on_a_condition_is_none(app: App, stack: Stack) -> None:
    """It may not be deployed; the condition of the key itself is another thing."""
    AccessKeyRules.of(app).require(schedule=True)
    condition = CfnCondition(stack, "Condition")
    for name, parts in (("Sometimes", ["RotationSchedule"]), ("Both", ["Resource", "RotationSchedule"])):
        key = key_in(stack, name, automatically_after=Duration.days(80))
        for part in parts:
            cast("CfnResource", key.node.find_child(part)).cfn_options.condition = condition
    assert broken(app) == [("Stack/Sometimes", "schedule")]


def test_an_age_that_only_the_deployment_knows_is_refused(app: App, stack: Stack) -> None:
    """Nobody can say whether it is short enough."""
    AccessKeyRules.of(app).require(max_active_age=AGE)
    key = key_in(stack, **ROTATED)
    cast("CfnResource", key.node.find_child("Resource")).add_property_override("MaxActiveAge", {"Ref": "Parameter"})
    assert broken(app) == [("Stack/Key", "max_active_age")]


def test_a_key_is_exempt_with_a_reason(app: App, stack: Stack) -> None:
    """From the named rules only, with all that is below; the reason is in the metadata."""
    AccessKeyRules.of(app).require(schedule=True, description=True)
    key_in(stack, "Key")
    AccessKeyRules.of(key_in(stack, "Exempt")).exempt("schedule", reason="the vendor takes a key by fax")
    other = Stack(app, "Other")
    key_in(other)
    AccessKeyRules.of(other).exempt("schedule", "description", reason="all by fax")
    assert broken(app) == [
        ("Stack/Key", "schedule"),
        ("Stack/Key", "description"),
        ("Stack/Exempt", "description"),
    ]
    (note,) = [one for one in stack.node.find_child("Exempt").node.metadata if one.type.endswith(":exempt")]
    assert note.data == "schedule: the vendor takes a key by fax"


def test_rules_and_exemptions_are_checked(app: App) -> None:
    """Nothing demanded, a name that is none, and no reason are mistakes."""
    rules = AccessKeyRules.of(app)
    with pytest.raises(ValueError, match="require must have at least one rule, got none; pass max_active_age, sched"):
        rules.require()
    with pytest.raises(ValueError, match="max_active_age must be whole seconds, at least 1 day"):
        rules.require(max_active_age=Duration.hours(1))
    with pytest.raises(ValueError, match=r"exempt must have rules of max_active_age, .*, got rotation"):
        rules.exempt("rotation", reason="none")
    with pytest.raises(ValueError, match=r"exempt must have rules of .*, got none"):
        rules.exempt(reason="none")
    with pytest.raises(ValueError, match="reason must say why the app is exempt from schedule, got ' '"):
        rules.exempt("schedule", reason=" ")
