"""A role works some seconds after CloudFormation says that it is there: the first call to each service waits for it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from root_keys.account import Account
from root_keys.guard_settings import settings
from root_keys.organization import AwsError, Key, Member, denied
from root_keys.state_machine import StepError, run

from root_access_keys import accounts, audit, finish, root_session, store
from root_access_keys.calls import RoleCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_AGO = datetime.now(UTC) - timedelta(days=400)
ONE, OTHER = "200000000000", "300000000000"
FIRST_CALLS = [
    "organizations:DescribeOrganization",
    "s3:GetObject",
    "s3:PutObject",
    "sts:AssumeRoot",
    "iam:GetAccountSummary",
    "sns:Publish",
    "events:PutEvents",
]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Give two accounts with a key, and functions that have not been called yet in their process."""
    for module, name in (
        (accounts, "_call"),
        (audit, "_call"),
        (finish, "_publish"),
        (finish, "_put"),
        (root_session, "_assume"),
        (store, "_call"),
    ):
        monkeypatch.setattr(module, name, RoleCalls())
    members = {one: Member([Key(f"AKIA{one}", LONG_AGO)]) for one in (ONE, OTHER)}
    # The account that the guard is in, so that its own root user is looked at.
    monkeypatch.setattr("root_keys.organization.MANAGEMENT", "111111111111")
    with Account(members).installed() as installed:
        assert isinstance(installed, Account)
        yield installed


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_the_first_call_waits(account: Account, name: str) -> None:
    """For half a minute, say; nothing fails."""
    account.passing[name] = 7
    summary = run(account, "run", settings("Audit"))
    assert summary["Accounts"]["failed"] == 0
    assert summary["Keys"]["reported"] == 2
    assert 20 < account.slept < 100


@pytest.mark.parametrize("name", FIRST_CALLS)
def test_it_does_not_wait_for_ever(account: Account, name: str) -> None:
    """A hundred seconds a process and service, whatever the number of accounts."""
    account.lasting[name, None] = denied
    account.members |= {f"{number:012}": Member() for number in range(400000000000, 400000000010)}
    # Where nobody can be told, the last step fails.
    with suppress(StepError):
        run(account, "run", settings("Audit"))
    assert 90 < account.slept < 110


def test_a_role_that_works_does_not_wait(account: Account) -> None:
    """One account that denies is a matter of that account, at once."""
    account.lasting["sts:AssumeRoot", OTHER] = denied
    summary = run(account, "run", settings("Audit"))
    assert [failed["AccountId"] for failed in summary["Failed"]] == [OTHER]
    assert account.slept == 0


def test_an_account_that_denies_at_first_does_not_wait_twice(account: Account) -> None:
    """The first account costs the patience, if it is the one that denies; the others find it used up."""
    account.members["400000000000"] = Member(denied=True)
    account.lasting["sts:AssumeRoot", ONE] = denied
    summary = run(account, "run", settings("Audit"))
    assert {failed["AccountId"] for failed in summary["Failed"]} == {ONE, "400000000000"}
    assert 90 < account.slept < 110


def test_what_is_no_denial_is_not_waited_for(account: Account) -> None:
    """It is final."""
    account.lasting["sts:AssumeRoot", None] = lambda: AwsError("ValidationError")
    assert run(account, "run", settings("Audit"))["Accounts"]["failed"] == 2
    assert account.slept == 0


def test_the_session_of_a_root_user_is_not_waited_for(account: Account) -> None:
    """What is denied inside is denied by a policy of the organization."""
    account.lasting["iam:ListAccessKeys", None] = denied
    assert run(account, "run", settings("Audit"))["Accounts"]["failed"] == 2
    assert account.slept == 0
