"""The condition on the namespace that a PutMetricData call writes to.

AWS evaluates `cloudwatch:namespace`; ministack does not know it, so that a policy with such a condition allows nothing.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core import iam_actions

from local_cloud.replacing import Function, replace_function

_ACTION = "cloudwatch:PutMetricData"


def apply() -> None:
    """Add the key to the context of a request."""
    replace_function(iam_actions, "request_tag_context", "service iam_action body params", _with_namespace)


def _with_namespace(original: Function) -> Function:
    def request_context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = original(service, iam_action, body, params)
        if iam_action == _ACTION:
            context["cloudwatch:namespace"] = _namespace(body, params)
        return context

    return request_context


def _namespace(body: bytes, params: dict[str, Any]) -> str:
    """Read it from either protocol that boto3 has spoken."""
    if "Namespace" in params:
        value = params["Namespace"]
        return str(value[0] if isinstance(value, list) else value)
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    return str(content.get("Namespace", "")) if isinstance(content, dict) else ""
