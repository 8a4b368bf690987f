"""Steps that come late, or again, or from another run: what protects the keys then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from root_keys.account import Account
from root_keys.organization import OWN, Key, Member
from root_keys.state_machine import StepError, run, settings, step

from root_access_keys import audit, deletion, finish, start

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
SOME = "200000000000"
KEY = "AKIAOFTHEROOTUNUSED1"


def organization(used: datetime | None = LONG_AGO) -> Account:
    """Give an account with one key."""
    return Account({SOME: Member([Key(KEY, LONG_AGO, used)])})


def deletion_of(account: Account, guard: dict[str, Any], run_id: str = "run") -> dict[str, Any]:
    """Run as far as the input of the step that deletes."""
    begun = step(start.handler, {"RunId": run_id, "Settings": guard, "Input": {}})
    (listed,) = [one for one in json.loads(account.objects[begun["Accounts"]]) if one["Id"] == SOME]
    event = {"Account": listed, "Run": begun["Run"]}
    return event | {"Plan": step(audit.handler, event)["Plan"]}


@pytest.mark.parametrize("hours", [12.01, 24, 24 * 400])
def test_a_step_of_a_run_that_is_over_deletes_nothing(hours: float) -> None:
    """No execution lasts longer: the settings that it went by may not hold any more. What it wrote stays as it is."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account, settings())  # type: ignore[arg-type]
        assert event["Plan"]
        began = datetime.fromisoformat(event["Run"]["Began"])
        event["Run"]["Began"] = (began - timedelta(hours=hours)).isoformat()
        before = dict(account.objects)
        with pytest.raises(StepError, match="began too long ago to delete keys"):
            step(deletion.handler, event)
        assert (account.deleted, account.objects) == ([], before)
        assert account.log[-1] != "sts:AssumeRoot"


def test_a_step_within_its_run_deletes() -> None:
    """An execution may take nearly twelve hours."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account, settings())  # type: ignore[arg-type]
        event["Run"]["Began"] = (datetime.now(UTC) - timedelta(hours=11.9)).isoformat()
        step(deletion.handler, event)
        assert account.deleted == [KEY]


@pytest.mark.parametrize("told", [0, 86400, 30 * 86400])
def test_what_is_deployed_holds_against_what_a_step_is_told(monkeypatch: pytest.MonkeyPatch, told: int) -> None:
    """A run may have begun before the settings became stricter, and whoever may invoke the function makes up a run."""
    used = NOW - timedelta(days=60)
    with organization(used).installed() as account:
        monkeypatch.setenv("UNUSED_FOR_SECONDS", str(90 * 86400))
        key = {"AccessKeyId": KEY, "Status": "Active", "Created": LONG_AGO.isoformat()}
        run_of = {"Id": "x", "Mode": "DeleteUnused", "Deletes": True, "Began": NOW.isoformat()}
        made_up = {
            "Account": {"Id": SOME, "Name": "", "Management": False, "Announced": [KEY]},
            "Run": run_of | {"UnusedForSeconds": told},
            "Plan": [key],
        }
        step(deletion.handler, made_up)
        assert account.deleted == []
        monkeypatch.setenv("UNUSED_FOR_SECONDS", str(59 * 86400))
        step(deletion.handler, made_up | {"Run": run_of | {"UnusedForSeconds": 61 * 86400}})
        assert account.deleted == []
        step(deletion.handler, made_up)
        assert account.deleted == [KEY]


def test_a_step_that_does_not_know_what_is_deployed_deletes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account, settings())  # type: ignore[arg-type]
        monkeypatch.delenv("UNUSED_FOR_SECONDS")
        with pytest.raises(StepError, match="unexpected KeyError"):
            step(deletion.handler, event)
        assert account.deleted == []


def test_a_step_that_comes_again_goes_by_the_use_since() -> None:
    """The plan it was given is old news."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account, settings())  # type: ignore[arg-type]
        account.members[SOME].keys[0].used = NOW
        assert step(deletion.handler, event)["Outcome"] == "with keys"
        assert account.deleted == []
        result = json.loads(account.objects[f"runs/run/results/{SOME}.json"])
        assert [key["Outcome"] for key in result["Keys"]] == ["kept"]


def test_a_run_that_began_before_a_change_does_not_publish_for_what_comes_after() -> None:
    """Its last step names its own settings: those that are deployed now must be published anew."""
    with organization().installed() as account:
        old, new = settings(days=30), settings(days=90)
        begun = step(start.handler, {"RunId": "old", "Settings": old, "Input": {}})
        assert run(account, "new", new)["DryRun"]  # type: ignore[arg-type]
        step(finish.handler, {"Start": begun})
        assert run(account, "newer", new)["DryRun"]  # type: ignore[arg-type]
        assert account.deleted == []
        assert run(account, "newest", new)["Keys"]["deleted"] == 1  # type: ignore[arg-type]


def test_the_last_step_taken_twice_and_late_announces_nothing_else() -> None:
    """It tells twice; the accounts it announces are those of its own run."""
    with organization().installed() as account:
        begun = step(start.handler, {"RunId": "one", "Settings": settings(), "Input": {}})
        for listed in json.loads(account.objects[begun["Accounts"]]):
            step(audit.handler, {"Account": listed, "Run": begun["Run"]})
        told = [step(finish.handler, {"Start": begun}) for _ in range(2)]
        assert told[0] == told[1]
        assert [notice["Message"] for notice in account.notices] == [account.notices[0]["Message"]] * 2
        plan = account.objects["plan.json"]
        account.members["300000000000"] = Member([Key("AKIAOFTHEROOTJOINED", LONG_AGO)])
        step(finish.handler, {"Start": begun})
        assert account.objects["plan.json"] == plan
        second = run(account, "two", settings())  # type: ignore[arg-type]
        assert {key["AccessKeyId"]: key["Outcome"] for key in second["Found"]} == {
            KEY: "deleted",
            "AKIAOFTHEROOTJOINED": "planned",
        }


def test_the_management_account_is_never_entered() -> None:
    """Not even by a step that is told to."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account, settings())  # type: ignore[arg-type]
        account.log.clear()
        step(deletion.handler, event | {"Account": event["Account"] | {"Id": OWN, "Management": True}})
        assert account.log == ["s3:PutObject"]
