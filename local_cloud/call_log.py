"""The record of API calls, kept in the emulator's process.

ministack has one of its own (`CLOUDTRAIL_RECORDING`), which names no error and no principal and keeps request
bodies. This one keeps what an allow-list of parameters lets through, so that no secret can get in.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any
from urllib.parse import parse_qs

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.router import detect_service, extract_access_key_id

from local_cloud.replacing import Function, replace_function

_MOST_CALLS = 20_000
_FIRST_ERROR = 400
_TAG_KEY = re.compile(r"Tags\.member\.\d+\.Key|TagKeys\.member\.\d+")
_XML_CODE = re.compile(rb"<Code>([^<]+)</Code>")

_PARAMETERS = frozenset(
    {
        "AccessKeyId",
        "AccountId",
        "ChangeSetName",
        "DurationSeconds",
        "FunctionName",
        "IndexName",
        "KeyId",
        "LogGroupName",
        "MoveToVersionId",
        "Name",
        "ParentId",
        "Path",
        "PolicyArn",
        "PolicyName",
        "RemoveFromVersionId",
        "RoleArn",
        "RoleName",
        "RoleSessionName",
        "SecretId",
        "StackName",
        "Status",
        "TableName",
        "TagKeys",
        "TargetPrincipal",
        "TaskPolicyArn.arn",
        "UserName",
        "VersionId",
        "VersionStage",
        "VersionStages",
    }
)

_calls: deque[dict[str, Any]] = deque(maxlen=_MOST_CALLS)


def calls() -> list[dict[str, Any]]:
    """Give the calls since the last `clear()`, in the order they ended."""
    return list(_calls)


def clear() -> None:
    """Forget the calls so far."""
    _calls.clear()


def start() -> None:
    """Record every call that reaches a service's API."""
    replace_function(app, "_dispatch_service_request", "method path headers body query_params request_id", _recording)


def _recording(original: Function) -> Function:
    async def dispatch(*arguments: Any) -> Any:
        method, path, headers, body, query, _ = arguments
        request = {**_form(headers, body), **query}
        service = detect_service(method, path, headers, request)
        record = {
            "service": service,
            "action": str(app._ct_event_name(service, method, path, headers, request)),
            "access_key_id": extract_access_key_id(headers, query),
            "principal": _principal(headers, query),
            "parameters": _parameters(headers, body, request),
        }
        answer = await original(*arguments)
        _calls.append({**record, "error": _error_code(answer)})
        return answer

    return dispatch


def _form(headers: dict[str, str], body: bytes) -> dict[str, list[str]]:
    if "form-urlencoded" not in headers.get("content-type", ""):
        return {}
    return parse_qs(body.decode(errors="replace"))


def _principal(headers: dict[str, str], query: dict[str, Any]) -> str | None:
    key_id = extract_access_key_id(headers, query)
    credential = iam_evaluator.resolve_credential(key_id) if key_id else None
    return getattr(credential, "principal_arn", None)


def _parameters(headers: dict[str, str], body: bytes, form: dict[str, list[str]]) -> dict[str, Any]:
    if "json" in headers.get("content-type", ""):
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return {}
        request = request if isinstance(request, dict) else {}
        tags = request.get("Tags")
        if isinstance(tags, list):
            request["TagKeys"] = [tag.get("Key") for tag in tags if isinstance(tag, dict)]
        return {name: value for name, value in request.items() if name in _PARAMETERS}
    parameters: dict[str, Any] = {name: values[0] for name, values in form.items() if name in _PARAMETERS}
    keys = [values[0] for name, values in form.items() if _TAG_KEY.fullmatch(name)]
    return {**parameters, "TagKeys": keys} if keys else parameters


def _error_code(answer: Any) -> str | None:
    status, headers, body = answer
    if status < _FIRST_ERROR:
        return None
    content = body if isinstance(body, bytes) else b""
    in_xml = _XML_CODE.search(content)
    if in_xml:
        return in_xml.group(1).decode()
    try:
        named = json.loads(content).get("__type") or headers.get("x-amzn-errortype")
    except (ValueError, AttributeError):
        named = headers.get("x-amzn-errortype")
    return str(named or status).rsplit("#", 1)[-1].split(":", 1)[0]
