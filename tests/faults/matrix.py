"""Tries every fault of every call of an operation, and every way that it goes on afterwards.

The calls are those that a run without a fault makes: a new call is tried by itself. The state after a fault is copied,
and each way goes on from its own copy. What a process can't tell apart is tried in fewer ways. All that leaves the
processes meanwhile is searched for what must not.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from fakes.faults import (
    ACCESS_DENIED,
    CONFLICT,
    CONNECTION_LOST,
    FAULTS,
    NOT_FOUND,
    PROCESS_DEATH,
)
from fakes.state import SECRET_MARK
from faults.ways import OF_CLOUDFORMATION, OF_OTHERS, send
from support.captured_output import CapturedOutput, capturing, everything_to_debug
from support.leak_scanner import LeakScanner
from support.stack import SIGNATURE, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.calls import Call
    from fakes.faults import Fault, Phase
    from faults.ways import Way
    from support.stack import Event, Operation

# One of each class that the code can tell apart. Connections that are lost or not made, timeouts, and errors inside AWS
# leave the outcome unknown; a call that is throttled for long is refused.
REPRESENTATIVES = (PROCESS_DEATH, CONNECTION_LOST, ACCESS_DENIED, NOT_FOUND, CONFLICT)
# The attempts that the ledger and `Caller` make of one call.
_LEDGER_ATTEMPTS = 3
_WAYS_IN_TURN = 2


@dataclass
class OneCall:
    """Matches a call and its repetitions, not the calls after it."""

    first: int
    _last: int | None = None
    _matched: int = 0
    _begun: Call | None = None

    def __call__(self, call: Call) -> bool:
        """Tell whether a call is the one, or repeats it."""
        if self._begun is None and call.index == self.first:
            self._begun = call
        elif not self._repeats(call):
            return False
        self._last, self._matched = call.index, self._matched + 1
        return True

    def _repeats(self, call: Call) -> bool:
        begun = self._begun
        return (
            begun is not None
            and call.index - 1 == self._last
            and (call.name, call.parameters) == (begun.name, begun.parameters)
            and (call.service != "dynamodb" or self._matched < _LEDGER_ATTEMPTS)
        )


@dataclass(frozen=True)
class FromThen:
    """Matches a call and all of its name from then on: while the process lives, it can't be made."""

    first: int
    name: str

    def __call__(self, call: Call) -> bool:
        """Tell whether a call is one of them."""
        return call.index >= self.first and call.name == self.name


@dataclass(frozen=True)
class Injected:
    """A fault at a call: before or after it, once with its repetitions or for the rest of the process's life."""

    call: Call
    fault: Fault
    phase: Phase
    lasts: bool

    def __str__(self) -> str:
        """Show it in a test report."""
        return f"{self.fault} {self.phase} {self.call.index} {self.call.name}{', lasting' if self.lasts else ''}"

    def into(self, stack: Stack) -> None:
        """Prepare it."""
        call = self.call
        matches = FromThen(call.index, call.name) if self.lasts else OneCall(call.index)
        stack.account.fail(self.fault, matches, phase=self.phase, times=None)


@dataclass
class Matrix:
    """The matrix of one operation.

    Attributes:
        operation: the operation.
        thorough: whether all faults are tried in all ways; else one of each class, and each outcome in some ways, in
            turn.
        calls, injected, runs: how much was tried.
        failures: what does not hold, in words.
    """

    operation: Operation
    thorough: bool = False
    calls: int = 0
    injected: int = 0
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    scanner: LeakScanner = field(default_factory=lambda: LeakScanner([SECRET_MARK, SIGNATURE]))
    _outcomes: set[object] = field(default_factory=set)
    _output: CapturedOutput = field(default_factory=CapturedOutput)

    def run(self) -> None:
        """Try everything."""
        with capturing(everything_to_debug) as self._output:
            self._run()
        self._scan()

    def _run(self) -> None:
        random.seed(self.operation.name)
        with Stack.on_fake_account(self.operation.value) as stack:
            self.operation.prepare(stack)
            chance = random.getstate()
            stack.account.log.clear()
            random.setstate(chance)
            calls = self._undisturbed(stack)
            self.calls = len(calls)
            for injected in self._injections(calls):
                random.setstate(chance)
                self._try(stack, injected)
                self._scan()

    def _injections(self, calls: list[Call]) -> Iterator[Injected]:
        for call in calls:
            for fault in FAULTS if self.thorough else REPRESENTATIVES:
                if fault.applies_to(call):
                    phases = fault.phases if self.thorough or call.wrote else fault.phases[-1:]
                    # A user or a secret that is not found for long is gone.
                    lasting = (False, True) if self.thorough and fault not in (PROCESS_DEATH, NOT_FOUND) else (False,)
                    yield from (Injected(call, fault, phase, lasts) for phase in phases for lasts in lasting)

    def _undisturbed(self, stack: Stack) -> list[Call]:
        with stack.forked() as fork:
            send(fork, self.operation.request(fork))
            return fork.account.log.calls()

    def _try(self, prepared: Stack, injected: Injected) -> None:
        self.injected += 1
        with prepared.forked() as stack, self._reported(str(injected)):
            injected.into(stack)
            event = self.operation.request(stack)
            answer = send(stack, event)
            self._watch(stack, event)
            self._output.add(str(injected), stack.answers)
            assert any(injection.fired for injection in stack.account.injections), "the fault was never met"
            stack.check_always()
            _check_current_key_works(stack, event)
            stack.account.heal()
            for way in self._ways(injected, event, (answer, outcome(stack))):
                self.runs += 1
                with stack.forked() as fork, self._reported(f"{injected}, {way.__name__}"):
                    self._go_on(fork, way, event, answer)

    def _ways(self, injected: Injected, event: Event, after: object) -> tuple[Way, ...]:
        ways = OF_CLOUDFORMATION if "RequestType" in event else OF_OTHERS
        if self.thorough:
            return ways if injected.fault in REPRESENTATIVES else ways[:2]
        if after in self._outcomes:
            return ()
        self._outcomes.add(after)
        first = len(self._outcomes) * _WAYS_IN_TURN
        return tuple(ways[(first + number) % len(ways)] for number in range(_WAYS_IN_TURN))

    def _go_on(self, stack: Stack, way: Way, event: Event, answer: str | None) -> None:
        answers = len(stack.answers)
        deployed = way(stack, event, answer)
        self._watch(stack, event)
        self._output.add("an answer afterwards", stack.answers[answers:])
        stack.sweep()
        if stack.entry.get("failing"):
            # It is tried again later than that.
            stack.sweep(timedelta(hours=1))
        if stack.entry.get("rotation"):
            # Nobody goes on with it.
            stack.sweep(timedelta(days=1))
        if stack.account.state.functions:
            # A call whose answer was lost may run for 18 minutes; what fails is tried less and less often.
            stack.sweep_for(timedelta(minutes=45), every=timedelta(minutes=5))
        stack.check_deployed(deployed)

    def _watch(self, stack: Stack, event: Event) -> None:
        """Look for what follows from the secrets made for a format: it has no mark in it."""
        if "SecretFormat" in event.get("ResourceProperties", {}):
            users = stack.account.state.users.values()
            self.scanner.watch(key.secret for user in users for key in user.keys.values())

    def _scan(self) -> None:
        """Search what has left since."""
        self.failures += [str(leak) for leak in self.scanner.search(self._output.values)]
        self._output.values.clear()

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except AssertionError as error:
            shown = str(error).split("\n", 1)[0]
            self.failures.append(f"{what}: {shown}")


def outcome(stack: Stack) -> object:
    """Describe what is there, but for times and who was at work: two such states go on in the same way."""
    state = stack.account.state
    return repr(
        (
            [stack.keys(user) for user in ("deploy", "vendor")],
            [sorted(user.tags.value.values()) for user in state.users.values()],
            [sorted(secret.labels.value.items()) for secret in state.secrets.values()],
            [_without_times(entry) for entry in stack.entries.values()],
        )
    )


_LEFT_OUT = {"version", "history", "until", "holder", "request", "reason"}


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_times(member) for name, member in sorted(value.items()) if name not in _LEFT_OUT}
    if isinstance(value, str) and value[:2] == "20" and value.endswith("Z"):
        return "a time"
    return value


def _check_current_key_works(stack: Stack, event: Event) -> None:
    """Whoever reads the secret at this moment gets a key that exists, and works if it was declared so."""
    if stack.known is None or event.get("RequestType") == "Delete" or "SecretString" in event:
        return
    before, after = stack.known[1], event.get("ResourceProperties", {})
    _, status = stack.current_key(before["SecretArn"])
    assert status in {before["Status"], after.get("Status")}, f"the current key is {status}"
