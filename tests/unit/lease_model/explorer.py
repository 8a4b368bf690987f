"""Search every state that callers can get into, and judge each end."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from unit.lease_model.judgement import Judge, check
from unit.lease_model.protocol import Protocol, ViolationError
from unit.lease_model.rules import PROTOCOL, Rules

if TYPE_CHECKING:
    from unit.lease_model.state import Aws, Entry, Program, State


class Scenario(NamedTuple):
    """Where it begins, who calls, how many deaths, stalls and lost answers may happen."""

    entry: Entry
    aws: Aws
    programs: tuple[Program, ...]
    faults: int


class Explored(NamedTuple):
    """How much was searched."""

    states: int = 0
    ends: int = 0
    interleavings: int = 0

    def __str__(self) -> str:
        """Show the numbers in a sentence."""
        return f"{self.interleavings:,} interleavings, {self.states:,} states, {self.ends:,} ends"


class BrokenError(AssertionError):
    """A run that ends wrong, step by step."""


class Search:
    """Searches breadth first, each state once: the first violation found has the shortest run."""

    def __init__(self, rules: Rules = PROTOCOL, *, only_begun_calls: bool = True) -> None:
        self.rules = rules
        self.only_begun_calls = only_begun_calls
        self.judge = Judge(rules)
        self.explored = Explored()

    def run(self, scenario: Scenario) -> None:
        """Search all states of a scenario; raise with the run that leads to a violation."""
        protocol = Protocol(scenario.programs, self.rules, only_begun_calls=self.only_begun_calls)
        start = protocol.start(scenario.entry, scenario.aws, scenario.faults)
        came_from: dict[State, tuple[State, str] | None] = {start: None}
        follow: dict[State, list[State]] = {}
        queue = deque([start])
        while queue:
            state = queue.popleft()
            try:
                steps = list(protocol.steps(state))
                if not steps:
                    self._judge(scenario, protocol, state)
            except ViolationError as violation:
                raise BrokenError(_story(violation, state, came_from)) from violation
            follow[state] = [after for _, after in steps]
            for what, after in steps:
                if after not in came_from:
                    came_from[after] = (state, what)
                    queue.append(after)
        ends = sum(not after for after in follow.values())
        found = Explored(len(follow), ends, _interleavings(start, follow))
        self.explored = Explored(*map(sum, zip(self.explored, found, strict=True)))

    def _judge(self, scenario: Scenario, protocol: Protocol, state: State) -> None:
        """Judge an end: as it is if nothing went wrong, and after each way on."""
        for program, caller in zip(scenario.programs, state.callers, strict=True):
            if caller.running:
                raise ViolationError(f"{program.name} waits for ever")
        if protocol.status(state, state.entry.holder) == "done":
            raise ViolationError("who has stopped still holds the lease")
        if state.faults == scenario.faults and not state.entry.unfinished:
            check(state.entry, state.aws)
            requests = {(program.time, program.serial) for program in scenario.programs if program.serial}
            if state.aws.made - scenario.aws.made > len(requests):
                raise ViolationError("two keys for one request")
        self.judge.after_a_way_on(state.entry, state.aws)


def _story(violation: Exception, state: State, came_from: dict[State, tuple[State, str] | None]) -> str:
    """Tell the run that leads to a state."""
    steps: list[str] = []
    at = state
    while (origin := came_from[at]) is not None:
        at, what = origin
        steps.insert(0, what)
    return "\n  ".join([str(violation), *steps, f"=> {state.entry}", f"=> {state.aws}"])


def _interleavings(start: State, follow: dict[State, list[State]]) -> int:
    """Count the runs from the start to an end; no state comes back, so they are finite."""
    runs: dict[State, int] = {}
    stack = [start]
    while stack:
        state = stack[-1]
        waiting = [after for after in follow[state] if after not in runs]
        if waiting:
            stack += waiting
        else:
            runs[state] = sum(runs[after] for after in follow[state]) or 1
            stack.pop()
    return runs[start]
