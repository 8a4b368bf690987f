"""Random lives of a resource, compared with a model of what a user may see.

`MODEL_SEQUENCES` says how many are tried; `SOAK_SECONDS` makes it go on with new ones until the time is over.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from fakes.faults import CONNECTION_LOST, FAULTS
from fakes.lags import Lag
from faults.model import USERS, Life, Step, Trouble
from faults.stack import Stack
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARDS = 4
SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "2000"))
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))

CHANGES = ("serial 1", "serial 2", "serial 3", "status", "description", "user", "secret", "delete", "nothing")
LAGGING = ("new_keys", "deleted_keys", "key_status", "user_tags", "labels", "secret_tags")


def add_key(life: Life, *, used: bool) -> None:
    """Make a key where the quota has room."""
    for user in USERS:
        if len(life.living(user)) < life.account.switches.keys_per_user:
            key = life.stack.add_foreign_key(user)
            if used:
                life.account.person.use_key(key)
            return


def change_foreign(life: Life, *, delete: bool) -> None:
    """Delete or deactivate the first foreign key."""
    for keys in life.stack.foreign.values():
        for key in tuple(keys):
            if delete:
                life.account.person.delete_key(key)
                del keys[key]
            else:
                life.account.person.deactivate_key(key)
                keys[key] = "Inactive"
            return


def change_ours(life: Life, act: Callable[[str], None], *, all_of_them: bool) -> None:
    """Do something to our keys."""
    life.changed_by_hand = True
    for key in life.ours() if all_of_them else life.ours()[-1:]:
        act(key)


def remove_labels(life: Life) -> None:
    """Remove our labels, unless the user's tags were: nobody could tell our keys then."""
    if life.stack.known and life.tampered != "tags":
        life.tampered, life.labels_lost, life.changed_by_hand = "labels", True, True
        life.account.person.remove_own_labels(life.stack.known[1]["SecretArn"])


def remove_user_tags(life: Life) -> None:
    """Remove the user's tags, unless the labels were."""
    if life.stack.known and life.tampered != "labels":
        life.tampered, life.changed_by_hand = "tags", True
        life.account.person.untag_user(life.stack.known[1]["UserName"])


def remove_secret_tags(life: Life) -> None:
    """Remove the marks of past requests, which can't come late any more without being carried out."""
    for arn in (life.stack.secret_arn, life.stack.other_arn):
        life.account.person.untag_secret(arn)
    life.past.clear()


def put_value(life: Life) -> None:
    """Put another value into the secret."""
    life.changed_by_hand = True
    life.account.person.put_value(life.stack.known[1]["SecretArn"] if life.stack.known else life.stack.secret_arn, "x")


HANDS: dict[str, Callable[[Life], None]] = {
    "makes a key": lambda life: add_key(life, used=False),
    "makes and uses a key": lambda life: add_key(life, used=True),
    "deletes a foreign key": lambda life: change_foreign(life, delete=True),
    "deactivates a foreign key": lambda life: change_foreign(life, delete=False),
    "removes our labels": remove_labels,
    "removes the user's tags": remove_user_tags,
    "removes the secrets' tags": remove_secret_tags,
    "puts a value": put_value,
    "deletes a key of ours": lambda life: change_ours(life, life.account.person.delete_key, all_of_them=False),
    "deletes our keys": lambda life: change_ours(life, life.account.person.delete_key, all_of_them=True),
    "deactivates our keys": lambda life: change_ours(life, life.account.person.deactivate_key, all_of_them=True),
    "activates our keys": lambda life: change_ours(
        life, lambda key: life.account.person.set_key_status(key, "Active"), all_of_them=True
    ),
}


def seldom(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give something once in three times."""
    return st.one_of(st.none(), st.none(), strategy)


RARELY = st.sampled_from((False, False, False, True))
TROUBLES = st.builds(
    lambda kind, index, times: Trouble(*kind, index, times),
    st.sampled_from([(fault, phase) for fault in FAULTS for phase in fault.phases]),
    st.integers(0, 35),
    st.sampled_from((1, 2, 5)),
)
LAGS = st.tuples(
    st.sampled_from(LAGGING),
    st.sampled_from((Lag(reads=1), Lag(reads=2), Lag(seconds=3))),
)
STEPS = st.builds(
    Step,
    change=st.sampled_from(CHANGES),
    hand=seldom(st.sampled_from(tuple(HANDS))),
    trouble=st.one_of(st.none(), TROUBLES),
    undone=RARELY,
    again=RARELY,
    again_later=RARELY,
    guest=RARELY,
    late=seldom(st.integers(0, 7)),
    lags=st.lists(LAGS, max_size=1).map(tuple),
    rejections=st.sampled_from((0, 0, 1, 4)),
    trouble_later=seldom(TROUBLES),
)


def live(steps: Sequence[Step], count: dict[str, int]) -> None:
    """Live a life."""
    with Stack.on_fake_account() as stack:
        life = Life(stack)
        count["sequences"] += 1
        for step in steps:
            life.take(step, HANDS)
            count["steps"] += 1


def test_a_tag_seen_late_while_an_attempt_is_cleaned_up() -> None:
    """The label of proof can't be set, and the key's tag is seen a read late when the key is removed."""
    trouble = Trouble(CONNECTION_LOST, "before", 16, 1)
    late = (("user_tags", Lag(reads=1)),)
    live([Step("serial 1"), Step("delete"), Step("serial 1", trouble=trouble, lags=late)], {"sequences": 0, "steps": 0})


def explore(seed: int, sequences: int, count: dict[str, int]) -> None:
    """Try so many lives; the seed decides which."""

    def try_one(steps: list[Step]) -> None:
        live(steps, count)

    chosen = settings(
        max_examples=sequences,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    hypothesis.seed(seed)(chosen(given(st.lists(STEPS, min_size=1, max_size=10))(try_one)))()


@pytest.mark.parametrize("shard", range(SHARDS))
def test_model(shard: int, record_property: Callable[[str, object], None]) -> None:
    """Whatever happens in whatever order, a user sees what the model allows."""
    count = {"sequences": 0, "steps": 0}
    explore(shard, SEQUENCES // SHARDS, count)
    begin, seed = time.monotonic(), SHARDS + shard
    while time.monotonic() - begin < SOAK_SECONDS / SHARDS:
        explore(seed, 250, count)
        seed += SHARDS
    for name, number in count.items():
        record_property(name, number)
    assert count["sequences"] >= SEQUENCES // SHARDS
