"""What an app demands of its access keys."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct

from cdk_iam_access_key._access_key.rotation import checked_age
from cdk_iam_access_key._access_key.written_key import WrittenKey, properties_of
from cdk_iam_access_key._shared.at_synthesis import AtSynthesis
from cdk_iam_access_key._shared.durations import in_words
from cdk_iam_access_key._shared.templates import Templates
from cdk_iam_access_key.access_key import AccessKey

_OF_AWS = "alias/aws/secretsmanager"


@dataclass(frozen=True, slots=True)
class _Rules:
    max_active_age: int | None
    schedule: bool
    encryption_key: bool
    undo_on_alarm: bool
    description: bool


_NAMES = [rule.name for rule in fields(_Rules)]


class AccessKeyRules:
    """Demand something of all access keys of an app, a stage, a stack or any other scope.

    The keys are judged at synthesis of the app, by the templates as they are written, so whatever an aspect or an
    override has changed counts. Keys in stages and nested stacks count as well, and those that are defined later.
    Synthesis fails with the paths of the keys that break a rule.

    Get one with `AccessKeyRules.of(scope)`.
    """

    def __init__(self, scope: IConstruct) -> None:
        self._scope = scope
        self._checks = AtSynthesis.of(scope)

    @classmethod
    def of(cls, scope: IConstruct) -> "AccessKeyRules":
        """Return the rules of a scope."""
        return cls(scope)

    def require(
        self,
        *,
        max_active_age: Duration | None = None,
        schedule: bool = False,
        encryption_key: bool = False,
        undo_on_alarm: bool = False,
        description: bool = False,
    ) -> None:
        """Demand something of each key of the scope. Called again, it adds to what was demanded.

        Args:
            max_active_age: Each key has a `max_active_age` of at most this, a day to ten years, and its rotation and
                retirement keep it. A key that is declared Inactive needs none.
            schedule: Each key is rotated by Secrets Manager: `rotation_schedule` or `automatically_after`. A key that
                is declared Inactive needs none.
            encryption_key: Each key's secret is encrypted with a KMS key of yours.
            undo_on_alarm: Each key has alarms that make the previous key current again.
            description: Each key has a description, for whoever finds it in the IAM console.

        Raises:
            ValueError: Nothing is demanded, or `max_active_age` is out of bounds.
        """
        age = None if max_active_age is None else checked_age(max_active_age)
        rules = _Rules(age, schedule, encryption_key, undo_on_alarm, description)
        if not any(getattr(rules, name) for name in _NAMES):
            raise ValueError(f"require must have at least one rule, got none; pass {', '.join(_NAMES)}")
        self._checks.check(lambda templates: self._broken(rules, templates))

    def exempt(self, *rules: str, reason: str) -> None:
        """Leave the keys of the scope out of rules, whichever scope demands them.

        Args:
            rules: The names of the rules, as `require` has them.
            reason: Why, for whoever reviews it. It goes into the metadata of the construct.

        Raises:
            ValueError: There is no such rule, or no reason.
        """
        unknown = [rule for rule in rules if rule not in _NAMES]
        if unknown or not rules:
            raise ValueError(f"exempt must have rules of {', '.join(_NAMES)}, got {', '.join(unknown) or 'none'}")
        for rule in rules:
            self._checks.exempt(self._scope, rule, reason)

    def _broken(self, rules: _Rules, templates: Templates) -> Iterator[str]:
        whose = self._scope.node.path or "the app"
        for key in self._scope.node.find_all():
            if not isinstance(key, AccessKey):
                continue
            for rule, broken in _judged(key, rules, templates):
                if not self._checks.is_exempt(key.node.path, rule):
                    yield (
                        f"{broken}; {whose} requires {rule} of its access keys, from which "
                        f"AccessKeyRules.of(key).exempt({rule!r}, reason=…) exempts a key"
                    )


def _judged(key: AccessKey, rules: _Rules, templates: Templates) -> Iterator[tuple[str, str]]:
    """Name the rules that a key breaks, with what to change."""
    written = WrittenKey.of(key, key.provider, templates)
    path = written.path
    if rules.max_active_age is not None and not written.inactive:
        limit = in_words(rules.max_active_age)
        declared = written.properties.get("MaxActiveAge", "none")
        known = int(declared) if str(declared).isdigit() else None
        if known is None or known > rules.max_active_age:
            got = declared if known is None else in_words(known)
            yield "max_active_age", f"{path} must have a max_active_age of at most {limit}, got {got}; set it"
        elif broken := written.too_old(rules.max_active_age):
            yield "max_active_age", broken
    if rules.schedule and written.schedule is None and not written.inactive:
        yield "schedule", f"{path} must have a rotation_schedule or automatically_after, got neither; set one"
    if rules.encryption_key and not _is_encrypted(key.secret.written, templates):
        yield "encryption_key", f"{path} must have a secret with a KMS key of its own, got none; set encryption_key"
    if rules.undo_on_alarm and not written.has_undo:
        yield "undo_on_alarm", f"{path} must have alarms that undo a rotation, got none; set undo_on_alarm"
    if rules.description and "Description" not in written.properties:
        yield "description", f"{path} must have a description, got none; set it"


def _is_encrypted(secret: secretsmanager.ISecret, templates: Templates) -> bool:
    """Tell whether a secret has a KMS key; what is imported is believed."""
    element = secret.node.default_child
    if isinstance(element, secretsmanager.CfnSecret):
        # An aspect may have named AWS's own, which is no key of yours.
        return bool((properties_of(element, templates) or {}).get("KmsKeyId", _OF_AWS) != _OF_AWS)
    return cast("object", secret.encryption_key) is not None
