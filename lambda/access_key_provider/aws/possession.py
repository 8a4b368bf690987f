"""Proof that somebody has an access key: a request to STS that they have signed and that is sent for them.

The signature does not tell the secret access key. STS answers only if it was made with that very key, within a quarter
of an hour, for exactly these headers: so nobody can claim another key, consumer or secret by it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from lambda_shared.errors import OutcomeUnknownError

_BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
_SIGNED = "content-type;host;x-amz-date;x-iam-access-key-consumer;x-iam-access-key-secret"
_OK = 200
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class SignedIdentity:
    """A request for the identity of whoever has a key, as a consumer has signed it.

    Attributes:
        key_id: the key that it says to be signed with.
        consumer: the consumer, which is signed too.
        secret_arn: the secret of the key, which is signed too.
        signed_at: when, as in `20261126T150000Z`.
        signature: 64 hexadecimal digits.
    """

    key_id: str
    consumer: str
    secret_arn: str
    signed_at: str
    signature: str = field(repr=False)

    def is_valid(self) -> bool:
        """Ask STS of the secret's region whether the key has signed it.

        The request is built here: nothing that a consumer sends decides where it goes.

        Raises:
            OutcomeUnknownError: STS can't be reached, or fails.
        """
        region = self.secret_arn.split(":")[3]
        endpoint: str = boto3.client("sts", region_name=region).meta.endpoint_url
        scope = f"{self.key_id}/{self.signed_at[:8]}/{region}/sts/aws4_request"
        headers = {
            "Content-Type": _CONTENT_TYPE,
            "Host": urlsplit(endpoint).netloc,
            "X-Amz-Date": self.signed_at,
            "X-Iam-Access-Key-Consumer": self.consumer,
            "X-Iam-Access-Key-Secret": self.secret_arn,
            "Authorization": (
                f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={_SIGNED}, Signature={self.signature}"
            ),
        }
        request = AWSRequest("POST", f"{endpoint.rstrip('/')}/", headers, _BODY).prepare()
        try:
            status = URLLib3Session(timeout=10).send(request).status_code
        except BotoCoreError as error:
            raise OutcomeUnknownError(f"STS could not be reached: {type(error).__name__}") from error
        if status >= _SERVER_ERROR:
            raise OutcomeUnknownError(f"STS failed with status {status}")
        return status == _OK
