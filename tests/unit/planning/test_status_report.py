"""What an operator is shown, tried on situations built by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from unit.planning.situation import (
    DAY,
    HOUR,
    NOW,
    OTHER,
    OWNER,
    A,
    B,
    C,
    Situation,
    rotated_once,
)

from access_key_provider.model.consumers import Delivery
from access_key_provider.model.entry import Failing
from access_key_provider.model.retirement_rules import RetirementRules
from access_key_provider.planning.status_report import owner_of, status_report


def test_the_keys_are_told_the_current_one_last_and_what_an_undo_would_do() -> None:
    """In words and times; whoever shows it need not know more."""
    situation = rotated_once().declared("2", rules=RetirementRules(retention=7 * DAY)).changed(checked=NOW)
    report = status_report(situation.draft(), OWNER)
    assert report["userName"] == "deploy"
    assert [(key["accessKeyId"], key["status"], key["state"]) for key in report["keys"]] == [
        (A, "Inactive", "inactive"),
        (B, "Active", "current"),
    ]
    assert report["keys"][0]["nextStep"] == "2026-05-11T11:00:30.000Z"
    assert "nextStep" not in report["keys"][1]
    assert report["undoRestores"] == A
    assert "undoRefused" not in report
    assert report["nextSweep"] == "2026-05-05T12:00:30.000Z"
    assert json.loads(json.dumps(report)) == report


FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:github"


@pytest.mark.parametrize(
    ("consumers", "required", "waits"), [((), False, False), (("backup-1",), False, True), ((), True, True)]
)
def test_whether_an_undo_waits_is_told(consumers: tuple[str, ...], *, required: bool, waits: bool) -> None:
    """For names and required deliveries; not for a delivery that may fail."""
    delivery = Delivery("github", FUNCTION, required=required)
    rules = RetirementRules(retention=7 * DAY, consumers=consumers)
    situation = rotated_once().declared("2", rules=rules, deliveries=(delivery,))
    assert status_report(situation.draft(), OWNER)["undoWaits"] is waits


def test_why_there_is_nothing_to_undo_is_told() -> None:
    """After a failed rotation, too: one story."""
    report = status_report(Situation().managed(A).draft(), OWNER)
    assert "has no previous key" in report["undoRefused"]
    assert [key["accessKeyId"] for key in report["keys"]] == [A]


def test_a_key_that_iam_does_not_list_is_told_as_missing() -> None:
    """It is not left out: the ledger has it."""
    report = status_report(rotated_once().missing(B).draft(), OWNER)
    assert [(key["accessKeyId"], key["status"]) for key in report["keys"]] == [(A, "Inactive"), (B, "missing")]


def test_notes_and_uses_are_told_where_there_are_any() -> None:
    """Why a key must not be restored, and when it was used last."""
    situation = rotated_once().managed(A, "inactive", note="it leaked", last_use="last used by s3")
    (first, second) = status_report(situation.draft(), OWNER)["keys"]
    assert (first["note"], first["lastUse"]) == ("it leaked", "last used by s3")
    assert {"note", "lastUse", "replaced"} & second.keys() == set()


def test_what_fails_is_told_with_the_last_of_the_history() -> None:
    """Since when, and why."""
    situation = rotated_once().changed(
        failing=Failing(NOW - HOUR, 3, "denied"), history=tuple(f"line {number}" for number in range(30))
    )
    report = status_report(situation.draft(), OWNER)
    assert report["failing"] == {"since": "2026-05-04T11:00:30.000Z", "reason": "denied"}
    assert report["history"] == [f"line {number}" for number in range(20, 30)]


def test_only_the_keys_of_the_resource_are_told() -> None:
    """Each resource is asked about by itself."""
    situation = Situation().declared(owner=OTHER).managed(A).managed(B, "replaced", owner=OTHER)
    assert [key["accessKeyId"] for key in status_report(situation.draft(), OWNER)["keys"]] == [A]


def test_the_resource_of_the_current_key_is_the_one_that_is_meant() -> None:
    """Else one that claims the secret, else one that did."""
    entry = Situation().declared(owner=OTHER).managed(A, "replaced").managed(C, owner=OTHER).entry
    assert owner_of(entry) == OTHER
    nobody = replace(entry, keys={})
    assert owner_of(nobody) == OWNER
    gone = nobody.with_claim(OWNER, replace(nobody.claims[OWNER], present=False))
    assert owner_of(gone) == OTHER
    assert owner_of(replace(gone, claims={OWNER: gone.claims[OWNER]})) == OWNER
    assert owner_of(replace(gone, claims={})) is None


def test_a_current_key_whose_resource_is_forgotten_is_not_meant() -> None:
    """Its claim was removed by hand."""
    entry = Situation().managed(A, owner=OTHER).entry
    assert owner_of(entry) == OWNER
