"""What must hold when everybody has stopped: at once if nothing went wrong, else after one more sweep or request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unit.lease_model.protocol import Protocol, ViolationError
from unit.lease_model.state import NOBODY, UNMANAGED, Program

if TYPE_CHECKING:
    from unit.lease_model.rules import Rules
    from unit.lease_model.state import Aws, Entry

ALLOWED = 2  # keys of one resource: the current and the previous one
WAYS_ON = (
    Program("sweep", "sweep"),
    Program("sweep with nothing due", "look"),
    Program("delete", "delete", time=99),
    Program("update", "deploy", time=99, serial="next"),
)


class Judge:
    """Judges what callers leave behind; each state of entry and AWS once."""

    def __init__(self, rules: Rules) -> None:
        # The way on is one caller alone: conditions and stale lists have no part in it.
        self.rules = rules._replace(unconditional=frozenset())
        self.judged: set[tuple[Entry, Aws]] = set()

    def after_a_way_on(self, entry: Entry, aws: Aws) -> None:
        """Raise if something is wrong after one more sweep, deletion or update, long after all holders have ended."""
        if (entry, aws) in self.judged:
            return
        for way in WAYS_ON:
            try:
                self._go(way, entry, aws)
            except ViolationError as violation:
                raise ViolationError(f"after one more {way.name}: {violation}") from violation
        self.judged.add((entry, aws))

    def _go(self, way: Program, entry: Entry, aws: Aws) -> None:
        protocol = Protocol((way,), self.rules, lists_late=False)
        at = protocol.start(entry, aws, faults=0)
        while steps := list(protocol.steps(at)):
            ((_, at),) = steps  # one caller, no faults: one step at a time
        if at.callers[0].running:
            raise ViolationError(f"{way.name} waits for ever")
        check(at.entry, at.aws)
        if at.entry.unfinished:
            raise ViolationError("unfinished acts stay for ever")
        if way.kind == "deploy" and not (at.entry.current and way.serial in at.entry.current.serials):
            raise ViolationError("the update has no key")
        idle = entry.holder == NOBODY and entry.doing is None and entry.claim.present
        if way.kind == "look" and idle and at.entry.current != entry.current:
            raise ViolationError("the sweep makes another key current")


def check(entry: Entry, aws: Aws) -> None:
    """Raise if ledger and AWS disagree, or if AWSCURRENT names a key that does not work."""
    recorded, existing = {key.id for key in entry.keys}, aws.ids - {UNMANAGED}
    if existing - recorded:
        raise ViolationError(f"keys that no entry records: {sorted(existing - recorded)}")
    if recorded - existing:
        raise ViolationError(f"records of keys that are gone: {sorted(recorded - existing)}")
    if not aws.active(UNMANAGED):
        raise ViolationError("an unmanaged key was touched")
    if len(existing) > ALLOWED:
        raise ViolationError(f"too many keys: {sorted(existing)}")
    if entry.holder != NOBODY:
        raise ViolationError("the lease was not let go")
    if not entry.claim.present:
        if existing:
            raise ViolationError(f"keys of a resource that is deleted: {sorted(existing)}")
        return
    if aws.current and not aws.active(aws.current):
        raise ViolationError(f"AWSCURRENT names {aws.current}, which is not an Active key")
    if aws.current != (entry.current.id if entry.current else ""):
        raise ViolationError(f"AWSCURRENT names {aws.current}, the entry {entry.current}")
    for key in entry.keys:
        if (key.state == "inactive") == aws.active(key.id):
            raise ViolationError(f"{key.id} is recorded as {key.state} and has the other status")
