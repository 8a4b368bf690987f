"""The lease: its holder is slow, dies, or is a machine that stands still and wakes up when another one has taken over.

Who wakes up makes at most the one call that it had begun, finds the lease lost, and takes back what that call made.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from faults.interleavings.aftermath import check_after
from faults.interleavings.meet import meet, meet_in_every, meet_in_some, story
from faults.interleavings.orders import (
    LEDGER_WRITE,
    WRITES,
    Meeting,
    Stall,
    Turns,
    by_first,
    calls_of,
    end_lease,
    every_death,
    every_stall,
    meetings,
    some_stalls,
    some_turns,
)
from faults.interleavings.situations import SITUATIONS, callers_in
from faults.interleavings.turns import Why, race

from access_key_provider.model.errors import LeaseLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fakes.aws import Call
    from faults.interleavings.turns import Caller, Moment

    Record = Callable[[str, object], None]

_SAMPLE = 2
# One call with its retries. STS and EventBridge are asked once, and a slow write to the ledger fences itself off.
_SLOW_CALL = 45.0
_SLOW_ONCE = 14.0
_CLOCKS_APART = (-120.0, -30.0, 30.0, 120.0)


@pytest.mark.parametrize("pairs", by_first().values(), ids=list(by_first()))
def test_a_holder_that_stood_still(pairs: list[Meeting]) -> None:
    """A sample: it stands still somewhere, another caller takes over, and it wakes up while that one is at work."""
    for meeting in pairs:
        meet_in_some(meeting, some_stalls(meeting, _SAMPLE))


@pytest.mark.thorough
@pytest.mark.parametrize("meeting", meetings(), ids=str)
def test_a_holder_that_stood_still_anywhere(meeting: Meeting, record_property: Record) -> None:
    """It wakes up at any moment of the one that has taken over."""
    record_property("tried", meet_in_every(meeting, every_stall()))


@pytest.mark.thorough
@pytest.mark.parametrize("meeting", meetings(), ids=str)
def test_a_holder_that_died_anywhere(meeting: Meeting, record_property: Record) -> None:
    """The one that waited for it goes on from what it has left."""
    record_property("tried", meet_in_every(meeting, every_death()))


# --- each kind of late call


@dataclass(frozen=True, slots=True)
class LateCall:
    """A call that a holder has begun when its machine stands still.

    Attributes:
        name: the action.
        situation, kind: who makes it, and where.
        call: what it is called in the log.
        moves: whether it puts AWSCURRENT somewhere, where the same call can also remove a label.
        status: which status it sets.
    """

    name: str
    situation: str
    kind: str
    call: str
    moves: bool | None = None
    status: str = ""

    def is_at(self, moment: Moment) -> bool:
        """Tell whether a caller is about to make it."""
        call = moment.call
        return (
            moment.phase == "before"
            and call.name == self.call
            and self.moves in {None, "MoveToVersionId" in call.parameters}
            and self.status in {"", call.parameters.get("Status")}
        )

    def __str__(self) -> str:
        """Name it in a test's id."""
        return f"{self.name} of {self.kind}, {self.situation}"


_STAGE = "secretsmanager:UpdateSecretVersionStage"
_UPDATE = "iam:UpdateAccessKey"
LATE_CALLS = [
    LateCall("CreateKey", "one key", "update", "iam:CreateAccessKey"),
    LateCall("CreateKey", "one key", "createSecret", "iam:CreateAccessKey"),
    LateCall("CreateKey", "nothing", "create", "iam:CreateAccessKey"),
    LateCall("StoreSecret", "one key", "rotate", "secretsmanager:PutSecretValue"),
    LateCall("StoreSecret", "one key", "createSecret", "secretsmanager:PutSecretValue"),
    LateCall("StoreSecret", "nothing", "create", "secretsmanager:PutSecretValue"),
    LateCall("Promote", "one key", "update", _STAGE, moves=True),
    LateCall("Promote", "in grace", "undo", _STAGE, moves=True),
    LateCall("Promote", "pending", "finishSecret", _STAGE, moves=True),
    LateCall("GiveBack", "value replaced", "delete", _STAGE, moves=True),
    LateCall("Activate", "retention over", "undo", _UPDATE, status="Active"),
    LateCall("Activate", "retention over", "rollback", _UPDATE, status="Active"),
    LateCall("Deactivate", "grace over", "sweep", _UPDATE, status="Inactive"),
    LateCall("Deactivate", "in grace", "undo", _UPDATE, status="Inactive"),
    LateCall("Deactivate", "in grace", "retire", _UPDATE, status="Inactive"),
    LateCall("DeleteKey", "retention over", "sweep", "iam:DeleteAccessKey"),
    LateCall("DeleteKey", "in grace", "delete", "iam:DeleteAccessKey"),
    LateCall("RemoveLabel", "retention over", "sweep", _STAGE, moves=False),
    LateCall("RemoveLabel", "pending", "delete", _STAGE, moves=False),
    LateCall("TagUser", "one key", "update", "iam:TagUser"),
    LateCall("UntagUser", "retention over", "sweep", "iam:UntagUser"),
]


@dataclass(frozen=True, slots=True)
class Begun:
    """An order: a call is begun, another caller takes over and makes some calls, and the late call comes through."""

    late: LateCall
    calls: int

    def meets(self, other: str) -> bool:
        """Let it happen, and tell whether the other one was at work when the call came through."""
        with SITUATIONS[self.late.situation].prepared.forked() as stack:
            try:
                with race(stack, callers_in(stack, *self._in_order(other))) as running:
                    one, two = self._names(other)
                    holder = running.callers[one]
                    assert running.run(one, lambda _, moment: self.late.is_at(moment)) is Why.STOPPED
                    end_lease(running, two)
                    at_work = running.run(two, self._at_work, alone=True) is Why.STOPPED
                    begun, taken = len(holder.sent), running.callers[two].held is not None
                    running.finish()
                # An Update that is older than a Delete does nothing, so it takes nothing over.
                if taken:
                    _check_one_call(holder.sent[begun:])
                stack.account.violations[:] = [
                    told for told in stack.account.violations if "while it was Active" not in told
                ]
                check_after(stack, running)
            except AssertionError as error:
                error.add_note(f"{self} {other}\n{story(stack)}")
                raise
        return at_work

    def _in_order(self, other: str) -> tuple[str, ...]:
        order = [*SITUATIONS[self.late.situation].kinds]
        return tuple(sorted((self.late.kind, other), key=order.index))

    def _names(self, other: str) -> tuple[str, str]:
        return ("first", "second") if self._in_order(other)[0] == self.late.kind else ("second", "first")

    def _at_work(self, caller: Caller, moment: Moment) -> bool:
        if moment.phase != "before" or moment.call.service == "dynamodb" or caller.held is None:
            return False
        return caller.calls_under_lease >= self.calls


def _check_one_call(sent: list[Call]) -> None:
    """Check that whoever woke up made the call that it had begun, and then asked for the lease before any other."""
    names = [call.name for call in sent]
    until = names.index(LEDGER_WRITE)
    assert sum(name in WRITES for name in names[:until]) == 1, names
    assert sent[until].outcome == "ConditionalCheckFailedException", names


def _takers() -> Iterator[tuple[LateCall, str]]:
    for late in LATE_CALLS:
        for other in SITUATIONS[late.situation].kinds:
            # Another Create, and a sweep, have nothing to do where nothing is on record.
            # A rollback that comes after an Update takes that one back.
            is_other = (late.kind, other) == ("rollback", "update")
            if not is_other and (late.situation != "nothing" or other != "sweep"):
                yield late, other


@pytest.mark.parametrize(("late", "other"), list(_takers()), ids=str)
def test_a_late_call(late: LateCall, other: str) -> None:
    """It comes through somewhere in the middle of what each other caller does, and at its end."""
    chance = random.Random(f"{late} {other}")
    Begun(late, chance.randint(0, calls_of(late.situation, other))).meets(other)


@pytest.mark.thorough
@pytest.mark.parametrize(("late", "other"), list(_takers()), ids=str)
def test_a_late_call_at_any_moment(late: LateCall, other: str) -> None:
    """It comes through before each call of each other caller."""
    calls = 0
    while Begun(late, calls).meets(other):
        calls += 1


# --- a holder that is alive keeps its lease


_SLOW = by_first("one key", "retention over")


@pytest.mark.parametrize("pairs", _SLOW.values(), ids=list(_SLOW))
def test_a_slow_call_does_not_cost_the_lease(pairs: list[Meeting]) -> None:
    """A call takes as long as it may, with all its retries: the one that waits does not take over."""
    for meeting in pairs:
        chance = random.Random(f"slow {meeting}")
        _be_slow(meeting, chance.randint(0, calls_of(meeting.situation, meeting.kinds[0])))


@pytest.mark.thorough
@pytest.mark.parametrize("meeting", meetings(), ids=str)
def test_no_slow_call_costs_the_lease(meeting: Meeting) -> None:
    """Each call in turn."""
    where = 0
    while _be_slow(meeting, where):
        where += 1


def _be_slow(meeting: Meeting, where: int) -> bool:
    with (
        SITUATIONS[meeting.situation].prepared.forked() as stack,
        race(stack, callers_in(stack, *meeting.kinds)) as two,
    ):
        slow: list[Call] = []

        def stop(caller: Caller, moment: Moment) -> bool:
            if moment.phase == "after" or len(caller.sent) < where or slow:
                return False
            slow.append(moment.call)
            return True

        why = two.run("first", stop)
        if slow:
            two.run("second")
            stack.account.clock.sleep(_SLOW_CALL if slow[0].service in {"iam", "secretsmanager"} else _SLOW_ONCE)
            two.run("second")
        two.finish()
        assert not isinstance(two.callers["first"].error, LeaseLostError), f"{meeting} {slow}\n{story(stack)}"
    return why is Why.STOPPED


# --- clocks apart


@pytest.mark.parametrize("pairs", by_first().values(), ids=list(by_first()))
def test_clocks_apart(pairs: list[Meeting]) -> None:
    """A sample: half a minute or two minutes, of either of them. Who is ahead takes a lease over that has not ended."""
    for meeting in pairs:
        chance = random.Random(f"skew {meeting}")
        skew = chance.choice(_CLOCKS_APART)
        (order,) = chance.choice((some_turns, some_stalls))(meeting, 1)
        meet(meeting, order, skews=chance.choice(((skew, 0.0), (0.0, skew), (skew, -skew))))


@pytest.mark.parametrize(
    ("meeting", "order", "skews"),
    [
        # What was planned after the lease was lost came back with the next lease, and made an orphan of a new key.
        (
            Meeting("grace over", ("rotate", "createSecret")),
            Stall("first", "second", where=15, calls=12, dies=False),
            (-120.0, 0.0),
        ),
        # A switch that was taken back left AWSPENDING on a version that was current no more.
        (
            Meeting("pending", ("delete", "finishSecret")),
            Turns((("second", 6), ("first", 2), ("second", None))),
            (0.0, -120.0),
        ),
    ],
    ids=["planned-without-lease", "switch-taken-back"],
)
def test_clocks_that_once_broke_something(meeting: Meeting, order: Stall | Turns, skews: tuple[float, float]) -> None:
    """What larger samples have found."""
    meet(meeting, order, skews=skews)


@pytest.mark.thorough
@pytest.mark.parametrize("skew", _CLOCKS_APART)
@pytest.mark.parametrize("meeting", meetings(), ids=str)
def test_clocks_far_apart(meeting: Meeting, skew: float) -> None:
    """A larger sample."""
    for order in (*some_turns(meeting, 6), *some_stalls(meeting, 6)):
        meet(meeting, order, skews=(skew, 0.0))
        meet(meeting, order, skews=(0.0, skew))
