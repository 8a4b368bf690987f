"""The steps of a caller: announce, acquire, observe, then for each act renew and act, at last let go.

One ledger write a step: a renewal records the act before it, names the act after it and is the fence between them. A
conditional write that is refused changes nothing, and the caller reads again: so it is one step with the write that
succeeds, and the model needs no number for the version. Only where a rule takes the condition away, reading is a step
of its own.

A dead holder's lease may end at any moment. A live holder's lease may end too: that is a stall beyond the lease. The
stalled caller wakes up at any later moment and does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unit.lease_model.planning import NEW, intend, plan, record, remove, take_back
from unit.lease_model.state import NOBODY, UNMANAGED, Begun, Caller, Claim, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unit.lease_model.rules import Rules
    from unit.lease_model.state import Act, Aws, Entry, Program


class ViolationError(Exception):
    """The protocol did what it must never do."""


class Protocol:
    """All that may happen next, in any state, to these callers under these rules."""

    def __init__(
        self, programs: tuple[Program, ...], rules: Rules, *, lists_late: bool = True, only_begun_calls: bool = True
    ) -> None:
        self.programs = programs
        self.rules = rules
        self.only_begun_calls = only_begun_calls
        self.lists_late = lists_late  # ListAccessKeys may miss a key that was created a moment ago
        self.holders = [p.name if rules.holder_is_an_invocation else f"{p.kind} {p.time}{p.serial}" for p in programs]

    def start(self, entry: Entry, aws: Aws, faults: int) -> State:
        """Return the state in which nobody has done anything."""
        callers = tuple(Caller("announce" if p.announces else "acquire") for p in self.programs)
        return State(entry, aws, callers, faults)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """List every step that may come next: what it is called and where it leads."""
        for index, caller in enumerate(state.callers):
            if not caller.running:
                continue
            name = self.programs[index].name
            step = getattr(self, f"_{caller.at}")
            for what, after in step(state, index, caller):
                yield f"{name} {what}", after
            if state.faults:
                yield f"{name} dies", _at(_fault(state), index, Caller("dead"))

    def status(self, state: State, holder: str) -> str:
        """Say whether a holder is running, done, or gone (dead, or from another time)."""
        ats = [caller.at for name, caller in zip(self.holders, state.callers, strict=True) if name == holder]
        if any(at not in ("done", "dead") for at in ats):
            return "running"
        return "done" if "done" in ats else "gone"

    # The ledger

    def _write(self, state: State, index: int, what: str, entry: Entry, after: Caller) -> Iterator[tuple[str, State]]:
        """Write the entry; or write it and lose the answer.

        Who has no answer reads again and looks whether its write is there: its request, its lease, what it has begun.
        An answer lost to a write that did not happen is no case of its own: the caller reads that, and writes again.
        """
        self._check_grace(state, entry)
        written = state._replace(entry=entry)
        yield what, _at(written, index, after)
        if state.faults:
            before = state.callers[index]
            unsure = before._replace(view=entry) if self.rules.unconditional else before
            yield f"{what} (answer lost)", _at(_fault(written), index, unsure)

    @staticmethod
    def _check_grace(state: State, entry: Entry) -> None:
        """A key is recorded as replaced, and its grace period begins, once AWSCURRENT names another."""
        old, new = state.entry.key(state.aws.current), entry.key(state.aws.current)
        if not state.late and old and new and old.state == "current" and new.state == "replaced":
            raise ViolationError("a grace period begins before the switch")

    def _announce(self, state: State, index: int, caller: Caller) -> Iterator[tuple[str, State]]:
        """Write the request down, without the lease. An older one ends here, and one that was answered."""
        program, entry = self.programs[index], state.entry
        if "announce" in self.rules.unconditional:
            if caller.view is None:
                yield "reads", _at(state, index, caller._replace(view=entry))
                return
            entry = caller.view
        claim, onwards = entry.claim, caller._replace(at="acquire", view=None)
        if program.time < claim.latest and self.rules.older_request_is_superseded:
            yield "is superseded", _done(state, index)
        elif self._answered(program, claim):
            yield "repeats its answer", _done(state, index)
        elif program.time == claim.latest:
            yield "is announced", _at(state, index, onwards)
        else:
            claim = Claim(program.time, program.kind == "deploy", program.serial)
            yield from self._write(state, index, "announces", entry._replace(claim=claim), onwards)

    def _acquire(self, state: State, index: int, caller: Caller) -> Iterator[tuple[str, State]]:
        """Take the lease if nobody has it, or if it has ended; else wait."""
        me, entry, what = self.holders[index], state.entry, "acquires"
        if caller.view is not None:  # without a condition: it was free when it was read
            entry = caller.view
        elif entry.holder == me:
            yield "finds its lease", _at(state, index, caller._replace(at="observe", view=entry))
            return
        elif self._must_stop(index, entry.claim) or self._answered(self.programs[index], entry.claim):
            yield "needs no lease", _done(state, index)
            return
        elif entry.holder != NOBODY:
            status = self.status(state, entry.holder)
            if status == "done" or not (state.faults if status == "running" else self.rules.lease_expires):
                return
            what = f"acquires from {entry.holder}"
            if status == "running":
                state, what = _fault(state), f"{what} (stalled)"
        if "acquire" in self.rules.unconditional and caller.view is None:
            yield f"reads, {what}", _at(state, index, caller._replace(view=entry))
            return
        taken = entry._replace(holder=me)
        yield from self._write(state, index, what, taken, caller._replace(at="observe", view=taken))

    def _renew(self, state: State, index: int, caller: Caller) -> Iterator[tuple[str, State]]:
        """Record what was done and name what comes next, if the lease is still mine and no later request came.

        Who has nothing left to do lets go by the same write.
        """
        me, program, entry = self.holders[index], self.programs[index], state.entry
        if "renew" in self.rules.unconditional and caller.view is not None:
            entry = caller.view
        if entry.holder != me:
            yield self._lose(state, index, caller, entry)
            return
        for act in caller.results:
            entry = record(entry, act)
        if self._must_stop(index, entry.claim) and not caller.stopped:
            caller = self._stop(caller, entry)
        caller = caller._replace(results=())
        if not caller.plan:
            released = self._released(entry, me, program, caller)
            yield from self._write(state, index, "lets go", released, Caller("done"))
            return
        entry = self._keep_unfinished(entry, me)
        act = caller.plan[0]
        entry = intend(entry, Begun(me, act), self.rules)
        if act.name == "promote" and not self.rules.switch_recorded_after:
            entry = record(entry, act)
        onwards = caller._replace(at="act", begun=act, view=entry if self.rules.unconditional else None)
        if entry == state.entry:
            yield "finds its renewal", _at(state, index, onwards)
        else:
            yield from self._write(state, index, f"renews to {act}", entry, onwards)

    def _keep_unfinished(self, entry: Entry, me: str) -> Entry:
        """Keep what another holder had begun: it may still happen."""
        begun = entry.doing
        if begun is None or begun.holder == me or begun.act.name not in self.rules.unfinished_stays:
            return entry._replace(doing=None)
        unfinished = (*(other for other in entry.unfinished if other != begun), begun)
        return entry._replace(doing=None, unfinished=unfinished)

    def _stop(self, caller: Caller, entry: Entry) -> Caller:
        """Go on with what must be taken back, and nothing else."""
        return caller._replace(plan=take_back(entry, caller.made), stopped=True)

    def _released(self, entry: Entry, me: str, program: Program, caller: Caller) -> Entry:
        """Return the entry without my lease.

        Who has mended everything removes the unfinished acts of holders that can't be alive. Who stops has mended
        nothing, and leaves what others had begun as it was.
        """
        if not caller.stopped or not self.rules.stopping_keeps_unfinished:
            entry = self._keep_unfinished(entry, me)
            unfinished = tuple(begun for begun in entry.unfinished if begun not in caller.settled)
            entry = entry._replace(unfinished=unfinished)
        elif entry.doing and entry.doing.holder == me:
            entry = entry._replace(doing=None)
        if program.announces and not caller.stopped and entry.claim.latest == program.time:
            entry = entry._replace(claim=entry.claim._replace(done=True))
        if caller.stopped and not self.rules.stopping_lets_go:
            return entry
        return entry._replace(holder=NOBODY)

    def _lose(self, state: State, index: int, caller: Caller, entry: Entry) -> tuple[str, State]:
        """Stop without the lease. A key that no entry records is known to me alone: I take it back."""
        mine = [act.key for act in caller.results if act.name == "create" and not entry.key(act.key)]
        if not self.rules.recorded_belongs_to_holder and caller.made:
            mine = [caller.made]
        if not mine:
            return "finds its lease lost", _done(state, index)
        lost = caller._replace(at="take_back", plan=remove(mine[0], "mine"))
        return "finds its lease lost", _at(state, index, lost)

    def _must_stop(self, index: int, claim: Claim) -> bool:
        """Say whether a later request, or a deletion, takes the caller's reason away."""
        program = self.programs[index]
        if not self.rules.later_request_stops or program.kind in ("sweep", "look"):
            return False
        return claim.latest > program.time if program.announces else not claim.present

    def _answered(self, program: Program, claim: Claim) -> bool:
        """Say whether this very request was answered with success."""
        replay = self.rules.answered_request_is_replayed
        return replay and program.announces and claim.latest == program.time and claim.done

    # AWS

    def _observe(self, state: State, index: int, caller: Caller) -> Iterator[tuple[str, State]]:
        """Look at AWS and plan on it. ListAccessKeys may not show yet what no entry records."""
        entry = caller.view or state.entry
        begun = (*entry.unfinished, *((entry.doing,) if entry.doing else ()))
        settled = frozenset(act for act in begun if self.status(state, act.holder) != "running")
        yield self._planned(state, index, caller._replace(settled=settled), entry, state.aws)
        unrecorded = state.aws.ids - {key.id for key in entry.keys} - {UNMANAGED}
        if unrecorded and self.lists_late:
            shown = state.aws
            for key_id in unrecorded:
                shown = shown.without(key_id)
            yield self._planned(state, index, caller, entry, shown)

    def _planned(self, state: State, index: int, caller: Caller, entry: Entry, shown: Aws) -> tuple[str, State]:
        """Return the caller with its plan."""
        acts, adopted = plan(entry, shown, self.programs[index], self.rules)
        view = entry if self.rules.unconditional else None
        caller = self._next(caller._replace(plan=acts, results=adopted, view=view))
        return f"plans {', '.join(map(str, acts)) or 'nothing'}", _at(state, index, caller)

    def _next(self, caller: Caller) -> Caller:
        """Go to the renewal before the next act."""
        fenced = not caller.plan or not self.rules.unfenced & {caller.plan[0].name, caller.plan[0].why}
        return caller._replace(at="renew" if fenced else "act")

    def _act(self, state: State, index: int, caller: Caller) -> Iterator[tuple[str, State]]:
        """Make the next call to AWS."""
        act, *rest = caller.plan
        late = state.entry.holder != self.holders[index]
        if late:
            if self.only_begun_calls and act != caller.begun:
                raise ViolationError(f"a call without the lease that no renewal named: {act}")
            state = state._replace(late=True)
        aws = _perform(state, act)
        what = f"does {act}{' late' if late else ''}"
        if aws is None:  # AWSCURRENT is not where it was: someone's late call
            yield f"{what}: refused", _at(state, index, self._stop(caller, state.entry)._replace(at="renew"))
            return
        if act.name == "create":
            made = f"k{aws.made}"
            rest = [new._replace(key=made) if new.key == NEW else new for new in rest]
            caller = caller._replace(made=made)
            act = act._replace(key=made)
        caller = caller._replace(plan=tuple(rest), begun=None, results=(*caller.results, act))
        yield what, _at(state._replace(aws=aws), index, self._next(caller))

    def _take_back(self, state: State, index: int, caller: Caller) -> Iterator[tuple[str, State]]:
        """Remove, without the lease, the key that nobody else knows."""
        act, *rest = caller.plan
        after = caller._replace(plan=tuple(rest)) if rest else Caller("done")
        aws = _perform(state, act)
        yield f"takes back: {act}", _at(state._replace(aws=aws or state.aws), index, after)


def _perform(state: State, act: Act) -> Aws | None:
    """Return what AWS is after the call; nothing if AWS refuses it."""
    aws = state.aws
    if act.key == UNMANAGED:
        raise ViolationError(f"an unmanaged key: {act}")
    if act.key == aws.current and state.entry.claim.present and act.name in ("deactivate", "delete") and not state.late:
        raise ViolationError(f"the current key: {act}")
    match act.name:
        case "create":
            made = aws.made + 1
            return aws._replace(keys=aws.keys | {(f"k{made}", True)}, made=made)
        case "promote":
            return aws._replace(current=act.key) if aws.current in (act.source, act.key) else None
        case "activate" | "deactivate":
            return aws.with_status(act.key, active=act.name == "activate")
        case "delete":
            if aws.active(act.key) and not state.late:
                raise ViolationError(f"an Active key: {act}")
            return aws.without(act.key)
    return aws


def _at(state: State, index: int, caller: Caller) -> State:
    """Return the state with this caller there."""
    return state._replace(callers=(*state.callers[:index], caller, *state.callers[index + 1 :]))


def _done(state: State, index: int) -> State:
    """Return the state in which this caller has ended; nothing that it remembers matters any more."""
    return _at(state, index, Caller("done"))


def _fault(state: State) -> State:
    return state._replace(faults=state.faults - 1)
