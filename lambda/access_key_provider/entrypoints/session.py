"""What one invocation of the function works with: AWS in a session of a key's role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3

from access_key_provider.aws.eventbridge import EventBridgeNotices
from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.aws.scheduling import EventBridgeSchedules, ScheduleSettings
from access_key_provider.aws.secrets_manager import SecretsManagerVersions
from access_key_provider.aws.sts import Sessions, StsProver
from access_key_provider.model.registration import Registration, registration
from access_key_provider.reconcile.ports import Ports
from lambda_shared.aws_calls import CLIENT, Caller
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from access_key_provider.model.state import Place

_SESSIONS = Sessions()


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
