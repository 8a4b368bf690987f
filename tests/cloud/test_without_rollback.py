"""C16: a deployment in express mode, or with `--no-rollback`, fails, and somebody goes on from there; IAM is enforced.

What CloudFormation sends then, and in which order, is tried with events made by hand in
`tests/faults/test_without_rollback.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Duration, Stack
from cloud.shop import Key
from cloud.stacks import fail_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud.shop import Shop

    from cdk_iam_access_key import AccessKey

NO_ROLLBACK = {"DisableRollback": True}
EXPRESS = {"DeploymentConfig": {"Mode": "EXPRESS"}}
AT_ONCE = {"grace_period": Duration.seconds(0)}


def failing(key: AccessKey) -> None:
    """Let the deployment fail after a key."""
    fail_after(Stack.of(key), key)


@dataclass
class Paused:
    """A stack that failed after one key was rotated and another was made, and what is done with it.

    Attributes:
        shop: The stack.
        first: The key of the serial 1 of what was rotated.
        second: That of the serial 2.
        made: The key that was made.
        reason: Whose fault it was: `resource`, `update` or `create`.
    """

    shop: Shop
    first: str
    second: str
    made: Key
    reason: str

    @classmethod
    def by(cls, shop: Shop, reason: str, **mode: Any) -> Paused:
        """Create the stack, and fail to update it."""
        for name in ("rotated", "last"):
            shop.add(name, settings=lambda _: dict(AT_ONCE), waits=name == "last")
        shop.deploy()
        first = shop["rotated"].current
        shop.add("made")
        shop.change("rotated", serial="2")
        if reason == "resource":
            shop.change("last", serial="2", beside=failing)
        elif reason == "update":
            shop.change("last", serial="2")
            shop.account.add_unmanaged_key("last")
        else:
            shop.add("unmade", waits=True)
            for _ in range(2):
                shop.account.add_unmanaged_key("unmade")
        shop.stack.deploy_until(shop.declare, "UPDATE_FAILED", **mode)
        entries = shop.account.entries()
        (secret,) = (
            arn for arn in entries if {"made"} == {key["user_name"] for key in entries[arn].get("keys", {}).values()}
        )
        paused = cls(shop, first, shop["rotated"].current, Key(shop.account, "made", secret), reason)
        paused.check()
        assert shop["rotated"].statuses == {first: "Inactive", paused.second: "Active"}
        return paused

    def check(self) -> None:
        """Check that each key that was there, or was made, works and is recorded."""
        self.shop["rotated"].check()
        self.shop["last"].check()
        self.made.check()

    def repair(self) -> None:
        """Take away what made it fail."""
        self.shop.change("last", beside=lambda _: None)
        for user, keys in self.shop.account.unmanaged.items():
            for key in keys:
                self.shop.account.iam.delete_access_key(UserName=user, AccessKeyId=key)
        self.shop.account.unmanaged.clear()

    def declare_as_before(self) -> None:
        """Declare what the first deployment had."""
        for name in ("made", "unmade"):
            self.shop.declared.pop(name, None)
        self.shop.change("rotated", "last", serial="1", beside=lambda _: None)

    def go_on(self, **mode: Any) -> None:
        """Deploy what is declared."""
        self.shop.outputs |= self.shop.stack.deploy_until(self.shop.declare, "UPDATE_COMPLETE", **mode)
        self.shop.check()


def again(paused: Paused, **mode: Any) -> None:
    """Deploy the same again."""
    made = paused.made.current
    paused.repair()
    paused.go_on(**mode)
    assert paused.shop["rotated"].statuses == {paused.first: "Inactive", paused.second: "Active"}
    assert paused.made.current == made
    if paused.reason == "create":
        assert len(paused.shop["unmade"].statuses) == 1


def back(paused: Paused, **mode: Any) -> None:
    """Deploy what was there before: the very key is restored, what was made goes."""
    paused.declare_as_before()
    paused.go_on(**mode)
    assert paused.shop["rotated"].current == paused.first
    assert paused.shop.account.keys("made") == {}


def on(paused: Paused, **mode: Any) -> None:
    """Deploy another serial."""
    paused.repair()
    paused.shop.change("rotated", "last", serial="3")
    paused.go_on(**mode)
    assert paused.shop["rotated"].current not in {paused.first, paused.second}


def remove(paused: Paused, **mode: Any) -> None:
    """Deploy without any key."""
    paused.shop.declared.clear()
    paused.go_on(**mode)


def fail_again(paused: Paused, **mode: Any) -> None:
    """Fail again with another serial, then go back."""
    paused.shop.change("rotated", serial="3")
    if paused.reason == "resource":
        paused.shop.change("last", serial="3")
    paused.shop.stack.deploy_until(paused.shop.declare, "UPDATE_FAILED", **mode)
    paused.check()
    third = paused.shop["rotated"].current
    assert third not in {paused.first, paused.second}
    paused.declare_as_before()
    paused.go_on(**mode)
    # The key of the serial 1 had to make room.
    assert paused.shop["rotated"].current not in {paused.first, paused.second}


def destroy(paused: Paused, **_: Any) -> None:
    """Delete the stack; what is left is looked at when the test is over."""
    paused.shop.stack.delete()


def roll_back(paused: Paused, **_: Any) -> None:
    """`cdk rollback`."""
    paused.shop.account.cloud.client("cloudformation").rollback_stack(StackName="Shop")
    paused.shop.stack.await_status("UPDATE_ROLLBACK_COMPLETE")
    paused.declare_as_before()
    paused.shop.check()
    assert paused.shop["rotated"].current == paused.first
    assert paused.shop.account.keys("made") == {}


@pytest.mark.thorough
def test_back_to_the_serial_before_from_express_mode(shop: Shop) -> None:
    """The way out that needs nothing else; the others are below."""
    back(Paused.by(shop, "update", **EXPRESS), **EXPRESS)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("reason", "then"),
    [
        *(("resource", then) for then in (again, back, on, remove, fail_again, destroy)),
        *(("update", then) for then in (again, destroy)),
        *(("create", then) for then in (again, remove, destroy)),
    ],
)
def test_express_mode(shop: Shop, reason: str, then: Callable[..., None]) -> None:
    """Each way to go on, whatever failed."""
    then(Paused.by(shop, reason, **EXPRESS), **EXPRESS)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("reason", "then"), [("resource", on), *((reason, roll_back) for reason in ("resource", "update", "create"))]
)
def test_no_rollback(shop: Shop, reason: str, then: Callable[..., None]) -> None:
    """Another serial, or `cdk rollback`, which express mode does not have."""
    then(Paused.by(shop, reason, **NO_ROLLBACK), **NO_ROLLBACK)


@pytest.mark.thorough
@pytest.mark.parametrize("mode", [NO_ROLLBACK, EXPRESS])
def test_a_creation_that_failed_goes_on(shop: Shop, mode: dict[str, Any]) -> None:
    """The first key of the stack was made, the second could not be; both work in the end, without a new stack."""
    shop.add("made")
    shop.add("unmade", waits=True)
    unmanaged = [shop.account.add_unmanaged_key("unmade") for _ in range(2)]
    shop.stack.deploy_until(shop.declare, "CREATE_FAILED", **mode)
    (made,) = shop.account.keys("made")
    for key in unmanaged:
        shop.account.iam.delete_access_key(UserName="unmade", AccessKeyId=key)
    shop.account.unmanaged.clear()
    shop.outputs |= shop.stack.deploy_until(shop.declare, "UPDATE_COMPLETE", **mode)
    shop.check()
    assert shop["made"].current == made
