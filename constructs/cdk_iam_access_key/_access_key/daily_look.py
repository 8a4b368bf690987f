"""The look that comes each day, whatever became of the others."""

from aws_cdk import CustomResource, Stack
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from cdk_iam_access_key.access_key_provider import AccessKeyProvider

# What a look would have found today is found by that of tomorrow as well.
_LONGEST_DELAY = 86_400
_RETRIES = 185
_WINDOW_MINUTES = 60


def define_daily_look(scope: Construct, key: CustomResource, provider: AccessKeyProvider, secret_arn: str) -> None:
    """Let the provider look at the key each day.

    The schedules of single steps come once. Lambda drops an event that the function fails three times or can't take
    for minutes, and a retirement that waits for a person has no step to come: the daily look finds what is left to do,
    and tells what is held back and which key is too old.
    """
    properties = scheduler.CfnSchedule
    look = scheduler.CfnSchedule(
        scope,
        "DailyLook",
        description="Lets the access key provider look at the key and at those that it replaced",
        group_name=provider.schedule_group_name,
        schedule_expression="rate(1 day)",
        # The keys of a stack are not all looked at in one moment: IAM's calls are limited for the whole account.
        flexible_time_window=properties.FlexibleTimeWindowProperty(
            mode="FLEXIBLE", maximum_window_in_minutes=_WINDOW_MINUTES
        ),
        target=properties.TargetProperty(
            arn=provider.function.function_arn,
            role_arn=provider.scheduler_role.role_arn,
            input=Stack.of(scope).to_json_string({"Operation": "Look", "SecretId": secret_arn}),
            dead_letter_config=properties.DeadLetterConfigProperty(arn=provider.dead_letter_queue.queue_arn),
            retry_policy=properties.RetryPolicyProperty(
                maximum_event_age_in_seconds=_LONGEST_DELAY, maximum_retry_attempts=_RETRIES
            ),
        ),
    )
    look.node.add_dependency(key)
