"""What the model is made of: the entry, the AWS world, the callers.

All values are hashable, so that states can be compared. They are tuples with names and not dataclasses: a search hashes
them a million times, and Python hashes a tuple in C.
"""

from __future__ import annotations

from typing import NamedTuple

NOBODY = ""  # the holder of a lease that nobody has
UNMANAGED = "by-hand"  # a key that a person made: nobody may touch it
UNPUBLISHED = ("created", "stored")
RETIRED = ("replaced", "inactive")


class Act(NamedTuple):
    """One write to IAM or to Secrets Manager.

    `why` says whether a deactivation can be undone ("retire") or is the beginning of the end ("remove", "orphan").
    `source` is the key that AWSCURRENT must be on for a promotion: the compare-and-swap.
    `baseline` is what the user had before a creation.
    """

    name: str  # create, store, promote, activate, deactivate, delete
    key: str = ""
    why: str = ""
    source: str = ""
    baseline: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Show the act as a step of a trace."""
        return " ".join(part for part in (self.name, self.key, self.why and f"({self.why})") if part)


class Begun(NamedTuple):
    """An act and the invocation that has begun it."""

    holder: str
    act: Act


class Key(NamedTuple):
    """What an entry says of one access key."""

    id: str
    state: str  # created, stored, current, replaced, inactive, deleting
    serials: frozenset[str]
    restorable: bool = True


class Claim(NamedTuple):
    """What CloudFormation's latest request wants."""

    latest: int = 0
    present: bool = False
    serial: str = ""
    done: bool = False  # the latest request has been answered with success


class Entry(NamedTuple):
    """The ledger's entry of one secret."""

    holder: str = NOBODY
    doing: Begun | None = None  # the journal: written by the renewal, before the act
    unfinished: tuple[Begun, ...] = ()  # acts of holders that lost the lease: they may still happen
    claim: Claim = Claim()
    keys: tuple[Key, ...] = ()

    def key(self, key_id: str) -> Key | None:
        """Return the record of a key."""
        return next((key for key in self.keys if key.id == key_id), None)

    @property
    def current(self) -> Key | None:
        """Return the key that the ledger calls current."""
        return next((key for key in self.keys if key.state == "current"), None)

    def with_key(self, new: Key) -> Entry:
        """Return the entry with this record added or replaced."""
        return self._replace(keys=tuple(sorted((*(key for key in self.keys if key.id != new.id), new))))

    def without_key(self, key_id: str) -> Entry:
        """Return the entry without the record of this key."""
        return self._replace(keys=tuple(key for key in self.keys if key.id != key_id))


class Aws(NamedTuple):
    """The keys of the user (Active or not) and the key that AWSCURRENT names."""

    keys: frozenset[tuple[str, bool]] = frozenset({(UNMANAGED, True)})
    current: str = ""
    made: int = 0

    def active(self, key_id: str) -> bool:
        """Say whether the key exists and is Active."""
        return (key_id, True) in self.keys

    @property
    def ids(self) -> frozenset[str]:
        """Return what ListAccessKeys lists."""
        return frozenset(key_id for key_id, _ in self.keys)

    def without(self, key_id: str) -> Aws:
        """Return the world in which this key is gone, or not listed yet."""
        return self._replace(keys=self.keys - {(key_id, True), (key_id, False)})

    def with_status(self, key_id: str, *, active: bool) -> Aws:
        """Return the world with another status of this key; a key that is gone stays gone."""
        if key_id not in self.ids:
            return self
        gone = self.without(key_id)
        return gone._replace(keys=gone.keys | {(key_id, active)})


class Program(NamedTuple):
    """Who calls and what it wants. Two deliveries of one event are two programs that differ only in their name."""

    name: str
    kind: str  # deploy, delete, rotate, sweep, undo
    time: int = 0  # when CloudFormation signed the request
    serial: str = ""  # of a deployment; the token of a rotation

    @property
    def announces(self) -> bool:
        """Say whether this is a request of CloudFormation."""
        return self.kind in ("deploy", "delete")


class Caller(NamedTuple):
    """Where one invocation stands."""

    at: str  # announce, acquire, observe, renew, act, take_back; done or dead
    plan: tuple[Act, ...] = ()  # what is left to do; the first is next
    results: tuple[Act, ...] = ()  # what was done and is not recorded yet
    settled: frozenset[Begun] = frozenset()  # unfinished acts that the observation has seen the end of
    begun: Act | None = None  # what the last renewal named
    stopped: bool = False  # a later request came: take back what is not published, then let go
    made: str = ""  # the key that this invocation created
    view: Entry | None = None  # what was read with the lease (or, without a condition, read last)

    @property
    def running(self) -> bool:
        """Say whether the invocation still does something."""
        return self.at not in ("done", "dead")


class State(NamedTuple):
    """Everything at one moment."""

    entry: Entry
    aws: Aws
    callers: tuple[Caller, ...]
    faults: int  # deaths, stalls and lost answers that may still happen
    late: bool = False  # a call has been made without the lease
