"""IAM's keys and tags of one user, on the fake account."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from fakes.faults import ACCESS_DENIED, CONNECTION_LOST, SERVER_ERROR, THROTTLED
from unit.aws.conftest import ROLE

from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.model.errors import ConflictError, UserNotFoundError
from access_key_provider.model.state import AccessKey, LastUse
from lambda_shared.errors import AccessDeniedError, CallError, OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.aws import FakeAccount

    from access_key_provider.aws.sts import Credentials
    from lambda_shared.aws_calls import RetryingCaller


def test_keys_are_listed_with_their_status_and_age(account: FakeAccount, keys: IamUserKeys) -> None:
    """All of them, over as many pages as it takes."""
    account.switches.page_size = 1
    made = [account.person.make_key("deploy") for _ in range(3)]
    account.person.deactivate_key(made[1])
    created = account.state.keys[made[0]][0].created
    assert keys.list() == tuple(
        AccessKey(key, status, created) for key, status in zip(made, ("Active", "Inactive", "Active"), strict=True)
    )


def test_tags_are_listed_over_all_pages(account: FakeAccount, keys: IamUserKeys) -> None:
    """As keys and values."""
    account.switches.page_size = 1
    account.person.tag_user("deploy", "Team", "shop")
    account.person.tag_user("deploy", "Cost", "1")
    assert keys.tags() == {"Team": "shop", "Cost": "1"}


@pytest.mark.parametrize("act", [IamUserKeys.list, IamUserKeys.tags, lambda keys: keys.tag("AKIA", "x")])
def test_a_user_that_does_not_exist_is_told_from_a_refusal(
    account: FakeAccount, keys: IamUserKeys, act: Callable[[IamUserKeys], object]
) -> None:
    """The plan goes another way then."""
    account.person.delete_user("deploy")
    with pytest.raises(UserNotFoundError, match="user deploy does not exist"):
        act(keys)


def test_a_key_is_created_for_the_user_that_is_named(account: FakeAccount, keys: IamUserKeys) -> None:
    """Without a name IAM would take the caller's; the secret is not in what is printed of it."""
    key = keys.create()
    assert account.state.keys[key.id][1].name == "deploy"
    assert key.secret == account.state.keys[key.id][0].secret
    assert key.secret not in repr(key)


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("fault", [CONNECTION_LOST, SERVER_ERROR])
def test_a_creation_is_sent_once(account: FakeAccount, keys: IamUserKeys, fault: object, phase: str) -> None:
    """An answer that is lost says nothing: a second request would make a second key."""
    injection = account.fail(fault, "iam:CreateAccessKey", phase=phase, times=None)  # type: ignore[arg-type]
    with pytest.raises(OutcomeUnknownError):
        keys.create()
    assert injection.fired == 1
    assert len(account.state.users["deploy"].living_keys()) == (1 if phase == "after" else 0)


def test_a_creation_that_is_throttled_is_sent_again(account: FakeAccount, keys: IamUserKeys) -> None:
    """It was not carried out."""
    account.fail(THROTTLED, "iam:CreateAccessKey", times=3)
    keys.create()
    assert len(account.state.users["deploy"].living_keys()) == 1


@pytest.mark.parametrize("why", ["the quota", "the user"])
def test_a_creation_that_something_has_overtaken_is_a_conflict(
    account: FakeAccount, keys: IamUserKeys, why: str
) -> None:
    """It is to be observed again: a slot was free, and the user was there, a moment ago."""
    if why == "the quota":
        account.person.make_key("deploy")
        account.person.make_key("deploy")
    else:
        account.person.delete_user("deploy")
    with pytest.raises(ConflictError):
        keys.create()


def test_a_key_is_activated_deactivated_and_deleted(account: FakeAccount, keys: IamUserKeys) -> None:
    """Each in one call, again and again."""
    key = keys.create().id
    for status in ("Inactive", "Inactive", "Active", "Inactive"):
        keys.set_status(key, status)
        assert account.state.keys[key][0].status.value == status
    keys.delete(key)
    assert account.state.users["deploy"].living_keys() == []


def test_what_is_gone_is_a_conflict(account: FakeAccount, keys: IamUserKeys) -> None:
    """Somebody was faster, or IAM does not know the key everywhere yet."""
    key = account.person.make_key("deploy")
    account.person.delete_key(key)
    acts = [lambda: keys.delete(key), lambda: keys.set_status(key, "Inactive"), lambda: keys.last_use(key)]
    for act in acts:
        with pytest.raises(ConflictError) as conflict:
            act()
        assert conflict.value.changed_nothing is (act is not acts[-1]), "what was recorded before it is taken back"


def test_a_last_use_is_told_as_iam_has_it(account: FakeAccount, keys: IamUserKeys) -> None:
    """None of a key that was never used."""
    key = account.person.make_key("deploy")
    assert keys.last_use(key).time is None
    account.person.use_key(key, "ses")
    assert keys.last_use(key) == LastUse(account.clock.now() - timedelta(seconds=0.05), "ses", "eu-central-1")


@pytest.mark.parametrize("fault", [ACCESS_DENIED, CONNECTION_LOST, SERVER_ERROR, THROTTLED])
def test_a_last_use_that_can_not_be_read_is_never_taken_for_unused(
    account: FakeAccount, keys: IamUserKeys, fault: object
) -> None:
    """And nobody waits for it: of a key that is gone the call is denied for good."""
    key = account.person.make_key("deploy")
    before = account.clock.now()
    account.fail(fault, "iam:GetAccessKeyLastUsed", times=None)  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match=f"the last use of {key} is not known"):
        keys.last_use(key)
    assert (account.clock.now() - before).total_seconds() < 20


def test_of_what_is_gone_after_a_lost_answer_it_is_not_known_who_did_it(
    account: FakeAccount, keys: IamUserKeys
) -> None:
    """The first attempt may have."""
    key = keys.create().id
    keys.set_status(key, "Inactive")
    account.fail(CONNECTION_LOST, "iam:DeleteAccessKey", phase="after")
    with pytest.raises(ConflictError) as conflict:
        keys.delete(key)
    assert not conflict.value.changed_nothing


def test_tags_are_set_and_removed(keys: IamUserKeys) -> None:
    """One that is not there is fine."""
    keys.tag("AKIAX", "x")
    assert keys.tags() == {"AKIAX": "x"}
    keys.untag("AKIAX")
    keys.untag("AKIAX")
    assert keys.tags() == {}


def test_a_tag_of_a_user_that_is_gone_is_a_conflict(account: FakeAccount, keys: IamUserKeys) -> None:
    """It went with the user."""
    account.person.delete_user("deploy")
    with pytest.raises(ConflictError):
        keys.untag("AKIAX")


def test_a_denial_names_the_action_the_user_and_who_denies_it(account: FakeAccount, keys: IamUserKeys) -> None:
    """After the time that a new role needs; the code is kept for those who tell refusals apart."""
    account.deny("iam:CreateAccessKey")
    before = account.clock.now()
    with pytest.raises(AccessDeniedError) as denied:
        keys.create()
    assert str(denied.value).startswith("iam:CreateAccessKey on user deploy was denied by a service control policy")
    assert denied.value.code == "AccessDenied"
    assert denied.value.changed_nothing
    assert (account.clock.now() - before).total_seconds() > 60


def test_a_user_of_another_name_is_denied_with_what_to_ask_oneself(
    account: FakeAccount, credentials: Credentials, call: RetryingCaller
) -> None:
    """A role is for one user: imported by name, one with a path is another."""
    account.person.make_user("vendor")
    account.roles[ROLE].user_name = "deploy"
    with pytest.raises(AccessDeniedError, match=r"on user vendor was denied: has the user a path"):
        IamUserKeys(credentials, "vendor", call).list()


def test_a_refusal_of_another_kind_is_passed_on(account: FakeAccount, keys: IamUserKeys) -> None:
    """With IAM's words."""
    for number in range(50):
        account.person.tag_user("deploy", f"Team-{number}", "x")
    with pytest.raises(CallError, match="TagUser: LimitExceeded: Cannot exceed quota for TagsPerUser"):
        keys.tag("AKIAX", "x")
