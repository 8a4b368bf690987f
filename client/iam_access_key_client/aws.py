"""Ask AWS, by botocore. Imported only when an interval is over: it takes ten times as long as all the rest."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from iam_access_key_client import __version__
from iam_access_key_client.errors import ClientError, DeniedError, RefusedError, UnavailableError
from iam_access_key_client.renewal import Version
from iam_access_key_client.secret_arn import region_of

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest

    from iam_access_key_client.state import KeyPair

# What services say of a key that they don't know, that is Inactive, or whose secret access key is another one.
_REFUSED = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})
# AWS takes a signature that is at most five minutes off, so less needs no correction.
_TOLERATED = 60
_TIMESTAMP = "%Y%m%dT%H%M%SZ"

# The request that proves possession of a key: the provider sends it to STS with the signature from the event.
PROOF_BODY = "Action=GetCallerIdentity&Version=2011-06-15"
PROOF_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
EVENT_SOURCE = "cdk-iam-access-key.consumer"
EVENT_DETAIL_TYPE = "Access Key Acknowledgement"


class Aws:
    """Talks to AWS about one secret, in its region.

    botocore signs with this host's clock and does not correct it. So the time of AWS is taken from its responses, and
    a request that may have failed for the time is signed with that and sent again, once.

    Args:
        secret_arn: The secret.
        consumer: The name that goes into the user agent, so that CloudTrail tells who reads.
    """

    def __init__(self, secret_arn: str, consumer: str | None = None) -> None:
        self._arn, self._consumer = secret_arn, consumer
        self._region = region_of(secret_arn)
        self._session: Any = None
        self._ahead: float | None = None  # by how many seconds the clock of AWS is ahead; None: not known yet

    def read_current(self, pair: KeyPair) -> Version:
        """Read AWSCURRENT with a key. Raises RefusedError, DeniedError or UnavailableError.

        https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
        """
        # `grant_self_renewal` allows no other label, and IAM may know it only from the request.
        label = "AWSCURRENT"
        response = self._call(pair, "secretsmanager", "get_secret_value", SecretId=self._arn, VersionStage=label)
        try:
            return Version(
                str(response["VersionId"]),
                response["CreatedDate"].timestamp(),
                _date(response).timestamp(),
                str(response.get("SecretString", "")),
            )
        except (KeyError, AttributeError, TypeError, ValueError):
            raise UnavailableError("an answer that is not of Secrets Manager") from None

    def identity(self, pair: KeyPair) -> str:
        """Return the ARN of a key's user. Raises RefusedError or UnavailableError.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html needs no permission.
        """
        try:
            return str(self._call(pair, "sts", "get_caller_identity")["Arn"])
        except (KeyError, DeniedError):
            raise UnavailableError("an answer that is not of STS") from None

    def works(self, pair: KeyPair) -> bool:
        """Ask STS whether a key works. Raises UnavailableError."""
        try:
            self.identity(pair)
        except RefusedError:
            return False
        return True

    def acknowledge(self, pair: KeyPair, consumer: str) -> None:
        """Prove to the provider that a consumer has the key. Raises RefusedError, DeniedError or UnavailableError.

        https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
        """
        if self._ahead is None:
            self.identity(pair)
        # STS takes the signature for 15 minutes, so it is made right before it is sent.
        detail = self._proof(pair, consumer)
        entry = {
            "Source": EVENT_SOURCE,
            "DetailType": EVENT_DETAIL_TYPE,
            "Resources": [self._arn],
            "Detail": json.dumps(detail),
        }
        try:
            response = self._call(pair, "events", "put_events", Entries=[entry])
        except DeniedError as error:
            raise DeniedError(f"{error}; declare key.wait_for_consumers(...), which allows it") from None
        if response.get("FailedEntryCount") != 0:
            code = (response.get("Entries") or [{}])[0].get("ErrorCode", "no answer of EventBridge")
            raise _error(str(code), "events:PutEvents")

    def _proof(self, pair: KeyPair, consumer: str) -> dict[str, str]:
        """Sign the request that the provider sends to STS. Raises UnavailableError."""
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - slow

        try:
            url = self._client(pair, "sts").meta.endpoint_url.rstrip("/") + "/"
        except Exception as error:  # noqa: BLE001 - as for a call
            raise UnavailableError(f"sts: {type(error).__name__}") from None
        request = AWSRequest(
            method="POST",
            url=url,
            data=PROOF_BODY,
            headers={
                "content-type": PROOF_CONTENT_TYPE,
                "x-iam-access-key-consumer": consumer,
                "x-iam-access-key-secret": self._arn,
            },
        )
        signature = self._sign(request, pair, "sts")
        return {
            "schemaVersion": "1",
            "secretArn": self._arn,
            "consumer": consumer,
            "accessKeyId": pair.access_key_id,
            "signedAt": request.headers["X-Amz-Date"],
            "signature": signature,
        }

    def _sign(self, request: AWSRequest, pair: KeyPair, service: str) -> str:
        """Sign a request with the time of AWS, in place of a signature that it may have. Return the signature.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
        """
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - slow
        from botocore.credentials import Credentials  # noqa: PLC0415 - slow

        credentials = Credentials(pair.access_key_id, pair.secret_access_key)
        auth = SigV4Auth(credentials, service, self._region)
        moment = datetime.fromtimestamp(time.time() + (self._ahead or 0), timezone.utc).strftime(_TIMESTAMP)
        request.context["timestamp"] = moment
        for header in ("Authorization", "X-Amz-Date"):
            del request.headers[header]
        request.headers["X-Amz-Date"] = moment
        signature = str(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request))
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, "
            f"SignedHeaders={auth.signed_headers(auth.headers_to_sign(request))}, Signature={signature}"
        )
        return signature

    def _call(self, pair: KeyPair, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call AWS, and once more if the time was wrong. Raises RefusedError, DeniedError or UnavailableError."""
        for attempt in (1, 2):
            known = self._ahead or 0
            try:
                response: dict[str, Any] = getattr(self._client(pair, service), operation)(**parameters)
            except Exception as error:  # noqa: BLE001 - whatever the SDK raises, the stored key must be given out
                refusal = getattr(error, "response", None)
                if not isinstance(refusal, dict):
                    raise UnavailableError(f"{service}: {type(error).__name__}") from None
                self._learn_time(refusal)
                code = str(refusal.get("Error", {}).get("Code", "unknown"))
                if attempt == 1 and code not in _DENIED and abs((self._ahead or 0) - known) > _TOLERATED:
                    continue
                # As IAM and CloudTrail name it: GetSecretValue.
                action = operation.title().replace("_", "")
                raise _error(code, f"{service}:{action}") from None
            self._learn_time(response)
            return response
        raise AssertionError("a second attempt returns or raises")

    def _learn_time(self, response: dict[str, Any]) -> None:
        try:
            self._ahead = _date(response).timestamp() - time.time()
        except (KeyError, TypeError, ValueError):
            return

    def _client(self, pair: KeyPair, service: str) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - slow
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - slow
        from botocore.session import Session  # noqa: PLC0415 - slow

        if self._session is None:
            # The profile of the environment may be the very one that this process serves, or one that is not there.
            unset = (None, None, None, None)
            self._session = Session(session_vars={"profile": unset})
            try:
                self._session.full_config  # noqa: B018 - reads the files
            except BotoCoreError:  # what botocore can't parse may do for programs in other languages
                no_files = {"profile": unset, "config_file": unset, "credentials_file": unset}
                self._session = Session(session_vars=no_files)
            self._session.get_component("config_store").set_config_variable("sts_regional_endpoints", "regional")
        plain = False if service == "sts" else None
        config = Config(
            user_agent_extra=f"iam-access-key-client/{__version__}"
            + (f" consumer/{self._consumer}" if self._consumer else ""),
            # An SDK that waits a minute for its process must not give up: Go does.
            connect_timeout=3,
            read_timeout=5,
            retries={"mode": "standard", "total_max_attempts": 2},
            # The provider sends the proof to the plain regional endpoint, so that is the host that is signed.
            use_fips_endpoint=plain,
            use_dualstack_endpoint=plain,
        )
        client = self._session.create_client(
            service,
            region_name=self._region,
            aws_access_key_id=pair.access_key_id,
            aws_secret_access_key=pair.secret_access_key,
            config=config,
        )
        if abs(self._ahead or 0) > _TOLERATED:

            def sign_again(request: AWSRequest, **_: Any) -> None:
                self._sign(request, pair, service)

            client.meta.events.register_last("request-created", sign_again)
        return client


def _date(response: dict[str, Any]) -> datetime:
    return parsedate_to_datetime(response["ResponseMetadata"]["HTTPHeaders"]["date"])


def _error(code: str, call: str) -> ClientError:
    """Translate an error code. The message of AWS is left out: it may repeat what was signed."""
    text = f"{call} answered {code}"
    if code in _REFUSED:
        return RefusedError(text)
    return DeniedError(text) if code in _DENIED else UnavailableError(text)
