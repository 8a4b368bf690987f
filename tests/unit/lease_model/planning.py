"""What a holder does: a pure function of the entry, of what AWS shows and of what the caller wants.

First it mends what others left. An act that another holder had begun is read from the entry (`doing`, `unfinished`):

- a switch that happened is recorded, a switch that did not happen yet is completed: it may happen at any moment;
- a deactivation that happened is recorded;
- a key that came to be in an interrupted creation and that no entry records is an orphan: it is removed;
- a status that differs from the record is put right, if an unfinished act of this ledger explains it;
- AWSCURRENT goes back to the key that the entry calls current.

Then it removes keys that are not published and that nobody can continue, and does what the caller came for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from unit.lease_model.state import RETIRED, UNPUBLISHED, Act, Aws, Begun, Entry, Key, Program

if TYPE_CHECKING:
    from unit.lease_model.rules import Rules

NEW = "new"  # stands in a plan for the key that it creates
KEY_SLOTS = 2


class Plan(NamedTuple):
    """Acts in their order, and what the observation has shown to have happened already."""

    acts: tuple[Act, ...]
    adopted: tuple[Act, ...] = ()


def plan(entry: Entry, aws: Aws, program: Program, rules: Rules) -> Plan:
    """Plan what is left of others first, then what this caller wants."""
    interrupted = (*((entry.doing,) if entry.doing else ()), *entry.unfinished)
    absent = program.kind == "delete" or (program.kind != "deploy" and not entry.claim.present)
    adopted = (
        *(_switch_made(entry, aws) if rules.interrupted_switch_is_adopted else ()),
        *(_deactivations_made(entry, aws, interrupted) if rules.interrupted_deactivation_is_adopted else ()),
    )
    completed = _switch_begun(entry, aws) if rules.interrupted_switch_is_completed and not absent else ()
    for act in (*adopted, *completed):
        entry = record(entry, act)
    orphans = _orphans(entry, aws, interrupted, rules)
    if absent:
        removed = [act for key in entry.keys for act in remove(key.id, "remove")]
        return Plan((*orphans, *removed), adopted)
    wanted = _wanted(entry, aws, program)
    touched = {act.key for act in (*wanted, *completed)}
    left = [k.id for k in entry.keys if k.state in (*UNPUBLISHED, "deleting") and k.id not in touched]
    removed = [act for key in left if key != aws.current for act in remove(key, "remove")]
    removed_last = remove(aws.current, "remove") if aws.current in left else ()
    repairs = [act for act in _repairs(entry, aws, interrupted, switched=bool(completed)) if act.key not in touched]
    return Plan((*completed, *orphans, *repairs, *removed, *wanted, *removed_last), adopted)


def remove(key_id: str, why: str) -> tuple[Act, Act]:
    """Deactivate and delete for good."""
    return Act("deactivate", key_id, why), Act("delete", key_id, why)


def take_back(entry: Entry, made: str) -> tuple[Act, ...]:
    """Remove the key that I made, unless it is published: what one who stops leaves to nobody."""
    key = entry.key(made)
    return remove(made, "remove") if key and key.state in UNPUBLISHED else ()


def record(entry: Entry, act: Act) -> Entry:
    """Write down what an act has done."""
    key = entry.key(act.key)
    if act.name == "create":
        return entry.with_key(Key(act.key, "created", frozenset(act.why.split())))
    if key is None:
        return entry
    if act.name == "store":
        return entry.with_key(key._replace(state="stored"))
    if act.name == "promote":
        old = entry.current
        if old and old.id != key.id:
            entry = entry.with_key(old._replace(state="replaced", restorable=act.why != "undo"))
        return entry.with_key(key._replace(state="current"))
    if act.name == "deactivate" and key.state == "replaced":
        return entry.with_key(key._replace(state="inactive"))
    return entry.without_key(key.id) if act.name == "delete" else entry


def intend(entry: Entry, begun: Begun, rules: Rules) -> Entry:
    """Write down what is about to be done. From here on a key that is to be removed is nobody's to restore."""
    key = entry.key(begun.act.key)
    if key and begun.act.why == "remove" and rules.deletion_is_final:
        entry = entry.with_key(key._replace(state="deleting"))
    return entry._replace(doing=begun)


def _switch_made(entry: Entry, aws: Aws) -> tuple[Act, ...]:
    """Find the switch that the last holder made and did not record."""
    act = _switch(entry)
    return (act,) if act and aws.current == act.key else ()


def _deactivations_made(entry: Entry, aws: Aws, interrupted: tuple[Begun, ...]) -> tuple[Act, ...]:
    """Find the retirements that others made and did not record: the retention period begins."""
    acts = [begun.act for begun in interrupted if begun.act.name == "deactivate"]
    replaced = {key.id for key in entry.keys if key.state == "replaced" and not aws.active(key.id)}
    return tuple(act for act in acts if act.key in replaced)


def _switch_begun(entry: Entry, aws: Aws) -> tuple[Act, ...]:
    """Find the switch that the last holder had begun: it may happen at any moment, so it is completed."""
    act = _switch(entry)
    if not act or aws.current != act.source or aws.current == act.key:
        return ()
    return (act,) if aws.active(act.key) else (Act("activate", act.key), act)


def _switch(entry: Entry) -> Act | None:
    """Return the promotion that stands in the journal, if its key may be current."""
    act = entry.doing.act if entry.doing else None
    key = entry.key(act.key) if act and act.name == "promote" else None
    return act if key and key.state in ("stored", *RETIRED) else None


def _orphans(entry: Entry, aws: Aws, interrupted: tuple[Begun, ...], rules: Rules) -> list[Act]:
    """Remove keys that came to be in an interrupted creation and that no entry records."""
    recorded = {key.id for key in entry.keys}
    created = [begun.act for begun in interrupted if begun.act.name == "create"]
    orphans = {key for act in created for key in aws.ids - recorded if not (rules.baseline and key in act.baseline)}
    return [act for key in sorted(orphans) for act in remove(key, "orphan")]


def _repairs(entry: Entry, aws: Aws, interrupted: tuple[Begun, ...], *, switched: bool) -> list[Act]:
    """Undo what a late call did: statuses only where this ledger's own interrupted act explains them."""
    current = entry.current
    if not current:
        return []
    touched = {(begun.act.name, begun.act.key) for begun in interrupted}
    acts = []
    if ("deactivate", current.id) in touched and not aws.active(current.id):
        acts.append(Act("activate", current.id, "repair"))
    if aws.current != current.id and not switched:
        acts.append(Act("promote", current.id, "repair", source=aws.current))
    woken = [key.id for key in entry.keys if key.state == "inactive" and aws.active(key.id)]
    return [*acts, *(Act("deactivate", key, "retire") for key in woken if ("activate", key) in touched)]


def _wanted(entry: Entry, aws: Aws, program: Program) -> list[Act]:
    """Plan what the caller came for."""
    match program.kind:
        case "deploy":
            return _ensure(entry, aws, program.serial, frozenset({program.serial}))
        case "rotate" if entry.current:
            published = [key for key in entry.keys if key.state not in UNPUBLISHED]
            if any(program.serial in key.serials for key in published):
                return []  # the token's key is or was current
            return _ensure(entry, aws, program.serial, entry.current.serials | {program.serial})
        case "undo":
            previous = max((key for key in entry.keys if key.state in RETIRED and key.restorable), default=None)
            return _restore(entry, aws, previous, "undo") if previous else []
        case "sweep":
            return _retire(entry, aws)
    return []


def _ensure(entry: Entry, aws: Aws, serial: str, serials: frozenset[str]) -> list[Act]:
    """Make the key of this serial current: it is there, or can be continued, or restored, or is created."""
    bearing = [key for key in entry.keys if serial in key.serials]
    for key in bearing:
        if key.state == "current":
            return []
        if key.state == "stored" or (key.state in RETIRED and key.restorable):
            return _restore(entry, aws, key, "")
    old = [key for key in entry.keys if key.state in RETIRED]
    full = len(entry.keys) >= KEY_SLOTS
    free = [act for key in old for act in remove(key.id, "remove")] if full else []
    gone = {act.key for act in free}
    baseline = frozenset(aws.ids - gone)
    source = entry.current.id if entry.current else aws.current
    create = Act("create", NEW, " ".join(sorted(serials)), baseline=baseline)
    return [*free, create, Act("store", NEW), Act("promote", NEW, source=source)]


def _restore(entry: Entry, aws: Aws, key: Key, why: str) -> list[Act]:
    """Make a key that has its value in the secret current and Active."""
    activate = [] if aws.active(key.id) else [Act("activate", key.id)]
    source = entry.current.id if entry.current else aws.current
    return [*activate, Act("promote", key.id, why, source=source)]


def _retire(entry: Entry, aws: Aws) -> list[Act]:
    """Deactivate what was replaced, delete what is inactive: this sweep finds everything due."""
    acts: list[Act] = []
    for key in entry.keys:
        if key.state == "replaced":
            acts.append(Act("deactivate", key.id, "retire"))
        elif key.state == "inactive":
            deactivate, delete = remove(key.id, "remove")
            acts += [deactivate, delete] if aws.active(key.id) else [delete]
    return acts
