"""Rotation by Secrets Manager itself, and how old an Active key may become."""

from dataclasses import dataclass
from typing import Any

from aws_cdk import CfnResource, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key._access_key.retirement import Retirement
from cdk_iam_access_key._access_key.rotation_rules import RotationRules, checked_automatic, checked_rules
from cdk_iam_access_key._shared.durations import DAY, HOUR, checked_seconds, in_words
from cdk_iam_access_key.access_key_provider import AccessKeyProvider

_LONGEST_AGE = 3650 * DAY


@dataclass(frozen=True, slots=True)
class Rotation:
    """When the key is rotated or called too old, checked.

    Attributes:
        rules: When Secrets Manager rotates; None if it does not.
        given: The property that says so; empty if none does.
        max_active_age: In seconds, from when on the provider reports that a key is too old.
        inactive: Whether nobody may use the key, so that it has no age.
    """

    rules: RotationRules | None
    given: str
    max_active_age: int | None
    inactive: bool

    @classmethod
    def of(
        cls,
        *,
        rotation_schedule: events.Schedule | None,
        rotation_window: Duration | None,
        automatically_after: Duration | None,
        max_active_age: Duration | None,
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
        if rotation_window is not None and rotation_schedule is None:
            raise ValueError(
                "rotation_window must come with rotation_schedule, got none; a window opens when the schedule says so"
            )
        inactive = status == iam.AccessKeyStatus.INACTIVE
        if given and inactive:
            raise ValueError(
                f"{given[0]} must come with the status Active, got Inactive: there is nothing to rotate while nobody "
                "may use the key; leave it out until the key is Active again"
            )
        rules = _rules(rotation_schedule, rotation_window, automatically_after)
        if rules is not None:
            _check_slot_is_free(given[0], rules.closest, retirement)
        age = None if max_active_age is None else checked_age(max_active_age)
        return cls(rules, "".join(given), age, inactive)

    @property
    def properties(self) -> dict[str, str]:
        """Return what the provider gets.

        The schedule is one of them so that a change of it is a change of the key, which comes before: Secrets Manager
        refuses to change the schedule while a rotation is unfinished, and the provider can end one.
        """
        properties = {}
        if self.max_active_age is not None:
            properties["MaxActiveAge"] = str(self.max_active_age)
        if self.rules is not None:
            properties["RotationSchedule"] = self.rules.text
        return properties

    def define(self, scope: Construct, key: CfnResource, provider: AccessKeyProvider, secret_arn: str) -> None:
        """Define the resource that rotates, if there is to be one."""
        if self.rules is None:
            return
        schedule = secretsmanager.CfnRotationSchedule(
            scope,
            "RotationSchedule",
            secret_id=secret_arn,
            rotation_lambda_arn=provider.worker.function_arn,
            rotation_rules=_property(self.rules),
            # The key was made a moment ago.
            rotate_immediately_on_update=False,
        )
        schedule.node.add_dependency(key, provider.allow_rotation())


def checked_age(age: Duration) -> int:
    """Return how old an Active key may become, in seconds.

    Raises:
        ValueError: It is out of bounds.
    """
    return checked_seconds("max_active_age", age, minimum=DAY, maximum=_LONGEST_AGE)


def _check_slot_is_free(rotation: str, closest: int, retirement: Retirement) -> None:
    """Refuse a schedule whose rotations may come when the previous key is not retired yet."""
    for name, seconds in (("grace_period", retirement.grace), ("retire_when_unused_for", retirement.unused_for)):
        if seconds and seconds >= closest:
            raise ValueError(
                f"{name} must be shorter than the time between two rotations by {rotation}, got {in_words(seconds)}, "
                f"and rotations that may come {in_words(closest)} after each other, at the end of one window and at "
                "the beginning of the next: the previous key would still hold the slot that the next one needs; "
                f"shorten {name}, or rotate less often or in a shorter window, "
                "as with rotation_schedule=Schedule.rate(Duration.days(1)), rotation_window=Duration.hours(1)"
            )


def _rules(
    schedule: events.Schedule | None, window: Duration | None, automatically_after: Duration | None
) -> RotationRules | None:
    if automatically_after is not None:
        return checked_automatic(automatically_after)
    return None if schedule is None else checked_rules(schedule, window)


def _property(rules: RotationRules) -> Any:
    properties = secretsmanager.CfnRotationSchedule.RotationRulesProperty
    if rules.after_days is not None:
        return properties(automatically_after_days=rules.after_days)
    return properties(
        schedule_expression=rules.expression, duration=None if rules.window is None else f"{rules.window // HOUR}h"
    )
