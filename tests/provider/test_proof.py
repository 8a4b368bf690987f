"""Proof that a key works: several successes in a row, a bounded wait, and whose key it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from provider.world import TestClock

from access_key_provider.aws.sts import StsProver
from access_key_provider.model.errors import UnprovenKeyError
from access_key_provider.model.state import NewAccessKey

KEY = NewAccessKey("AKIAAAAAAAAAAAAAAAAA", "not a secret")
REFUSED = ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "no"}}, "GetCallerIdentity")
UNREACHABLE = EndpointConnectionError(endpoint_url="https://localhost")


@dataclass
class Sts:
    """Answers as it was told to, the last answer for ever."""

    answers: list[Any]
    asked: int = field(default=0, init=False)

    def get_caller_identity(self) -> dict[str, str]:
        """Give the next answer."""
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return {"Arn": f"arn:aws:iam::123456789012:user/{answer}"}


class Clock(TestClock):
    """A clock of an invocation that has so many seconds left."""

    def __init__(self, seconds: float = 300) -> None:
        super().__init__()
        self._seconds = seconds

    def remaining(self) -> float:
        """Return the seconds left."""
        return self._seconds - self.slept.total_seconds()


def prove(sts: Sts, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prove the key against a service."""
    monkeypatch.setattr(boto3, "client", lambda *_args, **_named: sts)
    StsProver(clock).prove(KEY, "deploy")


def test_three_successes_in_a_row_are_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """One would only prove one endpoint at one time."""
    sts = Sts(["deploy"])
    prove(sts, Clock(), monkeypatch)
    assert sts.asked == 3


@pytest.mark.parametrize("setback", [REFUSED, UNREACHABLE])
def test_a_setback_begins_the_count_again(monkeypatch: pytest.MonkeyPatch, setback: Exception) -> None:
    """A first success can be followed by another refusal."""
    sts = Sts([setback, "deploy", "deploy", setback, "team/deploy", "deploy", "deploy"])
    prove(sts, Clock(), monkeypatch)
    assert sts.asked == 7


def test_a_key_that_never_works_is_given_up_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the key and the last answer, not the secret."""
    clock = Clock()
    with pytest.raises(UnprovenKeyError, match=rf"{KEY.id} did not work in time .*InvalidClientTokenId") as given_up:
        prove(Sts([REFUSED]), clock, monkeypatch)
    assert 100 < clock.slept.total_seconds() < 130
    assert KEY.secret not in str(given_up.value)


def test_time_is_kept_to_undo_and_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """With little time left the wait ends sooner."""
    clock = Clock(seconds=90)
    with pytest.raises(UnprovenKeyError):
        prove(Sts([REFUSED]), clock, monkeypatch)
    assert clock.remaining() > 45


def test_a_key_of_somebody_else_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer says whose key signed."""
    with pytest.raises(UnprovenKeyError, match="belongs to arn:aws:iam::123456789012:user/vendor"):
        prove(Sts(["vendor"]), Clock(), monkeypatch)
