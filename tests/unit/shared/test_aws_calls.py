"""Patience with AWS: what is repeated, for how long, and what is made of an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)

from lambda_shared.aws_calls import NO_RETRIES, THROTTLED, RetryingCaller
from lambda_shared.errors import AccessDeniedError, CallError, OutcomeUnknownError, ProviderError

if TYPE_CHECKING:
    from datetime import datetime

    from lambda_shared.clock import InvocationClock

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
URL = "https://localhost"
LOST = [ConnectionClosedError(endpoint_url=URL), ReadTimeoutError(endpoint_url=URL)]
UNREACHABLE = EndpointConnectionError(endpoint_url=URL)


def refused(code: str, status: int = 400, message: str = "no", action: str = "ListAccessKeys") -> ClientError:
    """Make an answer of AWS."""
    error = {"Code": code, "Message": message}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, action)  # type: ignore[typeddict-item]


class Service:
    """Answers as it was told to, the last answer for ever."""

    def __init__(self, *answers: Any) -> None:
        """Lay the answers out."""
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Give the next answer."""
        self.asked.append((*arguments, *named.items()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def waited(clock: InvocationClock, since: datetime) -> float:
    """Tell how many seconds have passed."""
    return (clock.now() - since).total_seconds()


def test_a_call_is_made_with_its_arguments_and_its_result_returned(clock: InvocationClock) -> None:
    """At once."""
    service, began = Service("answer"), clock.now()
    assert RetryingCaller(clock)(service, 1, two=2) == "answer"
    assert RetryingCaller(clock).once(service, 3) == "answer"
    assert service.asked == [(1, ("two", 2)), (3,)]
    assert waited(clock, began) == 0


# --- patience with a role that is new


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"])
def test_a_role_that_is_not_usable_yet_is_waited_for(clock: InvocationClock, code: str) -> None:
    """CloudFormation starts what depends on it before it works everywhere."""
    service = Service(*[refused(code)] * 9, "answer")
    assert RetryingCaller(clock)(service) == "answer"


@pytest.mark.parametrize("patience", [10.0, 100.0])
def test_a_role_that_never_is_usable_is_given_up(clock: InvocationClock, patience: float) -> None:
    """After the time that the caller has for it; a role that has long been there has less."""
    began = clock.now()
    with pytest.raises(AccessDeniedError, match="ListAccessKeys: AccessDenied: no") as denied:
        RetryingCaller(clock, patience)(Service(refused("AccessDenied")))
    assert 0.3 * patience < waited(clock, began) <= patience
    assert denied.value.changed_nothing


def test_a_success_does_not_end_the_patience(clock: InvocationClock) -> None:
    """A policy spreads from host to host, so what comes after a call that was allowed may be denied yet."""
    call = RetryingCaller(clock)
    call(Service(refused("AccessDenied"), "answer"))
    service = Service(refused("AccessDenied"), refused("AccessDenied"), "answer")
    assert call(service) == "answer"
    assert len(service.asked) == 3


def test_nobody_waits_for_a_call_that_nothing_waits_for(clock: InvocationClock) -> None:
    """What is denied is denied, also in the first seconds."""
    service, began = Service(refused("AccessDenied")), clock.now()
    with pytest.raises(AccessDeniedError):
        RetryingCaller(clock).at_once(service)
    assert (len(service.asked), waited(clock, began)) == (1, 0)


def test_patience_is_for_all_calls_of_a_caller_together(clock: InvocationClock) -> None:
    """A second call that is denied does not wait as long again."""
    call, began = RetryingCaller(clock, 20), clock.now()
    for _ in range(3):
        with pytest.raises(AccessDeniedError):
            call(Service(refused("AccessDenied")))
    assert waited(clock, began) <= 20


def test_near_the_deadline_nobody_waits(clock: InvocationClock) -> None:
    """The function must answer."""
    clock.sleep(299)
    with pytest.raises(AccessDeniedError):
        RetryingCaller(clock)(Service(refused("AccessDenied")))
    assert clock.remaining() >= 1


# --- what is repeated


@pytest.mark.parametrize("code", sorted(THROTTLED))
def test_what_is_throttled_is_made_again(clock: InvocationClock, code: str) -> None:
    """It was not carried out, so also a call that must be made once only."""
    for method in (RetryingCaller(clock), RetryingCaller(clock).once):
        assert method(Service(*[refused(code)] * 5, "answer")) == "answer"


def test_throttling_is_given_up_after_a_minute(clock: InvocationClock) -> None:
    """Also in the middle of an invocation that has long had its first success."""
    call = RetryingCaller(clock)
    call(Service("answer"))
    began = clock.now()
    with pytest.raises(CallError, match="Throttling") as given_up:
        call(Service(refused("Throttling")))
    assert 30 < waited(clock, began) <= 60
    assert given_up.value.changed_nothing


@pytest.mark.parametrize("lost", [*LOST, UNREACHABLE, refused("ServiceFailure", 500), refused("x", 503)])
def test_a_lost_answer_is_asked_for_again_three_times(clock: InvocationClock, lost: Exception) -> None:
    """A call that must be made once only is not."""
    assert RetryingCaller(clock)(Service(lost, lost, "answer")) == "answer"
    service = Service(lost)
    with pytest.raises(OutcomeUnknownError) as unknown:
        RetryingCaller(clock)(service)
    assert len(service.asked) == 3
    assert not unknown.value.changed_nothing
    once = Service(lost)
    with pytest.raises(OutcomeUnknownError):
        RetryingCaller(clock).once(once)
    assert len(once.asked) == 1


def test_a_refusal_after_a_lost_answer_says_nothing_of_what_was_done(clock: InvocationClock) -> None:
    """The first attempt may have been carried out: a key that is gone was perhaps deleted by it."""
    with pytest.raises(CallError) as refusal:
        RetryingCaller(clock)(Service(LOST[0], refused("NoSuchEntity", 404)))
    assert not refusal.value.changed_nothing


def test_a_throttled_answer_with_a_server_error_is_no_lost_one(clock: InvocationClock) -> None:
    """Some services throttle with a status of 503."""
    assert RetryingCaller(clock).once(Service(refused("Throttling", 503), "answer")) == "answer"


@pytest.mark.parametrize("code", ["NoSuchEntity", "LimitExceeded", "ResourceNotFoundException", "ValidationError", ""])
def test_any_other_refusal_is_final(clock: InvocationClock, code: str) -> None:
    """It is told with its code."""
    service = Service(refused(code))
    with pytest.raises(CallError) as refusal:
        RetryingCaller(clock)(service)
    assert (len(service.asked), refusal.value.code, refusal.value.changed_nothing) == (1, code, True)
    assert not isinstance(refusal.value, AccessDeniedError)


def test_the_pauses_grow_and_are_never_the_same(clock: InvocationClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that many functions do not come back together; eight seconds are the longest, and a little."""
    pauses: list[float] = []
    sleep = type(clock).sleep

    def noted(self: InvocationClock, seconds: float) -> None:
        pauses.append(seconds)
        sleep(self, seconds)

    monkeypatch.setattr(type(clock), "sleep", noted)
    with pytest.raises(AccessDeniedError):
        RetryingCaller(clock)(Service(refused("AccessDenied")))
    assert pauses[0] < 1
    assert 5 < max(pauses) < 11
    assert len(set(pauses)) == len(pauses)


# --- what is told


@pytest.mark.parametrize("code", ["InvalidParameterException", "ValidationException", "SerializationException"])
def test_what_aws_says_of_a_value_is_not_passed_on(clock: InvocationClock, code: str) -> None:
    """It may quote it."""
    with pytest.raises(CallError) as refusal:
        RetryingCaller(clock)(Service(refused(code, message=f"1 validation error: {SECRET}", action="PutSecretValue")))
    assert SECRET not in str(refusal.value)
    assert "AWS does not take the value" in str(refusal.value)


def test_parameters_that_were_never_sent_are_not_passed_on(clock: InvocationClock) -> None:
    """The SDK quotes them; neither the error nor what led to it has them."""
    for method in (RetryingCaller(clock), RetryingCaller(clock).once):
        with pytest.raises(CallError) as refusal:
            method(Service(ParamValidationError(report=f"Invalid type: {SECRET}")))
        assert SECRET not in str(refusal.value)
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__
        assert refusal.value.changed_nothing


def test_a_message_has_an_end(clock: InvocationClock) -> None:
    """Whatever AWS says."""
    with pytest.raises(ProviderError) as refusal:
        RetryingCaller(clock)(Service(refused("NoSuchEntity", message="x" * 5000)))
    assert len(str(refusal.value)) <= 512


def test_an_exception_of_another_kind_goes_through(clock: InvocationClock) -> None:
    """It is a bug, and nobody makes it again."""
    service = Service(KeyError("x"))
    with pytest.raises(KeyError):
        RetryingCaller(clock)(service)
    assert len(service.asked) == 1


def test_a_call_with_all_its_attempts_is_shorter_than_a_lease() -> None:
    """A holder that is alive keeps its lease during a call."""
    options: Any = NO_RETRIES
    assert options.retries["total_max_attempts"] == 1
    assert 3 * (options.connect_timeout + options.read_timeout) <= 45
