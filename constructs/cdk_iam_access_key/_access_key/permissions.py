"""What the role of one key may do: manage the keys of one user, one secret, and the schedules of this key."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from cdk_iam_access_key._shared.permissions import on_events
from cdk_iam_access_key.access_key_provider import AccessKeyProvider

_USER_ACTIONS = [
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:GetAccessKeyLastUsed",
    "iam:ListAccessKeys",
    "iam:ListUserTags",
    "iam:UpdateAccessKey",
]
_USER_TAG_ACTIONS = ["iam:TagUser", "iam:UntagUser"]
# The value of a secret is never read.
_SECRET_ACTIONS = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
]
_SECRET_TAG_ACTIONS = ["secretsmanager:TagResource", "secretsmanager:UntagResource"]
# The provider's own records. Other tags may decide what the user or the secret has access to.
_RECORDS = ["cdk-iam-access-key:*"]
_USER_RECORDS = ["AKIA*", *_RECORDS]
# What Secrets Manager asks for to write a value: a data key, and to check it.
_KEY_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey"]


def on_keys(user_arn: str, secret_arn: str) -> list[iam.PolicyStatement]:
    """Allow to manage the keys of a user and the secret that holds them."""
    return [
        iam.PolicyStatement(actions=_USER_ACTIONS, resources=[user_arn]),
        _tagging(_USER_TAG_ACTIONS, user_arn, _USER_RECORDS),
        iam.PolicyStatement(actions=_SECRET_ACTIONS, resources=[secret_arn]),
        _tagging(_SECRET_TAG_ACTIONS, secret_arn, _RECORDS),
    ]


def on_schedules(stack: Stack, provider: AccessKeyProvider, schedule_name: str) -> list[iam.PolicyStatement]:
    """Allow to schedule looks at a key, and to tell what they find."""
    schedules = stack.format_arn(
        service="scheduler",
        resource="schedule",
        resource_name=f"{provider.schedule_group_name}/{schedule_name}-*",
    )
    return [
        iam.PolicyStatement(actions=["scheduler:CreateSchedule", "scheduler:DeleteSchedule"], resources=[schedules]),
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[provider.scheduler_role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        ),
        on_events(stack),
    ]


def on_encryption_key(stack: Stack, key: kms.IKey, secret_arn: str) -> iam.PolicyStatement:
    """Allow to use the KMS key of a secret, through Secrets Manager and for that secret only."""
    return iam.PolicyStatement(
        # Not `key.grant`: it would add a policy resource, and name this role in the KMS key's policy, on which the
        # secret depends, on which this role depends.
        actions=_KEY_ACTIONS,
        resources=[key.key_arn],
        conditions={
            "StringEquals": {
                "kms:ViaService": f"secretsmanager.{stack.region}.{stack.url_suffix}",
                "kms:EncryptionContext:SecretARN": secret_arn,
            }
        },
    )


def _tagging(actions: list[str], arn: str, tags: list[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=actions,
        resources=[arn],
        conditions={"ForAllValues:StringLike": {"aws:TagKeys": tags}, "Null": {"aws:TagKeys": "false"}},
    )
