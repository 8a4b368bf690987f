"""The queue for events that could not be delivered."""

from aws_cdk import Duration
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
