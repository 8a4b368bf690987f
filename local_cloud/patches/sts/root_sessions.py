"""What the session of a member account's root user may do, and what it does with the root user's credentials.

The task policy leaves a root session nothing but its task, on the root user itself; a call without a user name is
about the root user. ministack has neither such sessions nor credentials of root users.
https://docs.aws.amazon.com/IAM/latest/UserGuide/security-iam-awsmanpol.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.core.router import extract_access_key_id
from ministack.services import iam, sts

from local_cloud.patches.iam import root_credentials, root_keys
from local_cloud.replacing import Function, replace_function

if TYPE_CHECKING:
    from collections.abc import Iterable

TASK = "TaskPolicyArn"

_LOOKING = ("GetAccessKeyLastUsed", "GetLoginProfile", "GetUser", "ListAccessKeys", "ListMFADevices")
_LOOKING_AT_CERTIFICATES = (*_LOOKING, "ListSigningCertificates")
_DELETING = (
    "DeactivateMFADevice",
    "DeleteAccessKey",
    "DeleteLoginProfile",
    "DeleteSigningCertificate",
    "DeleteVirtualMFADevice",
)

Answer = tuple[int, dict[str, str], bytes]


def _task(own: Iterable[str], others: Iterable[str] = ()) -> dict[str, Any]:
    # A root user may do everything: what is no task of the session is taken away.
    of_the_root_user = [f"iam:{action}" for action in own]
    statements = [{"Effect": "Deny", "NotAction": [*of_the_root_user, *others], "Resource": "*"}]
    if of_the_root_user:
        statements.append({"Effect": "Deny", "Action": of_the_root_user, "NotResource": "arn:aws:iam::*:root"})
    return {"Version": "2012-10-17", "Statement": statements}


def _arn(name: str) -> str:
    return f"arn:aws:iam::aws:policy/root-task/{name}"


_ON_BUCKETS = [f"s3:{action}" for action in ("DeleteBucketPolicy", "GetBucketPolicy", "PutBucketPolicy")]
_ON_QUEUES = [f"sqs:{action}" for action in ("GetQueueAttributes", "GetQueueUrl", "ListQueues", "SetQueueAttributes")]

POLICIES = {
    _arn("IAMAuditRootUserCredentials"): _task(_LOOKING_AT_CERTIFICATES, ["iam:GetAccountSummary"]),
    _arn("IAMDeleteRootUserCredentials"): _task([*_LOOKING_AT_CERTIFICATES, *_DELETING]),
    _arn("IAMCreateRootUserPassword"): _task(["CreateLoginProfile", "GetLoginProfile"]),
    _arn("S3UnlockBucketPolicy"): _task([], [*_ON_BUCKETS, "s3:ListAllMyBuckets"]),
    _arn("SQSUnlockQueuePolicy"): _task([], _ON_QUEUES),
}

# Without RootSessions there is no task at all, without the other none about credentials.
NEEDED_FEATURES = {
    arn: {"RootSessions", "RootCredentialsManagement"} if "/IAM" in arn else {"RootSessions"} for arn in POLICIES
}


def apply() -> None:
    """Bind each root session to its task, and answer its calls from the root user's credentials."""
    replace_function(iam_evaluator, "resolve_principal", "access_key_id account_id credential", _bound_to_its_task)
    parameters = "service method path headers body query_params region account_id"
    replace_function(iam_actions, "extract_resource_arn", parameters, _about_the_root_user)
    replace_function(iam, "handle_request", "method path headers body query_params", _of_the_root_user)


def task_of(access_key_id: str | None) -> str | None:
    """Give the task policy of a root session, None for other keys."""
    session = sts._sessions.get(access_key_id or "") or {}
    task: str | None = session.get(TASK)
    return task


def _bound_to_its_task(original: Function) -> Function:
    def resolve_principal(access_key_id: str, account_id: str, credential: Any = None) -> Any:
        principal = original(access_key_id, account_id, credential)
        task = task_of(access_key_id)
        if task is None or isinstance(principal, iam_evaluator.AuthError):
            return principal
        everything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        policies = [iam_evaluator.parse_policy_document(document) for document in (everything, POLICIES[task])]
        return dataclasses.replace(principal, policies=policies)

    return resolve_principal


def _about_the_root_user(original: Function) -> Function:
    def extract_resource_arn(service: str, *arguments: Any) -> str:
        arn: str = original(service, *arguments)
        headers, form = arguments[2], arguments[4]
        if service != "iam" or arn != "*" or task_of(extract_access_key_id(headers, form)) is None:
            return arn
        key_id = iam._p(form, "AccessKeyId")
        if iam._p(form, "Action") == "GetAccessKeyLastUsed" and key_id not in root_keys.of(get_account_id()):
            return arn
        return f"arn:aws:iam::{get_account_id()}:root"

    return extract_resource_arn


def _of_the_root_user(original: Function) -> Function:
    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        if task_of(extract_access_key_id(headers, query)) is not None:
            answer = root_credentials.answer(body, query)
            if answer is not None:
                return answer
        rest: Answer = await original(method, path, headers, body, query)
        return rest

    return handle_request
