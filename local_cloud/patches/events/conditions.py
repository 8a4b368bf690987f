"""Conditions on what a PutEvents call sends.

AWS evaluates `events:source` and `events:detail-type` for each entry; ministack knows neither, so that a policy
with such a condition allows nothing. Here all entries of a call must agree, or a single-valued condition fails.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core import iam_actions

from local_cloud.replacing import Function, replace_function

_KEYS = {"events:source": "Source", "events:detail-type": "DetailType"}


def apply() -> None:
    """Add the keys to the context of a request."""
    replace_function(iam_actions, "request_tag_context", "service iam_action body params", _with_entries)


def _with_entries(original: Function) -> Function:
    def request_context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = original(service, iam_action, body, params)
        if iam_action == "events:PutEvents":
            context |= _context(body)
        return context

    return request_context


def _context(body: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(body)["Entries"]
        found = {key: sorted({str(entry.get(field, "")) for entry in entries}) for key, field in _KEYS.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}
