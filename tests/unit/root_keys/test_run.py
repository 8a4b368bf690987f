"""Runs over an organization: what is deleted when, what is told, and what stops whom."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from unit.root_keys.guard_settings import settings
from unit.root_keys.organization import MANAGEMENT, OWN, Key, Member, Organization, denied, throttled
from unit.root_keys.state_machine import ATTEMPTS_OF_A_NEW_ROLE, run

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
UNUSED, USED, YOUNG, UNKNOWN, CLEAN, CLOSED, DENIED = (f"{number}00000000000" for number in range(2, 9))


@pytest.fixture
def organization() -> Iterator[Organization]:
    """Give an organization with one account of each kind."""
    members = {
        UNUSED: Member(
            [Key("AKIAOFTHEROOTUNUSED1", LONG_AGO, LONG_AGO), Key("AKIAOFTHEROOTUNUSED2", LONG_AGO, active=False)]
        ),
        USED: Member([Key("AKIAOFTHEROOTUSED", LONG_AGO, NOW - timedelta(days=3))]),
        YOUNG: Member([Key("AKIAOFTHEROOTYOUNG", NOW - timedelta(days=3))]),
        UNKNOWN: Member([Key("AKIAOFTHEROOTUNKNOWN", LONG_AGO, "ServiceFailure")]),
        CLEAN: Member(),
        CLOSED: Member([Key("AKIAOFTHEROOTCLOSED", LONG_AGO)], state="SUSPENDED"),
        DENIED: Member([Key("AKIAOFTHEROOTDENIED", LONG_AGO)], denied=True),
    }
    with Organization(members).installed() as account:
        yield account


def outcomes(summary: dict) -> dict[str, str]:
    """Name what became of each key."""
    return {key["AccessKeyId"]: key["Outcome"] for key in summary["Found"]}


def test_the_first_run_plans_and_the_next_deletes(organization: Organization) -> None:
    """What was used, is young or of unknown use stays, and the account that can't be entered is named."""
    before = organization.keys()
    first = run(organization, "one", settings())
    assert (first["DryRun"], organization.keys()) == (True, before)
    kept = {"AKIAOFTHEROOTUSED": "kept", "AKIAOFTHEROOTYOUNG": "kept", "AKIAOFTHEROOTUNKNOWN": "kept"}
    assert outcomes(first) == {"AKIAOFTHEROOTUNUSED1": "planned", "AKIAOFTHEROOTUNUSED2": "planned", **kept}
    second = run(organization, "two", settings())
    assert (second["DryRun"], organization.keys()) == (False, before - {"AKIAOFTHEROOTUNUSED1", "AKIAOFTHEROOTUNUSED2"})
    assert outcomes(second) == {"AKIAOFTHEROOTUNUSED1": "deleted", "AKIAOFTHEROOTUNUSED2": "deleted", **kept}
    third = run(organization, "three", settings())
    assert outcomes(third) == kept
    assert third["Accounts"]["clean"] == 2


def test_every_account_is_counted_once(organization: Organization) -> None:
    """Each is in one place, and what failed is named with the reason in summary, notice and event."""
    summary = run(organization, "one", settings())
    counts = dict(summary["Accounts"])
    seen, skipped = counts.pop("Seen"), counts.pop("skipped")
    assert sum(counts.values()) == seen == 7
    assert (skipped, summary["Skipped"]) == (1, [{"AccountId": CLOSED, "Why": "SUSPENDED"}])
    (failure,) = summary["Failed"]
    assert failure["AccountId"] == DENIED
    assert "AssumeRoot with IAMAuditRootUserCredentials was denied" in failure["Why"]
    (notice,) = organization.notices
    assert f"{DENIED} failed: AssumeRoot" in notice["Message"]
    assert f"{USED} AKIAOFTHEROOTUSED kept: last used 3 days ago with s3" in notice["Message"]
    assert json.loads(organization.events[0]["Detail"])["Failed"] == [failure]
    assert summary["Management"][0]["AccountId"] == MANAGEMENT


def test_an_audit_touches_nothing(organization: Organization) -> None:
    """However often it runs, and it says so."""
    before = organization.keys()
    for name in ("one", "two"):
        summary = run(organization, name, settings("Audit"))
        assert set(outcomes(summary).values()) == {"reported"}
    assert organization.keys() == before
    assert "plan.json" not in organization.objects


@pytest.mark.parametrize("change", [{"days": 30}, {"Excluding": [CLEAN]}, {"Code": "2"}], ids=str)
def test_a_change_of_settings_or_code_begins_with_a_plan(organization: Organization, change: dict) -> None:
    """Nothing is deleted in the run after it."""
    run(organization, "one", settings())
    before = organization.keys()
    code = change.pop("Code", "1")
    summary = run(organization, "two", settings(**change) | {"Code": code})
    assert (summary["DryRun"], organization.keys()) == (True, before)


def test_a_dry_run_can_be_asked_for_and_nothing_else(organization: Organization) -> None:
    """The input makes a run stricter; what is no such input is refused and told."""
    run(organization, "one", settings())
    before = organization.keys()
    assert run(organization, "two", settings(), {"DryRun": True})["DryRun"]
    assert run(organization, "three", settings(), {"DryRun": "no"}) is None
    assert run(organization, "four", settings(), {"DeleteAtOnce": True}) is None
    assert organization.keys() == before
    assert 'must be {} or {"DryRun": true}' in organization.notices[-1]["Message"]


def test_deletion_at_once_is_a_setting(organization: Organization) -> None:
    """The first run deletes then."""
    summary = run(organization, "one", settings(at_once=True))
    assert summary["Keys"]["deleted"] == 2


def test_an_account_is_announced_before_it_is_cleaned(organization: Organization) -> None:
    """Whether it joined later, or could not be entered."""
    run(organization, "one", settings())
    organization.members[DENIED].denied = False
    organization.members["900000000000"] = Member([Key("AKIAOFTHEROOTJOINED", LONG_AGO)])
    second = run(organization, "two", settings())
    assert (outcomes(second)["AKIAOFTHEROOTDENIED"], outcomes(second)["AKIAOFTHEROOTJOINED"]) == ("planned", "planned")
    third = run(organization, "three", settings())
    assert (outcomes(third)["AKIAOFTHEROOTDENIED"], outcomes(third)["AKIAOFTHEROOTJOINED"]) == ("deleted", "deleted")


def test_what_happens_between_the_two_looks_counts(organization: Organization) -> None:
    """A key that was used meanwhile stays, one that came is planned and stays, and one that went is gone."""
    run(organization, "one", settings())
    member = organization.members[UNUSED]

    def meanwhile() -> None:
        member.keys[0].used = datetime.now(UTC)
        member.keys[1:] = [Key("AKIAOFTHEROOTNEW", LONG_AGO)]

    log = organization.log
    first = len(log)
    with_deletion = first + _calls_until_deletion(organization)
    organization.hooks[with_deletion] = meanwhile
    found = outcomes(run(organization, "two", settings()))
    assert (found["AKIAOFTHEROOTUNUSED1"], found["AKIAOFTHEROOTUNUSED2"], found["AKIAOFTHEROOTNEW"]) == (
        "kept",
        "gone",
        "planned",
    )
    assert organization.deleted == []


def _calls_until_deletion(organization: Organization) -> int:
    """Count the calls of a run before the second session of the account with unused keys."""
    twin = Organization(
        {UNUSED: Member([Key("AKIAOFTHEROOTUNUSED1", LONG_AGO), Key("AKIAOFTHEROOTUNUSED2", LONG_AGO)])}
    )
    twin.members |= {name: Member(state=one.state) for name, one in organization.members.items() if name != UNUSED}
    with twin.installed():
        run(twin, "one", settings(at_once=True))
    roots = [index for index, name in enumerate(twin.log) if name == "sts:AssumeRoot"]
    return roots[1]


def test_throttling_passes_or_is_named(organization: Organization) -> None:
    """Some refusals are waited out; an account that is throttled for ever fails, and stops nobody else."""
    run(organization, "one", settings("Audit"))
    index = len(organization.log) + organization.log.index("sts:AssumeRoot")
    organization.faults = {(index + number, "before"): throttled for number in range(3)}
    assert run(organization, "two", settings("Audit"))["Accounts"]["failed"] == 1
    index = len(organization.log) + organization.log.index("sts:AssumeRoot")
    organization.faults = {(index + number, "before"): throttled for number in range(9)}
    summary = run(organization, "three", settings("Audit"))
    assert summary["Failed"][0]["Why"] == "AssumeRoot: Throttling"
    assert summary["Accounts"]["failed"] == 2


@pytest.mark.parametrize(("own", "present", "outcome"), [(OWN, 0, "clean"), (OWN, 1, "detected")])
def test_the_management_account_is_looked_at_from_itself(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, own: str, present: int, outcome: str
) -> None:
    """There only, and its keys can't be deleted."""
    monkeypatch.setattr("unit.root_keys.organization.MANAGEMENT", own)
    organization.own_root_keys = present
    summary = run(organization, "one", settings(at_once=True))
    assert summary["Accounts"][outcome] == (2 if outcome == "clean" else 1)
    assert summary["Accounts"]["unseen"] == 0


def test_a_run_that_can_not_begin_is_told(organization: Organization) -> None:
    """With the reason, as a notice and as an event."""
    # The second call of each attempt.
    organization.faults = {(2 * attempt + 1, "before"): denied for attempt in range(ATTEMPTS_OF_A_NEW_ROLE + 1)}
    assert run(organization, "one", settings()) is None
    assert "DescribeOrganization: AccessDenied" in organization.notices[0]["Message"]
    assert organization.events[0]["DetailType"] == "Root Access Keys Not Checked"


def test_an_account_without_result_is_named(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its child was ended, say."""
    monkeypatch.setattr("unit.root_keys.state_machine.each_account", lambda *_: None)
    summary = run(organization, "one", settings())
    assert summary["Accounts"]["failed"] == 7
    assert "no result" in summary["Failed"][0]["Why"]


def test_a_big_organization_fits_into_notice_and_event() -> None:
    """Two hundred accounts, all with keys or failing, of which a notice names seventy of each kind."""
    members = {
        f"{number:012}": Member([Key(f"AKIA{number:012}", LONG_AGO)], denied=number % 2 == 0)
        for number in range(1, 201)
    }
    with Organization(members).installed() as organization:
        summary = run(organization, "one", settings())
    assert (summary["Accounts"]["failed"], summary["Keys"]["planned"]) == (100, 100)
    message = organization.notices[0]["Message"]
    assert "... and 30 more accounts that failed." in message
    assert "... and 30 more planned keys." in message
