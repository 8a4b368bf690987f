"""What a Delete leads to, tried on situations built by hand."""

from __future__ import annotations

import pytest
from unit.planning.situation import (
    BY_HAND,
    HOUR,
    NOW,
    OTHER,
    OWNER,
    TOKEN,
    A,
    B,
    F,
    Situation,
    changes,
    deleted,
    reported,
    rotated_once,
    touched,
    version_of,
)

from access_key_provider.model.actions import (
    Deactivate,
    DeleteKey,
    EndAttempt,
    EndRotation,
    ForgetTraces,
    GiveBack,
    Promote,
    RecordGone,
    RecordSwitch,
    RemoveLabel,
    UntagUser,
)
from access_key_provider.model.state import PENDING, PREVIOUS, SecretState
from access_key_provider.planning.deletion import plan_deletion


def test_every_key_of_the_resource_goes_the_current_one_first() -> None:
    """Deactivated, deleted, and then its label and its tag; nothing of it is left in the ledger."""
    draft = rotated_once().deleted().unmanaged(F).drafted(plan_deletion)
    assert changes(draft.actions) == [
        Deactivate(B, "deployment"),
        DeleteKey(B, "deployment"),
        RemoveLabel(version_of(B), B),
        UntagUser(B),
        Deactivate(A, "deployment"),
        DeleteKey(A, "deployment"),
        RemoveLabel(version_of(A), A),
        UntagUser(A),
    ]
    assert draft.entry.is_over


def test_a_key_that_seems_inactive_is_deactivated_before_it_is_deleted() -> None:
    """It may have been activated a moment ago."""
    actions = Situation().managed(A, deactivated=NOW - HOUR).deleted().plan(plan_deletion)
    assert actions[:2] == [Deactivate(A, "deployment"), DeleteKey(A, "deployment")]


def test_a_value_that_was_there_before_is_given_back_first() -> None:
    """A rolled-back deployment must not leave the secret's readers with a dead key."""
    situation = Situation().managed(A, came_after=BY_HAND).deleted()
    situation.versions[BY_HAND] = {PREVIOUS}
    assert situation.plan(plan_deletion)[0] == GiveBack(BY_HAND, version_of(A))


def test_a_previous_version_that_is_not_known_to_be_somebody_elses_is_not_given_back() -> None:
    """It may be that of a key of ours which is deleted and forgotten."""
    situation = Situation().managed(A).deleted()
    situation.versions[BY_HAND] = {PREVIOUS}
    assert BY_HAND not in touched(situation.plan(plan_deletion))


def test_a_previous_version_of_our_own_is_not_given_back() -> None:
    """Its key goes as well."""
    actions = rotated_once().deleted().plan(plan_deletion)
    assert not any(isinstance(action, GiveBack | Promote) for action in actions)


def test_a_value_put_by_hand_stays_current() -> None:
    """Somebody has replaced ours already."""
    situation = Situation().managed(A).current_is(BY_HAND).deleted()
    assert touched(situation.plan(plan_deletion)) == {A}


@pytest.mark.parametrize(
    ("other", "restored"),
    [
        pytest.param({"state": "replaced"}, True, id="displaced"),
        pytest.param({"state": "inactive"}, False, id="it was deactivated meanwhile"),
        pytest.param({"state": "replaced", "status": "Inactive"}, False, id="by hand"),
        pytest.param({"state": "replaced", "note": "it leaked"}, False, id="it must not be restored"),
        pytest.param({"state": "proven"}, False, id="it never was current"),
    ],
)
def test_the_key_of_another_resource_is_current_again(other: dict[str, str], restored: bool) -> None:  # noqa: FBT001
    """Where a construct was renamed and that is rolled back; only a key that was current and works."""
    situation = Situation().declared(owner=OTHER).managed(A, owner=OTHER, **other).managed(B).deleted()  # type: ignore[arg-type]
    actions = situation.plan(plan_deletion)
    assert (Promote(A, version_of(B), "deployment") in actions) is restored
    assert deleted(actions) == [B]


def test_the_key_of_a_resource_that_is_gone_is_not_current_again() -> None:
    """Both resources were deleted, and the other one's Delete is still at work."""
    situation = Situation().declared(owner=OTHER).managed(A, "replaced", owner=OTHER).managed(B).deleted()
    situation.deleted(OTHER)
    assert touched(situation.plan(plan_deletion)) == {B}


def test_a_renamed_resource_keeps_its_key_when_the_old_one_goes() -> None:
    """The old one's key was replaced by it."""
    situation = Situation().declared(owner=OTHER).managed(A, "replaced").managed(B, owner=OTHER).deleted()
    assert touched(situation.plan(plan_deletion)) == {A}


def test_a_pending_key_goes_along() -> None:
    """Nothing of the rotation is left that would block another one."""
    draft = Situation().managed(A).rotating(B).deleted().drafted(plan_deletion)
    assert RemoveLabel(TOKEN, PENDING) in draft.actions
    assert EndRotation() in draft.actions
    assert deleted(draft.actions) == [B, A]
    assert draft.entry.is_over


@pytest.mark.parametrize("whose", ["the other's", "nobody's yet"])
def test_a_rotation_of_another_resource_goes_on(whose: str) -> None:
    """The secret is shared while a construct is renamed."""
    situation = Situation().declared(owner=OTHER).managed(A)
    situation.rotating(B).managed(B, "proven", owner=OTHER, version=TOKEN)
    if whose == "nobody's yet":
        situation.entry = situation.entry.without_key(B)
    actions = situation.deleted().plan(plan_deletion)
    assert EndRotation() not in actions
    assert deleted(actions) == [A]


@pytest.mark.parametrize("state", [SecretState.MISSING, SecretState.SCHEDULED_FOR_DELETION, SecretState.REPLICA])
def test_the_keys_go_without_the_secret(state: SecretState) -> None:
    """What can't be written to is left alone, and nothing waits for it."""
    draft = Situation(state=state).managed(A).deleted().drafted(plan_deletion)
    assert changes(draft.actions) == [Deactivate(A, "deployment"), DeleteKey(A, "deployment"), UntagUser(A)]
    assert ForgetTraces(A) in draft.actions
    assert draft.entry.is_over


def test_without_the_user_the_keys_are_reported_as_left_behind() -> None:
    """With their user they are gone; a user that was renamed has them yet."""
    situation = Situation(user_exists=False).managed(A).attempt().deleted()
    draft = situation.drafted(plan_deletion)
    assert reported(draft.actions) == ["Access Key Left Behind"]
    assert RecordGone(A, f"left {A} behind: its user is gone") in draft.actions
    assert changes(draft.actions) == [RemoveLabel(version_of(A), A)]
    assert draft.entry.is_over


def test_an_attempt_that_left_nothing_is_ended() -> None:
    """The Create died before or in CreateAccessKey; a key that it may have made is listed by now."""
    situation = Situation().attempt(since=NOW - HOUR, until=NOW - HOUR).deleted()
    draft = situation.drafted(plan_deletion)
    assert draft.actions == [EndAttempt(OWNER)]
    assert draft.entry.is_over


def test_a_key_that_is_gone_already_is_recorded_as_gone() -> None:
    """Somebody deleted it by hand; its label and its tag are taken away."""
    draft = Situation().managed(A).missing(A).deleted().drafted(plan_deletion)
    assert RecordGone(A) in draft.actions
    assert changes(draft.actions) == [RemoveLabel(version_of(A), A), UntagUser(A)]
    assert draft.entry.is_over


def test_a_switch_that_was_begun_is_ended_first() -> None:
    """The holder died in it: AWS tells whether it happened, and what to give back."""
    situation = Situation().declared(owner=OTHER).managed(A, "current", owner=OTHER).managed(B, "proven")
    situation.current_is(version_of(B)).switching(B).deleted()
    actions = situation.plan(plan_deletion)
    assert actions[0] == RecordSwitch(happened=True)
    assert Promote(A, version_of(B), "deployment") in actions
