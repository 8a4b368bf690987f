"""The operations that the provider's function offers to operators, called with the operator's credentials."""

import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cdk_iam_access_key.cli.errors import RefusedError
from cdk_iam_access_key.cli.ledgers import ledger_of

# As long as the function may run. It is asked once: an undo that is sent again would be refused.
_CONFIG = Config(read_timeout=310, retries={"total_max_attempts": 1})
# Lambda has not run the function and gets it ready now: it was idle for weeks, as it is between two deployments.
# https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
_GETTING_READY = frozenset(
    {
        "CodeArtifactUserPendingException",
        "ENINotReadyException",
        "ResourceConflictException",
        "ResourceNotReadyException",
    }
)
_PART_OF_REGION = 3
_PARTS_OF_ARN = 7


@dataclass(frozen=True, slots=True)
class Operations:
    """What can be done for the key in one secret.

    Each returns the state of the keys after it: ids, statuses and times.

    Attributes:
        function: The provider's function.
        secret_arn: The complete ARN of the secret.
        client: Lambda's client.
    """

    function: str
    secret_arn: str
    client: Any

    def show(self) -> dict[str, Any]:
        """Tell the state of the keys; nothing is changed.

        Raises:
            RefusedError: The function can't be called, or fails.
        """
        return self._call("Show")

    def undo(self) -> dict[str, Any]:
        """Make the previous key current again.

        Raises:
            RefusedError: The function can't be called, or refuses.
        """
        return self._call("Undo")

    def rotate(self) -> dict[str, Any]:
        """Make a new key current.

        Raises:
            RefusedError: The function can't be called, or refuses.
        """
        return self._call("Rotate")

    def retire(self) -> dict[str, Any]:
        """Deactivate the previous key now.

        Raises:
            RefusedError: The function can't be called, or refuses.
        """
        return self._call("Retire")

    def acknowledge(self, consumer: str) -> dict[str, Any]:
        """Say that a consumer, which can't do it itself, has the current key.

        Raises:
            RefusedError: The function can't be called, or the key waits for no such consumer.
        """
        return self._call("Acknowledge", Consumer=consumer)

    def _call(self, operation: str, **more: str) -> dict[str, Any]:
        event = {"Operation": operation, "SecretId": self.secret_arn, **more}
        try:
            response = self._invoke(json.dumps(event).encode())
        except (ClientError, BotoCoreError) as error:
            raise RefusedError(f"function {self.function} can't be called: {error}") from error
        payload = _decoded(response["Payload"].read())
        if "FunctionError" in response or not isinstance(payload, dict):
            message = payload.get("errorMessage") if isinstance(payload, dict) else None
            raise RefusedError(str(message or "the function failed without a message; its log says more"))
        return payload

    def _invoke(self, payload: bytes) -> Any:
        try:
            return self.client.invoke(FunctionName=self.function, Payload=payload)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GETTING_READY:
                raise
        self.client.get_waiter("function_active").wait(FunctionName=self.function)
        return self.client.invoke(FunctionName=self.function, Payload=payload)


def connect(secret: str, *, region: str | None, profile: str | None) -> Operations:
    """Find the function that manages the key in a secret, given by its name or ARN.

    Raises:
        RefusedError: There is no such secret, it holds no key of this library, or AWS can't be asked.
    """
    parts = secret.split(":")
    if region is None and len(parts) == _PARTS_OF_ARN:
        region = parts[_PART_OF_REGION]
    try:
        session = boto3.Session(region_name=region, profile_name=profile)
        secret_arn = session.client("secretsmanager").describe_secret(SecretId=secret)["ARN"]
        client = session.client("lambda", config=_CONFIG)
    except (ClientError, BotoCoreError) as error:
        raise RefusedError(f"secret {secret} can't be described: {error}") from error
    return Operations(ledger_of(session, secret_arn).function, secret_arn, client)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content or b"null")
    except ValueError:
        return None
