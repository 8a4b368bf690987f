"""Random lives of a resource, compared with a model of what a user may see: deployments without a grace period.

`MODEL_SEQUENCES` says how many are tried; `SOAK_SECONDS` makes it go on with new ones until the time is over.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fakes.faults import CONNECTION_LOST
from fakes.lags import Lag
from faults.model import Life
from faults.model_steps import Step, Trouble
from faults.model_strategies import SHARDS, STEPS, explore_shard
from faults.stack import Stack
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "2000"))


def live(steps: Sequence[Step], count: dict[str, int]) -> None:
    """Live a life."""
    with Stack.on_fake_account() as stack:
        life = Life(stack)
        count["sequences"] += 1
        for step in steps:
            life.take(step)
            count["steps"] += 1


def test_a_tag_seen_late_while_an_attempt_is_cleaned_up() -> None:
    """The label of proof can't be set, and the key's tag is seen a read late when the key is removed."""
    trouble = Trouble(CONNECTION_LOST, "before", 16, 1)
    late = (("user_tags", Lag(reads=1)),)
    live([Step("serial 1"), Step("delete"), Step("serial 1", trouble=trouble, lags=late)], {"sequences": 0, "steps": 0})


@pytest.mark.parametrize("shard", range(SHARDS))
def test_model(shard: int, record_property: Callable[[str, object], None]) -> None:
    """Whatever happens in whatever order, a user sees what the model allows."""
    count = {"sequences": 0, "steps": 0}
    explore_shard(shard, SEQUENCES, st.lists(STEPS, min_size=1, max_size=10), lambda steps: live(steps, count))
    for name, number in count.items():
        record_property(name, number)
    assert count["sequences"] >= SEQUENCES // SHARDS
