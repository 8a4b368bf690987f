"""STS's answer to a request that somebody else has signed, by the published algorithm of Signature Version 4.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fakes.errors import client_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.aws import FakeAccount
    from fakes.iam import AccessKey

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<day>\d{8})/(?P<region>[\w-]+)/sts/aws4_request, "
    r"SignedHeaders=(?P<headers>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_VALID_FOR = timedelta(minutes=15)
_BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"


def signature(secret: str, region: str, headers: dict[str, str]) -> str:
    """Sign a request to STS: all of its headers, whose names are in lower case."""
    names = sorted(headers)
    canonical = "\n".join(
        [
            *("POST", "/", ""),
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(_BODY).hexdigest(),
        ]
    )
    day = headers["x-amz-date"][:8]
    scope = f"{day}/{region}/sts/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest])
    key = f"AWS4{secret}".encode()
    for part in (day, region, "sts", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def acknowledgement(key: AccessKey, secret_arn: str, consumer: str, signed_at: datetime, region: str) -> dict[str, Any]:
    """Make the event by which a consumer acknowledges a key, as EventBridge delivers it to the worker."""
    time = f"{signed_at:%Y%m%dT%H%M%SZ}"
    headers = {
        "content-type": _CONTENT_TYPE,
        "host": f"sts.{region}.amazonaws.com",
        "x-amz-date": time,
        "x-iam-access-key-consumer": consumer,
        "x-iam-access-key-secret": secret_arn,
    }
    detail = {
        "schemaVersion": "1",
        "secretArn": secret_arn,
        "consumer": consumer,
        "accessKeyId": key.id,
        "signedAt": time,
        "signature": signature(key.secret, region, headers),
    }
    event = {
        "source": "cdk-iam-access-key.consumer",
        "detail-type": "Access Key Acknowledgement",
        "resources": [secret_arn],
        "detail": detail,
    }
    return {"Operation": "ConsumerAcknowledgement", "Event": event}


class UnsignedClient:
    """A client of STS that sends what somebody else has signed, and adds the headers that the SDK adds."""

    def __init__(self, account: FakeAccount, region: str) -> None:
        """Ask the endpoint of a region."""
        self._account, self._region = account, region
        self._handlers: list[Callable[..., None]] = []
        self.meta = SimpleNamespace(events=self)

    def register(self, event: str, handler: Callable[..., None]) -> None:
        """Have a handler called before each call."""
        assert event == "before-call.sts.GetCallerIdentity"
        self._handlers.append(handler)

    def get_caller_identity(self) -> dict[str, Any]:
        """Answer if the key that the request names works and has signed it."""
        params: dict[str, Any] = {"headers": {"Content-Type": _CONTENT_TYPE, "User-Agent": "Boto3"}}
        for handler in self._handlers:
            handler(params=params, model=None)
        headers = {name.lower(): value for name, value in params["headers"].items()}
        headers["host"] = f"sts.{self._region}.amazonaws.com"
        if not self._is_right(headers):
            raise client_error("sts", "GetCallerIdentity", "SignatureDoesNotMatch", "The request signature is wrong.")
        return {"Arn": "arn:aws:iam::123456789012:user/of-the-key"}

    def _is_right(self, headers: dict[str, str]) -> bool:
        found = _AUTHORIZATION.fullmatch(headers["authorization"])
        assert found, "a request that is not signed as it should be"
        key, _ = self._account.state.keys.get(found["key"], (None, None))
        signed = {name: headers[name] for name in found["headers"].split(";")}
        time = datetime.strptime(signed["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return (
            key is not None
            and key.status.value == "Active"
            and abs(self._account.clock.now() - time) < _VALID_FOR
            and found["region"] == self._region
            and signature(key.secret, self._region, signed) == found["signature"]
        )
