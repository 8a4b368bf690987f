"""Faults of one account that stay: they stop nobody else, the account is named, and later runs finish the job."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from unit.root_keys.account import Account
from unit.root_keys.guard_settings import settings
from unit.root_keys.organization import AwsError, Key, Member, connection_lost, denied, failed_inside, killed, throttled
from unit.root_keys.state_machine import StepError, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
FAULTY, OTHER, USED = "200000000000", "300000000000", "400000000000"
FAULTS = [denied, throttled, failed_inside, connection_lost, killed]
# In the order of a run: of the audit, of the deletion, of both.
CALLS = ["sts:AssumeRoot", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:DeleteAccessKey", "s3:PutObject"]


@contextmanager
def planned() -> Iterator[Account]:
    """Give three accounts whose plan is published: two with unused keys, one with a key that is used."""
    members = {
        FAULTY: Member([Key("AKIAOFTHEROOTFAULTY1", LONG_AGO, LONG_AGO), Key("AKIAOFTHEROOTFAULTY2", LONG_AGO)]),
        OTHER: Member([Key("AKIAOFTHEROOTOTHER", LONG_AGO)]),
        USED: Member([Key("AKIAOFTHEROOTUSED", LONG_AGO, NOW)]),
    }
    with Account(members).installed() as account:
        assert isinstance(account, Account)
        run(account, "plan", settings())
        account.log.clear()
        yield account


def outcomes(summary: dict[str, Any]) -> dict[str, str]:
    """Name what became of each key."""
    return {key["AccessKeyId"]: key["Outcome"] for key in summary["Found"]}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", CALLS)
def test_one_account_stops_no_other(name: str, fault: Callable[[], BaseException]) -> None:
    """The others' results are right, and this one's failure is told wherever a person looks."""
    with planned() as account:
        before = {key.id for key in account.members[FAULTY].keys}
        account.lasting[name, FAULTY] = fault
        summary = run(account, "run", settings())
        assert summary, "the run failed as a whole"
        found = outcomes(summary)
        assert (found["AKIAOFTHEROOTOTHER"], found["AKIAOFTHEROOTUSED"]) == ("deleted", "kept")
        left = {key.id for key in account.members[FAULTY].keys}
        assert left == (before if name != "s3:PutObject" else set())
        check_told(account, summary, name, fault)
        account.lasting.clear()
        # What it kept for an unknown use is announced anew first; the plan of what could not be looked at still holds.
        kept = {key for key in left if found.get(key) == "kept"}
        assert bool(kept) == (name == "iam:GetAccessKeyLastUsed" and fault is not killed)
        later = outcomes(run(account, "later", settings()))
        assert {later.pop(key) for key in left - kept} <= {"deleted"}
        if kept:
            assert {later.pop(key) for key in kept} == {"planned"}
            run(account, "last", settings())
        assert later == {"AKIAOFTHEROOTUSED": "kept"}
        assert account.keys() == {"AKIAOFTHEROOTUSED"}


def check_told(account: Account, summary: dict[str, Any], name: str, fault: Callable[[], BaseException]) -> None:
    """The account is failed with a reason, or its keys are not deleted with one: in summary, notice, and event."""
    found, notice = outcomes(summary), account.notices[-1]
    detail = json.loads(account.events[-1]["Detail"])
    if name == "iam:GetAccessKeyLastUsed" and fault is not killed:
        assert {found["AKIAOFTHEROOTFAULTY1"], found["AKIAOFTHEROOTFAULTY2"]} == {"kept"}
        assert notice["Message"].count("kept: its last use is not known: ") == 2
    elif (name, fault) == ("iam:DeleteAccessKey", denied):
        assert {found["AKIAOFTHEROOTFAULTY1"], found["AKIAOFTHEROOTFAULTY2"]} == {"failed"}
        assert detail["Keys"]["failed"] == 2
        assert ", 2 failed" in notice["Subject"]
    else:
        (failure,) = summary["Failed"]
        assert failure["AccountId"] == FAULTY
        assert failure["Why"]
        assert detail["Failed"] == [failure]
        assert f"{FAULTY} failed: {failure['Why']}" in notice["Message"]
        check_found(account, summary, name)
        assert ", 1 failed" in notice["Subject"]


def check_found(account: Account, summary: dict[str, Any], name: str) -> None:
    """What the audit has found is told, and that nobody knows what the step that deletes has made of it."""
    whys = {key["AccessKeyId"]: key["Why"] for key in summary["Found"] if key["AccountId"] == FAULTY}
    deleting = name in {"iam:DeleteAccessKey", "s3:PutObject"}
    assert whys.keys() == ({"AKIAOFTHEROOTFAULTY1", "AKIAOFTHEROOTFAULTY2"} if deleting else set())
    assert summary["Keys"]["unknown"] == len(whys)
    for key, why in whys.items():
        assert why.startswith("it was to be deleted, and what became of it is not known: ")
        assert f"{FAULTY} {key} unknown: {why}" in account.notices[-1]["Message"]


def test_what_is_not_to_be_deleted_is_known_also_where_the_deletion_fails() -> None:
    """The audit has seen the other key of the account, and nothing touches it."""
    with planned() as account:
        account.members[FAULTY].keys[1].used = NOW
        account.lasting["iam:DeleteAccessKey", FAULTY] = throttled
        found = outcomes(run(account, "run", settings()))
        assert (found["AKIAOFTHEROOTFAULTY1"], found["AKIAOFTHEROOTFAULTY2"]) == ("unknown", "kept")
        assert account.deleted == ["AKIAOFTHEROOTOTHER"]
        account.lasting.clear()
        found = outcomes(run(account, "later", settings()))
        assert (found["AKIAOFTHEROOTFAULTY1"], found["AKIAOFTHEROOTFAULTY2"]) == ("deleted", "kept")


def test_a_deletion_that_is_denied_the_way_in_tells_what_was_found() -> None:
    """Its session for the deletion, when the one for the audit was given: it fails with what was seen."""
    with planned() as account:
        assume = account.sts_assume_root

        def deny_deletion(given: dict[str, Any], signer: str) -> dict[str, Any]:
            if given["TaskPolicyArn"]["arn"].endswith("IAMDeleteRootUserCredentials"):
                raise AwsError("AccessDenied", 403)
            return assume(given, signer)

        account.sts_assume_root = deny_deletion  # type: ignore[method-assign]
        summary = run(account, "run", settings())
        assert {failure["AccountId"] for failure in summary["Failed"]} == {FAULTY, OTHER}
        assert (summary["Keys"]["unknown"], summary["Keys"]["kept"], account.deleted) == (3, 1, [])


@pytest.mark.parametrize("name", ["sts:AssumeRoot", "iam:ListAccessKeys", "iam:DeleteAccessKey"])
def test_a_denial_names_the_policy_that_may_be_behind_it(name: str) -> None:
    """What denies root users everything binds their sessions too: the reason says what exempts them there."""
    with planned() as account:
        account.lasting[name, FAULTY] = denied
        summary = run(account, "run", settings())
        keys = [key for key in summary["Found"] if key["AccountId"] == FAULTY and key["Outcome"] == "failed"]
        told = summary["Failed"] or keys
        assert len(told) == (2 if name == "iam:DeleteAccessKey" else 1)
        for one in told:
            assert "a service control policy denies" in one["Why"]
            assert '"Null": {"aws:AssumedRoot": "true"}' in one["Why"]
            assert name.split(":")[1] in one["Why"]
        assert account.notices[-1]["Message"].count("aws:AssumedRoot") == len(told)


@pytest.mark.parametrize("name", ["sts:AssumeRoot", "iam:ListAccessKeys", "iam:DeleteAccessKey"])
def test_what_is_no_denial_names_no_policy(name: str) -> None:
    """Another refusal has other reasons, and its code is told."""
    with planned() as account:
        account.lasting[name, FAULTY] = lambda: AwsError("ValidationError")
        summary = run(account, "run", settings())
        whys = {one["Why"] for one in (*summary["Failed"], *summary["Found"]) if one["AccountId"] == FAULTY}
        assert whys == {f"{name.split(':')[1]}: ValidationError"}
        assert "AssumedRoot" not in account.notices[-1]["Message"]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_organization_that_can_not_be_entered(fault: Callable[[], BaseException]) -> None:
    """Every account is named, and none is announced: the next run is a dry run for each again."""
    members = {f"{number:012}": Member([Key(f"AKIA{number:012}", LONG_AGO)]) for number in range(1, 4)}
    with Account(members).installed() as account:
        assert isinstance(account, Account)
        account.lasting["sts:AssumeRoot", None] = fault
        summary = run(account, "one", settings())
        assert {failure["AccountId"] for failure in summary["Failed"]} == set(members)
        account.lasting.clear()
        assert run(account, "two", settings())["Keys"]["planned"] == 3
        assert run(account, "three", settings())["Keys"]["deleted"] == 3


@pytest.mark.parametrize("name", ["sns:Publish", "events:PutEvents"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_nobody_heard_of_is_not_announced(name: str, fault: Callable[[], BaseException]) -> None:
    """The plan counts as published only if notice and event are out: the next run is a dry run again."""
    with Account({OTHER: Member([Key("AKIAOFTHEROOTOTHER", LONG_AGO)])}).installed() as account:
        assert isinstance(account, Account)
        account.lasting[name, None] = fault
        with pytest.raises(StepError):
            run(account, "one", settings())
        account.lasting.clear()
        assert "plan.json" not in account.objects
        assert run(account, "two", settings())["Keys"]["planned"] == 1
        assert account.deleted == []


def test_a_deletion_that_can_not_be_proved_is_told() -> None:
    """The key is gone, and the lists that would prove it are denied: it is told as failed, with what is known."""
    with planned() as account:
        delete = account.iam_delete_access_key

        def delete_and_deny(given: dict[str, Any], signer: str) -> dict[str, Any]:
            account.lasting["iam:ListAccessKeys", FAULTY] = denied
            return delete(given, signer)

        account.iam_delete_access_key = delete_and_deny  # type: ignore[method-assign]
        summary = run(account, "run", settings(Only=[FAULTY]))
        assert summary["DryRun"], "other settings"
        summary = run(account, "again", settings(Only=[FAULTY]))
        whys = {key["AccessKeyId"]: key["Why"] for key in summary["Found"]}
        assert set(outcomes(summary).values()) == {"failed"}
        assert all(why.startswith("DeleteAccessKey succeeded, but") and "AccessDenied" in why for why in whys.values())
        assert summary["Keys"]["failed"] == 2
