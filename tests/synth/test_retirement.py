"""What becomes of the previous key: the properties that the provider gets, and what is refused."""

import re
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Duration, NestedStack, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from aws_cdk.assertions import Annotations, Match
from constructs import Construct
from synth.templates import KEY, of_type, only

from cdk_iam_access_key import AccessKey, OnKeyLimit

CUT_OVER = "Custom::IAMAccessKeyCutOver"
NO_GRACE = Duration.seconds(0)


def test_previous_key_is_kept_for_an_hour_and_a_week(stack: Stack, user: iam.User) -> None:
    """With nothing said, it is Active for an hour and Inactive for a week, and no other key is touched."""
    AccessKey(stack, "Key", user=user)
    properties = only(stack, KEY)
    assert (properties["GracePeriod"], properties["RetentionPeriod"]) == ("3600", "604800")
    assert properties["OnKeyLimit"] == "Fail"
    assert not {"RetireWhenUnusedFor", "OverdueAfter", "MaxActiveAge", "RemoveUnusedAfter", "CutOver"} & set(properties)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"grace_period": NO_GRACE}, {"GracePeriod": "0"}),
        ({"grace_period": Duration.minutes(1)}, {"GracePeriod": "60"}),
        ({"grace_period": Duration.days(90)}, {"GracePeriod": "7776000"}),
        ({"retention_period": Duration.hours(1)}, {"RetentionPeriod": "3600"}),
        ({"retention_period": Duration.days(365)}, {"RetentionPeriod": "31536000"}),
        ({"retire_when_unused_for": Duration.hours(1)}, {"RetireWhenUnusedFor": "3600"}),
        ({"overdue_after": Duration.minutes(61)}, {"OverdueAfter": "3660"}),
        (
            {"max_active_age": Duration.days(90), "automatically_after": Duration.days(80)},
            {"MaxActiveAge": "7776000", "RotationSchedule": "rate(80 days) since the last rotation"},
        ),
        ({"on_key_limit": OnKeyLimit.FAIL}, {"OnKeyLimit": "Fail"}),
        ({"on_key_limit": OnKeyLimit.RETIRE_PREVIOUS}, {"OnKeyLimit": "RetirePrevious"}),
        (
            {"on_key_limit": OnKeyLimit.remove_unused()},
            {"OnKeyLimit": "RemoveUnused", "RemoveUnusedAfter": "7776000"},
        ),
        (
            {"on_key_limit": OnKeyLimit.remove_unused(older_than=Duration.days(1))},
            {"OnKeyLimit": "RemoveUnused", "RemoveUnusedAfter": "86400"},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_rules_reach_the_provider(
    stack: Stack, user: iam.User, given: dict[str, Any], expected: dict[str, str]
) -> None:
    """Durations are passed on as seconds, at their bounds too, and a choice by its name."""
    AccessKey(stack, "Key", user=user, **given)
    properties = only(stack, KEY)
    assert {name: properties[name] for name in expected} == expected
    assert ("RemoveUnusedAfter" in properties) == ("RemoveUnusedAfter" in expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"grace_period": 3600}, "grace_period must be an aws_cdk.Duration, got an object of int; pass e.g."),
        ({"grace_period": Duration.seconds(59)}, "at least 1 minute and at most 90 days, got 59 seconds; change it"),
        ({"grace_period": Duration.millis(500)}, "grace_period must be whole seconds, at least 1 minute"),
        ({"grace_period": Duration.seconds(90.5)}, "grace_period must be whole seconds"),
        ({"grace_period": Duration.days(91)}, "at least 1 minute and at most 90 days, got 91 days; change it"),
        (
            {"retention_period": NO_GRACE},
            "retention_period must be whole seconds, at least 1 hour and at most 365 days",
        ),
        ({"retention_period": Duration.minutes(59)}, "retention_period must be whole seconds, at least 1 hour"),
        ({"retention_period": Duration.days(366)}, "got 366 days; change it"),
        (
            {"retire_when_unused_for": Duration.minutes(59)},
            "retire_when_unused_for must be whole seconds, at least 1 h",
        ),
        ({"retire_when_unused_for": Duration.days(366)}, "at most 365 days, got 366 days"),
        ({"overdue_after": Duration.days(366)}, "at most 365 days, got 366 days"),
        ({"max_active_age": Duration.days(3651)}, "at most 3650 days, got 3651 days"),
        ({"overdue_after": Duration.seconds(30)}, "overdue_after must be whole seconds, at least 1 minute"),
        (
            {"overdue_after": Duration.hours(1)},
            "overdue_after must be longer than grace_period, got 1 hour and 1 hour; nothing can be overdue",
        ),
        ({"max_active_age": Duration.hours(23)}, "max_active_age must be whole seconds, at least 1 day"),
        (
            {"grace_period": NO_GRACE, "retire_when_unused_for": Duration.days(1)},
            "retire_when_unused_for must come with a grace_period of a minute or more, got 0",
        ),
        (
            {"grace_period": NO_GRACE, "overdue_after": Duration.days(1)},
            "overdue_after must come with a grace_period of a minute or more, got 0",
        ),
        ({"on_key_limit": "Fail"}, "on_key_limit must be an OnKeyLimit, got an object of str; pass OnKeyLimit.FAIL"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_rules_that_cannot_work_are_refused(stack: Stack, user: iam.User, given: dict[str, Any], message: str) -> None:
    """The message names the property, what it got and what is allowed."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKey(stack, "Key", user=user, **given)


@pytest.mark.parametrize(
    "name", ["grace_period", "retention_period", "retire_when_unused_for", "overdue_after", "max_active_age"]
)
def test_durations_are_known_at_synth(stack: Stack, user: iam.User, name: str) -> None:
    """A parameter can't be compared with the others, so it is refused."""
    duration = Duration.seconds(CfnParameter(stack, "Seconds", type="Number").value_as_number)
    with pytest.raises(ValueError, match=f"{name} must be known at synth, got a token; pass a Duration of a number"):
        AccessKey(stack, "Key", user=user, **{name: duration})


def test_age_of_an_unused_key_is_a_day_at_least() -> None:
    """A key that was made today may not be used yet."""
    with pytest.raises(ValueError, match="older_than must be whole seconds, at least 1 day"):
        OnKeyLimit.remove_unused(older_than=Duration.hours(23))


def consumer(stack: Stack, key: AccessKey, name: str = "Consumer") -> ssm.StringParameter:
    """Define something that changes with the key."""
    return ssm.StringParameter(stack, name, string_value=key.secret_version_id)


def test_cut_over_waits_for_all_consumers(stack: Stack, user: iam.User) -> None:
    """It comes after the key and every consumer, those named later too, and the provider leaves the end to it."""
    key = AccessKey(stack, "Key", user=user, grace_period=NO_GRACE)
    consumers = [consumer(stack, key, name) for name in ("One", "Two", "Three")]
    key.cut_over_after(*consumers[:2])
    key.cut_over_after(consumers[2])
    (cut_over,) = of_type(stack, CUT_OVER).values()
    (name,) = of_type(stack, KEY)
    assert set(cut_over["DependsOn"]) >= {
        name,
        *(one for one in of_type(stack, "AWS::SSM::Parameter") if not one.startswith("AccessKeyProvider")),
    }
    assert cut_over["Properties"] == {
        "ServiceToken": only(stack, KEY)["ServiceToken"],
        "ServiceTimeout": "330",
        "SecretArn": only(stack, KEY)["SecretArn"],
        "SecretVersionId": {"Fn::GetAtt": [name, "SecretVersionId"]},
    }
    assert only(stack, KEY)["CutOver"] == "Deferred"


def test_nothing_is_cut_over_unless_asked(stack: Stack, user: iam.User) -> None:
    """Without consumers the provider deactivates the previous key itself."""
    AccessKey(stack, "Key", user=user, grace_period=NO_GRACE)
    assert "CutOver" not in only(stack, KEY)
    assert of_type(stack, CUT_OVER) == {}


def test_cut_over_and_grace_period_exclude_each_other(stack: Stack, user: iam.User) -> None:
    """Either time decides or the consumers do; the refused call leaves nothing behind."""
    key = AccessKey(stack, "Key", user=user)
    with pytest.raises(ValueError, match=r"cut_over_after must come with grace_period=Duration.seconds\(0\), got a gr"):
        key.cut_over_after(consumer(stack, key))
    assert of_type(stack, CUT_OVER) == {}
    assert "CutOver" not in only(stack, KEY)


@pytest.mark.parametrize("what", ["nothing", "the key", "its secret", "its stack", "another stack"])
def test_cut_over_needs_consumers_within_reach(app: App, stack: Stack, user: iam.User, what: str) -> None:
    """It can't wait for nothing, for itself, or for a stack that is deployed later."""
    key = AccessKey(stack, "Key", user=user, grace_period=NO_GRACE)
    dependents: dict[str, list[Any]] = {
        "nothing": [],
        "the key": [key],
        "its secret": [key.secret],
        "its stack": [stack],
        "another stack": [Construct(Stack(app, "Other"), "Consumer")] if what == "another stack" else [],
    }
    expected = {
        "nothing": "must have at least one dependent, got none",
        "another stack": "must wait for constructs of the key's stack Stack, got Other/Consumer",
    }.get(what, "must wait for constructs beside the key, got Stack")
    with pytest.raises(ValueError, match=f"cut_over_after {expected}"):
        key.cut_over_after(*dependents[what])
    assert "CutOver" not in only(stack, KEY)


def test_consumer_in_a_nested_stack_is_within_reach(stack: Stack, user: iam.User) -> None:
    """A nested stack is deployed in the key's stack."""
    key = AccessKey(stack, "Key", user=user, grace_period=NO_GRACE)
    nested = NestedStack(stack, "Nested")
    key.cut_over_after(consumer(nested, key))
    (cut_over,) = of_type(stack, CUT_OVER).values()
    (name,) = of_type(stack, "AWS::CloudFormation::Stack")
    assert name in cut_over["DependsOn"]


@pytest.mark.parametrize("field", ["password", "", None])
def test_secret_value_has_two_fields(stack: Stack, user: iam.User, field: Any) -> None:
    """Another field would fail when the consumer is deployed."""
    key = AccessKey(stack, "Key", user=user)
    with pytest.raises(ValueError, match="field must be accessKeyId or secretAccessKey, got"):
        key.secret_value(field)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"automatically_after": Duration.days(30)}, "a rotation by Secrets Manager"),
        ({"undo_on_alarm": True}, "undo_on_alarm"),
        ({}, None),
    ],
    ids=["schedule", "undo", "neither"],
)
def test_pinned_consumer_of_a_key_that_changes_by_itself_is_warned_of(
    stack: Stack, user: iam.User, given: dict[str, Any], named: str | None
) -> None:
    """What changes the key between deployments does not reach a pinned reference."""
    if given.pop("undo_on_alarm", None):
        metric = cloudwatch.Metric(namespace="Mine", metric_name="Denied")
        given["undo_on_alarm"] = [cloudwatch.Alarm(stack, "Alarm", metric=metric, threshold=1, evaluation_periods=1)]
    key = AccessKey(stack, "Key", user=user, **given)
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []
    key.secret_value()
    warnings = Annotations.from_stack(stack).find_warning("/Stack/Key", Match.any_value())
    assert [str(named) in str(warning.entry.data) for warning in warnings] == ([True] if named else [])
