"""What can go wrong, in words that a person who deploys a stack can act on.

Every message ends up in the events of the stack, so it names the value, what is allowed and what to change, and
never holds a secret access key, a request id or a response URL.
"""

from __future__ import annotations

from typing import TypeVar

_Error = TypeVar("_Error", bound="ProviderError")


class ProviderError(Exception):
    """A failure whose message may be shown to the user as it stands.

    Attributes:
        physical_id: the id in the response to a failed Create; empty for the one that it would have had.
        changed_nothing: whether it is certain that the call which failed has changed nothing in AWS.
    """

    physical_id: str = ""
    changed_nothing: bool = False


def in_other_words(error: ProviderError, said: _Error) -> _Error:
    """Take an error for another one; whether anything was changed stays known."""
    said.changed_nothing = error.changed_nothing
    return said


class OutcomeUnknownError(ProviderError):
    """A call may or may not have been carried out: observe again."""


class CallError(ProviderError):
    """AWS refused a call; it changed nothing, unless the response to an earlier attempt was lost. `code` is AWS's."""

    def __init__(self, message: str, code: str) -> None:
        """Keep the code for those who know what to make of it."""
        super().__init__(message)
        self.code = code


class AccessDeniedError(CallError):
    """The key's role may not do what is needed, also after its policy had time to take effect."""
