"""A new access key does not work at once.

IAM is eventually consistent: for some seconds a call with a new key answers `InvalidClientTokenId`. Here the
number of such answers is what a test sets, so that it is the same every time.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from __future__ import annotations

import re
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import iam

from local_cloud.replacing import Function, replace_function, replace_item

_NEW_KEY = re.compile(rb"<AccessKeyId>(\w+)</AccessKeyId>")

_rejections_of_a_new_key = 0
_rejections_left: dict[str, int] = {}


def set_rejections(count: int) -> None:
    """Reject the first `count` calls with each key made from now on; forget the keys made so far."""
    global _rejections_of_a_new_key  # noqa: PLW0603 -- ministack keeps its state in modules, and so does this
    _rejections_of_a_new_key = count
    _rejections_left.clear()


def apply() -> None:
    """Count the calls with each new key and reject the first ones."""
    replace_item(iam._IAM_HANDLERS, "CreateAccessKey", "p", _counting_from_now)
    replace_function(iam_evaluator, "authenticate", "access_key_id account_id", _rejecting_new_keys)


def _counting_from_now(original: Function) -> Function:
    def create_access_key(p: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        answer: tuple[int, dict[str, str], bytes] = original(p)
        found = _NEW_KEY.search(answer[2])
        if found and _rejections_of_a_new_key:
            _rejections_left[found.group(1).decode()] = _rejections_of_a_new_key
        return answer

    return create_access_key


def _rejecting_new_keys(original: Function) -> Function:
    def authenticate(access_key_id: str, account_id: str) -> Any:
        left = _rejections_left.get(access_key_id, 0)
        if left:
            _rejections_left[access_key_id] = left - 1
            # Each service has its own code for a key that it does not know.
            unknown = iam_evaluator._unknown_access_key()
            return iam_evaluator.AuthError(unknown.code, unknown.message)
        return original(access_key_id, account_id)

    return authenticate
