"""What is denied for good: by a service control policy, a permissions boundary, or somebody who is not asked here."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from fakes.parameters import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.calls import Call

FUNCTION: Final = "*:assumed-role/provider/*"
"""The function itself, as a principal."""

# Nobody can be denied this one.
# https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_ALWAYS_ALLOWED: Final = "sts:GetCallerIdentity"


@dataclass(slots=True)
class Denial:
    """Calls that are denied until they are allowed again.

    Attributes:
        action: a name such as `iam:TagUser`, a pattern such as `dynamodb:*`, or what tells a call.
        principal: whose calls: a pattern of `Call.principal`, or a role's ARN; None is everybody's.
        fired: how often it has happened.
    """

    action: str | Callable[[Call], bool]
    principal: str | None = None
    fired: int = 0

    def __post_init__(self) -> None:
        """Refuse what would deny nothing. Raises ValueError."""
        if isinstance(self.action, str) and not any(
            fnmatchcase(name, self.action) for name in ACTIONS if name != _ALWAYS_ALLOWED
        ):
            raise ValueError(f"there is no {self.action} to deny")

    def concerns(self, call: Call, role_arn: str | None) -> bool:
        """Tell whether a call is denied, made in a session of a role or not."""
        if call.name == _ALWAYS_ALLOWED or not self._is_about(call.principal, role_arn):
            return False
        named = fnmatchcase(call.name, self.action) if isinstance(self.action, str) else self.action(call)
        self.fired += named
        return named

    def _is_about(self, principal: str, role_arn: str | None) -> bool:
        return self.principal is None or self.principal == role_arn or fnmatchcase(principal, self.principal)
