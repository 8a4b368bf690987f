"""Grace, retirement, Secrets Manager's rotation and undo, as real deployments with IAM enforced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from cloud.stacks import Account, Deployment, fail_after

from cdk_iam_access_key import AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloud.shop import Shop

    from local_cloud import LocalCloud


def test_the_previous_key_lives_until_its_grace_is_over_and_is_deleted_later(shop: Shop) -> None:
    """By two schedules, and nobody deploys."""
    shop.deploy("1", GracePeriod=8, RetentionPeriod=4, RetireWhenUnusedFor=1)
    old = shop.current()
    shop.deploy("2", GracePeriod=8, RetentionPeriod=4, RetireWhenUnusedFor=1)
    assert shop.statuses() == {old: "Active", shop.current(): "Active"}
    assert len(shop.schedules()) == 1
    shop.until(lambda: shop.statuses().get(old) == "Inactive", "the previous key is Inactive")
    assert len(shop.schedules()) == 1
    shop.until(lambda: old not in shop.statuses(), "the previous key is deleted")
    shop.until(lambda: shop.schedules() == [], "no schedule is left")
    shop.account.check("deploy", shop.secret)


def test_a_client_that_still_uses_the_old_key_holds_its_retirement_back(shop: Shop) -> None:
    """And is told of, with the service and the time."""
    shop.deploy("1", GracePeriod=2, RetireWhenUnusedFor=4)
    old = shop.current()
    client = shop.account.cloud.client("sts", **shop.credentials())
    shop.deploy("2", GracePeriod=2, RetireWhenUnusedFor=4)
    end = time.monotonic() + 7
    while time.monotonic() < end:
        client.get_caller_identity()
        time.sleep(0.5)
    assert shop.statuses()[old] == "Active"
    log = shop.stack.log()
    assert "Access Key Still In Use" in log
    assert "by sts" in log
    shop.until(lambda: shop.statuses()[old] == "Inactive", "the previous key is Inactive")


def test_a_rollback_in_grace_restores_the_key_and_puts_the_other_in_grace(shop: Shop) -> None:
    """Both work; the schedule of the restored key is cancelled."""
    shop.deploy("1")
    old = shop.current()
    shop.deploy("2", fails=True)
    assert shop.current() == old
    assert shop.statuses() == {old: "Active", shop.other(): "Active"}
    assert len(shop.schedules()) == 1
    assert shop.other()[-8:] in shop.schedules()[0]


def test_deletion_in_grace_deletes_both_keys_and_the_schedule(shop: Shop) -> None:
    """Nothing comes back to them."""
    shop.deploy("1")
    shop.deploy("2")
    assert len(shop.schedules()) == 1
    shop.stack.delete()
    assert shop.statuses() == {}
    assert shop.schedules() == []


def test_secrets_manager_rotates_and_the_previous_key_stays_in_grace(shop: Shop) -> None:
    """Rotation is enabled, the four steps are run, and the next deployment changes nothing."""
    shop.deploy("1")
    old = shop.current()
    assert shop.account.secrets.describe_secret(SecretId=shop.secret)["RotationEnabled"] is True
    shop.rotate()
    assert shop.statuses() == {old: "Active", shop.current(): "Active"}
    assert shop.account.works(shop.secret)
    rotated = shop.current()
    shop.deploy("1", RetentionPeriod=7200)
    assert shop.current() == rotated
    shop.account.check("deploy", shop.secret)


def test_a_deployment_rotates_after_secrets_manager_did_and_back(shop: Shop) -> None:
    """The label of the finished rotation does not block the next one."""
    shop.deploy("1", GracePeriod=1, RetireWhenUnusedFor=1)
    first = shop.current()
    shop.rotate()
    shop.until(lambda: shop.statuses().get(first) == "Inactive", "the first key is Inactive")
    rotated = shop.current()
    shop.deploy("2", fails=True, GracePeriod=1, RetireWhenUnusedFor=1)
    assert shop.current() == rotated
    shop.until(lambda: shop.statuses().get(shop.other()) == "Inactive", "the key of the failed deployment is Inactive")


def test_a_deletion_in_the_middle_of_a_rotation_leaves_nothing(shop: Shop) -> None:
    """Wherever it is."""
    shop.deploy("1")
    shop.begin_rotation()
    shop.stack.delete()
    shop.until(lambda: shop.statuses() == {}, "no key is left")


def test_an_undo_restores_the_previous_key_and_deactivates_the_bad_one(shop: Shop) -> None:
    """It is shown before and after; a second one is refused; the next deployment keeps it."""
    shop.deploy("1")
    good = shop.current()
    shop.deploy("2")
    bad = shop.current()
    assert shop.operate("Show")["undoRestores"] == good
    after = shop.operate("Undo")
    assert shop.current() == good
    assert shop.statuses() == {good: "Active", bad: "Inactive"}
    assert "taken back" in after["undoRefused"]
    assert "taken back" in shop.operate("Undo")["errorMessage"]
    shop.deploy("2", RetentionPeriod=7200)
    assert shop.current() == good
    assert shop.account.works(shop.secret)


def test_an_alarm_in_the_grace_period_undoes_the_rotation(shop: Shop) -> None:
    """Nobody has to be awake."""
    shop.deploy("1")
    good = shop.current()
    shop.deploy("2")
    watch = shop.account.cloud.client("cloudwatch")
    watch.set_alarm_state(AlarmName="denied", StateValue="ALARM", StateReason="a consumer is denied")
    shop.until(lambda: shop.current() == good, "the previous key is current")
    shop.until(lambda: shop.statuses()[shop.other()] == "Inactive", "the bad key is Inactive")


@pytest.mark.parametrize("fails", [False, True])
def test_a_cut_over_waits_for_the_consumers(empty_cloud: LocalCloud, tmp_path: Path, fails: bool) -> None:  # noqa: FBT001
    """With no grace period the old key dies once every consumer has the new one, and not if one of them fails."""
    account = Account(empty_cloud)
    account.iam.create_user(UserName="deploy")
    stack = Deployment(empty_cloud, tmp_path)

    def declare(serial: str, *, broken: bool = False) -> Callable[[Stack], None]:
        def declaring(scope: Stack) -> None:
            user = iam.User.from_user_name(scope, "User", "deploy")
            key = AccessKey(scope, "Key", user=user, serial=serial, grace_period=Duration.seconds(0))
            consumer = ssm.StringParameter(scope, "Consumer", string_value=key.secret_version_id)
            key.cut_over_after(consumer)
            if broken:
                fail_after(scope, consumer)
                key.cut_over_after(scope.node.find_child("FailOnPurpose"))

        return declaring

    stack.deploy(declare("1"))
    (old,) = account.keys("deploy")
    stack.deploy(declare("2", broken=fails), fails=fails)
    statuses = account.keys("deploy")
    assert len(statuses) == 2
    assert statuses[old] == ("Active" if fails else "Inactive")
    if fails:
        assert set(statuses.values()) == {"Active"}
    stack.delete()
    assert account.keys("deploy") == {}
