"""What roles of more than one construct may do."""

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam

EVENT_SOURCE = "cdk-iam-access-key"
# Of the events by which consumers acknowledge keys.
CONSUMER_SOURCE = "cdk-iam-access-key.consumer"
ACKNOWLEDGEMENT = "Access Key Acknowledgement"
# What services ask of a KMS key with which they encrypt their data.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
ENCRYPTION_ACTIONS = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
]


def on_events(stack: Stack) -> iam.PolicyStatement:
    """Allow events of this library on the account's default bus, and no others."""
    return iam.PolicyStatement(
        actions=["events:PutEvents"],
        resources=[stack.format_arn(service="events", resource="event-bus", resource_name="default")],
        # A request has many entries. `Null` keeps out one that names no source.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
        conditions={
            "ForAllValues:StringEquals": {"events:source": EVENT_SOURCE},
            "Null": {"events:source": "false"},
        },
    )


def through(stack: Stack, service: str, region: str | None = None) -> dict[str, list[str]]:
    """Say that a service uses a KMS key, in the stack's region or another one.

    China's services have a name in a domain of their own beside the one that all partitions have.
    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
    """
    endpoint = f"{service}.{region or stack.region}"
    return {"kms:ViaService": [f"{endpoint}.{suffix}" for suffix in ("amazonaws.com", stack.url_suffix)]}


def on_own_stack() -> iam.PolicyStatement:
    """Allow to ask for the status of the stack that this is in, whatever the last part of its id is."""
    stack = f"arn:{Aws.PARTITION}:cloudformation:{Aws.REGION}:{Aws.ACCOUNT_ID}:stack/{Aws.STACK_NAME}/*"
    return iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[stack])
