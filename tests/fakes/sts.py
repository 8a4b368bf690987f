"""STS: roles, sessions, and who a call is signed by.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from fakes.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fakes.iam import AccessKey, User
    from fakes.state import State

_ROLE_ARN = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/cdk-iam-access-key/(?:[\x21-\x7e]+/)?(?P<name>[^/]+)")
_LONGEST_CHAINED_SESSION = 3600

_USER_ACTIONS: Final = frozenset(
    {"CreateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed", "ListAccessKeys", "ListUserTags", "UpdateAccessKey"}
)
_USER_TAG_ACTIONS: Final = frozenset({"TagUser", "UntagUser"})
_SECRET_ACTIONS: Final = frozenset({"DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"})

_COPY_ACTIONS: Final = _SECRET_ACTIONS | {"CreateSecret", "DeleteSecret"}
_PARAMETER_ACTIONS: Final = frozenset({"PutParameter", "LabelParameterVersion", "DeleteParameter"})

_EVENT_SOURCE: Final = "cdk-iam-access-key"

# Each service has its own words for the same.
_JSON: Final = ("dynamodb", "events", "lambda", "secretsmanager", "ssm")
_UNKNOWN: Final = dict.fromkeys(_JSON, "UnrecognizedClientException")
_EXPIRED: Final = dict.fromkeys(_JSON, "ExpiredTokenException")
_WRONG_SIGNATURE: Final = dict.fromkeys(_JSON, "InvalidSignatureException")
_DENIED: Final = dict.fromkeys(_JSON, "AccessDeniedException")

Answer = dict[str, Any]


@dataclass(slots=True)
class Role:
    """A key's role, for one user and one secret; None is any.

    Attributes:
        arn: its ARN.
        user_name: the user that it is for.
        secret_arn: the secret that it is for.
        assume_denials: how often it can't be assumed yet.
        call_denials: how many calls in its sessions are denied, because its policy does not work yet.
        user_tag_keys: which tags of the user it may set, as patterns.
        copies: the names of the parameters and secrets that it may write to as copies, and the ARNs of the roles
            that it may assume for that, and of the functions that it may call; None is any.
    """

    arn: str
    user_name: str | None = None
    secret_arn: str | None = None
    assume_denials: int = 0
    call_denials: int = 0
    user_tag_keys: tuple[str, ...] = ("AKIA*",)
    copies: frozenset[str] | None = frozenset()

    def allows(self, state: State, service: str, action: str, parameters: Mapping[str, Any]) -> bool:
        """Evaluate the role's policy."""
        if service == "iam":
            return self._allows_user(state, action, parameters)
        if service == "lambda":
            return self.copies is None or parameters.get("FunctionName") in self.copies
        name = parameters.get("SecretId", parameters.get("Name"))
        if service == "sts":
            return self.copies is None or parameters.get("RoleArn") in self.copies
        if service in {"secretsmanager", "ssm"} and (self.copies is None or name in self.copies):
            return action in (_COPY_ACTIONS if service == "secretsmanager" else _PARAMETER_ACTIONS)
        if service == "secretsmanager":
            return action in _SECRET_ACTIONS and self.secret_arn in {None, parameters.get("SecretId")}
        return False

    def _allows_user(self, state: State, action: str, parameters: Mapping[str, Any]) -> bool:
        name = parameters.get("UserName")
        if action == "GetAccessKeyLastUsed":
            _, user = state.keys.get(parameters["AccessKeyId"], (None, None))
            name = user.name if user else None
        if self.user_name not in {None, name}:
            return False
        keys = [tag["Key"] for tag in parameters.get("Tags", [])] + list(parameters.get("TagKeys", []))
        return action in _USER_ACTIONS or (action in _USER_TAG_ACTIONS and _all_like(keys, self.user_tag_keys))


@dataclass(slots=True)
class Session:
    """A session of a role."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str = field(repr=False)
    role: Role
    name: str
    expires: datetime

    def arn(self, account_id: str) -> str:
        """Say who acts."""
        return f"arn:aws:sts::{account_id}:assumed-role/{self.role.arn.rsplit('/', 1)[-1]}/{self.name}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client signs with; without an id, as the function itself."""

    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


def principal_arn(state: State, credentials: Credentials) -> str:
    """Name whom credentials belong to, whether they work or not."""
    if credentials.access_key_id is None:
        return f"arn:aws:sts::{state.account_id}:assumed-role/provider/provider"
    session = state.sessions.get(credentials.access_key_id)
    if session is not None:
        return session.arn(state.account_id)
    _, user = state.keys.get(credentials.access_key_id, (None, None))
    return f"arn:aws:iam::{state.account_id}:user{user.path}{user.name}" if user else "nobody"


def authenticate(state: State, service: str, region: str, credentials: Credentials) -> Session | User | None:
    """Find who signs what a region's endpoint gets; None is the function. Raises ServiceError."""
    if credentials.access_key_id is None:
        return None
    session = state.sessions.get(credentials.access_key_id)
    if session is not None:
        return _session(state, service, session, credentials)
    key, user = state.keys.get(credentials.access_key_id, (None, None))
    if key is None or user is None or credentials.session_token is not None or not _works(state, key, region):
        raise _unknown_token(service)
    if key.secret != credentials.secret_access_key:
        message = "The request signature we calculated does not match the signature you provided."
        raise ServiceError(_WRONG_SIGNATURE.get(service, "SignatureDoesNotMatch"), message)
    key.last_used, key.last_service = state.clock.now(), service
    return user


def _session(state: State, service: str, session: Session, credentials: Credentials) -> Session:
    signature = (session.secret_access_key, session.token)
    # The sessions of a role end with it.
    if session.role.arn not in state.roles or signature != (credentials.secret_access_key, credentials.session_token):
        raise _unknown_token(service)
    if state.clock.now() >= session.expires:
        message = "The security token included in the request is expired"
        raise ServiceError(_EXPIRED.get(service, "ExpiredToken"), message)
    return session


def _works(state: State, key: AccessKey, region: str) -> bool:
    """Tell whether a key works now in a region; counts the calls that a new key is rejected there."""
    now = state.clock.now()
    if key.deleted is not None:
        return now - key.deleted < timedelta(seconds=state.switches.deleted_key_seconds)
    if key.status.value != "Active":
        return False
    to_reject = key.calls_to_reject_in.get(region, key.calls_to_reject)
    if to_reject > 0:
        key.calls_to_reject_in[region] = to_reject - 1
        return False
    return key.works_from is None or now >= key.works_from


def _unknown_token(service: str) -> ServiceError:
    message = "The security token included in the request is invalid."
    return ServiceError(_UNKNOWN.get(service, "InvalidClientTokenId"), message)


def authorize(
    state: State, signer: Session | User | None, service: str, action: str, parameters: Mapping[str, Any]
) -> None:
    """Evaluate the policies of who signs. Raises ServiceError."""
    if service == "sts" and action == "GetCallerIdentity":
        return
    if signer is None and _function_may(service, parameters):
        return
    allowed = isinstance(signer, Session) and signer.role.allows(state, service, action, parameters)
    if allowed and isinstance(signer, Session) and signer.role.call_denials > 0:
        signer.role.call_denials -= 1
        allowed = False
    if not allowed:
        who = signer.arn(state.account_id) if isinstance(signer, Session) else "the function or a user"
        raise denied(service, f"{who} is not authorized to perform: {service}:{action}")


def _function_may(service: str, parameters: Mapping[str, Any]) -> bool:
    """Tell what the function may do in its own name: assume the keys' roles, keep the ledger, put its own events."""
    if service == "events":
        return all(entry.get("Source") == _EVENT_SOURCE for entry in parameters["Entries"])
    return service in {"dynamodb", "sts"}


def denied(service: str, message: str) -> ServiceError:
    """Refuse a call for lack of permission."""
    return ServiceError(_DENIED.get(service, "AccessDenied"), message)


def assume_role(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Begin a session of a key's role."""
    arn, seconds = parameters["RoleArn"], parameters.get("DurationSeconds", _LONGEST_CHAINED_SESSION)
    role = _assumable(state, arn)
    if seconds > _LONGEST_CHAINED_SESSION:
        message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise ServiceError("ValidationError", message)
    names = state.names
    session = Session(
        access_key_id=names.access_key_id("ASIA"),
        secret_access_key=names.secret_access_key(),
        token=names.session_token(),
        role=role,
        name=parameters["RoleSessionName"],
        expires=state.clock.now() + timedelta(seconds=seconds),
    )
    state.sessions[session.access_key_id] = session
    state.secret_access_keys.append(session.secret_access_key)
    return {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.token,
            "Expiration": session.expires,
        },
        "AssumedRoleUser": {"AssumedRoleId": f"AROAFAKE:{session.name}", "Arn": session.arn(state.account_id)},
    }


def _assumable(state: State, arn: str) -> Role:
    role = state.roles.get(arn)
    if role is None and state.switches.unknown_roles and _is_ours(state, arn):
        role = state.roles[arn] = Role(arn, copies=None)
    if role is None or role.assume_denials > 0:
        if role is not None:
            role.assume_denials -= 1
        raise denied("sts", f"the function is not authorized to perform: sts:AssumeRole on resource: {arn}")
    return role


def _is_ours(state: State, arn: str) -> bool:
    found = _ROLE_ARN.fullmatch(arn)
    return found is not None and found["account"] == state.account_id


def get_caller_identity(state: State, credentials: Credentials) -> Answer:
    """Say who signs."""
    _, user = state.keys.get(credentials.access_key_id or "", (None, None))
    return {
        "UserId": user.id if user else "AROAFAKE",
        "Account": state.account_id,
        "Arn": principal_arn(state, credentials),
    }


def _all_like(keys: list[str], patterns: tuple[str, ...]) -> bool:
    return bool(keys) and all(any(fnmatchcase(key, pattern) for pattern in patterns) for key in keys)
