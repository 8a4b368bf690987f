"""An alarm that goes off, on the fake account: it goes back within the grace period, and to nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.faults import ACCESS_DENIED

from access_key_provider.entrypoints.alarm import data_began
from access_key_provider.model.errors import InvalidRequestError, NotManagedError
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from support.stack import Stack

HOUR = timedelta(hours=1)
GRACE = {"GracePeriod": "3600"}
EARLY, LATE, LATEST = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z"


def event(reason: Any = None, timestamp: Any = LATE, time: Any = LATEST, value: Any = "ALARM") -> dict[str, Any]:
    """Make CloudWatch's event."""
    state = {"value": value, "timestamp": timestamp, "reasonData": reason}
    return {"source": "aws.cloudwatch", "time": time, "detail": {"alarmName": "denied", "state": state}}


@pytest.mark.parametrize(
    ("made", "began"),
    [
        (event(json.dumps({"startDate": EARLY})), EARLY),
        (event(json.dumps({"startDate": "2026-01-01T00:00:01.000+0000"})), EARLY),
        (event(json.dumps({"startDate": "2026-01-01T02:00:01+02:00"})), EARLY),
        (event(json.dumps({"startDate": "2026-01-01T00:00:01"})), EARLY),
        (event(json.dumps({})), LATE),
        (event(json.dumps([])), LATE),
        (event("no JSON"), LATE),
        (event({"startDate": EARLY}), LATE),
        (event(json.dumps({"startDate": "yesterday"})), LATE),
        (event(json.dumps({"startDate": "9999-12-31T23:59:59-14:00"})), LATE),
        (event(None, None), LATEST),
        (event(None, 7), LATEST),
    ],
)
def test_an_alarm_is_about_the_time_since_when_its_data_goes(made: dict[str, Any], began: str) -> None:
    """Not about when it went off; where its data does not tell, the next best is taken."""
    assert data_began(made) == datetime.fromisoformat(began)
    assert data_began(made).tzinfo == UTC


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (None, "an event of a CloudWatch alarm"),
        ([], "an event of a CloudWatch alarm"),
        ({}, "an event of a CloudWatch alarm"),
        (event() | {"source": "aws.events"}, "an event of a CloudWatch alarm"),
        (event() | {"detail": None}, "an event of a CloudWatch alarm"),
        (event() | {"detail": {"state": "ALARM"}}, "an event of a CloudWatch alarm"),
        (event(value="OK"), "that went off"),
        (event(value=["ALARM"]), "that went off"),
        (event(timestamp=None, time=None), "has no time"),
        (event(timestamp="x", time="0001-01-01T00:00:00+14:00"), "has no time"),
    ],
)
def test_what_is_no_alarm_that_went_off_is_refused(stack: Stack, made: Any, why: str) -> None:
    """An alarm that is over again undoes nothing."""
    with pytest.raises(InvalidRequestError, match=why):
        data_began(made)
    with pytest.raises(InvalidRequestError):
        stack.invoke({"Operation": "AlarmUndo", "SecretId": stack.secret_arn, "Event": made}, "worker")
    assert stack.account.log.entries == []


def test_an_alarm_makes_the_previous_key_current_and_the_bad_one_inactive(stack: Stack) -> None:
    """Once; delivered again it does nothing."""
    stack.deploy("1", "2", **GRACE)
    first, second = stack.our_keys()
    stack.account.clock.sleep(60)
    alarm = stack.alarm()
    for _ in range(2):
        assert stack.invoke(alarm, "worker") is None
        assert stack.current_key() == (first, "Active")
        assert stack.keys()[second] == "Inactive"
        assert "undo_asked" not in stack.entry
    restored = [event for event in stack.account.state.events if event["DetailType"] == "Access Key Restored"]
    assert [json.loads(event["Detail"])["by"] for event in restored] == ["alarm"]


@pytest.mark.parametrize("why", ["its data is from before the switch", "the grace period is over"])
def test_an_alarm_that_is_not_about_the_current_key_changes_nothing(stack: Stack, why: str) -> None:
    """And is not tried again."""
    stack.deploy("1", "2", **GRACE)
    before = stack.keys()
    if why == "the grace period is over":
        stack.account.clock.sleep(3600)
    began = stack.account.clock.now() - timedelta(minutes=10)
    assert stack.invoke(stack.alarm(began), "worker") is None
    assert stack.keys() == before
    assert stack.current_key() == (stack.our_keys()[1], "Active")
    assert "undo_asked" not in stack.entry


def test_an_alarm_that_can_not_be_carried_out_is_tried_again(stack: Stack) -> None:
    """By Lambda, and by the sweep."""
    stack.deploy("1", "2", **GRACE)
    first, _ = stack.our_keys()
    stack.account.clock.sleep(60)
    stack.account.fail(ACCESS_DENIED, "secretsmanager:UpdateSecretVersionStage", times=None)
    with pytest.raises(ProviderError):
        stack.invoke(stack.alarm(), "worker")
    assert stack.entry["undo_asked"]
    stack.account.heal()
    stack.sweep(timedelta(minutes=20))
    assert stack.current_key() == (first, "Active")


def test_an_alarm_about_a_secret_without_an_entry_is_refused(stack: Stack) -> None:
    """Nothing is remembered of it."""
    with pytest.raises(NotManagedError, match="no entry for secret"):
        stack.invoke(stack.alarm(), "worker")
    assert "undo_asked" not in stack.entry
