"""Proof that somebody has an access key: a request to STS that they have signed and that is sent for them.

The signature does not tell the secret access key. STS answers only if it was made with that very key, within a quarter
of an hour, for exactly these headers: so nobody can claim another key, consumer or secret by it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from lambda_shared.aws_calls import NO_RETRIES, THROTTLED
from lambda_shared.errors import CallError

if TYPE_CHECKING:
    from datetime import datetime

    from lambda_shared.aws_calls import RetryingCaller

_SIGNED = "content-type;host;x-amz-date;x-iam-access-key-consumer;x-iam-access-key-secret"
_SENT_AS_IT_IS = NO_RETRIES.merge(Config(signature_version=UNSIGNED))


@dataclass(frozen=True, slots=True)
class SignedIdentity:
    """A request for the identity of whoever has a key, as a consumer has signed it.

    Attributes:
        key_id: the key that it says to be signed with.
        consumer: the consumer, which is signed too.
        secret_arn: the secret of the key, which is signed too.
        signed_at: when, in UTC and whole seconds.
        signature: 64 hexadecimal digits.
    """

    key_id: str
    consumer: str
    secret_arn: str
    signed_at: datetime
    signature: str = field(repr=False)

    def is_valid(self, call: RetryingCaller) -> bool:
        """Ask STS of the secret's region whether the key has signed it.

        The request is made here: nothing that a consumer sends decides where it goes.

        Raises:
            OutcomeUnknownError: STS can't be reached, or fails.
            CallError: it is too busy to answer.
        """
        client = boto3.client("sts", region_name=self._region, config=_SENT_AS_IT_IS)
        client.meta.events.register("before-call.sts.GetCallerIdentity", self._add_headers)
        try:
            call.at_once(client.get_caller_identity)
        except CallError as error:
            if error.code in THROTTLED:
                raise
            return False
        return True

    @property
    def _region(self) -> str:
        return self.secret_arn.split(":")[3]

    def _add_headers(self, params: dict[str, Any], **_about: Any) -> None:
        """Add what the consumer has signed. The SDK adds the other two: the host, and the type of the content."""
        credential = f"Credential={self.key_id}/{self.signed_at:%Y%m%d}/{self._region}/sts/aws4_request"
        params["headers"] |= {
            "X-Amz-Date": f"{self.signed_at:%Y%m%dT%H%M%SZ}",
            "X-Iam-Access-Key-Consumer": self.consumer,
            "X-Iam-Access-Key-Secret": self.secret_arn,
            "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={_SIGNED}, Signature={self.signature}",
        }
