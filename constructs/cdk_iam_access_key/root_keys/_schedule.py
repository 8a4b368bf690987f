"""When a guard looks: a schedule of EventBridge Scheduler, with a role and a dead-letter queue of its own."""

import json
from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk_iam_access_key._shared.dead_letter_queue import define_dead_letter_queue
from cdk_iam_access_key.root_keys._function import GuardFunction

# The next run is never far, so what could not be begun within the hour is left.
_LONGEST_DELAY = 3600
_RETRIES = 20


def call_function(scope: Construct, guard: GuardFunction, schedule: events.Schedule, event: Mapping[str, str]) -> None:
    """Call a function by a schedule, which is there only when the function may do what it does."""
    arn = guard.function.function_arn
    _define(scope, arn, "lambda:InvokeFunction", schedule, event).node.add_dependency(guard)


def start_execution(scope: Construct, machine: sfn.StateMachine, schedule: events.Schedule) -> None:
    """Start a state machine by a schedule, which is there only when the machine may do what it does.

    A rate without a start date fires at once, and the CDK keeps the permissions of a Distributed Map in a policy that
    comes after the machine.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """
    arn = machine.state_machine_arn
    _define(scope, arn, "states:StartExecution", schedule, {}).node.add_dependency(machine)


def _define(
    scope: Construct, target_arn: str, action: str, schedule: events.Schedule, event: Mapping[str, str]
) -> scheduler.CfnSchedule:
    queue = define_dead_letter_queue(scope)
    start = iam.PolicyStatement(actions=[action], resources=[target_arn])
    dead_letters = iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn])
    trusted = iam.PrincipalWithConditions(
        iam.ServicePrincipal("scheduler.amazonaws.com"),
        {"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
    )
    role = iam.Role(
        scope,
        "SchedulerRole",
        assumed_by=trusted,
        description="Lets a schedule start a guard of root access keys",
        inline_policies={"Start": iam.PolicyDocument(statements=[start, dead_letters])},
    )
    return scheduler.CfnSchedule(
        scope,
        "Schedule",
        description="Starts a guard of root access keys",
        schedule_expression=schedule.expression_string,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=target_arn,
            role_arn=role.role_arn,
            input=json.dumps(dict(event)),
            dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=queue.queue_arn),
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                maximum_event_age_in_seconds=_LONGEST_DELAY, maximum_retry_attempts=_RETRIES
            ),
        ),
    )
