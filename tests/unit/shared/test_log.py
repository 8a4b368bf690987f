"""One JSON line for what happened, and nothing in it that nobody may read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.aws import VirtualClock

from lambda_shared import log
from lambda_shared.clock import InvocationClock
from lambda_shared.errors import CallError, ProviderError, in_other_words

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Read the log."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_json_of_the_message_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """One a call, whatever is in it."""
    log.info("done", user="müller\n", count=1, nothing=None)
    assert lines(capsys) == [{"message": "done", "user": "müller\n", "count": 1, "nothing": None}]


@pytest.mark.parametrize(("fields", "dimensions"), [({"userName": "deploy"}, [[], ["userName"]]), ({}, [[]])])
def test_a_metric_is_a_line_that_cloudwatch_counts(
    capsys: pytest.CaptureFixture[str], fields: dict[str, str], dimensions: list[list[str]]
) -> None:
    """In all, and by user where one is named; a dimension that is missing would make it drop the metric."""
    log.metric("AccessKeyCreated", "Access Key Created", **fields)
    (line,) = lines(capsys)
    (definition,) = line["_aws"]["CloudWatchMetrics"]
    assert definition == {
        "Namespace": "CdkIamAccessKey",
        "Dimensions": dimensions,
        "Metrics": [{"Name": "AccessKeyCreated", "Unit": "Count"}],
    }
    assert line["AccessKeyCreated"] == 1
    assert abs(line["_aws"]["Timestamp"] / 1000 - datetime.now(UTC).timestamp()) < 60
    assert line.items() >= fields.items()


def test_an_error_of_our_own_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Its text may be read by whoever deploys."""
    error = ProviderError("user deploy does not exist")
    assert log.redacted(error, entry="sweep") is error
    assert lines(capsys) == [
        {"message": "failed", "entry": "sweep", "error": "ProviderError", "reason": "user deploy does not exist"}
    ]


def test_of_any_other_error_its_kind_and_place_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither its text, nor that of the one that led to it, nor any value on the way."""

    def burst(secret: str) -> None:
        try:
            int(secret)
        except ValueError as error:
            raise KeyError(secret) from error

    with pytest.raises(KeyError) as raised:
        burst(SECRET)
    told = log.redacted(raised.value)
    assert str(told) == "unexpected KeyError in the function; its log says where"
    (line,) = lines(capsys)
    assert "burst" in line["where"]
    assert SECRET not in json.dumps(line) + str(told)


def test_an_error_in_other_words_keeps_whether_anything_was_changed() -> None:
    """Whoever recorded something before the call takes it back only then."""
    refused = CallError("no", "NoSuchEntity")
    assert not in_other_words(refused, ProviderError("gone")).changed_nothing
    refused.changed_nothing = True
    assert in_other_words(refused, ProviderError("gone")).changed_nothing


def test_the_clock_of_an_invocation_tells_the_time_and_what_lambda_leaves_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In UTC, and in seconds."""

    class Context:
        """Have a second and a half left."""

        def get_remaining_time_in_millis(self) -> int:
            """Say so."""
            return 1500

    slept = VirtualClock()
    began = slept.now()
    monkeypatch.setattr("lambda_shared.clock.sleep", slept.sleep)
    clock = InvocationClock(Context())
    assert clock.now().tzinfo == UTC
    assert clock.remaining() == 1.5
    clock.sleep(2)
    assert (slept.now() - began).total_seconds() == 2
