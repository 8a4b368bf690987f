"""RotateSecret, CancelRotateSecret, and the schedule of a secret's rotation.

On AWS RotateSecret needs a function that lets Secrets Manager invoke it, and a caller who may invoke it; a rotation
that did not come to its end is taken up again instead of a new one; the schedule does the same by itself.
ministack's RotateSecret copies the value, it knows no CancelRotateSecret, and no schedule.
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CancelRotateSecret.html
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import (
    error_response_json,
    get_region,
    json_response,
    new_uuid,
    set_request_account_id,
    set_request_region,
)
from ministack.services import lambda_svc, secretsmanager

from local_cloud.patches import caller, service_access
from local_cloud.patches.secretsmanager import rotation_rules, rotation_steps
from local_cloud.replacing import Function, replace_function

_SECONDS_BETWEEN_LOOKS = 0.2
_DATES = ("LastRotatedDate", "NextRotationDate")

Answer = tuple[int, dict[str, str], bytes]
Request = dict[str, Any]
Secret = dict[str, Any]


class _RefusedError(Exception):
    """The request is answered with an error code and a message."""


def apply() -> None:
    """Make rotation real, and look for secrets whose date has come."""
    replace_function(secretsmanager, "_rotate_secret", "data", lambda _: rotate_secret)
    replace_function(secretsmanager, "_describe_secret", "data", _with_dates)
    replace_function(secretsmanager, "handle_request", "method path headers body query_params", _with_cancellation)
    caller.make_known_to(secretsmanager, "method path headers body query_params")
    threading.Thread(target=_rotate_by_schedule, daemon=True).start()


def make_due(secret_id: str) -> None:
    """Let the date of a secret's next scheduled rotation be now."""
    for secret in list(secretsmanager._secrets._data.values()):
        if secret_id in (secret["ARN"], secret["Name"]) and secret.get("NextRotationDate"):
            secret["NextRotationDate"] = time.time()


def rotate_secret(data: Request) -> Answer:
    """Answer RotateSecret."""
    try:
        secret = _found(data)
        return _rotate(secret, data)
    except _RefusedError as refusal:
        return _error(*refusal.args)


def cancel_rotate_secret(data: Request) -> Answer:
    """Answer CancelRotateSecret."""
    try:
        secret = _found(data)
    except _RefusedError as refusal:
        return _error(*refusal.args)
    secret["RotationEnabled"] = False
    secret["NextRotationDate"] = None
    return _answer(secret)


def _rotate(secret: Secret, data: Request) -> Answer:
    arn = data.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
    rules = data.get("RotationRules") or secret.get("RotationRules") or {}
    _check(secret, arn, rules)
    secret.update({"RotationLambdaARN": arn, "RotationRules": rules, "RotationEnabled": True})
    secret["NextRotationDate"] = rotation_rules.next_date(rules, time.time())
    version_id = data.get("ClientRequestToken") or new_uuid()
    if version_id in secret["Versions"] and version_id != rotation_steps.pending_version(secret):
        return _answer(secret, VersionId=version_id)
    interrupted = rotation_steps.pending_version(secret)
    if interrupted:
        rotation_steps.start(secret, interrupted)
        message = "A previous rotation isn't complete. That rotation will be reattempted."
        raise _RefusedError("InvalidRequestException", message)
    if data.get("RotateImmediately", True):
        rotation_steps.start(secret, version_id)
        return _answer(secret, VersionId=version_id)
    rotation_steps.test(secret, version_id)
    return _answer(secret)


def _found(data: Request) -> Secret:
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    if not secret:
        raise _RefusedError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    if secret.get("DeletedDate"):
        message = "You can't perform this operation on the secret because it was marked for deletion."
        raise _RefusedError("InvalidRequestException", message)
    found: Secret = secret
    return found


def _check(secret: Secret, function_arn: str | None, rules: Request) -> None:
    if not function_arn:
        message = "No Lambda rotation function ARN is associated with this secret."
        raise _RefusedError("InvalidRequestException", message)
    mistake = rotation_rules.mistake(rules)
    if mistake:
        raise _RefusedError("InvalidParameterException", mistake)
    function, _, _ = lambda_svc._get_func_record_for_ref(function_arn)
    if not function or not service_access.may_invoke(rotation_steps.SERVICE, function_arn, secret["ARN"]):
        raise _RefusedError(
            "AccessDeniedException",
            "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy "
            "grants access to the principal secretsmanager.amazonaws.com.",
        )
    # CloudFormation's own calls are not asked.
    key_id = caller.access_key_id()
    invoke = service_access.INVOKE
    denied = key_id is not None and iam_evaluator.enforce(key_id, invoke, "lambda", get_region(), function_arn)
    if denied:
        message = f"User: {denied.principal_arn} is not authorized to perform: {invoke} on resource: {function_arn}"
        raise _RefusedError("AccessDeniedException", message)


def _with_dates(original: Function) -> Function:
    def describe_secret(data: Request) -> Answer:
        status, headers, body = original(data)
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        if not secret:
            return status, headers, body
        dates = {name: secret[name] for name in _DATES if secret.get(name)}
        described: Answer = json_response({**json.loads(body), **dates})
        return described

    return describe_secret


def _with_cancellation(original: Function) -> Function:
    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        if headers.get("x-amz-target", "").endswith(".CancelRotateSecret"):
            return cancel_rotate_secret(json.loads(body))
        answer: Answer = await original(method, path, headers, body, query)
        return answer

    return handle_request


def _rotate_by_schedule() -> None:
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        for (account, region, _), secret in list(secretsmanager._secrets._data.items()):
            due = secret.get("NextRotationDate")
            if secret["RotationEnabled"] and due and due <= time.time():
                set_request_account_id(account)
                set_request_region(region)
                # Whatever comes of it, there is one attempt for each date.
                secret["NextRotationDate"] = rotation_rules.next_date(secret["RotationRules"], time.time())
                rotate_secret({"SecretId": secret["ARN"]})


def _answer(secret: Secret, **more: str) -> Answer:
    answer: Answer = json_response({"ARN": secret["ARN"], "Name": secret["Name"], **more})
    return answer


def _error(code: str, message: str) -> Answer:
    answer: Answer = error_response_json(code, message, 400)
    return answer
