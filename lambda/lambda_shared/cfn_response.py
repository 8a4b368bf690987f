"""Tells requests of CloudFormation from other events, and answers them.

Needs the standard library only, so that a response can always be sent.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

from __future__ import annotations

import json
import random
import ssl
import time
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import urlsplit

from lambda_shared import log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SUCCESS = "SUCCESS"
FAILED = "FAILED"

# CloudFormation takes no longer body. The ids and attributes take less than the rest.
MAX_BODY = 4096
MAX_REASON = 1000

_REQUEST_TYPES = ("Create", "Update", "Delete")
_TEXTS = ("RequestType", "ResponseURL", "StackId", "RequestId", "LogicalResourceId")
# CloudFormation's are shorter. What is longer is neither logged nor answered.
_LONGEST_TEXT = 8192
_LONGEST_ID = 1024

_ATTEMPTS = 6
_SOCKET_TIMEOUT = 5.0
_PAUSE = 1.0


def is_request(event: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether an event is a request of CloudFormation, which somebody waits for."""
    return (
        isinstance(event, dict)
        and all(isinstance(event.get(name), str) and event[name] for name in _TEXTS)
        and all(len(event[name]) <= _LONGEST_TEXT for name in _TEXTS)
        and len(str(event.get("PhysicalResourceId", ""))) <= _LONGEST_ID
    )


def answer_request(
    event: dict[str, Any], context: Any, handle: Callable[[Mapping[str, Any], Any], None] | None, failure: str
) -> None:
    """Let a request be handled and answered, or answer it here.

    Args:
        event: the request.
        context: Lambda's.
        handle: handles and answers it; None if it could not be imported.
        failure: why then.
    """
    if event["RequestType"] not in _REQUEST_TYPES:
        _fail(event, f"RequestType must be one of {', '.join(_REQUEST_TYPES)}")
    elif handle is None:
        _fail(event, f"the function could not start: {failure} while importing; deploy the construct library again")
    else:
        try:
            handle(event, context)
        except Exception as error:  # noqa: BLE001 - memory that is short, say; no response was sent if it gets here
            _fail(event, f"the function failed: {type(error).__name__}; deploy again")


def shape(event: object) -> str:
    """Describe an unknown event by the names of its members: their values may be anything."""
    members = sorted(str(name)[:40] for name in event)[:10] if isinstance(event, dict) else []
    return f"{type(event).__name__} with {', '.join(members) or 'no members'}"


def body(
    event: Mapping[str, Any],
    status: str,
    physical_id: str,
    reason: str = "",
    data: Mapping[str, str] | None = None,
) -> bytes:
    """Write the response to a request. A reason that does not fit is cut at its end.

    Args:
        event: the request, from which the stack, the request and the resource are taken.
        status: SUCCESS or FAILED.
        physical_id: the id of the resource, never empty.
        reason: why it failed.
        data: the attributes of the resource.
    """
    response = {
        "Status": status,
        "PhysicalResourceId": physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Reason": reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 1] + "…",
        "Data": dict(data or {}),
    }
    encoded = json.dumps(response).encode()
    while len(encoded) > MAX_BODY and response["Reason"]:
        # A character outside ASCII takes six bytes or more.
        response["Reason"] = str(response["Reason"])[: len(str(response["Reason"])) // 2]
        encoded = json.dumps(response).encode()
    return encoded


def send(url: str, content: bytes) -> bool:
    """Put a response to the presigned URL, again after a fault, and tell whether it was taken.

    Each attempt and their number are bounded: a function that never ends answers nothing. The URL and the body
    are never logged: whoever has the URL can forge a response.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            status = _put(url, content)
        except (OSError, HTTPException, ValueError) as error:
            log.info("the response could not be sent", attempt=attempt, error=type(error).__name__)
        else:
            if status == 200:  # noqa: PLR2004 - OK
                return True
            log.info("the response was refused", attempt=attempt, http_status=status)
            if 400 <= status < 500:  # noqa: PLR2004 - what is refused once, an expired URL say, stays refused
                return False
        if attempt < _ATTEMPTS:
            time.sleep(_PAUSE * attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not cryptography
    return False


def _fail(event: dict[str, Any], reason: str) -> None:
    log.info("failed", logical_id=event["LogicalResourceId"], reason=reason)
    given = event.get("PhysicalResourceId")
    physical_id = given if isinstance(given, str) and given else event["LogicalResourceId"]
    send(event["ResponseURL"], body(event, FAILED, physical_id, reason))


def _put(url: str, content: bytes) -> int:
    parts = urlsplit(url)
    connection = HTTPSConnection(parts.netloc, timeout=_SOCKET_TIMEOUT, context=ssl.create_default_context())
    try:
        # The signature in the URL covers an empty content type.
        connection.request("PUT", f"{parts.path}?{parts.query}", body=content, headers={"Content-Type": ""})
        return connection.getresponse().status
    finally:
        connection.close()
