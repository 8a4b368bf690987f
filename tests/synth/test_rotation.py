"""Rotation by Secrets Manager, the daily look, and the way back on an alarm."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, Duration, Environment, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from synth.templates import KEY, of_type, only, resources

from cdk_iam_access_key import AccessKey, AccessKeyProvider, RotationSchedule

SCHEDULE = "AWS::SecretsManager::RotationSchedule"
DAILY_LOOK = "AWS::Scheduler::Schedule"
RULE = "AWS::Events::Rule"
PERMISSION = "AWS::Lambda::Permission"
COMPLETE_ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:deploy-key-AbCdEf"
HOUR = 3600
DAY = 24 * HOUR


def alarm(stack: Stack, name: str = "Alarm") -> cloudwatch.Alarm:
    """Define an alarm."""
    metric = cloudwatch.Metric(namespace="Mine", metric_name="Denied")
    return cloudwatch.Alarm(stack, name, metric=metric, threshold=1, evaluation_periods=1)


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        ({"rotation_schedule": RotationSchedule.rate(Duration.hours(4))}, {"ScheduleExpression": "rate(4 hours)"}),
        ({"rotation_schedule": RotationSchedule.rate(Duration.hours(48))}, {"ScheduleExpression": "rate(2 days)"}),
        (
            {"rotation_schedule": RotationSchedule.rate(Duration.days(1)), "grace_period": Duration.seconds(0)},
            {"ScheduleExpression": "rate(1 day)"},
        ),
        ({"rotation_schedule": RotationSchedule.rate(Duration.days(999))}, {"ScheduleExpression": "rate(999 days)"}),
        ({"rotation_schedule": RotationSchedule.cron(day="L")}, {"ScheduleExpression": "cron(0 0 L * ? *)"}),
        ({"automatically_after": Duration.days(2)}, {"AutomaticallyAfterDays": 2}),
        ({"automatically_after": Duration.days(1000)}, {"AutomaticallyAfterDays": 1000}),
    ],
    ids=["4 hours", "48 hours", "1 day", "999 days", "last day", "2 days after", "1000 days after"],
)
@pytest.mark.parametrize("imported", [False, True], ids=["own secret", "imported secret"])
def test_secrets_manager_rotates(
    stack: Stack, user: iam.User, given: dict[str, Any], rules: dict[str, Any], *, imported: bool
) -> None:
    """The provider is the rotation function of the secret, from when the key is there on, and not at once."""
    secret = secretsmanager.Secret.from_secret_complete_arn(stack, "Far", COMPLETE_ARN) if imported else None
    AccessKey(stack, "Key", user=user, secret=secret, **given)
    ((name, permission),) = of_type(stack, PERMISSION).items()
    (schedule,) = of_type(stack, SCHEDULE).values()
    assert schedule["Properties"] == {
        "SecretId": only(stack, KEY)["SecretArn"],
        "RotationLambdaARN": only(stack, KEY)["ServiceToken"],
        "RotationRules": rules,
        "RotateImmediatelyOnUpdate": False,
    }
    assert {name, *of_type(stack, KEY)} <= set(schedule["DependsOn"])
    assert permission["Properties"] == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": only(stack, KEY)["ServiceToken"],
        "Principal": "secretsmanager.amazonaws.com",
        "SourceAccount": {"Ref": "AWS::AccountId"},
    }


def test_rotated_keys_share_one_permission(stack: Stack) -> None:
    """A second scheduled key adds its schedule and no permission: the policy of a function has a limit."""
    for name in "AB":
        AccessKey(stack, name, user=iam.User(stack, f"User{name}"), automatically_after=Duration.days(30))
    assert (len(of_type(stack, SCHEDULE)), len(of_type(stack, PERMISSION))) == (2, 1)


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
    assert len(of_type(home, PERMISSION)) == 1
    assert [one["Properties"]["Principal"] for one in of_type(stack, PERMISSION).values()] == ["events.amazonaws.com"]


@pytest.mark.parametrize(
    ("interval", "message"),
    [
        (Duration.hours(3), "at least 4 hours and at most 999 days, got 3 hours; change it"),
        (Duration.minutes(270), "rotation_schedule must be whole hours or days, got 4 hours 30 minutes; change it"),
        (Duration.days(1000), "at least 4 hours and at most 999 days, got 1000 days"),
    ],
    ids=["3 hours", "4.5 hours", "1000 days"],
)
def test_rate_is_bounded(interval: Duration, message: str) -> None:
    """Secrets Manager rotates every four hours at most, and every 999 days at least."""
    with pytest.raises(ValueError, match=message):
        RotationSchedule.rate(interval)


@pytest.mark.parametrize(
    ("expression", "shortest"),
    [
        ("cron(0 16 1 * ? *)", 28 * DAY),
        ("0 16 1 * ? *", 28 * DAY),
        ("cron(0 4/12 * * ? *)", DAY // 2),
        ("cron(0 /8 * * ? *)", DAY // 3),
        ("cron(0 */4 * * ? *)", DAY // 6),
        ("cron(0 2/10 * * ? *)", DAY // 6),
        ("cron(0 0,12 * * ? *)", DAY // 2),
        ("cron(0 8 * * ? *)", DAY),
        ("cron(0 8 1,15 * ? *)", 14 * DAY),
        ("cron(0 8 ? * MON *)", 7 * DAY),
        ("cron(0 8 ? * mon-fri *)", DAY),
        ("cron(0 8 ? * TUE,SAT *)", 3 * DAY),
        ("cron(0 0 ? * SUN#1 *)", None),
        ("cron(0 16 L * ? *)", None),
        ("cron(0 16 SUNL * ? *)", None),
        ("cron(0 16 ? * 2L *)", None),
        ("cron(0 16 29 2 ? *)", None),
        ("cron(0 16 31 4,5 ? *)", None),
        ("cron(0 0 1 JAN,APR,JUL,OCT ? *)", None),
    ],
)
def test_cron_is_accepted(expression: str, shortest: int | None) -> None:
    """What Secrets Manager documents is taken; how close windows open is known where no calendar is needed."""
    schedule = RotationSchedule.cron(expression, window=Duration.hours(1))
    assert schedule.expression == (expression if expression.startswith("cron") else f"cron({expression})")
    assert schedule.closest == (None if shortest is None else shortest - HOUR)


@pytest.mark.parametrize(
    ("schedule", "closest"),
    [
        (RotationSchedule.rate(Duration.hours(6)), 5 * HOUR),
        (RotationSchedule.rate(Duration.days(1)), 0),
        (RotationSchedule.rate(Duration.days(30)), 29 * DAY),
        (RotationSchedule.rate(Duration.days(1), window=Duration.hours(2)), 22 * HOUR),
        (RotationSchedule.cron(hour="/8"), 7 * HOUR),
        (RotationSchedule.cron(hour="4"), 4 * HOUR),
        (RotationSchedule.cron(hour="4", window=Duration.hours(3)), 21 * HOUR),
        (RotationSchedule.cron(hour="20", week_day="MON"), 7 * DAY - 4 * HOUR),
        (RotationSchedule.cron(day="L"), None),
    ],
    ids=lambda value: getattr(value, "expression", value),
)
def test_rotations_come_as_close_as_windows_allow(schedule: RotationSchedule, closest: int | None) -> None:
    """One at the end of its window, the next at the beginning of its own."""
    assert schedule.closest == closest


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RotationSchedule.rate(Duration.days(2), window=Duration.hours(25)), "at most 1 day, got 1 day 1 hour"),
        (lambda: RotationSchedule.rate(Duration.hours(8), window=Duration.hours(9)), "at most 8 hours, got 9 hours"),
        (lambda: RotationSchedule.rate(Duration.hours(9), window=Duration.hours(7)), "at most 6 hours, got 7 hours"),
        (lambda: RotationSchedule.cron(hour="20", window=Duration.hours(5)), "at most 4 hours, got 5 hours"),
        (lambda: RotationSchedule.cron(hour="2/10", window=Duration.hours(3)), "at most 2 hours, got 3 hours"),
        (lambda: RotationSchedule.rate(Duration.days(2), window=Duration.minutes(90)), "window must be whole hours"),
        (lambda: RotationSchedule.rate(Duration.days(2), window=Duration.minutes(30)), "at least 1 hour"),
    ],
    ids=["day", "interval", "last of the day", "end of the day", "last hour", "half hours", "short"],
)
def test_window_is_bounded(make: Callable[[], RotationSchedule], message: str) -> None:
    """A window must not go on into the next one, nor into the next day."""
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_window_reaches_secrets_manager(stack: Stack, user: iam.User) -> None:
    """As the rule's duration, in hours."""
    AccessKey(
        stack,
        "Key",
        user=user,
        rotation_schedule=RotationSchedule.rate(Duration.days(1), window=Duration.hours(2)),
    )
    assert only(stack, SCHEDULE)["RotationRules"] == {"ScheduleExpression": "rate(1 day)", "Duration": "2h"}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "six fields, got '' with 0"),
        ("cron(0 16 1 * ?)", "six fields, got 'cron(0 16 1 * ?)' with 5; write e.g."),
        ("cron(0 16 1 * ? * *)", "with 7"),
        ("rate(4 hours)", "six fields, got 'rate(4 hours)' with 0"),
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
        RotationSchedule.cron(expression)


@pytest.mark.parametrize(
    ("fields", "expression"),
    [
        ({}, "cron(0 0 * * ? *)"),
        ({"hour": "4"}, "cron(0 4 * * ? *)"),
        ({"day": "1", "month": "JAN,JUL"}, "cron(0 0 1 JAN,JUL ? *)"),
        ({"week_day": "MON"}, "cron(0 0 ? * MON *)"),
    ],
    ids=str,
)
def test_cron_is_built_from_fields(fields: dict[str, str], expression: str) -> None:
    """A field that is left out is every day of every month, at midnight."""
    assert RotationSchedule.cron(**fields).expression == expression


def test_cron_is_an_expression_or_fields() -> None:
    """Both could contradict each other."""
    with pytest.raises(ValueError, match="must be an expression or fields, got 'cron"):
        RotationSchedule.cron("cron(0 0 * * ? *)", hour="4")
    with pytest.raises(ValueError, match=r"must have \? as its day-of-month or as its day-of-week"):
        RotationSchedule.cron(day="1", week_day="MON")


MONTHLY = RotationSchedule.rate(Duration.days(30))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"rotation_schedule": MONTHLY, "automatically_after": Duration.days(30)},
            "rotation_schedule must come without automatically_after, got both",
        ),
        ({"rotation_schedule": "rate(1 day)"}, "rotation_schedule must be a RotationSchedule, got an object of str"),
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
            {"rotation_schedule": MONTHLY, "maximum_age": Duration.days(90)},
            "maximum_age must come without rotation_schedule, got both",
        ),
        (
            {"rotation_schedule": RotationSchedule.rate(Duration.hours(4)), "grace_period": Duration.hours(4)},
            "grace_period must be shorter than the time between two rotations by rotation_schedule, got 4 hours, and",
        ),
        (
            {"rotation_schedule": RotationSchedule.cron(hour="/8"), "grace_period": Duration.days(1)},
            "by rotation_schedule, got 1 day, and rotations that may come 7 hours after each other",
        ),
        (
            {"automatically_after": Duration.days(1), "grace_period": Duration.days(2)},
            "by automatically_after, got 2 days, and rotations that may come 0 days after each other",
        ),
        (
            {"rotation_schedule": RotationSchedule.rate(Duration.days(1)), "grace_period": Duration.hours(23)},
            "got 23 hours, and rotations that may come 0 days after each other",
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


def test_key_is_looked_at_daily(stack: Stack, user: iam.User) -> None:
    """A schedule of the provider's group calls the function for this secret, once the key is there."""
    AccessKey(stack, "Key", user=user)
    (daily,) = of_type(stack, DAILY_LOOK).values()
    (group,) = of_type(stack, "AWS::Scheduler::ScheduleGroup")
    (queue,) = of_type(stack, "AWS::SQS::Queue")
    properties = daily["Properties"]
    target = properties["Target"]
    assert properties["ScheduleExpression"] == "rate(1 day)"
    assert properties["GroupName"] == {"Ref": group}
    assert target["Arn"] == only(stack, KEY)["ServiceToken"]
    assert target["Input"] == stack.resolve(
        {"Fn::Join": ["", ['{"Operation":"Look","SecretId":"', only(stack, KEY)["SecretArn"], '"}']]}
    )
    assert "SchedulerRole" in target["RoleArn"]["Fn::GetAtt"][0]
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [queue, "Arn"]}}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": DAY, "MaximumRetryAttempts": 185}
    assert daily["DependsOn"] == list(of_type(stack, KEY))
    assert len(resources(stack)) == 1 + 4 + 9


def test_old_key_needs_no_resource_of_its_own(stack: Stack, user: iam.User) -> None:
    """The daily look finds it."""
    AccessKey(stack, "Key", user=user, maximum_age=Duration.days(90))
    assert only(stack, KEY)["MaximumAge"] == str(90 * DAY)
    assert len(resources(stack)) == 1 + 4 + 9


def test_alarm_goes_back(stack: Stack, user: iam.User) -> None:
    """A rule for just these alarms calls the function with the secret and the alarm's name, and may do so."""
    alarms = [alarm(stack, "One"), alarm(stack, "Two")]
    AccessKey(stack, "Key", user=user, undo_on_alarm=alarms)
    ((name, rule),) = of_type(stack, RULE).items()
    (queue,) = of_type(stack, "AWS::SQS::Queue")
    assert rule["Properties"]["EventPattern"] == {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "resources": [stack.resolve(one.alarm_arn) for one in alarms],
        "detail": {"state": {"value": ["ALARM"]}},
    }
    (target,) = rule["Properties"]["Targets"]
    assert target["Arn"] == only(stack, KEY)["ServiceToken"]
    assert target["InputTransformer"] == {
        "InputPathsMap": {"alarm": "$.detail.alarmName", "time": "$.time"},
        "InputTemplate": {
            "Fn::Join": [
                "",
                ['{"Operation":"Undo","SecretId":"', only(stack, KEY)["SecretArn"], '","Alarm":<alarm>,"Time":<time>}'],
            ]
        },
    }
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [queue, "Arn"]}}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20}
    assert only(stack, PERMISSION) == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": target["Arn"],
        "Principal": "events.amazonaws.com",
        "SourceArn": {"Fn::GetAtt": [name, "Arn"]},
    }


def test_queue_takes_events_of_rules_once(stack: Stack) -> None:
    """However many keys have alarms, the queue's policy has one statement for the rules of the account."""
    for name in "AB":
        AccessKey(stack, name, user=iam.User(stack, f"User{name}"), undo_on_alarm=[alarm(stack, f"Alarm{name}")])
    statements = only(stack, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    (allowed,) = [one for one in statements if one["Effect"] == "Allow"]
    assert (allowed["Action"], allowed["Principal"]) == ("sqs:SendMessage", {"Service": "events.amazonaws.com"})
    assert allowed["Condition"] == {
        "ArnLike": {
            "aws:SourceArn": stack.resolve(f"arn:{stack.partition}:events:{stack.region}:{stack.account}:rule/*")
        }
    }


def test_alarm_may_be_imported(stack: Stack, user: iam.User) -> None:
    """An alarm that another app defines is named by its ARN."""
    arn = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:Denied"
    imported = cloudwatch.Alarm.from_alarm_arn(stack, "Far", arn)
    AccessKey(stack, "Key", user=user, undo_on_alarm=[imported])
    assert only(stack, RULE)["EventPattern"]["resources"] == [arn]


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
    ],
    ids=["empty", "names"],
)
def test_alarms_must_be_alarms(stack: Stack, user: iam.User, given: dict[str, Any], message: str) -> None:
    """An empty list undoes nothing, and a name is no alarm."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKey(stack, "Key", user=user, **given)


def test_alarm_needs_a_grace_period(stack: Stack, user: iam.User) -> None:
    """An alarm goes back within the grace period only."""
    with pytest.raises(ValueError, match="undo_on_alarm must come with a grace_period of a minute or more, got 0"):
        AccessKey(stack, "Key", user=user, undo_on_alarm=[alarm(stack)], grace_period=Duration.seconds(0))


def test_key_without_new_features_has_none_of_their_resources(stack: Stack, user: iam.User) -> None:
    """What is not asked for is not deployed."""
    AccessKey(stack, "Key", user=user)
    assert not {SCHEDULE, RULE, PERMISSION} & {one["Type"] for one in resources(stack).values()}
    assert "events.amazonaws.com" not in json.dumps(resources(stack))
