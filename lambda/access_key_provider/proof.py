"""Proof that a new key works, before anybody is told to use it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from access_key_provider.calls import SENT_ONCE
from access_key_provider.errors import UnprovenKeyError

if TYPE_CHECKING:
    from access_key_provider.model import NewAccessKey
    from access_key_provider.ports import Clock

# A new key is refused for some seconds, by each endpoint on its own and at times once more after a first success.
_SUCCESSES = 3
_SECONDS_TO_PROVE = 120.0
_LONGEST_PAUSE = 5.0
_RESERVE = 60.0


class StsProver:
    """Proof by `sts:GetCallerIdentity`, which needs no permission and says whose key it is."""

    def __init__(self, clock: Clock) -> None:
        """Wait with the invocation's clock."""
        self._clock = clock

    def prove(self, key: NewAccessKey, user_name: str) -> None:
        """Wait until several calls in a row, signed with the key, succeed. Raises UnprovenKeyError."""
        client = boto3.client("sts", aws_access_key_id=key.id, aws_secret_access_key=key.secret, config=SENT_ONCE)
        successes, answer, pause = 0, "", 1.0
        give_up = self._clock.now() + timedelta(seconds=_SECONDS_TO_PROVE)
        while successes < _SUCCESSES:
            if successes or answer:
                if self._clock.now() >= give_up or self._clock.remaining() < _RESERVE:
                    raise UnprovenKeyError(
                        f"the new access key {key.id} did not work in time (last answer: {answer}) and is removed:"
                        " deploy again"
                    )
                self._clock.sleep(pause)
            try:
                identity = client.get_caller_identity()
            except (ClientError, BotoCoreError) as error:
                successes, pause = 0, min(pause * 1.5, _LONGEST_PAUSE)
                answer = _code(error)
            else:
                successes, pause, answer = successes + 1, 1.0, "success"
                if identity["Arn"].rsplit("/", 1)[-1] != user_name:
                    raise UnprovenKeyError(f"the new access key {key.id} belongs to {identity['Arn']}")


def _code(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "") or type(error).__name__
    return type(error).__name__
