"""Security Token Service: sessions of the keys' roles, and proof that a new key works before anybody uses it."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from access_key_provider.aws.denials import explained
from access_key_provider.model.errors import UnprovenKeyError
from lambda_shared.aws_calls import NO_RETRIES
from lambda_shared.errors import CallError

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.state import NewAccessKey
    from lambda_shared.aws_calls import RetryingCaller
    from lambda_shared.clock import Clock

_SESSION = timedelta(minutes=15)
_QUESTION = "was the role deleted, or does something change its path? Then set the provider's role_path"
_QUESTION_OF_COPIES = "does that role exist? Then let it trust the role of the key"

# A new key is refused for some seconds, by each endpoint on its own and at times once more after a first success.
_SUCCESSES = 2
_TRIES_TO_REACH = 3
_SECONDS_TO_PROVE = 120.0
_LONGEST_PAUSE = 5.0
_RESERVE = 60.0


class Credentials(TypedDict):
    """Temporary credentials, as arguments for a client."""

    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str


class Sessions:
    """Sessions of the keys' roles, reused while the function is warm."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sessions: dict[tuple[str, str, str], tuple[Credentials, datetime]] = {}

    def assume(
        self, role_arn: str, name: str, call: RetryingCaller, clock: Clock, source: Credentials | None = None
    ) -> Credentials:
        """Assume a role, under a name that says why: CloudTrail shows it with every call.

        A key's role is assumed by the function; the role for a copy in another account with the key's role, `source`.
        """
        # What one key's role may assume, another one's may not.
        whose = (role_arn, name, source["aws_access_key_id"] if source else "")
        known, expires = self._sessions.get(whose, (None, clock.now()))
        if known is not None and expires - clock.now() > timedelta(seconds=clock.remaining()):
            return known
        try:
            assumed = call(
                boto3.client("sts", **(source or {}), config=NO_RETRIES).assume_role,
                RoleArn=role_arn,
                RoleSessionName=name,
                DurationSeconds=int(_SESSION.total_seconds()),
            )["Credentials"]
        except CallError as error:
            raise explained(error, "sts", role_arn, _QUESTION_OF_COPIES if source else _QUESTION) from error
        credentials = Credentials(
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
        )
        self._sessions[whose] = credentials, clock.now() + _SESSION
        return credentials


class StsProver:
    """Proof by `sts:GetCallerIdentity`, which needs no permission and says whose key it is."""

    def __init__(self, clock: Clock, settling_time: float) -> None:
        """Wait with the invocation's clock; for `settling_time` seconds once the key works."""
        self._clock = clock
        self._settling_time = settling_time

    def prove(self, key: NewAccessKey, user_name: str) -> None:
        """Wait until calls signed with the key succeed in this region and in IAM's home region, and a little longer.

        A key that works at one endpoint may be refused by others for some seconds more. No call that can be denied
        tells more: a denied call rings alarms.

        Raises:
            UnprovenKeyError: it did not work in time.
        """
        give_up = self._clock.now() + timedelta(seconds=_SECONDS_TO_PROVE)
        for region in _regions():
            self._prove_in(region, key, user_name, give_up)
        self._clock.sleep(self._settling_time)

    def _prove_in(self, region: str | None, key: NewAccessKey, user_name: str, give_up: datetime) -> None:
        client = boto3.client(
            "sts",
            region_name=region,
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
            config=NO_RETRIES,
        )
        successes, last, pause, unreachable = 0, "", 1.0, 0
        while successes < _SUCCESSES:
            if successes or last:
                if self._clock.now() >= give_up or self._clock.remaining() < _RESERVE:
                    raise UnprovenKeyError(
                        f"the new access key {key.id} did not work in time (last answer: {last}) and is removed:"
                        " deploy again"
                    )
                self._clock.sleep(pause)
            try:
                identity = client.get_caller_identity()
            except BotoCoreError as error:
                successes, last, unreachable = 0, _code(error), unreachable + 1
                # A function in a VPC may reach its own region only, where its users' keys are proven already.
                if region != os.environ.get("AWS_REGION") and unreachable == _TRIES_TO_REACH:
                    return
            except ClientError as error:
                successes, pause, unreachable = 0, min(pause * 1.5, _LONGEST_PAUSE), 0
                last = _code(error)
            else:
                successes, pause, last, unreachable = successes + 1, 1.0, "success", 0
                if identity["Arn"].rsplit("/", 1)[-1] != user_name:
                    raise UnprovenKeyError(f"the new access key {key.id} belongs to {identity['Arn']}")


def _regions() -> tuple[str | None, ...]:
    """Name the function's region, and the one where IAM of its partition has its home, from where keys spread."""
    own = os.environ.get("AWS_REGION")
    home = next((home for prefix, home in _HOMES if (own or "").startswith(prefix)), None)
    return (own, home) if home and home != own else (own,)


# https://docs.aws.amazon.com/general/latest/gr/iam-service.html
_HOMES = (
    ("cn-", "cn-north-1"),
    ("us-gov-", "us-gov-west-1"),
    ("us-iso-", "us-iso-east-1"),
    ("us-isob-", "us-isob-east-1"),
    ("us-isof-", "us-isof-south-1"),
    ("eu-isoe-", "eu-isoe-west-1"),
    ("eusc-", "eusc-de-east-1"),
    ("", "us-east-1"),
)


def _code(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return error.response.get("Error", {}).get("Code", "") or type(error).__name__
    return type(error).__name__
