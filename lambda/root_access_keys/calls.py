"""Calls to AWS whose patience is the state machine's: what is worth another try is told from what is not."""

from __future__ import annotations

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
