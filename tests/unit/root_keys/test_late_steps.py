"""Steps that come late, or again, or from another run: what protects the keys then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from unit.root_keys.account import Account
from unit.root_keys.guard_settings import deployed, settings
from unit.root_keys.organization import OWN, Key, Member
from unit.root_keys.state_machine import StepError, run, step

from root_access_keys import audit, deletion, finish, start

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
SOME = "200000000000"
KEY = "AKIAOFTHEROOTUNUSED1"


def organization(used: datetime | None = LONG_AGO) -> Account:
    """Give an account with one key."""
    return Account({SOME: Member([Key(KEY, LONG_AGO, used)])})


def deletion_of(account: Account, run_id: str = "run") -> dict[str, Any]:
    """Run as far as the input of the step that deletes."""
    begun = step(start.handler, {"RunId": run_id, "Input": {}})
    (listed,) = [one for one in json.loads(account.objects[begun["Accounts"]]) if one["Id"] == SOME]
    event = {"Account": listed, "Run": begun["Run"]}
    return event | step(audit.handler, event)


@pytest.mark.parametrize("hours", [12.01, 24, 24 * 400])
def test_a_step_of_a_run_that_is_over_deletes_nothing(hours: float) -> None:
    """No execution lasts longer: the settings that it went by may not hold any more. What it wrote stays as it is."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account)  # type: ignore[arg-type]
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
        event = deletion_of(account)  # type: ignore[arg-type]
        event["Run"]["Began"] = (datetime.now(UTC) - timedelta(hours=11.9)).isoformat()
        step(deletion.handler, event)
        assert account.deleted == [KEY]


def test_a_step_that_comes_again_goes_by_the_use_since() -> None:
    """The plan it was given is old news."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account)  # type: ignore[arg-type]
        account.members[SOME].keys[0].used = NOW
        assert step(deletion.handler, event)["Outcome"] == "with keys"
        assert account.deleted == []
        result = json.loads(account.objects[f"runs/run/results/{SOME}.json"])
        assert [key["Outcome"] for key in result["Keys"]] == ["kept"]


def test_a_run_that_began_before_a_change_does_not_go_on_by_it() -> None:
    """None of its steps enters an account any more, and its last step publishes nothing for what comes after."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account)  # type: ignore[arg-type]
        with deployed(settings(days=30)):
            for handler in (audit.handler, deletion.handler):
                account.log.clear()
                with pytest.raises(StepError, match="deployed with other settings since this run began"):
                    step(handler, event)
                assert account.log == []
            plan = account.objects["plan.json"]
            step(finish.handler, {"Start": {"Run": event["Run"]}})
            assert account.objects["plan.json"] == plan
        assert run(account, "new", settings(days=30))["DryRun"]  # type: ignore[arg-type]
        assert account.deleted == []
        assert run(account, "newer", settings(days=30))["Keys"]["deleted"] == 1  # type: ignore[arg-type]


def test_the_last_step_taken_twice_and_late_announces_nothing_else() -> None:
    """It tells twice; the accounts it announces are those of its own run."""
    with organization().installed() as account:
        begun = step(start.handler, {"RunId": "one", "Input": {}})
        for listed in json.loads(account.objects[begun["Accounts"]]):
            step(audit.handler, {"Account": listed, "Run": begun["Run"]})
        told = [step(finish.handler, {"Start": begun}) for _ in range(2)]
        assert told[0] == told[1]
        assert [notice["Message"] for notice in account.notices] == [account.notices[0]["Message"]] * 2
        plan = json.loads(account.objects["plan.json"])["Keys"]
        account.members["300000000000"] = Member([Key("AKIAOFTHEROOTJOINED", LONG_AGO)])
        step(finish.handler, {"Start": begun})
        assert json.loads(account.objects["plan.json"])["Keys"] == plan
        second = run(account, "two", settings())  # type: ignore[arg-type]
        assert {key["AccessKeyId"]: key["Outcome"] for key in second["Found"]} == {
            KEY: "deleted",
            "AKIAOFTHEROOTJOINED": "planned",
        }


def test_the_management_account_is_never_entered() -> None:
    """Not even by a step that is told to."""
    with organization().installed() as account:
        run(account, "plan", settings())
        event = deletion_of(account)  # type: ignore[arg-type]
        account.log.clear()
        with pytest.raises(StepError, match="must not delete keys of this account"):
            step(deletion.handler, event | {"Account": event["Account"] | {"Id": OWN, "Management": True}})
        assert account.log == []
