"""What can go wrong with root access keys, in words that whoever runs a guard can act on."""

from __future__ import annotations

from lambda_shared.errors import ProviderError


class GuardError(ProviderError):
    """A failure whose message may be shown as it stands."""


class TryAgainError(GuardError):
    """AWS asks for patience, or its answer was lost: the state machine takes the step again, later."""


class RefusedError(GuardError):
    """AWS refused a call, and would again. `code` is AWS's error code."""

    def __init__(self, message: str, code: str) -> None:
        """Keep the code for those who know what to make of it."""
        super().__init__(message)
        self.code = code


class DeniedError(RefusedError):
    """AWS denied a call that the function made with its own role."""


class RoleMayBeNewError(GuardError):
    """A role that was just made is denied what it may do: the state machine takes the step again, for a while."""
