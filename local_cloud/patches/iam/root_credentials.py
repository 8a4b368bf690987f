"""IAM's calls about the credentials of the root user who makes them.

`GetAccessKeyLastUsed` names the root user `<root_account>`. A root user here has access keys and nothing else: no
password, no MFA device, no signing certificate.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccessKeyLastUsed.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccessKey.html
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import parse_qs

from ministack.core.responses import get_account_id
from ministack.services import iam

from local_cloud.patches.iam import root_keys

_NAME = "&lt;root_account&gt;"

Answer = tuple[int, dict[str, str], bytes]
Form = dict[str, Any]


def answer(body: bytes, query: Form) -> Answer | None:
    """Answer a call of the root user, None if it is not about its credentials."""
    form = {**parse_qs(body.decode(errors="replace")), **query}
    handler = _ANSWERS.get(iam._p(form, "Action"))
    return handler(form) if handler else None


def _list_access_keys(_: Form) -> Answer:
    error = root_keys.faults_of(get_account_id()).list_error
    if error:
        return _failed(error)
    members = "".join(
        f"<member><AccessKeyId>{key.access_key_id}</AccessKeyId><Status>{key.status}</Status>"
        f"<CreateDate>{_date(key.created)}</CreateDate></member>"
        for key in root_keys.of(get_account_id()).values()
    )
    content = f"<AccessKeyMetadata>{members}</AccessKeyMetadata><IsTruncated>false</IsTruncated>"
    return _answered("ListAccessKeys", content)


def _get_access_key_last_used(form: Form) -> Answer:
    error = root_keys.faults_of(get_account_id()).last_use_error
    if error:
        return _failed(error)
    key = root_keys.of(get_account_id())[iam._p(form, "AccessKeyId")]
    if key.last_used is None:
        use = "<Region>N/A</Region><ServiceName>N/A</ServiceName>"
    else:
        date = f"<LastUsedDate>{_date(key.last_used)}</LastUsedDate>"
        use = f"{date}<Region>{key.region}</Region><ServiceName>{key.service}</ServiceName>"
    content = f"<UserName>{_NAME}</UserName><AccessKeyLastUsed>{use}</AccessKeyLastUsed>"
    return _answered("GetAccessKeyLastUsed", content)


def _delete_access_key(form: Form) -> Answer:
    faults = root_keys.faults_of(get_account_id())
    if faults.delete_fails:
        faults.delete_fails -= 1
        return _failed("ServiceFailure")
    key_id = iam._p(form, "AccessKeyId")
    if root_keys.of(get_account_id()).pop(key_id, None) is None:
        return _missing(f"The Access Key with id {key_id} cannot be found.")
    if faults.delete_answers_lost:
        faults.delete_answers_lost -= 1
        return _failed("ServiceFailure")
    done: Answer = iam._xml(200, "DeleteAccessKeyResponse", "")
    return done


def _get_user(_: Form) -> Answer:
    account = get_account_id()
    arn = f"<Arn>arn:aws:iam::{account}:root</Arn>"
    return _answered("GetUser", f"<User><UserId>{account}</UserId>{arn}<CreateDate>{_date(0)}</CreateDate></User>")


def _missing(message: str) -> Answer:
    refusal: Answer = iam._error(404, "NoSuchEntity", message)
    return refusal


def _failed(code: str) -> Answer:
    status = 500 if code == "ServiceFailure" else 403
    refusal: Answer = iam._error(status, code, "The request was not processed.")
    return refusal


def _answered(action: str, content: str) -> Answer:
    told: Answer = iam._xml(200, f"{action}Response", f"<{action}Result>{content}</{action}Result>")
    return told


def _date(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _of_what_is_not_there(what: str) -> Any:
    return lambda _: _missing(f"The root user has no {what}.")


def _empty_list(action: str, field: str) -> Any:
    return lambda _: _answered(action, f"<{field}></{field}><IsTruncated>false</IsTruncated>")


_ANSWERS = {
    "ListAccessKeys": _list_access_keys,
    "GetAccessKeyLastUsed": _get_access_key_last_used,
    "DeleteAccessKey": _delete_access_key,
    "GetUser": _get_user,
    "ListMFADevices": _empty_list("ListMFADevices", "MFADevices"),
    "ListSigningCertificates": _empty_list("ListSigningCertificates", "Certificates"),
    "GetLoginProfile": _of_what_is_not_there("password"),
    "DeleteLoginProfile": _of_what_is_not_there("password"),
    "DeleteSigningCertificate": _of_what_is_not_there("signing certificate"),
    "DeactivateMFADevice": _of_what_is_not_there("MFA device"),
    "DeleteVirtualMFADevice": _of_what_is_not_there("MFA device"),
}
