"""What a Create or Update leads to, tried on situations built by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from unit.planning.situation import (
    BY_HAND,
    DAY,
    HOUR,
    NOW,
    OTHER,
    OWNER,
    RENAMED,
    TAG,
    TOKEN,
    A,
    B,
    C,
    F,
    Situation,
    changes,
    claim,
    deleted,
    rotated_once,
    touched,
    version_of,
)

from access_key_provider.model import errors
from access_key_provider.model.actions import (
    NEW,
    Activate,
    CreateKey,
    Deactivate,
    DeleteKey,
    Promote,
    ProveKey,
    RemoveLabel,
    Settle,
    StoreSecret,
    TagUser,
    UntagUser,
)
from access_key_provider.model.retirement_rules import RetirementRules
from access_key_provider.model.state import PENDING, PREVIOUS, SecretState, key_tag
from access_key_provider.planning.deployment import (
    applied_digest,
    is_applied,
    key_of_serial,
    plan_deployment,
    plan_failed_cleanup,
)

if TYPE_CHECKING:
    from access_key_provider.model.actions import Action
    from lambda_shared.errors import ProviderError

GRACE = RetirementRules(grace=HOUR, retention=7 * DAY)


def test_a_first_key_is_stored_and_proven_before_it_becomes_current() -> None:
    """The whole order of a creation, on which survival of a death at any point rests."""
    assert Situation().plan(plan_deployment) == [
        CreateKey(OWNER, "deploy", (), "1"),
        StoreSecret(),
        ProveKey(),
        Promote(NEW, "", "deployment"),
        TagUser(NEW, TAG),
        Settle(OWNER, applied_digest(claim())),
    ]


def test_the_baseline_names_every_key_that_the_user_has() -> None:
    """None of them is ever taken for the key of an attempt whose answer is lost."""
    created = Situation().unmanaged(F, "Inactive").plan(plan_deployment)[0]
    assert created == CreateKey(OWNER, "deploy", (F,), "1")


def test_a_value_that_was_there_before_is_replaced() -> None:
    """Compared with before it is swapped."""
    assert Promote(NEW, BY_HAND, "deployment") in Situation().current_is(BY_HAND).plan(plan_deployment)


def test_a_first_key_declared_inactive_is_proven_first() -> None:
    """An Inactive key can't be proven."""
    actions = Situation().declared(status="Inactive").plan(plan_deployment)
    order = [actions.index(action) for action in (ProveKey(), Deactivate(NEW, "deployment"))]
    assert order == sorted(order)
    assert not any(isinstance(action, Activate) for action in actions)


def test_a_rotation_deactivates_the_previous_key_only_after_the_switch() -> None:
    """Without a grace period at once, and it is not deleted."""
    actions = Situation().declared("2").managed(A).plan(plan_deployment)
    switch = actions.index(Promote(NEW, version_of(A), "deployment"))
    assert actions.index(ProveKey()) < switch < actions.index(Deactivate(A, "deployment"))
    assert deleted(actions) == []


@pytest.mark.parametrize("rules", [GRACE, RetirementRules(deferred=True)])
def test_a_rotation_leaves_the_previous_key_active_for_its_grace_period(rules: RetirementRules) -> None:
    """Or until the consumers of the app have cut over."""
    actions = Situation().declared("2", rules=rules).managed(A).plan(plan_deployment)
    assert touched(actions) == {NEW}
    draft = Situation().declared("2", rules=rules).managed(A).drafted(plan_deployment)
    assert draft.entry.keys[A].replaced == NOW, "the grace period begins with the switch"


def test_a_redelivered_rotation_finds_nothing_to_do() -> None:
    """Its key is of that serial already, the previous one retired."""
    assert changes(rotated_once().plan(plan_deployment)) == []


def test_a_rotation_whose_holder_died_after_the_switch_is_finished() -> None:
    """The previous key was not deactivated yet."""
    actions = rotated_once("Active").plan(plan_deployment)
    assert changes(actions) == [Deactivate(A, "deployment")]


def test_a_rollback_restores_the_very_key_and_retires_the_newer_one() -> None:
    """The key that was current before is Active and current again before the newer one is touched."""
    actions = rotated_once().declared("1").plan(plan_deployment)
    assert changes(actions) == [
        Activate(A),
        Promote(A, version_of(B), "deployment"),
        Deactivate(B, "deployment"),
    ]


def test_a_rollback_within_the_grace_period_puts_the_newer_key_into_its_own() -> None:
    """Whoever took it already is not cut off."""
    actions = rotated_once("Active").declared("1", rules=GRACE).plan(plan_deployment)
    assert Deactivate(B, "deployment") not in actions
    assert Promote(A, version_of(B), "deployment") in actions


def test_a_rollback_never_makes_a_third_key() -> None:
    """Not even where a rotation was finished and its previous key is gone: then another one is made of that serial."""
    situation = rotated_once().declared("1").missing(A)
    draft = situation.drafted(plan_deployment)
    assert sum(isinstance(action, CreateKey) for action in draft.actions) == 1
    assert len(draft.statuses) == 2


@pytest.mark.parametrize("declared", ["Active", "Inactive"])
@pytest.mark.parametrize("listed", ["Active", "Inactive"])
@pytest.mark.parametrize("recorded", ["Active", "Inactive"])
def test_the_declared_status_is_set_whatever_is_listed_late(recorded: str, listed: str, declared: str) -> None:
    """Nothing is called where the ledger and IAM both say that it is so."""
    deactivated = NOW - HOUR if recorded == "Inactive" else None
    situation = Situation().declared(status=declared).managed(A, deactivated=deactivated).unmanaged(A, listed)
    wanted: Action = Activate(A) if declared == "Active" else Deactivate(A, "deployment")
    assert changes(situation.plan(plan_deployment)) == ([] if recorded == listed == declared else [wanted])


def test_a_status_that_this_release_does_not_know_is_set() -> None:
    """The model of IAM has a third one, `Expired`."""
    assert Activate(A) in Situation().managed(A).unmanaged(A, "Expired").plan(plan_deployment)


def test_a_new_description_only_tags() -> None:
    """It is the value of the user's tag, which the console shows."""
    actions = Situation().declared(description="for the vendor").managed(A).plan(plan_deployment)
    assert changes(actions) == [TagUser(A, key_tag("for the vendor", OWNER))]


def test_a_proven_key_that_was_not_published_is_published() -> None:
    """The proof is on record, so the key of the declared serial is used."""
    situation = Situation().declared("2").managed(A).managed(B, "proven", "2")
    actions = situation.plan(plan_deployment)
    assert not any(isinstance(action, CreateKey) for action in actions)
    assert changes(actions)[:2] == [Activate(B), Promote(B, version_of(A), "deployment")]


def test_a_proven_key_of_another_serial_is_removed() -> None:
    """Its request died before the switch, and another serial is declared by now."""
    actions = Situation().declared("1").managed(A).managed(B, "proven", "2").plan(plan_deployment)
    assert deleted(actions) == [B]
    assert not any(isinstance(action, Promote) for action in actions)


def test_the_key_that_was_published_last_is_that_of_its_serial() -> None:
    """After a rotation by Secrets Manager two keys are of the declared serial."""
    draft = rotated_once().declared("2").managed(A, "inactive", "2").draft()
    found = key_of_serial(draft, OWNER)
    assert found is not None
    assert found.id == B


@pytest.mark.parametrize("reason", ["taken back", "not listed", "pending", "never stored", "another resource's"])
def test_a_key_that_can_not_be_current_is_not_that_of_its_serial(reason: str) -> None:
    """Each reason by itself."""
    situation = Situation().managed(A, "inactive", note="it leaked" if reason == "taken back" else "")
    if reason == "not listed":
        situation.missing(A)
    elif reason == "pending":
        situation = Situation().rotating(A)
    elif reason == "never stored":
        situation = Situation().begun(A)
    elif reason == "another resource's":
        situation = Situation().declared(owner=OTHER).managed(A, owner=OTHER)
    assert key_of_serial(situation.draft(), OWNER) is None


def test_awscurrent_moved_by_hand_is_moved_back() -> None:
    """To the key declared, from where it is."""
    actions = Situation().managed(A).current_is(BY_HAND).plan(plan_deployment)
    assert Promote(A, BY_HAND, "deployment") in actions
    assert touched(actions) == {A}


def test_awscurrent_moved_to_the_previous_key_by_hand_is_moved_back() -> None:
    """And the previous key stays what it is."""
    actions = rotated_once().current_is(version_of(A)).plan(plan_deployment)
    assert Promote(B, version_of(A), "deployment") in actions
    assert Activate(A) not in actions


def test_a_current_key_that_was_deleted_by_hand_is_made_again() -> None:
    """Its label goes, so that no version names a key that is gone."""
    actions = Situation().managed(A).missing(A).plan(plan_deployment)
    assert RemoveLabel(version_of(A), A) in actions
    assert UntagUser(A) in actions
    assert Promote(NEW, version_of(A), "deployment") in actions


def test_two_unmanaged_keys_are_refused_untouched() -> None:
    """Whatever their status."""
    for status in ("Active", "Inactive"):
        with pytest.raises(errors.KeyLimitReachedError) as refused:
            Situation().unmanaged(F, status).unmanaged(C, status).plan(plan_deployment)
        assert [key.id for key in refused.value.keys] == [F, C]


def test_more_keys_than_the_quota_are_tolerated() -> None:
    """It is known to overshoot: with three keys of ours, two retired, both go for one."""
    situation = Situation().declared("4").managed(A, "inactive", "1").managed(B, "inactive", "2").managed(C, "current")
    assert deleted(situation.plan(plan_deployment)) == [A, B]


@pytest.mark.parametrize(
    ("situation", "error", "advice"),
    [
        (Situation(user_exists=False), errors.UserNotFoundError, "user deploy does not exist: create it first"),
        (Situation(state=SecretState.MISSING), errors.SecretUnavailableError, "define a new one"),
        (Situation(state=SecretState.SCHEDULED_FOR_DELETION), errors.SecretUnavailableError, "restore-secret"),
        (Situation(state=SecretState.REPLICA), errors.SecretUnavailableError, "primary secret"),
    ],
)
def test_what_can_not_work_is_refused_with_advice(
    situation: Situation, error: type[ProviderError], advice: str
) -> None:
    """Before anything is planned."""
    draft = situation.draft()
    with pytest.raises(error, match=advice):
        plan_deployment(draft, OWNER)
    assert draft.actions == []


def test_a_renamed_resource_makes_its_own_key_and_leaves_the_other_alone() -> None:
    """CloudFormation creates the new resource before it deletes the old one, and may roll back."""
    situation = Situation().managed(A).declared(owner=OTHER, rules=RetirementRules())
    actions = situation.plan(plan_deployment, owner=OTHER)
    assert Promote(NEW, version_of(A), "deployment") in actions
    assert touched(actions) == {NEW}


def test_the_old_resource_does_not_retire_its_displaced_key() -> None:
    """An Update of it would be odd; a rollback of the rename makes its key current again."""
    situation = Situation().declared(owner=OTHER).managed(A, "replaced").managed(B, owner=OTHER)
    actions = situation.plan(plan_deployment)
    assert Promote(A, version_of(B, OTHER), "deployment") in actions
    assert touched(actions) == {A}


# --- a rotation of Secrets Manager beside it


def test_an_update_leaves_a_rotation_that_is_not_finished_alone() -> None:
    """The description changes nothing of the rotation's; a changed rule of rotation would."""
    situation = Situation().managed(A).rotating(B).applied()
    actions = situation.plan(plan_deployment)
    assert changes(actions) == []
    assert B in situation.drafted(plan_deployment).entry.keys


@pytest.mark.parametrize("why", ["another serial", "a changed rule", "stuck", "no key yet"])
def test_an_unfinished_rotation_that_is_in_the_way_is_ended(why: str) -> None:
    """Else its schedule could not be changed, or its key would be in the way for ever. AWSPENDING goes with it."""
    since = NOW - DAY if why == "stuck" else NOW
    situation = Situation().managed(A).rotating(B, since).applied()
    if why == "another serial":
        situation.declared("2")
    elif why == "a changed rule":
        situation.declared("1", rules=RetirementRules(rotation="rate(30 days)"))
    elif why == "no key yet":
        situation = Situation().rotating(B)
    actions = situation.plan(plan_deployment)
    assert deleted(actions) == [B]
    pending = RemoveLabel(TOKEN, PENDING)
    assert pending in actions
    created = next((action for action in actions if isinstance(action, CreateKey)), None)
    if created:
        assert actions.index(pending) < actions.index(DeleteKey(B, "deployment")) < actions.index(created)


def test_a_finished_rotation_leaves_no_label_that_would_block_the_next() -> None:
    """Secrets Manager takes AWSPENDING on a version that is not current for a rotation that goes on."""
    situation = Situation().declared("1").managed(A, "replaced", "1", PREVIOUS)
    situation.managed(B, "current", "2", PENDING, version=TOKEN)
    actions = situation.plan(plan_deployment)
    assert actions.index(RemoveLabel(TOKEN, PENDING)) < actions.index(Promote(A, TOKEN, "deployment"))


# --- what needs nothing


def test_what_is_applied_needs_no_call() -> None:
    """A redelivered request, and a rollback to what was never left."""
    assert is_applied(rotated_once().entry, OWNER)


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(rotated_once().declared("1"), id="another serial"),
        pytest.param(Situation().managed(A), id="never applied"),
        pytest.param(rotated_once().deleted(), id="deleted"),
        pytest.param(rotated_once().switching(A), id="a switch was begun"),
        pytest.param(rotated_once().attempt(), id="an attempt was begun"),
        pytest.param(Situation().applied(), id="no current key"),
        pytest.param(
            Situation().declared(owner=OTHER).applied().managed(A, owner=OTHER), id="another resource's is current"
        ),
    ],
)
def test_what_is_not_applied_is_looked_at(situation: Situation) -> None:
    """Each reason by itself."""
    assert not is_applied(situation.entry, OWNER)


def test_what_was_changed_since_is_looked_at() -> None:
    """A request that failed has touched something."""
    situation = rotated_once()
    touched_since = replace(situation.entry.claims[OWNER], touched=True)
    assert not is_applied(situation.entry.with_claim(OWNER, touched_since), OWNER)


@pytest.mark.parametrize(
    "change",
    [
        {"serial": "2"},
        {"status": "Inactive"},
        {"description": "x"},
        {"role_arn": "arn:aws:iam::123456789012:role/other"},
        {"rules": RetirementRules(grace=HOUR)},
    ],
)
def test_every_property_counts_for_what_is_applied(change: dict[str, object]) -> None:
    """A change of any of them is carried out."""
    assert applied_digest(claim()) != applied_digest(replace(claim(), **change))  # type: ignore[arg-type]


# --- a request that failed


def test_a_failed_rotation_takes_its_unproven_key_back() -> None:
    """Nothing else is touched."""
    situation = Situation().declared("2").managed(A).begun(B, "stored")
    actions = situation.plan(plan_failed_cleanup, (B,), new_resource=False, go_back=True)
    assert deleted(actions) == [B]
    assert touched(actions) == {B}


def test_a_rotation_that_failed_after_the_switch_goes_back_first() -> None:
    """The key before is current again, Active, before the new one goes."""
    situation = rotated_once()
    actions = situation.plan(plan_failed_cleanup, (B,), new_resource=False, go_back=True)
    assert changes(actions)[:4] == [
        Activate(A),
        Promote(A, version_of(B), "failed request"),
        Deactivate(B, "failed request"),
        DeleteKey(B, "failed request"),
    ]


def test_a_superseded_rotation_leaves_the_switch_to_the_later_request() -> None:
    """Which decides what is current; what was not published goes."""
    actions = rotated_once().plan(plan_failed_cleanup, (B,), new_resource=False, go_back=False)
    assert actions == []
    situation = Situation().declared("2").managed(A).managed(B, "proven", "2")
    assert deleted(situation.plan(plan_failed_cleanup, (B,), new_resource=False, go_back=False)) == [B]


def test_a_failed_request_keeps_what_it_did_not_make() -> None:
    """What was proven before the request is not the request's to remove."""
    situation = rotated_once().managed(C, "proven", "3")
    actions = situation.plan(plan_failed_cleanup, (), new_resource=False, go_back=True)
    assert actions == []


def test_a_failed_rotation_without_a_key_to_go_back_to_keeps_its_own() -> None:
    """The key before was deleted by hand: a working key is current."""
    situation = rotated_once().missing(A)
    assert B not in touched(situation.plan(plan_failed_cleanup, (B,), new_resource=False, go_back=True))


def test_a_failed_create_leaves_nothing() -> None:
    """And the value that was there before is current again."""
    situation = Situation().managed(A, came_after=BY_HAND)
    situation.versions[BY_HAND] = {PREVIOUS}
    actions = situation.plan(plan_failed_cleanup, (A,), new_resource=True, go_back=True)
    assert deleted(actions) == [A]
    assert touched(actions) == {A, BY_HAND}


def test_a_failed_create_of_a_renamed_resource_gives_the_key_back_to_the_old_one() -> None:
    """Which was displaced and never deactivated."""
    situation = Situation().declared(owner=OTHER).managed(A, "replaced").managed(B, owner=OTHER)
    situation.versions[version_of(A)].add(PREVIOUS)
    actions = situation.plan(plan_failed_cleanup, (B,), owner=OTHER, new_resource=True, go_back=True)
    assert changes(actions)[0] == Promote(A, version_of(B, OTHER), "failed request")
    assert deleted(actions) == [B]
    assert RENAMED.owner_id == OTHER
