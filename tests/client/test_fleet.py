"""A fleet of consumers through weeks of rotations: none of its requests is refused, and with plain files many are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.fleet import DAY, INTERVAL, Fleet

from iam_access_key_client import renewal

if TYPE_CHECKING:
    from support.fleet import Tally

    from iam_access_key_client.state import State


def check(tally: Tally, days: int) -> None:
    """Check the promise, and that there was something to promise."""
    assert (tally.refused, tally.held) == (0, 0), tally
    assert tally.rotations >= days // 30, tally
    assert tally.retired >= tally.rotations - 1, tally
    # Each host reads once an interval at most, and twice when the stored key was refused.
    assert tally.reads <= 1.05 * tally.host_days * DAY / INTERVAL, tally


@pytest.mark.parametrize("seed", range(4))
def test_no_request_is_refused(seed: int) -> None:
    """Some consumers, two months."""
    check(Fleet(10, seed, renews=True).live(60), 60)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2))
def test_no_request_of_two_hundred_consumers_in_ninety_days_is_refused(seed: int) -> None:
    """The whole fleet."""
    check(Fleet(200, seed, renews=True).live(90), 90)


@pytest.mark.thorough
def test_no_request_of_many_small_fleets_is_refused() -> None:
    """Where few are waited for, rotations and undos come thick and fast."""
    undone = 0
    for seed in range(100, 150):
        tally = Fleet(4, seed, renews=True).live(90)
        check(tally, 90)
        undone += tally.undone
    assert undone > 150


def test_plain_files_fail() -> None:
    """The same hosts and programs, with files that are written anew in time, which long-running programs don't see."""
    tally = Fleet(10, 1, renews=False).live(60)
    assert tally.refused > tally.requests / 10, tally


def test_retirement_that_waits_for_nobody_is_found() -> None:
    """Who is off for longer than the grace period comes back with a key that is Inactive."""
    fleets = [Fleet(10, seed, renews=True) for seed in range(2)]
    for fleet in fleets:
        fleet.awaited = []
    assert sum(fleet.live(60).refused for fleet in fleets)


def test_acknowledgement_that_comes_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation would find a client that acknowledges a key while SDKs still have the one before."""
    right = renewal.is_acknowledgement_due

    def early(state: State, now: float) -> bool:
        return right(replace(state, previous=None), now)

    monkeypatch.setattr(renewal, "is_acknowledgement_due", early)
    monkeypatch.setattr("support.fleet.GRACE", 0)
    assert sum(Fleet(1, seed, renews=True).live(60).held for seed in range(20))
