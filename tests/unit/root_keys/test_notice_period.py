"""Between the plan that is published and a deletion there is time to object, whoever starts runs and how often."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from unit.root_keys.account import Account
from unit.root_keys.guard_settings import deployed, settings
from unit.root_keys.organization import Key, Member
from unit.root_keys.state_machine import run, step

from root_access_keys import audit, deletion, finish, start

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGAN = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = BEGAN - timedelta(days=400)
SOME, OTHER = "200000000000", "300000000000"
KEY, CAME = "AKIAOFTHEROOTSOME", "AKIAOFTHEROOTCAME"
HOUR = 3600
GUARD = settings(notice=HOUR)


class Time:
    """The time of all steps.

    Attributes:
        now: it.
    """

    def __init__(self) -> None:
        self.now = BEGAN

    def passes(self, seconds: float) -> None:
        """Let it pass."""
        self.now += timedelta(seconds=seconds)


@contextmanager
def organization() -> Iterator[tuple[Account, Time]]:
    """Give an account with a key that nobody uses, and one without, and a time that only passes by order."""
    time = Time()

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            del tz
            return time.now

    with Account({SOME: Member([Key(KEY, LONG_AGO)]), OTHER: Member()}).installed() as account, deployed(GUARD):
        assert isinstance(account, Account)
        with (
            mock.patch.object(start, "datetime", Now),
            mock.patch.object(audit, "datetime", Now),
            mock.patch.object(deletion, "datetime", Now),
            mock.patch.object(finish, "datetime", Now),
        ):
            yield account, time


def outcomes(summary: dict[str, Any]) -> dict[str, str]:
    """Name what became of each key."""
    return {key["AccessKeyId"]: key["Outcome"] for key in summary["Found"]}


def test_two_runs_in_a_second_delete_nothing() -> None:
    """Nor do a dozen in the hour; the first one after it does."""
    with organization() as (account, time):
        for number in range(12):
            assert outcomes(run(account, f"run-{number}", GUARD)) == {KEY: "planned"}
            time.passes(HOUR / 12 - 0.01)
        assert account.deleted == []
        time.passes(1)
        assert outcomes(run(account, "after", GUARD)) == {KEY: "deleted"}


@pytest.mark.parametrize(("seconds", "outcome"), [(HOUR - 1, "planned"), (HOUR, "deleted")])
def test_it_ends_to_the_second(seconds: float, outcome: str) -> None:
    """It counts from the end of the run that published."""
    with organization() as (account, time):
        run(account, "plan", GUARD)
        time.passes(seconds)
        assert outcomes(run(account, "run", GUARD)) == {KEY: outcome}


def test_it_counts_from_the_first_notice() -> None:
    """Runs in between, dry ones too, don't put it off; what was kept in between begins anew."""
    with organization() as (account, time):
        run(account, "plan", GUARD)
        time.passes(HOUR / 2)
        run(account, "dry", GUARD, {"DryRun": True})
        time.passes(HOUR / 2)
        account.members[SOME].keys[0].used = time.now
        assert outcomes(run(account, "used", GUARD)) == {KEY: "kept"}
        account.members[SOME].keys[0].used = None
        assert outcomes(run(account, "again", GUARD)) == {KEY: "planned"}
        time.passes(HOUR - 1)
        assert outcomes(run(account, "early", GUARD)) == {KEY: "planned"}
        time.passes(1)
        assert outcomes(run(account, "late", GUARD)) == {KEY: "deleted"}


def test_each_key_has_its_own() -> None:
    """One that came later is planned in the run that deletes the other."""
    with organization() as (account, time):
        run(account, "plan", GUARD)
        time.passes(HOUR)
        account.members[SOME].keys.append(Key(CAME, LONG_AGO))
        assert outcomes(run(account, "one", GUARD)) == {KEY: "deleted", CAME: "planned"}
        time.passes(HOUR - 1)
        assert outcomes(run(account, "two", GUARD)) == {CAME: "planned"}
        time.passes(1)
        assert outcomes(run(account, "three", GUARD)) == {CAME: "deleted"}


def test_an_account_that_could_not_be_looked_at_keeps_its_time() -> None:
    """What was published of it still holds."""
    with organization() as (account, time):
        run(account, "plan", GUARD)
        time.passes(HOUR)
        account.members[SOME].denied = True
        run(account, "denied", GUARD)
        account.members[SOME].denied = False
        assert outcomes(run(account, "open", GUARD)) == {KEY: "deleted"}


def test_a_failed_deletion_keeps_its_time() -> None:
    """It is told as failed, and the next run tries again."""
    with organization() as (account, time):
        run(account, "plan", GUARD)
        time.passes(HOUR)
        published = json.loads(account.objects["plan.json"])
        with (
            mock.patch.object(account, "iam_delete_access_key", return_value={}),
            mock.patch.object(deletion, "sleep"),
        ):
            assert outcomes(run(account, "stays", GUARD)) == {KEY: "failed"}
        assert json.loads(account.objects["plan.json"]) == published
        assert outcomes(run(account, "goes", GUARD)) == {KEY: "deleted"}


def test_the_step_that_deletes_reads_the_time_itself() -> None:
    """An input that says the key is due is no plan, and a run that began in time may delete what is due by then."""
    with organization() as (account, time):
        run(account, "plan", GUARD)
        begun = step(start.handler, {"RunId": "run", "Input": {}})
        listed = next(one for one in json.loads(account.objects[begun["Accounts"]]) if one["Id"] == SOME)
        assert listed["Due"] == []
        event = {"Account": listed | {"Due": [KEY]}, "Run": begun["Run"]}
        event |= step(audit.handler, event)
        assert [key["AccessKeyId"] for key in event["Plan"]] == [KEY]
        step(deletion.handler, event)
        assert account.deleted == []
        time.passes(HOUR)
        step(deletion.handler, event)
        assert account.deleted == [KEY]


def test_a_guard_that_deletes_at_once_has_none() -> None:
    """That is what it was asked for."""
    at_once = settings(notice=HOUR, at_once=True)
    with organization() as (account, _):
        assert outcomes(run(account, "run", at_once)) == {KEY: "deleted"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(60, "1 minute"), (5400, "90 minutes"), (HOUR, "1 hour"), (86400 * 2, "2 days")]
)
def test_the_notice_says_how_long_it_is(seconds: int, words: str) -> None:
    """Whoever reads it must know how long there is to object."""
    with organization() as (account, _):
        run(account, "plan", settings(notice=seconds))
        assert (
            f"A run that begins {words} after a key was planned first, or later, deletes it"
            in (account.notices[0]["Message"])
        )
