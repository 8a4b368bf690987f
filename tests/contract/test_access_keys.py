"""Access keys: made, listed, switched, deleted, counted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from contract.subjects import UNKNOWN_KEY, Key, not_sent, refused

if TYPE_CHECKING:
    from contract.implementations import Implementation


def listed(iam: Any, user: str) -> dict[str, str]:
    """Return the status of each key of a user."""
    return {key["AccessKeyId"]: key["Status"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]}


def test_a_new_key_is_active_and_shows_its_secret(iam: Any, user: str) -> None:
    """CreateAccessKey answers with everything there is to know of a key."""
    made = iam.create_access_key(UserName=user)["AccessKey"]
    assert made.keys() == {"UserName", "AccessKeyId", "Status", "SecretAccessKey", "CreateDate"}
    assert (made["UserName"], made["Status"]) == (user, "Active")
    assert made["AccessKeyId"].startswith("AKIA")
    assert len(made["AccessKeyId"]) == 20
    assert len(made["SecretAccessKey"]) == 40
    assert made["CreateDate"].tzinfo is not None


def test_a_listing_shows_all_but_the_secret(iam: Any, user: str, key: Key) -> None:
    """ListAccessKeys names the user, the id, the status and the time."""
    (metadata,) = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    assert metadata.keys() == {"UserName", "AccessKeyId", "Status", "CreateDate"}
    assert (metadata["UserName"], metadata["AccessKeyId"], metadata["Status"]) == (user, key.id, "Active")


def test_a_listing_says_whether_there_is_more(iam: Any, user: str) -> None:
    """IsTruncated is there even if there is nothing else."""
    assert iam.list_access_keys(UserName=user)["IsTruncated"] is False


def test_a_user_without_keys_has_an_empty_listing(iam: Any, user: str) -> None:
    """No key is no error."""
    assert iam.list_access_keys(UserName=user)["AccessKeyMetadata"] == []


def test_a_third_key_is_refused(iam: Any, user: str) -> None:
    """Two keys a user, and nothing is made beyond."""
    keys = {Key.made(iam, user).id, Key.made(iam, user).id}
    with refused("LimitExceeded", status=409):
        iam.create_access_key(UserName=user)
    assert listed(iam, user).keys() == keys


def test_an_inactive_key_counts(iam: Any, user: str, key: Key) -> None:
    """Deactivating a key makes no room."""
    iam.update_access_key(UserName=user, AccessKeyId=key.id, Status="Inactive")
    Key.made(iam, user)
    with refused("LimitExceeded"):
        iam.create_access_key(UserName=user)


def test_deleting_a_key_makes_room(iam: Any, user: str, key: Key) -> None:
    """The quota counts what is there now."""
    Key.made(iam, user)
    iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    Key.made(iam, user)
    assert len(listed(iam, user)) == 2
    assert key.id not in listed(iam, user)


def test_the_quota_is_each_users_own(iam: Any, user: str) -> None:
    """Another user's keys do not count."""
    Key.made(iam, user)
    Key.made(iam, user)
    iam.create_user(UserName="other")
    key = Key.made(iam, "other")
    assert listed(iam, "other") == {key.id: "Active"}


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("create_access_key", {}),
        ("list_access_keys", {}),
        ("update_access_key", {"AccessKeyId": UNKNOWN_KEY, "Status": "Inactive"}),
        ("delete_access_key", {"AccessKeyId": UNKNOWN_KEY}),
    ],
)
def test_a_user_that_does_not_exist_has_no_keys(iam: Any, method: str, parameters: dict[str, str]) -> None:
    """Every call about keys needs a user that exists."""
    with refused("NoSuchEntity", status=404):
        getattr(iam, method)(UserName="nobody", **parameters)


def test_an_unknown_key_is_not_found(iam: Any, user: str) -> None:
    """Neither its status can be set nor can it be deleted."""
    with refused("NoSuchEntity", status=404):
        iam.update_access_key(UserName=user, AccessKeyId=UNKNOWN_KEY, Status="Inactive")
    with refused("NoSuchEntity", status=404):
        iam.delete_access_key(UserName=user, AccessKeyId=UNKNOWN_KEY)


@pytest.mark.parametrize("method", ["update_access_key", "delete_access_key"])
def test_a_key_is_reached_through_its_own_user_only(iam: Any, user: str, key: Key, method: str) -> None:
    """Naming another user finds no such key, and leaves it as it is."""
    iam.create_user(UserName="other")
    status = {"Status": "Inactive"} if method == "update_access_key" else {}
    with refused("NoSuchEntity"):
        getattr(iam, method)(UserName="other", AccessKeyId=key.id, **status)
    assert listed(iam, user) == {key.id: "Active"}


def test_a_status_is_set_and_may_be_set_again(iam: Any, user: str, key: Key) -> None:
    """UpdateAccessKey is idempotent."""
    for status in ("Inactive", "Inactive", "Active", "Active"):
        iam.update_access_key(UserName=user, AccessKeyId=key.id, Status=status)
        assert listed(iam, user) == {key.id: status}


def test_an_unknown_status_is_refused(iam: Any, user: str, key: Key) -> None:
    """A status is one of a few words, and nothing changes otherwise."""
    with refused("ValidationError", "InvalidInput", status=400):
        iam.update_access_key(UserName=user, AccessKeyId=key.id, Status="Deleted")
    assert listed(iam, user) == {key.id: "Active"}


def test_an_active_key_can_be_deleted(iam: Any, user: str, key: Key) -> None:
    """AWS does not insist on deactivating it first; that is for the provider to do."""
    iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    assert listed(iam, user) == {}


def test_a_deleted_key_is_not_found(iam: Any, user: str, key: Key) -> None:
    """Deleting again, or reviving it, is refused."""
    iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    with refused("NoSuchEntity"):
        iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    with refused("NoSuchEntity"):
        iam.update_access_key(UserName=user, AccessKeyId=key.id, Status="Active")


def test_a_listing_comes_in_pages(iam: Any, user: str) -> None:
    """MaxItems bounds a page, Marker asks for the next, and the paginator puts them together."""
    keys = [Key.made(iam, user).id, Key.made(iam, user).id]
    first = iam.list_access_keys(UserName=user, MaxItems=1)
    assert (len(first["AccessKeyMetadata"]), first["IsTruncated"]) == (1, True)
    second = iam.list_access_keys(UserName=user, MaxItems=1, Marker=first["Marker"])
    assert (len(second["AccessKeyMetadata"]), second["IsTruncated"]) == (1, False)
    pages = iam.get_paginator("list_access_keys").paginate(UserName=user)
    assert [key["AccessKeyId"] for page in pages for key in page["AccessKeyMetadata"]] == keys


def test_a_key_never_used_has_no_date(iam: Any, user: str, key: Key) -> None:
    """GetAccessKeyLastUsed names the user, and "N/A" for what it does not know."""
    answer = iam.get_access_key_last_used(AccessKeyId=key.id)
    assert answer["UserName"] == user
    assert answer["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}


def test_a_used_key_has_a_date_and_a_service(aws: Implementation, iam: Any, key: Key) -> None:
    """A call signed with a key is its last use."""
    key.identity(aws)
    used = iam.get_access_key_last_used(AccessKeyId=key.id)["AccessKeyLastUsed"]
    assert used["ServiceName"] == "sts"
    assert used["LastUsedDate"].tzinfo is not None


def test_the_last_use_of_an_unknown_key_is_denied(iam: Any, user: str) -> None:
    """A key that does not exist is nobody's to ask about, so IAM says AccessDenied and not NoSuchEntity."""
    assert user
    with refused("AccessDenied", status=403):
        iam.get_access_key_last_used(AccessKeyId=UNKNOWN_KEY)


def test_the_last_use_of_a_deleted_key_is_denied(iam: Any, user: str, key: Key) -> None:
    """A key that is gone is one that never was."""
    iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    with refused("AccessDenied", status=403):
        iam.get_access_key_last_used(AccessKeyId=key.id)


def test_a_user_with_keys_stays(iam: Any, user: str, key: Key) -> None:
    """DeleteUser is refused while there is a key, an Inactive one too."""
    iam.update_access_key(UserName=user, AccessKeyId=key.id, Status="Inactive")
    with refused("DeleteConflict", status=409):
        iam.delete_user(UserName=user)
    iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    iam.delete_user(UserName=user)


def test_a_user_made_again_is_another_one(iam: Any, user: str, key: Key) -> None:
    """The same name has another id, and none of the keys and tags of the one before."""
    before = iam.get_user(UserName=user)["User"]["UserId"]
    iam.tag_user(UserName=user, Tags=[{"Key": "team", "Value": "shop"}])
    iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    iam.delete_user(UserName=user)
    iam.create_user(UserName=user)
    assert iam.get_user(UserName=user)["User"]["UserId"] != before
    assert listed(iam, user) == {}
    assert iam.list_user_tags(UserName=user)["Tags"] == []


def test_a_renamed_user_keeps_its_keys_and_tags(iam: Any, user: str, key: Key) -> None:
    """UpdateUser changes the name alone, and the old name is nobody's."""
    iam.tag_user(UserName=user, Tags=[{"Key": "team", "Value": "shop"}])
    iam.update_user(UserName=user, NewUserName="renamed")
    assert listed(iam, "renamed") == {key.id: "Active"}
    assert iam.list_user_tags(UserName="renamed")["Tags"] == [{"Key": "team", "Value": "shop"}]
    with refused("NoSuchEntity"):
        iam.list_access_keys(UserName=user)


@pytest.mark.parametrize("name", ["no spaces", "no/slash", "a" * 129, "ümlaut"])
def test_a_user_name_has_its_characters_and_length(iam: Any, name: str) -> None:
    """IAM refuses a name that no user can have, before it looks for one."""
    with refused("ValidationError", status=400):
        iam.list_access_keys(UserName=name)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("tag_user", {"UserName": "deploy"}),
        ("list_access_keys", {"UserName": 7}),
        ("list_access_keys", {"UserName": "deploy", "Unknown": "x"}),
        ("tag_user", {"UserName": "deploy", "Tags": [{"Key": "", "Value": "v"}]}),
        ("update_access_key", {"UserName": "deploy", "AccessKeyId": UNKNOWN_KEY}),
        ("delete_access_key", {"UserName": "deploy", "AccessKeyId": "AKIA"}),
        ("tag_user", {"UserName": "deploy", "Tags": [{"Key": "k"}]}),
    ],
)
def test_the_sdk_sends_no_call_with_broken_parameters(iam: Any, method: str, parameters: dict[str, Any]) -> None:
    """Missing, unknown, too short or of another type: botocore finds it out."""
    with not_sent():
        getattr(iam, method)(**parameters)


def test_errors_have_classes_of_their_own(iam: Any) -> None:
    """A client's `exceptions` are what it raises, and name the operation."""
    with pytest.raises(iam.exceptions.NoSuchEntityException) as refusal:
        iam.list_access_keys(UserName="nobody")
    assert refusal.value.operation_name == "ListAccessKeys"
    assert "nobody" in refusal.value.response["Error"]["Message"]


def test_a_key_is_dated_when_it_is_made(aws: Implementation, iam: Any, user: str) -> None:
    """CreateDate is now, in UTC."""
    made = iam.create_access_key(UserName=user)["AccessKey"]["CreateDate"]
    assert abs(made - aws.now()) < timedelta(seconds=30)


def test_a_key_is_dated_in_whole_seconds(iam: Any, user: str) -> None:
    """IAM knows no fractions, so a key may seem older than it is."""
    assert iam.create_access_key(UserName=user)["AccessKey"]["CreateDate"].microsecond == 0
