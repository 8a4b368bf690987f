"""Events on the account's default bus: how those who watch over keys are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contract.subjects import not_sent, refused


@pytest.fixture
def bus(aws: Any) -> Any:
    """Give a client of EventBridge."""
    return aws.client("events")


def event(detail: str | None = None, **changes: str) -> dict[str, Any]:
    """Make an event as the provider does."""
    return {
        "Source": "cdk-iam-access-key",
        "DetailType": "Access Key Deactivated",
        "Detail": json.dumps({"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}) if detail is None else detail,
        "Resources": ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf"],
    } | changes


def test_an_event_gets_an_id(bus: Any) -> None:
    """Each its own, in the order in which they were sent."""
    answer = bus.put_events(Entries=[event(), event()])
    ids = [entry["EventId"] for entry in answer["Entries"]]
    assert answer["FailedEntryCount"] == 0
    assert len(set(ids)) == 2


@pytest.mark.parametrize("detail", ["no JSON", "[]", '"text"', "{"])
def test_an_event_without_an_object_fails_by_itself(bus: Any, detail: str) -> None:
    """The call succeeds, and so does the event beside it."""
    answer = bus.put_events(Entries=[event(detail), event()])
    assert answer["FailedEntryCount"] == 1
    failed, sent = answer["Entries"]
    assert (failed["ErrorCode"], "EventId" in failed) == ("MalformedDetail", False)
    assert sent["EventId"]


@pytest.mark.parametrize("missing", ["DetailType", "Detail"])
def test_an_event_says_what_it_tells(bus: Any, missing: str) -> None:
    """One that does not fails by itself."""
    answer = bus.put_events(Entries=[event(**{missing: ""}), event()])
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "InvalidArgument"
    assert answer["Entries"][1]["EventId"]


def test_a_call_takes_ten_events_at_most(bus: Any) -> None:
    """Eleven are refused as a whole."""
    assert bus.put_events(Entries=[event()] * 10)["FailedEntryCount"] == 0
    with refused("ValidationException", status=400):
        bus.put_events(Entries=[event()] * 11)


def test_a_call_takes_one_event_at_least(bus: Any) -> None:
    """The SDK does not send none."""
    with not_sent():
        bus.put_events(Entries=[])
