"""The rules of a secret's versions and staging labels that ministack does not hold.

On AWS a repeated `ClientRequestToken` with the same value does nothing, with another value it is an error; a
label sits on one version, so naming it moves it; a secret's first version is AWSCURRENT whatever its labels
are; a secret without a value has no version; AWSCURRENT moves but never goes; a secret has at most 20 labels.
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
"""

from __future__ import annotations

import json
import time
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services import secretsmanager

from local_cloud.patches.secretsmanager import rotation_steps
from local_cloud.replacing import Function, replace_function

_CURRENT = "AWSCURRENT"
_LABEL_QUOTA = 20

Answer = tuple[int, dict[str, str], bytes]
Request = dict[str, Any]
Secret = dict[str, Any]


def apply() -> None:
    """Replace how a version is put and a label is moved, and drop the version of a secret without a value."""
    replace_function(secretsmanager, "_put_secret_value", "data", _put_secret_value)
    replace_function(secretsmanager, "_update_secret_version_stage", "data", _update_secret_version_stage)
    replace_function(secretsmanager, "_create_secret", "data", _create_secret)
    replace_function(secretsmanager, "_get_secret_value", "data", _get_secret_value)


def drop_empty_versions(secret: Secret) -> None:
    """Forget the versions of a secret that have no value, except the one that a rotation will give a value."""
    for version_id, version in list(secret["Versions"].items()):
        if not _has_value(version) and rotation_steps.PENDING not in version["Stages"]:
            del secret["Versions"][version_id]


def _has_value(version: dict[str, Any]) -> bool:
    return bool(version["SecretString"] or version["SecretBinary"])


def _create_secret(original: Function) -> Function:
    def create_secret(data: Request) -> Answer:
        answer: Answer = original(data)
        made = answer[0] == 200  # noqa: PLR2004
        if not made or "SecretString" in data or "SecretBinary" in data:
            return answer
        secret = secretsmanager._secrets[data["Name"]]
        secret["Versions"].clear()
        return _answer({"ARN": secret["ARN"], "Name": secret["Name"]})

    return create_secret


def _get_secret_value(original: Function) -> Function:
    def get_secret_value(data: Request) -> Answer:
        answer: Answer = original(data)
        content = json.loads(answer[2])
        if answer[0] == 200 and "SecretString" not in content and "SecretBinary" not in content:  # noqa: PLR2004
            message = f"Secrets Manager can't find the specified secret value for VersionId: {content['VersionId']}"
            return _error("ResourceNotFoundException", message)
        return answer

    return get_secret_value


def _put_secret_value(original: Function) -> Function:
    def put_secret_value(data: Request) -> Answer:
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        if not secret or secret.get("DeletedDate") or secretsmanager._is_replica(secret):
            refusal: Answer = original(data)
            return refusal
        version_id = data.get("ClientRequestToken") or new_uuid()
        version = secret["Versions"].get(version_id)
        caller = iam_evaluator.caller_arn()
        message = rotation_steps.token_refusal(secret, version_id, data.get("RotationToken"), caller)
        if message:
            return _error("AccessDeniedException", message)
        if version and _has_value(version):
            return _repeated(secret, version_id, version, data)
        labels = list(dict.fromkeys(data.get("VersionStages") or [_CURRENT]))
        if not secret["Versions"] and _CURRENT not in labels:
            labels.append(_CURRENT)
        if _exceeds_quota(secret, labels):
            return _quota_error()
        _add_version(secret, version_id, labels, data)
        return _put_answer(secret, version_id)

    return put_secret_value


def _repeated(secret: Secret, version_id: str, version: dict[str, Any], data: Request) -> Answer:
    if all(version[field] == data.get(field) for field in ("SecretString", "SecretBinary")):
        return _put_answer(secret, version_id)
    return _error(
        "ResourceExistsException",
        f"You can't use ClientRequestToken {version_id} because that value is already in use "
        f"for a version of secret {secret['ARN']}.",
    )


def _add_version(secret: Secret, version_id: str, labels: list[str], data: Request) -> None:
    # The version of a rotation is there before its value, and keeps its label.
    before = secret["Versions"].get(version_id, {"Stages": []})["Stages"]
    own_labels = list(dict.fromkeys([*before, *(label for label in labels if label != _CURRENT)]))
    for label in own_labels:
        secretsmanager._remove_stage_everywhere(secret, label)
    secret["Versions"][version_id] = {
        "SecretString": data.get("SecretString"),
        "SecretBinary": data.get("SecretBinary"),
        "CreatedDate": int(time.time()),
        "Stages": own_labels,
    }
    if _CURRENT in labels:
        secretsmanager._apply_current_promotion(secret, version_id)
    secret["LastChangedDate"] = int(time.time())
    secretsmanager._sync_replicas(secret)


def _update_secret_version_stage(original: Function) -> Function:
    def update_secret_version_stage(data: Request) -> Answer:
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        label = data.get("VersionStage")
        if label == _CURRENT and not data.get("MoveToVersionId"):
            return _error(
                "InvalidParameterException",
                "You can only move staging label AWSCURRENT to a different secret version. "
                "It can't be completely removed.",
            )
        if secret and data.get("MoveToVersionId") and _exceeds_quota(secret, [label]):
            return _quota_error()
        answer: Answer = original(data)
        return answer

    return update_secret_version_stage


def _exceeds_quota(secret: Secret, labels: list[Any]) -> bool:
    attached = {label for version in secret["Versions"].values() for label in version["Stages"]}
    return len(attached | set(labels)) > _LABEL_QUOTA


def _quota_error() -> Answer:
    message = "The request failed because it would exceed one of the Secrets Manager quotas."
    return _error("LimitExceededException", message)


def _put_answer(secret: Secret, version_id: str) -> Answer:
    labels = list(secret["Versions"][version_id]["Stages"])
    named = {"ARN": secret["ARN"], "Name": secret["Name"]}
    return _answer({**named, "VersionId": version_id, "VersionStages": labels})


def _answer(body: dict[str, Any]) -> Answer:
    answer: Answer = json_response(body)
    return answer


def _error(code: str, message: str) -> Answer:
    answer: Answer = error_response_json(code, message, 400)
    return answer
