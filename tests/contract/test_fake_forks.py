"""Copies of an account: each goes on by itself, from the same state."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from contract.fake_sessions import ONCE, signed
from contract.subjects import CURRENT, refused
from fakes.aws import FakeAccount, ProcessDeath
from fakes.faults import PROCESS_DEATH

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def account(account: FakeAccount) -> FakeAccount:
    """Give an account that has something of everything."""
    arn = account.person.make_secret("s", "value")
    account.person.make_key("deploy")
    account.person.tag_user("deploy", "AKIA", "v")
    account.person.tag_secret(arn, "team", "v")
    account.person.make_table("ledger")
    account.person.change_entry(arn, lambda item: item.update(userName={"S": "deploy"}))
    signed(account, "iam").list_access_keys(UserName="deploy")
    return account


def arn_of(account: FakeAccount) -> str:
    """Return the ARN of the secret."""
    return next(iter(account.state.secrets))


CHANGES: dict[str, Callable[[FakeAccount], object]] = {
    "a key": lambda account: account.person.make_key("deploy"),
    "a status": lambda account: account.person.deactivate_key(next(iter(account.state.keys))),
    "a user's tag": lambda account: account.person.untag_user("deploy"),
    "a value": lambda account: account.person.put_value(arn_of(account), "another"),
    "a secret's tag": lambda account: account.person.untag_secret(arn_of(account)),
    "an item": lambda account: account.person.delete_entry(arn_of(account)),
    "a table": lambda account: account.person.delete_table(),
    "a role": lambda account: account.roles.clear(),
    "the time": lambda account: account.clock.sleep(60),
    "a switch": lambda account: setattr(account.switches, "page_size", 1),
    "a lag": lambda account: setattr(account.lags, "labels", None),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_happens_to_one_does_not_happen_to_the_other(
    account: FakeAccount, change: Callable[[FakeAccount], object]
) -> None:
    """In neither direction; and both are the same before."""
    first, second = account.fork(), account.fork()
    shown = shown_in(account)
    assert shown_in(first) == shown_in(second) == shown
    change(first)
    assert shown_in(first) != shown
    assert shown_in(second) == shown_in(account) == shown
    change(account)
    assert shown_in(second) == shown


def shown_in(account: FakeAccount) -> str:
    """Show all that is in an account."""
    return re.sub(r" at 0x\w+", "", f"{account.state!r} {account.clock.now()}")


def test_what_belongs_together_stays_together(account: FakeAccount) -> None:
    """A key of the copy is the key of the copy's user, a session that of the copy's role."""
    copy = account.fork()
    key, user = next(iter(copy.state.keys.values()))
    assert user is copy.state.users["deploy"]
    assert user.keys[key.id] is key
    assert {id(session.role) for session in copy.state.sessions.values()} == {id(role) for role in copy.roles.values()}


def test_the_same_happens_next(account: FakeAccount) -> None:
    """Names go on as they would have, so that two ways differ only by what is done."""
    made = {one.person.make_key("deploy") for one in (account.fork(), account.fork(), account)}
    assert len(made) == 1


def test_faults_and_hooks_stay_behind(account: FakeAccount) -> None:
    """The copy heals, begins an empty log, and keeps what is denied for good and every violation."""
    account.fail(PROCESS_DEATH, "iam:CreateAccessKey", phase="after", times=None)
    account.deny("iam:TagUser")
    account.violations.append("one")
    with pytest.raises(ProcessDeath):
        signed(account, "iam").create_access_key(UserName="deploy")
    copy = account.fork()
    assert (copy.log.entries, copy.violations) == ([], ["one"])
    iam = signed(copy, "iam", ONCE)
    assert len(iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"]) == 2
    with refused("AccessDenied"):
        iam.tag_user(UserName="deploy", Tags=[{"Key": "AKIA", "Value": "v"}])
    assert copy.log.names() == ["iam:ListAccessKeys", "iam:TagUser"]


def test_secrets_of_the_copy_are_known_for_those_who_look_for_leaks(account: FakeAccount) -> None:
    """Those from before and those that were made since."""
    copy = account.fork()
    copy.person.make_key("deploy")
    assert copy.secret_access_keys[:-1] == account.secret_access_keys
    assert copy.client("secretsmanager").get_secret_value(SecretId=arn_of(copy), VersionStage=CURRENT)


def test_a_copy_takes_less_than_a_millisecond(account: FakeAccount) -> None:
    """The fastest of many, on whatever machine."""
    taken = []
    for _ in range(50):
        began = time.perf_counter()
        account.fork()
        taken.append(time.perf_counter() - began)
    assert min(taken) < 0.001
