"""The fake's call log, its hooks, and what it lets no provider do."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ParamValidationError
from contract.fake_sessions import signed
from contract.subjects import refused, version
from fakes.aws import FakeAccount, MisuseError

if TYPE_CHECKING:
    from fakes.calls import Call


def test_the_log_tells_who_asked_what_and_what_came_of_it(account: FakeAccount) -> None:
    """Index, action, parameters, principal, outcome, and whether anything changed."""
    iam = signed(account, "iam")
    iam.list_access_keys(UserName="deploy")
    key = iam.create_access_key(UserName="deploy")["AccessKey"]["AccessKeyId"]
    for _ in range(2):
        iam.update_access_key(UserName="deploy", AccessKeyId=key, Status="Inactive")
    with refused("NoSuchEntity"):
        iam.create_access_key(UserName="nobody")
    told = [(call.index, call.name, call.outcome, call.wrote) for call in account.log.entries]
    assert told == [
        (0, "iam:ListAccessKeys", "OK", False),
        (1, "iam:CreateAccessKey", "OK", True),
        (2, "iam:UpdateAccessKey", "OK", True),
        (3, "iam:UpdateAccessKey", "OK", False),
        (4, "iam:CreateAccessKey", "NoSuchEntity", False),
    ]
    assert account.log.writes() == ["iam:CreateAccessKey", "iam:UpdateAccessKey"]
    last = account.log.entries[3]
    assert last.parameters == {"UserName": "deploy", "AccessKeyId": key, "Status": "Inactive"}
    assert last.principal == "arn:aws:sts::123456789012:assumed-role/r/test"
    assert "3 iam:UpdateAccessKey: OK" in str(account.log)


def test_the_log_holds_no_secret(account: FakeAccount) -> None:
    """Neither the value that was written nor the secrets that were made, in any encoding."""
    arn = account.person.make_secret("shop/deploy")
    secret = signed(account, "iam").create_access_key(UserName="deploy")["AccessKey"]["SecretAccessKey"]
    signed(account, "secretsmanager").put_secret_value(SecretId=arn, SecretString=json.dumps({"secret": secret}))
    shown = repr(account.log) + str(account.log) + repr(account.state) + repr(account.state.users)
    assert len(account.secret_access_keys) == 3
    for made in account.secret_access_keys:
        assert made not in shown
        assert quote(made, safe="") not in shown
        assert base64.b64encode(made.encode()).decode() not in shown


def test_clearing_the_log_numbers_from_zero(account: FakeAccount) -> None:
    """So that an operation's calls have the same numbers wherever it begins."""
    iam = signed(account, "iam")
    iam.list_access_keys(UserName="deploy")
    account.log.clear()
    iam.list_user_tags(UserName="deploy")
    assert [(call.index, call.name) for call in account.log.entries] == [(0, "iam:ListUserTags")]


def test_each_page_is_a_call(account: FakeAccount) -> None:
    """A paginator asks as often as there are pages."""
    account.switches.page_size = 1
    for _ in range(3):
        account.person.make_key("deploy")
    pages = signed(account, "iam").get_paginator("list_access_keys").paginate(UserName="deploy")
    assert [len(page["AccessKeyMetadata"]) for page in pages] == [1, 1, 1]
    assert account.log.names() == ["iam:ListAccessKeys"] * 3


def test_hooks_see_each_call_before_and_after(account: FakeAccount) -> None:
    """Before there is no outcome; after it is known whether it was carried out."""
    seen: list[tuple[str, str, bool]] = []
    account.before.append(lambda call: seen.append(("before", call.name, call.carried_out)))
    account.after.append(lambda call: seen.append(("after", call.name, call.carried_out)))
    iam = signed(account, "iam")
    iam.create_access_key(UserName="deploy")
    with refused("NoSuchEntity"):
        iam.list_access_keys(UserName="nobody")
    assert seen == [
        ("before", "iam:CreateAccessKey", False),
        ("after", "iam:CreateAccessKey", True),
        ("before", "iam:ListAccessKeys", False),
        ("after", "iam:ListAccessKeys", False),
    ]


def test_a_hook_may_act_and_may_raise(account: FakeAccount) -> None:
    """What it raises is what the caller sees, before the call with nothing done and after it with all done."""
    key = account.person.make_key("deploy")
    iam = signed(account, "iam")
    account.at(0, lambda: account.person.delete_key(key))
    with refused("NoSuchEntity"):
        iam.update_access_key(UserName="deploy", AccessKeyId=key, Status="Inactive")

    def stop(_call: Call) -> None:
        raise KeyError

    account.heal()
    account.before.append(stop)
    with pytest.raises(KeyError):
        iam.create_access_key(UserName="deploy")
    assert account.state.users["deploy"].living_keys() == []
    account.heal()
    account.after.append(stop)
    with pytest.raises(KeyError):
        iam.create_access_key(UserName="deploy")
    assert len(account.state.users["deploy"].living_keys()) == 1
    assert [call.outcome for call in account.log.entries] == ["NoSuchEntity", "KeyError", "KeyError"]


def test_a_hook_may_block_a_thread(account: FakeAccount) -> None:
    """While one thread waits in a hook, others go on: a scheduler can order them call by call."""
    held, go = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        if call.index == 0:
            held.set()
            assert go.wait(5)

    account.before.append(hold)
    iam = signed(account, "iam")
    thread = threading.Thread(target=lambda: iam.create_access_key(UserName="deploy"))
    thread.start()
    assert held.wait(5)
    assert iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"] == []
    go.set()
    thread.join(5)
    assert len(iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"]) == 1


@pytest.mark.parametrize("parameters", [{}, {"UserName": ""}, {"UserName": None}])
def test_a_call_without_a_user_name_fails_the_test(account: FakeAccount, parameters: dict[str, Any]) -> None:
    """AWS would take the caller for the user; no handler of `Exception` can hide it, and it stays on record."""
    iam = signed(account, "iam")
    with pytest.raises(MisuseError) as misuse:
        iam.create_access_key(**parameters)
    assert not isinstance(misuse.value, Exception)
    assert account.violations == ["iam:CreateAccessKey without a user name"]
    assert account.log.entries == []


def test_a_call_to_another_region_fails_the_test(account: FakeAccount) -> None:
    """There is nothing there; only STS is asked in several."""
    iam = account.client_of("iam", region="us-east-1")
    with pytest.raises(MisuseError):
        iam.list_access_keys(UserName="deploy")
    assert account.violations == ["iam:ListAccessKeys in us-east-1"]


def test_parameters_that_nobody_checked_are_violations(account: FakeAccount) -> None:
    """What the SDK does not send and what the service refuses both stay on record."""
    iam = signed(account, "iam")
    with pytest.raises(ParamValidationError):
        iam.list_access_keys(UserName=7)
    with refused("ValidationError"):
        iam.list_access_keys(UserName="no spaces")
    assert [violation.split(" ")[0] for violation in account.violations] == ["iam:ListAccessKeys"] * 2


def test_reading_a_secret_is_a_violation(account: FakeAccount) -> None:
    """It is denied as well, but trying is bad enough."""
    arn = account.person.make_secret("s", "v")
    with refused("AccessDeniedException"):
        signed(account, "secretsmanager").get_secret_value(SecretId=arn)
    assert account.violations == ["the provider tried to read a secret"]


def test_deleting_an_active_key_is_a_violation(account: FakeAccount) -> None:
    """Unless the test says that it is meant; deactivated first it never is."""
    first, second, third = (account.person.make_key("deploy") for _ in range(3))
    iam = signed(account, "iam")
    iam.update_access_key(UserName="deploy", AccessKeyId=first, Status="Inactive")
    iam.delete_access_key(UserName="deploy", AccessKeyId=first)
    assert account.violations == []
    iam.delete_access_key(UserName="deploy", AccessKeyId=second)
    assert account.violations == [f"{second} was deleted while it was Active"]
    account.switches.deletions_of_active_keys = True
    iam.delete_access_key(UserName="deploy", AccessKeyId=third)
    assert len(account.violations) == 1


def test_the_quota_can_overshoot(account: FakeAccount) -> None:
    """As it has been seen to do."""
    account.switches.keys_per_user = 8
    iam = signed(account, "iam")
    for _ in range(8):
        iam.create_access_key(UserName="deploy")
    with refused("LimitExceeded"):
        iam.create_access_key(UserName="deploy")


def test_a_key_of_kms_can_deny(account: FakeAccount) -> None:
    """Then nothing can be written, and no version is made."""
    arn = account.person.make_secret("one")
    account.switches.kms_denies = True
    with refused("AccessDeniedException"):
        signed(account, "secretsmanager").put_secret_value(
            SecretId=arn, SecretString="v", ClientRequestToken=version(1)
        )
    assert account.state.secrets[arn].versions == {}


def test_two_accounts_make_the_same_names_in_the_same_order() -> None:
    """A sequence that failed fails again."""
    made = []
    for _ in range(2):
        account = FakeAccount()
        account.person.make_user("deploy")
        made.append((account.person.make_secret("s"), account.person.make_key("deploy"), account.secret_access_keys[0]))
    assert made[0] == made[1]
