"""The way back when an alarm goes off."""

from collections.abc import Sequence

from aws_cdk import Fn
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from constructs import Construct

from cdk_iam_access_key._access_key.declared_keys import Home
from cdk_iam_access_key._access_key.validation import check_alarm_place
from cdk_iam_access_key.access_key_provider import AccessKeyProvider

# An alarm that is reported later than this is about what was before.
_LONGEST_DELAY = 3600
_RETRIES = 20
# A rule's pattern has 2,048 characters, of which the ARN of an alarm takes up to 300.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
_MOST_ALARMS = 6


def checked_alarms(
    home: Home, alarms: Sequence[cloudwatch.IAlarm] | None, *, grace: int
) -> Sequence[cloudwatch.IAlarm]:
    """Return the alarms that undo a rotation.

    Raises:
        ValueError: There is none in the list, one can't be heard here, or there is no time in which one could go back.
    """
    if alarms is None:
        return []
    if not isinstance(alarms, Sequence) or not alarms:
        raise ValueError("undo_on_alarm must be a list of alarms, got none; pass at least one, or leave it out")
    if len(alarms) > _MOST_ALARMS:
        raise ValueError(
            f"undo_on_alarm must be a list of at most {_MOST_ALARMS} alarms, got {len(alarms)}: a rule of EventBridge "
            "has room for no more; combine them in one cloudwatch.CompositeAlarm"
        )
    for alarm in alarms:
        if not hasattr(alarm, "alarm_arn"):
            raise ValueError(
                f"undo_on_alarm must be a list of cloudwatch.IAlarm, got an object of {type(alarm).__name__} in it; "
                "import an alarm with cloudwatch.Alarm.from_alarm_arn"
            )
        check_alarm_place(home, alarm)
    if not grace:
        raise ValueError(
            "undo_on_alarm must come with a grace_period of a minute or more, got 0: an alarm goes back to the "
            "previous key within its grace period only; set grace_period, or leave undo_on_alarm out"
        )
    return alarms


def define_undo(
    scope: Construct, provider: AccessKeyProvider, secret_arn: str, alarms: Sequence[cloudwatch.IAlarm]
) -> None:
    """Let EventBridge ask the provider's worker to go back when one of the alarms goes off."""
    provider.allow_alarm_rules()
    events.CfnRule(
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
                arn=provider.worker.function_arn,
                input_transformer=events.CfnRule.InputTransformerProperty(
                    # The whole event: the worker decides by when the alarm's data began.
                    input_template=Fn.join(
                        "",
                        [
                            '{"Operation":"AlarmUndo","SecretId":"',
                            secret_arn,
                            '","Event":<aws.events.event.json>}',
                        ],
                    ),
                ),
                # Without a dead-letter queue: an event that did not arrive within the hour can do nothing any more.
                retry_policy=events.CfnRule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=_LONGEST_DELAY, maximum_retry_attempts=_RETRIES
                ),
            )
        ],
    )
