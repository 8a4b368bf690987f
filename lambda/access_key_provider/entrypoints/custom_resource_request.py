"""What CloudFormation sends, checked before anything is done with it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.model.records import Mark, parse_time
from access_key_provider.model.retirement_rules import FAIL, REMOVE_UNUSED, RETIRE_PREVIOUS, Policy
from access_key_provider.model.state import ACTIVE, INACTIVE, Desired, Place

if TYPE_CHECKING:
    from datetime import datetime

_USER_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
SECRET_ARN = re.compile(
    r"arn:[a-z-]{1,20}:secretsmanager:(?P<region>[a-z0-9-]{1,30}):[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}"
)
# It becomes the value of a tag, which has 256 characters at most.
_ROLE_ARN = re.compile(r"(?=.{1,256}\Z)arn:[a-z-]{1,20}:iam::[0-9]{12}:role/[\x21-\x7e]+")
_SERIAL = re.compile(r"(?=.*\S).{1,128}", re.DOTALL)
# What IAM allows in a tag's value, less what `Place.key_tag_value` adds.
_DESCRIPTION = re.compile(r"[\w .:/=+\-@]{1,233}")
_STATUS = re.compile(f"{ACTIVE}|{INACTIVE}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_KEY_LIMITS = (FAIL, RETIRE_PREVIOUS, REMOVE_UNUSED)
_ON_KEY_LIMIT = re.compile("|".join(_KEY_LIMITS))
_DEFERRED = re.compile("Deferred")
_SCHEDULE_NAME = re.compile(r"[A-Za-z0-9-]{1,20}")
_VERSION_ID = re.compile(r"[A-Za-z0-9-]{32,64}")
_SHOWN = 60

CUT_OVER_TYPE = "Custom::IAMAccessKeyCutOver"


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties of a `Custom::IAMAccessKey`, valid."""

    user_name: str
    secret_arn: str
    role_arn: str
    serial: str
    status: str
    description: str | None
    policy: Policy = field(default_factory=Policy)

    @classmethod
    def parse(cls, properties: object, region: str | None = None) -> Properties:
        """Check properties, and that the secret is in the region, if one is given.

        Raises:
            InvalidRequestError: names the property, the value given and what is allowed.
        """
        if not isinstance(properties, Mapping):
            raise InvalidRequestError("ResourceProperties must be an object")
        secret_arn = _text(properties, "SecretArn", SECRET_ARN, "a complete ARN of a secret")
        found = SECRET_ARN.fullmatch(secret_arn)
        if region and found and found["region"] != region:
            raise InvalidRequestError(
                f"SecretArn {secret_arn} is in {found['region']}, this stack in {region}: use a secret of this region"
            )
        user_name = _text(properties, "UserName", _USER_NAME, "the name of an IAM user, 1 to 64 characters")
        if user_name == "root":
            raise InvalidRequestError("UserName root is refused: use an IAM user, never the root user's keys")
        return cls(
            user_name=user_name,
            secret_arn=secret_arn,
            role_arn=_text(
                properties,
                "RoleArn",
                _ROLE_ARN,
                "the ARN of a role, at most 256 characters: shorten the name of the stack, the user or the secret",
            ),
            serial=_text(properties, "Serial", _SERIAL, "1 to 128 characters, not only blanks"),
            status=_text(properties, "Status", _STATUS, "Active or Inactive"),
            description=_text(properties, "Description", _DESCRIPTION, "1 to 233 characters that tags allow")
            if "Description" in properties
            else None,
            policy=_policy(properties),
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: what kind, of which resource, and its properties, not yet checked."""

    kind: str
    stack_id: str
    logical_id: str
    request_id: str
    physical_id: str | None
    properties: object
    old_properties: object
    requested_at: datetime | None

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> Request:
        """Take an event apart; `main` has seen to it that these members are texts."""
        physical_id = event.get("PhysicalResourceId")
        return cls(
            kind=event["RequestType"],
            stack_id=event["StackId"],
            logical_id=event["LogicalResourceId"],
            request_id=event["RequestId"],
            physical_id=physical_id if isinstance(physical_id, str) and physical_id else None,
            properties=event.get("ResourceProperties"),
            old_properties=event.get("OldResourceProperties"),
            requested_at=_signed_at(event["ResponseURL"]),
        )

    @property
    def stack_name(self) -> str:
        """The name of the stack: the part of its ARN that people know."""
        parts = self.stack_id.split("/")
        return parts[1] if len(parts) > 1 else self.stack_id

    @property
    def session_name(self) -> str:
        """Say in CloudTrail what is being done and for which resource."""
        return session_name(self.kind, self.logical_id)

    def place(self, properties: Properties) -> Place:
        """Name the place that properties of this resource speak of."""
        return Place(self.stack_id, self.logical_id, properties.user_name, properties.secret_arn)

    def mark(self, received_at: datetime) -> Mark:
        """Name the request, for the mark that it leaves. A date of the future is none of CloudFormation's."""
        return Mark(min(self.requested_at or received_at, received_at), self.request_id)

    def desired(self, properties: Properties, received_at: datetime, function_name: str = "") -> Desired:
        """Say what properties of this resource ask for."""
        deployed = self._deployed
        return Desired(
            place=self.place(properties),
            serial=properties.serial,
            status=properties.status,
            description=properties.description or self._default_description,
            deployed_serial=deployed.serial if deployed else properties.serial,
            deployed_status=deployed.status if deployed else None,
            request=self.mark(received_at),
            dated=self.requested_at is not None,
            policy=properties.policy,
            role_arn=properties.role_arn,
            function_name=function_name,
        )

    @property
    def _deployed(self) -> Properties | None:
        try:
            return Properties.parse(self.old_properties)
        except InvalidRequestError:
            return None

    @property
    def _default_description(self) -> str:
        return re.sub(r"[^\w .:/=+\-@]", "-", f"{self.stack_name}/{self.logical_id}")[:233]

    def answer_id(self) -> str:
        """Choose the id for a failure: the resource's own, or for a Create the one it would have had."""
        if self.physical_id:
            return self.physical_id
        try:
            return self.place(Properties.parse(self.properties)).physical_id
        except InvalidRequestError:
            return f"{self.stack_name}/{self.logical_id}"[:512]


def session_name(what: str, logical_id: str) -> str:
    """Name a session of a key's role after what is done, and for which resource."""
    return re.sub(r"[^\w+=,.@-]", "-", f"{what}-{logical_id}", flags=re.ASCII)[:64]


def parse_secret_id(event: Mapping[str, Any]) -> str:
    """Take the secret from an event that names nothing else.

    Raises:
        InvalidRequestError: it is no complete ARN of a secret.
    """
    secret_id = event.get("SecretId")
    if not isinstance(secret_id, str) or not SECRET_ARN.fullmatch(secret_id):
        raise InvalidRequestError("SecretId must be the complete ARN of a secret")
    return secret_id


def parse_cut_over(properties: object) -> tuple[str, str]:
    """Take the secret and the version that all consumers use from the properties of a cut-over.

    Raises:
        InvalidRequestError: names the property, the value given and what is allowed.
    """
    if not isinstance(properties, Mapping):
        raise InvalidRequestError("ResourceProperties must be an object")
    return (
        _text(properties, "SecretArn", SECRET_ARN, "a complete ARN of a secret"),
        _text(properties, "SecretVersionId", _VERSION_ID, "the id of a version"),
    )


def _policy(properties: Mapping[str, Any]) -> Policy:
    """Read the rules of retirement; a template of an earlier release has none."""
    return Policy(
        grace=_duration(properties, "GracePeriod") or timedelta(),
        retention=_duration(properties, "RetentionPeriod"),
        unused_for=_duration(properties, "RetireWhenUnusedFor"),
        retire_at_latest=_duration(properties, "RetireAtLatest"),
        maximum_age=_duration(properties, "MaximumAge"),
        on_key_limit=_optional(properties, "OnKeyLimit", _ON_KEY_LIMIT, " or ".join(_KEY_LIMITS)) or FAIL,
        unused_since=_duration(properties, "RemoveUnusedAfter"),
        deferred=_optional(properties, "CutOver", _DEFERRED, "Deferred") is not None,
        schedule=_optional(properties, "ScheduleName", _SCHEDULE_NAME, "1 to 20 letters, digits and hyphens") or "",
    )


def _duration(properties: Mapping[str, Any], name: str) -> timedelta | None:
    seconds = _optional(properties, name, _SECONDS, "a number of seconds, at most 9 digits")
    return None if seconds is None else timedelta(seconds=int(seconds))


def _optional(properties: Mapping[str, Any], name: str, allowed: re.Pattern[str], meaning: str) -> str | None:
    return _text(properties, name, allowed, meaning) if name in properties else None


def _text(properties: Mapping[str, Any], name: str, allowed: re.Pattern[str], meaning: str) -> str:
    value = properties.get(name)
    if isinstance(value, str) and allowed.fullmatch(value):
        return value
    if name not in properties:
        given = "is missing"
    elif isinstance(value, str):
        given = f"is {value[:_SHOWN]!r}" + (f"... ({len(value)} characters)" if len(value) > _SHOWN else "")
    else:
        given = f"is of type {type(value).__name__}"
    raise InvalidRequestError(f"{name} {given}: must be {meaning}")


def _signed_at(response_url: str) -> datetime | None:
    """Tell when CloudFormation made the request: the date in the signature of the URL, the only one it sends."""
    try:
        dates = parse_qs(urlsplit(response_url).query).get("X-Amz-Date", [])
    except ValueError:
        return None
    return parse_time(dates[0]) if dates else None
