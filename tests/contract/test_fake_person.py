"""A person's hands: what changes behind the provider's back, and leaves no call in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract.fake_sessions import signed
from contract.subjects import CURRENT, PREVIOUS, refused

if TYPE_CHECKING:
    from fakes.aws import FakeAccount


@pytest.fixture(autouse=True)
def _no_trace(account: FakeAccount) -> None:
    """Begin with an empty log."""
    assert account.log.entries == []


def status(account: FakeAccount) -> dict[str, str | None]:
    """Return the status of the user's keys."""
    return {key.id: key.status.value for key in account.state.users["deploy"].living_keys()}


def test_keys(account: FakeAccount) -> None:
    """Made beyond the quota, deactivated, used, deleted while Active; none of it is the provider's doing."""
    person = account.person
    keys = [person.make_key("deploy") for _ in range(4)]
    person.deactivate_key(keys[0])
    person.use_key(keys[1])
    person.delete_key(keys[2])
    assert status(account) == {keys[0]: "Inactive", keys[1]: "Active", keys[3]: "Active"}
    assert account.state.users["deploy"].keys[keys[1]].last_service == "s3"
    person.set_key_status(keys[0], "Active")
    assert status(account)[keys[0]] == "Active"
    assert account.log.entries == []
    assert account.violations == []


def test_users(account: FakeAccount) -> None:
    """Deleted with their keys, made again as another one, renamed with keys and tags."""
    person = account.person
    first = account.state.users["deploy"].id
    key = person.make_key("deploy")
    person.tag_user("deploy", "team", "shop")
    person.rename_user("deploy", "renamed")
    assert account.state.users["renamed"].keys.keys() == {key}
    assert account.state.users["renamed"].id == first
    person.rename_user("renamed", "deploy")
    second = person.recreate_user("deploy")
    assert second != first
    assert status(account) == {}
    assert account.state.users["deploy"].tags.value == {}
    person.delete_user("deploy")
    with refused("NoSuchEntity"):
        signed(account, "iam").list_access_keys(UserName="deploy")


def test_tags(account: FakeAccount) -> None:
    """Removed one by one or all at once, of users and of secrets."""
    person = account.person
    arn = person.make_secret("s")
    for key in ("one", "two", "three"):
        person.tag_user("deploy", key, "v")
        person.tag_secret(arn, key, "v")
    person.untag_user("deploy", "one")
    person.untag_secret(arn, "one")
    assert account.state.users["deploy"].tags.value.keys() == {"two", "three"}
    assert account.state.secrets[arn].tags.value.keys() == {"two", "three"}
    person.untag_user("deploy")
    person.untag_secret(arn)
    assert account.state.users["deploy"].tags.value == {}
    assert account.state.secrets[arn].tags.value == {}


def test_values_and_labels(account: FakeAccount) -> None:
    """A value put by hand becomes current; labels move and go; versions without any are cleared away."""
    person = account.person
    arn = person.make_secret("s", "one")
    secret = account.state.secrets[arn]
    first = secret.labels.value[CURRENT]
    second = person.put_value(arn, "two")
    third = person.put_value(arn, "three", "mine")
    assert secret.labels.value == {CURRENT: second, PREVIOUS: first, "mine": third}
    person.move_label(arn, CURRENT, third)
    assert secret.labels.value == {CURRENT: third, PREVIOUS: second, "mine": third}
    person.remove_own_labels(arn)
    assert secret.labels.value == {CURRENT: third, PREVIOUS: second}
    assert person.remove_deprecated_versions(arn) == [first]
    assert secret.versions.keys() == {second, third}
    person.remove_label(arn, PREVIOUS)
    assert secret.labels.value == {CURRENT: third}


def test_secrets(account: FakeAccount) -> None:
    """Scheduled for deletion, restored, a replica, gone."""
    person, secrets = account.person, signed(account, "secretsmanager")
    arn = person.make_secret("s", "one")
    person.schedule_deletion(arn)
    with refused("InvalidRequestException"):
        secrets.put_secret_value(SecretId=arn, SecretString="two")
    assert secrets.describe_secret(SecretId=arn)["DeletedDate"]
    person.restore_secret(arn)
    secrets.put_secret_value(SecretId=arn, SecretString="two")
    person.replicate_from(arn, "eu-west-1")
    with refused("InvalidParameterException"):
        secrets.put_secret_value(SecretId=arn, SecretString="three")
    person.replicate_from(arn, account.state.region)
    secrets.put_secret_value(SecretId=arn, SecretString="three")
    person.delete_secret(arn)
    with refused("ResourceNotFoundException"):
        secrets.describe_secret(SecretId=arn)
