"""Where clients send their calls: those of the provider are logged and fail as told, the administrator's are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ParamValidationError
from fakes.calls import OK, Call, without_secrets
from fakes.errors import MisuseError, ServiceError, client_error
from fakes.parameters import USER_NAME_EXPECTED, check_sendable
from fakes.service import OPERATIONS
from fakes.sts import principal_arn

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.aws import FakeAccount
    from fakes.faults import Phase
    from fakes.sts import Credentials


class SignedEndpoint:
    """Takes the provider's calls, signed with some credentials."""

    def __init__(self, account: FakeAccount, credentials: Credentials, region: str | None = None) -> None:
        """Sign for an account, in its own region unless another is named."""
        self._account, self._credentials = account, credentials
        self._region = region or account.state.region

    def begin(self, service: str, action: str, parameters: dict[str, Any]) -> int:
        """Check a call as the SDK does, and number it."""
        name, violations = f"{service}:{action}", self._account.violations
        if name in USER_NAME_EXPECTED and not parameters.get("UserName"):
            violations.append(f"{name} without a user name")
            raise MisuseError(f"{name} without a user name is about the caller's own keys", pytrace=False)
        if self._region != self._account.state.region and service not in {"secretsmanager", "ssm", "sts"}:
            violations.append(f"{name} in {self._region}")
            raise MisuseError(f"{name} goes to {self._region}, where the account has nothing", pytrace=False)
        if name == "secretsmanager:GetSecretValue":
            violations.append("the provider tried to read a secret")
        if name == "dynamodb:GetItem" and parameters.get("ConsistentRead") is not True:
            violations.append("the provider read an item that may be old")
        try:
            check_sendable(name, parameters)
        except ParamValidationError as error:
            violations.append(f"{name} with parameters that the SDK does not send: {error}")
            raise
        return self._account.log.next_serial()

    def send(self, serial: int, attempt: int, service: str, action: str, parameters: dict[str, Any]) -> Any:
        """Send a request."""
        account = self._account
        account.clock.sleep(account.switches.latency)
        call = Call(
            index=account.log.index_of(serial),
            attempt=attempt,
            service=service,
            action=action,
            parameters=without_secrets(parameters),
            principal=principal_arn(account.state, self._credentials),
            region=self._region,
            time=account.clock.now(),
            serial=serial,
        )
        account.log.entries.append(call)
        try:
            self._meet(call, "before", account.before)
            answer = self._carry_out(call, parameters)
            self._meet(call, "after", account.after)
        except BaseException as error:
            call.outcome = _outcome(error)
            raise
        if isinstance(answer, ServiceError):
            call.outcome = answer.code
            raise client_error(service, action, answer.code, answer.message, answer.members)
        call.outcome = OK
        return answer

    def wait(self, seconds: float) -> None:
        """Wait between two attempts."""
        self._account.clock.sleep(seconds)

    def _carry_out(self, call: Call, parameters: dict[str, Any]) -> Any:
        """Return AWS's answer, a refusal too: that can get lost just as well."""
        try:
            answer = self._account.carry_out(call, self._credentials, parameters)
        except ServiceError as error:
            return error
        call.carried_out = True
        return {**answer, "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": call.attempt - 1}}

    def _meet(self, call: Call, phase: Phase, hooks: list[Callable[[Call], None]]) -> None:
        for hook in tuple(hooks):
            hook(call)
        for injection in self._account.injections:
            error = injection.error(call) if injection.phase == phase else None
            if error is not None:
                self._account.clock.sleep(injection.fault.seconds)
                raise error


class AdministratorEndpoint:
    """Takes the administrator's calls: at once, without a trace."""

    def __init__(self, account: FakeAccount) -> None:
        """Administer an account."""
        self._account = account

    def begin(self, service: str, action: str, parameters: dict[str, Any]) -> int:
        """Check a call as the SDK does, and number it."""
        name = f"{service}:{action}"
        if name in OPERATIONS:
            check_sendable(name, parameters)
        return 0

    def send(self, serial: int, attempt: int, service: str, action: str, parameters: dict[str, Any]) -> Any:
        """Send a request."""
        del serial, attempt
        try:
            answer = self._account.administer(f"{service}:{action}", parameters)
        except ServiceError as error:
            raise client_error(service, action, error.code, error.message, error.members) from None
        return {**answer, "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}

    def wait(self, seconds: float) -> None:
        """Wait between two attempts."""
        del seconds


def _outcome(error: BaseException) -> str:
    response = getattr(error, "response", None)
    return str(response["Error"]["Code"]) if isinstance(response, dict) else type(error).__name__
