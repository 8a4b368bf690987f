"""What a holder that died or somebody's hands have left, tried on situations built by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from unit.planning.situation import (
    BY_HAND,
    DAY,
    HOUR,
    MINUTE,
    NEVER,
    NOW,
    OTHER,
    OWNER,
    TAG,
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
    ForgetTraces,
    RecordGone,
    RecordKey,
    RecordSwitch,
    RemoveLabel,
    UntagUser,
)
from access_key_provider.model.entry import KeyState
from access_key_provider.model.retirement_rules import RetirementRules
from access_key_provider.model.state import LastUse, SecretState, key_tag
from access_key_provider.planning.deletion import plan_deletion
from access_key_provider.planning.recovery import orphan_candidates, recover, retire_orphans, unknown_labels

# --- switches


@pytest.mark.parametrize("happened", [True, False])
def test_a_switch_that_was_begun_is_recorded_as_aws_shows_it(happened: bool) -> None:  # noqa: FBT001
    """The holder died around the call: where AWSCURRENT is decides, and the grace period begins at the latest now."""
    situation = Situation().declared("2").managed(A).managed(B, "proven", "2").switching(B, adds_serial="3")
    if happened:
        situation.current_is(version_of(B))
    draft = situation.drafted(recover)
    assert draft.actions == [RecordSwitch(happened=happened)]
    assert draft.entry.switching is None
    assert draft.entry.current == draft.entry.keys[B if happened else A]
    assert (draft.entry.keys[A].replaced == NOW) is happened
    assert ("3" in draft.entry.keys[B].serials) is happened


def test_a_switch_to_a_key_that_is_not_stored_has_not_happened() -> None:
    """Also where AWSCURRENT is on no version at all."""
    situation = Situation().begun(A).switching(A)
    assert situation.plan(recover)[0] == RecordSwitch(happened=False)


def test_a_switch_to_a_key_that_is_recorded_no_more_is_forgotten() -> None:
    """Another holder has removed it since."""
    draft = Situation().managed(A).switching(B).drafted(recover)
    assert draft.actions == [RecordSwitch(happened=False)]
    assert draft.entry.switching is None


# --- keys that are gone, or can't be used


def test_a_key_that_is_listed_no_more_is_recorded_as_gone_and_its_traces_go() -> None:
    """IAM was asked twice, with a pause between."""
    draft = rotated_once().missing(A).drafted(recover)
    assert draft.actions == [RecordGone(A), RemoveLabel(version_of(A), A), UntagUser(A)]
    assert A not in draft.entry.keys
    assert any(f"{A} is gone" in line for line in draft.entry.history)


@pytest.mark.parametrize("state", ["created", "stored"])
def test_a_key_that_was_not_proven_is_removed(state: str) -> None:
    """Its secret can't be read back, so it can't be proven any more."""
    draft = Situation().managed(A).begun(B, state).drafted(recover)
    assert deleted(draft.actions) == [B]
    assert touched(draft.actions) == {B}
    assert (RemoveLabel(version_of(B), B) in draft.actions) is (state == "stored")
    assert B not in draft.entry.keys


def test_a_proven_key_that_is_not_stored_is_removed() -> None:
    """A rotation proves before it stores; nobody has the secret."""
    situation = Situation().managed(A).managed(B, "proven", version="x", stored=None, labelled=False)
    assert deleted(situation.plan(recover)) == [B]


def test_what_is_recovered_is_left_to_the_sweep_where_it_is_refused() -> None:
    """A leftover must not fail a rollback."""
    draft = Situation().managed(A).begun(B, "stored").drafted(recover)
    assert draft.optional == set(range(len(draft.actions)))


def test_traces_of_a_deleted_key_are_taken_away_later() -> None:
    """The calls were refused when the key was deleted."""
    gone = {"state": "deleted", "status": "Inactive"}
    draft = Situation().managed(A).managed(B, **gone).missing(B).drafted(recover)
    assert draft.actions == [RemoveLabel(version_of(B), B), UntagUser(B)]
    assert B not in draft.entry.keys


def test_traces_go_with_the_secret_and_the_user_that_bore_them() -> None:
    """Nothing can be taken away there any more, so the key is forgotten."""
    situation = Situation(state=SecretState.MISSING, user_exists=False).managed(B, "deleted")
    draft = situation.drafted(recover)
    assert draft.actions == [ForgetTraces(B)]
    assert B not in draft.entry.keys


def test_the_keys_of_another_resource_are_left_to_it() -> None:
    """Each resource has its own role."""
    situation = Situation().declared(owner=OTHER).begun(A, owner=OTHER).managed(B, owner=OTHER).missing(B)
    assert situation.plan(recover) == []


# --- orphans


def orphaned(**members: object) -> Situation:
    """Build an attempt whose key was made and whose answer was lost: F was there before, B is the key."""
    situation = Situation(user_tags={}, recorded_elsewhere=frozenset(), **members)  # type: ignore[arg-type]
    return situation.unmanaged(F).attempt(F).unmanaged(B, created=NOW).used(B, NEVER)


def test_a_key_whose_secret_was_lost_is_removed() -> None:
    """It was not there before, came to be in the attempt, and nobody has used or tagged it."""
    draft = orphaned().drafted(recover)
    assert deleted(draft.actions) == [B]
    assert touched(draft.actions) == {B}
    assert draft.entry.keys == {}


def test_every_attempt_that_was_interrupted_is_covered() -> None:
    """The first began an hour ago; the key may be of any of them."""
    for age in (HOUR, HOUR / 2, timedelta()):
        situation = orphaned().attempt(F, since=NOW - HOUR, until=NOW).unmanaged(B, created=NOW - age)
        assert deleted(situation.plan(recover)) == [B]


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(Situation(user_tags={}).unmanaged(B, created=NOW).used(B, NEVER), id="no attempt"),
        pytest.param(orphaned().attempt(F, B), id="it was there before"),
        pytest.param(orphaned().unmanaged(B, created=NOW - 2 * HOUR), id="it is older"),
        pytest.param(orphaned().attempt(F, since=NOW - HOUR, until=NOW - HOUR), id="it is younger"),
        pytest.param(orphaned().used(B, LastUse(NOW)), id="it was used"),
        pytest.param(orphaned().changed(creating={}).attempt(owner=OTHER), id="another resource's attempt"),
    ],
)
def test_a_key_that_may_be_somebody_elses_is_never_taken_for_an_orphan(situation: Situation) -> None:
    """Each single reason for doubt is enough."""
    assert touched(situation.plan(recover)) == set()
    assert not any(isinstance(action, RecordKey) for action in situation.plan(recover))


@pytest.mark.parametrize("doubt", ["last use not known", "tags not known", "tagged", "recorded elsewhere"])
def test_what_is_not_known_of_a_key_is_a_doubt(doubt: str) -> None:
    """An error is never taken for "unused"."""
    situation = orphaned()
    if doubt == "last use not known":
        situation.last_uses.clear()
    elif doubt == "tags not known":
        situation.user_tags = None
    elif doubt == "tagged":
        situation.user_tags = {B: "by hand"}
    else:
        situation.recorded_elsewhere = frozenset({B})
    assert touched(situation.plan(recover)) == set()


def test_while_another_entry_creates_a_key_an_orphan_is_recorded_only() -> None:
    """It may be that entry's: the sweep decides an hour later."""
    draft = orphaned(creating_elsewhere=True).drafted(recover)
    assert changes(draft.actions) == []
    assert draft.entry.keys[B].state is KeyState.ORPHAN


@pytest.mark.parametrize(("age", "ends"), [(6 * MINUTE, False), (8 * MINUTE, True)])
def test_an_attempt_ends_once_no_key_of_it_can_come_to_light(age: timedelta, ends: bool) -> None:  # noqa: FBT001
    """A function that was frozen in the call may go on for five minutes; IAM lists the key some seconds later."""
    actions = Situation().attempt(since=NOW - age, until=NOW - age).plan(recover)
    assert actions == ([EndAttempt(OWNER)] if ends else [])


def test_a_key_that_came_long_after_the_attempt_is_recorded_only() -> None:
    """A frozen function may have made it, or a person who saw the deployment fail: the sweep decides an hour later."""
    situation = orphaned().attempt(F, since=NOW - 5 * MINUTE, until=NOW - 5 * MINUTE)
    draft = situation.drafted(recover)
    assert changes(draft.actions) == []
    assert draft.entry.keys[B].state is KeyState.ORPHAN


def test_the_candidates_are_those_whose_use_and_tags_must_be_asked() -> None:
    """Nothing is asked where nothing was interrupted."""
    situation = orphaned().managed(A)
    observed = situation.observed()
    assert [key.id for key in orphan_candidates(situation.entry, observed.keys, OWNER)] == [B]
    assert orphan_candidates(situation.entry, observed.keys, OTHER) == ()


def old_orphan(age: timedelta, **members: object) -> Situation:
    """Build an orphan that was recorded because another entry was creating a key."""
    retention = RetirementRules(retention=7 * DAY)
    situation = Situation(user_tags={}, recorded_elsewhere=frozenset()).declared("1", rules=retention).managed(A)
    times = {"created": NOW - age, "stored": None, "proven": None, "version_id": "", "tag": "", "labelled": False}
    return situation.managed(B, "orphan", **(times | members)).used(B, NEVER)  # type: ignore[arg-type]


def test_an_orphan_is_deactivated_after_an_hour_and_deleted_after_the_retention_period() -> None:
    """Until then somebody may come and say that it is theirs."""
    assert old_orphan(HOUR / 2).plan(retire_orphans) == []
    assert changes(old_orphan(HOUR).plan(retire_orphans)) == [Deactivate(B, "sweep", "its secret was lost")]
    assert old_orphan(9 * DAY, deactivated=NOW - 6 * DAY).plan(retire_orphans) == []
    actions = old_orphan(9 * DAY, deactivated=NOW - 7 * DAY).plan(retire_orphans)
    assert DeleteKey(B, "sweep") in actions


@pytest.mark.parametrize(
    "why", ["used", "use not known", "tagged", "tags not known", "others not known", "another is being made"]
)
def test_an_orphan_that_somebody_claims_is_left(why: str) -> None:
    """For good: it is theirs."""
    situation = old_orphan(2 * HOUR)
    if why == "others not known":
        situation.recorded_elsewhere = None
    situation.creating_elsewhere = why == "another is being made"
    if why == "used":
        situation.used(B, LastUse(NOW - HOUR))
    elif why == "use not known":
        situation.last_uses.clear()
    elif "tag" in why:
        situation.user_tags = {B: "mine"} if why == "tagged" else None
    assert situation.plan(retire_orphans) == []


def test_an_orphan_that_another_entry_has_recorded_since_is_forgotten() -> None:
    """It is its key."""
    situation = old_orphan(MINUTE)
    situation.recorded_elsewhere = frozenset({B})
    draft = situation.drafted(recover)
    assert B not in draft.entry.keys
    assert touched(draft.actions) == set()


@pytest.mark.parametrize("doubt", [True, False])
def test_a_delete_leaves_a_key_that_may_be_that_of_another_resource(doubt: bool) -> None:  # noqa: FBT001
    """And says so; without a doubt it deletes the key."""
    situation = old_orphan(MINUTE)
    situation.creating_elsewhere = doubt
    actions = situation.plan(plan_deletion)
    assert (DeleteKey(B, "deployment") in actions) is not doubt
    assert ("Access Key Left Behind" in reported(actions)) is doubt


# --- an entry that was lost


def lost(*witnesses: str, owner: str = OWNER) -> Situation:
    """Build a key that the entry does not know, with what says whose it is."""
    situation = Situation(user_tags={})
    situation.managed(A, owner=owner, labelled="label" in witnesses)
    situation.user_tags = {A: key_tag("shop/Key", owner)} if "tag" in witnesses else {}
    situation.entry = situation.entry.without_key(A)
    return situation


def test_a_lost_entry_is_rebuilt_from_a_label_and_a_tag() -> None:
    """The key that AWSCURRENT names is current, and that of the serial that CloudFormation takes for deployed."""
    draft = lost("label", "tag").drafted(recover, deployed_serial="7")
    found = draft.entry.current
    assert found is not None
    assert (found.id, found.serials, found.version_id, found.tag) == (A, ("7",), version_of(A), TAG)
    assert found.usable
    assert changes(draft.actions) == []


@pytest.mark.parametrize("witnesses", [[], ["label"], ["tag"]])
def test_one_witness_alone_makes_no_key_managed(witnesses: list[str]) -> None:
    """Whoever may tag users, or label secrets, could make any key ours."""
    assert lost(*witnesses).plan(recover) == []


def test_a_witness_for_another_resource_is_none() -> None:
    """The tag names who made the key."""
    situation = lost("label", "tag", owner=OTHER).declared("1")
    assert situation.plan(recover) == []
    situation.user_tags = {A: "no tag of ours"}
    assert situation.plan(recover) == []
    situation.user_tags = None
    assert situation.plan(recover) == []


@pytest.mark.parametrize(("status", "state"), [("Active", KeyState.REPLACED), ("Inactive", KeyState.INACTIVE)])
def test_a_key_that_is_not_current_is_rebuilt_as_replaced_now(status: str, state: KeyState) -> None:
    """Rather a grace or a retention period too long than one too short."""
    situation = lost("label", "tag").unmanaged(A, status).current_is(BY_HAND)
    found = situation.drafted(recover).entry.keys[A]
    assert (found.state, found.replaced) == (state, NOW)
    assert (found.deactivated == NOW) is (status == "Inactive")


def test_a_key_older_than_what_was_agreed_on_is_never_adopted() -> None:
    """It was there when the entry and AWS agreed, and not in the entry: somebody has put the label there."""
    situation = lost("label", "tag").changed(settled=NOW - DAY)
    assert situation.plan(recover) == []
    assert unknown_labels(situation.entry, situation.observed()) == ()
    situation.unmanaged(A, created=NOW - HOUR)
    assert situation.drafted(recover).entry.keys[A].exists


def test_a_table_put_back_to_before_a_rotation_finds_the_current_key_again() -> None:
    """The entry has A as current; since then B was made and published. AWSCURRENT tells which of the two it is."""
    situation = Situation(user_tags={B: TAG}).declared("2").managed(A, status="Inactive").managed(B, created=NOW - HOUR)
    situation.entry = situation.entry.without_key(B)
    situation.current_is(version_of(B)).changed(settled=NOW - DAY)
    draft = situation.drafted(recover, deployed_serial="2")
    current = draft.entry.current
    assert current is not None
    assert (current.id, current.serials) == (B, ("2",))
    before = draft.entry.keys[A]
    assert (before.state, before.replaced) == (KeyState.INACTIVE, NOW)
    assert changes(draft.actions) == []


def test_a_key_that_a_sweep_found_again_is_that_of_the_deployed_serial() -> None:
    """The sweep does not know which serial is deployed; the next Update does, and need not make another key."""
    found = lost("label", "tag").drafted(recover)
    assert found.entry.keys[A].serials == ()
    situation = lost("label", "tag").changed(keys=found.entry.keys)
    assert situation.drafted(recover, deployed_serial="7").entry.keys[A].serials == ("7",)
    assert Situation().managed(A).drafted(recover, deployed_serial="7").actions == []
