"""Both places of a user are taken when the next rotation comes: what `on_key_limit` removes, in real deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdk_iam_access_key import OnKeyLimit

if TYPE_CHECKING:
    from cloud.shop import Shop

_WRITES = ("iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey", "secretsmanager:PutSecretValue")


def written(shop: Shop) -> list[tuple[str, str]]:
    """List what was done to keys and values since the calls were last forgotten, and to which key."""
    calls = [call for call in shop.account.cloud.calls() if call.name in _WRITES]
    return [(call.name.split(":")[1], str(call.parameters.get("AccessKeyId", ""))) for call in calls]


def test_by_default_a_previous_key_in_its_grace_period_is_not_touched(shop: Shop) -> None:
    """The deployment fails before anything is written, and says which keys there are and what to do."""
    shop.settings = {"on_key_limit": OnKeyLimit.FAIL}
    shop.deploy("1")
    old = shop.current()
    shop.deploy("2")
    before, current = shop.statuses(), shop.current()
    shop.account.cloud.clear_calls()
    shop.deploy("3", fails=True)
    reasons = shop.stack.reasons()
    assert f"{old} Active, created " in reasons
    assert f"{current} Active, created " in reasons
    assert "wait until it is retired, or set on_key_limit" in reasons
    # The rollback sends the status of the key that is current, whatever it sees.
    assert written(shop) == [("UpdateAccessKey", current)]
    assert (shop.statuses(), shop.current()) == (before, current)


def test_the_previous_key_is_retired_at_once_where_that_is_chosen(shop: Shop) -> None:
    """In its grace period: it is deactivated, then deleted, and only then a new one is made."""
    shop.settings = {"on_key_limit": OnKeyLimit.RETIRE_PREVIOUS}
    shop.deploy("1")
    oldest = shop.current()
    shop.deploy("2")
    old = shop.current()
    shop.account.cloud.clear_calls()
    shop.deploy("3")
    assert written(shop)[:3] == [("UpdateAccessKey", oldest), ("DeleteAccessKey", oldest), ("CreateAccessKey", "")]
    assert shop.statuses() == {old: "Active", shop.current(): "Active"}
    assert shop.account.works(shop.secret)


def test_an_unused_inactive_foreign_key_goes_where_that_is_chosen(shop: Shop) -> None:
    """Nobody made it here, it was never used, and it is old enough."""
    shop.settings = {"on_key_limit": OnKeyLimit.remove_unused()}
    foreign = shop.account.add_foreign_key()
    shop.deploy("1", RemoveUnusedAfter=1)
    old = shop.current()
    shop.account.iam.update_access_key(UserName="deploy", AccessKeyId=foreign, Status="Inactive")
    shop.account.cloud.clear_calls()
    shop.deploy("2", RemoveUnusedAfter=1)
    assert written(shop)[:3] == [("UpdateAccessKey", foreign), ("DeleteAccessKey", foreign), ("CreateAccessKey", "")]
    assert shop.statuses() == {old: "Active", shop.current(): "Active"}
    del shop.account.foreign[foreign]


@pytest.mark.parametrize("why", ["active", "used", "young"])
def test_any_other_foreign_key_stays_all_the_same(shop: Shop, why: str) -> None:
    """One that is Active, was ever used, or is not old enough: the deployment fails, and nothing is written."""
    shop.settings = {"on_key_limit": OnKeyLimit.remove_unused()}
    age = 86_400 if why == "young" else 1
    made = shop.account.iam.create_access_key(UserName="deploy")["AccessKey"]
    foreign = shop.account.foreign
    foreign[made["AccessKeyId"]] = "Active" if why == "active" else "Inactive"
    if why == "used":
        client = shop.account.cloud.client(
            "sts", access_key_id=made["AccessKeyId"], secret_access_key=made["SecretAccessKey"]
        )
        client.get_caller_identity()
    shop.account.iam.update_access_key(UserName="deploy", **_status(foreign))
    shop.deploy("1", RemoveUnusedAfter=age)
    current, before = shop.current(), shop.statuses()
    shop.account.cloud.clear_calls()
    shop.deploy("2", fails=True, RemoveUnusedAfter=age)
    assert made["AccessKeyId"] in shop.stack.reasons()
    assert written(shop) == [("UpdateAccessKey", current)]
    assert (shop.statuses(), shop.current()) == (before, current)


def _status(foreign: dict[str, str]) -> dict[str, str]:
    ((key, status),) = foreign.items()
    return {"AccessKeyId": key, "Status": status}
