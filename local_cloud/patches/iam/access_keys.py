"""The rules of access keys that ministack does not hold.

On AWS a user has at most two access keys, inactive ones counted; listing or making keys needs a user that
exists; a key is deleted only through the user it belongs to; and a call without a user name acts on the
caller's own keys.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.services import iam

from local_cloud.replacing import Function, replace_item

_QUOTA = 2

Answer = tuple[int, dict[str, str], bytes]


def apply() -> None:
    """Check the user of every access key action, the owner of a key to delete, and the quota."""
    for action, replacement in {
        "CreateAccessKey": lambda original: _of_an_existing_user(_within_the_quota(original)),
        "ListAccessKeys": _of_an_existing_user,
        "UpdateAccessKey": _of_an_existing_user,
        "DeleteAccessKey": lambda original: _of_an_existing_user(_of_its_owner(original)),
    }.items():
        replace_item(iam._IAM_HANDLERS, action, "p", replacement)


def _of_an_existing_user(original: Function) -> Function:
    def action(p: dict[str, Any]) -> Answer:
        name = iam._p(p, "UserName") or _own_name()
        if not name:
            return _error(400, "ValidationError", "Must specify userName when calling with non-User credentials")
        if name not in iam._users:
            return _error(404, "NoSuchEntity", f"The user with name {name} cannot be found.")
        answer: Answer = original({**p, "UserName": [name]})
        return answer

    return action


def _within_the_quota(original: Function) -> Function:
    def create_access_key(p: dict[str, Any]) -> Answer:
        name = iam._p(p, "UserName")
        if sum(key["UserName"] == name for key in iam._access_keys.values()) >= _QUOTA:
            return _error(409, "LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {_QUOTA}")
        answer: Answer = original(p)
        return answer

    return create_access_key


def _of_its_owner(original: Function) -> Function:
    def delete_access_key(p: dict[str, Any]) -> Answer:
        key_id = iam._p(p, "AccessKeyId")
        key = iam._access_keys.get(key_id)
        if key and key["UserName"] != iam._p(p, "UserName"):
            return _error(404, "NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
        answer: Answer = original(p)
        return answer

    return delete_access_key


def _own_name() -> str:
    arn = iam_evaluator.caller_arn()
    return arn.rsplit("/", 1)[-1] if ":user/" in arn else ""


def _error(status: int, code: str, message: str) -> Answer:
    answer: Answer = iam._error(status, code, message, ns="iam")
    return answer
