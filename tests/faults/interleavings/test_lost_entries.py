"""The ledger is lost: its entry or table deleted, put back to an hour ago, edited, or written by a later release.

A key is managed again if a version's label and a tag of the user say so. One of the two alone never lets it be touched.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from faults.interleavings.aftermath import check_errors, declared_after, go_on
from faults.interleavings.meet import story
from faults.interleavings.situations import RULES, SITUATIONS, callers_in
from faults.interleavings.turns import race

if TYPE_CHECKING:
    from faults.interleavings.turns import Race
    from support.stack import Stack

WHOLE = ("one key", "value replaced", "in grace", "end of grace", "grace over", "retention over")
CALLERS = [(name, kind) for name, situation in SITUATIONS.items() for kind in situation.kinds]
CALLERS_OF_WHOLE = [(name, kind) for name, kind in CALLERS if name in WHOLE]
_NEXT = ("update", "delete", "undo", "rotate", "sweep", "createSecret")
_SOON = timedelta(minutes=5)


def come(stack: Stack, kind: str) -> Race:
    """Let one caller come, and let it end."""
    with race(stack, callers_in(stack, kind)) as running:
        running.finish()
    check_errors(running)
    return running


def make_good(stack: Stack) -> None:
    """Deploy a change that needs no other key, the first request that writes a lost claim again; then a new serial."""
    assert stack.known
    stack.must(stack.update(stack.known[1] | {"Description": "found again"}))
    stack.sweep_for(timedelta(hours=4), every=timedelta(minutes=20))
    stack.check_deployed(stack.known[1])
    stack.deploy("9", **RULES)
    stack.sweep_for(timedelta(minutes=20), every=_SOON)
    stack.check_deployed(stack.known[1])


def settle(stack: Stack, running: Race) -> bool:
    """Do what CloudFormation does after its answers, sweep, and tell whether the resource is still there."""
    properties = declared_after(stack, running)
    go_on(stack, running)
    stack.sweep_for(timedelta(minutes=20), every=_SOON)
    stack.check_always()
    if properties is None:
        stack.check_nothing_of_ours()
    return properties is not None


# --- the entry or the table is gone, or older


@pytest.mark.parametrize(("situation", "kind"), CALLERS_OF_WHOLE, ids=lambda name: name)
def test_an_entry_that_is_deleted(situation: str, kind: str) -> None:
    """Whoever comes first, a deployment makes all good; a Delete leaves no key."""
    with SITUATIONS[situation].prepared.forked() as stack:
        stack.account.person.delete_entry(stack.secret_arn)
        try:
            if settle(stack, come(stack, kind)):
                make_good(stack)
        except AssertionError as error:
            error.add_note(f"{situation}: {kind}\n{story(stack)}")
            raise


@pytest.mark.parametrize(("situation", "kind"), CALLERS_OF_WHOLE, ids=lambda name: name)
def test_a_table_put_back_to_before(situation: str, kind: str) -> None:
    """Something was done and the ledger knows nothing of it; a sample of who comes next."""
    chance = random.Random(f"put back {situation} {kind}")
    _put_back(situation, kind, chance.choice(_NEXT))


@pytest.mark.thorough
@pytest.mark.parametrize("following", _NEXT)
@pytest.mark.parametrize(("situation", "kind"), CALLERS_OF_WHOLE, ids=lambda name: name)
def test_a_table_put_back_to_before_and_anybody_next(situation: str, kind: str, following: str) -> None:
    """Something was done and the ledger knows nothing of it; each who may come next."""
    _put_back(situation, kind, following)


def _put_back(situation: str, kind: str, following: str) -> None:
    with SITUATIONS[situation].prepared.forked() as stack:
        before = stack.account.clock.now()
        try:
            if not settle(stack, come(stack, kind)):
                return
            stack.account.person.restore_table(to=before)
            if settle(stack, come(stack, following)):
                make_good(stack)
        except AssertionError as error:
            error.add_note(f"{situation}: {kind}, put back, {following}\n{story(stack)}")
            raise
