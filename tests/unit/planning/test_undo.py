"""Going back to the previous key, tried on situations built by hand."""

from __future__ import annotations

import pytest
from unit.planning.situation import (
    BY_HAND,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    OTHER,
    OWNER,
    TOKEN,
    A,
    B,
    C,
    Situation,
    changes,
    deleted,
    version_of,
)

from access_key_provider.model import errors
from access_key_provider.model.actions import Activate, CreateKey, Deactivate, Promote, RemoveLabel
from access_key_provider.model.entry import KeyState
from access_key_provider.model.retirement_rules import RetirementRules
from access_key_provider.model.state import PENDING, PREVIOUS, SecretState
from access_key_provider.planning.deployment import key_of_serial, plan_deployment
from access_key_provider.planning.maintenance import plan_maintenance
from access_key_provider.planning.undo import plan_undo, previous_key

GRACE = RetirementRules(grace=HOUR)
TAKEN_BACK = "an undo has taken it back"


def switched(state: str = "replaced", ago: object = None, **members: object) -> Situation:
    """Build a rotation from A to B, half an hour ago unless a time is given."""
    at = NOW - HOUR / 2 if ago is None else NOW - ago  # type: ignore[operator]
    situation = Situation().declared("2", rules=GRACE).managed(B, "current", "2", published=at)
    times = {"replaced": at, "deactivated": at if state == "inactive" else None}
    return situation.managed(A, state, "1", PREVIOUS, **(times | members))  # type: ignore[arg-type]


def undone() -> Situation:
    """Build what an undo leaves: A is current, for serial 2 too; B is Inactive and not to be restored."""
    situation = Situation().declared("2", rules=GRACE).managed(A, "current", "1", serials=("1", "2"))
    return situation.managed(B, "inactive", "2", PREVIOUS, note=TAKEN_BACK, by="operator")


# --- an operator


@pytest.mark.parametrize("state", ["replaced", "inactive"])
def test_an_undo_makes_the_previous_key_active_and_current_before_it_takes_the_bad_one_away(state: str) -> None:
    """However long ago the switch was, as long as the key is there."""
    draft = switched(state, 99 * DAY).drafted(plan_undo)
    assert changes(draft.actions) == [
        Activate(A),
        Promote(A, version_of(B), "operator", "2", TAKEN_BACK),
        Deactivate(B, "operator"),
    ]
    assert draft.entry.keys[A].serials == ("1", "2")
    assert not draft.entry.keys[B].restorable


def test_of_several_previous_keys_the_one_that_was_current_last_is_restored() -> None:
    """The one before it may be forgotten by now."""
    situation = Situation().declared("3").managed(A, "inactive", "1").managed(B, "inactive", "2")
    situation.managed(C, "current", "3")
    assert previous_key(situation.draft(), OWNER).id == B


def test_a_deployment_after_an_undo_keeps_the_restored_key() -> None:
    """Whether it declares the serial as before, or its rollback the one before that."""
    for serial in ("1", "2"):
        found = key_of_serial(undone().declared(serial).draft(), OWNER)
        assert found is not None
        assert found.id == A
        assert changes(undone().declared(serial, rules=GRACE).plan(plan_deployment)) == []


def test_a_new_serial_after_an_undo_makes_a_new_key_in_the_place_of_the_bad_one() -> None:
    """Which is Inactive and ours."""
    actions = undone().declared("3", rules=GRACE).plan(plan_deployment)
    assert deleted(actions) == [B]
    assert any(isinstance(action, CreateKey) for action in actions)


def test_the_key_that_was_taken_back_is_deactivated_by_the_sweep_if_the_undo_died() -> None:
    """Whatever its grace period."""
    situation = undone().managed(B, "replaced", "2", PREVIOUS, note=TAKEN_BACK)
    assert changes(situation.plan(plan_maintenance)) == [Deactivate(B, "sweep")]


def test_an_undo_is_not_undone() -> None:
    """It may be asked for twice; the bad key stays where it is."""
    with pytest.raises(errors.NothingToUndoError, match=f"{B} was taken back by an undo, and {A} is current again"):
        undone().plan(plan_undo)


def test_a_second_undo_activates_the_restored_key_if_it_does_not_work() -> None:
    """A sweep or a bot has deactivated it between."""
    assert undone().unmanaged(A, "Inactive").plan(plan_undo) == [Activate(A)]


def test_a_key_that_somebody_deactivated_is_not_half_undone() -> None:
    """No undo was at work: the previous key is meant."""
    situation = switched().unmanaged(B, "Inactive")
    assert Promote(A, version_of(B), "operator", "2", TAKEN_BACK) in situation.plan(plan_undo)


def test_an_undo_whose_switch_died_is_finished() -> None:
    """The previous key was activated, AWSCURRENT not moved."""
    situation = switched("replaced").switching(A, "operator", "2")
    assert Promote(A, version_of(B), "operator", "2", TAKEN_BACK) in situation.plan(plan_undo)
    moved = switched("replaced").switching(A, "operator", "2").current_is(version_of(A))
    draft = moved.draft()
    with pytest.raises(errors.NothingToUndoError):
        plan_undo(draft, OWNER)
    assert draft.entry.current == draft.entry.keys[A]


def test_an_undo_goes_back_over_a_rotation_of_secrets_manager() -> None:
    """And takes AWSPENDING off the version that is current no more."""
    situation = switched().managed(B, "current", "2", PENDING, version=TOKEN)
    situation.versions = {version_of(A): {A, PREVIOUS}, TOKEN: {B, "AWSCURRENT", PENDING}}
    actions = situation.plan(plan_undo)
    assert actions.index(RemoveLabel(TOKEN, PENDING)) < actions.index(Promote(A, TOKEN, "operator", "2", TAKEN_BACK))


# --- nothing to undo


@pytest.mark.parametrize(
    ("situation", "why"),
    [
        pytest.param(Situation().managed(A), "has no previous key", id="the only key"),
        pytest.param(
            Situation().managed(A).managed(B, "inactive", "2"), "has no previous key", id="a rollback replaced it"
        ),
        pytest.param(switched().missing(A), "has no previous key", id="it was deleted"),
        pytest.param(switched(note="it leaked"), "has no previous key", id="it must not be restored"),
        pytest.param(
            Situation().managed(B, "current").managed(A, "proven"), "has no previous key", id="it never was current"
        ),
        pytest.param(
            Situation().declared(owner=OTHER).managed(A, "replaced", owner=OTHER).managed(B),
            "has no previous key",
            id="it is another resource's",
        ),
        pytest.param(switched().current_is(BY_HAND), "not written by this key", id="the value was put by hand"),
        pytest.param(switched().missing(B), "its key is gone", id="the current key is gone"),
        pytest.param(
            Situation().declared(owner=OTHER).managed(A, "replaced").managed(B, owner=OTHER),
            "not written by this key",
            id="another resource's key is current",
        ),
        pytest.param(switched().declared("2", "Inactive"), "declares the key Inactive", id="declared Inactive"),
    ],
)
def test_there_is_nothing_to_undo(situation: Situation, why: str) -> None:
    """Each reason is told, and nothing is planned but what had to be recovered."""
    draft = situation.draft()
    with pytest.raises(errors.NothingToUndoError, match=why):
        plan_undo(draft, OWNER)
    assert not any(isinstance(action, Activate | Deactivate | Promote) for action in draft.actions)


def test_an_undo_needs_the_user_and_the_secret() -> None:
    """The message says what is missing."""
    gone = switched()
    gone.state = SecretState.SCHEDULED_FOR_DELETION
    with pytest.raises(errors.SecretUnavailableError, match="restore-secret"):
        gone.plan(plan_undo)
    gone.user_exists = False
    with pytest.raises(errors.UserNotFoundError):
        gone.plan(plan_undo)


# --- an alarm


def test_an_alarm_goes_back_within_the_grace_period() -> None:
    """The previous key is Active yet, so it is not activated."""
    assert changes(switched().plan(plan_undo, alarm=NOW - MINUTE)) == [
        Promote(A, version_of(B), "alarm", "2", TAKEN_BACK),
        Deactivate(B, "alarm"),
    ]


def test_after_the_grace_period_only_a_person_goes_back() -> None:
    """The previous key may be long forgotten by those who used it."""
    with pytest.raises(errors.NothingToUndoError, match=r"grace period of .* is over"):
        switched(ago=HOUR).plan(plan_undo, alarm=NOW)
    assert switched(ago=HOUR).plan(plan_undo)


def test_the_grace_period_counts_from_the_switch() -> None:
    """Not from the creation of the key."""
    assert switched(ago=HOUR - MINUTE).plan(plan_undo, alarm=NOW)
    deferred = switched(ago=2 * HOUR).declared("2", rules=RetirementRules(deferred=True))
    assert deferred.plan(plan_undo, alarm=NOW)


@pytest.mark.parametrize("before", [MINUTE, HOUR])
def test_an_alarm_whose_data_began_before_the_switch_is_not_about_the_current_key(before: object) -> None:
    """It went off while the new key was proven, or its event comes late."""
    began = NOW - HOUR / 2 - before  # type: ignore[operator]
    with pytest.raises(errors.NothingToUndoError, match="it is not about that key"):
        switched().plan(plan_undo, alarm=began)
    assert switched().plan(plan_undo, alarm=NOW - HOUR / 2)


@pytest.mark.parametrize("state", ["replaced", "inactive"])
def test_an_alarm_never_activates_a_key_that_somebody_deactivated(state: str) -> None:
    """It leaked, say: whoever deactivated it knows better."""
    situation = switched(state).unmanaged(A, "Inactive")
    with pytest.raises(errors.NothingToUndoError):
        situation.plan(plan_undo, alarm=NOW)


def test_an_alarm_that_comes_twice_undoes_once() -> None:
    """The key that was taken back stays where it is, and the restored one is not activated by an alarm."""
    for situation in (undone(), undone().unmanaged(A, "Inactive")):
        with pytest.raises(errors.NothingToUndoError):
            situation.plan(plan_undo, alarm=NOW)


def test_an_undo_by_an_alarm_records_who_it_was() -> None:
    """The event and the history tell."""
    draft = switched().drafted(plan_undo, alarm=NOW)
    assert draft.entry.keys[B].by == "alarm"
    assert draft.entry.keys[B].state is KeyState.INACTIVE
    assert any(f"published {A} by alarm" in line for line in draft.entry.history)
