"""The way back when an alarm goes off."""

from collections.abc import Sequence

from aws_cdk import Fn, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_iam_access_key._access_key.validation import check_alarm_place
from cdk_iam_access_key.access_key_provider import AccessKeyProvider

# An alarm that is told later than this is about what was before.
_LONGEST_DELAY = 3600
_RETRIES = 20


def checked_alarms(
    stack: Stack, alarms: Sequence[cloudwatch.IAlarm] | None, *, grace: int
) -> Sequence[cloudwatch.IAlarm]:
    """Return the alarms that undo a rotation.

    Raises:
        ValueError: There is none in the list, one can't be heard here, or there is no time in which one could go back.
    """
    if alarms is None:
        return []
    if not isinstance(alarms, Sequence) or not alarms:
        raise ValueError("undo_on_alarm must be a list of alarms, got none; pass at least one, or leave it out")
    for alarm in alarms:
        if not hasattr(alarm, "alarm_arn"):
            raise ValueError(
                f"undo_on_alarm must be a list of cloudwatch.IAlarm, got an object of {type(alarm).__name__} in it; "
                "import an alarm with cloudwatch.Alarm.from_alarm_arn"
            )
        check_alarm_place(stack, alarm)
    if not grace:
        raise ValueError(
            "undo_on_alarm must come with a grace_period of a minute or more, got 0: an alarm goes back to the "
            "previous key within its grace period only; set grace_period, or leave undo_on_alarm out"
        )
    return alarms


def define_undo(
    scope: Construct, provider: AccessKeyProvider, secret_arn: str, alarms: Sequence[cloudwatch.IAlarm]
) -> None:
    """Let EventBridge ask the provider to go back when one of the alarms goes off."""
    provider.accept_undelivered_events()
    rule = events.CfnRule(
        scope,
        "UndoRule",
        description="Makes the previous access key current again when an alarm goes off",
        event_pattern={
            "source": ["aws.cloudwatch"],
            "detail-type": ["CloudWatch Alarm State Change"],
            "resources": [alarm.alarm_arn for alarm in alarms],
            "detail": {"state": {"value": ["ALARM"]}},
        },
        targets=[
            events.CfnRule.TargetProperty(
                id="Undo",
                arn=provider.function.function_arn,
                input_transformer=events.CfnRule.InputTransformerProperty(
                    input_paths_map={"alarm": "$.detail.alarmName", "time": "$.time"},
                    input_template=Fn.join(
                        "", ['{"Operation":"Undo","SecretId":"', secret_arn, '","Alarm":<alarm>,"Time":<time>}']
                    ),
                ),
                dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=provider.dead_letter_queue.queue_arn),
                retry_policy=events.CfnRule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=_LONGEST_DELAY, maximum_retry_attempts=_RETRIES
                ),
            )
        ],
    )
    lambda_.CfnPermission(
        scope,
        "UndoPermission",
        action="lambda:InvokeFunction",
        function_name=provider.function.function_arn,
        principal="events.amazonaws.com",
        source_arn=rule.attr_arn,
    )
