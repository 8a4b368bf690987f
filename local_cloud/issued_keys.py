"""The secrets that the emulator has issued, for tests that search for them where none may be.

They belong to accounts that exist in this process only. They are kept in memory, in no log and no record of calls.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from ministack.services import iam

from local_cloud.replacing import Function, replace_item

_SECRET = re.compile(rb"<SecretAccessKey>([^<]+)</SecretAccessKey>")
_BYTES = 15

_issued: list[str] = []
# What all sessions' secret access keys and tokens begin with, until somebody asks what was issued.
_stems: tuple[str, str] | None = None


def issued() -> list[str]:
    """Give the secrets made since the start, also of what is deleted by now.

    They are the secret access keys of users, and what those of root sessions and their tokens begin with: a test may
    use thousands of sessions, and a search for thousands of secrets would not end.
    """
    global _stems  # noqa: PLW0603 -- what is issued from now on must show as new in the next answer
    _stems = None
    return list(_issued)


def start() -> None:
    """Remember each from now on."""
    replace_item(iam._IAM_HANDLERS, "CreateAccessKey", "p", _remembering)


def session_credentials() -> tuple[str, str]:
    """Make the secret access key and the token of a root session."""
    global _stems  # noqa: PLW0603
    if _stems is None:
        _stems = (_random(), _random())
        _issued.extend(_stems)
    secret, token = _stems
    return secret + _random(), token + "".join(_random() for _ in range(9))


def _random() -> str:
    return secrets.token_urlsafe(_BYTES)


def _remembering(original: Function) -> Function:
    def create_access_key(p: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        answer: tuple[int, dict[str, str], bytes] = original(p)
        _issued.extend(found.decode() for found in _SECRET.findall(answer[2]))
        return answer

    return create_access_key
