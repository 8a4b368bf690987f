"""What is denied for good: by whom does not matter, to whom and what does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract.fake_sessions import ONCE, ROLE, signed
from contract.subjects import refused
from fakes.aws import FUNCTION
from fakes.sts import Credentials

if TYPE_CHECKING:
    from fakes.aws import FakeAccount


def test_a_call_is_denied_until_it_is_allowed_again(account: FakeAccount) -> None:
    """However often it is made, and nothing is done; it is known whether it was met."""
    denial = account.deny("iam:CreateAccessKey")
    iam = signed(account, "iam")
    for _ in range(3):
        with refused("AccessDenied", status=403):
            iam.create_access_key(UserName="deploy")
    iam.list_access_keys(UserName="deploy")
    assert denial.fired == 3
    assert account.state.users["deploy"].living_keys() == []
    account.heal()
    with refused("AccessDenied"):
        iam.create_access_key(UserName="deploy")
    account.allow_again()
    iam.create_access_key(UserName="deploy")


def test_a_whole_service_is_denied_with_its_own_code(account: FakeAccount) -> None:
    """By a pattern."""
    account.person.make_table("ledger")
    account.deny("dynamodb:*")
    with refused("AccessDeniedException", status=400):
        account.client_of("dynamodb", config=ONCE).delete_item(TableName="ledger", Key={"secretArn": {"S": "s"}})


def test_a_call_is_denied_by_what_it_is_about(account: FakeAccount) -> None:
    """Such as one user of two."""
    account.person.make_user("other")
    account.deny(lambda call: call.parameters.get("UserName") == "other")
    iam = signed(account, "iam")
    iam.list_access_keys(UserName="deploy")
    with refused("AccessDenied"):
        iam.list_access_keys(UserName="other")


def test_the_function_is_denied_and_a_role_is_not(account: FakeAccount) -> None:
    """And the other way round, by the role's ARN."""
    iam = signed(account, "iam")
    account.deny("sts:AssumeRole", FUNCTION)
    account.deny("iam:*", FUNCTION)
    iam.list_access_keys(UserName="deploy")
    with refused("AccessDenied", status=403):
        account.client_of("sts", config=ONCE).assume_role(RoleArn=ROLE, RoleSessionName="test")
    account.allow_again()
    account.deny("iam:*", ROLE)
    account.client_of("sts", config=ONCE).assume_role(RoleArn=ROLE, RoleSessionName="test")
    with refused("AccessDenied"):
        iam.list_access_keys(UserName="deploy")


def test_the_administrator_is_denied_nothing(account: FakeAccount) -> None:
    """A test can always look."""
    account.deny("iam:*")
    account.client("iam").list_access_keys(UserName="deploy")


@pytest.mark.parametrize("action", ["sts:GetCallerIdentity", "iam:CreateAcessKey", "s3:*"])
def test_what_denies_nothing_is_a_mistake(account: FakeAccount, action: str) -> None:
    """A misspelled name, and what AWS lets nobody deny."""
    with pytest.raises(ValueError, match="to deny"):
        account.deny(action)


def test_who_asks_who_it_is_is_never_denied(account: FakeAccount) -> None:
    """A key that works shows it by this call."""
    account.deny(lambda _call: True)
    key = account.person.make_key("deploy")
    secret = account.state.users["deploy"].keys[key].secret
    identity = account.client_of("sts", Credentials(key, secret), ONCE).get_caller_identity()
    assert identity["Arn"].endswith("user/deploy")
