"""What CloudFormation sends, checked before anything is done with it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from access_key_provider.model.consumers import AFTER_PUBLISHING, BEFORE_PUBLISHING, Delivery
from access_key_provider.model.copies import Copy, CopyKind
from access_key_provider.model.entry import Claim, RequestStamp
from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.model.retirement_rules import FAIL, REMOVE_UNUSED, RETIRE_PREVIOUS, RetirementRules
from access_key_provider.model.secret_format import DEFAULT_FORMAT, FormatKind, SecretFormat
from access_key_provider.model.state import ACTIVE, INACTIVE, KeyResource

# A name after a path, too: that is how a template takes it from an ARN that only the deployment knows.
_USER_NAME = re.compile(r"(?:(?!\.{1,2}/)[A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64}")
SECRET_ARN = re.compile(
    r"arn:[a-z-]{1,20}:secretsmanager:(?P<region>[a-z0-9-]{1,30}):[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}-[A-Za-z0-9]{6}"
)
_ROLE_ARN = re.compile(r"(?=.{1,700}\Z)arn:[a-z-]{1,20}:iam::[0-9]{12}:role/[\x21-\x7e]+")
# Any text but halves of characters, which can't be written anywhere.
_SERIAL = re.compile(r"(?=.*\S)[^\ud800-\udfff]{1,128}", re.DOTALL)
# What IAM allows in a tag's value, less what `key_tag` adds.
_DESCRIPTION = re.compile(r"[\w .:/=+\-@]{1,233}")
_STATUS = re.compile(f"{ACTIVE}|{INACTIVE}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_KEY_LIMITS = (FAIL, RETIRE_PREVIOUS, REMOVE_UNUSED)
_ON_KEY_LIMIT = re.compile("|".join(_KEY_LIMITS))
_DEFERRED = re.compile("Deferred")
_FORMAT_TEXT = re.compile(r"[^\ud800-\udfff]{1,60000}", re.DOTALL)
_FORMAT_KIND = re.compile("|".join(FormatKind))
_SMTP_PORT = re.compile("465|587|2465|2587")
_SCHEDULE = re.compile(r"[\x20-\x7e]{1,256}")
_KEY_ID = re.compile(r"AKIA[A-Z0-9]{12,124}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,128}")
_STACK_ID = re.compile(
    r"arn:[a-z-]{1,20}:cloudformation:[a-z0-9-]{1,30}:[0-9]{12}:stack/[A-Za-z0-9-]{1,128}/[A-Za-z0-9-]{1,64}"
)
_LOGICAL_ID = re.compile(r"[A-Za-z0-9]{1,255}")
_VERSION_ID = re.compile(r"[A-Za-z0-9-]{32,64}")
_SHOWN = 60
_DAY = 86_400
# As far as two clocks may be apart.
_CLOCKS_APART = timedelta(minutes=5)

_KINDS_OF_COPIES = re.compile("|".join(CopyKind))
# What a parameter and a secret both allow; a parameter's path may begin with a slash.
_COPY_NAME = re.compile(r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_LONGEST_COPY_NAME = 512
_REGION = re.compile(r"[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}")
_KMS_KEY_ID = re.compile(r"arn:[a-z-]{1,20}:kms:[a-z0-9-]{1,30}:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]{1,256}")
_MOST_COPIES = 10
_CONSUMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_A_CONSUMER = "a letter or digit, and up to 63 letters, digits and ._- more"
_MOST_CONSUMERS = 50
_OVERDUE = re.compile("Keep|Retire")
_FUNCTION_ARN = re.compile(
    r"arn:[a-z-]{1,20}:lambda:[a-z0-9-]{1,30}:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9$_-]{1,128})?"
)
_MOST_DELIVERIES = 10
_PHASES = (BEFORE_PUBLISHING, AFTER_PUBLISHING)
_PHASE = re.compile("|".join(_PHASES))
_YES_OR_NO = re.compile("true|false")

CUT_OVER_TYPE = "Custom::IAMAccessKeyCutOver"
COPY_TYPE = "Custom::IAMAccessKeyCopy"


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties of a `Custom::IAMAccessKey`, valid. The serial has the shape of the secret in it."""

    user_name: str
    secret_arn: str
    role_arn: str
    serial: str
    status: str
    description: str | None
    rules: RetirementRules = field(default_factory=RetirementRules)
    copies: tuple[Copy, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    adopted_key: str = ""
    secret_format: SecretFormat = DEFAULT_FORMAT

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
        user_name = user_name.rpartition("/")[2]
        if user_name == "root":
            raise InvalidRequestError("UserName root is refused: use an IAM user, never the root user's keys")
        secret_format, copies = _secret_format(properties), _copies(properties)
        serial = _text(properties, "Serial", _SERIAL, "1 to 128 characters, not only blanks")
        return cls(
            user_name=user_name,
            secret_arn=secret_arn,
            role_arn=_text(properties, "RoleArn", _ROLE_ARN, "the ARN of a role"),
            serial=secret_format.key_serial(serial, *(copy.id for copy in copies)),
            status=_text(properties, "Status", _STATUS, "Active or Inactive"),
            description=_text(properties, "Description", _DESCRIPTION, "1 to 233 characters that tags allow")
            if "Description" in properties
            else None,
            rules=_rules(properties),
            copies=copies,
            deliveries=_deliveries(properties),
            adopted_key=_optional(properties, "AdoptedKey", _KEY_ID, "the id of an access key, AKIA and 12 to 124 more")
            or "",
            secret_format=secret_format,
        )

    @property
    def secret_name(self) -> str:
        """The name of the secret, which its ARN has with six characters more."""
        return self.secret_arn.split(":")[6][:-7]


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
        """Take an event apart; `main` has seen to the lengths of its members, and that they are texts.

        Raises:
            InvalidRequestError: a member is not as CloudFormation sends it.
        """
        for name, allowed in (("StackId", _STACK_ID), ("RequestId", _REQUEST_ID), ("LogicalResourceId", _LOGICAL_ID)):
            _text(event, name, allowed, "as CloudFormation sends it")
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
        return self.stack_id.split("/")[1]

    def resource(self, properties: Properties) -> KeyResource:
        """Name the resource, with the user and the secret that properties name."""
        return KeyResource(self.stack_id, self.logical_id, properties.user_name, properties.secret_arn)

    def claim(self, properties: Properties, received_at: datetime, *, present: bool) -> Claim:
        """Say what properties of this resource declare. CloudFormation does not sign in the future.

        It may be a little ahead of the function's clock: the order of two requests does not depend on who gets them.
        """
        before = self.deployed
        return Claim(
            stack_id=self.stack_id,
            logical_id=self.logical_id,
            user_name=properties.user_name,
            role_arn=properties.role_arn,
            serial=properties.serial,
            status=properties.status,
            description=properties.description or self._default_description,
            rules=properties.rules,
            copies=properties.copies,
            deliveries=properties.deliveries,
            adopts=properties.adopted_key,
            request=RequestStamp(
                min(self.requested_at or received_at, received_at + _CLOCKS_APART),
                self.request_id,
                self.requested_at is not None,
            ),
            present=present,
            secret_format=properties.secret_format,
            moved_from=before.secret_arn if before and before.secret_arn != properties.secret_arn else "",
        )

    @property
    def deployed(self) -> Properties | None:
        """What CloudFormation takes for deployed."""
        try:
            return Properties.parse(self.old_properties)
        except InvalidRequestError:
            return None

    @property
    def _default_description(self) -> str:
        return re.sub(r"[^\w .:/=+\-@]", "-", f"{self.stack_name}/{self.logical_id}")[:233]

    @property
    def default_id(self) -> str:
        """An id for a resource that has none."""
        return f"{self.stack_name}/{self.logical_id}"[:512]

    def response_id(self) -> str:
        """Choose the id for a failure: the resource's own, or for a Create the one it would have had."""
        if self.physical_id:
            return self.physical_id
        try:
            return self.resource(Properties.parse(self.properties)).physical_id
        except InvalidRequestError:
            return self.default_id


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


def parse_copy(properties: object) -> tuple[str, Copy]:
    """Take the secret and its copy from the properties of a copy.

    Raises:
        InvalidRequestError: names the property, the value given and what is allowed.
    """
    if not isinstance(properties, Mapping):
        raise InvalidRequestError("ResourceProperties must be an object")
    return _text(properties, "SecretArn", SECRET_ARN, "a complete ARN of a secret"), _copy(properties)


def _copies(properties: Mapping[str, Any]) -> tuple[Copy, ...]:
    copies = tuple(_copy(copy) for copy in _objects(properties, "Copies", most=_MOST_COPIES))
    if len({copy.id for copy in copies}) != len(copies):
        raise InvalidRequestError("Copies must be different ones")
    return copies


def _copy(properties: Mapping[str, Any]) -> Copy:
    name = _text(properties, "Name", _COPY_NAME, "letters, digits and _.-, in parts that slashes separate")
    if len(name) > _LONGEST_COPY_NAME:
        raise InvalidRequestError(f"Name has {len(name)} characters: must be at most {_LONGEST_COPY_NAME}")
    kind = CopyKind(_text(properties, "Kind", _KINDS_OF_COPIES, " or ".join(CopyKind)))
    if kind is CopyKind.PARAMETER and "/" in name[1:] and not name.startswith("/"):
        raise InvalidRequestError(f"Name is {name!r}: the name of a parameter must begin with a slash if it has one")
    return Copy(
        kind=kind,
        name=name,
        region=_text(properties, "Region", _REGION, "the name of a region"),
        role_arn=_optional(properties, "RoleArn", _ROLE_ARN, "the ARN of a role") or "",
        kms_key_id=_optional(properties, "KmsKeyId", _KMS_KEY_ID, "the ARN of a KMS key") or "",
    )


def _deliveries(properties: Mapping[str, Any]) -> tuple[Delivery, ...]:
    deliveries = tuple(_delivery(one) for one in _objects(properties, "Deliveries", most=_MOST_DELIVERIES))
    if len({delivery.name for delivery in deliveries}) != len(deliveries):
        raise InvalidRequestError("Deliveries must each have another Name")
    return deliveries


def _delivery(properties: Mapping[str, Any]) -> Delivery:
    return Delivery(
        name=_text(properties, "Name", _CONSUMER, _A_CONSUMER),
        function_arn=_text(properties, "FunctionArn", _FUNCTION_ARN, "the ARN of a function"),
        before=_text(properties, "Phase", _PHASE, " or ".join(_PHASES)) == BEFORE_PUBLISHING,
        required=_text(properties, "Required", _YES_OR_NO, "true or false") == "true",
    )


def checked_consumer(event: Mapping[str, Any]) -> str:
    """Take the name of a consumer from an event. Raises InvalidRequestError."""
    return _text(event, "Consumer", _CONSUMER, _A_CONSUMER)


def _consumers(properties: Mapping[str, Any]) -> tuple[str, ...]:
    given = properties.get("Consumers", [])
    if not isinstance(given, list) or len(given) > _MOST_CONSUMERS:
        raise InvalidRequestError(f"Consumers must be a list of at most {_MOST_CONSUMERS} names")
    return tuple(checked_consumer({"Consumer": name}) for name in given)


def _rules(properties: Mapping[str, Any]) -> RetirementRules:
    """Read the rules of retirement, each within bounds: whoever may call the function chooses them."""
    return RetirementRules(
        grace=_duration(properties, "GracePeriod", most=90 * _DAY) or timedelta(),
        retention=_duration(properties, "RetentionPeriod", most=365 * _DAY),
        unused_for=_duration(properties, "RetireWhenUnusedFor", most=365 * _DAY),
        overdue_after=_duration(properties, "OverdueAfter", most=365 * _DAY),
        max_active_age=_duration(properties, "MaxActiveAge", least=_DAY, most=3650 * _DAY),
        on_key_limit=_optional(properties, "OnKeyLimit", _ON_KEY_LIMIT, " or ".join(_KEY_LIMITS)) or FAIL,
        unused_since=_duration(properties, "RemoveUnusedAfter", least=_DAY, most=3650 * _DAY),
        deferred=_optional(properties, "CutOver", _DEFERRED, "Deferred") is not None,
        rotation=_optional(properties, "RotationSchedule", _SCHEDULE, "the expression of a schedule") or "",
        consumers=_consumers(properties),
        consumers_within=_duration(properties, "ConsumersWithin", least=60, most=365 * _DAY),
        retire_overdue=_optional(properties, "OverdueConsumers", _OVERDUE, "Keep or Retire") == "Retire",
    )


def _secret_format(properties: Mapping[str, Any]) -> SecretFormat:
    """Read how the secret is written. Raises InvalidRequestError."""
    text = _optional(properties, "SecretFormat", _FORMAT_TEXT, "1 to 60,000 characters")
    if text is None:
        return DEFAULT_FORMAT
    port = _optional(properties, "ProveSmtpPort", _SMTP_PORT, "465, 587, 2465 or 2587")
    secret_format = SecretFormat(
        text=text,
        kind=FormatKind(_text(properties, "SecretFormatKind", _FORMAT_KIND, " or ".join(FormatKind))),
        prove_smtp_port=int(port or 0),
    )
    secret_format.check()
    return secret_format


def _duration(properties: Mapping[str, Any], name: str, *, most: int, least: int = 0) -> timedelta | None:
    seconds = _optional(properties, name, _SECONDS, "a number of seconds, at most 9 digits")
    if seconds is None:
        return None
    if not least <= int(seconds) <= most:
        raise InvalidRequestError(f"{name} is {seconds}: must be {least} to {most} seconds")
    return timedelta(seconds=int(seconds))


def _objects(properties: Mapping[str, Any], name: str, *, most: int) -> list[Mapping[str, Any]]:
    given = properties.get(name, [])
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given) or len(given) > most:
        raise InvalidRequestError(f"{name} must be a list of at most {most} objects")
    return given


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
    return parse_signature_time(dates[0]) if dates else None


def parse_signature_time(text: str) -> datetime | None:
    """Read a time as signatures have it, `20260102T030405Z`; None if it is no such time."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
