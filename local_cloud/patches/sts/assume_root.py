"""sts:AssumeRoot: a short session of a member account's root user, for one task.

The caller's policies decide on the member account's root user as the resource, with the key `sts:TaskPolicyArn`; the
caller is a user or role of the management account or of IAM's delegated administrator, and speaks to a Regional
endpoint (the global one does not know the action); the organization has IAM's features for it switched on. ministack
does not know the call.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html
https://github.com/boto/boto3/issues/4461
"""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_actions
from ministack.core.responses import get_region
from ministack.services import iam, sts

from local_cloud import issued_keys
from local_cloud.patches.iam import root_keys
from local_cloud.patches.organizations import organization
from local_cloud.patches.sts import root_sessions
from local_cloud.replacing import Function, replace_function

_ACTION = "AssumeRoot"
_LONGEST = 900
_TARGET = re.compile(r"(?:arn:aws:iam::)?(\d{12})(?::root)?")
_GLOBAL_HOST = "sts.amazonaws.com"
_GLOBAL_REGION = "aws-global"

Answer = tuple[int, dict[str, str], bytes]
Form = dict[str, Any]


class _RefusedError(Exception):
    """The request is answered with a status, an error code and a message."""


def apply() -> None:
    """Answer the call, and tell the policies of its caller what it is about."""
    replace_function(sts, "handle_request", "method path headers body query_params", _with_assume_root)
    parameters = "service method path headers body query_params region account_id"
    replace_function(iam_actions, "extract_resource_arn", parameters, _about_the_root_user)
    replace_function(iam_actions, "request_tag_context", "service iam_action body params", _with_the_task)


def _about_the_root_user(original: Function) -> Function:
    def extract_resource_arn(service: str, *arguments: Any) -> str:
        arn: str = original(service, *arguments)
        form = arguments[4]
        if service == "sts" and sts._p(form, "Action") == _ACTION:
            target = _TARGET.fullmatch(sts._p(form, "TargetPrincipal"))
            return f"arn:aws:iam::{target[1]}:root" if target else arn
        return arn

    return extract_resource_arn


def _with_the_task(original: Function) -> Function:
    def request_context(service: str, iam_action: str, body: bytes, params: Form) -> dict[str, Any]:
        context: dict[str, Any] = original(service, iam_action, body, params)
        task = sts._p(params, "TaskPolicyArn.arn")
        return {**context, "sts:TaskPolicyArn": task} if iam_action == f"sts:{_ACTION}" and task else context

    return request_context


def _with_assume_root(original: Function) -> Function:
    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        form = {**parse_qs(body.decode(errors="replace")), **query}
        if sts._p(form, "Action") == _ACTION:
            return _assume_root(form, headers, query)
        answer: Answer = await original(method, path, headers, body, query)
        return answer

    return handle_request


def _assume_root(form: Form, headers: dict[str, str], query: Any) -> Answer:
    try:
        account_id, task, duration = _checked(form, headers)
        _check_caller(sts._caller_identity(headers, query), account_id, task)
        _check_organization(account_id, task)
        _check_rate(account_id)
    except _RefusedError as refusal:
        refused: Answer = iam._error(*refusal.args, ns="sts")
        return refused
    return _session(account_id, task, duration)


def _checked(form: Form, headers: dict[str, str]) -> tuple[str, str, int]:
    if headers.get("host", "").partition(":")[0] == _GLOBAL_HOST or get_region() == _GLOBAL_REGION:
        raise _RefusedError(400, "InvalidAction", "Unknown Operation")
    target = _TARGET.fullmatch(sts._p(form, "TargetPrincipal"))
    if not target:
        raise _RefusedError(400, "ValidationError", "TargetPrincipal is neither an account id nor a root user's ARN.")
    task = sts._p(form, "TaskPolicyArn.arn")
    if task not in root_sessions.POLICIES:
        raise _RefusedError(400, "ValidationError", "TaskPolicyArn is none of the policies for root tasks.")
    duration = sts._p(form, "DurationSeconds") or str(_LONGEST)
    if not duration.isdigit() or int(duration) > _LONGEST:
        constraint = f"Member must have value less than or equal to {_LONGEST}"
        raise _RefusedError(
            400,
            "ValidationError",
            f"1 validation error detected: Value '{duration}' at 'durationSeconds' failed to satisfy constraint: "
            f"{constraint}",
        )
    return target[1], task, int(duration)


def _check_caller(caller: Any, account_id: str, task: str) -> None:
    if not isinstance(caller, dict) or caller["principalType"] == "Root":
        raise _RefusedError(403, "AccessDenied", "Root sessions may not be assumed by root users.")
    if organization.settings().role not in ("management", "delegated"):
        raise _denied(caller, account_id)
    known = organization.settings()
    if organization.IAM not in known.trusted_services or not root_sessions.NEEDED_FEATURES[task] <= set(known.features):
        raise _denied(caller, account_id)
    if root_keys.faults_of(account_id).denied:
        raise _denied(caller, account_id)


def _denied(caller: dict[str, Any], account_id: str) -> _RefusedError:
    message = (
        f"User: {caller['userArn']} is not authorized to perform: sts:{_ACTION} on resource: "
        f"arn:aws:iam::{account_id}:root"
    )
    return _RefusedError(403, "AccessDenied", message)


def _check_organization(account_id: str, task: str) -> None:
    del task
    found = organization.member(account_id)
    if found is None:
        raise _RefusedError(403, "AccessDenied", f"The account {account_id} is no member account of the organization.")
    state = organization.state(found)
    if state != "ACTIVE":
        raise _RefusedError(403, "AccessDenied", f"The account {account_id} is {state}.")


def _check_rate(account_id: str) -> None:
    faults = root_keys.faults_of(account_id)
    if faults.throttled or not root_keys.bucket().take():
        faults.throttled = max(0, faults.throttled - 1)
        raise _RefusedError(400, "Throttling", "Rate exceeded")


def _session(account_id: str, task: str, duration: int) -> Answer:
    key_id: str = iam._gen_session_access_key()
    secret, token = issued_keys.session_credentials()
    sts.register_session(
        key_id,
        {
            "Arn": f"arn:aws:iam::{account_id}:root",
            "UserId": account_id,
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + duration,
            "AccountId": account_id,
            "PrincipalType": "Root",
            root_sessions.TASK: task,
        },
    )
    answer: Answer = iam._xml(
        200,
        f"{_ACTION}Response",
        f"<{_ACTION}Result><Credentials><AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
        f"<SessionToken>{token}</SessionToken><Expiration>{iam._future(duration)}</Expiration></Credentials>"
        f"</{_ACTION}Result>",
        ns="sts",
    )
    return answer
