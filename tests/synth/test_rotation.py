"""Rotation by Secrets Manager, and the way back on an alarm."""

import json
import re
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Duration, Environment, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.aws_events import Schedule
from aws_cdk.aws_scheduler import ScheduleExpression
from synth.templates import KEY, arn_of, function, of_type, only

from cdk_iam_access_key import AccessKey, AccessKeyProvider
from cdk_iam_access_key._access_key.rotation_rules import checked_rules

SCHEDULE = "AWS::SecretsManager::RotationSchedule"
RULE = "AWS::Events::Rule"
PERMISSION = "AWS::Lambda::Permission"
COMPLETE_ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:deploy-key-AbCdEf"
HOUR = 3600
DAY = 24 * HOUR


def alarm(stack: Stack, name: str = "Alarm") -> cloudwatch.Alarm:
    """Define an alarm."""
    metric = cloudwatch.Metric(namespace="Mine", metric_name="Denied")
    return cloudwatch.Alarm(stack, name, metric=metric, threshold=1, evaluation_periods=1)


def permissions(stack: Stack, principal: str) -> dict[str, Any]:
    """Return the permissions of a service to call the worker."""
    found = of_type(stack, PERMISSION)
    return {name: one for name, one in found.items() if one["Properties"]["Principal"] == principal}


def undo_rules(stack: Stack) -> dict[str, Any]:
    """Return the rules that wait for alarms."""
    return {name: rule for name, rule in of_type(stack, RULE).items() if "EventPattern" in rule["Properties"]}


@pytest.mark.parametrize(
    ("given", "rules", "text"),
    [
        (
            {"rotation_schedule": Schedule.rate(Duration.hours(4))},
            {"ScheduleExpression": "rate(4 hours)"},
            "rate(4 hours)",
        ),
        (
            {"rotation_schedule": Schedule.rate(Duration.hours(48))},
            {"ScheduleExpression": "rate(2 days)"},
            "rate(2 days)",
        ),
        (
            {"rotation_schedule": Schedule.rate(Duration.days(1)), "grace_period": Duration.seconds(0)},
            {"ScheduleExpression": "rate(1 day)"},
            "rate(1 day)",
        ),
        (
            {"rotation_schedule": Schedule.rate(Duration.days(999))},
            {"ScheduleExpression": "rate(999 days)"},
            "rate(999 days)",
        ),
        (
            {"rotation_schedule": Schedule.cron(minute="0", hour="0", day="L")},
            {"ScheduleExpression": "cron(0 0 L * ? *)"},
            "cron(0 0 L * ? *)",
        ),
        (
            {"rotation_schedule": Schedule.rate(Duration.days(1)), "rotation_window": Duration.hours(2)},
            {"ScheduleExpression": "rate(1 day)", "Duration": "2h"},
            "rate(1 day) for 2 hours",
        ),
        (
            {"automatically_after": Duration.days(2)},
            {"AutomaticallyAfterDays": 2},
            "rate(2 days) since the last rotation",
        ),
        (
            {"automatically_after": Duration.days(1000)},
            {"AutomaticallyAfterDays": 1000},
            "rate(1000 days) since the last rotation",
        ),
    ],
    ids=["4 hours", "48 hours", "1 day", "999 days", "last day", "window", "2 days after", "1000 days after"],
)
@pytest.mark.parametrize("imported", [False, True], ids=["own secret", "imported secret"])
def test_secrets_manager_rotates(
    stack: Stack, user: iam.User, given: dict[str, Any], rules: dict[str, Any], text: str, *, imported: bool
) -> None:
    """The worker is the rotation function of the secret, from when the key is there on, and not at once.

    The key knows the schedule, so that a change of it reaches the key first.
    """
    secret = secretsmanager.Secret.from_secret_complete_arn(stack, "Far", COMPLETE_ARN) if imported else None
    AccessKey(stack, "Key", user=user, secret=secret, **given)
    ((name, permission),) = permissions(stack, "secretsmanager.amazonaws.com").items()
    (schedule,) = of_type(stack, SCHEDULE).values()
    assert schedule["Properties"] == {
        "SecretId": only(stack, KEY)["SecretArn"],
        "RotationLambdaARN": arn_of(function(stack, "worker")),
        "RotationRules": rules,
        "RotateImmediatelyOnUpdate": False,
    }
    assert {name, *of_type(stack, KEY)} <= set(schedule["DependsOn"])
    assert permission["Properties"] == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": arn_of(function(stack, "worker")),
        "Principal": "secretsmanager.amazonaws.com",
        "SourceAccount": {"Ref": "AWS::AccountId"},
    }
    assert only(stack, KEY)["RotationSchedule"] == text


def test_rotated_keys_share_one_permission(stack: Stack) -> None:
    """A second scheduled key adds its schedule and no permission: the policy of a function has a limit."""
    for name in "AB":
        AccessKey(stack, name, user=iam.User(stack, f"User{name}"), automatically_after=Duration.days(30))
    assert (len(of_type(stack, SCHEDULE)), len(permissions(stack, "secretsmanager.amazonaws.com"))) == (2, 1)


def test_key_of_another_stack_rotates_with_its_provider(app: App, stack: Stack, user: iam.User) -> None:
    """The permission is beside the function, and the stacks depend on each other in one direction only."""
    home = Stack(app, "Home")
    provider = AccessKeyProvider(home, "Provider")
    AccessKey(
        stack,
        "Key",
        user=user,
        provider=provider,
        automatically_after=Duration.days(30),
        undo_on_alarm=[alarm(stack)],
    )
    app.synth()
    assert len(permissions(home, "secretsmanager.amazonaws.com")) == 1
    assert len(permissions(home, "events.amazonaws.com")) == 2
    assert of_type(stack, PERMISSION) == {}
    assert [dependency.node.path for dependency in stack.dependencies] == ["Home"]


@pytest.mark.parametrize(
    ("interval", "got"),
    [
        (Duration.hours(3), "rate(3 hours)"),
        (Duration.minutes(270), "rate(270 minutes)"),
        (Duration.days(1000), "rate(1000 days)"),
    ],
    ids=["3 hours", "4.5 hours", "1000 days"],
)
def test_rate_is_bounded(interval: Duration, got: str) -> None:
    """Secrets Manager rotates every four hours at most, and every 999 days at least."""
    message = f"must be a rate of whole hours or days, at least 4 hours and at most 999 days, got {got}; change it"
    with pytest.raises(ValueError, match=re.escape(message)):
        checked_rules(Schedule.rate(interval), None)


@pytest.mark.parametrize(
    ("expression", "shortest", "longest"),
    [
        ("cron(0 16 1 * ? *)", 28 * DAY, 31 * DAY),
        ("cron(0 4/12 * * ? *)", DAY // 2, DAY // 2),
        ("cron(0 /8 * * ? *)", DAY // 3, DAY // 3),
        ("cron(0 */4 * * ? *)", DAY // 6, DAY // 6),
        ("cron(0 2/10 * * ? *)", DAY // 6, 10 * HOUR),
        ("cron(0 0,12 * * ? *)", DAY // 2, DAY // 2),
        ("cron(0 0,12 ? * MON *)", DAY // 2, 6 * DAY + DAY // 2),
        ("cron(0 8 * * ? *)", DAY, DAY),
        ("cron(0 8 1,15 * ? *)", 14 * DAY, 17 * DAY),
        ("cron(0 8 31 * ? *)", 31 * DAY, 61 * DAY),
        ("cron(0 8 ? * MON *)", 7 * DAY, 7 * DAY),
        ("cron(0 8 ? * mon-fri *)", DAY, 3 * DAY),
        ("cron(0 8 ? * TUE,SAT *)", 3 * DAY, 4 * DAY),
        ("cron(0 0 ? * SUN#1 *)", 28 * DAY, 35 * DAY),
        ("cron(0 0 ? * 2#5 *)", 63 * DAY, 119 * DAY),
        ("cron(0 16 L * ? *)", 28 * DAY, 31 * DAY),
        ("cron(0 16 1,L * ? *)", DAY, 30 * DAY),
        ("cron(0 16 SUNL * ? *)", 28 * DAY, 35 * DAY),
        ("cron(0 16 ? * 2L *)", 28 * DAY, 35 * DAY),
        ("cron(0 16 ? * L *)", 28 * DAY, 35 * DAY),
        ("cron(0 16 29 2 ? *)", 1461 * DAY, 1461 * DAY),
        ("cron(0 16 31 4,5 ? *)", 365 * DAY, 366 * DAY),
        ("cron(0 0 1 JAN,APR,JUL,OCT ? *)", 90 * DAY, 92 * DAY),
    ],
)
def test_cron_is_accepted(expression: str, shortest: int, longest: int) -> None:
    """What Secrets Manager documents is taken, and a calendar tells how close and how far apart windows open."""
    rules = checked_rules(Schedule.expression(expression), Duration.hours(1))
    assert rules.expression == expression
    assert (rules.closest, rules.farthest, rules.open_for) == (shortest - HOUR, longest, HOUR)


@pytest.mark.parametrize(
    ("expression", "hours", "closest"),
    [
        ("rate(6 hours)", None, 5 * HOUR),
        ("rate(1 day)", None, 0),
        ("rate(30 days)", None, 29 * DAY),
        ("rate(1 day)", 2, 22 * HOUR),
        ("cron(0 /8 * * ? *)", None, 7 * HOUR),
        ("cron(0 4 * * ? *)", None, 4 * HOUR),
        ("cron(0 4 * * ? *)", 3, 21 * HOUR),
        ("cron(0 20 ? * MON *)", None, 7 * DAY - 4 * HOUR),
        ("cron(0 0 L * ? *)", None, 27 * DAY),
    ],
)
def test_rotations_come_as_close_as_windows_allow(expression: str, hours: int | None, closest: int) -> None:
    """One at the end of its window, the next at the beginning of its own."""
    window = None if hours is None else Duration.hours(hours)
    assert checked_rules(Schedule.expression(expression), window).closest == closest


@pytest.mark.parametrize(
    ("expression", "window", "message"),
    [
        ("rate(2 days)", Duration.hours(25), "at most 1 day, got 1 day 1 hour"),
        ("rate(8 hours)", Duration.hours(9), "at most 8 hours, got 9 hours"),
        ("rate(9 hours)", Duration.hours(7), "at most 6 hours, got 7 hours"),
        ("cron(0 20 * * ? *)", Duration.hours(5), "at most 4 hours, got 5 hours"),
        ("cron(0 2/10 * * ? *)", Duration.hours(3), "at most 2 hours, got 3 hours"),
        ("rate(2 days)", Duration.minutes(90), "rotation_window must be whole hours"),
        ("rate(2 days)", Duration.minutes(30), "at least 1 hour"),
    ],
    ids=["day", "interval", "last of the day", "end of the day", "last hour", "half hours", "short"],
)
def test_window_is_bounded(expression: str, window: Duration, message: str) -> None:
    """A window must not go on into the next one, nor into the next day."""
    with pytest.raises(ValueError, match=re.escape(message)):
        checked_rules(Schedule.expression(expression), window)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("cron(0 16 1 * ?)", "six fields, got 'cron(0 16 1 * ?)' with 5; write e.g. Schedule.cron(minute"),
        ("cron(0 16 1 * ? * *)", "with 7"),
        ("0 16 1 * ? *", "six fields, got '0 16 1 * ? *' with 0"),
        ("at(2027-01-01T00:00:00)", "six fields, got 'at(2027-01-01T00:00:00)' with 0"),
        ("cron(30 16 1 * ? *)", "must have 0 as its minutes"),
        ("cron(* 16 1 * ? *)", "must have 0 as its minutes"),
        ("cron(0 16 1 * ? 2027)", "must have * as its year, got '2027'"),
        ("cron(0 16 1 * MON *)", "must have ? as its day-of-month or as its day-of-week, and not as both, got '1' and"),
        ("cron(0 16 * * * *)", "must have ? as its day-of-month"),
        ("cron(0 16 ? * ? *)", "must have ? as its day-of-month"),
        ("cron(0 * * * ? *)", "must be at least 4 hours apart, got hours '*' with 1 between"),
        ("cron(0 0/3 * * ? *)", "must be at least 4 hours apart, got hours '0/3' with 3 between"),
        ("cron(0 8-10 * * ? *)", "must be at least 4 hours apart"),
        ("cron(0 0,22 * * ? *)", "must be at least 4 hours apart, got hours '0,22' with 2 between"),
        ("cron(0 24 * * ? *)", "must have 0 to 23 as its hours, got '24'"),
        ("cron(0 8,24 * * ? *)", "must have 0 to 23 as its hours, got '8,24'"),
        ("cron(0 8/0 * * ? *)", "must have 0 to 23 as its hours, got '8/0'"),
        ("cron(0 ? * * ? *)", "must have 0 to 23 as its hours, got '?'"),
        ("cron(0 8, * * ? *)", "must have 0 to 23 as its hours, got '8,'"),
        ("cron(0 8 32 * ? *)", "must have 1 to 31 as its day-of-month, got '32'"),
        ("cron(0 8 15-1 * ? *)", "must have 1 to 31 as its day-of-month, got '15-1'"),
        ("cron(0 8 1 13 ? *)", "must have 1 to 12 or JAN to DEC as its month, got '13'"),
        ("cron(0 8 1 MAI ? *)", "must have 1 to 12 or JAN to DEC as its month, got 'MAI'"),
        ("cron(0 8 ? * 0 *)", "must have 1 to 7 or SUN to SAT as its day-of-week, got '0'"),
        ("cron(0 8 15W * ? *)", "must have 1 to 31 as its day-of-month, got '15W'"),
        ("cron(0 8 LW * ? *)", "must have 1 to 31 as its day-of-month, got 'LW'"),
        ("cron(0 8 L-3 * ? *)", "must have 1 to 31 as its day-of-month, got 'L-3'"),
        ("cron(0 8 XYZL * ? *)", "must have 1 to 31 as its day-of-month, got 'XYZL'"),
        ("cron(0 8 ? * XYZL *)", "must have 1 to 7 or SUN to SAT as its day-of-week, got 'XYZL'"),
        ("cron(0 8 ? * FOO#2 *)", "must have 1 to 7 or SUN to SAT as its day-of-week, got 'FOO#2'"),
        ("cron(0 8 30 2 ? *)", "a day-of-month that comes in one of its months, got '30' and '2', which never comes"),
        ("cron(0 8 31 APR,JUN ? *)", "got '31' and 'APR,JUN', which never comes"),
        ("cron(0 8 ? * MON#6 *)", "must have 1 to 7 or SUN to SAT as its day-of-week, got 'MON#6'"),
    ],
)
def test_cron_is_refused(expression: str, message: str) -> None:
    """The mistakes that fail at deployment only, or never rotate, fail at synth and show what is right."""
    with pytest.raises(ValueError, match=re.escape(message)):
        checked_rules(Schedule.expression(expression), None)


def test_cron_by_fields_needs_its_minute() -> None:
    """Left out, it is each minute to the CDK."""
    with pytest.raises(
        ValueError, match=r"must have 0 as its minutes, .*, got '\*'; write e\.g\. Schedule\.cron\(minute"
    ):
        checked_rules(Schedule.cron(hour="4"), None)


def test_schedule_is_known_at_synth(stack: Stack) -> None:
    """What can't be read can't be checked."""
    token = Schedule.expression(CfnParameter(stack, "When").value_as_string)
    with pytest.raises(ValueError, match="rotation_schedule must be known at synth, got a token"):
        checked_rules(token, None)


MONTHLY = Schedule.rate(Duration.days(30))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"rotation_schedule": MONTHLY, "automatically_after": Duration.days(30)},
            "rotation_schedule must come without automatically_after, got both",
        ),
        (
            {"rotation_schedule": "rate(1 day)"},
            "rotation_schedule must be an aws_events.Schedule, got 'rate(1 day)' (str); pass Schedule.rate(Duration.",
        ),
        (
            {"rotation_schedule": ScheduleExpression.rate(Duration.days(1))},
            "rotation_schedule must be an aws_events.Schedule, got an object of _ScheduleExpressionProxy",
        ),
        (
            {"automatically_after": Duration.days(30), "rotation_window": Duration.hours(1)},
            "rotation_window must come with rotation_schedule, got none",
        ),
        ({"automatically_after": Duration.hours(36)}, "automatically_after must be whole days, got 1 day 12 hours"),
        ({"automatically_after": Duration.hours(4)}, "automatically_after must be whole seconds, at least 1 day"),
        ({"automatically_after": Duration.days(1001)}, "at most 1000 days, got 1001 days"),
        (
            {"rotation_schedule": MONTHLY, "status": iam.AccessKeyStatus.INACTIVE},
            "rotation_schedule must come with the status Active, got Inactive",
        ),
        (
            {"automatically_after": Duration.days(30), "status": iam.AccessKeyStatus.INACTIVE},
            "automatically_after must come with the status Active, got Inactive",
        ),
        (
            {"rotation_schedule": Schedule.rate(Duration.hours(4)), "grace_period": Duration.hours(4)},
            "grace_period must be shorter than the time between two rotations by rotation_schedule, got 4 hours, and",
        ),
        (
            {"rotation_schedule": Schedule.cron(minute="0", hour="/8"), "grace_period": Duration.days(1)},
            "by rotation_schedule, got 1 day, and rotations that may come 7 hours after each other",
        ),
        (
            {"automatically_after": Duration.days(1), "grace_period": Duration.days(2)},
            "by automatically_after, got 2 days, and rotations that may come 0 seconds after each other",
        ),
        (
            {"rotation_schedule": Schedule.rate(Duration.days(1)), "grace_period": Duration.hours(23)},
            "got 23 hours, and rotations that may come 0 seconds after each other",
        ),
        (
            {"rotation_schedule": MONTHLY, "retire_when_unused_for": Duration.days(60)},
            "retire_when_unused_for must be shorter than the time between two rotations by rotation_schedule, got 60",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_rotation_that_cannot_work_is_refused(
    stack: Stack, user: iam.User, given: dict[str, Any], message: str
) -> None:
    """The message names both properties that contradict each other."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKey(stack, "Key", user=user, **given)


def test_alarm_goes_back(stack: Stack, user: iam.User) -> None:
    """A rule for just these alarms calls the worker with the secret and all of the event."""
    alarms = [alarm(stack, "One"), alarm(stack, "Two")]
    AccessKey(stack, "Key", user=user, undo_on_alarm=alarms)
    (rule,) = undo_rules(stack).values()
    assert rule["Properties"]["EventPattern"] == {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "resources": [stack.resolve(one.alarm_arn) for one in alarms],
        "detail": {"state": {"value": ["ALARM"]}},
    }
    (target,) = rule["Properties"]["Targets"]
    template = ['{"Operation":"AlarmUndo","SecretId":"', only(stack, KEY)["SecretArn"]]
    assert target == {
        "Id": "Undo",
        "Arn": arn_of(function(stack, "worker")),
        "InputTransformer": {
            "InputTemplate": {"Fn::Join": ["", [*template, '","Event":<aws.events.event.json>}']]},
        },
        "RetryPolicy": {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20},
    }


def test_fifty_keys_with_alarms_share_one_permission(stack: Stack) -> None:
    """The policy of a function has 20,480 bytes: whatever a key adds to it would fill it."""
    one = alarm(stack)
    for index in range(50):
        AccessKey(stack, f"Key{index}", user=iam.User(stack, f"User{index}"), undo_on_alarm=[one])
    found = permissions(stack, "events.amazonaws.com")
    (sweep,) = [name for name in found if "Sweep" in name]
    (shared,) = [permission["Properties"] for name, permission in found.items() if name != sweep]
    assert shared == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": arn_of(function(stack, "worker")),
        "Principal": "events.amazonaws.com",
        "SourceAccount": {"Ref": "AWS::AccountId"},
        "SourceArn": stack.resolve(f"arn:{stack.partition}:events:{stack.region}:{stack.account}:rule/*"),
    }
    assert len(undo_rules(stack)) == 50
    assert len(of_type(stack, PERMISSION)) == 2


def test_alarm_may_be_imported(stack: Stack, user: iam.User) -> None:
    """An alarm that another app defines is named by its ARN."""
    arn = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:Denied"
    imported = cloudwatch.Alarm.from_alarm_arn(stack, "Far", arn)
    AccessKey(stack, "Key", user=user, undo_on_alarm=[imported])
    (rule,) = undo_rules(stack).values()
    assert rule["Properties"]["EventPattern"]["resources"] == [arn]


def test_alarm_of_another_region_is_refused(app: App) -> None:
    """Its events never reach the event bus of the stack's region."""
    place = Stack(app, "Placed", env=Environment(account="111122223333", region="eu-west-1"))
    far = cloudwatch.Alarm.from_alarm_arn(place, "Far", "arn:aws:cloudwatch:us-east-1:111122223333:alarm:Denied")
    with pytest.raises(ValueError, match="and eu-west-1, got one of 111122223333 and us-east-1; define an alarm"):
        AccessKey(place, "Key", user=iam.User(place, "User"), undo_on_alarm=[far])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"undo_on_alarm": []}, "undo_on_alarm must be a list of alarms, got none; pass at least one, or leave it out"),
        (
            {"undo_on_alarm": ["Denied"]},
            "undo_on_alarm must be a list of cloudwatch.IAlarm, got an object of str in it",
        ),
        (
            {"undo_on_alarm": ["Denied"] * 7},
            "undo_on_alarm must be a list of at most 6 alarms, got 7: a rule of EventBridge has room for no more",
        ),
    ],
    ids=["empty", "names", "many"],
)
def test_alarms_must_be_alarms(stack: Stack, user: iam.User, given: dict[str, Any], message: str) -> None:
    """An empty list undoes nothing, a name is no alarm, and a rule has no room for many."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKey(stack, "Key", user=user, **given)


def test_as_many_alarms_as_there_may_be_fit_into_a_rule(stack: Stack, user: iam.User) -> None:
    """A rule's pattern has 2,048 characters, an alarm's name 255; a rule of more is refused at deployment only."""
    arns = [f"arn:aws-us-gov:cloudwatch:us-gov-east-1:111122223333:alarm:{number:0255}" for number in range(6)]
    alarms = [cloudwatch.Alarm.from_alarm_arn(stack, f"Alarm{arn[-1]}", arn) for arn in arns]
    AccessKey(stack, "Key", user=user, undo_on_alarm=alarms)
    (rule,) = [one for one in of_type(stack, "AWS::Events::Rule").values() if "EventPattern" in one["Properties"]]
    assert len(json.dumps(rule["Properties"]["EventPattern"])) <= 2048


def test_alarm_needs_a_grace_period(stack: Stack, user: iam.User) -> None:
    """An alarm goes back within the grace period only."""
    with pytest.raises(ValueError, match="undo_on_alarm must come with a grace_period of a minute or more, got 0"):
        AccessKey(stack, "Key", user=user, undo_on_alarm=[alarm(stack)], grace_period=Duration.seconds(0))


def test_key_without_these_has_none_of_their_resources(stack: Stack, user: iam.User) -> None:
    """What is not asked for is not deployed."""
    AccessKey(stack, "Key", user=user)
    assert of_type(stack, SCHEDULE) == undo_rules(stack) == {}
    assert len(of_type(stack, PERMISSION)) == 1
    assert "RotationSchedule" not in only(stack, KEY)
