"""A secret that another account reads by its complete ARN: its resource policy and the reader's policies must allow it.

The same holds for its KMS key. ministack looks for secrets, KMS keys and their policies in the caller's account alone.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json, get_account_id
from ministack.services import kms, secretsmanager

from local_cloud.patches import caller
from local_cloud.replacing import Function, replace_function

Answer = tuple[int, dict[str, str], bytes]
_ACCOUNT_IN_ARN = 4


def apply() -> None:
    """Look in the account that the ARN names."""
    replace_function(secretsmanager, "secret_policy_for_arn", "resource_arn", _of_its_account)
    replace_function(kms, "key_policy_for_arn", "resource_arn", _of_its_account)
    for name in ("_get_secret_value", "_describe_secret"):
        replace_function(secretsmanager, name, "data", _reading_from_outside)


def _of_its_account(original: Function) -> Function:
    def policy_for_arn(resource_arn: str) -> Any:
        with caller.acting_in(_account_of(resource_arn)):
            return original(resource_arn)

    return policy_for_arn


def _reading_from_outside(original: Function) -> Function:
    def read(data: dict[str, Any]) -> Answer:
        account = _account_of(str(data.get("SecretId")))
        key_id = caller.access_key_id()
        if account != get_account_id() and key_id is not None and key_id.isdigit():
            # The root user of another account, whom the emulator asks for no policy.
            refusal: Answer = error_response_json("AccessDeniedException", "You are not authorized", 400)
            return refusal
        with caller.acting_in(account):
            answer: Answer = original(data)
        return answer

    return read


def _account_of(arn: str) -> str:
    """Give the account that an ARN names; the caller's own for a name."""
    parts = arn.split(":")
    return parts[_ACCOUNT_IN_ARN] if len(parts) > _ACCOUNT_IN_ARN else str(get_account_id())
