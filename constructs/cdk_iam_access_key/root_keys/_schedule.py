"""When a guard looks: a rule of EventBridge with a schedule, which is all that can start it besides a person."""

import json
from collections.abc import Mapping

from aws_cdk import Aws, Duration, Fn, Names, Stack, Token
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
    permission = lambda_.CfnPermission(
        scope,
        "SchedulePermission",
        action="lambda:InvokeFunction",
        function_name=guard.function.function_arn,
        principal=_EVENTS,
        source_arn=_rule_arn(scope),
    )
    target = events.CfnRule.TargetProperty(id="Guard", arn=guard.function.function_arn, input=json.dumps(dict(event)))
    return _define_rule(scope, schedule, target, guard, permission)


def start_execution(scope: Construct, machine: sfn.StateMachine, schedule: events.Schedule) -> cloudwatch.Metric:
    """Start a state machine by a schedule, and return the number of starts that failed.

    The role is this one rule's: whoever may make rules or schedules, and pass roles, can't start the machine with it.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
    """
    this_rule = {"aws:SourceArn": _rule_arn(scope), "aws:SourceAccount": Stack.of(scope).account}
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
    return _define_rule(scope, schedule, target, machine)


def _define_rule(
    scope: Construct, schedule: events.Schedule, target: events.CfnRule.TargetProperty, *before: IDependable
) -> cloudwatch.Metric:
    """Define the rule, which is there only when what it starts may do its work."""
    rule = events.CfnRule(
        scope,
        "Schedule",
        name=_rule_name(scope),
        description="Starts a guard of root access keys",
        schedule_expression=schedule.expression_string,
        targets=[target],
    )
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


def _rule_arn(scope: Construct) -> str:
    return Stack.of(scope).format_arn(service="events", resource="rule", resource_name=_rule_name(scope))
