"""Rotation that goes on by itself: grace, retirement, Secrets Manager's own rotation, and two ways back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from demo import expectations as expect
from demo.account import DELETED
from demo.keyring import Client
from demo.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from demo.account import KeySeen
    from demo.driver import Driver
    from demo.expectations import Expectation

# How long anything may take that happens by itself. It takes seconds on an idle machine.
_PATIENCE = 120
_POSTPONED = "Access Key Retirement Postponed"
_TEN_MINUTES = "600"


class RotationJourney:
    """The rotation app's stack. Each step is a method that does something and says what it expects of it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._account = driver.account
        self._client: Client | None = None
        self._old = driver.seen.current

    def close(self) -> None:
        """Stop the client, wherever the journey ended."""
        if self._client is not None:
            self._client.stop()

    def deploy(self) -> Iterator[Expectation]:
        """Make the key, and the schedule by which Secrets Manager rotates it."""
        self._driver.begin()
        self._driver.deploy()
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "CREATE_COMPLETE")
        yield expect.is_accepted("the key", seen.current)
        yield expect.user_has_only(seen, seen.current)
        yield expect.invariants_hold(seen)

    def rotate_in_use(self) -> Iterator[Expectation]:
        """Replace the key while somebody goes on with the old one, past its grace period."""
        self._old = self._driver.seen.current
        self._client = Client(self._driver.records.keyring, self._old.id)
        self._driver.deploy(serial="2")
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "UPDATE_COMPLETE")
        yield expect.is_new(seen.current, self._old)
        yield expect.is_accepted("the new key", seen.current)
        yield expect.is_in_grace("the old key", seen.key(self._old.id))
        yield expect.invariants_hold(seen)
        yield self._driver.wait("the grace period is over and the use is told", self._told, "told", seconds=_PATIENCE)
        told = next(event for event in self._driver.told() if event["event"] == _POSTPONED)
        self._driver.report.facts(
            {"Event": told["event"], "Access key": told["accessKeyId"], "Last use": told["lastUse"]}
        )
        yield expect.is_in_grace("the old key", self._account.look("Active").key(self._old.id))
        yield expect.all_were_accepted(self._client.answers)

    def retire(self) -> Iterator[Expectation]:
        """Stop the client, and watch what becomes of the old key."""
        self.close()
        new, deployments = self._driver.seen.current, self._account.deployments()
        yield self._becomes("the old key is deactivated", self._old, "Inactive")
        seen = self._driver.look(declared="Active")
        yield expect.is_rejected("the old key", seen.key(self._old.id))
        yield self._becomes("the old key is deleted", self._old, DELETED)
        seen = self._driver.look(declared="Active")
        yield expect.user_has_only(seen, new)
        yield expect.is_the_same(seen.current, new)
        yield expect.is_accepted("this key", seen.current)
        yield expect.nobody_deployed(deployments, self._account.deployments())
        yield expect.invariants_hold(seen)

    def undo_by_alarm(self) -> Iterator[Expectation]:
        """Replace the key, and let the alarm go off."""
        good = self._driver.seen.current
        self._driver.deploy(serial="3", grace=_TEN_MINUTES)
        bad = self._driver.look(declared="Active").current
        yield expect.is_new(bad, good)
        self._driver.cloud.client("cloudwatch").set_alarm_state(
            AlarmName=self._account.output("AlarmName"), StateValue="ALARM", StateReason="a consumer is denied"
        )
        yield self._driver.wait(
            "the alarm has brought the previous key back", self._account.current_key_id, good.id, seconds=_PATIENCE
        )
        yield from self._went_back(good, bad)

    def rotate_natively(self) -> Iterator[Expectation]:
        """Ask Secrets Manager to rotate, as its schedule does."""
        old, deployments = self._driver.seen.current, self._account.deployments()
        lines = len(self._driver.records.notes.log)
        yield from self._driver.rotate_natively(seconds=_PATIENCE)
        seen = self._driver.look(declared="Active")
        yield expect.steps_were(_steps_in(self._driver.records.notes.log[lines:]))
        yield expect.is_new(seen.current, old)
        yield expect.is_accepted("the new key", seen.current)
        yield expect.is_in_grace("the key from before", seen.key(old.id))
        yield expect.serial_is(self._account.deployed_serial(), "3")
        yield expect.nobody_deployed(deployments, self._account.deployments())
        yield expect.invariants_hold(seen)
        self._old = seen.key(old.id)

    def undo_by_command(self) -> Iterator[Expectation]:
        """Go back by hand."""
        bad = self._driver.seen.current
        self._driver.undo()
        yield from self._went_back(self._old, bad)

    def destroy(self) -> Iterator[Expectation]:
        """Delete the stack while a sweep is due."""
        yield expect.a_sweep_is_due(self._account.due_entries())
        self._driver.destroy()
        seen = self._driver.look(declared=None)
        yield from expect.all_is_gone(seen, self._driver.calls(), self._driver.left())

    def steps(self) -> list[Step]:
        """List the steps of this journey."""
        return [
            Step(
                "Deploy a key that rotates by itself",
                "With a schedule, an alarm, and a grace period of 10 seconds instead of hours.",
                self.deploy,
            ),
            Step(
                "Rotate while a client uses the old key",
                "The client signs a call each second. The grace period ends, and its use holds the retirement back.",
                self.rotate_in_use,
            ),
            Step(
                "The client stops",
                "The sweep deactivates the old key once it is unused, and later deletes it. Nobody deploys.",
                self.retire,
            ),
            Step(
                "Rotate, and an alarm goes off",
                "In the grace period, ten minutes now: the previous key is current again, the bad one Inactive.",
                self.undo_by_alarm,
            ),
            Step(
                "Secrets Manager rotates",
                "Its own rotation, with the provider as the rotation function.",
                self.rotate_natively,
            ),
            Step("Undo", "By the command line, with the operator's AWS credentials.", self.undo_by_command),
            Step("Destroy", "Both keys, the ledger and the rest go.", self.destroy),
        ]

    def _told(self) -> str:
        if self._client is not None:
            # This demo's own look at the key is a use of it too.
            self._client.await_call()
        self._driver.sweep()
        kinds = [event["event"] for event in self._driver.told() if event["accessKeyId"] == self._old.id]
        return "told" if _POSTPONED in kinds else "not told"

    def _becomes(self, sentence: str, key: KeySeen, status: str) -> Expectation:
        return self._driver.becomes(sentence, key.id, status, seconds=_PATIENCE)

    def _went_back(self, good: KeySeen, bad: KeySeen) -> Iterator[Expectation]:
        yield self._becomes("the bad key is deactivated", bad, "Inactive")
        seen = self._driver.look(declared="Active")
        yield expect.is_the_same(seen.current, good)
        yield expect.is_accepted("this key", seen.current)
        yield expect.is_rejected("the bad key", seen.key(bad.id))
        yield expect.is_kept_inactive("the bad key", seen.key(bad.id))
        yield expect.invariants_hold(seen)


def _steps_in(log: Sequence[str]) -> list[str]:
    """Read from a function's log which steps of a rotation succeeded, in their order."""
    lines = (json.loads(line) for line in log if line.startswith("{"))
    return [line["step"] for line in lines if line["message"] == "the step succeeded"]
