"""In which order callers make their calls: every order with up to two changes of turn, samples, and stalls.

All orders that differ are tried, and those that can't differ are left out: a caller that waits for the lease makes no
other call until it has it, however long its turn is.
"""

from __future__ import annotations

import functools
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faults.interleavings.situations import NAMES, SITUATIONS, callers_in
from faults.interleavings.turns import Why, after_calls, race

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from faults.interleavings.turns import Caller, Moment, Race, Stop

# What decides: who changes AWS, and who fences that off in the ledger.
WRITES = frozenset(
    {
        "iam:CreateAccessKey",
        "iam:UpdateAccessKey",
        "iam:DeleteAccessKey",
        "iam:TagUser",
        "iam:UntagUser",
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteSecret",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
        "ssm:DeleteParameter",
        "ssm:LabelParameterVersion",
        "ssm:PutParameter",
    }
)
LEDGER_WRITE = "dynamodb:PutItem"

# As long as a lease lasts, and a little more.
_LEASE = 61.0
_FIRST, _SECOND = NAMES[:2]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Callers that meet in a situation."""

    situation: str
    kinds: tuple[str, ...]

    def __str__(self) -> str:
        """Name it in a test's id."""
        return f"{self.situation}: {' and '.join(self.kinds)}"


def meetings(*situations: str) -> list[Meeting]:
    """List all pairs, in all situations or those named."""
    return [
        Meeting(situation.name, pair)
        for situation in SITUATIONS.values()
        if not situations or situation.name in situations
        for pair in situation.pairs()
    ]


def by_first(*situations: str) -> dict[str, list[Meeting]]:
    """List the pairs by the situation and by who is named first."""
    grouped: dict[str, list[Meeting]] = {}
    for meeting in meetings(*situations):
        grouped.setdefault(f"{meeting.situation}: {meeting.kinds[0]}", []).append(meeting)
    return grouped


@functools.cache
def calls_of(situation: str, kind: str) -> int:
    """Count the calls of a caller that is alone."""
    with SITUATIONS[situation].prepared.forked() as stack, race(stack, callers_in(stack, kind)) as alone:
        alone.finish()
        return alone.callers[_FIRST].calls


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an order: why the first turn ended and why the second, and how many calls the taker had made."""

    first: Why
    second: Why
    calls: int = 0


# --- turns: everybody is alive, and whoever waits for the lease lets the others go on


@dataclass(frozen=True, slots=True)
class Turns:
    """Who makes how many calls, one after the other; None is all that are left. Then all go on to their ends."""

    turns: tuple[tuple[str, int | None], ...]

    def take(self, running: Race) -> Taken:
        """Let the callers take their turns."""
        found = [running.run(name, after_calls(number)) for name, number in self.turns]
        running.finish()
        return Taken(*found[:2])


def every_turn() -> Generator[Turns, Taken, None]:
    """Give all turns of two callers with up to two changes; send what came of each to get the next one."""
    for one, other in ((_FIRST, _SECOND), (_SECOND, _FIRST)):
        for begins in itertools.count():
            found = yield Turns(((one, begins), (other, 1), (one, None)))
            for goes_on in itertools.count(2):
                if found.second is not Why.STOPPED:
                    break
                found = yield Turns(((one, begins), (other, goes_on), (one, None)))
            if found.first is not Why.STOPPED:
                break


def some_turns(meeting: Meeting, number: int) -> Iterator[Turns]:
    """Give a sample of turns with up to two changes, the same in every run and another one for each meeting."""
    chance = random.Random(str(meeting))
    for _ in range(number):
        (one, kind), (other, other_kind) = chance.sample(list(zip(NAMES, meeting.kinds, strict=False)), 2)
        begins = chance.randint(0, calls_of(meeting.situation, kind))
        goes_on = chance.choice((1, 2, 3, chance.randint(1, calls_of(meeting.situation, other_kind) + 1)))
        yield Turns(((one, begins), (other, goes_on), (one, None)))


def many_turns(meeting: Meeting, number: int) -> Iterator[Turns]:
    """Give a sample of turns of a few calls each, with three to twelve changes, for two callers or more."""
    chance = random.Random(f"many {meeting}")
    names = NAMES[: len(meeting.kinds)]
    for _ in range(number):
        yield Turns(tuple((chance.choice(names), chance.randint(1, 9)) for _ in range(chance.randint(4, 13))))


# --- stalls: a machine stands still for longer than its lease lasts, and another caller takes over


@dataclass(frozen=True, slots=True)
class Stall:
    """One caller holds the lease and stands still; another one waits, takes over, makes some calls; the first wakes up.

    Attributes:
        one: who stands still.
        other: who takes over.
        where: at which of the moments that matter: before and after each write to IAM or Secrets Manager, and before
            each write to the ledger, counted from 0.
        calls: how many calls the other one makes under its lease before the first one wakes up.
        dies: whether it dies instead.
    """

    one: str
    other: str
    where: int
    calls: int = 0
    dies: bool = False

    def take(self, running: Race) -> Taken:
        """Let it happen."""
        first = running.run(self.one, _at_moment(self.where))
        if self.dies:
            running.kill(self.one)
        if first is Why.STOPPED:
            end_lease(running, self.other)
        second = running.run(self.other, _under_lease(self.calls), alone=True)
        made = running.callers[self.other].calls_under_lease
        running.run(self.one)
        running.finish()
        return Taken(first, second, made)


def end_lease(running: Race, taker: str) -> None:
    """Let a lease end before a sweep comes, which does not wait for one."""
    if running.callers[taker].event.get("Operation") == "Sweep":
        running.stack.account.clock.sleep(_LEASE)


def _at_moment(number: int) -> Stop:
    left = number

    def stop(caller: Caller, moment: Moment) -> bool:
        nonlocal left
        before = moment.phase == "before" and moment.call.name in WRITES | {LEDGER_WRITE}
        after = moment.phase == "after" and moment.call.name in WRITES
        if caller.held is None or not (before or after):
            return False
        left -= 1
        return left < 0

    return stop


def _under_lease(calls: int) -> Stop:
    """Stop before a call to IAM, Secrets Manager or STS: what one does to the ledger a late call can't meet."""

    def stop(caller: Caller, moment: Moment) -> bool:
        is_met = moment.phase == "before" and moment.call.service != "dynamodb"
        return is_met and caller.held is not None and caller.calls_under_lease >= calls

    return stop


def every_stall() -> Generator[Stall, Taken, None]:
    """Give all stalls; send what came of each to get the next one."""
    for one, other in ((_FIRST, _SECOND), (_SECOND, _FIRST)):
        for where in itertools.count():
            found = yield Stall(one, other, where)
            while found.first is Why.STOPPED and found.second is Why.STOPPED:
                found = yield Stall(one, other, where, found.calls + 1)
            if found.first is not Why.STOPPED:
                break


def every_death() -> Generator[Stall, Taken, None]:
    """Give all moments at which one of two dies, and the other one takes over."""
    for one, other in ((_FIRST, _SECOND), (_SECOND, _FIRST)):
        for where in itertools.count():
            found = yield Stall(one, other, where, dies=True)
            if found.first is not Why.STOPPED:
                break


def some_stalls(meeting: Meeting, number: int) -> Iterator[Stall]:
    """Give a sample of stalls, the same in every run and another one for each meeting."""
    chance = random.Random(f"stall {meeting}")
    for _ in range(number):
        (one, kind), (other, other_kind) = chance.sample(list(zip(NAMES, meeting.kinds, strict=False)), 2)
        where = chance.randint(0, calls_of(meeting.situation, kind))
        calls = chance.randint(0, calls_of(meeting.situation, other_kind))
        yield Stall(one, other, where, calls)
