"""Eventual consistency: what is seen late, by whom, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from contract.fake_sessions import ONCE, signed
from contract.subjects import CURRENT, refused
from fakes.lags import Lag
from fakes.sts import Credentials

if TYPE_CHECKING:
    from fakes.aws import FakeAccount


def listed(client: Any) -> dict[str, str]:
    """List the keys of the user."""
    return {
        key["AccessKeyId"]: key["Status"] for key in client.list_access_keys(UserName="deploy")["AccessKeyMetadata"]
    }


def test_a_new_key_is_not_listed_at_first(account: FakeAccount) -> None:
    """So many listings do not show it; the administrator's always do."""
    account.lags.new_keys = Lag(reads=2)
    iam = signed(account, "iam")
    key = iam.create_access_key(UserName="deploy")["AccessKey"]["AccessKeyId"]
    assert listed(account.client("iam")) == {key: "Active"}
    assert [listed(iam) for _ in range(3)] == [{}, {}, {key: "Active"}]


def test_a_new_key_is_not_listed_for_a_while(account: FakeAccount) -> None:
    """By the clock, however often it is asked."""
    account.lags.new_keys = Lag(seconds=10)
    iam = signed(account, "iam")
    key = iam.create_access_key(UserName="deploy")["AccessKey"]["AccessKeyId"]
    assert [listed(iam) for _ in range(3)] == [{}, {}, {}]
    account.clock.sleep(10)
    assert listed(iam) == {key: "Active"}


def test_a_key_that_is_not_listed_is_there(account: FakeAccount) -> None:
    """It counts, it can be changed, and changes are seen in their order."""
    account.lags.new_keys = Lag(reads=2)
    iam = signed(account, "iam")
    key = iam.create_access_key(UserName="deploy")["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName="deploy", AccessKeyId=key, Status="Inactive")
    iam.create_access_key(UserName="deploy")
    with refused("LimitExceeded"):
        iam.create_access_key(UserName="deploy")
    assert listed(iam) == {}
    assert listed(iam) == {}
    assert listed(iam)[key] == "Inactive"


def test_a_deleted_key_is_listed_still(account: FakeAccount) -> None:
    """And yet it is gone."""
    account.lags.deleted_keys = Lag(reads=1)
    key = account.person.make_key("deploy")
    iam = signed(account, "iam")
    iam.update_access_key(UserName="deploy", AccessKeyId=key, Status="Inactive")
    iam.delete_access_key(UserName="deploy", AccessKeyId=key)
    assert listed(iam) == {key: "Inactive"}
    with refused("NoSuchEntity"):
        iam.delete_access_key(UserName="deploy", AccessKeyId=key)
    assert listed(iam) == {}


def test_a_status_is_listed_late(account: FakeAccount) -> None:
    """A listing shows the status before."""
    key = account.person.make_key("deploy")
    account.lags.key_status = Lag(reads=1)
    iam = signed(account, "iam")
    assert listed(iam) == {key: "Active"}
    iam.update_access_key(UserName="deploy", AccessKeyId=key, Status="Inactive")
    assert [listed(iam) for _ in range(2)] == [{key: "Active"}, {key: "Inactive"}]


def test_tags_of_a_user_are_seen_late(account: FakeAccount) -> None:
    """Set and removed alike; a write works on what is really there."""
    account.lags.user_tags = Lag(reads=1)
    iam = signed(account, "iam")
    iam.tag_user(UserName="deploy", Tags=[{"Key": "AKIA1", "Value": "v"}])
    iam.tag_user(UserName="deploy", Tags=[{"Key": "AKIA2", "Value": "v"}])
    assert iam.list_user_tags(UserName="deploy")["Tags"] == []
    assert [tag["Key"] for tag in iam.list_user_tags(UserName="deploy")["Tags"]] == ["AKIA1", "AKIA2"]


def test_label_moves_are_seen_late(account: FakeAccount) -> None:
    """DescribeSecret shows where labels were; a move compares with where they are."""
    arn = account.person.make_secret("s", "one")
    first = account.state.secrets[arn].labels.value[CURRENT]
    secrets = signed(account, "secretsmanager")
    secrets.describe_secret(SecretId=arn)
    account.lags.labels = Lag(reads=1)
    second = secrets.put_secret_value(SecretId=arn, SecretString="two")["VersionId"]
    assert secrets.describe_secret(SecretId=arn)["VersionIdsToStages"] == {first: [CURRENT]}
    with refused("InvalidParameterException"):
        secrets.update_secret_version_stage(
            SecretId=arn, VersionStage=CURRENT, MoveToVersionId=second, RemoveFromVersionId=first
        )
    assert secrets.describe_secret(SecretId=arn)["VersionIdsToStages"][second] == [CURRENT]


def test_tags_of_a_secret_are_seen_late(account: FakeAccount) -> None:
    """Apart from labels."""
    account.lags.secret_tags = Lag(reads=1)
    arn = account.person.make_secret("s")
    secrets = signed(account, "secretsmanager")
    account.person.tag_secret(arn, "team", "v")
    assert "Tags" not in secrets.describe_secret(SecretId=arn)
    assert len(secrets.describe_secret(SecretId=arn)["Tags"]) == 1


@pytest.mark.parametrize("switch", ["new_key_rejections", "new_key_seconds"])
def test_a_new_key_is_rejected_at_first(account: FakeAccount, switch: str) -> None:
    """For so many calls, or for so long."""
    setattr(account.switches, switch, 2)
    key = account.person.make_key("deploy")
    secret = account.state.users["deploy"].keys[key].secret
    sts = account.client_of("sts", Credentials(key, secret), ONCE)
    for _ in range(2):
        with refused("InvalidClientTokenId"):
            sts.get_caller_identity()
        account.clock.sleep(0.95)
    assert sts.get_caller_identity()["Arn"].endswith("user/deploy")


@pytest.mark.parametrize("switched", ["everywhere", "in each"])
def test_each_region_learns_of_a_new_key_by_itself(account: FakeAccount, switched: str) -> None:
    """An endpoint that knows a key says nothing of another one."""
    if switched == "everywhere":
        account.switches.new_key_rejections = 2
    else:
        account.switches.new_key_rejections_in |= {"us-east-1": 2, "eu-central-1": 2}
    key = account.person.make_key("deploy")
    credentials = Credentials(key, account.state.users["deploy"].keys[key].secret)
    here, there = (account.client_of("sts", credentials, ONCE, region) for region in (None, "us-east-1"))
    assert (here.meta.region_name, there.meta.region_name) == ("eu-central-1", "us-east-1")
    assert [accepted(here) for _ in range(3)] == [False, False, True]
    assert [accepted(there) for _ in range(3)] == [False, False, True]
    assert [call.region for call in account.log.entries[2:4]] == ["eu-central-1", "us-east-1"]


def test_one_region_may_learn_of_a_new_key_later_than_the_others(account: FakeAccount) -> None:
    """So that a proof at one endpoint proves nothing of it."""
    account.switches.new_key_rejections_in["us-east-1"] = 1
    key = account.person.make_key("deploy")
    credentials = Credentials(key, account.state.users["deploy"].keys[key].secret)
    here, there = (account.client_of("sts", credentials, ONCE, region) for region in (None, "us-east-1"))
    assert [accepted(here), accepted(there), accepted(there)] == [True, False, True]


def accepted(sts: Any) -> bool:
    """Tell whether an endpoint takes a key."""
    try:
        sts.get_caller_identity()
    except sts.exceptions.InvalidClientTokenId:
        return False
    return True


def test_a_deleted_key_may_work_on(account: FakeAccount) -> None:
    """For some seconds."""
    account.switches.deleted_key_seconds = 4
    key = account.person.make_key("deploy")
    sts = account.client_of("sts", Credentials(key, account.state.users["deploy"].keys[key].secret), ONCE)
    account.person.delete_key(key)
    assert sts.get_caller_identity()["Arn"].endswith("user/deploy")
    account.clock.sleep(4)
    with refused("InvalidClientTokenId"):
        sts.get_caller_identity()


def test_the_last_use_is_known_late(account: FakeAccount) -> None:
    """Until then a key seems never used."""
    account.switches.last_use_seconds = 900
    key = account.person.make_key("deploy")
    account.person.use_key(key)
    iam = signed(account, "iam")
    assert "LastUsedDate" not in iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    account.clock.sleep(900)
    assert iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]["ServiceName"] == "s3"


def test_iams_clock_may_differ(account: FakeAccount) -> None:
    """A key is dated by it."""
    account.switches.iam_clock_skew = 30
    key = account.person.make_key("deploy")
    created = account.state.users["deploy"].keys[key].created
    assert (created - account.clock.now()).total_seconds() == pytest.approx(30, abs=1)
