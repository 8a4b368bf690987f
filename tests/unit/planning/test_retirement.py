"""Grace, use, retention and what is displaced, tried on situations built by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

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
    Situation,
    changes,
    reported,
)

from access_key_provider.model.actions import Deactivate, DeleteKey, Postpone
from access_key_provider.model.entry import KeyState
from access_key_provider.model.errors import KeyInUseError
from access_key_provider.model.retirement_rules import LAST_USE_LAG, LONGEST_DEPLOYMENT, RetirementRules
from access_key_provider.model.state import PREVIOUS, LastUse
from access_key_provider.planning.maintenance import plan_cut_over, plan_retire_now
from access_key_provider.planning.retirement import due_of, in_question, is_by_proof, retire

RULES = RetirementRules(grace=HOUR, retention=7 * DAY)
DEACTIVATED = Deactivate(A, "sweep")


def replaced(ago: timedelta, last_use: LastUse | None = NEVER, rules: RetirementRules = RULES) -> Situation:
    """Build a rotation from A to B, so long ago; None stands for a last use that can't be read."""
    situation = Situation().declared("2", rules=rules)
    situation.managed(A, "replaced", "1", PREVIOUS, replaced=NOW - ago).managed(B, "current", "2")
    return situation.used(A, last_use) if last_use else situation


def inactive(ago: timedelta, rules: RetirementRules = RULES, **members: object) -> Situation:
    """Build the same after A was deactivated, so long ago."""
    situation = Situation().declared("2", rules=rules).managed(B, "current", "2")
    return situation.managed(A, "inactive", "1", PREVIOUS, deactivated=NOW - ago, **members)  # type: ignore[arg-type]


@pytest.mark.parametrize("ago", [timedelta(), HOUR / 2, HOUR - timedelta(seconds=1)])
def test_within_the_grace_period_nothing_is_done(ago: timedelta) -> None:
    """However often a sweep comes, and whoever uses the key."""
    assert replaced(ago, LastUse(NOW)).plan(retire, "sweep") == []


def test_the_grace_period_begins_with_the_switch() -> None:
    """Not with the creation of either key, nor with its proof."""
    situation = replaced(HOUR).managed(B, "current", "2", published=NOW - HOUR, created=NOW - 2 * HOUR)
    assert situation.plan(retire, "sweep") == [DEACTIVATED]


@pytest.mark.parametrize("last_use", [NEVER, LastUse(NOW - 3 * HOUR, "s3")])
def test_an_unused_key_is_deactivated_after_the_grace_period(last_use: LastUse) -> None:
    """Not deleted: that comes after the retention period, which begins now."""
    draft = replaced(2 * HOUR, last_use).drafted(retire, "sweep")
    assert draft.actions == [DEACTIVATED]
    assert (draft.entry.keys[A].state, draft.entry.keys[A].deactivated) == (KeyState.INACTIVE, NOW)


@pytest.mark.parametrize("use", [NEVER, LastUse(NOW), None])
def test_without_a_grace_period_a_replaced_key_is_deactivated_at_once(use: LastUse | None) -> None:
    """That is what the template says; nobody asks IAM for its last use."""
    rules = RetirementRules(retention=7 * DAY)
    assert replaced(timedelta(), use, rules).plan(retire, "deployment") == [Deactivate(A, "deployment")]
    assert in_question(replaced(timedelta(), use, rules).entry, OWNER, NOW) == ()


def test_a_deferred_cut_over_leaves_the_key_active_for_as_long_as_a_deployment_takes() -> None:
    """Although the grace period is zero: the consumers of the app decide."""
    rules = RetirementRules(deferred=True)
    assert replaced(LONGEST_DEPLOYMENT - MINUTE, NEVER, rules).plan(retire, "deployment") == []
    assert replaced(LONGEST_DEPLOYMENT, NEVER, rules).plan(retire, "sweep") == [DEACTIVATED]
    used = LastUse(NOW - 2 * HOUR, "s3")
    (postponed, *_) = replaced(LONGEST_DEPLOYMENT, used, rules).plan(retire, "sweep")
    assert isinstance(postponed, Postpone), "a use within that time counts, though the last hour is without one"


def test_a_key_that_an_undo_took_back_is_deactivated_within_its_grace_period() -> None:
    """It is bad."""
    situation = replaced(MINUTE).managed(A, "replaced", note="an undo has taken it back")
    assert situation.plan(retire, "sweep") == [DEACTIVATED]


# --- use


@pytest.mark.parametrize(
    "last_use",
    [
        pytest.param(LastUse(NOW - HOUR / 2, "s3", "eu-central-1"), id="since the switch"),
        pytest.param(None, id="can't be read"),
        pytest.param(LastUse(datetime(2026, 5, 4, 11, 0, tzinfo=NOW.tzinfo), "s3"), id="cut to the minute"),
    ],
)
def test_a_key_that_may_be_in_use_is_postponed_and_reported(last_use: LastUse | None) -> None:
    """An error is never "unused"; IAM tells the minute of a use, so it may have come up to a minute later."""
    draft = replaced(HOUR, last_use).drafted(retire, "sweep")
    said = str(last_use) if last_use else ""
    assert draft.actions[0] == Postpone(A, NOW + HOUR, said)
    assert reported(draft.actions) == ["Access Key Retirement Postponed"]
    assert changes(draft.actions) == []
    assert (draft.entry.keys[A].postponed, draft.entry.keys[A].last_use) == (1, said)


@pytest.mark.parametrize("grace", [5 * MINUTE, HOUR])
def test_a_use_of_the_last_hour_counts_however_short_the_grace_period_is(grace: timedelta) -> None:
    """IAM tells a use late: one from before the switch stands for those that are not told yet."""
    rules = replace(RULES, grace=grace)
    used = LastUse(NOW - timedelta(minutes=50, seconds=1), "s3")
    assert DEACTIVATED not in replaced(grace, used, rules).plan(retire, "sweep")
    unused = LastUse(NOW - LAST_USE_LAG - 2 * MINUTE, "s3")
    assert replaced(grace, unused, rules).plan(retire, "sweep") == [DEACTIVATED]


def test_a_use_before_the_switch_does_not_count_once_it_is_long_ago() -> None:
    """The consumers have changed over since."""
    rules = replace(RULES, grace=7 * DAY)
    assert replaced(7 * DAY, LastUse(NOW - 7 * DAY - 2 * MINUTE), rules).plan(retire, "sweep") == [DEACTIVATED]
    assert DEACTIVATED not in replaced(7 * DAY, LastUse(NOW - 6 * DAY), rules).plan(retire, "sweep")


def test_a_use_within_the_time_asked_for_holds_it_back_also_from_before_the_switch() -> None:
    """`unused_for` says how long nobody may have used it."""
    rules, used = replace(RULES, unused_for=DAY), LastUse(NOW - 20 * HOUR, "ses")
    assert DEACTIVATED not in replaced(2 * HOUR, used, rules).plan(retire, "sweep")
    assert replaced(2 * HOUR, used).plan(retire, "sweep") == [DEACTIVATED]
    assert replaced(2 * HOUR, LastUse(NOW - 25 * HOUR), rules).plan(retire, "sweep") == [DEACTIVATED]


def test_our_own_proof_is_no_use() -> None:
    """IAM shows it as a use of STS: of a key that was made today nobody else is known to have used it."""
    made = NOW - 2 * HOUR
    proof = LastUse(made + MINUTE, "sts", "eu-central-1")
    rules = replace(RULES, unused_for=DAY)
    situation = replaced(HOUR, proof, rules).managed(A, "replaced", replaced=NOW - HOUR, proven=made)
    assert situation.plan(retire, "sweep") == [DEACTIVATED]
    for other in (LastUse(proof.time, "s3"), LastUse(made + 2 * MINUTE, "sts")):
        assert not is_by_proof(other, situation.entry.keys[A])
        assert DEACTIVATED not in situation.used(A, other).plan(retire, "sweep")


def test_the_pauses_grow_to_a_day() -> None:
    """A key in use is asked about and reported, and not every hour for ever."""
    assert [RULES.pause(times) for times in range(8)] == [HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY, DAY, DAY]
    assert RULES.pause(10_000) == DAY


def test_a_sweep_that_comes_early_changes_nothing_of_a_postponed_key() -> None:
    """Doubled events do not lengthen the pause."""
    situation = replaced(2 * HOUR, LastUse(NOW)).managed(
        A, "replaced", replaced=NOW - 2 * HOUR, postponed=3, next_check=NOW + HOUR
    )
    assert situation.plan(retire, "sweep") == []
    situation.managed(A, "replaced", replaced=NOW - 9 * HOUR, postponed=3, next_check=NOW)
    assert situation.plan(retire, "sweep")[0] == Postpone(A, NOW + 8 * HOUR, str(LastUse(NOW)))


def test_a_postponed_key_that_is_unused_by_now_is_deactivated() -> None:
    """Also before it is asked about again."""
    situation = replaced(2 * HOUR).managed(A, "replaced", replaced=NOW - 2 * HOUR, next_check=NOW + HOUR)
    assert situation.plan(retire, "sweep") == [DEACTIVATED]


def test_after_its_bound_a_key_in_use_is_reported_as_overdue_and_not_cut_off() -> None:
    """Louder, not harder."""
    rules = replace(RULES, overdue_after=DAY)
    assert reported(replaced(DAY - MINUTE, None, rules).plan(retire, "sweep")) == ["Access Key Retirement Postponed"]
    late = replaced(DAY, None, rules).plan(retire, "sweep")
    assert reported(late) == ["Access Key Retirement Overdue"]
    assert changes(late) == []


def test_a_replaced_key_that_is_inactive_already_is_recorded_as_such() -> None:
    """Somebody deactivated it by hand in its grace period: nobody uses it, and its retention period begins."""
    assert replaced(2 * HOUR, None).unmanaged(A, "Inactive").plan(retire, "sweep") == [DEACTIVATED]
    assert replaced(HOUR / 2, None).unmanaged(A, "Inactive").plan(retire, "sweep") == []


@pytest.mark.parametrize(
    ("rules", "asked"),
    [(RULES, (A,)), (replace(RULES, grace=DAY), ()), (RetirementRules(), ())],
)
def test_the_last_use_is_asked_only_where_it_decides(rules: RetirementRules, asked: tuple[str, ...]) -> None:
    """Of a replaced key whose grace period is over."""
    assert in_question(replaced(2 * HOUR, None, rules).entry, OWNER, NOW) == asked
    assert in_question(replaced(2 * HOUR, None, rules).entry, OTHER, NOW) == ()


# --- retention


def test_a_key_is_deleted_at_the_end_of_its_retention_period() -> None:
    """Deactivated once more, because it may have been activated a moment ago; a refusal fails no request."""
    draft = inactive(7 * DAY).drafted(retire, "sweep")
    assert draft.actions[:2] == [DEACTIVATED, DeleteKey(A, "sweep")]
    assert draft.optional == set(range(len(draft.actions)))
    assert A not in draft.entry.keys


def test_within_its_retention_period_a_key_is_kept() -> None:
    """To the last minute; without a period for ever."""
    assert inactive(7 * DAY - MINUTE).plan(retire, "sweep") == []
    assert inactive(999 * DAY, RetirementRules(grace=HOUR)).plan(retire, "sweep") == []


def test_a_retired_key_that_is_active_is_deactivated_again_and_kept_for_its_whole_retention_period() -> None:
    """The call that was recorded did not come through, or somebody has needed the key since."""
    for ago in (DAY, 7 * DAY):
        draft = inactive(ago).unmanaged(A).drafted(retire, "sweep")
        assert changes(draft.actions) == [replace(DEACTIVATED, anew=True)]
        assert draft.entry.keys[A].deactivated == NOW


# --- whose key is current


def test_nothing_of_a_displaced_resource_is_retired() -> None:
    """Another resource's key is current while a construct is renamed; its rollback makes this one's current again."""
    situation = Situation().declared("1", rules=RULES).declared(owner=OTHER)
    situation.managed(A, "replaced", replaced=NOW - DAY).managed(B, owner=OTHER).used(A, NEVER)
    assert situation.plan(retire, "sweep") == []
    situation.deleted()
    assert situation.plan(retire, "sweep") == [DEACTIVATED]


# --- at once


@pytest.mark.parametrize("by", ["cut-over", "operator"])
def test_who_knows_that_nobody_needs_the_key_retires_it_at_once(by: str) -> None:
    """Within the grace period, and although it was just used."""
    situation = replaced(timedelta(), LastUse(NOW))
    version = situation.entry.keys[B].version_id
    actions = situation.plan(plan_cut_over, version) if by == "cut-over" else situation.plan(plan_retire_now)
    assert actions == [Deactivate(A, by)]


def test_the_key_that_readers_get_is_not_retired() -> None:
    """Somebody has moved AWSCURRENT back to it by hand; the ledger still has the newer one as current."""
    situation = replaced(2 * HOUR)
    situation.current_is(situation.entry.keys[A].version_id)
    assert situation.plan(retire, "sweep") == []
    with pytest.raises(KeyInUseError, match=f"readers of the secret get {A}.*which has {B}"):
        situation.plan(plan_retire_now)


@pytest.mark.parametrize("why", ["another version", "current by hand", "another resource's", "no key"])
def test_a_cut_over_that_is_not_about_the_current_key_does_nothing(why: str) -> None:
    """It comes late, or again: a rollback may have been in between."""
    situation = replaced(timedelta())
    version = situation.entry.keys[B].version_id
    if why == "another version":
        version = situation.entry.keys[A].version_id
    elif why == "current by hand":
        situation.current_is("by-hand")
    elif why == "another resource's":
        situation.declared("2", owner=OTHER).managed(B, owner=OTHER, version=version)
    else:
        situation = Situation()
    assert changes(situation.plan(plan_cut_over, version)) == []


# --- when it is due


def test_a_key_is_due_when_its_grace_or_retention_ends_or_it_is_asked_about_again() -> None:
    """Only its key slot makes a key go that is kept without a retention period."""
    entry = replaced(timedelta()).entry
    key = entry.keys[A]
    assert due_of(entry.claims[OWNER], key) == NOW + HOUR
    assert due_of(entry.claims[OWNER], replace(key, next_check=NOW + 2 * HOUR)) == NOW + 2 * HOUR
    assert due_of(entry.claims[OWNER], entry.keys[B]) is None
    kept = inactive(timedelta()).entry
    assert due_of(kept.claims[OWNER], kept.keys[A]) == NOW + 7 * DAY
    for_ever = inactive(timedelta(), RetirementRules()).entry
    assert due_of(for_ever.claims[OWNER], for_ever.keys[A]) is None
