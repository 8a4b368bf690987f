"""What may be said of a failure. Needs the standard library only."""

from __future__ import annotations

import traceback

from access_key_provider.errors import ProviderError
from access_key_provider.journal import record


def shown(error: Exception, **about: str) -> ProviderError:
    """Record a failure and return an error that may be shown: our own as it is, of any other only what kind it is.

    The text of an error that is not ours, and of those that led to ours, may hold anything. So raise what is returned
    `from None`.
    """
    if isinstance(error, ProviderError):
        record("failed", **about, error=type(error).__name__, reason=str(error))
        return error
    frames = traceback.extract_tb(error.__traceback__)
    where = "; ".join(f"{frame.name}:{frame.lineno}" for frame in frames[-6:])
    record("failed", **about, error=type(error).__name__, where=where)
    return ProviderError(f"unexpected {type(error).__name__} in the function; its log says where")
