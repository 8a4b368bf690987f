"""The operations that the provider's function offers to operators, called with the operator's credentials."""

import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_FUNCTION_TAG = "cdk-iam-access-key:function"
# As long as the function may run. It is asked once: an undo that is sent again would be refused.
_CONFIG = Config(read_timeout=310, retries={"total_max_attempts": 1})
_PART_OF_REGION = 3
_PARTS_OF_ARN = 7


class RefusedError(Exception):
    """What was asked for can't be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Operations:
    """What can be done for the key in one secret.

    Attributes:
        function: The provider's function.
        secret_arn: The complete ARN of the secret.
        client: Lambda's client.
    """

    function: str
    secret_arn: str
    client: Any

    def show(self) -> dict[str, Any]:
        """Return the state of the keys: ids, statuses and times.

        Raises:
            RefusedError: The function can't be called, or fails.
        """
        return self._call("Show")

    def undo(self) -> dict[str, Any]:
        """Make the previous key current again, and return the state after it.

        Raises:
            RefusedError: The function can't be called, or refuses.
        """
        return self._call("Undo")

    def _call(self, operation: str) -> dict[str, Any]:
        event = {"Operation": operation, "SecretId": self.secret_arn}
        try:
            answer = self.client.invoke(FunctionName=self.function, Payload=json.dumps(event).encode())
        except (ClientError, BotoCoreError) as error:
            raise RefusedError(f"function {self.function} can't be called: {error}") from error
        payload = json.loads(answer["Payload"].read() or "null")
        if "FunctionError" in answer or not isinstance(payload, dict):
            message = payload.get("errorMessage") if isinstance(payload, dict) else None
            raise RefusedError(str(message or "the function failed without a message; its log says more"))
        return payload


def connect(secret: str, *, region: str | None, profile: str | None) -> Operations:
    """Find the function that manages the key in a secret, given by its name or ARN.

    Raises:
        RefusedError: There is no such secret, it holds no key of ours, or AWS can't be asked.
    """
    parts = secret.split(":")
    if region is None and len(parts) == _PARTS_OF_ARN:
        region = parts[_PART_OF_REGION]
    try:
        session = boto3.Session(region_name=region, profile_name=profile)
        described = session.client("secretsmanager").describe_secret(SecretId=secret)
        client = session.client("lambda", config=_CONFIG)
    except (ClientError, BotoCoreError) as error:
        raise RefusedError(f"secret {secret} can't be described: {error}") from error
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    if _FUNCTION_TAG not in tags:
        raise RefusedError(
            f"secret {described['ARN']} has no tag {_FUNCTION_TAG}: it holds no key of cdk-iam-access-key, or one "
            "whose stack was deployed with an earlier release; deploy it again"
        )
    return Operations(tags[_FUNCTION_TAG], described["ARN"], client)
