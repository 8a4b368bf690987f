"""The rotation of a secret: four invocations of its function, again if one fails.

Secrets Manager makes the version AWSPENDING without a value, named as the token, and invokes the function for
each step. If one fails it starts again with the same token, some times, and then gives up with AWSPENDING where
it is. The function does the rest; ministack does not invoke it and makes the new version current by itself.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot_rotation.html
"""

from __future__ import annotations

import contextvars
import secrets
import threading
import time
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import lambda_svc, secretsmanager

from local_cloud.patches import service_access

SERVICE = "secretsmanager.amazonaws.com"
PENDING = "AWSPENDING"
_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
# AWS says "multiple times", and neither how many nor how far apart.
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.2

Secret = dict[str, Any]

# By ARN the secrets whose function is being invoked, and the token that its writes must carry.
_under_way: dict[str, str] = {}
_lock = threading.Lock()


def pending_version(secret: Secret) -> str | None:
    """Give the version of a rotation that did not come to its end, None if there is none."""
    version_id, version = secretsmanager._find_stage_version(secret, PENDING)
    return None if version is None or "AWSCURRENT" in version["Stages"] else version_id


def start(secret: Secret, version_id: str) -> None:
    """Rotate in the background; a version that is AWSPENDING already is taken up again."""
    if version_id not in secret["Versions"]:
        _add_pending_version(secret, version_id)
    _in_background(secret, version_id, _STEPS)


def test(secret: Secret, version_id: str) -> None:
    """Run testSecret alone, on a version that goes again."""
    _add_pending_version(secret, version_id)
    _in_background(secret, version_id, ("testSecret",))


def token_refusal(secret: Secret, version_id: str, rotation_token: str | None, caller_arn: str) -> str | None:
    """Say why a caller may not put the value of a rotation's version, None if it may.

    A role that is not the function's own proves with the token that it acts for the rotation. AWS does not
    document how it refuses; this is strict.
    """
    wanted = _under_way.get(secret["ARN"])
    if wanted is None or version_id != pending_version(secret):
        return None
    if rotation_token is not None:
        return None if secrets.compare_digest(rotation_token, wanted) else "The rotation token is not valid."
    function, config, _ = lambda_svc._get_func_record_for_ref(secret["RotationLambdaARN"])
    own_role = config["Role"].rsplit("/", 1)[-1] if function and config else ""
    if ":assumed-role/" not in caller_arn or f":assumed-role/{own_role}/" in caller_arn:
        return None
    return "A rotation through another role than the rotation function's own needs the rotation token."


def _add_pending_version(secret: Secret, version_id: str) -> None:
    secretsmanager._remove_stage_everywhere(secret, PENDING)
    secret["Versions"][version_id] = {
        "SecretString": None,
        "SecretBinary": None,
        "CreatedDate": int(time.time()),
        "Stages": [PENDING],
    }


def _in_background(secret: Secret, version_id: str, steps: tuple[str, ...]) -> None:
    with _lock:
        if secret["ARN"] in _under_way:
            return
        _under_way[secret["ARN"]] = new_uuid()
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_run, secret, version_id, steps), daemon=True).start()


def _run(secret: Secret, version_id: str, steps: tuple[str, ...]) -> None:
    try:
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE_SECONDS if attempt else 0)
            if all(_succeeds(secret, version_id, step) for step in steps):
                if steps == _STEPS:
                    secret["LastRotatedDate"] = secret["LastChangedDate"] = int(time.time())
                return
    finally:
        if steps != _STEPS:
            secret["Versions"].pop(version_id, None)
        del _under_way[secret["ARN"]]


def _succeeds(secret: Secret, version_id: str, step: str) -> bool:
    _, found = secretsmanager._resolve(secret["ARN"])
    arn = secret["RotationLambdaARN"]
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    gone = found is not secret or not secret["RotationEnabled"] or not function or not config
    if gone or not service_access.may_invoke(SERVICE, arn, secret["ARN"]):
        return False
    event = {
        "Step": step,
        "SecretId": secret["ARN"],
        "ClientRequestToken": version_id,
        "RotationToken": _under_way[secret["ARN"]],
    }
    record = lambda_svc._execution_record_for_config(function, config)
    return not lambda_svc._execute_function_with_config_scope(record, event).get("error")
