"""What one invocation of the function works with: its time, and AWS in a session of a key's role."""

from __future__ import annotations

from datetime import UTC, datetime
from time import sleep
from typing import TYPE_CHECKING, Any

import boto3

from access_key_provider.aws import IamUserKeys, SecretsManagerVersions
from access_key_provider.calls import CLIENT, Caller, Sessions
from access_key_provider.ports import Ports
from access_key_provider.proof import StsProver
from access_key_provider.registration import Registration, registration
from access_key_provider.scheduling import EventBridgeNotices, EventBridgeSchedules, ScheduleSettings

if TYPE_CHECKING:
    from access_key_provider.model import Place

_SESSIONS = Sessions()


class InvocationClock:
    """The time of one invocation, and how much of it Lambda leaves us."""

    def __init__(self, context: Any) -> None:
        """Take the deadline from Lambda's context."""
        self._context = context

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)

    def remaining(self) -> float:
        """Return the seconds until Lambda ends the function."""
        return float(self._context.get_remaining_time_in_millis()) / 1000

    def sleep(self, seconds: float) -> None:
        """Wait."""
        sleep(seconds)


def ports_of(place: Place, role_arn: str, session_name: str, context: Any, *, rotation_token: str = "") -> Ports:
    """Assume a key's role and return AWS as it sees it."""
    clock = InvocationClock(context)
    call = Caller(clock)
    credentials = _SESSIONS.assume(role_arn, session_name, call, clock)
    return Ports(
        keys=IamUserKeys(credentials, place.user_name, call),
        secret=SecretsManagerVersions(credentials, place.secret_arn, call, rotation_token),
        prover=StsProver(clock),
        clock=clock,
        schedules=EventBridgeSchedules(credentials, call, ScheduleSettings.of_function(context.invoked_function_arn)),
        notices=EventBridgeNotices(credentials, call),
    )


def registered(secret_id: str, context: Any) -> Registration:
    """Tell whose key a secret holds, by its tags: the one thing that the function may read with its own role.

    Raises:
        NotManagedError: the tags don't say.
        ProviderError: the secret can't be described.
    """
    client = boto3.client("secretsmanager", config=CLIENT)
    secret = Caller(InvocationClock(context))(client.describe_secret, SecretId=secret_id)
    return registration(secret["ARN"], {tag["Key"]: tag["Value"] for tag in secret.get("Tags", [])})
