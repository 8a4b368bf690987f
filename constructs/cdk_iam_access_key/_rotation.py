"""Rotation by Secrets Manager itself, and the reminder for keys without it."""

from dataclasses import dataclass

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key._durations import DAY, checked_seconds, in_words
from cdk_iam_access_key.provider import AccessKeyProvider
from cdk_iam_access_key.rotation_schedule import RotationSchedule

_LONGEST_AUTOMATIC = 1000 * DAY
# A key that is too old today is so tomorrow as well.
_LONGEST_DELAY = 86_400
_RETRIES = 185
_WINDOW_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Rotation:
    """When the key is rotated or called too old, checked.

    Attributes:
        rules: What Secrets Manager gets; None if it does not rotate.
        maximum_age: In seconds, from when on the provider tells that the key is too old.
    """

    rules: secretsmanager.CfnRotationSchedule.RotationRulesProperty | None
    maximum_age: int | None

    @classmethod
    def of(
        cls,
        *,
        rotation_schedule: RotationSchedule | None,
        automatically_after: Duration | None,
        maximum_age: Duration | None,
        status: iam.AccessKeyStatus,
        grace: int,
    ) -> "Rotation":
        """Check when to rotate.

        Raises:
            ValueError: One of the properties can't work, or not with the others.
        """
        named = {"rotation_schedule": rotation_schedule, "automatically_after": automatically_after}
        given = [name for name, value in named.items() if value is not None]
        if len(given) > 1:
            raise ValueError(
                "rotation_schedule must come without automatically_after, got both; give the one that says it better"
            )
        if given and status == iam.AccessKeyStatus.INACTIVE:
            raise ValueError(
                f"{given[0]} must come with the status Active, got Inactive: there is nothing to rotate while nobody "
                "may use the key; leave it out until the key is Active again"
            )
        if given and maximum_age is not None:
            raise ValueError(
                f"maximum_age must come without {given[0]}, got both; a key that is rotated on schedule gets no older "
                "than that, so leave maximum_age out"
            )
        rules, shortest = _rules(rotation_schedule, automatically_after)
        if shortest is not None and shortest <= grace:
            raise ValueError(
                f"grace_period must be shorter than the time between two rotations by {given[0]}, got "
                f"{in_words(grace)} and {in_words(shortest)}: "
                "the previous key would still hold the place that the next one needs"
            )
        age = None if maximum_age is None else checked_seconds("maximum_age", maximum_age, minimum=DAY)
        return cls(rules, age)

    @property
    def properties(self) -> dict[str, str]:
        """Return what the provider gets."""
        return {} if self.maximum_age is None else {"MaximumAge": str(self.maximum_age)}

    def define(self, scope: Construct, key: CustomResource, provider: AccessKeyProvider, secret_arn: str) -> None:
        """Define the resource that rotates or reminds, if there is to be one."""
        if self.rules is not None:
            _define_schedule(scope, key, provider, secret_arn, self.rules)
        if self.maximum_age is not None:
            _define_reminder(scope, key, provider, secret_arn)


def _rules(
    schedule: RotationSchedule | None, automatically_after: Duration | None
) -> tuple[secretsmanager.CfnRotationSchedule.RotationRulesProperty | None, int | None]:
    rules = secretsmanager.CfnRotationSchedule.RotationRulesProperty
    if automatically_after is not None:
        seconds = checked_seconds("automatically_after", automatically_after, minimum=DAY, maximum=_LONGEST_AUTOMATIC)
        if seconds % DAY:
            raise ValueError(
                f"automatically_after must be whole days, got {automatically_after.to_human_string()}; change it, or "
                "use rotation_schedule"
            )
        return rules(automatically_after_days=seconds // DAY), seconds
    if schedule is None:
        return None, None
    if not isinstance(schedule, RotationSchedule):
        raise ValueError(  # noqa: TRY004 - one kind of error at synth
            f"rotation_schedule must be a RotationSchedule, got an object of {type(schedule).__name__}; "
            "pass RotationSchedule.rate(…) or RotationSchedule.cron(…)"
        )
    return rules(schedule_expression=schedule.expression), schedule.shortest


def _define_schedule(
    scope: Construct,
    key: CustomResource,
    provider: AccessKeyProvider,
    secret_arn: str,
    rules: secretsmanager.CfnRotationSchedule.RotationRulesProperty,
) -> None:
    schedule = secretsmanager.CfnRotationSchedule(
        scope,
        "RotationSchedule",
        secret_id=secret_arn,
        rotation_lambda_arn=provider.function.function_arn,
        rotation_rules=rules,
        # The key was made a moment ago.
        rotate_immediately_on_update=False,
    )
    schedule.node.add_dependency(key, provider.allow_rotation())


def _define_reminder(scope: Construct, key: CustomResource, provider: AccessKeyProvider, secret_arn: str) -> None:
    properties = scheduler.CfnSchedule
    reminder = scheduler.CfnSchedule(
        scope,
        "Reminder",
        description="Lets the access key provider tell when the key is too old",
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
    reminder.node.add_dependency(key)
