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

if TYPE_CHECKING:
    from fakes.aws import FakeAccount
    from fakes.iam import AccessKey

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/(?P<day>\d{8})/(?P<region>[\w-]+)/sts/aws4_request, "
    r"SignedHeaders=(?P<headers>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_VALID_FOR = timedelta(minutes=15)
_BODY = b"Action=GetCallerIdentity&Version=2011-06-15"


def signature(secret: str, region: str, headers: dict[str, str], body: bytes = _BODY) -> str:
    """Sign a request to STS: all of its headers, whose names are in lower case."""
    names = sorted(headers)
    canonical = "\n".join(
        [
            *("POST", "/", ""),
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
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
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
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


def send(account: FakeAccount, request: Any) -> Any:
    """Answer a prepared request, 200 if the key that it names works and has signed it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    found = _AUTHORIZATION.fullmatch(headers.pop("authorization"))
    assert found, "a request that is not signed as it should be"
    assert request.url == f"https://sts.{found['region']}.amazonaws.com/"
    key, _ = account.state.keys.get(found["key"], (None, None))
    signed = {name: headers[name] for name in found["headers"].split(";")}
    age = account.clock.now() - datetime.strptime(signed["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    is_right = (
        key is not None
        and key.status.value == "Active"
        and abs(age) < _VALID_FOR
        and signature(key.secret, found["region"], signed, request.body) == found["signature"]
    )
    return SimpleNamespace(status_code=200 if is_right else 403)
