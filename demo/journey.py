"""The life of a key, step by step: made, shown, rotated, rolled back, deactivated and activated, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo import expectations as expect
from demo.account import DELETED, NO_KEY
from demo.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.account import KeySeen, Seen
    from demo.driver import Driver
    from demo.expectations import Expectation


class Journey:
    """The example app's stack. Each step is a method that does something and says what it expects of it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def deploy(self) -> Iterator[Expectation]:
        """Make the key."""
        self._driver.begin()
        self._driver.deploy()
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "CREATE_COMPLETE")
        yield expect.has_status("the key", seen.current, "Active")
        yield expect.is_accepted("the key", seen.current)
        yield from _settled(seen, seen.current)

    def show(self) -> Iterator[Expectation]:
        """Show what the stack says about the key, and who a call signed with the key is."""
        seen = self._driver.seen
        self._driver.report.facts({**seen.outputs, "Signed call by": seen.current.identity})
        yield expect.outputs_describe_the_current_key(seen)
        yield expect.belongs_to(seen.current, self._driver.account.user_name)

    def rotate(self) -> Iterator[Expectation]:
        """Replace the key."""
        old = self._driver.seen.current
        self._driver.deploy(serial="2", grace="0")
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "UPDATE_COMPLETE")
        yield expect.is_new(seen.current, old)
        yield expect.is_accepted("the new key", seen.current)
        yield expect.is_rejected("the old key", seen.key(old.id))
        yield expect.is_kept_inactive("the old key", seen.key(old.id))
        yield from _settled(seen, old, seen.current)

    def fail_after_rotating(self) -> Iterator[Expectation]:
        """Replace the key in a deployment that then fails."""
        before = self._driver.seen
        self._driver.deploy(fails=True, serial="3", grace="0", fail="true")
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "UPDATE_ROLLBACK_COMPLETE")
        yield expect.only_failure_is("FailOnPurpose", self._driver.account.failed_resources())
        yield expect.third_key_was_taken_back(seen, before)
        yield expect.is_the_same(seen.current, before.current)
        yield expect.is_accepted("this key", seen.current)
        yield from _settled(seen, before.current, _other(seen))

    def deactivate(self) -> Iterator[Expectation]:
        """Set the key Inactive."""
        before = self._driver.seen
        self._driver.deploy(serial="2", grace="0", status="Inactive")
        seen = self._driver.look(declared="Inactive")
        yield expect.stack_is(seen.stack_status, "UPDATE_COMPLETE")
        yield expect.is_the_same(seen.current, before.current)
        yield expect.has_status("the key", seen.current, "Inactive")
        yield expect.is_rejected("the key", seen.current)
        yield from _settled(seen, before.current, _other(before))

    def activate(self) -> Iterator[Expectation]:
        """Set the key Active."""
        before = self._driver.seen
        self._driver.deploy(serial="2", grace="0")
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "UPDATE_COMPLETE")
        yield expect.is_the_same(seen.current, before.current)
        yield expect.has_status("the key", seen.current, "Active")
        yield expect.is_accepted("the key", seen.current)
        yield from _settled(seen, before.current, _other(before))

    def destroy(self) -> Iterator[Expectation]:
        """Delete the stack."""
        self._driver.destroy()
        seen = self._driver.look(declared=None)
        yield from expect.all_is_gone(seen, self._driver.calls(), self._driver.left())

    def steps(self, *, destroys: bool = True) -> list[Step]:
        """List the steps of this journey, with or without the last."""
        steps = [
            Step("Deploy", "The user gets an access key; its secret goes straight into Secrets Manager.", self.deploy),
            Step("Show", "What the stack tells about the key, and who a call signed with it is.", self.show),
            Step(
                "Rotate",
                "Another serial, another key. Without a grace period the old one is deactivated and kept once the "
                "new one is proven.",
                self.rotate,
            ),
            Step(
                "Rotate, then fail on purpose",
                "The first key makes room for a third. Then another resource fails and CloudFormation rolls back: "
                "the second key is current again, the third is deactivated and kept.",
                self.fail_after_rotating,
            ),
            Step("Deactivate", "The same key, Inactive: no rotation.", self.deactivate),
            Step("Activate", "The same key, Active again.", self.activate),
            Step("Destroy", "The key is deactivated and deleted; the user, the secret and the rest go.", self.destroy),
        ]
        return steps if destroys else steps[:-1]


def _other(seen: Seen) -> KeySeen:
    """Give the key that exists beside the current one."""
    return next((key for key in seen.keys if key.status != DELETED and key.id != seen.current.id), NO_KEY)


def _settled(seen: Seen, *keys: KeySeen) -> Iterator[Expectation]:
    """Expect what is to be true after every deployment, good or bad."""
    yield expect.user_has_only(seen, *keys)
    yield expect.outputs_describe_the_current_key(seen)
    yield expect.invariants_hold(seen)
