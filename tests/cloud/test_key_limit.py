"""Both key slots of a user are taken when the next rotation comes: what `on_key_limit` removes, with IAM enforced.

That by default nothing is removed is a row of `test_deploy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdk_iam_access_key import OnKeyLimit

if TYPE_CHECKING:
    from cloud.shop import Shop

REMOVED = "iam:UpdateAccessKey", "iam:DeleteAccessKey", "iam:CreateAccessKey"


def written(shop: Shop, user: str) -> list[tuple[str, str]]:
    """List what was done to the keys of a user since the calls were last forgotten, and to which key."""
    calls = [call for call in shop.account.cloud.calls() if call.parameters.get("UserName") == user and not call.error]
    return [(call.name, str(call.parameters.get("AccessKeyId", ""))) for call in calls if call.name in REMOVED]


@pytest.mark.thorough
def test_what_is_chosen_is_removed_and_nothing_else(shop: Shop) -> None:
    """A previous key in its grace period; a key of a person's that was never used. One that was used stays."""
    unused = {"settings": lambda _: {"on_key_limit": OnKeyLimit.remove_unused()}, "seconds": {"RemoveUnusedAfter": 1}}
    shop.add("retire", settings=lambda _: {"on_key_limit": OnKeyLimit.RETIRE_PREVIOUS})
    shop.add("unused", **unused)
    unmanaged = shop.account.add_unmanaged_key("unused")
    shop.account.iam.update_access_key(UserName="unused", AccessKeyId=unmanaged, Status="Inactive")
    shop.account.unmanaged["unused"][unmanaged] = "Inactive"
    shop.deploy()
    first, unused_before = shop["retire"].current, shop["unused"].current
    shop.change("retire", serial="2")
    shop.deploy()
    second = shop["retire"].current
    assert shop["retire"].previous == {first: "Active"}
    shop.account.cloud.clear_calls()
    shop.change("retire", serial="3")
    shop.change("unused", serial="2")
    del shop.account.unmanaged["unused"][unmanaged]
    shop.deploy()
    shop.check()
    for name, removed, previous in (("retire", first, second), ("unused", unmanaged, unused_before)):
        done = [(REMOVED[0], removed), (REMOVED[1], removed), (REMOVED[2], "")]
        assert written(shop, name)[:3] == done
        assert shop[name].previous == {previous: "Active"}
    _one_that_was_used_stays(shop, unused)


def _one_that_was_used_stays(shop: Shop, unused: dict[str, object]) -> None:
    shop.add("kept", **unused)
    made = shop.account.iam.create_access_key(UserName="kept")["AccessKey"]
    keys = {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
    shop.account.cloud.client("sts", **keys).get_caller_identity()
    shop.account.iam.update_access_key(UserName="kept", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    shop.account.unmanaged["kept"] = {made["AccessKeyId"]: "Inactive"}
    shop.deploy()
    current = shop["kept"].current
    shop.change("kept", serial="2")
    shop.deploy(fails=True)
    assert made["AccessKeyId"] in shop.stack.reasons()
    assert shop["kept"].statuses == {current: "Active"}
    shop.check()
