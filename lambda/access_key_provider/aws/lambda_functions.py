"""Lambda: the functions of the app that bring a key to its consumers.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from access_key_provider.aws.denials import explained
from access_key_provider.model.errors import DeliveryError
from lambda_shared.aws_calls import USER_AGENT
from lambda_shared.errors import CallError, OutcomeUnknownError, in_other_words

if TYPE_CHECKING:
    from access_key_provider.aws.sts import Credentials
    from lambda_shared.aws_calls import RetryingCaller
    from lambda_shared.clock import Clock

# Sent once: a second call might run beside the first. It ends while the lease is held.
_ANSWERS_WITHIN = 40
_SENT_ONCE = Config(
    connect_timeout=4,
    read_timeout=_ANSWERS_WITHIN,
    retries={"mode": "standard", "total_max_attempts": 1},
    user_agent_extra=USER_AGENT,
)
# Lambda has not run the function, but gets it ready now: one that is new, or that was idle for weeks, as between two
# rotations. That takes seconds, and with a VPC a minute or two.
# https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
_GETTING_READY = frozenset(
    {
        "CodeArtifactUserPendingException",
        "EC2ThrottledException",
        "ENINotReadyException",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "SnapStartNotReadyException",
    }
)
_READY_WITHIN = timedelta(minutes=2)
_PAUSE = 5.0
# For its answer, and for whatever has to follow.
_SECONDS_AFTER = _ANSWERS_WITHIN + 85.0
_QUESTION = "was the function deleted, or does its policy or a permissions boundary refuse the role of the key?"
_ERROR_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,99}")


class LambdaFunctions:
    """The functions, as the role of one key may call them."""

    def __init__(self, credentials: Credentials, call: RetryingCaller, clock: Clock) -> None:
        """Call them in the regions that their ARNs name."""
        self._credentials, self._call, self._clock = credentials, call, clock

    def call(self, function_arn: str, payload: dict[str, str]) -> None:
        """Call a function, and wait for its answer.

        Raises:
            CallError: it was not called.
            DeliveryError: it has failed, and how far it has come is not known. What it says of that may hold anything,
                so only the type of its error is told.
            OutcomeUnknownError: it has not answered in time, and may be running yet.
        """
        region, of = function_arn.split(":")[3], f"the delivery to {payload['consumer']}"
        client = boto3.client("lambda", region_name=region, **self._credentials, config=_SENT_ONCE)
        try:
            answer = self._invoke(client, FunctionName=function_arn, Payload=json.dumps(payload).encode())
        except CallError as error:
            said = explained(error, "lambda", function_arn, _QUESTION)
            raise in_other_words(error, CallError(f"{of} failed: {said}", error.code)) from error
        except OutcomeUnknownError as error:
            raise OutcomeUnknownError(f"{of} has not answered within {_ANSWERS_WITHIN} seconds: {error}") from error
        if "FunctionError" in answer:
            raised = _error_type(answer["Payload"].read())
            raise DeliveryError(f"{of} failed: its function raised {raised}, and its log says why")

    def _invoke(self, client: Any, **parameters: Any) -> Any:
        """Call a function once Lambda runs it. Raises what `RetryingCaller` does."""
        until = self._clock.now() + _READY_WITHIN
        while True:
            try:
                return self._call.once(client.invoke, **parameters)
            except CallError as error:
                is_late = self._clock.now() >= until or self._clock.remaining() < _SECONDS_AFTER + _PAUSE
                if error.code not in _GETTING_READY or is_late:
                    raise
            self._clock.sleep(_PAUSE)


def _error_type(answer: bytes) -> str:
    try:
        found = json.loads(answer).get("errorType")
    except (ValueError, AttributeError):
        found = None
    return found if isinstance(found, str) and _ERROR_TYPE.fullmatch(found) else "an error"
