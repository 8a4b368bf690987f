"""The life of a key, step by step: made, shown, rotated, rolled back, deactivated and activated, deleted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo import expectations as expect
from demo.account import TOOLKIT_STACK
from demo.driver import UnmetError
from demo.inventory import added, take_inventory
from local_cloud.cloud import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from demo.account import KeySeen, Seen
    from demo.driver import Driver
    from demo.expectations import Expectation
    from demo.inventory import Inventory


class Journey:
    """One run of all steps. Each step is a method that does something and says what it expects of it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._inventory: Inventory = {}

    def run(self, steps: Sequence[Step]) -> bool:
        """Take steps up to the first expectation that does not hold; tell whether all hold."""
        report, notes = self._driver.report, self._driver.notes
        for step in steps:
            started, lines_before = time.monotonic(), len(notes.log)
            report.step(step.title, step.explanation, of=len(steps))
            try:
                self._take(step)
            except UnmetError as unmet:
                self._explain(unmet, notes.log[lines_before:])
                return False
            report.step_took(time.monotonic() - started)
        report.summary()
        return True

    def bootstrap(self) -> Iterator[Expectation]:
        """Prepare the account."""
        self._driver.bootstrap()
        self._inventory = take_inventory(self._driver.cloud)
        yield expect.stack_is(self._driver.account.stack_status(TOOLKIT_STACK), "CREATE_COMPLETE")

    def deploy(self) -> Iterator[Expectation]:
        """Make the key."""
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
        self._driver.deploy(serial="2")
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
        self._driver.deploy(fails=True, serial="3", fail="true")
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "UPDATE_ROLLBACK_COMPLETE")
        yield expect.only_failure_is("FailOnPurpose", self._driver.account.failed_resources())
        yield expect.third_key_was_taken_back(seen, before)
        yield expect.is_the_same(seen.current, before.current)
        yield expect.is_accepted("this key", seen.current)
        yield from _settled(seen, before.current)

    def deactivate(self) -> Iterator[Expectation]:
        """Set the key Inactive."""
        before = self._driver.seen
        self._driver.deploy(serial="2", status="Inactive")
        seen = self._driver.look(declared="Inactive")
        yield expect.stack_is(seen.stack_status, "UPDATE_COMPLETE")
        yield expect.is_the_same(seen.current, before.current)
        yield expect.has_status("the key", seen.current, "Inactive")
        yield expect.is_rejected("the key", seen.current)
        yield from _settled(seen, before.current)

    def activate(self) -> Iterator[Expectation]:
        """Set the key Active."""
        before = self._driver.seen
        self._driver.deploy(serial="2")
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "UPDATE_COMPLETE")
        yield expect.is_the_same(seen.current, before.current)
        yield expect.has_status("the key", seen.current, "Active")
        yield expect.is_accepted("the key", seen.current)
        yield from _settled(seen, before.current)

    def destroy(self) -> Iterator[Expectation]:
        """Delete the stack."""
        self._driver.destroy()
        seen = self._driver.look(declared=None)
        yield expect.user_has_only(seen)
        yield expect.all_are_rejected(seen.keys)
        yield expect.user_tags_were_removed(self._driver.cloud.calls())
        yield from expect.nothing_is_left(added(self._inventory, take_inventory(self._driver.cloud)))
        yield expect.invariants_hold(seen)

    def look_back(self) -> Iterator[Expectation]:
        """Go through the record of API calls, and search everything that was written for secrets."""
        calls, keyring, written = self._driver.cloud.calls(), self._driver.keyring, self._driver.written()
        self._driver.report.facts(
            {
                "API calls": f"{len(calls)}",
                "Searched for": f"{len(keyring.ids)} secret access keys",
                "Searched in": f"{len(written)} texts and files, {sum(map(len, written.values())) // 1000} kB",
            }
        )
        yield expect.keys_were_deactivated_first(calls)
        yield expect.nobody_else_read_the_secret(calls, reader=ADMINISTRATOR[0])
        yield expect.every_secret_is_known(calls, keyring.ids)
        yield expect.no_secret_was_found(keyring.leaks(written))

    def _take(self, step: Step) -> None:
        for expectation in step.deed(self):
            if not expectation.holds:
                raise UnmetError(expectation)
            self._driver.report.holds(expectation)

    def _explain(self, unmet: UnmetError, log: Sequence[str]) -> None:
        report, redacted = self._driver.report, self._driver.keyring.redacted
        report.does_not_hold(unmet.expectation)
        report.evidence("The function's log of this step", [redacted(line) for line in log])
        if unmet.output:
            report.evidence("The end of what cdk wrote", redacted(unmet.output).splitlines())
        report.failed_step(unmet.expectation)


def _settled(seen: Seen, *keys: KeySeen) -> Iterator[Expectation]:
    """Expect what is to be true after every deployment, good or bad."""
    yield expect.user_has_only(seen, *keys)
    yield expect.outputs_describe_the_current_key(seen)
    yield expect.invariants_hold(seen)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the journey: its title, what happens and why, and the deed."""

    title: str
    explanation: str
    deed: Callable[[Journey], Iterator[Expectation]]


STEPS = (
    Step("Bootstrap", "Prepare the account for CDK deployments, once.", Journey.bootstrap),
    Step("Deploy", "The user gets an access key; its secret goes straight into Secrets Manager.", Journey.deploy),
    Step("Show", "What the stack tells about the key, and who a call signed with it is.", Journey.show),
    Step(
        "Rotate",
        "Another serial, another key. Once the new one is proven, the old one is deactivated and kept.",
        Journey.rotate,
    ),
    Step(
        "Rotate, then fail on purpose",
        "The first key makes room for a third. Then another resource fails and CloudFormation rolls back: "
        "the second key works again, the third is deleted.",
        Journey.fail_after_rotating,
    ),
    Step("Deactivate", "The same key, Inactive: no rotation.", Journey.deactivate),
    Step("Activate", "The same key, Active again.", Journey.activate),
    Step("Destroy", "The key is deactivated and deleted; the user, the secret and the rest go.", Journey.destroy),
    Step(
        "Look back",
        "Go through the record of API calls; search all that was written for secrets, plain and in base64.",
        Journey.look_back,
    ),
)
STEPS_THAT_KEEP = tuple(step for step in STEPS if step.deed is not Journey.destroy)
