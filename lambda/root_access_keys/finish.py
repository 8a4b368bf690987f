"""The last step of a run: it counts, publishes, and remembers which keys later runs may delete."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3

from lambda_shared import log
from lambda_shared.custom_resource import quieten_loggers
from root_access_keys.calls import CLIENT_CONFIG, call_by_role, patience
from root_access_keys.model import Run, checked_run_id, member
from root_access_keys.notices import put_event
from root_access_keys.plan import Plan
from root_access_keys.settings import Settings
from root_access_keys.store import Store
from root_access_keys.summary import announced_by, failure_text, in_numbers, in_short, in_words, subject, summarize

if TYPE_CHECKING:
    from collections.abc import Mapping

FINISHED = "Root Access Keys Checked"
FAILED = "Root Access Keys Not Checked"


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Publish what a run came to, or that it failed as a whole.

    What a later run would delete counts as published only after the notice and the event are out. Taken twice, the
    step tells it twice.

    Raises:
        TryAgainError: AWS asks for patience.
        RoleMayBeNewError: the function's role is denied something.
        GuardError: it can't be published.
    """
    quieten_loggers()
    try:
        with patience():
            if member(event, "Failure") is not None:
                return _tell_failure(checked_run_id(member(event, "RunId")), event["Failure"])
            return _tell(Run.from_json(member(member(event, "Start"), "Run")))
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise log.redacted(error, step="finish") from None


def _tell(run: Run) -> dict[str, Any]:
    store, settings = Store(run.id), Settings.deployed()
    summary = summarize(
        run, settings, accounts=store.get("accounts.json"), skipped=store.get("skipped.json"), results=store.results()
    )
    store.put("summary.json", summary)
    location = store.location("summary.json")
    counted = in_numbers(summary)
    log.info("run finished", **{name: json.dumps(value) for name, value in counted.items()})
    _notify(subject(summary), in_words(summary, location))
    put_event(call_by_role, FINISHED, in_short(summary, location))
    # What a run found that began with other settings is told, and announces nothing for those of now.
    if settings.deletes and run.settings == settings.digest:
        before = store.plan(settings.digest) or Plan()
        store.announce(settings.digest, announced_by(summary, before, datetime.now(UTC)))
    return {**counted, "Summary": location}


def _tell_failure(run_id: str, failure: Mapping[str, Any]) -> dict[str, Any]:
    why = failure_text(failure)
    log.info("run failed", run=run_id, reason=why)
    _notify("Root access keys were not checked", f"Root access keys, run {run_id}: it failed as a whole.\n\n{why}")
    put_event(call_by_role, FAILED, {"Run": run_id, "Why": why})
    return {"Run": run_id, "Why": why}


def _notify(title: str, text: str) -> None:
    topic = os.environ.get("TOPIC_ARN")
    if topic:
        call_by_role(boto3.client("sns", config=CLIENT_CONFIG).publish, TopicArn=topic, Subject=title, Message=text)
