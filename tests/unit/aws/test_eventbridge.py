"""Events, metrics and log lines, on the fake account: what is done is done, reported or not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes.faults import ACCESS_DENIED, CONNECTION_LOST, SERVER_ERROR, THROTTLED, TIMED_OUT

from access_key_provider.aws.eventbridge import EventPublisher

if TYPE_CHECKING:
    from fakes.aws import FakeAccount

DETAIL = {"secretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf", "userName": "deploy"}


def published(number: int) -> list[tuple[str, dict[str, str]]]:
    """Make events."""
    return [(f"Access Key Kind {index}", DETAIL) for index in range(number)]


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Read the log."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_event_tells_what_it_is_and_of_which_secret(account: FakeAccount) -> None:
    """On the default bus, from our own source, so that rules can match it."""
    EventPublisher().publish(published(1))
    (event,) = account.state.events
    assert (event["Source"], event["DetailType"]) == ("cdk-iam-access-key", "Access Key Kind 0")
    assert json.loads(event["Detail"]) == DETAIL
    assert event["Resources"] == [DETAIL["secretArn"]]


@pytest.mark.parametrize(("number", "calls"), [(0, 0), (1, 1), (10, 1), (11, 2), (25, 3)])
def test_ten_events_fit_a_call(account: FakeAccount, number: int, calls: int) -> None:
    """Without any there is no call."""
    EventPublisher().publish(published(number))
    assert len(account.state.events) == number
    assert len(account.log.calls()) == calls


@pytest.mark.parametrize("fault", [ACCESS_DENIED, CONNECTION_LOST, SERVER_ERROR, THROTTLED, TIMED_OUT])
def test_an_event_that_can_not_be_sent_fails_nothing(
    account: FakeAccount, capsys: pytest.CaptureFixture[str], fault: object
) -> None:
    """It is a line in the log and a metric all the same, and it is not waited for long."""
    account.fail(fault, "events:PutEvents", times=None)  # type: ignore[arg-type]
    before = account.clock.now()
    EventPublisher().publish(published(1))
    told, failed = lines(capsys)
    assert told["message"] == "Access Key Kind 0"
    assert told["AccessKeyKind0"] == 1
    assert told["userName"] == "deploy"
    assert failed["message"] == "events could not be sent"
    assert (account.clock.now() - before).total_seconds() < 40


def test_an_event_that_is_refused_by_itself_is_logged(
    account: FakeAccount, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """EventBridge takes the call, and says how many of its entries failed."""

    class Client:
        """Refuse one."""

        def put_events(self, **_: object) -> dict[str, int]:
            """Say so."""
            return {"FailedEntryCount": 1}

    monkeypatch.setattr("boto3.client", lambda *_, **__: Client())
    EventPublisher().publish(published(1))
    assert lines(capsys)[-1] == {"message": "events could not be sent", "failed": 1}
    assert account.state.events == []
