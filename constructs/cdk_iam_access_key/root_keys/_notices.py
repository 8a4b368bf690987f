"""What may tell a topic of something."""

from typing import cast

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns


def action_of(topic: sns.ITopic) -> cloudwatch.IAlarmAction:
    """Let alarms tell a topic, also one that is encrypted with a KMS key of the app.

    CloudWatch itself uses the key then, and without a word no notice comes if it may not. An imported KMS key must
    allow it already.
    https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """
    # A topic of an earlier CDK shows no key.
    key = cast("kms.IKey | None", getattr(topic, "master_key", None))
    if key is not None:
        key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=["*"],
            )
        )
    return cloudwatch_actions.SnsAction(topic)
