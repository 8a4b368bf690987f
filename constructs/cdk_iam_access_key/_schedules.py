"""What the schedules of a provider's keys share: a group, a role, and a queue for what could not be delivered."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

_EVENTS_KEPT = Duration.days(14)


def define_dead_letter_queue(scope: Construct) -> sqs.Queue:
    """Define the queue."""
    return sqs.Queue(
        scope,
        "DeadLetterQueue",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=_EVENTS_KEPT,
    )


def define_scheduler_role(scope: Construct, group: scheduler.CfnScheduleGroup) -> iam.Role:
    """Define the role that schedules of the group, and no others, run with."""
    trusted = iam.PrincipalWithConditions(
        iam.ServicePrincipal("scheduler.amazonaws.com"),
        {"StringEquals": {"aws:SourceAccount": Stack.of(scope).account, "aws:SourceArn": group.attr_arn}},
    )
    return iam.Role(
        scope,
        "SchedulerRole",
        assumed_by=trusted,
        description="Lets schedules of access keys call the access key provider",
    )


def allow_to_call(scope: Construct, role: iam.Role, function: lambda_.Function, queue: sqs.Queue) -> None:
    """Let the role call the function, in a policy of its own: the function's settings name the role."""
    iam.Policy(
        scope,
        "SchedulerPolicy",
        roles=[role],
        statements=[
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn]),
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queue.queue_arn]),
        ],
    )
