"""What can go wrong with a call, ready to be injected.

A fault *before* a call keeps it from AWS, or is AWS's refusal: nothing was done. A fault *after* it loses the answer:
everything was done. AWS can refuse before only; the process can die and the connection can break at both ends, and a
5xx says nothing about what was done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from fakes.errors import client_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fakes.calls import Call

Phase = Literal["before", "after"]
_ENDPOINT = "https://aws.invalid"


class ProcessDeath(BaseException):
    """The function is killed. Nothing may catch it, so that nothing else is done."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A way for a call to fail.

    Attributes:
        name: what tests are parametrised with.
        make: makes the exception that the caller sees; None where this service has no such answer.
        phases: when it can happen.
        seconds: how long the caller waited for it.
    """

    name: str
    make: Callable[[Call], BaseException | None]
    phases: tuple[Phase, ...] = ("before",)
    seconds: float = 0.0

    def applies_to(self, call: Call) -> bool:
        """Tell whether such a call can fail in this way."""
        return self.make(call) is not None

    def __str__(self) -> str:
        """Name it in a test's id."""
        return self.name


def _answer(codes: Mapping[str, str], message: str) -> Callable[[Call], BaseException | None]:
    """Answer with the first code that is given for the call's name or its service."""

    def make(call: Call) -> BaseException | None:
        code = codes.get(call.name, codes.get(call.service))
        return client_error(call.service, call.action, code, message) if code else None

    return make


PROCESS_DEATH: Final = Fault("process death", lambda call: ProcessDeath(str(call)), ("before", "after"))
CONNECTION_LOST: Final = Fault(
    "connection lost", lambda _call: ConnectionClosedError(endpoint_url=_ENDPOINT), ("before", "after")
)
TIMED_OUT: Final = Fault(
    "timed out", lambda _call: ReadTimeoutError(endpoint_url=_ENDPOINT), ("before", "after"), seconds=10
)
UNREACHABLE: Final = Fault(
    "unreachable", lambda _call: EndpointConnectionError(endpoint_url=_ENDPOINT, error="refused"), seconds=5
)
SERVER_ERROR: Final = Fault(
    "server error",
    _answer(
        {
            "dynamodb": "InternalServerError",
            "events": "InternalException",
            "iam": "ServiceFailure",
            "lambda": "ServiceException",
            "secretsmanager": "InternalServiceError",
            "ssm": "InternalServerError",
            "sts": "InternalFailure",
        },
        "The request processing has failed because of an unknown error, exception or failure.",
    ),
    ("before", "after"),
)
THROTTLED: Final = Fault(
    "throttled",
    _answer(
        {
            "dynamodb": "ThrottlingException",
            "events": "ThrottlingException",
            "iam": "Throttling",
            "lambda": "TooManyRequestsException",
            "secretsmanager": "ThrottlingException",
            "ssm": "ThrottlingException",
            "sts": "Throttling",
        },
        "Rate exceeded",
    ),
)
ACCESS_DENIED: Final = Fault(
    "access denied",
    _answer(
        {
            "sts:GetCallerIdentity": "",
            "dynamodb": "AccessDeniedException",
            "events": "AccessDeniedException",
            "iam": "AccessDenied",
            "lambda": "AccessDeniedException",
            "secretsmanager": "AccessDeniedException",
            "ssm": "AccessDeniedException",
            "sts": "AccessDenied",
        },
        "the caller is not authorized to perform this action",
    ),
)
NOT_FOUND: Final = Fault(
    "not found",
    _answer(
        {
            "dynamodb": "ResourceNotFoundException",
            "iam:GetAccessKeyLastUsed": "",
            "iam": "NoSuchEntity",
            "lambda": "ResourceNotFoundException",
            "secretsmanager:CreateSecret": "",
            "secretsmanager": "ResourceNotFoundException",
            "ssm:PutParameter": "",
            "ssm": "ParameterNotFound",
        },
        "what the call names cannot be found",
    ),
)
CONFLICT: Final = Fault(
    "conflict",
    _answer(
        {
            "dynamodb:PutItem": "TransactionConflictException",
            "dynamodb:DeleteItem": "TransactionConflictException",
            "iam:TagUser": "ConcurrentModification",
            "iam:UntagUser": "ConcurrentModification",
            "iam:CreateAccessKey": "LimitExceeded",
            "iam:UpdateAccessKey": "EntityTemporarilyUnmodifiable",
            "iam:DeleteAccessKey": "EntityTemporarilyUnmodifiable",
            "secretsmanager:PutSecretValue": "ResourceExistsException",
            "secretsmanager:UpdateSecretVersionStage": "InvalidParameterException",
            "ssm": "TooManyUpdates",
        },
        "what the call names was changed by somebody else",
    ),
)
KEY_REJECTED: Final = Fault(
    "key rejected",
    _answer({"iam": "InvalidClientTokenId", "sts:GetCallerIdentity": "InvalidClientTokenId"}, "The token is invalid."),
)
THROUGHPUT_EXCEEDED: Final = Fault(
    "throughput exceeded",
    _answer({"dynamodb": "ProvisionedThroughputExceededException"}, "The level of configured throughput is exceeded."),
)

FAULTS: Final = (
    PROCESS_DEATH,
    CONNECTION_LOST,
    TIMED_OUT,
    UNREACHABLE,
    SERVER_ERROR,
    THROTTLED,
    ACCESS_DENIED,
    NOT_FOUND,
    CONFLICT,
)


@dataclass(slots=True)
class Injection:
    """A fault that waits for its call.

    Attributes:
        fault: what happens.
        matches: tells its calls.
        phase: when it happens.
        skip: how many matching calls pass first.
        times: how many calls fail then; None is all.
        attempts: how many of the SDK's attempts of each of them fail; None is all.
        fired: how often it has happened, each attempt counted.
    """

    fault: Fault
    matches: Callable[[Call], bool]
    phase: Phase
    skip: int = 0
    times: int | None = 1
    attempts: int | None = None
    fired: int = 0
    _hit: frozenset[int] = frozenset()
    _passed: frozenset[int] = frozenset()

    def error(self, call: Call) -> BaseException | None:
        """Return what the caller shall see instead of an answer, if it is this call's turn."""
        if not self._concerns(call) or (self.attempts is not None and call.attempt > self.attempts):
            return None
        error = self.fault.make(call)
        if error is None:
            raise ValueError(f"{call.name} can't fail with {self.fault}")
        self.fired += 1
        return error

    def _concerns(self, call: Call) -> bool:
        if call.serial in self._hit:
            return True
        if call.serial in self._passed or not self.matches(call):
            return False
        if len(self._passed) < self.skip or (self.times is not None and len(self._hit) >= self.times):
            self._passed |= {call.serial}
            return False
        self._hit |= {call.serial}
        return True
