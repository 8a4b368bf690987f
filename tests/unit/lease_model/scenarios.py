"""Where callers begin, and who they are."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, NamedTuple

from unit.lease_model.explorer import Scenario
from unit.lease_model.planning import NEW
from unit.lease_model.state import UNMANAGED, Act, Aws, Begun, Claim, Entry, Key, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATE = Program("Create", "deploy", 1, "1")
UPDATE = Program("Update", "deploy", 3, "3")
ROLLBACK = Program("Rollback", "deploy", 4, "1")  # to the previous key, or cancelling the update
STEP_BACK = Program("Rollback", "deploy", 4, "2")  # to the key that was current before the update
DELETE = Program("Delete", "delete", 5)
ROTATE = Program("Rotate", "rotate", serial="token")  # Secrets Manager's: it announces nothing
SWEEP = Program("Sweep", "sweep")
UNDO = Program("Undo", "undo")


class Start(NamedTuple):
    """A moment at which callers come."""

    entry: Entry
    aws: Aws
    callers: tuple[Program, ...]


def _key(key_id: str, state: str, serial: str) -> Key:
    return Key(key_id, state, frozenset({serial}))


def _aws(current: str, made: int, **statuses: bool) -> Aws:
    return Aws(frozenset({(UNMANAGED, True), *statuses.items()}), current, made)


_ONE = Entry(claim=Claim(1, present=True, serial="1", done=True), keys=(_key("k1", "current", "1"),))
_TWO = Claim(2, present=True, serial="2", done=True)
_CREATING = Begun("Gone", Act("create", NEW, "3", baseline=frozenset({UNMANAGED, "k1"})))
_CHANGES = (UPDATE, ROLLBACK, DELETE, ROTATE, SWEEP, UNDO)

STARTS = {
    "nothing": Start(Entry(), Aws(), (CREATE, DELETE, ROTATE, SWEEP, UNDO)),
    "one key": Start(_ONE, _aws("k1", 1, k1=True), _CHANGES),
    "previous key Active": Start(
        Entry(claim=_TWO, keys=(_key("k1", "replaced", "1"), _key("k2", "current", "2"))),
        _aws("k2", 2, k1=True, k2=True),
        (*_CHANGES, STEP_BACK),
    ),
    "previous key Inactive": Start(
        Entry(claim=_TWO, keys=(_key("k1", "inactive", "1"), _key("k2", "current", "2"))),
        _aws("k2", 2, k1=False, k2=True),
        (*_CHANGES, STEP_BACK),
    ),
    "died before a creation": Start(_ONE._replace(holder="Gone", doing=_CREATING), _aws("k1", 1, k1=True), _CHANGES),
    "died after a creation": Start(
        _ONE._replace(holder="Gone", doing=_CREATING), _aws("k1", 2, k1=True, k2=True), _CHANGES
    ),
}


def scenario(start: str, *programs: Program, faults: int) -> Scenario:
    """Let these callers begin there; who is named twice is one event that is delivered twice."""
    entry, aws, _ = STARTS[start]
    named = tuple(p._replace(name=p.name + "'" * programs[:n].count(p)) for n, p in enumerate(programs))
    return Scenario(entry, aws, named, faults)


def scenarios(start: str, callers: int, faults: int) -> Iterator[Scenario]:
    """List each choice of callers that can come together."""
    for programs in combinations_with_replacement(STARTS[start].callers, callers):
        if not {ROLLBACK, STEP_BACK} <= set(programs):  # one deployment is rolled back to one state
            yield scenario(start, *programs, faults=faults)
