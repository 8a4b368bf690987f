"""The steps of a rotation by Secrets Manager, and going back, tried on situations built by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from provider.test_plan import MARK, MARK_TAG, NOW, PLACE, A, B, Situation, desired
from provider.test_retirement import DAY, HOUR, MANAGED, NEVER, POLICY, seen, waiting

from access_key_provider.model import errors
from access_key_provider.model.actions import (
    AddLabel,
    CreateKey,
    DeleteKey,
    LookAgain,
    MoveCurrent,
    ProveKey,
    RemoveLabel,
    SetStatus,
    StoreSecret,
    TagSecret,
)
from access_key_provider.model.records import SerialLabel
from access_key_provider.model.retirement_record import BY_ROTATION, BY_UNDO, Retirement, retirement_tag
from access_key_provider.model.state import CURRENT, PENDING, PREVIOUS
from access_key_provider.planning.deletion import plan_absent
from access_key_provider.planning.deployment import matching_key, plan_present
from access_key_provider.planning.maintenance import plan_look
from access_key_provider.planning.rotation import plan_creation, plan_finish, plan_test, plan_undoing
from access_key_provider.planning.undo import plan_undo, previous_key

TOKEN = "11111111-2222-4333-8444-555555555555"


def begun() -> Situation:
    """Build a key that is current, and the empty version of a rotation."""
    situation = Situation().owned(A, "2", 2, "Active", CURRENT)
    situation.versions[TOKEN] = {PENDING}
    return situation


def stored(*labels: str) -> Situation:
    """Build the same after createSecret."""
    situation = begun().key(B)
    serial = str(SerialLabel(PLACE.serial_digest("2"), 3))
    situation.versions[TOKEN] = {PENDING, B, PLACE.version_id(B), serial, *labels}
    situation.user_tags[B] = PLACE.key_tag_value("shop/Key")
    return situation


def test_a_key_is_proven_before_it_is_stored() -> None:
    """A version that has a value never takes another one, so a retry must find it empty or right."""
    actions = plan_creation(begun().observed(), MANAGED, TOKEN)
    put = StoreSecret(TOKEN, str(SerialLabel(PLACE.serial_digest("2"), 3)))
    assert actions.index(CreateKey()) < actions.index(ProveKey()) < actions.index(put)
    assert not any(isinstance(action, MoveCurrent) for action in actions)


def test_create_secret_again_makes_no_second_key() -> None:
    """Under the same token, after a crash at the end of the step."""
    assert plan_creation(stored().observed(), MANAGED, TOKEN) == []


def test_create_secret_after_the_rotation_is_finished_does_nothing() -> None:
    """The whole process may come again."""
    situation = stored(CURRENT)
    situation.versions[PLACE.version_id(A)] -= {CURRENT}
    assert plan_creation(situation.observed(), MANAGED, TOKEN) == []


def test_a_rotation_whose_key_was_deleted_is_given_up() -> None:
    """Its version can't be written again; AWSPENDING must not block the next rotation."""
    situation = stored()
    del situation.keys[B]
    actions = plan_creation(situation.observed(), MANAGED, TOKEN)
    assert RemoveLabel(TOKEN, PENDING) in actions
    assert CreateKey() not in actions
    assert actions[-1] == LookAgain()


@pytest.mark.parametrize("labels", [set(), {"AWSPREVIOUS"}])
@pytest.mark.parametrize("plan", [plan_creation, plan_finish])
def test_a_version_that_is_not_pending_is_refused(labels: set[str], plan: object) -> None:
    """The rotation was given up, or a person moved the label."""
    situation = begun()
    situation.versions[TOKEN] = labels
    with pytest.raises(errors.RotationError, match="not AWSPENDING"):
        plan(situation.observed(), MANAGED, TOKEN)  # type: ignore[operator]
    del situation.versions[TOKEN]
    with pytest.raises(errors.RotationError, match="no version"):
        plan(situation.observed(), MANAGED, TOKEN)  # type: ignore[operator]


def test_a_key_declared_inactive_is_not_rotated() -> None:
    """A new key would be Active."""
    with pytest.raises(errors.RotationError, match="declares the key Inactive"):
        plan_creation(begun().observed(), replace(MANAGED, status="Inactive"), TOKEN)


def test_a_rotation_waits_for_a_deployment_that_creates_a_key() -> None:
    """Each would take the other's key for a leftover."""
    situation = begun().intent(A)
    situation.secret_tags[MARK_TAG] = str(MARK)
    with pytest.raises(errors.ConflictError):
        plan_creation(situation.observed(), MANAGED, TOKEN)
    situation.secret_tags[MARK_TAG] = str(replace(MARK, time=NOW - HOUR))
    assert CreateKey() in plan_creation(situation.observed(), MANAGED, TOKEN)


def test_a_rotation_keeps_the_key_that_a_rollback_may_need() -> None:
    """For a day after a deployment replaced it; a key that a rotation replaced goes at once."""
    situation = waiting(2 * HOUR, inactive=HOUR, status="Inactive")
    situation.versions[TOKEN] = {PENDING}
    with pytest.raises(errors.KeyLimitReachedError) as refused:
        plan_creation(seen(situation, NEVER), MANAGED, TOKEN)
    assert "rollback" in refused.value.advice
    situation.secret_tags[retirement_tag(PLACE, A)] = str(Retirement(NOW - 2 * HOUR, BY_ROTATION, NOW - HOUR))
    assert DeleteKey(A) in plan_creation(seen(situation, NEVER), MANAGED, TOKEN)
    situation.secret_tags[retirement_tag(PLACE, A)] = str(Retirement(NOW - 2 * DAY, inactive=NOW - DAY))
    assert DeleteKey(A) in plan_creation(seen(situation, NEVER), MANAGED, TOKEN)


def test_the_test_passes_for_a_key_that_was_proven_and_is_active() -> None:
    """The proof is on record; the secret can't be read."""
    assert plan_test(stored().observed(), MANAGED, TOKEN) == []


def test_the_test_of_a_version_that_nothing_was_written_to_tests_the_current_key() -> None:
    """That is what a schedule without an immediate rotation does."""
    assert plan_test(begun().observed(), MANAGED, TOKEN) == []
    with pytest.raises(errors.RotationError):
        plan_test(begun().key(A, "Inactive").observed(), MANAGED, TOKEN)


@pytest.mark.parametrize("broken", ["deleted", "deactivated"])
def test_the_test_fails_for_a_key_that_does_not_work(broken: str) -> None:
    """Deleted or deactivated by hand in between."""
    situation = stored()
    if broken == "deleted":
        del situation.keys[B]
    else:
        situation.key(B, "Inactive")
    with pytest.raises(errors.RotationError):
        plan_test(situation.observed(), MANAGED, TOKEN)


def test_finish_records_the_previous_key_and_compares_before_it_swaps() -> None:
    """AWSPENDING stays where it is; the previous key stays Active."""
    actions = plan_finish(stored().observed(), MANAGED, TOKEN)
    switch = actions.index(MoveCurrent(TOKEN, PLACE.version_id(A)))
    recorded = next(action for action in actions if isinstance(action, TagSecret))
    assert "by=rotation" in recorded.tags[0][1]
    assert actions.index(recorded) < switch
    assert not any(isinstance(action, RemoveLabel | SetStatus) for action in actions)


def test_finish_again_goes_on_with_the_retirement() -> None:
    """Nothing is switched twice."""
    situation = stored(CURRENT)
    situation.versions[PLACE.version_id(A)] -= {CURRENT}
    actions = plan_finish(situation.observed(), MANAGED, TOKEN)
    assert not any(isinstance(action, MoveCurrent | SetStatus) for action in actions)


def test_finish_without_a_key_that_works_is_refused() -> None:
    """The version is empty, or its key is gone."""
    for situation in (begun(), stored()):
        situation.keys.pop(B, None)
        with pytest.raises(errors.RotationError, match="no key that works"):
            plan_finish(situation.observed(), MANAGED, TOKEN)


def test_an_update_leaves_a_rotation_that_is_not_finished_alone() -> None:
    """The key is pending: neither the declared one nor one that was replaced."""
    observed = stored().observed()
    found = matching_key(observed, desired("2"))
    assert found is not None
    assert found.id == A
    actions = plan_present(observed, replace(desired("2"), policy=POLICY))
    assert not any(isinstance(action, DeleteKey | MoveCurrent) for action in actions)
    assert plan_look(observed, MANAGED) == []


def test_a_deployment_that_needs_the_room_takes_it_from_a_rotation_that_is_not_finished() -> None:
    """Nobody has that key yet. Its version loses AWSPENDING, so that the rotation ends."""
    actions = plan_present(stored().observed(), replace(desired("3"), policy=POLICY))
    assert actions.index(DeleteKey(B)) < actions.index(RemoveLabel(TOKEN, PENDING)) < actions.index(CreateKey())


def test_a_deleted_resource_takes_its_pending_key_along() -> None:
    """Deactivated, deleted, and nothing of ours is left on the version."""
    actions = plan_absent(stored().observed(), PLACE)
    assert {action.key_id for action in actions if isinstance(action, DeleteKey)} == {A, B}
    left = stored().versions[TOKEN] - {a.label for a in actions if isinstance(a, RemoveLabel) and a.version_id == TOKEN}
    assert left == set()


def test_a_deployment_after_a_rotation_finds_the_newest_key_of_its_serial() -> None:
    """A change of something else does not go back to a key that was rotated."""
    situation = stored(CURRENT)
    situation.versions[PLACE.version_id(A)] -= {CURRENT}
    found = matching_key(situation.observed(), desired("2"))
    assert found is not None
    assert found.id == B


def test_an_undo_restores_the_previous_key_for_the_deployed_serial() -> None:
    """So that the next deployment does not bring the bad key back."""
    actions = plan_undo(waiting(2 * DAY, inactive=DAY, status="Inactive").observed(), MANAGED)
    switch = actions.index(MoveCurrent(PLACE.version_id(A), PLACE.version_id(B)))
    assert actions.index(SetStatus(A, "Active")) < switch
    label = SerialLabel(PLACE.serial_digest("2"), 3)
    assert actions.index(AddLabel(PLACE.version_id(A), str(label))) < switch
    assert not any(isinstance(action, DeleteKey) for action in actions)


def after_undo() -> Situation:
    """Build what an undo leaves: A is current for serial 2, B is Inactive and marked."""
    situation = Situation().owned(A, "1", 1, "Active", CURRENT).owned(B, "2", 2, "Inactive", PREVIOUS)
    situation.versions[PLACE.version_id(A)].add(str(SerialLabel(PLACE.serial_digest("2"), 3)))
    situation.secret_tags[retirement_tag(PLACE, B)] = str(Retirement(NOW - HOUR, BY_UNDO, NOW - HOUR))
    return situation


def test_the_key_that_was_taken_back_is_deactivated_at_once_and_kept() -> None:
    """Whatever the grace period, and although it was just used."""
    situation = after_undo().key(B, "Active")
    situation.secret_tags[retirement_tag(PLACE, B)] = str(Retirement(NOW, BY_UNDO))
    actions = plan_look(seen(situation), MANAGED)
    assert SetStatus(B, "Inactive") in actions
    assert not any(isinstance(action, DeleteKey) for action in actions)


def test_an_undo_is_not_undone() -> None:
    """An alarm's event may come twice; the bad key stays where it is."""
    with pytest.raises(errors.NothingToUndoError, match="taken back by an undo"):
        plan_undo(after_undo().observed(), MANAGED)


@pytest.mark.parametrize("serial", ["1", "2"])
def test_a_deployment_after_an_undo_keeps_the_restored_key(serial: str) -> None:
    """Whether it declares the serial as before, or its rollback the one before that."""
    found = matching_key(after_undo().observed(), desired(serial))
    assert found is not None
    assert found.id == A


def test_a_new_serial_after_an_undo_makes_a_new_key_and_removes_the_bad_one() -> None:
    """Which is Inactive and ours."""
    actions = plan_present(after_undo().observed(), replace(desired("3"), policy=POLICY))
    assert DeleteKey(B) in actions
    assert CreateKey() in actions


def test_there_is_nothing_to_undo() -> None:
    """Each reason is told."""
    only = Situation().owned(A, "2", 1, "Active", CURRENT)
    with pytest.raises(errors.NothingToUndoError, match="the only key"):
        plan_undo(only.observed(), MANAGED)
    rolled_back = Situation().owned(A, "1", 1, "Active", CURRENT).owned(B, "2", 2, "Inactive", PREVIOUS)
    with pytest.raises(errors.NothingToUndoError, match="the only key"):
        plan_undo(rolled_back.observed(), MANAGED)
    foreign = Situation(versions={"other": {CURRENT}}).owned(A, "1", 1)
    with pytest.raises(errors.NothingToUndoError, match="not written by this key"):
        plan_undo(foreign.observed(), MANAGED)
    with pytest.raises(errors.NothingToUndoError, match="Inactive"):
        plan_undo(waiting(HOUR).observed(), replace(MANAGED, status="Inactive"))


def test_an_alarm_goes_back_within_the_grace_period_only() -> None:
    """Later the previous key may be long forgotten by those who used it."""
    assert plan_undo(waiting(HOUR / 2).observed(), MANAGED, alarm=NOW)
    with pytest.raises(errors.NothingToUndoError, match="grace period"):
        plan_undo(waiting(2 * HOUR).observed(), MANAGED, alarm=NOW)
    assert plan_undo(waiting(2 * HOUR).observed(), MANAGED)


def test_an_alarm_from_before_the_switch_is_not_about_the_key_that_is_current() -> None:
    """Its event may come late, or once more by a schedule, when somebody has rotated again."""
    observed = waiting(HOUR / 2).observed()
    with pytest.raises(errors.NothingToUndoError, match="not about the key that is current now"):
        plan_undo(observed, MANAGED, alarm=NOW - HOUR)
    assert plan_undo(observed, MANAGED, alarm=NOW - HOUR / 4)


@pytest.mark.parametrize("labelled", [False, True])
def test_an_undo_that_was_interrupted_is_finished_by_the_next(labelled: bool) -> None:  # noqa: FBT001
    """The record is written before the label, the label before the switch."""
    situation = waiting(timedelta(minutes=5))
    situation.secret_tags[retirement_tag(PLACE, B)] = str(Retirement(NOW, BY_UNDO))
    if labelled:
        situation.versions[PLACE.version_id(A)].add(str(SerialLabel(PLACE.serial_digest("2"), 3)))
    observed = situation.observed()
    assert previous_key(observed, MANAGED).id == A
    actions = plan_undo(observed, MANAGED)
    assert MoveCurrent(PLACE.version_id(A), PLACE.version_id(B)) in actions
    assert any(isinstance(action, AddLabel) for action in actions) is not labelled


def test_an_undo_goes_back_over_a_rotation_of_secrets_manager() -> None:
    """And takes AWSPENDING off the version that is current no more."""
    situation = stored(CURRENT)
    situation.versions[PLACE.version_id(A)] -= {CURRENT}
    actions = plan_undo(situation.observed(), MANAGED)
    assert actions.index(RemoveLabel(TOKEN, PENDING)) < actions.index(MoveCurrent(PLACE.version_id(A), TOKEN))
    assert PREVIOUS not in str(actions)


def test_a_failed_step_removes_the_key_that_it_made_and_no_other() -> None:
    """A key that is not proven may be one that a deployment is making at this moment."""
    situation = Situation().owned(A, "2", 2, "Active", CURRENT).key(B)
    situation.user_tags[B] = PLACE.key_tag_value("shop/Key")
    assert plan_undoing(situation.observed(), MANAGED, set()) == []
    assert DeleteKey(B) in plan_undoing(situation.observed(), MANAGED, {B})
    del situation.user_tags[B]
    assert DeleteKey(B) in plan_undoing(situation.observed(), MANAGED, {B})
    assert plan_undoing(stored().observed(), MANAGED, {B}) == []
