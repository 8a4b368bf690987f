"""Calls to AWS whose patience is the state machine's: what is worth another try is told from what is not."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from lambda_shared.aws_calls import THROTTLED, USER_AGENT
from root_access_keys.errors import DeniedError, RefusedError, RoleMayBeNewError, TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_SERVER_ERROR = 500
# Credentials that were just made may not be known everywhere yet.
_NOT_KNOWN_YET = "InvalidClientTokenId"
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
# A role and its policy work some seconds after CloudFormation says they exist, at each service for itself.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
SECONDS_FOR_A_NEW_ROLE = timedelta(seconds=100)

CLIENT_CONFIG = Config(
    connect_timeout=5,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent_extra=USER_AGENT,
)
# A few hundred pages one after another, at a rate that Organizations does not publish.
PATIENT_CLIENT = CLIENT_CONFIG.merge(Config(retries={"mode": "adaptive", "total_max_attempts": 12}))


def call(method: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
    """Make a call.

    What AWS says of an error is not passed on, its code is: the text may quote whatever was sent.

    Raises:
        TryAgainError: it was throttled, failed inside AWS, its answer was lost, or its credentials are too new. It may
            have been carried out.
        RefusedError: AWS refused it.
    """
    try:
        return method(*arguments, **named)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in THROTTLED or code == _NOT_KNOWN_YET or status >= _SERVER_ERROR:
            raise TryAgainError(f"{error.operation_name}: {code}") from None
        raise RefusedError(f"{error.operation_name}: {code}", code) from None
    except ParamValidationError as error:
        # Its text may hold the parameters of the call; it was never sent.
        raise RefusedError("a call has parameters that AWS does not take", type(error).__name__) from None
    except BotoCoreError as error:
        raise TryAgainError(f"AWS could not be reached: {type(error).__name__}") from None


def call_by_role(
    method: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
) -> _Result:
    """Make a call with the function's own role.

    Raises:
        DeniedError: it was denied.
        TryAgainError: as `call`.
        RefusedError: as `call`.
    """
    try:
        return call(method, *arguments, **named)
    except RefusedError as error:
        if error.code in DENIED:
            raise DeniedError(str(error), error.code) from None
        raise


@contextmanager
def patience(since: datetime | None = None) -> Iterator[None]:
    """Let a step be taken again where the function's own role is denied something, since the role may be new.

    Step Functions waits between the attempts. A run is patient in its first 100 seconds only, so that accounts which
    deny for good hold it up no longer than that, however many there are.

    Args:
        since: when the run began; left out by steps of which a run has one.

    Raises:
        RoleMayBeNewError: take the step again.
        DeniedError: it is denied for good.
    """
    try:
        yield
    except DeniedError as error:
        if since is None or datetime.now(UTC) - since < SECONDS_FOR_A_NEW_ROLE:
            raise RoleMayBeNewError(str(error)) from None
        raise
