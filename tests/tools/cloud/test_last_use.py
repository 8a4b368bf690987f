"""The embedded account tells when an access key was last used."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import new_key, policy, refused

if TYPE_CHECKING:
    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

NEVER = {"Region": "N/A", "ServiceName": "N/A"}


@pytest.fixture
def key(empty_cloud: LocalCloud) -> dict[str, str]:
    """Make a user that may list its own keys, and a key."""
    iam = empty_cloud.client("iam")
    iam.create_user(UserName="someone")
    iam.put_user_policy(UserName="someone", PolicyName="p", PolicyDocument=policy("iam:ListAccessKeys", "*"))
    return new_key(empty_cloud, "someone")


def last_use(cloud: LocalCloud, key: dict[str, str]) -> dict[str, Any]:
    """Ask when a key was last used."""
    answer = cloud.client("iam").get_access_key_last_used(AccessKeyId=key["access_key_id"])
    assert answer["UserName"] == "someone"
    found: dict[str, Any] = answer["AccessKeyLastUsed"]
    return found


def test_a_key_that_was_never_used_has_no_date(cloud: LocalCloud, key: dict[str, str]) -> None:
    """There is N/A and no date, and asking is no use; the use of another key is its own."""
    cloud.client("sts", **new_key(cloud, "someone")).get_caller_identity()
    assert last_use(cloud, key) == NEVER
    assert last_use(cloud, key) == NEVER


def test_the_last_call_counts(cloud: LocalCloud, key: dict[str, str]) -> None:
    """The service and the Region that the call was signed for, and the time, are told."""
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    cloud.client("sts", **key).get_caller_identity()
    use = last_use(cloud, key)
    assert (use["ServiceName"], use["Region"]) == ("sts", cloud.region)
    assert before <= use["LastUsedDate"] <= dt.datetime.now(dt.UTC)
    cloud.client("iam", **key).list_access_keys()
    assert last_use(cloud, key)["ServiceName"] == "iam"


def test_a_call_that_no_policy_allows_is_a_use(cloud: LocalCloud, key: dict[str, str]) -> None:
    """Whoever signs with the key uses it, allowed or not."""
    with refused("AccessDeniedException"):
        cloud.client("secretsmanager", **key).list_secrets()
    assert last_use(cloud, key)["ServiceName"] == "secretsmanager"


def test_a_call_whose_signature_is_refused_is_no_use(cloud: LocalCloud, key: dict[str, str]) -> None:
    """A wrong secret, an Inactive key and a key that does not work yet leave no trace."""
    with refused("SignatureDoesNotMatch"):
        cloud.client("sts", **key | {"secret_access_key": "wrong"}).get_caller_identity()
    cloud.client("iam").update_access_key(UserName="someone", AccessKeyId=key["access_key_id"], Status="Inactive")
    with refused("InvalidClientTokenId"):
        cloud.client("sts", **key).get_caller_identity()
    cloud.configure(new_key_rejections=1)
    new = new_key(cloud, "someone")
    with refused("InvalidClientTokenId"):
        cloud.client("sts", **new).get_caller_identity()
    assert last_use(cloud, key) == last_use(cloud, new) == NEVER


def test_the_use_of_an_inactive_key_is_still_told(cloud: LocalCloud, key: dict[str, str]) -> None:
    """Deactivating a key does not hide that it was used."""
    cloud.client("sts", **key).get_caller_identity()
    cloud.client("iam").update_access_key(UserName="someone", AccessKeyId=key["access_key_id"], Status="Inactive")
    assert last_use(cloud, key)["ServiceName"] == "sts"


def test_news_come_as_late_as_set(cloud: LocalCloud, key: dict[str, str]) -> None:
    """With a lag, the last use that is old enough is told; a reset takes the lag away."""
    cloud.configure(last_use_lag=0.5)
    cloud.client("sts", **key).get_caller_identity()
    assert last_use(cloud, key) == NEVER
    time.sleep(0.6)
    cloud.client("iam", **key).list_access_keys()
    assert last_use(cloud, key)["ServiceName"] == "sts"
    time.sleep(0.6)
    assert last_use(cloud, key)["ServiceName"] == "iam"
    cloud.reset()
    cloud.client("iam").create_user(UserName="someone")
    again = new_key(cloud, "someone")
    cloud.client("sts", **again).get_caller_identity()
    assert last_use(cloud, again)["ServiceName"] == "sts"
