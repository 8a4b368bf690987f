"""Random lives of a key: all five callers, time that passes, faults, and people's hands, against a small strict model.

The model knows which key is current and why. Whatever happens, after the next sweep the account is as the model says.
`make soak` runs more and longer lives.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from fakes.aws import ProcessDeath
from fakes.errors import ServiceError
from fakes.faults import CONNECTION_LOST, PROCESS_DEATH, SERVER_ERROR, THROTTLED, TIMED_OUT, Fault
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.stack import COPIES, STEPS, SWEEP, Event, Properties, Stack

from lambda_shared.errors import ProviderError

GRACE = timedelta(hours=1)
RETENTION = timedelta(days=1)
PERIODS = {"GracePeriod": "3600", "RetentionPeriod": "86400", "OnKeyLimit": "RetirePrevious"}
_KEYS_PER_USER = 2
FAULTS = (PROCESS_DEATH, CONNECTION_LOST, SERVER_ERROR, THROTTLED, TIMED_OUT)

Step = tuple[str, Any]
Injected = tuple[Fault, str, int] | None


@dataclass
class Life:
    """One key's life so far.

    Attributes:
        stack: the stack and everything around it.
        serial: the last serial that was used.
        current: the key that must be current; empty while a fault leaves it open.
        tokens: how many rotations were begun.
        adoption: what the template says of a person's key that it adopts.
        copies: what it says of copies.
        deleted: the names of the copies that a person has deleted since the last key.
    """

    stack: Stack
    serial: int = 1
    current: str = ""
    tokens: int = 0
    seen: set[str] = field(default_factory=set)
    adoption: Properties = field(default_factory=dict)
    copies: list[dict[str, str]] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)

    def properties(self) -> Properties:
        """Build what the template says."""
        copies = {"Copies": self.copies} if self.copies else {}
        return self.stack.properties(str(self.serial), **PERIODS, **self.adoption, **copies)

    def run(self, step: Step, injected: Injected) -> None:
        """Take a step, perhaps with a fault in it, and check what holds afterwards."""
        name, argument = step
        account = self.stack.account
        if injected:
            fault, phase, index = injected
            account.fail(fault, len(account.log.calls()) + index, phase=phase)  # type: ignore[arg-type] # a literal
        getattr(self, f"_{name}")(argument)
        account.heal()
        self.stack.check_always()

    def settle(self) -> None:
        """Let the sweep come twice, and check everything."""
        for _ in range(2):
            self.stack.sweep(timedelta(minutes=10))
        deployed = self.stack.known[1] if self.stack.known else None
        expected = self.stack.expected(deployed, user="deploy", secret_arn=self.stack.secret_arn)
        # A rotation that Secrets Manager does not go on with is given up after a day.
        self.stack.check(replace(expected, pending="rotation" in self.stack.entry))
        if deployed:
            self.stack.check_adoption(deployed)
            key, _ = self.stack.current_key()
            if self.current:
                assert key == self.current, "another key is current"
            self.current = key
            self._check_copies(deployed.get("Copies", []), key)

    def _check_copies(self, declared: list[dict[str, str]], key: str) -> None:
        """Check that the readers of each copy get the current key, or that it is reported."""
        for copy in declared:
            value = self.stack.read_copy(copy)
            if value is None:
                assert copy["Name"] in self.deleted, f"there is no {copy['Name']}"
            elif key not in value:
                said = self.stack.entry.get("failing", {}).get("reason", "")
                assert f"{copy['Name']} in" in said, f"{copy['Name']} has another key, and nobody is told"

    def _clean_up(self, before: Properties, after: Properties) -> None:
        """Let CloudFormation delete the copies that have left the template."""
        left = [copy for copy in before.get("Copies", []) if copy not in after.get("Copies", [])]
        for copy in left:
            self.stack.account.heal()
            event = self.stack.delete_copy(copy)
            assert self.stack.deliver(event, after=90) == "SUCCESS", self.stack.answers[-1]
            assert self.stack.read_copy(copy) is None, f"{copy['Name']} is left"

    def _deploy(self, changes: Properties) -> None:
        """Let CloudFormation deploy, go on after a death as Lambda does, and roll back what fails."""
        stack = self.stack
        if stack.known is None:
            properties = self.properties()
            if not self._answered(stack.create(properties)):
                self._clean_up(properties, {})
            return
        before = self.current
        if "Serial" in changes:
            self.serial += 1
        properties = self.properties() | changes
        properties["Serial"] = str(self.serial)
        known = stack.known
        if not self._answered(stack.update(properties)):
            assert stack.deliver(stack.event("Update", known[1], known[0], properties)) == "SUCCESS", stack.answers[-1]
            self.serial = int(known[1]["Serial"])
            self.adoption = {name: value for name, value in known[1].items() if name == "AdoptedKey"}
            self.copies = known[1].get("Copies", [])
            self.current = before
            self._clean_up(properties, known[1])
            return
        self._clean_up(known[1], properties)
        if properties.get("Copies") != known[1].get("Copies"):
            self._is_current(stack.current_key()[0])
        elif properties["Serial"] == known[1]["Serial"]:
            self.current = before
        else:
            key = stack.current_key()[0]
            assert key not in self.seen, "a rotation made no new key"
            self._is_current(key)

    def _adopt(self, _: object) -> None:
        """Let the template adopt a key that a person made, or give it up."""
        stack = self.stack
        if stack.known is None:
            return
        if self.adoption:
            self.adoption = {}
        elif len(stack.keys()) < _KEYS_PER_USER and not stack.unmanaged:
            self.adoption = {"AdoptedKey": stack.make_adoptable()}
        self._deploy({})

    def _copy(self, copies: list[dict[str, str]]) -> None:
        """Let the template declare other copies, which rotates."""
        if self.stack.known is not None:
            self.copies = copies
            self._deploy({})

    def _answered(self, event: Event) -> bool:
        """Deliver a request until it is answered; tell whether with success."""
        stack = self.stack
        answer = stack.deliver(event)
        if answer is None:
            stack.account.heal()
            answer = stack.deliver(event, after=90)
        if answer == "SUCCESS":
            stack.known = (stack.last_id, event["ResourceProperties"])
            if event["RequestType"] == "Create":
                self._is_current(stack.current_key()[0])
            return True
        stack.account.heal()
        if event["RequestType"] == "Create":
            assert stack.deliver(stack.event("Delete", event["ResourceProperties"], stack.last_id)) == "SUCCESS"
        return False

    def _fail_after(self, _: object) -> None:
        """Rotate, and roll back because another resource failed."""
        stack = self.stack
        if stack.known is None:
            return
        before, known = self.current, stack.known
        self.serial += 1
        update = stack.update(self.properties())
        self._answered(update)
        stack.account.heal()
        stack.known = known
        assert stack.deliver(stack.roll_back(update)) == "SUCCESS", stack.answers[-1]
        if before:
            assert stack.current_key()[0] == before, "the rollback did not bring the key back"
        self.current = before

    def _delete(self, _: object) -> None:
        stack = self.stack
        if stack.known is None:
            return
        event = stack.delete()
        if stack.deliver(event) != "SUCCESS":
            stack.account.heal()
            assert stack.deliver(event, after=90) == "SUCCESS", stack.answers[-1]
        self._clean_up(stack.known[1], {})
        stack.known, self.current, self.adoption, self.copies = None, "", {}, []
        self.deleted.clear()
        self.serial += 1

    def _sweep(self, _: object) -> None:
        with suppress(ProviderError):
            self.stack.sweep(timedelta(minutes=5))

    def _pass(self, time: timedelta) -> None:
        self.stack.account.clock.sleep(time.total_seconds())
        self._worker(SWEEP)

    def _rotate(self, steps: int) -> None:
        """Let Secrets Manager rotate, perhaps not to the end."""
        stack = self.stack
        if stack.known is None or stack.known[1]["Status"] != "Active":
            return
        self.tokens += 1
        try:
            event = stack.begin_rotation(f"00000000-0000-4000-9000-{self.tokens:012}")
        except ServiceError:
            # Secrets Manager is not done with the one before.
            return
        for step in STEPS[:steps]:
            if not self._worker(event(step)):
                break
        # Whether it has come to its end shows in what is current.
        self.current = ""

    def _operate(self, operation: str) -> None:
        if self.stack.known is None:
            return
        if operation == "Retire":
            # An adopted key, too, whenever that is.
            self.stack.untouched_since = None
        with suppress(ProviderError):
            self.stack.operate(operation)
        self.current = ""

    def _alarm(self, _: object) -> None:
        if self.stack.known is None:
            return
        self._worker(self.stack.alarm())
        self.current = ""

    def _person(self, act: str) -> None:
        """Let a person make or deactivate a key that is not the current one."""
        stack = self.stack
        if act == "make" and len(stack.keys()) < 2:
            stack.add_unmanaged_key("deploy")
        others = [key for key in stack.our_keys() if key != (stack.current_key()[0] if stack.known else "")]
        if act == "delete" and others:
            stack.account.person.delete_key(others[0])
            # The daily check finds it.
            stack.account.clock.sleep(timedelta(days=1).total_seconds())
        if act == "delete a copy" and self.copies:
            stack.delete_copy_by_hand(self.copies[0])
            self.deleted.add(self.copies[0]["Name"])

    def _worker(self, event: Event) -> bool:
        try:
            return self.stack.invoke(event, "worker") is not ProcessDeath
        except ProviderError:
            return False

    def _is_current(self, key: str) -> None:
        self.current = key
        self.seen.add(key)


STEPS_OF_A_LIFE: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("deploy"), st.sampled_from([{"Serial": "new"}, {"Serial": "new"}, {"Status": "Inactive"}, {}])),
    st.tuples(st.just("fail_after"), st.none()),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("adopt"), st.none()),
    st.tuples(st.just("copy"), st.sampled_from([COPIES, COPIES, COPIES[:1], COPIES[1:], []])),
    st.tuples(st.just("sweep"), st.none()),
    st.tuples(st.just("pass"), st.sampled_from([timedelta(minutes=5), GRACE, 3 * GRACE, RETENTION, 8 * RETENTION])),
    st.tuples(st.just("rotate"), st.sampled_from([1, 2, 4, 4])),
    st.tuples(st.just("operate"), st.sampled_from(["Undo", "Rotate", "Retire"])),
    st.tuples(st.just("alarm"), st.none()),
    st.tuples(st.just("person"), st.sampled_from(["make", "delete", "delete a copy"])),
)
INJECTED: st.SearchStrategy[Injected] = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.sampled_from(FAULTS), st.just("before"), st.integers(0, 25)),
)


def live(steps: list[tuple[Step, Injected]]) -> None:
    """Live a life, and check it after each step and at its end."""
    with Stack.on_fake_account() as stack:
        life = Life(stack)
        life.run(("deploy", {}), None)
        try:
            for step, injected in steps:
                life.run(step, injected)
                life.settle()
            life.run(("delete", None), None)
            stack.sweep_for(timedelta(days=3), timedelta(hours=12))
            stack.check_nothing_of_ours()
        except AssertionError as error:
            told = "\n".join(f"{step} {fault}" for step, fault in steps)
            raise AssertionError(f"{told}\n{error}") from error


LIVES = st.lists(st.tuples(STEPS_OF_A_LIFE, INJECTED), min_size=1, max_size=10)
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=120, deadline=None, suppress_health_check=_QUIET, derandomize=True)
@given(LIVES)
def test_random_lives(steps: list[tuple[Step, Injected]]) -> None:
    """Whatever comes after whatever: the ledger and the account agree, and nothing is left at the end."""
    live(steps)


def test_a_life_with_a_copy_that_comes_back_after_an_undo() -> None:
    """The key that the undo has restored is older than the copy, whose readers get the pending one: that is told."""
    copy = {"Kind": "secret", "Name": "copies/deploy", "Region": "us-west-2"}
    steps = [("copy", [copy]), ("person", "delete a copy"), ("operate", "Undo"), ("rotate", 1)]
    live([(step, None) for step in steps])


@pytest.mark.thorough
@settings(
    max_examples=int(os.environ.get("SOAK_LIVES", "3000")), deadline=None, suppress_health_check=_QUIET, print_blob=True
)
@given(LIVES)
def test_many_random_lives(steps: list[tuple[Step, Injected]]) -> None:
    """The same, many more."""
    live(steps)
