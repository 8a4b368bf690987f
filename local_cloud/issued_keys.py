"""The secret access keys that the emulator has issued, for tests that search for them where none may be.

They belong to an account that exists in this process only. They are kept in memory, in no log and no record of calls.
"""

from __future__ import annotations

import re
from typing import Any

from ministack.services import iam

from local_cloud.replacing import Function, replace_item

_SECRET = re.compile(rb"<SecretAccessKey>([^<]+)</SecretAccessKey>")

_issued: list[str] = []


def issued() -> list[str]:
    """Give those of all access keys made since the start, also of keys that are deleted by now."""
    return list(_issued)


def start() -> None:
    """Remember each from now on."""
    replace_item(iam._IAM_HANDLERS, "CreateAccessKey", "p", _remembering)


def _remembering(original: Function) -> Function:
    def create_access_key(p: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        answer: tuple[int, dict[str, str], bytes] = original(p)
        _issued.extend(found.decode() for found in _SECRET.findall(answer[2]))
        return answer

    return create_access_key
