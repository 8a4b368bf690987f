"""The root user's access keys of a member account, through a privileged session for one task.

`sts:AssumeRoot` gives credentials of the root user that can do no more than the task policy says, for 15 minutes at
most. It needs a regional endpoint of STS.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import boto3

from root_access_keys.calls import CLIENT_CONFIG, DENIED, call, call_by_role
from root_access_keys.errors import DeniedError, GuardError, RefusedError
from root_access_keys.model import LastUse, RootKey, UnknownUse

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_SECONDS = 900
_NO_SUCH_ENTITY = "NoSuchEntity"
# As in AWS's own example of a policy that denies root users everything.
# https://github.com/aws-samples/service-control-policy-examples/tree/main/Privileged-access-controls
_EXEMPTION = 'exempt root sessions there with the condition "Null": {"aws:AssumedRoot": "true"}'


class Task(StrEnum):
    """The task policies that AWS has for root access keys, by name."""

    AUDIT = "IAMAuditRootUserCredentials"
    DELETE = "IAMDeleteRootUserCredentials"


class RootSession:
    """One account's root access keys. No call names a user: the session's own are meant, the root user's."""

    def __init__(self, account_id: str, task: Task, partition: str) -> None:
        """Assume root for a task.

        Raises:
            DeniedError: it is not allowed.
            TryAgainError: STS asks for patience.
        """
        try:
            assumed = call_by_role(
                boto3.client("sts", config=CLIENT_CONFIG).assume_root,
                TargetPrincipal=account_id,
                TaskPolicyArn={"arn": f"arn:{partition}:iam::aws:policy/root-task/{task}"},
                DurationSeconds=_SECONDS,
            )["Credentials"]
        except DeniedError as error:
            raise DeniedError(
                f"AssumeRoot with {task} was denied: a service control policy denies it ({_EXEMPTION}), the account "
                "has left the organization, or centralized root access was switched off (IAM console, Root access "
                "management)",
                error.code,
            ) from None
        self._iam: IAMClient = boto3.client(
            "iam",
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
            config=CLIENT_CONFIG,
        )

    def list(self) -> tuple[RootKey, ...]:
        """List the keys."""
        pages = self._iam.get_paginator("list_access_keys").paginate()
        try:
            listed = call(lambda: [key for page in pages for key in page["AccessKeyMetadata"]])
        except RefusedError as error:
            raise _denied_inside(error) from None
        return tuple(RootKey(key["AccessKeyId"], key["Status"] == "Active", key["CreateDate"]) for key in listed)

    def last_use(self, key_id: str) -> LastUse | UnknownUse:
        """Tell when a key was last used."""
        try:
            answer = call(self._iam.get_access_key_last_used, AccessKeyId=key_id)
        except GuardError as error:
            return UnknownUse(str(error))
        used = answer["AccessKeyLastUsed"]
        return LastUse(used.get("LastUsedDate"), used.get("ServiceName", ""), used.get("Region", ""))

    def delete(self, key_id: str) -> bool:
        """Delete a key for ever; False if it was gone already."""
        try:
            call(self._iam.delete_access_key, AccessKeyId=key_id)
        except RefusedError as error:
            if error.code != _NO_SUCH_ENTITY:
                raise _denied_inside(error) from None
            return False
        return True


def _denied_inside(error: RefusedError) -> RefusedError:
    """Say what denies a session what its task policy allows: service control policies bind root sessions too."""
    if error.code not in DENIED:
        return error
    what = f"{error}: a service control policy denies root users what the session is for; {_EXEMPTION}"
    return RefusedError(what, error.code)
