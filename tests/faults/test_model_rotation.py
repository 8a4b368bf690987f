"""Random lives of a key that is kept: deployments, looks, native rotations, undo and hands in any order.

`MODEL_ROTATIONS` says how many are tried; `SOAK_SECONDS` makes it go on with new ones until the time is over.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fakes.faults import CONNECTION_LOST, NOT_FOUND, PROCESS_DEATH
from fakes.lags import Lag
from faults.model_acts import LongLife
from faults.model_steps import Act, Step, Trouble
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


DEATH = Trouble(PROCESS_DEATH, "before", 0, 1)
FOUND: dict[str, list[Step | Act]] = {
    "the clean-up after a change of the user unregistered the new user's key": [Step("serial 1"), Step("user")],
    "a change of the user that is undone left the key unregistered": [Step("serial 1"), Step("user", undone=True)],
    "a change of the user that is undone left a deleted key current": [
        Step("serial 1"),
        Step("user", undone=True, meanwhile=(Act("rotate", 3),)),
    ],
    "a rotation that was given up blocked the next one": [Step("serial 1"), Act("rotate", 1), Act("give_up")],
    "a deployment published the key of a rotation that was given up": [
        Step("serial 1"),
        Act("rotate", 1),
        Act("give_up"),
        Step("description"),
        Step("description"),
    ],
    "a delete that died took the label that tells whose version it is before the others": [
        Step("serial 1"),
        Act("rotate", 1),
        Step("delete", trouble=Trouble(PROCESS_DEATH, "before", 10, 1)),
        Step("serial 1"),
    ],
    "a rotation published an Active key though the template had come to say Inactive": [
        Step("serial 1"),
        Act("rotate", 1),
        Step("status"),
    ],
    "a rotation left its announcement, which it saw late": [
        Step("serial 1"),
        Act("rotate", 1, lags=(("user_tags", Lag(reads=1)),)),
    ],
    "a rotation deleted the key that it had stored, as it saw the label late": [
        Step("serial 1"),
        Act("wait"),
        Act("rotate", 1, lags=(("labels", Lag(reads=1)),)),
    ],
    "the key of a finished rotation was left aside after a person's value": [
        Step("serial 1"),
        Act("rotate", 3),
        Act("hand", 2),
    ],
    "the key that a person's value had displaced lost its grace period": [
        Step("serial 1"),
        Act("rotate", 3),
        Act("wait", 1),
        Act("hand", 2),
        Step("serial 2"),
    ],
    "a late Delete put an earlier tombstone in the place of a later one": [
        Step("serial 1", undone=True),
        *[Step("serial 1", trouble=DEATH)] * 2,
        Step("serial 1", trouble=DEATH, late=3),
    ],
    "a refused creation withdrew the announcement of the one whose key was lost": [
        Step("serial 1", undone=True, guest=True),
        Step("serial 1", trouble=Trouble(CONNECTION_LOST, "before", 11, 2), lags=(("new_keys", Lag(reads=1)),)),
    ],
    "an announcement seen late let the next one take a lost key for a person's": [
        Step("serial 1", trouble=DEATH),
        Step("serial 1", trouble=Trouble(CONNECTION_LOST, "after", 9, 1), lags=(("user_tags", Lag(reads=1)),)),
    ],
    "a redelivery gave up before the tags that it had written again were seen": [
        *[Step("serial 1", undone=True)] * 2,
        *[Step("serial 1", trouble=DEATH)] * 2,
        Step(
            "serial 1",
            trouble=Trouble(NOT_FOUND, "before", 11, 2),
            again=True,
            lags=(("secret_tags", Lag(seconds=3)),),
        ),
    ],
    "an undo left the bad key Active when it saw the good one's status late": [
        Step("serial 1"),
        Step("serial 2", meanwhile=(Act("wait", 1),)),
        Act("undo", 0, trouble=DEATH, lags=(("key_status", Lag(reads=2)),)),
    ],
    "a rotation began with the token of another user's": [
        Step("serial 1"),
        Step("serial 1", meanwhile=(Act("rotate"),)),
        Step("user", meanwhile=(Act("rotate"),)),
    ],
    "a rollback did not try again to clean the place of a failed replacement": [
        Step("serial 1"),
        Step(
            "user",
            trouble=Trouble(PROCESS_DEATH, "before", 9, 1),
            trouble_later=Trouble(CONNECTION_LOST, "before", 11, 1),
        ),
    ],
    "a Delete left no tombstone, as it did not find the secret at once": [
        Step("serial 1"),
        Step("serial 1"),
        Step("user", undone=True, trouble_later=Trouble(NOT_FOUND, "before", 0, 1)),
        Step("serial 1", late=1),
    ],
    "a key used within the day was retired though the cut-over that it waits for never came": [
        Step("serial 1"),
        Step("serial 2"),
        Step("serial 1"),
        Step("policy deferred"),
        Step("serial 1", meanwhile=(Act("use", 1),)),
    ],
    "a record that a rollback could not remove is left, and does no harm": [
        Step("serial 1"),
        Step("serial 2", undone=True, again_later=True, trouble_later=Trouble(CONNECTION_LOST, "before", 20, 1)),
    ],
}


@pytest.mark.parametrize("steps", FOUND.values(), ids=FOUND)
def test_what_random_lives_have_found(steps: list[Step | Act]) -> None:
    """Each of these went wrong once."""
    live(steps)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_model_with_rotation(shard: int, record_property: Callable[[str, object], None]) -> None:
    """Whatever happens in whatever order, a user sees what the model allows."""
    count: dict[str, int] = {}
    explore_shard(shard, SEQUENCES, LONG_LIVES, lambda steps: live(steps, count))
    for name, number in count.items():
        record_property(name, number)
    assert count["sequences"] >= SEQUENCES // SHARDS
