"""The steps of a rotation by Secrets Manager, and an operator's, tried on situations built by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from unit.planning.situation import (
    DAY,
    HOUR,
    NEVER,
    NOW,
    OTHER,
    OWNER,
    TAG,
    TOKEN,
    A,
    B,
    C,
    F,
    Situation,
    changes,
    deleted,
    rotated_once,
    touched,
    version_of,
)

from access_key_provider.model import errors
from access_key_provider.model.actions import (
    NEW,
    CreateKey,
    Deactivate,
    DeleteKey,
    EndRotation,
    Promote,
    ProveKey,
    RemoveLabel,
    StoreSecret,
    TagUser,
)
from access_key_provider.model.retirement_rules import RetirementRules
from access_key_provider.model.state import PENDING, PREVIOUS, SecretState
from access_key_provider.planning.rotation import (
    plan_create_secret,
    plan_failed_step,
    plan_finish_secret,
    plan_rotation_by_operator,
    plan_test_secret,
)

if TYPE_CHECKING:
    from collections.abc import Callable

GRACE = RetirementRules(grace=HOUR, rotation="rate(30 days)")
STEPS = [plan_create_secret, plan_test_secret, plan_finish_secret]


def begun() -> Situation:
    """Build a key that is current, and the empty version of a rotation."""
    return Situation().declared("2", rules=GRACE).managed(A, "current", "2").rotating()


def stored(*labels: str) -> Situation:
    """Build the same after createSecret."""
    return begun().rotating(B, NOW, *labels)


def finished() -> Situation:
    """Build the same after finishSecret: AWSPENDING stays where it is."""
    situation = Situation().declared("2", rules=GRACE).managed(A, "replaced", "2", PREVIOUS)
    return situation.managed(B, "current", "2", PENDING, version=TOKEN)


# --- createSecret


def test_a_key_is_proven_before_it_is_stored() -> None:
    """A version that has a value never takes another one, so a retry must find it empty or right."""
    assert begun().plan(plan_create_secret, TOKEN) == [
        CreateKey(OWNER, "deploy", (A,), "2", TOKEN),
        ProveKey(),
        StoreSecret(TOKEN),
    ]


def test_create_secret_again_makes_no_second_key() -> None:
    """Under the same token, after a death at the end of the step."""
    assert stored().plan(plan_create_secret, TOKEN) == []


@pytest.mark.parametrize("state", ["created", "deactivated since"])
def test_create_secret_after_a_death_in_it_begins_anew(state: str) -> None:
    """The key that was made is taken away: its secret is lost, or it was never proven."""
    situation = begun()
    situation.changed(rotation=stored().entry.rotation).begun(B)
    if state == "deactivated since":
        situation.unmanaged(B, "Inactive")
    actions = situation.plan(plan_create_secret, TOKEN)
    assert deleted(actions) == [B]
    assert actions[-1] == StoreSecret(TOKEN)


def test_a_pending_key_of_a_deployment_that_was_rolled_back_is_given_up() -> None:
    """Its secret may be written in a format that readers do not expect; the next rotation begins anew."""
    rolled_back = stored(B).declared("1", rules=GRACE)
    actions = rolled_back.plan(plan_create_secret, TOKEN)
    assert deleted(actions) == [B]
    assert RemoveLabel(TOKEN, PENDING) in actions
    assert not any(isinstance(action, CreateKey) for action in actions)
    for step in (plan_test_secret, plan_finish_secret):
        with pytest.raises(errors.RotationError, match="rotate again"):
            stored(B).declared("1", rules=GRACE).plan(step, TOKEN)


def test_create_secret_after_the_rotation_is_finished_does_nothing() -> None:
    """It is delivered late, or again: the key that is current by then is nobody's leftover."""
    for step in STEPS:
        assert touched(finished().plan(step, TOKEN)) == set()
    assert finished().plan(plan_create_secret, TOKEN) == []


def test_a_rotation_of_another_token_is_given_up_first() -> None:
    """Secrets Manager has begun anew; the old key is nobody's."""
    situation = begun()
    situation.managed(B, "proven", "2", version="another-token").changed(rotation=stored().entry.rotation)
    other = "22222222-2222-4333-8444-555555555555"
    situation.versions[other] = {PENDING}
    situation.versions[TOKEN] = set()
    actions = situation.plan(plan_create_secret, other)
    assert deleted(actions) == [B]
    assert actions.index(EndRotation()) < actions.index(DeleteKey(B, "rotation"))
    assert actions[-1] == StoreSecret(other)


def test_a_rotation_needs_a_key_slot() -> None:
    """A key that a deployment has replaced is kept for its rollback for a day; then it goes."""
    situation = begun().managed(C, "inactive")
    with pytest.raises(errors.KeyLimitReachedError) as refused:
        situation.plan(plan_create_secret, TOKEN)
    assert "rollback" in refused.value.advice
    situation.managed(C, "inactive", replaced=NOW - DAY)
    assert deleted(situation.plan(plan_create_secret, TOKEN)) == [C]


# --- what every step refuses


@pytest.mark.parametrize("plan", [plan_create_secret, plan_finish_secret])
@pytest.mark.parametrize("labels", [set(), {PREVIOUS}])
def test_a_version_that_is_not_pending_is_refused(plan: Callable[..., object], labels: set[str]) -> None:
    """The rotation was given up, or a person moved the label."""
    situation = begun()
    situation.versions[TOKEN] = labels
    with pytest.raises(errors.RotationError, match=r"is not AWSPENDING: .* rotate again"):
        situation.plan(plan, TOKEN)


@pytest.mark.parametrize("plan", STEPS)
@pytest.mark.parametrize("why", ["inactive", "deleted", "no version", "no user", "no secret"])
def test_what_can_not_be_rotated_is_refused(plan: Callable[..., object], why: str) -> None:
    """Whatever the step: a new key would be Active, or would be made for a resource that is gone."""
    situation, error = stored(), errors.RotationError
    if why == "inactive":
        situation.declared("2", "Inactive")
    elif why == "deleted":
        situation.deleted()
    elif why == "no version":
        del situation.versions[TOKEN]
    elif why == "no user":
        situation.user_exists, error = False, errors.UserNotFoundError
    else:
        situation.state, error = SecretState.SCHEDULED_FOR_DELETION, errors.SecretUnavailableError
    with pytest.raises(error):
        situation.plan(plan, TOKEN)


# --- setSecret and testSecret


def test_the_test_passes_for_a_key_that_was_proven_and_is_active() -> None:
    """The proof is on record; the secret can't be read."""
    assert stored().plan(plan_test_secret, TOKEN) == []


def test_the_test_of_a_version_that_nothing_was_written_to_tests_the_current_key() -> None:
    """That is what a schedule without an immediate rotation does."""
    assert begun().plan(plan_test_secret, TOKEN) == []
    with pytest.raises(errors.RotationError, match="no key that works"):
        begun().missing(A).plan(plan_test_secret, TOKEN)


def test_the_test_fails_for_a_key_that_was_deleted() -> None:
    """By hand, in between."""
    with pytest.raises(errors.RotationError, match="no key that works"):
        stored().missing(B).plan(plan_test_secret, TOKEN)


@pytest.mark.parametrize("plan", [plan_test_secret, plan_finish_secret])
def test_a_pending_key_that_somebody_deactivated_is_given_up(plan: Callable[..., object]) -> None:
    """AWSPENDING goes with it, so that the next rotation works; the current key is not touched."""
    actions = stored().unmanaged(B, "Inactive").plan(plan, TOKEN)
    assert actions[:2] == [RemoveLabel(TOKEN, PENDING), EndRotation()]
    assert deleted(actions) == [B]
    assert touched(actions) == {B}


# --- finishSecret


def test_finish_compares_before_it_swaps_and_begins_the_grace_period() -> None:
    """AWSPENDING stays where it is; the previous key stays Active."""
    draft = stored().drafted(plan_finish_secret, TOKEN)
    assert changes(draft.actions) == [Promote(B, version_of(A), "rotation")]
    assert draft.entry.rotation is None
    assert (draft.entry.keys[A].replaced, draft.entry.keys[A].by) == (NOW, "rotation")


def test_finish_without_a_grace_period_deactivates_the_previous_key() -> None:
    """As after a deployment."""
    actions = stored().declared("2").plan(plan_finish_secret, TOKEN)
    assert changes(actions) == [Promote(B, version_of(A), "rotation"), Deactivate(A, "rotation")]


def test_finish_again_goes_on_with_the_retirement() -> None:
    """Nothing is switched twice."""
    situation = finished().managed(A, "replaced", replaced=NOW - 2 * HOUR).used(A, NEVER)
    assert situation.plan(plan_finish_secret, TOKEN) == [Deactivate(A, "rotation")]


@pytest.mark.parametrize("why", ["nothing was written", "its key is gone"])
def test_finish_without_a_key_that_works_is_refused(why: str) -> None:
    """AWSCURRENT must not move to it."""
    situation = begun() if why == "nothing was written" else stored().missing(B)
    with pytest.raises(errors.RotationError, match="no key that works"):
        situation.plan(plan_finish_secret, TOKEN)


def test_finish_tags_the_new_key() -> None:
    """With what the template says."""
    situation = stored().managed(B, "proven", "2", version=TOKEN, tag="")
    assert situation.plan(plan_finish_secret, TOKEN)[-1] == TagUser(B, TAG)


# --- a step that failed


def test_a_failed_step_removes_the_key_that_it_made() -> None:
    """Unless it is stored: the next try of the step goes on with that."""
    assert deleted(begun().begun(B).plan(plan_failed_step, (B,))) == [B]
    assert stored().plan(plan_failed_step, (B,)) == []


def test_a_failed_step_removes_nothing_else() -> None:
    """Neither what it did not make, nor what is current by now, nor what is gone."""
    assert begun().begun(B).plan(plan_failed_step, ()) == []
    assert rotated_once().plan(plan_failed_step, (A, B, F)) == []


def test_a_failed_step_of_a_resource_that_was_deleted_removes_its_stored_key() -> None:
    """No next try will come."""
    assert deleted(stored().deleted().plan(plan_failed_step, (B,))) == [B]


# --- an operator


def test_an_operator_rotates_without_a_change_of_the_template() -> None:
    """The new key is that of the declared serial, so the next deployment keeps it."""
    draft = Situation().declared("2", rules=GRACE).managed(A, "current", "2").drafted(plan_rotation_by_operator)
    assert changes(draft.actions) == [
        CreateKey(OWNER, "deploy", (A,), "2"),
        StoreSecret(),
        Promote(NEW, version_of(A), "operator"),
        TagUser(NEW, TAG),
    ]
    assert draft.actions[2] == ProveKey()


def test_an_operator_ends_an_unfinished_rotation_first() -> None:
    """It would take the slot."""
    actions = stored().plan(plan_rotation_by_operator)
    assert deleted(actions) == [B]
    assert actions.index(RemoveLabel(TOKEN, PENDING)) < actions.index(CreateKey(OWNER, "deploy", (A,), "2"))


@pytest.mark.parametrize("why", ["inactive", "deleted", "no user", "no secret"])
def test_an_operator_is_refused_where_no_key_can_be_made(why: str) -> None:
    """Before anything is planned."""
    situation = Situation().managed(A)
    if why == "inactive":
        situation.declared(status="Inactive")
    elif why == "deleted":
        situation.deleted()
    elif why == "no user":
        situation.user_exists = False
    else:
        situation.state = SecretState.MISSING
    draft = situation.draft()
    with pytest.raises((errors.RotationError, errors.UserNotFoundError, errors.SecretUnavailableError)):
        plan_rotation_by_operator(draft, OWNER)
    assert draft.actions == []


def test_a_rotation_of_one_resource_leaves_another_ones_key_alone() -> None:
    """Both claim the secret while a construct is renamed."""
    situation = Situation().declared("1", owner=OTHER).managed(C, "replaced", owner=OTHER).declared("2", rules=GRACE)
    situation.managed(A, "current", "2")
    with pytest.raises(errors.KeyLimitReachedError):
        situation.rotating().plan(plan_create_secret, TOKEN)
