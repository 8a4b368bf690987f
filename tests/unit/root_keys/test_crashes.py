"""Faults of every call of a run that deletes, steps taken twice and late, and two runs at once."""

from __future__ import annotations

import itertools
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import pytest
from unit.root_keys.guard_settings import settings
from unit.root_keys.organization import (
    Key,
    Member,
    Organization,
    connection_lost,
    denied,
    failed_inside,
    killed,
    throttled,
)
from unit.root_keys.state_machine import run, step

from root_access_keys import audit, deletion, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
UNUSED, OTHER, USED = "200000000000", "300000000000", "400000000000"
DELETABLE = {"AKIAOFTHEROOTUNUSED1", "AKIAOFTHEROOTUNUSED2", "AKIAOFTHEROOTOTHER"}
KEPT = {"AKIAOFTHEROOTUSED", "AKIAOFTHEROOTYOUNG"}
# The functions can't tell those at the end from a connection that was lost.
FAULTS = [
    (killed, "before"),
    (killed, "after"),
    (connection_lost, "before"),
    (connection_lost, "after"),
    (denied, "before"),
    pytest.param(failed_inside, "before", marks=pytest.mark.thorough),
    pytest.param(failed_inside, "after", marks=pytest.mark.thorough),
    pytest.param(throttled, "before", marks=pytest.mark.thorough),
]


@contextmanager
def planned() -> Iterator[Organization]:
    """Give an organization whose plan is published; the log begins anew."""
    members = {
        UNUSED: Member(
            [Key("AKIAOFTHEROOTUNUSED1", LONG_AGO, LONG_AGO), Key("AKIAOFTHEROOTUNUSED2", LONG_AGO, active=False)]
        ),
        OTHER: Member([Key("AKIAOFTHEROOTOTHER", LONG_AGO)]),
        USED: Member([Key("AKIAOFTHEROOTUSED", LONG_AGO, NOW), Key("AKIAOFTHEROOTYOUNG", NOW)]),
    }
    with Organization(members).installed() as organization:
        run(organization, "plan", settings())
        assert organization.keys() == DELETABLE | KEPT
        organization.log.clear()
        yield organization


@cache
def calls() -> list[str]:
    """List the calls of a run that deletes."""
    with planned() as organization:
        run(organization, "run", settings())
        assert organization.keys() == KEPT
        return list(organization.log)


@pytest.mark.parametrize(("fault", "phase"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
def test_whatever_fails_wherever(
    fault: Callable[[], BaseException], phase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is deleted that may not be, what was not done is said, and the next run finishes it."""
    assert len(calls()) > 20
    for index, name in enumerate(calls()):
        with planned() as organization:
            organization.faults = {(index, phase): fault}
            summary = run(organization, "run", settings())
            about = f"{name} {index}"
            assert not organization.faults, f"{about}: the fault was never met"
            assert organization.keys() >= KEPT, about
            if summary:
                told = {key["AccessKeyId"]: key["Outcome"] for key in summary["Found"]}
                gone = {key for key, outcome in told.items() if outcome in {"deleted", "gone"}}
                failed = {failure["AccountId"] for failure in summary["Failed"]}
                assert gone <= DELETABLE - organization.keys(), about
                assert organization.members.keys() <= failed | {key["AccountId"] for key in summary["Found"]}, about
            else:
                assert organization.events[-1]["DetailType"] == "Root Access Keys Not Checked", about
            run(organization, "next", settings())
            run(organization, "last", settings())
            assert organization.keys() == KEPT, about
            _search(organization, capsys)


def _search(organization: Organization, capsys: pytest.CaptureFixture[str]) -> None:
    """Look for the credentials of the root sessions in all that was written."""
    printed = capsys.readouterr()
    texts = [
        printed.out,
        printed.err,
        json.dumps(organization.notices),
        json.dumps(organization.events),
        *(content.decode() for content in organization.objects.values()),
    ]
    assert organization.secrets
    assert not [secret for secret in organization.secrets for text in texts if secret in text]


def test_steps_that_are_taken_twice_or_late() -> None:
    """The same input again at once, and after the run."""
    with planned() as organization:
        begun = json.loads(json.dumps(_begin()))
        events = []
        for account in json.loads(organization.objects[begun["Accounts"]]):
            event = {"Account": account, "Run": begun["Run"]}
            plan = [step(audit.handler, event)["Plan"] for _ in range(2)][1]
            if plan:
                events.append(event | {"Plan": plan, "Found": []})
        for event in events:
            for _ in range(2):
                step(deletion.handler, event)
        for _ in range(2):
            step(finish.handler, {"Start": begun})
        assert organization.keys() == KEPT
        organization.members[USED].keys[0].used = LONG_AGO
        for event in events:
            step(deletion.handler, event)
        assert organization.keys() == KEPT


def _begin() -> dict:
    from root_access_keys import start  # noqa: PLC0415

    return step(start.handler, {"RunId": "run", "Input": {}})


def test_two_runs_at_once() -> None:
    """One run as a whole before any call of the other."""
    for index in range(len(calls())):
        with planned() as organization:
            inner = itertools.count()
            organization.hooks = {index: lambda: run(organization, f"inner-{next(inner)}", settings())}  # noqa: B023
            summary = run(organization, "run", settings())
            assert {key["Outcome"] for key in summary["Found"]} <= {"deleted", "gone", "kept"}
            assert next(inner) == 1
            run(organization, "last", settings())
            assert organization.keys() == KEPT
            assert sorted(organization.deleted) == sorted(DELETABLE)


def test_a_key_that_stays_listed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS says that it is deleted, and lists it all the same."""
    monkeypatch.setattr(deletion, "sleep", lambda _seconds: None)
    with planned() as organization:
        monkeypatch.setattr(organization, "iam_delete_access_key", lambda _given, _signer: {})
        summary = run(organization, "run", settings())
    assert {key["Outcome"] for key in summary["Found"]} == {"failed", "kept"}
