"""Taking back a call that came through after the lease was lost, tried on situations built by hand."""

from __future__ import annotations

import pytest
from unit.planning.situation import (
    BY_HAND,
    HOUR,
    NOW,
    OWNER,
    TOKEN,
    A,
    B,
    Situation,
    changes,
    deleted,
    rotated_once,
    touched,
    version_of,
)

from access_key_provider.model.actions import (
    Activate,
    CreateKey,
    Deactivate,
    DeleteKey,
    GiveBack,
    Promote,
    RecordKey,
    RemoveLabel,
    StoreSecret,
    TagUser,
)
from access_key_provider.model.state import PENDING
from access_key_provider.planning.late_call import plan_take_back

BY = "failed request"


def test_a_key_made_late_is_recorded_and_removed() -> None:
    """The holder that came between knows nothing of it."""
    late = CreateKey(OWNER, "deploy", (A,), "2", key_id=B)
    draft = Situation().managed(A).unmanaged(B).drafted(plan_take_back, late, (B,))
    assert isinstance(draft.actions[0], RecordKey)
    assert deleted(draft.actions) == [B]
    assert touched(draft.actions) == {B}


@pytest.mark.parametrize("what", ["recorded since", "gone since"])
def test_a_key_made_late_that_somebody_has_seen_to_is_left(what: str) -> None:
    """It was recorded by the next holder as an orphan, or removed by it."""
    situation = Situation().managed(A)
    if what == "recorded since":
        situation.managed(B, "proven", "2")
    late = CreateKey(OWNER, "deploy", (A,), "2", key_id=B)
    assert situation.plan(plan_take_back, late, (B,)) == []


def test_a_key_deactivated_late_is_activated_again() -> None:
    """The ledger has it as current, or in its grace period."""
    assert Situation().managed(A).plan(plan_take_back, Deactivate(A, "sweep")) == [Activate(A)]
    assert rotated_once("Active").plan(plan_take_back, Deactivate(A, "sweep")) == [Activate(A)]


@pytest.mark.parametrize("key_id", [A, B])
def test_a_key_deactivated_late_that_is_inactive_by_now_stays_so(key_id: str) -> None:
    """The next holder has deactivated or deleted it as well."""
    assert rotated_once().managed(B, deactivated=NOW).plan(plan_take_back, Deactivate(key_id, "sweep")) == []
    assert Situation().plan(plan_take_back, Deactivate(A, "sweep")) == []


def test_a_key_activated_late_is_deactivated_again() -> None:
    """Unless the ledger has it as Active."""
    assert rotated_once().plan(plan_take_back, Activate(A)) == [Deactivate(A, BY)]
    assert rotated_once("Active").plan(plan_take_back, Activate(A)) == []
    assert Situation().plan(plan_take_back, Activate(A)) == []


@pytest.mark.parametrize("late", [Promote(A, version_of(B), "deployment"), Promote(A, "", "rotation")])
def test_awscurrent_moved_late_is_moved_back(late: Promote) -> None:
    """To the key that the ledger has as current, and only from where the late call has put it."""
    assert changes(rotated_once().plan(plan_take_back, late)) == [Promote(B, version_of(A), BY)]


def test_awscurrent_moved_late_to_the_key_that_is_current_stays() -> None:
    """The next holder wanted the same; or no key is current any more."""
    assert rotated_once().plan(plan_take_back, Promote(B, version_of(A), "deployment")) == []
    assert Situation().plan(plan_take_back, Promote(B, version_of(A), "deployment")) == []


def test_awscurrent_moved_late_for_a_resource_that_was_deleted_is_moved_back() -> None:
    """The value that was there before is current again, if the late call is what has replaced it."""
    late = Promote(A, BY_HAND, "deployment")
    situation = Situation().deleted().current_is(BY_HAND).current_is(version_of(A))
    assert changes(situation.plan(plan_take_back, late)) == [GiveBack(BY_HAND, version_of(A))]
    assert Situation().deleted().current_is(BY_HAND).plan(plan_take_back, late) == []
    assert situation.plan(plan_take_back, Promote(A, "", "deployment")) == [], "there was none"


def test_awscurrent_moved_back_from_a_rotation_leaves_no_rotation_open() -> None:
    """AWSPENDING on a version that is current no more would block every later rotation."""
    late = Promote(A, BY_HAND, "rotation", to_version=TOKEN)
    situation = Situation().deleted().current_is(BY_HAND).rotating("", NOW).current_is(TOKEN)
    assert changes(situation.plan(plan_take_back, late)) == [RemoveLabel(TOKEN, PENDING), GiveBack(BY_HAND, TOKEN)]


def test_awscurrent_moved_late_to_a_key_that_is_forgotten_is_moved_back() -> None:
    """Its version's name is made of its id."""
    situation = Situation().managed(A)
    assert situation.plan(plan_take_back, Promote(B, version_of(A), "x")) == [Promote(A, version_of(B), BY)]


def test_a_value_given_back_late_is_taken_back() -> None:
    """It is no key's."""
    situation = Situation().managed(A).current_is(BY_HAND)
    assert situation.plan(plan_take_back, GiveBack(BY_HAND, version_of(A))) == [Promote(A, BY_HAND, BY)]


@pytest.mark.parametrize(("token", "version"), [("", version_of(B)), (TOKEN, TOKEN)])
def test_a_secret_stored_late_loses_the_label_of_a_key_that_is_gone(token: str, version: str) -> None:
    """Else the version would live for ever, and name a key that does not exist."""
    late = StoreSecret(token, B)
    assert Situation().managed(A).plan(plan_take_back, late) == [RemoveLabel(version, B)]
    assert Situation().managed(A).managed(B, "proven").plan(plan_take_back, late) == []


@pytest.mark.parametrize("late", [DeleteKey(A, "sweep"), TagUser(B, "x"), RemoveLabel("v", A)])
def test_what_is_gone_late_is_recorded_and_what_does_no_harm_is_left(late: DeleteKey | TagUser | RemoveLabel) -> None:
    """A key that was deleted late is found to be missing."""
    situation = Situation().managed(B).managed(A, "inactive", replaced=NOW - HOUR).missing(A)
    draft = situation.drafted(plan_take_back, late, (B,))
    assert A not in draft.entry.keys
    assert touched(draft.actions) == set()


def test_what_is_refused_is_left_to_the_sweep() -> None:
    """Nobody waits for the outcome."""
    draft = rotated_once().drafted(plan_take_back, Activate(A))
    assert draft.optional == {0}
