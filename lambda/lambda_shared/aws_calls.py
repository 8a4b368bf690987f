"""Calls to AWS: patience where AWS asks for it, errors in our own words."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from lambda_shared.errors import AccessDeniedError, CallError, OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_shared.clock import Clock

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

# Not carried out, and worth another try.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "RequestThrottled",
        "ConcurrentModification",
        "EntityTemporarilyUnmodifiable",
        "TooManyUpdates",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})

_WITH_A_SECRET = frozenset({"PutSecretValue", "PutParameter"})
# What AWS says then may quote the parameters, the secret's value among them.
_ABOUT_PARAMETERS = frozenset({"InvalidParameterException", "ValidationException", "SerializationException"})

# A role and its policy work some seconds after CloudFormation says they exist.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
SECONDS_FOR_A_NEW_ROLE = 100.0
_SECONDS_FOR_THROTTLING = 60.0
_LONGEST_PAUSE = 8.0
# Who is denied late may have something to take back.
_SECONDS_TO_UNDO = 60.0
_ATTEMPTS = 3

_SERVER_ERROR = 500
# With this status and a name of its own, Lambda says why it has not run a function.
# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_NOT_RUN = 502
# Two ARNs and what was denied.
_MESSAGE = 512

EVENT_SOURCE = "cdk-iam-access-key"
USER_AGENT = "cdk-iam-access-key"
CLIENT_CONFIG = Config(
    connect_timeout=5,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 4},
    user_agent_extra=USER_AGENT,
)
# `RetryingCaller` repeats what may be repeated, and keeps the lease meanwhile. Three attempts take 45 s at the most.
NO_RETRIES = Config(
    connect_timeout=4,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 1},
    user_agent_extra=USER_AGENT,
)


class RetryingCaller:
    """Makes calls to one service for one invocation, and is patient with a role that is not usable yet.

    A success does not end that patience: a policy reaches each of a service's hosts on its own.
    """

    def __init__(self, clock: Clock, patience: float = SECONDS_FOR_A_NEW_ROLE) -> None:
        """Begin the patience now."""
        self._clock = clock
        self._denied_until = clock.now() + timedelta(seconds=patience)

    def __call__(
        self,
        method: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Result:
        """Make a call that may be made twice: one whose response is lost is made again.

        Raises:
            AccessDeniedError: it is not allowed, for longer than a new role needs.
            OutcomeUnknownError: it may or may not have been carried out.
            CallError: AWS refused it.
        """
        return self._called(lambda: method(*arguments, **named), _ATTEMPTS)

    def once(
        self,
        method: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Result:
        """Make a call that must not be made twice. Raises the same."""
        return self._called(lambda: method(*arguments, **named), 1)

    def at_once(
        self,
        method: Callable[_Arguments, _Result],
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Result:
        """Make a call that nothing waits for: what is denied is denied. Raises the same."""
        return self._called(lambda: method(*arguments, **named), _ATTEMPTS, is_patient=False)

    def _called(self, send: Callable[[], _Result], attempts: int, *, is_patient: bool = True) -> _Result:
        throttled_until = self._clock.now() + timedelta(seconds=_SECONDS_FOR_THROTTLING)
        denied_until = self._denied_until if is_patient else self._clock.now()
        pause, lost = 0.5, 0
        while True:
            try:
                result = send()
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                until = denied_until if code in _DENIED else throttled_until
                failure = _translated(error, code)
                if isinstance(failure, OutcomeUnknownError):
                    lost += 1
                    if lost >= attempts:
                        raise failure from error
                elif code not in _DENIED | THROTTLED or not self._worth_waiting(
                    pause, until, _SECONDS_TO_UNDO if code in _DENIED else 2 * pause
                ):
                    failure.changed_nothing = not lost
                    raise failure from error
            except ParamValidationError as error:
                # Its text may hold the parameters of the call; it was never sent.
                invalid = CallError("a call has parameters that AWS does not take", type(error).__name__)
                invalid.changed_nothing = not lost
                raise invalid from None
            except BotoCoreError as error:
                lost += 1
                if lost >= attempts:
                    raise OutcomeUnknownError(f"AWS could not be reached: {type(error).__name__}") from error
            else:
                return result
            self._clock.sleep(pause * random.uniform(0.7, 1.0))  # noqa: S311 - jitter, not cryptography
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _worth_waiting(self, pause: float, until: datetime, reserve: float) -> bool:
        return self._clock.now() + timedelta(seconds=pause) < until and self._clock.remaining() > reserve + pause


def _translated(error: ClientError, code: str) -> CallError | OutcomeUnknownError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    was_not_run = error.operation_name == "Invoke" and status == _NOT_RUN and code.endswith("Exception")
    if status >= _SERVER_ERROR and code not in THROTTLED and not was_not_run:
        return OutcomeUnknownError(f"{error.operation_name} failed inside AWS: {code}")
    said = error.response.get("Error", {}).get("Message", "")
    if error.operation_name in _WITH_A_SECRET and code in _ABOUT_PARAMETERS:
        said = "AWS does not take the value"
    message = f"{error.operation_name}: {code}: {said}"[:_MESSAGE]
    return AccessDeniedError(message, code) if code in _DENIED else CallError(message, code)
