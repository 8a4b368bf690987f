"""The last step of a run: it counts, publishes, and remembers which keys the next run may delete."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import boto3

from lambda_shared.custom_resource import quieten_loggers
from lambda_shared.log import record, shown
from root_access_keys.calls import CLIENT, call
from root_access_keys.model import Mode
from root_access_keys.notices import put_event
from root_access_keys.store import Store
from root_access_keys.summary import announced_by, failure_text, in_numbers, in_short, in_words, subject, summarize

if TYPE_CHECKING:
    from collections.abc import Mapping

FINISHED = "Root Access Keys Checked"
FAILED = "Root Access Keys Not Checked"


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Publish what a run came to, or that it failed as a whole.

    What the next run would delete counts as published only after the notice and the event are out. Taken twice, the
    step tells it twice.

    Raises:
        GuardError: it can't be published.
    """
    quieten_loggers()
    try:
        if "Failure" in event:
            return _tell_failure(str(event["RunId"]), event["Failure"])
        return _tell(event["Start"])
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise shown(error, step="finish") from None


def _tell(start: Mapping[str, Any]) -> dict[str, Any]:
    store = Store(start["Run"]["Id"])
    summary = summarize(start, store.get("accounts.json"), store.get("skipped.json"), store.results())
    store.put("summary.json", summary)
    location = store.location("summary.json")
    counted = in_numbers(summary)
    record("run finished", **{name: json.dumps(value) for name, value in counted.items()})
    _notify(subject(summary), in_words(summary, location))
    put_event(call, FINISHED, in_short(summary, location))
    if start["Run"]["Mode"] == Mode.DELETE_UNUSED:
        digest = start["Settings"]
        store.announce(digest, announced_by(summary, store.announced(digest) or {}))
    return {**counted, "Summary": location}


def _tell_failure(run_id: str, failure: Mapping[str, Any]) -> dict[str, Any]:
    why = failure_text(failure)
    record("run failed", run=run_id, reason=why)
    _notify("Root access keys were not checked", f"Root access keys, run {run_id}: it failed as a whole.\n\n{why}")
    put_event(call, FAILED, {"Run": run_id, "Why": why})
    return {"Run": run_id, "Why": why}


def _notify(title: str, text: str) -> None:
    topic = os.environ.get("TOPIC_ARN")
    if topic:
        call(boto3.client("sns", config=CLIENT).publish, TopicArn=topic, Subject=title, Message=text)
