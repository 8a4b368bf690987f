"""Random lives of a key that is kept: deployments, looks, native rotations, undo and hands in any order.

`MODEL_ROTATIONS` says how many are tried; `SOAK_SECONDS` makes it go on with new ones until the time is over.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from faults.model_acts import LongLife
from faults.model_steps import Act, Step
from faults.model_strategies import LONG_LIVES, SHARDS, explore_shard
from faults.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEQUENCES = int(os.environ.get("MODEL_ROTATIONS", "1500"))


def live(steps: Sequence[Step | Act], count: dict[str, int] | None = None) -> None:
    """Live a life, to its end."""
    count = {} if count is None else count
    with Stack.on_fake_account() as stack:
        life = LongLife(stack)
        for step in steps:
            if isinstance(step, Act):
                life.act(step)
            else:
                life.take(step)
        life.end()
        for name, number in {"sequences": 1, "steps": len(steps), "requests": life.delivered}.items():
            count[name] = count.get(name, 0) + number


@pytest.mark.parametrize("shard", range(SHARDS))
def test_model_with_rotation(shard: int, record_property: Callable[[str, object], None]) -> None:
    """Whatever happens in whatever order, a user sees what the model allows."""
    count: dict[str, int] = {}
    explore_shard(shard, SEQUENCES, LONG_LIVES, lambda steps: live(steps, count))
    for name, number in count.items():
        record_property(name, number)
    assert count["sequences"] >= SEQUENCES // SHARDS
