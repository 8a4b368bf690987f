"""Which key goes for another one, tried on situations built by hand."""

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
    A,
    B,
    C,
    F,
    Situation,
    deleted,
    touched,
)

from access_key_provider.model.actions import Deactivate, DeleteKey, RecordKey
from access_key_provider.model.errors import KeyLimitReachedError
from access_key_provider.model.retirement_rules import REMOVE_UNUSED, RETIRE_PREVIOUS, RetirementRules
from access_key_provider.model.state import LastUse
from access_key_provider.planning.deployment import plan_deployment
from access_key_provider.planning.key_slots import free_key_slot, is_kept_for_rollback, unmanaged_in_question

if TYPE_CHECKING:
    from datetime import timedelta

RULES = RetirementRules(grace=HOUR)
UNUSED = replace(RULES, on_key_limit=REMOVE_UNUSED, unused_since=90 * DAY)


def full(state: str = "replaced", rules: RetirementRules = RULES, **members: Any) -> Situation:
    """Build a rotation from A to B that fills both key slots; A is not used."""
    return Situation().declared("3", rules=rules).managed(A, state, **members).managed(B).used(A, NEVER)


def freed(situation: Situation, **named: Any) -> list[str]:
    """Name the keys that go for another one."""
    return deleted(situation.plan(free_key_slot, "deployment", **named))


def refusal(situation: Situation, **named: Any) -> KeyLimitReachedError:
    """Let a key slot be refused; nothing is planned then."""
    draft = situation.draft()
    with pytest.raises(KeyLimitReachedError, match="user deploy has 2 access keys, IAM allows 2") as refused:
        free_key_slot(draft, OWNER, "deployment", **named)
    assert draft.actions == []
    return refused.value


def test_where_there_is_a_slot_nothing_goes() -> None:
    """Not even what is retired."""
    assert freed(Situation().managed(A, "inactive")) == []


@pytest.mark.parametrize("age", [MINUTE, HOUR, 99 * DAY])
def test_a_retired_key_goes_first(age: timedelta) -> None:
    """Whatever is left of its retention period."""
    rules = replace(RULES, retention=365 * DAY)
    assert freed(full("inactive", rules, deactivated=NOW - age)) == [A]


def test_an_inactive_key_goes_before_an_unused_one() -> None:
    """With three keys, as the quota is known to overshoot: two must go, the Inactive one first."""
    situation = full(replaced=NOW - DAY).managed(C, "inactive")
    assert freed(situation) == [C, A]


def test_of_two_inactive_keys_the_one_goes_that_was_published_first() -> None:
    """The other one may still be gone back to."""
    situation = Situation().declared("4").managed(A).managed(C, "inactive").managed(B, "inactive")
    assert freed(situation)[0] == B


@pytest.mark.parametrize(
    ("ago", "last_use", "goes"),
    [
        (2 * HOUR, NEVER, True),
        (2 * HOUR, LastUse(NOW - HOUR / 2), False),
        (2 * HOUR, None, False),
        (HOUR / 2, NEVER, False),
    ],
)
def test_a_replaced_key_goes_out_of_its_grace_period_and_unused(
    ago: timedelta,
    last_use: LastUse | None,
    goes: bool,  # noqa: FBT001
) -> None:
    """Within it, or where its use is not known, it is kept; and the message says what to do."""
    situation = full(replaced=NOW - ago)
    situation.last_uses = {A: last_use} if last_use else {}
    if goes:
        assert situation.plan(free_key_slot, "deployment")[:2] == [
            Deactivate(A, "deployment"),
            DeleteKey(A, "deployment"),
        ]
        return
    advice = refusal(situation).advice
    assert A in advice
    assert "on_key_limit" in advice


@pytest.mark.parametrize("use", [NEVER, LastUse(NOW)])
def test_where_the_template_says_so_the_previous_key_goes_in_any_case(use: LastUse) -> None:
    """`RetirePrevious`: a rotation is worth more than whoever uses it."""
    situation = full(rules=replace(RULES, on_key_limit=RETIRE_PREVIOUS), replaced=NOW).used(A, use)
    assert freed(situation) == [A]


def test_a_retired_key_made_active_by_hand_is_not_taken() -> None:
    """Somebody needed it: the next rotation asks instead of cutting them off."""
    assert A in refusal(full("inactive").unmanaged(A).used(A, LastUse(NOW))).advice


def test_a_key_that_is_current_never_goes() -> None:
    """Beside an unmanaged one there is no slot."""
    assert refusal(Situation().managed(A, "current").unmanaged(F, "Inactive")).advice == ""


def test_a_key_of_a_caller_that_died_before_the_switch_goes_first() -> None:
    """Nobody has it; one that Secrets Manager's rotation is about to make current is another matter."""
    situation = Situation().managed(A, "current").managed(B, "proven")
    assert freed(situation) == [B]


def test_a_key_of_another_resource_never_goes() -> None:
    """Each resource takes its own keys away only."""
    situation = Situation().declared(owner=OTHER).managed(A, "inactive", owner=OTHER).managed(B)
    assert refusal(situation).advice == ""


def test_a_displaced_resource_keeps_its_key() -> None:
    """The other resource's rollback makes it current again."""
    situation = Situation().declared(owner=OTHER).managed(A, "inactive").managed(B, owner=OTHER)
    refusal(situation)


# --- a rotation by Secrets Manager


def test_a_rotation_keeps_the_key_that_a_rollback_may_need() -> None:
    """For a day after a deployment replaced it; the message says until when."""
    situation = full("inactive", replaced=NOW - 2 * HOUR)
    assert "2026-05-05 10:00 UTC for a rollback" in refusal(situation, for_rotation=True).advice
    assert freed(situation) == [A], "a deployment takes it"


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        ({"by": "deployment", "replaced": NOW - DAY + MINUTE}, True),
        ({"by": "deployment", "replaced": NOW - DAY}, False),
        ({"by": "rotation", "replaced": NOW - HOUR}, False),
        ({"by": "operator", "replaced": NOW - HOUR}, False),
        ({"by": "deployment", "replaced": None}, False),
        ({"by": "deployment", "replaced": NOW - HOUR, "note": "an undo has taken it back"}, False),
    ],
)
def test_what_is_kept_for_a_rollback(members: dict[str, Any], kept: bool) -> None:  # noqa: FBT001
    """A key that nobody goes back to goes at once."""
    situation = full("inactive", **members)
    assert is_kept_for_rollback(situation.draft(), situation.entry.keys[A]) is kept


# --- unmanaged keys


def crowded(status: str = "Inactive", age: timedelta = 100 * DAY, last_use: LastUse | None = NEVER) -> Situation:
    """Build a current key beside an unmanaged one, where the template lets an unused one be removed."""
    situation = Situation(recorded_elsewhere=frozenset()).declared("2", rules=UNUSED).managed(A)
    situation.unmanaged(F, status, created=NOW - age)
    return situation.used(F, last_use) if last_use else situation


def test_an_unused_unmanaged_key_goes_where_the_template_names_it() -> None:
    """It is recorded first, so that what fails after its deactivation is made up for."""
    draft = crowded().drafted(free_key_slot, "deployment")
    assert isinstance(draft.actions[0], RecordKey)
    assert draft.actions[1:3] == [Deactivate(F, "deployment"), DeleteKey(F, "deployment")]
    assert F not in draft.entry.keys


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(crowded(status="Active"), id="Active"),
        pytest.param(crowded(age=89 * DAY), id="young"),
        pytest.param(crowded(last_use=LastUse(NOW - 99 * DAY)), id="used once"),
        pytest.param(crowded(last_use=None), id="use not known"),
        pytest.param(crowded().declared("2", rules=RULES), id="the template does not say so"),
        pytest.param(crowded().declared("2", rules=replace(UNUSED, unused_since=None)), id="no age is given"),
    ],
)
def test_every_other_unmanaged_key_is_refused_untouched(situation: Situation) -> None:
    """Whatever it is: Active, young, used, or not named by the template."""
    refusal(situation)


@pytest.mark.parametrize("elsewhere", [None, frozenset({F})])
def test_a_key_that_another_entry_may_record_is_not_taken(elsewhere: frozenset[str] | None) -> None:
    """It is another resource's; where the ledger could not be asked, it may be."""
    situation = crowded()
    situation.recorded_elsewhere = elsewhere
    refusal(situation)


def test_the_oldest_of_several_goes() -> None:
    """First; two must go, because the quota was overshot."""
    situation = crowded().unmanaged(C, "Inactive", created=NOW - 200 * DAY).used(C, NEVER)
    actions = situation.plan(free_key_slot, "deployment")
    assert deleted(actions) == [C, F]
    assert touched(actions) == {C, F}


def test_our_own_keys_go_before_an_unmanaged_one() -> None:
    """Also where the template names the unmanaged one."""
    situation = Situation(recorded_elsewhere=frozenset()).declared("2", rules=UNUSED)
    situation.unmanaged(F, "Inactive").used(F, NEVER).managed(A, "inactive")
    assert freed(situation) == [A]


def test_last_uses_of_unmanaged_keys_are_asked_only_where_they_decide() -> None:
    """At the limit, where the template names them, and of those that are Inactive and old enough."""
    situation = crowded()
    assert unmanaged_in_question(situation.entry, OWNER, situation.observed()) == (F,)
    for other in (crowded("Active"), crowded(age=DAY), crowded().missing(A), crowded().declared("2", rules=RULES)):
        assert unmanaged_in_question(other.entry, OWNER, other.observed()) == ()
    assert unmanaged_in_question(situation.entry, OTHER, situation.observed()) == ()


def test_a_rotation_takes_the_retired_key_away_before_it_creates_another() -> None:
    """The slot is free when it is needed."""
    actions = full("inactive").plan(plan_deployment)
    names = [type(action).__name__ for action in actions]
    assert names.index("DeleteKey") < names.index("CreateKey")
