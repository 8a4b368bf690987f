"""Sends the answer to CloudFormation. Needs the standard library only, so that an answer can always be sent.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

from __future__ import annotations

import json
import random
import ssl
import time
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from access_key_provider.journal import record

if TYPE_CHECKING:
    from collections.abc import Mapping

SUCCESS = "SUCCESS"
FAILED = "FAILED"

# CloudFormation takes no longer body. Plenty of room is left for the ids and attributes beside a reason.
MAX_BODY = 4096
MAX_REASON = 1000

_ATTEMPTS = 6
_SOCKET_TIMEOUT = 5.0
_PAUSE = 1.0


def body(
    event: Mapping[str, Any],
    status: str,
    physical_id: str,
    reason: str = "",
    data: Mapping[str, str] | None = None,
) -> bytes:
    """Write an answer to an event. A reason that does not fit is cut at its end.

    Args:
        event: the request, from which the stack, the request and the resource are taken.
        status: SUCCESS or FAILED.
        physical_id: the id of the resource, never empty.
        reason: why it failed.
        data: the attributes of the resource.
    """
    answer = {
        "Status": status,
        "PhysicalResourceId": physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Reason": reason if len(reason) <= MAX_REASON else reason[: MAX_REASON - 1] + "…",
        "Data": dict(data or {}),
    }
    encoded = json.dumps(answer).encode()
    while len(encoded) > MAX_BODY and answer["Reason"]:
        # A character outside ASCII takes six bytes or more.
        answer["Reason"] = str(answer["Reason"])[: len(str(answer["Reason"])) // 2]
        encoded = json.dumps(answer).encode()
    return encoded


def send(url: str, content: bytes) -> bool:
    """Put an answer to the presigned URL, again after a fault, and tell whether it was taken.

    Each attempt and their number are bounded: a function that never ends answers nothing. The URL and the body
    are never logged: whoever has the URL can forge an answer.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            status = _put(url, content)
        except (OSError, HTTPException, ValueError) as error:
            record("the answer could not be sent", attempt=attempt, error=type(error).__name__)
        else:
            if status == 200:  # noqa: PLR2004 - OK
                return True
            record("the answer was refused", attempt=attempt, http_status=status)
            if 400 <= status < 500:  # noqa: PLR2004 - what is refused once, an expired URL say, stays refused
                return False
        if attempt < _ATTEMPTS:
            time.sleep(_PAUSE * attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not cryptography
    return False


def _put(url: str, content: bytes) -> int:
    parts = urlsplit(url)
    connection = HTTPSConnection(parts.netloc, timeout=_SOCKET_TIMEOUT, context=ssl.create_default_context())
    try:
        # The signature in the URL covers an empty content type.
        connection.request("PUT", f"{parts.path}?{parts.query}", body=content, headers={"Content-Type": ""})
        return connection.getresponse().status
    finally:
        connection.close()
