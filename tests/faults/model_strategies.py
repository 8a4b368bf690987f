"""How random lives are drawn, and how many of them are tried.

`MODEL_SEQUENCES` says how many in all; `SOAK_SECONDS` makes it go on with new ones until the time is over.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import hypothesis
from fakes.faults import FAULTS
from fakes.lags import Lag
from faults.model_hands import HANDS
from faults.model_rotation import TEMPLATES
from faults.model_steps import Act, Step, Trouble
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARDS = 4
SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))

CHANGES = ("serial 1", "serial 2", "serial 3", "status", "description", "user", "secret", "delete", "nothing")
LAGGING = ("new_keys", "deleted_keys", "key_status", "user_tags", "labels", "secret_tags")


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

MEANWHILE = ("wait", "fire", "look", "use", "rotate", "rotate", "undo", "cut_over", "foreign")
KINDS = (*MEANWHILE, "wait", "fire", "rotate", "hand", "give_up")


def acts(kinds: Sequence[str]) -> st.SearchStrategy[Act]:
    """Let one of those things happen."""
    return st.builds(
        Act,
        kind=st.sampled_from(kinds),
        choice=st.integers(0, 209),
        trouble=seldom(TROUBLES),
        lags=seldom(LAGS).map(lambda lag: (lag,) if lag else ()),
    )


def _once(step: Step) -> Trouble | None:
    """Let one call fail of what follows a request: a rollback that can't clean up succeeds all the same, and tells."""
    return replace(step.trouble_later, times=1) if step.trouble_later else None


DEPLOYMENTS = st.builds(
    lambda step, change, meanwhile: replace(step, change=change, meanwhile=meanwhile),
    STEPS.map(lambda step: replace(step, hand=None, rejections=min(step.rejections, 1), trouble_later=_once(step))),
    st.sampled_from((*CHANGES, *CHANGES, *(f"policy {name}" for name in TEMPLATES))),
    st.lists(acts(MEANWHILE), max_size=2).map(tuple),
)
LONG_LIVES = st.lists(st.one_of(DEPLOYMENTS, acts(KINDS)), min_size=1, max_size=12)


def explore(seed: int, sequences: int, lives: st.SearchStrategy[Any], live: Callable[[Any], None]) -> None:
    """Live so many lives; the seed decides which."""

    def noted(life: Any) -> None:
        # What Hypothesis shows itself may be what an object was made from, not the object.
        hypothesis.note(f"life = {life!r}")
        live(life)

    chosen = settings(
        max_examples=sequences,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    hypothesis.seed(seed)(chosen(given(lives)(noted)))()


def explore_shard(shard: int, sequences: int, lives: st.SearchStrategy[Any], live: Callable[[Any], None]) -> None:
    """Live the lives of one shard of several, and go on while there is time to soak."""
    explore(shard, sequences // SHARDS, lives, live)
    begin, seed = time.monotonic(), SHARDS + shard
    while time.monotonic() - begin < SOAK_SECONDS / SHARDS:
        explore(seed, 250, lives, live)
        seed += SHARDS
