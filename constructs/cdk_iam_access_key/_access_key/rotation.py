"""Rotation by Secrets Manager itself, and the age from which on a key without it is told of."""

from dataclasses import dataclass

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key._access_key.retirement import Retirement
from cdk_iam_access_key._shared.durations import DAY, HOUR, checked_seconds, in_words
from cdk_iam_access_key._shared.rotation_rules import RotationSchedule
from cdk_iam_access_key.access_key_provider import AccessKeyProvider

_LONGEST_AUTOMATIC = 1000 * DAY


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
        retirement: Retirement,
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
        rules, closest = _rules(rotation_schedule, automatically_after)
        if closest is not None:
            _check_place_is_free(given[0], closest, retirement)
        age = None if maximum_age is None else checked_seconds("maximum_age", maximum_age, minimum=DAY)
        return cls(rules, age)

    @property
    def properties(self) -> dict[str, str]:
        """Return what the provider gets."""
        return {} if self.maximum_age is None else {"MaximumAge": str(self.maximum_age)}

    def define(self, scope: Construct, key: CustomResource, provider: AccessKeyProvider, secret_arn: str) -> None:
        """Define the resource that rotates, if there is to be one."""
        if self.rules is not None:
            _define_schedule(scope, key, provider, secret_arn, self.rules)


def _check_place_is_free(rotation: str, closest: int, retirement: Retirement) -> None:
    """Refuse a schedule whose rotations may come when the previous key is not retired yet."""
    for name, seconds in (("grace_period", retirement.grace), ("retire_when_unused_for", retirement.unused_for)):
        if seconds and seconds >= closest:
            raise ValueError(
                f"{name} must be shorter than the time between two rotations by {rotation}, got {in_words(seconds)}, "
                f"and rotations that may come {in_words(closest)} after each other, at the end of one window and at "
                "the beginning of the next: the previous key would still hold the place that the next one needs; "
                f"shorten {name}, or rotate less often or in a shorter window, "
                "as with RotationSchedule.rate(Duration.days(1), window=Duration.hours(1))"
            )


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
        # Some time of the day on which the last rotation is so many days ago.
        return rules(automatically_after_days=seconds // DAY), seconds - DAY
    if schedule is None:
        return None, None
    if not isinstance(schedule, RotationSchedule):
        raise ValueError(  # noqa: TRY004 - one kind of error at synth
            f"rotation_schedule must be a RotationSchedule, got an object of {type(schedule).__name__}; "
            "pass RotationSchedule.rate(…) or RotationSchedule.cron(…)"
        )
    duration = None if schedule.window is None else f"{schedule.window // HOUR}h"
    return rules(schedule_expression=schedule.expression, duration=duration), schedule.closest


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
