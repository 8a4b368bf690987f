"""Checks of a whole app at synthesis, when all is said: after aspects, overrides and references."""

from collections.abc import Callable, Iterable
from typing import cast

import jsii
from constructs import Construct, IConstruct, IValidation

from cdk_iam_access_key._shared.templates import Templates

# No stack gets this id by itself: a stack's name has no blanks.
_ID = "cdk-iam-access-key: checks"

Check = Callable[[Templates], Iterable[str]]


@jsii.implements(IValidation)
class _Validation:
    def __init__(self, checks: list[Check]) -> None:
        self._checks = checks

    def validate(self) -> list[str]:
        templates = Templates()
        return [message for check in self._checks for message in check(templates)]


class AtSynthesis(Construct):
    """The checks of one app, at its root, because the aspects of an app never enter its stages.

    It renders nothing.
    """

    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, _ID)
        self._checks: list[Check] = []
        self._exempt: list[tuple[str, str]] = []
        self.node.add_validation(_Validation(self._checks))

    @classmethod
    def of(cls, scope: IConstruct) -> "AtSynthesis":
        """Return the one of the app that `scope` is in."""
        root = scope.node.root
        found = root.node.try_find_child(_ID)
        return found if isinstance(found, AtSynthesis) else cls(cast("Construct", root))

    def check(self, check: Check) -> None:
        """Let synthesis fail with what a check finds."""
        self._checks.append(check)

    def exempt(self, scope: IConstruct, rule: str, reason: str) -> None:
        """Leave out whatever is below a scope; the reason goes into the metadata of the construct.

        Raises:
            ValueError: There is no reason.
        """
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(
                f"reason must say why {scope.node.path or 'the app'} is exempt from {rule}, got {reason!r}; whoever "
                "reviews it wants to know"
            )
        scope.node.add_metadata("cdk-iam-access-key:exempt", f"{rule}: {reason}")
        self._exempt.append((scope.node.path, rule))

    def is_exempt(self, path: str, rule: str) -> bool:
        """Tell whether a construct, or what it is in, is exempt."""
        return any(rule == name and f"{path}/".startswith(f"{above}/" if above else "") for above, name in self._exempt)
