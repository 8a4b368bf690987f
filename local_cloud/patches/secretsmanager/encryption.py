"""A secret with a KMS key of the customer's: whoever writes or reads its value needs leave to use the key.

Secrets Manager uses the key in the caller's name, which the conditions `kms:ViaService` and
`kms:EncryptionContext:SecretARN` tell: GenerateDataKey and Decrypt to put a value, Decrypt to read it. ministack
asks for neither.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_region
from ministack.services import kms, secretsmanager

from local_cloud.patches import caller
from local_cloud.replacing import Function, Replacement, replace_function

Answer = tuple[int, dict[str, str], bytes]
Request = dict[str, Any]


def apply() -> None:
    """Ask for the caller's rights on the key first."""
    put = _needing("kms:GenerateDataKey", "kms:Decrypt")
    replace_function(secretsmanager, "_put_secret_value", "data", put)
    replace_function(secretsmanager, "_get_secret_value", "data", _needing("kms:Decrypt"))


def _needing(*actions: str) -> Replacement:
    def replacement(original: Function) -> Function:
        def with_the_key(data: Request) -> Answer:
            _, secret = secretsmanager._resolve(data.get("SecretId"))
            key = kms._resolve_key(secret.get("KmsKeyId")) if secret else None
            if key and not all(_may(action, key["Arn"], secret["ARN"]) for action in actions):
                refusal: Answer = error_response_json("AccessDeniedException", "Access to KMS is not allowed", 400)
                return refusal
            answer: Answer = original(data)
            return answer

        return with_the_key

    return replacement


def _may(action: str, key_arn: str, secret_arn: str) -> bool:
    key_id = caller.access_key_id()
    context = {
        "kms:ViaService": f"secretsmanager.{get_region()}.amazonaws.com",
        "kms:EncryptionContext:SecretARN": secret_arn,
    }
    if key_id is None:
        return True
    with caller.acting_in(caller.account()):
        return iam_evaluator.enforce(key_id, action, "kms", get_region(), key_arn, context) is None
