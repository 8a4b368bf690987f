"""Callers against callers: CloudFormation, Secrets Manager, the sweep, alarms and operators, two or three at once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from faults.interleavings.meet import meet_in_every, meet_in_some
from faults.interleavings.orders import Meeting, by_first, every_turn, many_turns, meetings, some_turns
from faults.interleavings.situations import SITUATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    Record = Callable[[str, object], None]

_SAMPLE = 3
_SAMPLE_OF_MANY = 1
_MANY = 40
_THREE = 4
_MANY_THREE = 150


@pytest.mark.parametrize("pairs", by_first().values(), ids=list(by_first()))
def test_two_at_once(pairs: list[Meeting]) -> None:
    """A sample of all orders, another one for each pair."""
    for meeting in pairs:
        meet_in_some(meeting, some_turns(meeting, _SAMPLE))
        meet_in_some(meeting, many_turns(meeting, _SAMPLE_OF_MANY))


@pytest.mark.thorough
@pytest.mark.parametrize("meeting", meetings(), ids=str)
def test_two_at_once_in_every_order(meeting: Meeting, record_property: Record) -> None:
    """Every order with up to two changes of turn, and a sample of those with more."""
    record_property("tried", meet_in_every(meeting, every_turn()) + _MANY)
    meet_in_some(meeting, many_turns(meeting, _MANY))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_three_at_once(situation: str) -> None:
    """A sample: any three that may come there."""
    for meeting in _threes(situation, _THREE):
        meet_in_some(meeting, many_turns(meeting, 1))


@pytest.mark.thorough
@pytest.mark.parametrize("situation", SITUATIONS)
def test_three_at_once_at_length(situation: str) -> None:
    """A larger sample."""
    for meeting in _threes(situation, _MANY_THREE):
        meet_in_some(meeting, many_turns(meeting, 4))


def _threes(situation: str, number: int) -> list[Meeting]:
    chance = random.Random(situation)
    kinds = SITUATIONS[situation].kinds
    order = list(kinds)
    return [Meeting(situation, tuple(sorted(chance.choices(kinds, k=3), key=order.index))) for _ in range(number)]
