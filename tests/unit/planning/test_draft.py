"""A plan in the making: what is taken for given once an action is planned."""

from __future__ import annotations

import pytest
from unit.planning.situation import BY_HAND, DAY, HOUR, NOW, OWNER, A, B, F, Situation, rotated_once, version_of

from access_key_provider.model.actions import (
    NEW,
    Activate,
    CreateKey,
    Deactivate,
    DeleteKey,
    GiveBack,
    Promote,
    RecordGone,
    StoreSecret,
)


def test_each_rule_sees_the_effects_of_those_before_it() -> None:
    """One observation is enough for a whole plan."""
    draft = rotated_once().draft()
    assert draft.missing_key_slots == 1
    draft.add(Deactivate(A, "x"), DeleteKey(A, "x"))
    assert (draft.missing_key_slots, A in draft.statuses) == (0, False)
    draft.add(CreateKey(OWNER, "deploy", (), "3"), StoreSecret(), Promote(NEW, draft.current, "x"))
    assert draft.is_active(NEW)
    assert draft.current == draft.entry.keys[NEW].version_id
    assert draft.entry.current == draft.entry.keys[NEW]
    draft.add(GiveBack(BY_HAND, draft.current))
    assert draft.current == BY_HAND
    assert draft.entry.current is None


def test_a_status_follows_what_is_planned() -> None:
    """A key that is not there has none."""
    draft = rotated_once().draft()
    draft.add(Activate(A), Deactivate(B, "x"))
    assert (draft.is_active(A), draft.is_active(B)) == (True, False)
    draft.add(RecordGone(A))
    assert not draft.is_active(A)


def test_a_key_exists_if_the_ledger_and_iam_have_it() -> None:
    """Neither alone is enough."""
    situation = rotated_once().missing(A).managed(F, "deleted")
    draft = situation.draft()
    assert [draft.exists(draft.entry.keys[key]) for key in (A, B, F)] == [False, True, False]


def test_what_is_left_to_the_sweep_is_marked() -> None:
    """Also where one such block is inside another."""
    draft = rotated_once().draft()
    draft.add(Activate(A))
    with draft.left_to_the_sweep():
        with draft.left_to_the_sweep():
            draft.add(Activate(A))
        draft.add(Activate(A))
    draft.add(Activate(A))
    assert draft.optional == {1, 2}


@pytest.mark.parametrize(("ago", "again"), [(HOUR, False), (DAY - 2 * HOUR, False), (DAY - HOUR, True), (DAY, True)])
def test_what_was_reported_within_a_day_is_not_reported_again(ago: object, again: bool) -> None:  # noqa: FBT001
    """A sweep that comes a little earlier than yesterday's reports all the same."""
    draft = rotated_once().changed(reported={"x": NOW - ago}).draft()  # type: ignore[operator]
    draft.report("Kind", {}, once_a_day="x")
    assert bool(draft.actions) is again
    assert (draft.entry.reported["x"] == NOW) is again
    draft.report("Kind", {}, once_a_day="x")
    assert len(draft.actions) == again


def test_an_event_is_reported_each_time_unless_it_is_a_daily_one() -> None:
    """And leaves nothing in the entry."""
    draft = rotated_once().draft()
    draft.report("Kind", {})
    draft.report("Kind", {})
    assert len(draft.actions) == 2
    assert draft.entry.reported == {}


def test_nothing_is_current_where_awscurrent_is_on_no_version() -> None:
    """A secret that never had a value."""
    assert Situation().draft().current == ""
    assert Situation().managed(A).draft().current == version_of(A)
