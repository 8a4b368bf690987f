"""A key as the template declares it, with what aspects and overrides have changed since its construct was made."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_events as events
from constructs import IConstruct

from cdk_iam_access_key._access_key.age_budget import check_age
from cdk_iam_access_key._access_key.retirement import Retirement
from cdk_iam_access_key._access_key.rotation import Rotation
from cdk_iam_access_key._access_key.rotation_rules import (
    RotationRules,
    checked_automatic,
    checked_rules,
    rate_in_seconds,
)
from cdk_iam_access_key._shared.templates import Templates, written


@dataclass(frozen=True, slots=True)
class WrittenKey:
    """What a template says of a key.

    Attributes:
        path: The path of its construct.
        properties: Of the key's own resource.
        schedule: When Secrets Manager rotates it; None if it does not, or only on a condition.
        has_undo: Whether a rule that is enabled goes back when an alarm goes off, and not only on a condition.
        sweep: The rule by which its provider does what is due.
    """

    path: str
    properties: dict[str, Any]
    schedule: dict[str, Any] | None
    has_undo: bool
    sweep: dict[str, Any]

    @classmethod
    def of(cls, key: IConstruct, provider: IConstruct, templates: Templates) -> "WrittenKey":
        """Look up a key and what its provider does for it."""
        resource = written(key.node.find_child("Resource"), templates) or {}
        schedule, undo = (
            properties_of(key.node.try_find_child(name), templates, {None, resource.get("Condition")})
            for name in ("RotationSchedule", "UndoRule")
        )
        rules = None if schedule is None else schedule.get("RotationRules", {})
        has_undo = undo is not None and undo.get("State") != "DISABLED"
        sweep = properties_of(provider.node.try_find_child("SweepRule"), templates) or {}
        return cls(key.node.path, resource.get("Properties", {}), rules, has_undo, sweep)

    @property
    def inactive(self) -> bool:
        """Whether nobody may use it."""
        return bool(self.properties.get("Status") == "Inactive")

    def too_old(self, allowed: int | None) -> str | None:
        """Say what is wrong if it may be Active for longer than it may, in seconds; None is what it declares itself."""
        try:
            retirement = Retirement(self._seconds("GracePeriod") or 0, self._seconds("RetireWhenUnusedFor"), {})
            given = "automatically_after" if "AutomaticallyAfterDays" in (self.schedule or {}) else "rotation_schedule"
            rotation = Rotation(self._rules(), given, allowed or self._seconds("MaxActiveAge"), self.inactive)
            deferred, within = self.properties.get("CutOver") == "Deferred", self._seconds("ConsumersWithin") or 0
            check_age(rotation, retirement, self._swept_every(), deferred=deferred, within=within)
        except ValueError as error:
            return f"{self.path}: {error}"
        return None

    def _seconds(self, name: str) -> int | None:
        value = self.properties.get(name)
        if value is not None and not str(value).isdigit():
            raise ValueError(f"{name} must be known at synth to add up how old a key may become, got {value}")
        return None if value is None else int(value)

    def _swept_every(self) -> int:
        expression = str(self.sweep.get("ScheduleExpression"))
        seconds = rate_in_seconds(expression)
        if seconds is None or self.sweep.get("State") == "DISABLED":
            raise ValueError(
                f"the sweep of the provider must be a rate that is enabled, got {expression}: without it no previous "
                "key is deactivated; pass sweep_every to the provider"
            )
        return seconds

    def _rules(self) -> RotationRules | None:
        if self.schedule is None:
            return None
        for name, value in self.schedule.items():
            if not isinstance(value, str | int):
                raise ValueError(f"{name} must be known at synth to add up how old a key may become, got {value}")  # noqa: TRY004
        if "AutomaticallyAfterDays" in self.schedule:
            return checked_automatic(Duration.days(int(self.schedule["AutomaticallyAfterDays"])))
        window = self.schedule.get("Duration")
        expression = events.Schedule.expression(self.schedule.get("ScheduleExpression", ""))
        return checked_rules(expression, None if window is None else Duration.hours(int(window.removesuffix("h"))))


def properties_of(
    element: IConstruct | None, templates: Templates, conditions: Container[Any] | None = None
) -> dict[str, Any] | None:
    """Return the properties of a resource, or None if its template does not have it, or only on another condition."""
    resource = written(element, templates)
    if resource is None or (conditions is not None and resource.get("Condition") not in conditions):
        return None
    properties: dict[str, Any] = resource.get("Properties", {})
    return properties
