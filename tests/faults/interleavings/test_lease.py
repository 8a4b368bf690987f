"""The lease: its holder dies, stalls, or is a machine that stood still and wakes up when another one has taken over.

Who wakes up makes at most the one call that it had begun, finds the lease lost, and takes back what that call made.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from faults.interleavings.aftermath import check_after
from faults.interleavings.meet import meet, meet_in_every, meet_in_some
from faults.interleavings.orders import (
    WRITES,
    Meeting,
    Stall,
    calls_of,
    every_death,
    every_stall,
    meetings,
    some_stalls,
)
from faults.interleavings.situations import SITUATIONS, callers_in
from faults.interleavings.turns import Why, after_calls, race

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults.interleavings.turns import Caller, Moment, Race

    Record = Callable[[str, object], None]

_SAMPLE = 3


@pytest.mark.parametrize("meeting", meetings(), ids=str)
def test_a_holder_that_stood_still(meeting: Meeting) -> None:
    """A sample: it stands still somewhere, another caller takes over, and it wakes up while that one is at work."""
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
