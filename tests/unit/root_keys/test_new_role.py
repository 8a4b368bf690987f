"""A role works some seconds after CloudFormation says that it is there: a run waits for it, for 100 seconds in all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from unit.root_keys.account import Account
from unit.root_keys.guard_settings import settings
from unit.root_keys.organization import AwsError, Key, Member, denied
from unit.root_keys.state_machine import ATTEMPTS_OF_A_NEW_ROLE, CONTEXT, run, step

from root_access_keys import audit, deletion, start
from root_access_keys.errors import DeniedError, RefusedError, RoleMayBeNewError
from root_access_keys.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_AGO = datetime.now(UTC) - timedelta(days=400)
ONE, OTHER = "200000000000", "300000000000"
# By each function's own role.
OF_A_RUN = [
    "organizations:DescribeOrganization",
    "organizations:ListAccounts",
    "s3:GetObject",
    "s3:PutObject",
    "s3:ListObjectsV2",
    "sts:AssumeRoot",
    "iam:GetAccountSummary",
    "sns:Publish",
    "events:PutEvents",
]
OF_AN_ACCOUNT = ["sts:AssumeRoot", "s3:PutObject"]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Give two accounts with a key, and the management account as the one that the guard is in."""
    members = {one: Member([Key(f"AKIA{one}", LONG_AGO)]) for one in (ONE, OTHER)}
    monkeypatch.setattr("unit.root_keys.organization.MANAGEMENT", "111111111111")
    with Account(members).installed() as installed:
        assert isinstance(installed, Account)
        yield installed


@pytest.mark.parametrize("name", OF_A_RUN)
def test_a_step_is_taken_again(account: Account, name: str) -> None:
    """Up to ten times, ten seconds apart; nothing fails."""
    account.passing[name] = ATTEMPTS_OF_A_NEW_ROLE
    summary = run(account, "run", settings("Audit"))
    assert summary["Accounts"]["failed"] == 0
    assert summary["Keys"]["reported"] == 2


def test_the_plan_is_read_again(account: Account) -> None:
    """By the step that deletes, whose role may be new as well."""
    run(account, "plan", settings())
    account.hooks[len(account.log) + 3] = lambda: account.passing.update({"s3:GetObject": 9, "sts:AssumeRoot": 9})
    assert run(account, "run", settings())["Keys"]["deleted"] == 2


@pytest.mark.parametrize("name", OF_A_RUN[:-2])
def test_it_is_not_waited_for_ever(account: Account, name: str) -> None:
    """What is denied for longer is told, with what was denied."""
    account.lasting[name, None] = denied
    summary = run(account, "run", settings("Audit"))
    whys = [one["Why"] for one in summary["Failed"]] if summary else [account.notices[-1]["Message"]]
    assert whys
    assert all("denied" in why.lower() for why in whys)


@pytest.mark.parametrize("name", OF_AN_ACCOUNT)
@pytest.mark.parametrize(("seconds", "error"), [(0, RoleMayBeNewError), (99, RoleMayBeNewError), (101, DeniedError)])
def test_a_run_is_patient_in_its_first_100_seconds(
    account: Account, name: str, seconds: float, error: type[Exception]
) -> None:
    """Then a denial is a matter of that one account, and holds nobody up."""
    run(account, "plan", settings())
    begun = step(start.handler, {"RunId": "run", "Input": {}})
    listed = next(one for one in json.loads(account.objects[begun["Accounts"]]) if one["Id"] == ONE)
    began = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    event = {"Account": listed, "Run": begun["Run"] | {"Began": began}}
    planned = step(audit.handler, event)
    account.lasting[name, None] = denied
    with pytest.raises(error):
        deletion.handler(event | planned, CONTEXT)
    if (name, error) == ("sts:AssumeRoot", DeniedError):
        assert audit.handler(event, CONTEXT) == {"Plan": [], "Found": []}
        result = json.loads(account.objects[f"runs/run/results/{ONE}.json"])
        assert (result["Outcome"], "AssumeRoot with IAMAudit" in result["Why"]) == ("failed", True)


@pytest.mark.parametrize("name", ["iam:ListAccessKeys", "iam:DeleteAccessKey"])
def test_the_session_of_a_root_user_is_not_new(account: Account, name: str) -> None:
    """What is denied inside an account is denied by a policy of the organization, at once."""
    run(account, "plan", settings())
    account.lasting[name, ONE] = denied
    account.log.clear()
    run(account, "run", settings())
    assert account.log.count(name) < 2 * 4


def test_a_session_may_be_too_new_as_well(account: Account) -> None:
    """Its credentials are refused for some seconds; another session is made."""
    found = account.iam_list_access_keys
    refusals = iter([AwsError("InvalidClientTokenId", 403)] * 3)

    def refuse_first(given: dict[str, Any], signer: str) -> dict[str, Any]:
        for refusal in refusals:
            raise refusal
        return found(given, signer)

    account.iam_list_access_keys = refuse_first  # type: ignore[method-assign]
    summary = run(account, "run", settings("Audit"))
    assert (summary["Accounts"]["failed"], summary["Keys"]["reported"]) == (0, 2)
    assert len(account.sessions) == 2 + 3


def test_what_is_no_denial_is_not_waited_for(account: Account) -> None:
    """It is final."""
    account.lasting["s3:ListObjectsV2", None] = lambda: AwsError("NoSuchBucket", 404)
    with pytest.raises(RefusedError, match="NoSuchBucket") as refused:
        Store("run").results()
    assert not isinstance(refused.value, DeniedError)
