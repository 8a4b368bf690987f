"""Calls to AWS whose patience is the state machine's: what is worth another try is told from what is not.

Only a denial is waited out here, while the function's own role may be new: later it is final, and the state machine
could not tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from lambda_shared.aws_calls import THROTTLED, USER_AGENT
from root_access_keys.errors import RefusedError, TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_SERVER_ERROR = 500
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
# A role and its policy work some seconds after CloudFormation says they exist, at each service for itself.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_SECONDS_FOR_A_NEW_ROLE = 100.0
_SHORTEST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0

CLIENT = Config(
    connect_timeout=5,
    read_timeout=15,
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent_extra=USER_AGENT,
)
# A few hundred pages one after another, at a rate that Organizations does not publish.
PATIENT_CLIENT = CLIENT.merge(Config(retries={"mode": "adaptive", "total_max_attempts": 12}))


def call(method: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
    """Make a call.

    What AWS says of an error is not passed on, its code is: the text may quote whatever was sent.

    Raises:
        TryAgainError: it was throttled, failed inside AWS, or its answer was lost. It may have been carried out.
        RefusedError: AWS refused it.
    """
    try:
        return method(*arguments, **named)
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in THROTTLED or status >= _SERVER_ERROR:
            raise TryAgainError(f"{error.operation_name}: {code}") from None
        raise RefusedError(f"{error.operation_name}: {code}", code) from None
    except ParamValidationError as error:
        # Its text may hold the parameters of the call; it was never sent.
        raise RefusedError("a call has parameters that AWS does not take", type(error).__name__) from None
    except BotoCoreError as error:
        raise TryAgainError(f"AWS could not be reached: {type(error).__name__}") from None


@dataclass(slots=True)
class RoleCalls:
    """Calls to one service with the function's own role, which may be new.

    A denial is waited out until a call has succeeded, and for 100 seconds once a process: a role that works elsewhere
    is denied for good, and an organization may have many accounts that deny.
    """

    _worked: bool = False
    _denied_until: float | None = None
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __call__(
        self, method: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        """Make a call. Raises what `call` does."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                result = call(method, *arguments, **named)
            except RefusedError as error:
                if error.code not in DENIED or not self._may_be_new():
                    raise
            else:
                self._worked = True
                return result
            sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _may_be_new(self) -> bool:
        now = monotonic()
        with self._lock:
            if self._denied_until is None:
                self._denied_until = now + _SECONDS_FOR_A_NEW_ROLE
            return not self._worked and now < self._denied_until
