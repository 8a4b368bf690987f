"""What a sweep does for a key, what it reports, and when it comes back, tried on situations built by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from unit.planning.situation import (
    BY_HAND,
    DAY,
    HOUR,
    MINUTE,
    NEVER,
    NOW,
    OTHER,
    SECRET,
    TOKEN,
    A,
    B,
    C,
    F,
    Situation,
    deleted,
    reported,
    rotated_once,
    touched,
    version_of,
)

from access_key_provider.model.actions import Deactivate, DeleteKey, EndRotation, PublishEvent, RemoveLabel
from access_key_provider.model.entry import Entry, Failing, Lease
from access_key_provider.model.retirement_rules import RetirementRules
from access_key_provider.model.state import PENDING, LastUse, SecretState
from access_key_provider.planning.maintenance import next_due, plan_maintenance

if TYPE_CHECKING:
    from datetime import datetime

RULES = RetirementRules(grace=HOUR, retention=7 * DAY)


def detail(situation: Situation) -> dict[str, str]:
    """Return what the only event of a sweep tells."""
    (event,) = [action for action in situation.plan(plan_maintenance) if isinstance(action, PublishEvent)]
    return dict(event.detail)


def due() -> Situation:
    """Build a rotation whose previous key is to be deactivated now."""
    situation = Situation().declared("2", rules=RULES).managed(A, "replaced", replaced=NOW - 2 * HOUR)
    return situation.managed(B, "current", "2").used(A, NEVER).applied()


def test_a_key_that_is_as_it_should_be_needs_nothing() -> None:
    """No call and no event, every day."""
    assert Situation().managed(A).applied().plan(plan_maintenance) == []


def test_what_is_due_is_done() -> None:
    """The previous key is deactivated, and deleted at its time."""
    assert due().plan(plan_maintenance) == [Deactivate(A, "sweep")]
    situation = due().managed(A, "inactive", deactivated=NOW - 7 * DAY)
    assert DeleteKey(A, "sweep") in situation.plan(plan_maintenance)


def test_the_keys_of_a_resource_that_was_deleted_are_removed() -> None:
    """Its Delete was refused; what is refused today may be allowed tomorrow."""
    draft = rotated_once().deleted().drafted(plan_maintenance)
    assert deleted(draft.actions) == [B, A]
    assert draft.entry.is_over


@pytest.mark.parametrize("state", ["created", "stored"])
def test_what_a_dead_holder_has_left_is_removed(state: str) -> None:
    """Without another request."""
    assert deleted(Situation().managed(A).begun(B, state).plan(plan_maintenance)) == [B]


def test_a_proven_key_that_was_never_published_is_removed() -> None:
    """Its request died before the switch, and CloudFormation has gone on."""
    assert deleted(Situation().managed(A).managed(B, "proven", "2").plan(plan_maintenance)) == [B]


# --- a rotation of Secrets Manager


def test_a_rotation_that_goes_on_is_left_alone() -> None:
    """Secrets Manager retries it."""
    assert Situation().managed(A).rotating(B, NOW - HOUR).plan(plan_maintenance) == []


def test_a_rotation_that_is_stuck_is_ended_after_a_day() -> None:
    """Its key and AWSPENDING go, so that the next one works."""
    actions = Situation().managed(A).rotating(B, NOW - DAY).plan(plan_maintenance)
    assert deleted(actions) == [B]
    assert RemoveLabel(TOKEN, PENDING) in actions
    assert EndRotation() in actions


def test_a_rotation_whose_version_is_gone_is_ended() -> None:
    """Secrets Manager has removed it; the key goes too."""
    situation = Situation().managed(A).rotating(B)
    del situation.versions[TOKEN]
    actions = situation.plan(plan_maintenance)
    assert actions[0] == EndRotation()
    assert deleted(actions) == [B]


# --- drift


@pytest.mark.parametrize(
    ("situation", "kind", "facts"),
    [
        pytest.param(
            Situation(user_exists=False).managed(A), "user-missing", {"userName": "deploy"}, id="the user is gone"
        ),
        pytest.param(
            Situation(state=SecretState.SCHEDULED_FOR_DELETION).managed(A),
            "secret-unavailable",
            {"state": "scheduled for deletion"},
            id="the secret goes",
        ),
        pytest.param(
            Situation(state=SecretState.MISSING).managed(A), "secret-unavailable", {"state": "missing"}, id="is gone"
        ),
        pytest.param(
            Situation().managed(A).current_is(BY_HAND),
            "current-version-moved",
            {"accessKeyId": A, "currentVersion": BY_HAND},
            id="the value was put by hand",
        ),
        pytest.param(
            Situation().managed(A).unmanaged(A, "Inactive"),
            "current-key-status",
            {"accessKeyId": A, "status": "Inactive"},
            id="a bot deactivated the key",
        ),
        pytest.param(
            Situation().declared(status="Inactive").managed(A, deactivated=NOW - HOUR).unmanaged(A, "Active"),
            "current-key-status",
            {"accessKeyId": A, "status": "Active"},
            id="somebody activated the key",
        ),
        pytest.param(
            Situation().managed(A).applied().missing(A),
            "current-key-gone",
            {"userName": "deploy"},
            id="somebody deleted the key",
        ),
    ],
)
def test_drift_is_reported_and_not_mended(situation: Situation, kind: str, facts: dict[str, str]) -> None:
    """A person decides; a deployment mends it. It is reported once a day until then."""
    assert detail(situation)["drift"] == kind
    assert detail(situation).items() >= facts.items()
    assert touched(situation.plan(plan_maintenance)) == set()
    draft = situation.drafted(plan_maintenance)
    again = situation.changed(**{name: getattr(draft.entry, name) for name in ("keys", "claims", "reported")})
    assert reported(again.plan(plan_maintenance)) == []
    again.changed(reported=dict.fromkeys(draft.entry.reported, NOW - DAY))
    assert reported(again.plan(plan_maintenance)) == [f"drift: {kind}"]


def test_awscurrent_on_no_version_is_reported() -> None:
    """As where it is then."""
    situation = Situation().managed(A)
    situation.versions[version_of(A)].discard("AWSCURRENT")
    assert detail(situation)["currentVersion"] == "no version"


@pytest.mark.parametrize("why", ["moved", "inactive", "gone", "no user", "no secret"])
def test_nothing_is_retired_while_the_current_key_is_in_doubt(why: str) -> None:
    """The previous one may be all that works."""
    situation = due()
    if why == "moved":
        situation.current_is(BY_HAND)
    elif why == "inactive":
        situation.unmanaged(B, "Inactive")
    elif why == "gone":
        situation.missing(B)
    elif why == "no user":
        situation.user_exists = False
    else:
        situation.state = SecretState.SCHEDULED_FOR_DELETION
    assert touched(situation.plan(plan_maintenance)) == set()


def test_a_key_that_one_witness_says_to_be_ours_is_reported_and_left_alone() -> None:
    """A label is easily forged; so is a tag."""
    situation = Situation(user_tags={}).managed(A).unmanaged(F, created=NOW)
    situation.versions[BY_HAND] = {F}
    assert detail(situation).items() >= {"drift": "unknown-key", "accessKeyId": F}.items()
    assert touched(situation.plan(plan_maintenance)) == set()


def test_each_drift_is_reported_by_itself() -> None:
    """One does not hide another."""
    situation = Situation(user_tags={}).managed(A).unmanaged(A, "Inactive")
    for key_id, version in ((F, BY_HAND), (C, "c")):
        situation.unmanaged(key_id, created=NOW).versions[version] = {key_id}
    assert sorted(reported(situation.plan(plan_maintenance))) == [
        "drift: current-key-status",
        "drift: unknown-key",
        "drift: unknown-key",
    ]


def test_a_resource_beside_the_one_whose_key_is_current_reports_no_drift() -> None:
    """While a construct is renamed."""
    situation = Situation().declared(owner=OTHER).managed(A, "replaced").managed(B, owner=OTHER)
    assert situation.plan(plan_maintenance) == []


def test_a_resource_that_never_had_a_key_reports_none_as_gone() -> None:
    """Its Create has failed, or is under way."""
    assert Situation().plan(plan_maintenance) == []


# --- age and rotation


def test_a_key_older_than_it_may_be_is_reported_daily() -> None:
    """A reminder, no rotation."""
    situation = Situation().declared(rules=RetirementRules(max_active_age=9 * DAY)).managed(A)
    assert detail(situation).items() >= {"ageInDays": "9", "accessKeyId": A}.items()
    assert reported(situation.plan(plan_maintenance)) == ["Access Key Too Old"]
    situation.changed(reported={f"too-old{A}": NOW - DAY + HOUR})
    assert reported(situation.plan(plan_maintenance)) == ["Access Key Too Old"], "at the same time each day"
    situation.changed(reported={f"too-old{A}": NOW - DAY + 2 * HOUR})
    assert reported(situation.plan(plan_maintenance)) == []


def test_a_previous_key_that_is_used_for_too_long_is_reported_too() -> None:
    """It is postponed for as long as it is used, which no schedule bounds."""
    rules = RetirementRules(grace=HOUR, max_active_age=9 * DAY)
    situation = Situation().declared("2", rules=rules)
    situation.managed(A, "replaced", replaced=NOW - 8 * DAY).used(A, LastUse(NOW - MINUTE, "s3", "eu-west-1"))
    situation.managed(B, "current", "2", created=NOW - 8 * DAY)
    assert reported(situation.plan(plan_maintenance)) == ["Access Key Retirement Postponed", "Access Key Too Old"]
    situation.used(A, NEVER)
    assert "Access Key Too Old" not in reported(situation.plan(plan_maintenance)), "it is deactivated"


@pytest.mark.parametrize("why", ["young", "inactive", "no bound"])
def test_a_key_that_is_not_too_old_is_not_reported(why: str) -> None:
    """Nobody uses one that is Inactive."""
    bound = None if why == "no bound" else 9 * DAY + MINUTE if why == "young" else 9 * DAY
    situation = Situation().declared(
        status="Inactive" if why == "inactive" else "Active", rules=RetirementRules(max_active_age=bound)
    )
    situation.managed(A, deactivated=NOW - HOUR if why == "inactive" else None)
    assert reported(situation.plan(plan_maintenance)) == []


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("declared", [True, False])
def test_a_rotation_that_is_declared_and_off_is_reported(declared: bool, enabled: bool) -> None:  # noqa: FBT001
    """Somebody has cancelled it, or the rename of a construct has."""
    rules = RetirementRules(rotation="rate(30 days)" if declared else "")
    situation = Situation(rotation_enabled=enabled).declared(rules=rules).managed(A)
    expected = ["Access Key Rotation Off"] if declared and not enabled else []
    assert reported(situation.plan(plan_maintenance)) == expected


# --- when the sweep comes back


def test_every_key_is_looked_at_once_a_day() -> None:
    """From the last check, or from the request."""
    assert next_due(Situation().managed(A).entry, NOW) == NOW - MINUTE + DAY
    assert next_due(Situation().managed(A).changed(checked=NOW).entry, NOW) == NOW + DAY


@pytest.mark.parametrize(
    ("situation", "due"),
    [
        pytest.param(due().managed(A, "replaced", replaced=NOW), NOW + HOUR, id="the end of a grace period"),
        pytest.param(due().managed(A, "replaced", next_check=NOW + 3 * HOUR), NOW + 3 * HOUR, id="a postponed key"),
        pytest.param(
            due().managed(A, "inactive", deactivated=NOW - 7 * DAY + HOUR), NOW + HOUR, id="the end of a retention"
        ),
        pytest.param(Situation().rotating(B, NOW - DAY + HOUR), NOW + HOUR, id="a rotation that may be stuck"),
        pytest.param(
            Situation().managed(A, "orphan", created=NOW - HOUR / 2), NOW + HOUR / 2, id="an orphan to be deactivated"
        ),
        pytest.param(
            Situation().managed(A, "orphan", created=NOW - DAY, deactivated=NOW - HOUR / 2),
            NOW + HOUR / 2,
            id="an orphan to be deleted",
        ),
    ],
)
def test_the_sweep_comes_when_the_first_thing_is_due(situation: Situation, due: datetime) -> None:
    """Not sooner, and not later."""
    assert next_due(situation.changed(checked=NOW).entry, NOW) == due


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(Situation().attempt(), id="an attempt to create"),
        pytest.param(Situation().begun(A, created=NOW), id="a key not stored"),
        pytest.param(Situation().begun(A, "stored", created=NOW), id="a key not proven"),
        pytest.param(Situation().managed(A, "proven", created=NOW), id="a key not published"),
        pytest.param(Situation().managed(A).switching(A), id="a switch"),
        pytest.param(Situation().managed(A).deleted(), id="a Delete"),
        pytest.param(Situation().changed(lease=Lease("h", NOW + MINUTE, "x")), id="a lease"),
        pytest.param(Situation().changed(undo_asked=NOW - HOUR / 10), id="an alarm"),
    ],
)
def test_what_a_holder_that_died_has_left_is_looked_at_within_minutes(situation: Situation) -> None:
    """Nobody need ask for it."""
    found = next_due(situation.changed(checked=NOW).entry, NOW)
    assert found is not None
    assert timedelta() < found - NOW <= HOUR / 10


def test_what_became_due_during_the_sweep_is_done_by_the_next_one() -> None:
    """The index has whole seconds, so a sweep may come a moment early; it was not put off."""
    second = timedelta(seconds=1)
    for since, found in ((second / 2, NOW + second), (3 * second, NOW + 5 * MINUTE)):
        situation = due().managed(A, "replaced", replaced=NOW - HOUR - since)
        assert next_due(situation.changed(checked=NOW).entry, NOW) == found


def test_what_is_due_and_can_not_be_done_is_asked_less_and_less_often() -> None:
    """A secret that is scheduled for deletion, say: twice as long each time, a day at most, and never in the past."""
    entry = due().changed(checked=NOW).entry
    begun = NOW - HOUR
    pauses = []
    now = begun + MINUTE
    for _ in range(12):
        found = next_due(replace(entry, checked=now), now)
        assert found is not None
        pauses.append(found - now)
        now = found
    assert min(pauses) > timedelta()
    assert pauses == sorted(pauses)
    assert pauses[-1] == DAY


def test_what_fails_is_tried_less_and_less_often() -> None:
    """From minutes to a day, and for ever: nothing is forgotten."""
    entry = due().changed(checked=NOW).entry
    pauses = []
    for times in [*range(1, 15), 10_000]:
        found = next_due(replace(entry, failing=Failing(NOW, times, "x", reported=NOW)), NOW)
        assert found is not None
        pauses.append(found - NOW)
    assert pauses[0] == 5 * MINUTE
    assert pauses == sorted(pauses)
    assert pauses[-1] == DAY


def test_an_entry_that_is_over_is_due_never_again() -> None:
    """Whatever was asked for, or failed, when its last key went."""
    over = rotated_once().deleted().missing(A, B).drafted(plan_maintenance).entry
    assert over.is_over
    assert next_due(over, NOW) is None
    assert next_due(replace(over, undo_asked=NOW, failing=Failing(NOW, 1, "x")), NOW) is None
    assert next_due(Entry(SECRET), NOW) is None
