"""What the schedules of a provider's keys share: a role that calls the function."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct


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
