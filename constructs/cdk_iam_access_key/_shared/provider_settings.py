"""Checks of the properties of a provider."""

import re

from aws_cdk import Duration, Token

from cdk_iam_access_key._shared.durations import DAY, MINUTE, checked_seconds, in_words
from cdk_iam_access_key._shared.validation import check_whole_number, shown

_SWEEP = 5 * MINUTE
_SETTLING, _LONGEST_SETTLING = 10, 60
# IAM allows 512 characters, of which a user's name takes 64 and a secret's name what it needs.
_ROLE_PATH = re.compile(r"/(?:[A-Za-z0-9_.,+=@-]+/)+")
_ROLE_PATH_CHARACTERS = 256
_LEAST_CONCURRENCY, _HIGHEST_CONCURRENCY = 2, 10_000


def checked_sweep(sweep_every: Duration | None) -> int:
    """Return how often to sweep, in seconds.

    Raises:
        ValueError: It is out of bounds, or no whole number of minutes.
    """
    seconds = _SWEEP if sweep_every is None else checked_seconds("sweep_every", sweep_every, maximum=DAY)
    if seconds % MINUTE:
        raise ValueError(f"sweep_every must be whole minutes, got {in_words(seconds)}; change it")
    return seconds


def checked_settling_time(settling_time: Duration | None) -> int:
    """Return in seconds how long a new key is left alone before it becomes current.

    Raises:
        ValueError: It is out of bounds, or no whole number of seconds.
    """
    if settling_time is None:
        return _SETTLING
    return checked_seconds("settling_time", settling_time, minimum=0, maximum=_LONGEST_SETTLING)


def check_concurrency(executions: int | None) -> None:
    """Refuse a concurrency at which one invocation of the worker would block all others.

    Raises:
        ValueError: It is out of bounds.
    """
    if executions is not None:
        check_whole_number(
            "reserved_concurrent_executions", executions, minimum=_LEAST_CONCURRENCY, maximum=_HIGHEST_CONCURRENCY
        )


def checked_role_path(path: object) -> str:
    """Return the IAM path of the keys' roles.

    Raises:
        ValueError: It is no path, or would let the provider assume more than the keys' roles.
    """
    if isinstance(path, str) and Token.is_unresolved(path):
        return path
    if not isinstance(path, str) or not _ROLE_PATH.fullmatch(path) or len(path) > _ROLE_PATH_CHARACTERS:
        raise ValueError(
            f"role_path must begin and end with a slash, have letters, digits and _.,+=@- between slashes and at most "
            f"{_ROLE_PATH_CHARACTERS} characters, got {shown(path)}; pass a path for the keys' roles alone, "
            "e.g. /team/access-keys/"
        )
    return path
