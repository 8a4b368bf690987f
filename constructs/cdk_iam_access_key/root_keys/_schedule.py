"""When a guard looks: a rule of EventBridge with a schedule, which is all that can start it besides a person."""

import json
from collections.abc import Mapping
from typing import cast

import jsii
from aws_cdk import Aws, Duration, Fn, IStableStringProducer, Lazy, Names, Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct, IDependable

from cdk_iam_access_key._shared.validation import shown
from cdk_iam_access_key.root_keys._function import GuardFunction

_EVENTS = "events.amazonaws.com"
_KINDS = ("rate(", "cron(")
_EXAMPLE = 'pass e.g. Schedule.rate(Duration.days(1)), or Schedule.cron(hour="4", minute="0") for 4:00 UTC'
# A rule's name has 64 characters at most, the id of a stack ends with 36.
_LONGEST_NAME = 27


def checked_schedule(schedule: events.Schedule | None, otherwise: Duration) -> events.Schedule:
    """Return a schedule; if there is none, one with this time between two runs.

    Raises:
        ValueError: It is no schedule that a rule can have. Rules have no time zones: what has one is of another kind.
    """
    if schedule is None:
        return events.Schedule.rate(otherwise)
    if not isinstance(schedule, events.Schedule):
        raise ValueError(  # noqa: TRY004 - one kind of error at synth
            f"schedule must be an aws_events.Schedule, which is in UTC and has no time zone, got {shown(schedule)}; "
            f"{_EXAMPLE}"
        )
    expression = schedule.expression_string
    if not Token.is_unresolved(expression) and not expression.startswith(_KINDS):
        raise ValueError(f"schedule must be a rate or a cron expression, got {expression!r}; {_EXAMPLE}")
    return schedule


def call_function(
    scope: Construct, guard: GuardFunction, schedule: events.Schedule, event: Mapping[str, str]
) -> cloudwatch.Metric:
    """Call a function by a schedule, and return the number of calls that could not be made."""
    rule = _define_rule(scope, schedule)
    permission = lambda_.CfnPermission(
        scope,
        "SchedulePermission",
        action="lambda:InvokeFunction",
        function_name=guard.function.function_arn,
        principal=_EVENTS,
        source_arn=_arn_of(rule),
    )
    target = events.CfnRule.TargetProperty(id="Guard", arn=guard.function.function_arn, input=json.dumps(dict(event)))
    return _start(rule, target, guard, permission)


def start_execution(scope: Construct, machine: sfn.StateMachine, schedule: events.Schedule) -> cloudwatch.Metric:
    """Start a state machine by a schedule, and return the number of starts that failed.

    The role is this one rule's: whoever may make rules or schedules, and pass roles, can't start the machine with it.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
    """
    rule = _define_rule(scope, schedule)
    this_rule = {"aws:SourceArn": _arn_of(rule), "aws:SourceAccount": Stack.of(scope).account}
    start = iam.PolicyStatement(actions=["states:StartExecution"], resources=[machine.state_machine_arn])
    role = iam.Role(
        scope,
        "ScheduleRole",
        assumed_by=iam.PrincipalWithConditions(iam.ServicePrincipal(_EVENTS), {"StringEquals": this_rule}),
        description="Lets one rule start a guard of root access keys",
        inline_policies={"Start": iam.PolicyDocument(statements=[start])},
    )
    target = events.CfnRule.TargetProperty(
        id="Guard", arn=machine.state_machine_arn, role_arn=role.role_arn, input=json.dumps({})
    )
    # The CDK keeps the permissions of a Distributed Map in a policy that comes after the machine.
    return _start(rule, target, machine)


def _define_rule(scope: Construct, schedule: events.Schedule) -> events.CfnRule:
    return events.CfnRule(
        scope,
        "Schedule",
        name=_rule_name(scope),
        description="Starts a guard of root access keys",
        schedule_expression=schedule.expression_string,
    )


def _start(rule: events.CfnRule, target: events.CfnRule.TargetProperty, *before: IDependable) -> cloudwatch.Metric:
    """Give the rule its target; the rule is there only when what it starts may do its work."""
    rule.targets = [target]
    rule.node.add_dependency(*before)
    return cloudwatch.Metric(
        namespace="AWS/Events",
        metric_name="FailedInvocations",
        dimensions_map={"RuleName": rule.ref},
        statistic="Sum",
        period=Duration.minutes(5),
    )


def _rule_name(scope: Construct) -> str:
    """Name the rule before it is there, since its role names it too; no other stack has one of this name."""
    stack_id = Fn.select(2, Fn.split("/", Aws.STACK_ID))
    return f"{Names.unique_resource_name(scope, max_length=_LONGEST_NAME)}-{stack_id}"


@jsii.implements(IStableStringProducer)
class _NameOf:
    """The name that a rule has in the end: an aspect may give it another one."""

    def __init__(self, rule: events.CfnRule) -> None:
        self._rule = rule

    def produce(self) -> str | None:
        return self._rule.name


def _arn_of(rule: events.CfnRule) -> str:
    name = Lazy.string(cast("IStableStringProducer", _NameOf(rule)))
    return Stack.of(rule).format_arn(service="events", resource="rule", resource_name=name)
