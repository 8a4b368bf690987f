"""The condition on the version that a request for a secret's value names by its staging label.

AWS evaluates `secretsmanager:VersionStage`; ministack does not know it, so that a policy with such a condition allows
nothing. AWS does not say whether the key is there when a request names no label, so here it is not.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core import iam_actions

from local_cloud.replacing import Function, replace_function

_ACTION = "secretsmanager:GetSecretValue"
_LABEL = "VersionStage"


def apply() -> None:
    """Add the key to the context of a request."""
    replace_function(iam_actions, "request_tag_context", "service iam_action body params", _with_label)


def _with_label(original: Function) -> Function:
    def request_context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = original(service, iam_action, body, params)
        label = _label(body) if iam_action == _ACTION else None
        return context | {f"secretsmanager:{_LABEL}": label} if isinstance(label, str) else context

    return request_context


def _label(body: bytes) -> Any:
    try:
        return json.loads(body).get(_LABEL)
    except (ValueError, AttributeError):
        return None
