"""When, with which service and in which Region an access key was last used.

IAM notes every request that a user's key has signed rightly, whether it is then allowed or not, and tells it
later: there is no promise how much. Asking about a key that is not there is denied. ministack notes nothing, so that
every key looks as if it had never been used.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_evaluator, sigv4
from ministack.services import iam

from local_cloud.replacing import Function, replace_function, replace_item


@dataclass(frozen=True, slots=True)
class _Use:
    at: float
    service: str
    region: str


# Of each key what IAM tells by now, and what it will tell later, oldest first.
_uses: dict[str, list[_Use]] = {}
_lag_seconds = 0.0


def set_lag(seconds: float) -> None:
    """Tell of a use only so much later; forget all uses so far."""
    global _lag_seconds  # noqa: PLW0603 -- ministack keeps its state in modules, and so does this
    _lag_seconds = seconds
    _uses.clear()


def apply() -> None:
    """Note each request that was signed rightly, and answer from the notes."""
    replace_function(iam_evaluator, "authenticate", "access_key_id account_id", _noting_the_use)
    replace_item(iam._IAM_HANDLERS, "GetAccessKeyLastUsed", "p", _telling_the_use)


def _noting_the_use(original: Function) -> Function:
    def authenticate(access_key_id: str, account_id: str) -> Any:
        request = iam_evaluator._signed_request.get()
        credential = original(access_key_id, account_id)
        if getattr(credential, "principal_type", "") == "User":
            signature = (
                sigv4.parse_query_signature(request.query_params)
                if request.presigned
                else sigv4.parse_header_signature(request.headers)
            )
            _note(access_key_id, _Use(time.time(), signature.service, signature.region))
        return credential

    return authenticate


def _note(access_key_id: str, use: _Use) -> None:
    uses = _uses.setdefault(access_key_id, [])
    uses.append(use)
    while len(uses) > 1 and _is_told(uses[1]):
        del uses[0]


def _is_told(use: _Use) -> bool:
    return use.at + _lag_seconds <= time.time()


def _telling_the_use(original: Function) -> Function:
    def get_access_key_last_used(p: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        key_id = iam._p(p, "AccessKeyId")
        if key_id and key_id not in iam._access_keys:
            message = f"Access to the last use of {key_id} is denied, as it is no key of this account."
            refusal: tuple[int, dict[str, str], bytes] = iam._error(403, "AccessDenied", message, ns="iam")
            return refusal
        status, headers, body = original(p)
        told = [use for use in _uses.get(key_id, []) if _is_told(use)]
        if told:
            when = dt.datetime.fromtimestamp(told[-1].at, dt.UTC)
            never = b"<Region>N/A</Region><ServiceName>N/A</ServiceName>"
            last = (
                f"<LastUsedDate>{when:%Y-%m-%dT%H:%M:%SZ}</LastUsedDate>"
                f"<Region>{told[-1].region}</Region><ServiceName>{told[-1].service}</ServiceName>"
            )
            body = body.replace(never, last.encode())
        return status, headers, body

    return get_access_key_last_used
