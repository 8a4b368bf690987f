"""Keys that a person made, taken over by real deployments, with IAM enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud.ledgers import days_later
from cloud.stacks import fail_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud.shop import Shop

    from cdk_iam_access_key import AccessKey

SOON = {"GracePeriod": 2, "RetentionPeriod": 2, "RetireWhenUnusedFor": 1}
ADOPTED, RELEASED = "Access Key Adopted", "Access Key Released"


def adopting(key_id: str, *, fails: bool = False) -> Callable[[AccessKey], None]:
    """Let a key adopt another one, and perhaps let the deployment fail after it."""

    def beside(key: AccessKey) -> None:
        key.adopt(access_key_id=key_id)
        if fails:
            fail_after(key.node.scope, key)  # type: ignore[arg-type] # the stack

    return beside


def test_hand_made_keys_are_adopted_given_back_and_retired(shop: Shop) -> None:
    """With the first deployment, later, and in a deployment that fails; then a day passes, and all is deleted."""
    shop.listen()
    for name in ("first", "later"):
        shop.add(name, seconds=SOON)
    theirs = {name: shop.account.make_key(name) for name in shop.declared}
    shop.change("first", beside=adopting(theirs["first"]))
    shop.deploy()
    assert shop["first"].previous == {theirs["first"]: "Active"}
    shop["first"].check()
    ours = shop["later"].current

    shop.add("undone")
    theirs["undone"] = shop.account.make_key("undone")
    shop.change("undone", beside=adopting(theirs["undone"], fails=True))
    shop.change("later", beside=adopting(theirs["later"]))
    shop.deploy(fails=True)
    assert shop.account.keys("undone") == {theirs["undone"]: "Active"}
    assert shop.account.keys("later") == {ours: "Active", theirs["later"]: "Active"}
    recorded = {key for entry in shop.account.entries().values() for key in entry.get("keys", {})}
    assert recorded == {shop["first"].current, theirs["first"], ours}

    shop.declared.pop("undone")
    shop.deploy()
    shop.sweep()
    assert shop["first"].previous == {theirs["first"]: "Active"}
    days_later(shop.account, theirs["first"])
    shop.sweep_until(lambda: shop["first"].previous.get(theirs["first"]) == "Inactive", "it is deactivated")
    shop.sweep_until(lambda: shop["first"].previous == {}, "it is deleted")
    shop.check()
    assert (shop["later"].current, shop["later"].previous) == (ours, {theirs["later"]: "Active"})
    for name in ("later", "undone"):
        assert set(shop.told(theirs[name])) == {ADOPTED, RELEASED}
        shop.account.unmanaged[name] = {theirs[name]: "Active"}
