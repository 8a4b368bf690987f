"""What becomes of a key that the template adopts, tried on situations built by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from unit.planning.situation import (
    DAY,
    HOUR,
    MINUTE,
    NEVER,
    NOW,
    OTHER,
    OWNER,
    RENAMED,
    TOKEN,
    A,
    B,
    F,
    Situation,
    changes,
    claim,
    deleted,
    reported,
    touched,
)

from access_key_provider.model.actions import (
    Activate,
    AdoptKey,
    CreateKey,
    Deactivate,
    DeleteKey,
    Promote,
    RecordGone,
    ReleaseKey,
    Settle,
)
from access_key_provider.model.entry import KeyState, RequestStamp
from access_key_provider.model.errors import (
    AdoptionRefusedError,
    KeyInUseError,
    KeyLimitReachedError,
    NothingToUndoError,
)
from access_key_provider.model.retirement_rules import REMOVE_UNUSED, RETIRE_PREVIOUS, RetirementRules
from access_key_provider.model.state import LastUse, key_tag
from access_key_provider.planning.adoption import is_in_question
from access_key_provider.planning.announcement import announce
from access_key_provider.planning.deletion import plan_deletion
from access_key_provider.planning.deployment import applied_digest, plan_deployment, plan_failed_cleanup
from access_key_provider.planning.draft import Draft
from access_key_provider.planning.drift import findings
from access_key_provider.planning.key_slots import free_key_slot, unmanaged_in_question
from access_key_provider.planning.late_call import plan_take_back
from access_key_provider.planning.maintenance import (
    next_due,
    owner_to_cut_over,
    plan_cut_over,
    plan_maintenance,
    plan_retire_now,
    went_back,
)
from access_key_provider.planning.recovery import recover
from access_key_provider.planning.retirement import due_of, in_question, retire
from access_key_provider.planning.rotation import plan_create_secret
from access_key_provider.planning.status_report import status_report
from access_key_provider.planning.undo import plan_undo

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from access_key_provider.model.actions import Action

RULES = RetirementRules(grace=HOUR, retention=DAY)
UNREAD = frozenset[str]()


def asked(serial: str = "1", **changes: Any) -> Situation:
    """Build what a deployment finds that is to adopt F, a key of the user that a person made."""
    situation = Situation().declared(serial, rules=RULES, adopts=F, **changes).unmanaged(F)
    situation.user_tags, situation.recorded_elsewhere = {}, UNREAD
    return situation


def adopted(state: str = "replaced", status: str = "", *, since: timedelta = 2 * DAY, **members: Any) -> Situation:
    """Build a key of ours, A, which is current, beside F, which was adopted a time ago and is not used."""
    times: dict[str, Any] = {"replaced": NOW - since, "deactivated": NOW - since if state == "inactive" else None}
    situation = Situation().declared(rules=RULES, adopts=F, adopted=(F,)).managed(A).applied()
    bare: dict[str, Any] = {"stored": None, "proven": None, "published": None, "tag": "", "labelled": False}
    situation.managed(F, state, status=status, adopted=True, **bare | times | members)
    record = situation.entry.keys[F]
    situation.versions.pop(record.version_id, None)
    situation.entry = situation.entry.with_key(replace(record, version_id="", serials=()))
    return situation.used(F, NEVER)


def without_adoption(situation: Situation, *, serial: str = "1") -> Situation:
    """Let the template name the key no more."""
    return situation.declared(serial, rules=RULES, adopted=(F,))


def adoptions(actions: list[Action]) -> list[tuple[type[Action], str]]:
    """Leave out all but what is adopted and released."""
    return [(type(action), action.key_id) for action in actions if isinstance(action, (AdoptKey, ReleaseKey))]


def refusal(situation: Situation, deployed: str = "") -> AdoptionRefusedError:
    """Let a deployment be refused; nothing is planned then but what the ledger is told."""
    draft = situation.draft()
    with pytest.raises(AdoptionRefusedError, match=f"access key {F} can't be adopted: ") as refused:
        plan_deployment(draft, OWNER, deployed)
    assert changes(draft.actions) == []
    return refused.value


# --- adoption


def test_a_key_is_adopted_last_as_a_previous_key_and_not_touched() -> None:
    """Our key is created, proven and current by then, so whatever fails before has adopted nothing."""
    draft = asked().drafted(plan_deployment)
    kinds = [type(action) for action in draft.actions]
    assert kinds[-2:] == [AdoptKey, Settle]
    assert kinds.index(CreateKey) < kinds.index(Promote)
    assert F not in touched(draft.actions, tags=True)
    record = draft.entry.keys[F]
    assert (record.state, record.replaced, record.adopted) == (KeyState.REPLACED, NOW, True)
    assert (record.serials, record.version_id, record.usable) == ((), "", False)
    assert draft.entry.claims[OWNER].adopted == (F,)
    assert draft.entry.history[-1].endswith(f"adopted {F}")


def test_a_key_is_adopted_beside_one_that_is_deployed() -> None:
    """The template may name it later: its grace period begins then, and nothing is created."""
    actions = asked().managed(A).plan(plan_deployment)
    assert adoptions(actions) == [(AdoptKey, F)]
    assert touched(actions) == set()


def test_an_adoption_that_is_done_is_done() -> None:
    """Also once the key is gone, and wherever a later deployment or a rollback names it again."""
    assert adoptions(adopted().plan(plan_deployment)) == []
    gone = Situation().declared(rules=RULES, adopts=F, adopted=(F,)).managed(A)
    assert adoptions(gone.plan(plan_deployment)) == []
    renamed = Situation().declared(rules=RULES, adopted=(F,)).deleted().declared(owner=OTHER, rules=RULES, adopts=F)
    assert adoptions(renamed.managed(A, owner=OTHER).plan(plan_deployment, owner=OTHER)) == []


def test_the_last_ten_adoptions_are_remembered() -> None:
    """Nothing grows without bound, and a rollback goes back to one of the last."""
    many = tuple(f"AKIA{number:016}" for number in range(10))
    claims = asked(adopted=many).drafted(plan_deployment).entry.claims
    assert claims[OWNER].adopted == (*many[1:], F)


def test_a_request_keeps_what_was_adopted_on_record() -> None:
    """The claim is written anew with each request."""
    entry = adopted().entry
    later = replace(claim(), request=RequestStamp(NOW, "later"), adopts=F)
    assert announce(entry, OWNER, later).claims[OWNER].adopted == (F,)


def test_a_change_of_the_adoption_is_a_change_of_the_declaration() -> None:
    """Else the deployment would find all done."""
    assert applied_digest(claim(adopts=F)) != applied_digest(claim())


# --- refusals


def test_a_key_that_the_user_does_not_have_is_refused() -> None:
    """With the keys that there are, and how to find whose it is."""
    situation = asked().missing(F).unmanaged(B, "Inactive")
    text = str(refusal(situation))
    assert f"user deploy has {B} (Inactive, created 2026-04-26)" in text
    assert f"aws iam get-access-key-last-used --access-key-id {F}" in text
    assert "user deploy has no access key" in str(refusal(situation.missing(B)))


def test_cloudformation_takes_an_adoption_for_done_whose_record_was_lost() -> None:
    """The key is gone by then; the template may name it for years."""
    situation = asked().missing(F).managed(A)
    assert adoptions(situation.plan(plan_deployment, F)) == []


def test_a_key_that_the_ledger_records_is_refused() -> None:
    """Our own, another resource's of the same secret, and one of another entry; the message is completed later."""
    own = Situation().declared("2", rules=RULES, adopts=F).managed(F)
    other = asked().managed(F, "replaced", owner=OTHER)
    elsewhere = asked()
    elsewhere.recorded_elsewhere = frozenset({F})
    for situation in (own, other, elsewhere):
        refused = refusal(situation)
        assert "the ledger records it already" in str(refused)
        assert refused.user_name == "deploy"


def test_a_key_of_the_secret_before_is_left_to_its_delete() -> None:
    """A change of the secret names the same key again: the Delete of the old place decides what becomes of it."""
    situation = asked()
    situation.recorded_elsewhere = frozenset({F})
    situation.keys.pop(A, None)
    assert adoptions(situation.plan(plan_deployment, F)) == []


def test_a_key_that_bears_the_tag_of_a_managed_one_is_refused() -> None:
    """It may be in the ledger of another stack; a tag that a person has set says nothing."""
    situation = asked()
    situation.user_tags = {F: key_tag("other/Key", "0123456789abcdef")}
    assert "other/Key owner=0123456789abcdef" in str(refusal(situation))
    situation.user_tags = {F: "the build server"}
    assert len(adoptions(situation.plan(plan_deployment))) == 1


def test_an_adoption_that_was_done_once_is_not_refused_again() -> None:
    """A rollback must succeed, whatever has become of the key, and whatever can't be read."""
    for situation in (asked(adopted=(F,)), asked(adopted=(F,)).missing(F)):
        situation.user_tags = None
        assert adoptions(situation.managed(A).plan(plan_deployment)) == []


@pytest.mark.parametrize("unread", ["user_tags", "recorded_elsewhere"])
def test_what_can_not_be_read_is_no_permission(unread: str) -> None:
    """Nobody's key is taken by guess."""
    situation = asked()
    setattr(situation, unread, None)
    assert "can't be read" in str(refusal(situation))


def test_only_a_key_that_is_to_be_adopted_is_asked_about() -> None:
    """A key without adoption costs no call, and neither does one whose adoption is done."""
    for situation, expected in ((asked(), True), (adopted(), False), (Situation().unmanaged(F), False)):
        assert is_in_question(situation.entry, OWNER, situation.observed()) is expected
    assert not is_in_question(asked().entry, OTHER, asked().observed())
    assert not is_in_question(asked().deleted().entry, OWNER, asked().observed())


def test_two_keys_of_others_leave_no_slot() -> None:
    """The adopted key makes no room: it may be all that works."""
    with pytest.raises(KeyLimitReachedError):
        asked().unmanaged(B).plan(plan_deployment)


def test_an_unused_key_that_is_to_be_adopted_is_not_removed_for_a_slot() -> None:
    """Though the template names such keys for removal."""
    rules = replace(RULES, on_key_limit=REMOVE_UNUSED, unused_since=90 * DAY)
    situation = Situation().declared(rules=rules, adopts=F).unmanaged(F, "Inactive").unmanaged(B)
    assert unmanaged_in_question(situation.entry, OWNER, situation.observed()) == ()
    named_no_more = situation.declared(rules=rules)
    assert unmanaged_in_question(named_no_more.entry, OWNER, named_no_more.observed()) == (F,)


# --- giving it back


@pytest.mark.parametrize("rule", [plan_deletion, plan_maintenance])
@pytest.mark.parametrize("status", ["Active", "Inactive"])
def test_a_delete_gives_back_what_was_not_retired(rule: Callable[..., object], status: str) -> None:
    """As it is: also one that a person has deactivated. Our key goes."""
    actions = adopted(status=status).deleted().plan(rule)
    assert (ReleaseKey, F) in adoptions(actions)
    assert deleted(actions) == [A]
    assert F not in touched(actions)


def test_a_delete_deletes_what_was_retired() -> None:
    """It was deactivated by us, so it goes like any previous key."""
    actions = adopted("inactive").plan(plan_deletion)
    assert adoptions(actions) == []
    assert deleted(actions) == [A, F]


def test_a_delete_gives_back_what_somebody_has_activated() -> None:
    """It is in use again, whatever the ledger says."""
    actions = adopted("inactive", "Active").plan(plan_deletion)
    assert adoptions(actions) == [(ReleaseKey, F)]
    assert deleted(actions) == [A]


def test_a_delete_whose_user_is_gone_leaves_no_adopted_key_behind() -> None:
    """One that was not retired is its owner's, wherever it is now; a retired one is named."""
    for situation, left in ((adopted(), [A]), (adopted("inactive"), [A, F])):
        situation.user_exists = False
        actions = situation.plan(plan_deletion)
        assert [action.key_id for action in actions if isinstance(action, RecordGone)] == sorted(left, reverse=True)


def test_a_deployment_that_names_it_no_more_gives_it_back() -> None:
    """Unless it was retired: then it is deleted at the end of its retention period."""
    assert adoptions(without_adoption(adopted()).plan(plan_deployment)) == [(ReleaseKey, F)]
    assert adoptions(without_adoption(adopted("inactive", "Active")).plan(plan_deployment)) == [(ReleaseKey, F)]
    assert without_adoption(adopted("inactive", since=HOUR)).plan(plan_deployment)[:-1] == []
    later = without_adoption(adopted("inactive"))
    assert deleted(later.plan(plan_maintenance)) == [F]


def test_a_rollback_adopts_again_what_was_given_back() -> None:
    """Its grace period begins again then: rather too long than too short."""
    situation = asked(adopted=(F,)).managed(A)
    assert adoptions(situation.plan(plan_deployment)) == [(AdoptKey, F)]


def test_a_failed_creation_gives_it_back() -> None:
    """Nothing is left of the resource."""
    actions = adopted().plan(plan_failed_cleanup, (A,), new_resource=True, go_back=True)
    assert adoptions(actions) == [(ReleaseKey, F)]


def test_a_failed_update_goes_back_to_no_adopted_key() -> None:
    """Its secret is not known, so it can't become current."""
    situation = adopted().managed(B, "replaced")
    actions = situation.plan(plan_failed_cleanup, (A,), new_resource=False, go_back=True)
    assert [action.key_id for action in actions if isinstance(action, Promote)] == [B]
    assert adopted().plan(plan_failed_cleanup, (A,), new_resource=False, go_back=True) == []


# --- retirement


def test_the_sweep_retires_it_after_a_day_and_unused() -> None:
    """However short the grace period is, a rollback finds it Active for as long as a deployment may take."""
    assert touched(adopted().plan(retire, "sweep")) == {F}
    assert adopted(since=DAY - MINUTE).plan(retire, "sweep") == []
    claimed, young = adopted().entry.claims[OWNER], adopted(since=HOUR).entry.keys[F]
    assert due_of(claimed, young) == NOW - HOUR + DAY
    long = replace(claimed, rules=replace(RULES, grace=9 * DAY))
    assert due_of(long, young) == NOW - HOUR + 9 * DAY


def test_any_use_since_the_adoption_holds_it_back() -> None:
    """Nobody here knows who uses it: a nightly job is found, too, with a grace period of an hour."""
    situation = adopted(since=DAY).used(F, LastUse(NOW - 20 * HOUR, "s3"))
    draft = situation.drafted(retire, "sweep")
    assert reported(draft.actions) == ["Access Key Retirement Postponed"]
    assert touched(draft.actions) == set()
    assert in_question(situation.entry, OWNER, NOW) == (F,)
    assert in_question(adopted(since=HOUR).entry, OWNER, NOW) == ()


@pytest.mark.parametrize("by", ["deployment", "cut-over", "rotation"])
def test_nobody_else_retires_it(by: str) -> None:
    """A deployment that is rolled back must not have touched it; one whose deletion has begun, neither."""
    assert adopted().plan(retire, by, at_once=True) == []
    assert adopted("inactive").plan(retire, by, at_once=True) == []
    assert adopted("inactive", "Active", note="it is being deleted").plan(retire, by, at_once=True) == []


def test_it_stays_while_the_key_in_its_place_is_declared_inactive() -> None:
    """It is all that works then; an operator's word counts. What is Inactive is deleted all the same."""
    for state, deactivated, gone in (("replaced", set(), []), ("inactive", {F}, [F])):
        situation = adopted(state)
        situation.managed(A, status="Inactive", deactivated=NOW - DAY)
        situation.declared(status="Inactive", rules=RULES, adopts=F, adopted=(F,))
        actions = situation.plan(retire, "sweep")
        assert (touched(actions), deleted(actions)) == (deactivated, gone)
    assert touched(adopted().declared(status="Inactive", rules=RULES).plan(plan_retire_now)) == {F}


def test_an_operator_retires_it_at_once() -> None:
    """It may have leaked; not while the current key does not work."""
    situation = adopted(since=MINUTE)
    assert situation.plan(plan_retire_now) == [Deactivate(F, "operator")]
    with pytest.raises(KeyInUseError, match=f"so {F} may be all that works"):
        situation.missing(A).plan(plan_retire_now)


def test_a_retired_one_is_deleted_after_its_retention_period() -> None:
    """Like any previous key."""
    assert adopted("inactive", since=DAY).plan(retire, "sweep") == [Deactivate(F, "sweep"), DeleteKey(F, "sweep")]
    assert adopted("inactive", since=HOUR).plan(retire, "sweep") == []


@pytest.mark.parametrize("by", ["sweep", "deployment"])
def test_one_that_somebody_activates_again_has_its_grace_period_once_more(by: str) -> None:
    """No undo brings it back, so this is how a person does; an operator's word counts for more."""
    situation = adopted("inactive", "Active")
    draft = situation.drafted(retire, by)
    assert touched(draft.actions) == set()
    record = draft.entry.keys[F]
    assert (record.state, record.replaced, record.deactivated) == (KeyState.REPLACED, NOW, None)
    assert reported(draft.actions) == ["Access Key Retirement Postponed"]
    assert situation.plan(retire, "operator", at_once=True) == [Deactivate(F, "operator", anew=True)]
    assert adoptions(without_adoption(situation).plan(retire, "sweep")) == [(ReleaseKey, F)]


def test_one_whose_deletion_has_begun_does_not_come_back() -> None:
    """The call may have come through by now."""
    situation = adopted("inactive", "Active", note="it is being deleted")
    assert situation.plan(retire, "sweep") == [Deactivate(F, "sweep", anew=True)]


def test_one_that_a_person_has_deactivated_is_retired_and_deleted() -> None:
    """Its grace period and its retention period are what they are."""
    assert adopted(status="Inactive").plan(retire, "sweep") == [Deactivate(F, "sweep")]


def test_one_that_somebody_has_deleted_is_reported_and_forgotten() -> None:
    """At the next check."""
    draft = adopted().missing(F).drafted(plan_maintenance)
    assert reported(draft.actions) == ["drift: previous-key-gone"]
    assert F not in draft.entry.keys


# --- whoever else comes across it


def test_recovery_leaves_it_alone() -> None:
    """It was never stored and never proven, and is no leftover of ours."""
    assert adopted().plan(recover) == []
    assert adopted("inactive").plan(recover) == []


def test_a_daily_check_and_a_deployment_find_it_as_it_is() -> None:
    """No drift and no finding, and the sweep knows when to come back."""
    situation = adopted(since=HOUR)
    assert situation.plan(plan_maintenance) == []
    assert findings(situation.entry, situation.observed(), OWNER) == ()
    assert next_due(replace(situation.entry, checked=NOW), NOW) == NOW - HOUR + DAY


def test_a_cut_over_has_nothing_to_do_with_it() -> None:
    """Nor does it hide that the current key is an older one."""
    situation = adopted()
    current = situation.entry.keys[A]
    assert owner_to_cut_over(situation.entry, current.version_id) == ""
    assert situation.plan(plan_cut_over, OWNER and current.version_id) == []
    restored = situation.managed(B, "replaced")
    assert owner_to_cut_over(restored.entry, current.version_id) == OWNER
    assert went_back(restored.entry, OWNER)


@pytest.mark.parametrize("on_key_limit", ["Fail", RETIRE_PREVIOUS, REMOVE_UNUSED])
@pytest.mark.parametrize("status", ["Active", "Inactive"])
def test_it_makes_no_room_before_it_is_retired(on_key_limit: str, status: str) -> None:
    """Whatever the template lets go: who uses it is not known. The message says what helps."""
    situation = adopted(status=status)
    rules = replace(RULES, on_key_limit=on_key_limit, unused_since=DAY)
    situation.declared("2", rules=rules, adopts=F, adopted=(F,))
    for named in ({}, {"for_rotation": True}):
        with pytest.raises(KeyLimitReachedError) as refused:
            situation.plan(free_key_slot, "deployment", **named)
        assert f"{F} was adopted: wait until the sweep has retired it" in refused.value.advice


def test_a_retired_one_makes_room_like_any_previous_key() -> None:
    """Unless somebody has activated it again."""
    assert deleted(adopted("inactive").plan(free_key_slot, "deployment")) == [F]
    with pytest.raises(KeyLimitReachedError):
        adopted("inactive", "Active").plan(free_key_slot, "deployment")


def test_secrets_manager_waits_for_its_slot() -> None:
    """The rotation fails and comes again; the key is untouched."""
    draft = adopted().rotating().draft()
    with pytest.raises(KeyLimitReachedError):
        plan_create_secret(draft, OWNER, TOKEN)
    assert changes(draft.actions) == []


def test_no_undo_goes_back_to_it() -> None:
    """It says why, and what to do to keep it. With a previous key of ours, that one is meant."""
    with pytest.raises(NothingToUndoError, match=f"{F} was adopted"):
        adopted().plan(plan_undo)
    with pytest.raises(NothingToUndoError, match=f"{F} was adopted"):
        adopted().plan(plan_undo, alarm=NOW)


def test_an_operator_sees_that_it_was_adopted() -> None:
    """With when it is due."""
    report = status_report(adopted(since=HOUR).draft(), OWNER)
    assert report["keys"][0]["note"] == "adopted"
    assert report["keys"][0]["nextStep"] == "2026-05-05T11:00:30.000Z"
    assert "note" not in report["keys"][1]


def test_a_call_that_comes_late_is_taken_back() -> None:
    """It was given back meanwhile, or found Active again: it works then, as whoever had it back expects."""
    late = Deactivate(F, "sweep")
    released = without_adoption(Situation()).managed(A).unmanaged(F, "Inactive")
    for situation in (released, adopted(status="Inactive")):
        assert changes(situation.plan(plan_take_back, late)) == [Activate(F)]
    retired = adopted("inactive")
    assert changes(retired.plan(plan_take_back, late)) == []
    unknown = Situation().managed(A).unmanaged(F, "Inactive")
    assert changes(unknown.plan(plan_take_back, late)) == []


def test_a_lost_entry_leaves_it_unmanaged() -> None:
    """It bears neither label nor tag, so nothing says that it was ever adopted."""
    situation = adopted()
    lost = replace(situation, entry=replace(situation.entry, keys={}, claims={OWNER: claim()}))
    lost.user_tags = {A: key_tag("shop/Key", OWNER)}
    draft = Draft(lost.entry, lost.observed())
    recover(draft, OWNER)
    assert set(draft.entry.keys) == {A}


def test_a_renamed_construct_waits_until_it_is_gone() -> None:
    """Two keys are there already, and neither makes room."""
    situation = adopted().declared(owner=OTHER, rules=RULES, adopts=F)
    draft = situation.draft()
    with pytest.raises(KeyLimitReachedError):
        plan_deployment(draft, RENAMED.owner_id)
