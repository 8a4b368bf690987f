"""Tags of a secret, its deletion, its replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract.subjects import CURRENT, WRITES, Secret, refused, version

if TYPE_CHECKING:
    from contract.implementations import Implementation


def test_tags_are_set_added_and_overwritten(secret: Secret) -> None:
    """TagResource leaves the tags that it does not name."""
    secret.tag(team="shop", stage="live")
    secret.tag(team="other")
    assert secret.tags() == {"team": "other", "stage": "live"}


def test_tag_keys_that_differ_in_case_are_two(secret: Secret) -> None:
    """Unlike those of a user."""
    secret.tag(team="shop")
    secret.tag(Team="other")
    assert secret.tags() == {"team": "shop", "Team": "other"}


def test_a_secret_has_at_most_fifty_tags(secret: Secret) -> None:
    """The fifty-first is refused, and one that is there may change."""
    secret.tag(**{f"key-{number}": "v" for number in range(50)})
    with refused("InvalidParameterException", "InvalidRequestException", "LimitExceededException"):
        secret.tag(more="v")
    assert len(secret.tags()) == 50
    secret.tag(**{"key-7": "other"})


@pytest.mark.parametrize(("key", "value"), [("k" * 129, "v"), ("k", "v" * 257)], ids=["key", "value"])
def test_a_tag_has_a_greatest_length(secret: Secret, key: str, value: str) -> None:
    """128 characters of key, 256 of value; more is refused and nothing is set."""
    with refused("ValidationException", "InvalidParameterException"):
        secret.tag(**{key: value})
    assert secret.tags() == {}


def test_tags_are_removed_and_may_be_removed_again(secret: Secret) -> None:
    """UntagResource does not mind a tag that is not there, and minds the case of those that are."""
    secret.tag(team="shop", stage="live")
    for _ in range(2):
        secret.untag("team", "Stage", "never")
        assert secret.tags() == {"stage": "live"}


def test_a_secret_without_tags_shows_none(secret: Secret) -> None:
    """DescribeSecret leaves out what has no value."""
    described = secret.client.describe_secret(SecretId=secret.arn)
    assert described.get("Tags", []) == []
    assert not described.get("DeletedDate")


def test_labels_and_versions_do_not_touch_tags(secret: Secret) -> None:
    """A new version keeps them."""
    secret.tag(team="shop")
    secret.put(1, "one")
    secret.put(2)
    assert secret.tags() == {"team": "shop"}


@pytest.fixture
def deleted(secret: Secret) -> Secret:
    """Schedule a secret with two versions and a tag for deletion."""
    secret.tag(team="shop")
    secret.put(1, "one")
    secret.put(2, "two")
    secret.client.delete_secret(SecretId=secret.arn)
    return secret


def test_a_secret_to_be_deleted_is_still_described(deleted: Secret) -> None:
    """Its date, its labels and its tags are all there."""
    described = deleted.client.describe_secret(SecretId=deleted.arn)
    assert described["DeletedDate"].tzinfo is not None
    assert deleted.labels() == {version(1): {"one", CURRENT}, version(2): {"two"}}
    assert deleted.tags() == {"team": "shop"}


@pytest.mark.parametrize("method", [*WRITES, "get_secret_value"])
def test_a_secret_to_be_deleted_is_neither_written_nor_read(deleted: Secret, method: str) -> None:
    """All else is refused until it is restored, and changes nothing."""
    with refused("InvalidRequestException", status=400):
        getattr(deleted.client, method)(SecretId=deleted.arn, **WRITES.get(method, {}))
    assert deleted.labels() == {version(1): {"one", CURRENT}, version(2): {"two"}}
    assert deleted.tags() == {"team": "shop"}


def test_a_restored_secret_is_as_before(deleted: Secret) -> None:
    """Versions, labels, tags and value come back, and it can be written to."""
    deleted.client.restore_secret(SecretId=deleted.arn)
    assert not deleted.client.describe_secret(SecretId=deleted.arn).get("DeletedDate")
    assert deleted.labels() == {version(1): {"one", CURRENT}, version(2): {"two"}}
    assert (deleted.tags(), deleted.value()) == ({"team": "shop"}, "v")
    deleted.put(3, "three")


def test_a_name_is_taken_until_the_secret_is_gone(deleted: Secret) -> None:
    """A secret that is to be deleted keeps its name."""
    with refused("InvalidRequestException", "ResourceExistsException"):
        deleted.client.create_secret(Name="shop/deploy")


@pytest.mark.parametrize("method", WRITES)
def test_a_replica_is_described_and_not_written(aws: Implementation, secret: Secret, method: str) -> None:
    """DescribeSecret names the region of the primary one, where it must be written."""
    secret.put(1, "one")
    replica = aws.replica_client(secret.arn)
    replica_arn = secret.arn.replace(aws.region, replica.meta.region_name)
    assert replica.describe_secret(SecretId=replica_arn)["PrimaryRegion"] != replica.meta.region_name
    with refused("InvalidParameterException", "InvalidRequestException", status=400):
        getattr(replica, method)(SecretId=replica_arn, **WRITES[method])
