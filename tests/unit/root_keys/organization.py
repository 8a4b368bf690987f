"""An organization in memory, under real boto3 clients: botocore checks, pages and raises; nothing is sent."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
from botocore import xform_name
from botocore.exceptions import ConnectionClosedError
from unit.root_keys.guard_settings import deployed, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWN, MANAGEMENT = "111111111111", "999999999999"
AUDIT = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
DELETE = "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials"
_PAGE = 20
_READS = {"ListAccessKeys", "GetAccessKeyLastUsed"}


class Death(BaseException):
    """The function is killed."""


class AwsError(Exception):
    """AWS's refusal."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.status = code, status


@dataclass
class Key:
    """A root access key; `used` is None for never, and an error's code where the last use can't be read."""

    id: str
    created: datetime
    used: datetime | str | None = None
    active: bool = True


@dataclass
class Member:
    """A member account."""

    keys: list[Key] = field(default_factory=list)
    state: str = "ACTIVE"
    denied: bool = False


@dataclass
class Organization:
    """The organization as the guard's account sees it, what it wrote, and what is to go wrong."""

    members: dict[str, Member] = field(default_factory=dict)
    own_root_keys: int = 0
    objects: dict[str, bytes] = field(default_factory=dict)
    notices: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    faults: dict[tuple[int, str], Callable[[], BaseException]] = field(default_factory=dict)
    hooks: dict[int, Callable[[], object]] = field(default_factory=dict)
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict)

    @contextmanager
    def installed(self) -> Iterator[Organization]:
        """Be the AWS that the functions find."""
        environment = {
            "RESULTS_BUCKET": "results",
            "TOPIC_ARN": f"arn:aws:sns:eu-central-1:{OWN}:topic",
        }
        _CURRENT.append(self)
        try:
            with (
                mock.patch.object(boto3, "client", _client),
                mock.patch.dict("os.environ", environment),
                deployed(settings()),
            ):
                yield self
        finally:
            _CURRENT.pop()

    def keys(self) -> set[str]:
        """List the keys that there are."""
        return {key.id for member in self.members.values() for key in member.keys}

    def answer(self, service: str, signer: str, model: Any, context: dict[str, Any]) -> Any:
        """Answer a call."""
        index = len(self.log)
        self.log.append(f"{service}:{model.name}")
        self.hooks.pop(index, lambda: None)()
        try:
            self._meet(index, "before")
            operate = getattr(self, f"{service}_{xform_name(model.name)}")
            parsed = operate(context["parameters"], signer)
            self._meet(index, "after")
        except AwsError as error:
            meta = {"HTTPStatusCode": error.status}
            parsed = {"Error": {"Code": error.code, "Message": "no"}, "ResponseMetadata": meta}
            return SimpleNamespace(status_code=error.status), parsed
        return SimpleNamespace(status_code=200), {"ResponseMetadata": {"HTTPStatusCode": 200}, **parsed}

    def _meet(self, index: int, phase: str) -> None:
        if (index, phase) in self.faults:
            fault = self.faults.pop((index, phase))
            raise fault()

    def sts_assume_root(self, given: dict[str, Any], signer: str) -> dict[str, Any]:
        """Give a session of a member's root user for one task."""
        member = self.members.get(given["TargetPrincipal"])
        task = given["TaskPolicyArn"]["arn"]
        if signer or member is None or member.state != "ACTIVE" or member.denied or task not in {AUDIT, DELETE}:
            raise AwsError("AccessDenied", 403)
        number = len(self.sessions)
        key_id, secret, token = f"ASIAROOT{number:012}", f"secret-of-session-{number}", f"token-of-session-{number}"
        self.sessions[key_id] = given["TargetPrincipal"], task
        self.secrets += [secret, token]
        expires = datetime.now(UTC) + timedelta(seconds=given["DurationSeconds"])
        credentials = {"AccessKeyId": key_id, "SecretAccessKey": secret, "SessionToken": token, "Expiration": expires}
        return {"Credentials": credentials}

    def _entered(self, action: str, given: dict[str, Any], signer: str) -> Member:
        account, task = self.sessions.get(signer, ("", ""))
        if "UserName" in given or not (action in _READS or (action == "DeleteAccessKey" and task == DELETE)):
            raise AwsError("AccessDenied", 403)
        return self.members[account]

    def iam_list_access_keys(self, given: dict[str, Any], signer: str) -> dict[str, Any]:
        """List the root user's keys."""
        listed = [
            {"AccessKeyId": key.id, "Status": "Active" if key.active else "Inactive", "CreateDate": key.created}
            for key in self._entered("ListAccessKeys", given, signer).keys
        ]
        return {"AccessKeyMetadata": listed, "IsTruncated": False}

    def iam_get_access_key_last_used(self, given: dict[str, Any], signer: str) -> dict[str, Any]:
        """Tell the last use of one of them."""
        keys = self._entered("GetAccessKeyLastUsed", given, signer).keys
        found = [key for key in keys if key.id == given["AccessKeyId"]]
        if not found:
            raise AwsError("AccessDenied", 403)
        used = found[0].used
        if isinstance(used, str):
            raise AwsError(used, 500 if used == "ServiceFailure" else 400)
        told = {"ServiceName": "s3", "Region": "us-east-1"} if used else {"ServiceName": "N/A", "Region": "N/A"}
        return {"UserName": "<root_account>", "AccessKeyLastUsed": told | ({"LastUsedDate": used} if used else {})}

    def iam_delete_access_key(self, given: dict[str, Any], signer: str) -> dict[str, Any]:
        """Delete one of them for ever."""
        member = self._entered("DeleteAccessKey", given, signer)
        left = [key for key in member.keys if key.id != given["AccessKeyId"]]
        if len(left) == len(member.keys):
            raise AwsError("NoSuchEntity", 404)
        member.keys[:] = left
        self.deleted.append(given["AccessKeyId"])
        return {}

    def iam_get_account_summary(self, _given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Tell whether the own root user has keys."""
        return {"SummaryMap": {"AccountAccessKeysPresent": min(self.own_root_keys, 1)}}

    def organizations_describe_organization(self, _given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Name the management account."""
        return {"Organization": {"MasterAccountId": MANAGEMENT}}

    def organizations_list_accounts(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """List a page of accounts, the management account among them."""
        listed = [*self.members, MANAGEMENT]
        begin = int(given.get("NextToken", "0"))
        page = [self._account(account) for account in listed[begin : begin + _PAGE]]
        more = {"NextToken": str(begin + _PAGE)} if begin + _PAGE < len(listed) else {}
        return {"Accounts": page, **more}

    def organizations_describe_account(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Tell of one account."""
        if given["AccountId"] not in {*self.members, MANAGEMENT}:
            raise AwsError("AccountNotFoundException")
        return {"Account": self._account(given["AccountId"])}

    def _account(self, account: str) -> dict[str, str]:
        state = self.members[account].state if account in self.members else "ACTIVE"
        return {"Id": account, "Name": f"account {account}", "State": state}

    def s3_put_object(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Keep an object."""
        body = given["Body"]
        self.objects[given["Key"]] = body if isinstance(body, bytes) else body.read()
        return {}

    def s3_get_object(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Give an object."""
        if given["Key"] not in self.objects:
            raise AwsError("NoSuchKey", 404)
        return {"Body": io.BytesIO(self.objects[given["Key"]])}

    def s3_list_objects_v2(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """List objects by their prefix."""
        return {"Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(given["Prefix"])]}

    def sns_publish(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Take a notice, within the limits of SNS."""
        assert len(given["Subject"]) <= 100
        assert given["Subject"].isascii()
        assert len(given["Message"].encode()) <= 256 * 1024
        self.notices.append(given)
        return {}

    def events_put_events(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Take events, within the limit of EventBridge."""
        assert sum(len(entry["Detail"].encode()) for entry in given["Entries"]) <= 256 * 1024
        self.events += given["Entries"]
        return {"FailedEntryCount": 0, "Entries": []}


def throttled() -> BaseException:
    """Ask for patience."""
    return AwsError("Throttling")


def failed_inside() -> BaseException:
    """Fail inside AWS, whatever was done."""
    return AwsError("ServiceFailure", 500)


def denied() -> BaseException:
    """Refuse."""
    return AwsError("AccessDenied", 403)


def connection_lost() -> BaseException:
    """Break the connection, whatever was done."""
    return ConnectionClosedError(endpoint_url="https://aws.invalid")


def killed() -> BaseException:
    """End the function."""
    return Death()


_SESSION = boto3.Session()
_ENDPOINT = "https://aws.invalid"
# The organizations that are installed, the innermost last; clients are the same for all, they take long to make.
_CURRENT: list[Organization] = []
_CLIENTS: dict[tuple[str, str], Any] = {}
_MAKING = Lock()


def forget_clients() -> None:
    """Let all clients be made anew."""
    _CLIENTS.clear()


def _client(service: str, config: Any = None, aws_access_key_id: str = "", **_secret: str) -> Any:
    del config
    known = _CLIENTS.get((service, aws_access_key_id))
    if known is None:
        signer = aws_access_key_id or "ASIAFUNCTION"
        with _MAKING:
            known = _SESSION.client(service, "eu-central-1", aws_access_key_id=signer, aws_secret_access_key="x")
        # Nothing is sent: who asks, and where it would go, takes two thirds of the time of a call.
        known._user_agent_creator = SimpleNamespace(to_string=lambda: "guard")
        known._resolve_endpoint_ruleset = lambda *_arguments, **_named: (_ENDPOINT, {}, {})
        known.meta.events.register("before-parameter-build", _remember)
        known.meta.events.register("before-call", partial(_answer, service, aws_access_key_id))
        _CLIENTS[service, aws_access_key_id] = known
    return known


def _remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context["parameters"] = dict(params)


def _answer(service: str, signer: str, model: Any, context: dict[str, Any], **_: object) -> Any:
    return _CURRENT[-1].answer(service, signer, model, context)
