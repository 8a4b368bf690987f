"""The protocol of the ledger and its lease, without the product's code: every interleaving of a few callers.

`protocol.py` says how callers take turns, `planning.py` what a holder does, `rules.py` which rules there are,
`state.py` what there is, `judgement.py` what must hold in the end, `explorer.py` searches.

Time is left out: the lease of one who died or stalls may end at any moment, every key may be due at any moment. Left
out too: two resources or two ledgers that share a user, two claims on one secret, people who change something by hand
(but for a key of theirs that nobody may touch), calls that are refused for good.

A fault is a death at any step, a stall beyond the lease at any step (the caller wakes up at any later step), or a
ledger write whose answer is lost. That ListAccessKeys misses a key that was created a moment ago is no fault: it may
always happen. A lost answer to a call to AWS is no case of its own: it leaves what a death after the call leaves.

Searched, with each choice of callers at each of the six starts in `scenarios.py`:

| callers | faults | interleavings | states | seconds of one core | when |
| --- | --- | --- | --- | --- | --- |
| 2 | 1 | 553,682 | 86,990 | 3 | `make test` |
| 3 | 0 | 203,599 | 65,934 | 2 | `make test` |
| 3 | 1 | 228,377,933 | 1,936,468 | 84 | `make thorough` |
| 2 | 2 | 10,746,172 | 277,478 | 14 | `make thorough` |

Each rule is taken away once, and the shortest run that then ends wrong is found:
`pytest tests/unit/lease_model -k without -o log_cli=true -o log_cli_level=INFO` shows these runs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from unit.lease_model.explorer import BrokenError, Explored, Search
from unit.lease_model.rules import PROTOCOL, Rules
from unit.lease_model.scenarios import (
    CREATE,
    DELETE,
    ROLLBACK,
    ROTATE,
    STARTS,
    STEP_BACK,
    SWEEP,
    UNDO,
    UPDATE,
    scenario,
    scenarios,
)

if TYPE_CHECKING:
    from unit.lease_model.state import Program

LOG = logging.getLogger(__name__)
SIX_STARTS = tuple(STARTS)


def explored(starts: tuple[str, ...], callers: int, faults: int) -> Explored:
    """Search all scenarios of that many callers; a violation shows the run that leads to it."""
    search = Search()
    for start in starts:
        for choice in scenarios(start, callers, faults):
            search.run(choice)
    LOG.info("%d callers, %d faults: %s", callers, faults, search.explored)
    return search.explored


def test_two_callers_and_one_fault() -> None:
    """Two callers of any kind end well, whatever dies, stalls or loses an answer, wherever."""
    found = explored(SIX_STARTS, callers=2, faults=1)
    assert found.interleavings >= 500_000, found


def test_three_callers() -> None:
    """Three callers of any kind end well in every order of their steps."""
    found = explored(SIX_STARTS, callers=3, faults=0)
    assert found.interleavings >= 200_000, found


@pytest.mark.thorough
def test_three_callers_and_one_fault() -> None:
    """Three callers at a new key, or at one that was never rotated, end well whatever goes wrong once."""
    found = explored(("nothing", "one key"), callers=3, faults=1)
    assert found.interleavings >= 20_000_000, found


@pytest.mark.thorough
@pytest.mark.parametrize("start", SIX_STARTS[2:])
def test_three_callers_and_one_fault_at_other_starts(start: str) -> None:
    """The same where a previous key is left, or where a creation was interrupted."""
    found = explored((start,), callers=3, faults=1)
    assert found.interleavings >= 10_000_000, found


@pytest.mark.thorough
def test_two_callers_and_two_faults() -> None:
    """Two callers end well when two things go wrong: one stalls and the other dies, one stalls and later dies."""
    found = explored(SIX_STARTS, callers=2, faults=2)
    assert found.interleavings >= 10_000_000, found


GONE = r"after one more sweep.*: records of keys that are gone: \['k1'\]"
DEAD = r"after one more sweep: AWSCURRENT names k\d, which is not an Active key"
CURRENT_DIES = r"the current key: deactivate"
UNRECORDED = r"keys that no entry records"
TWO_STATUSES = r"after one more sweep with nothing due: k1 is recorded as (replaced|inactive) and has the other status"
WAITS = r"waits for ever"
ACTIVE, INACTIVE, BEFORE, AFTER = SIX_STARTS[2:]


def without(**changes: object) -> Rules:
    """Return the protocol with one rule changed."""
    return PROTOCOL._replace(**changes)  # type: ignore[arg-type]


def unfenced(*acts: str) -> Rules:
    """Return the protocol without the renewal before these acts."""
    return without(unfenced=frozenset(acts))


def unconditional(*writes: str) -> Rules:
    """Return the protocol in which these ledger writes have no condition on the version."""
    return without(unconditional=frozenset(writes))


def forgetting(act: str) -> Rules:
    """Return the protocol in which a lost holder's act of this name does not stay in the entry."""
    return without(unfinished_stays=PROTOCOL.unfinished_stays - {act})


@pytest.mark.parametrize(
    ("rules", "start", "callers", "faults", "harm"),
    [
        pytest.param(unfenced("create"), "nothing", (CREATE, ROTATE), 1, UNRECORDED, id="renewal before a creation"),
        pytest.param(unfenced("promote"), "nothing", (CREATE, CREATE), 1, DEAD, id="renewal before the switch"),
        pytest.param(
            unfenced("activate"), INACTIVE, (UPDATE, ROLLBACK), 1, TWO_STATUSES, id="renewal before an activation"
        ),
        pytest.param(unfenced("retire"), ACTIVE, (SWEEP, UNDO), 1, DEAD, id="renewal before a deactivation"),
        pytest.param(unfenced("deactivate"), ACTIVE, (ROTATE, UNDO), 1, DEAD, id="renewal before a removal"),
        pytest.param(unfenced("delete"), INACTIVE, (SWEEP, UNDO), 1, GONE, id="renewal before a deletion"),
        pytest.param(unfenced("orphan"), BEFORE, (ROTATE, ROTATE), 1, "records of keys", id="renewal before an orphan"),
        pytest.param(
            unconditional("renew"), "nothing", (CREATE, DELETE), 0, CURRENT_DIES, id="condition of the renewal"
        ),
        pytest.param(unconditional("acquire"), "one key", (ROTATE, SWEEP), 0, UNRECORDED, id="condition of the lease"),
        pytest.param(
            unconditional("announce"), "nothing", (CREATE, SWEEP), 0, WAITS, id="condition of the announcement"
        ),
        pytest.param(
            unconditional("announce", "acquire", "renew"),
            INACTIVE,
            (SWEEP, UNDO),
            0,
            "an Active key: delete",
            id="version",
        ),
        pytest.param(without(lease_expires=False), "one key", (UPDATE, SWEEP), 1, WAITS, id="end of the lease"),
        pytest.param(without(stopping_lets_go=False), "nothing", (CREATE, DELETE), 0, WAITS, id="letting go"),
        pytest.param(
            without(later_request_stops=False),
            "one key",
            (UPDATE, DELETE),
            0,
            "resource that is deleted",
            id="stopping",
        ),
        pytest.param(
            without(older_request_is_superseded=False), "nothing", (CREATE, DELETE), 0, CURRENT_DIES, id="superseding"
        ),
        pytest.param(
            without(answered_request_is_replayed=False),
            "one key",
            (UPDATE, UPDATE, UNDO),
            0,
            "two keys for one request",
            id="replay of a success",
        ),
        pytest.param(
            without(switch_recorded_after=False),
            "one key",
            (UPDATE, SWEEP),
            0,
            "a grace period begins before the switch",
            id="record after the switch",
        ),
        pytest.param(
            without(interrupted_switch_is_adopted=False),
            "nothing",
            (CREATE, SWEEP),
            1,
            CURRENT_DIES,
            id="adoption of a switch",
        ),
        pytest.param(
            without(interrupted_switch_is_completed=False),
            "nothing",
            (CREATE, ROTATE),
            1,
            DEAD,
            id="completion of a switch",
        ),
        pytest.param(
            without(interrupted_deactivation_is_adopted=False),
            ACTIVE,
            (SWEEP, STEP_BACK),
            1,
            TWO_STATUSES,
            id="adoption of a deactivation",
        ),
        pytest.param(forgetting("create"), AFTER, (ROLLBACK, ROLLBACK), 0, UNRECORDED, id="memory of a creation"),
        pytest.param(forgetting("deactivate"), ACTIVE, (SWEEP, UNDO), 1, DEAD, id="memory of a deactivation"),
        pytest.param(
            forgetting("activate"), INACTIVE, (UNDO, STEP_BACK), 1, TWO_STATUSES, id="memory of an activation"
        ),
        pytest.param(
            without(stopping_keeps_unfinished=False),
            AFTER,
            (UPDATE, ROLLBACK),
            0,
            UNRECORDED,
            id="stopping without mending",
        ),
        pytest.param(without(deletion_is_final=False), INACTIVE, (SWEEP, UNDO), 1, GONE, id="end of restoring"),
        pytest.param(without(baseline=False), AFTER, (DELETE, ROTATE), 0, "an unmanaged key", id="baseline"),
        pytest.param(
            without(recorded_belongs_to_holder=False),
            "nothing",
            (CREATE, CREATE),
            1,
            CURRENT_DIES,
            id="what is recorded",
        ),
        pytest.param(
            without(holder_is_an_invocation=False),
            "nothing",
            (CREATE, CREATE),
            0,
            CURRENT_DIES,
            id="a name an invocation",
        ),
    ],
)
def test_without_this_rule_a_run_ends_wrong(
    rules: Rules, start: str, callers: tuple[Program, ...], faults: int, harm: str
) -> None:
    """Each rule is needed: without it there is a run that does harm, and with it there is none."""
    one = scenario(start, *callers, faults=faults)
    Search().run(one)
    with pytest.raises(BrokenError, match=harm) as broken:
        Search(rules, only_begun_calls=False).run(one)
    LOG.info("%s", broken.value)


@pytest.mark.parametrize("act", ["create", "store", "promote", "deactivate", "delete"])
def test_without_a_renewal_a_second_call_follows_the_end_of_the_lease(act: str) -> None:
    """A holder that wakes up makes at most the one call that it had begun: the one that its last renewal named."""
    one = scenario(ACTIVE, UPDATE, UPDATE, faults=1)
    with pytest.raises(BrokenError, match="a call without the lease that no renewal named"):
        Search(unfenced(act)).run(one)
