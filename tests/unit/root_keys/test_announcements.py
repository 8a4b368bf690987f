"""Nothing by surprise: no key is deleted that the run before has not published as planned."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from unit.root_keys.account import Account as FakeAccount
from unit.root_keys.guard_settings import settings
from unit.root_keys.organization import Key, Member
from unit.root_keys.state_machine import StepError, run, step
from unit.root_keys.test_crashes import FAULTS

from root_access_keys import audit, deletion, finish, start
from root_access_keys.model import AccountOutcome, KeyOutcome
from root_access_keys.plan import Plan
from root_access_keys.summary import announced_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
LATELY = NOW - timedelta(days=89)
SOME, OTHER = "200000000000", "300000000000"
PLANNED, RIPE, CAME, USED = (f"AKIAOFTHEROOT{name}" for name in ("PLANNED", "RIPE", "CAME", "USED"))


@dataclass
class Watched(FakeAccount):
    """An organization that remembers which keys were deleted before a notice had told of it."""

    unannounced: list[str] = field(default_factory=list)

    def iam_delete_access_key(self, given: dict[str, Any], signer: str) -> dict[str, Any]:
        """Delete a key for ever."""
        told = "\n".join(notice["Message"] for notice in self.notices)
        if f"{given['AccessKeyId']} planned: " not in told:
            self.unannounced.append(given["AccessKeyId"])
        return super().iam_delete_access_key(given, signer)


@contextmanager
def ripened() -> Iterator[Watched]:
    """Give an organization whose plan names one key; since then one was unused for long enough, and one has come."""
    members = {
        SOME: Member([Key(PLANNED, LONG_AGO), Key(RIPE, LONG_AGO, LATELY)]),
        OTHER: Member([Key(USED, LONG_AGO, NOW)]),
    }
    with Watched(members).installed() as account:
        assert isinstance(account, Watched)
        first = outcomes(run(account, "plan", settings()))
        assert first == {PLANNED: "planned", RIPE: "kept", USED: "kept"}
        account.members[SOME].keys[1].used = LATELY - timedelta(days=2)
        account.members[OTHER].keys.append(Key(CAME, LONG_AGO))
        account.log.clear()
        yield account


def outcomes(summary: dict[str, Any]) -> dict[str, str]:
    """Name what became of each key."""
    return {key["AccessKeyId"]: key["Outcome"] for key in summary["Found"]}


def run_openly(account: Watched, run_id: str, given: dict[str, Any] | None = None) -> dict[str, str]:
    """Run; whatever is deleted was told as planned in a notice before."""
    try:
        summary = run(account, run_id, settings(), given)
    except StepError:
        summary = None
    assert account.unannounced == []
    return outcomes(summary) if summary else {}


def test_one_account_may_have_a_key_of_each_kind() -> None:
    """What was announced is deleted, what became deletable since is planned in the same result, and goes next."""
    with ripened() as account:
        assert run_openly(account, "one") == {PLANNED: "deleted", RIPE: "planned", CAME: "planned", USED: "kept"}
        assert account.deleted == [PLANNED]
        result = json.loads(account.objects[f"runs/one/results/{SOME}.json"])
        assert {key["AccessKeyId"]: key["Outcome"] for key in result["Keys"]} == {PLANNED: "deleted", RIPE: "planned"}
        assert f"{SOME} {RIPE} planned: last used 91 days ago" in account.notices[-1]["Message"]
        assert "after a key was planned first, or later, deletes it" in account.notices[-1]["Message"]
        assert run_openly(account, "two") == {RIPE: "deleted", CAME: "deleted", USED: "kept"}
        assert run_openly(account, "three") == {USED: "kept"}
        assert "after a key was planned first" not in account.notices[-1]["Message"]


@pytest.mark.parametrize(("fault", "phase"), FAULTS)
def test_whatever_fails_wherever_nothing_unannounced_goes(fault: Callable[[], BaseException], phase: str) -> None:
    """Each call of the run after; it and those after it delete what was published, and in the end all that may go."""
    with ripened() as account:
        run(account, "one", settings())
        calls = len(account.log)
    assert calls > 20
    for index in range(calls):
        with ripened() as account:
            account.faults = {(index, phase): fault}
            run_openly(account, "one")
            assert not account.faults
            assert {RIPE, CAME, USED} <= account.keys()
            for run_id in ("two", "three", "four", "five"):
                run_openly(account, run_id)
            assert account.keys() == {USED}


def test_two_runs_at_once_delete_what_was_published() -> None:
    """One run as a whole before any call of the other."""
    with ripened() as account:
        run(account, "one", settings())
        calls = len(account.log)
    for index in range(calls):
        with ripened() as account:
            account.hooks = {index: partial(run_openly, account, "inner")}
            run_openly(account, "one")
            assert not account.hooks
            assert PLANNED in account.deleted
            for run_id in ("two", "three"):
                run_openly(account, run_id)
            assert account.keys() == {USED}
            assert sorted(account.deleted) == sorted([PLANNED, RIPE, CAME])


def test_steps_that_come_twice_or_late_delete_nothing_else() -> None:
    """The same inputs again, also after a run that has planned more."""
    with ripened() as account:
        begun = step(start.handler, {"RunId": "one", "Input": {}})
        events = []
        for listed in json.loads(account.objects[begun["Accounts"]]):
            event = {"Account": listed, "Run": begun["Run"]}
            plan = [step(audit.handler, event)["Plan"] for _ in range(2)][1]
            events += [event | {"Plan": plan, "Found": []}] if plan else []
        (event,) = events
        assert [key["AccessKeyId"] for key in event["Plan"]] == [PLANNED]
        run_openly(account, "between")
        for _ in range(2):
            step(deletion.handler, event)
            step(finish.handler, {"Start": begun})
        assert account.deleted == [PLANNED]
        run_openly(account, "two")
        assert account.keys() == {USED}


def test_what_is_kept_again_is_announced_anew() -> None:
    """A plan is not for ever: a key that was used since, and then not for long, goes only after another notice."""
    with ripened() as account:
        key = account.members[SOME].keys[0]
        key.used = NOW
        assert run_openly(account, "one")[PLANNED] == "kept"
        key.used = LONG_AGO
        assert run_openly(account, "two")[PLANNED] == "planned"
        assert run_openly(account, "three")[PLANNED] == "deleted"


def test_what_could_not_be_looked_at_stays_announced() -> None:
    """An account that denies for a while, and a run that was asked to be dry: what was published still holds."""
    with ripened() as account:
        account.members[SOME].denied = True
        run_openly(account, "one")
        account.members[SOME].denied = False
        assert run_openly(account, "dry", {"DryRun": True})[PLANNED] == "planned"
        account.members[SOME].denied = True
        run_openly(account, "two")
        account.members[SOME].denied = False
        assert run_openly(account, "three")[PLANNED] == "deleted"


def test_an_account_that_is_out_of_the_run_is_announced_anew() -> None:
    """It was suspended for a run, say."""
    with ripened() as account:
        account.members[SOME].state = "SUSPENDED"
        run_openly(account, "one")
        account.members[SOME].state = "ACTIVE"
        assert run_openly(account, "two")[PLANNED] == "planned"
        assert PLANNED not in account.deleted


@pytest.mark.parametrize("outcome", KeyOutcome)
def test_every_combination_of_what_is_announced(outcome: KeyOutcome) -> None:
    """Later runs may delete what this one planned or tried; of a failed account also what was published before."""
    earlier, later = NOW - timedelta(days=1), NOW + timedelta(days=1)
    befores: list[dict[str, datetime]] = [{}, {PLANNED: earlier}, {PLANNED: later}, {RIPE: earlier}]
    for account, before in product(AccountOutcome, befores):
        failed = [{"AccountId": SOME, "Why": ""}] if account is AccountOutcome.FAILED else []
        found = [{"AccountId": SOME, "AccessKeyId": PLANNED, "Outcome": str(outcome)}]
        plan = announced_by({"Failed": failed, "Found": found}, Plan({SOME: before, OTHER: {CAME: earlier}}), NOW)
        expected = dict(before) if failed else {}
        if outcome in {KeyOutcome.PLANNED, KeyOutcome.FAILED}:
            # Since it was published first; what somebody dated later than now has been published now.
            expected[PLANNED] = min(before.get(PLANNED, NOW), NOW)
        assert plan.keys == ({SOME: expected} if expected else {}), (account, before)
        assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
