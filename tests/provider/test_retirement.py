"""Grace, retention and the gate, tried on situations built by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from provider.test_plan import MARK, MARK_TAG, NOW, PLACE, STILL_WANTED, A, B, F, Situation, desired

from access_key_provider.model import errors
from access_key_provider.model.actions import (
    CancelSchedule,
    CreateKey,
    DeleteKey,
    MoveCurrent,
    RemoveLabel,
    ScheduleLook,
    SetStatus,
    TagSecret,
    Tell,
    UntagSecret,
)
from access_key_provider.model.records import format_time
from access_key_provider.model.registration import Registration
from access_key_provider.model.retirement_record import BY_UNDO, Retirement, retirement_tag
from access_key_provider.model.retirement_rules import REMOVE_UNUSED, RETIRE_PREVIOUS, Policy
from access_key_provider.model.state import CURRENT, PENDING, PREVIOUS, LastUse, Observed
from access_key_provider.planning.deletion import plan_absent
from access_key_provider.planning.deployment import plan_present
from access_key_provider.planning.maintenance import plan_look

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICY = Policy(grace=HOUR, retention=7 * DAY, schedule="k")
MANAGED = Registration(PLACE, "arn", PLACE.serial_digest("2"), "Active", "shop/Key", POLICY)


def schedule_name(key_id: str, due: object) -> str:
    """Name a schedule as the provider does."""
    return f"k-{key_id[-8:]}-{format_time(due)}"  # type: ignore[arg-type]


def waiting(
    replaced: timedelta, *, inactive: timedelta | None = None, status: str = "Active", **more: object
) -> Situation:
    """Build a rotation from A to B, so long ago, and what is recorded of A."""
    record = Retirement(NOW - replaced, inactive=None if inactive is None else NOW - inactive, **more)  # type: ignore[arg-type]
    situation = Situation().owned(A, "1", 1, status, PREVIOUS).owned(B, "2", 2, "Active", CURRENT)
    situation.secret_tags[retirement_tag(PLACE, A)] = str(record)
    return situation


def seen(situation: Situation, last_use: LastUse | None = None, key_id: str = A) -> Observed:
    """Take the look, with a last use of a key if it could be read."""
    return replace(situation.observed(), last_uses={} if last_use is None else {key_id: last_use})


NEVER = LastUse(None)


def kinds(actions: list[object]) -> list[str]:
    """Name what would be told."""
    return [action.what for action in actions if isinstance(action, Tell)]


def test_a_rotation_records_the_key_that_it_replaces_before_the_switch() -> None:
    """A crash right after the switch leaves a schedule and a record; the previous key stays Active."""
    observed = Situation().owned(A, "1", 1, "Active", CURRENT).observed()
    actions = plan_present(observed, replace(desired("2"), policy=POLICY))
    due = NOW + HOUR
    name = schedule_name(A, due)
    record = TagSecret(((retirement_tag(PLACE, A), str(Retirement(NOW, due=due, schedule=name))),))
    switch = actions.index(MoveCurrent("(new)", PLACE.version_id(A)))
    assert actions.index(ScheduleLook(name, due)) < actions.index(record) < switch
    assert not any(isinstance(action, SetStatus) for action in actions)


def test_a_switch_that_never_came_does_not_shorten_the_next_grace_period() -> None:
    """The record of an earlier attempt is written over: grace begins with this switch."""
    situation = Situation().owned(A, "1", 1, "Active", CURRENT)
    situation.secret_tags[retirement_tag(PLACE, A)] = str(Retirement(NOW - 9 * DAY))
    actions = plan_present(situation.observed(), replace(desired("2"), policy=POLICY))
    written = [action for action in actions if isinstance(action, TagSecret)]
    assert f"replaced={format_time(NOW)}" in written[-1].tags[0][1]


def test_within_the_grace_period_a_look_does_nothing() -> None:
    """However often it comes, and whoever uses the key."""
    due = NOW + timedelta(minutes=30)
    situation = waiting(timedelta(minutes=30), due=due, schedule=schedule_name(A, due))
    assert plan_look(seen(situation), MANAGED) == []


def test_a_key_without_a_record_begins_its_grace_period_now() -> None:
    """The tag was removed by hand: rather too long than too short."""
    situation = Situation().owned(A, "1", 1, "Active", PREVIOUS).owned(B, "2", 2, "Active", CURRENT)
    actions = plan_look(seen(situation), MANAGED)
    assert ScheduleLook(schedule_name(A, NOW + HOUR), NOW + HOUR) in actions
    assert not any(isinstance(action, SetStatus) for action in actions)


@pytest.mark.parametrize("last_use", [NEVER, LastUse(NOW - 3 * HOUR, "s3")])
def test_an_unused_key_is_deactivated_after_the_grace_period(last_use: LastUse) -> None:
    """Not deleted: that comes after the retention period, which is scheduled and recorded."""
    actions = plan_look(seen(waiting(2 * HOUR), last_use), MANAGED)
    assert SetStatus(A, "Inactive") in actions
    assert ScheduleLook(schedule_name(A, NOW + 7 * DAY), NOW + 7 * DAY) in actions
    assert not any(isinstance(action, DeleteKey) for action in actions)
    assert kinds(actions) == ["Access Key Deactivated"]


@pytest.mark.parametrize(
    "last_use",
    [
        pytest.param(LastUse(NOW - HOUR / 2, "s3", "eu-central-1"), id="since the switch"),
        pytest.param(None, id="can't be read"),
        pytest.param(LastUse(NOW - HOUR, "s3"), id="cut to the minute"),
    ],
)
def test_a_key_that_may_be_in_use_is_left_active_and_told(last_use: LastUse | None) -> None:
    """An error is never "unused"; a time may be cut to the minute."""
    observed = seen(waiting(HOUR + timedelta(seconds=30)), last_use)
    actions = plan_look(observed, MANAGED)
    assert not any(isinstance(action, SetStatus) for action in actions)
    assert kinds(actions) == ["Access Key Still In Use"]
    assert any(isinstance(action, ScheduleLook) and action.at == NOW + HOUR for action in actions)


def test_the_pauses_between_looks_grow_to_a_day() -> None:
    """A key in use is told of, and not every hour for ever."""
    pauses = [POLICY.pause(looks) for looks in range(8)]
    assert pauses == [HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY, DAY, DAY]


def test_an_early_look_at_a_key_in_use_does_not_lengthen_the_pause() -> None:
    """Doubled events do not count as looks."""
    situation = waiting(2 * HOUR, due=NOW + HOUR, schedule="k-x", looks=3)
    assert plan_look(seen(situation, LastUse(NOW - HOUR / 2)), MANAGED) == []


def test_after_the_bound_a_key_in_use_is_told_of_as_overdue_and_not_cut_off() -> None:
    """Louder, not harder."""
    managed = replace(MANAGED, policy=replace(POLICY, retire_at_latest=DAY))
    actions = plan_look(seen(waiting(2 * DAY), LastUse(NOW - HOUR / 2)), managed)
    assert kinds(actions) == ["Access Key Retirement Overdue"]
    assert not any(isinstance(action, SetStatus) for action in actions)


def test_a_key_used_within_the_time_asked_for_is_left() -> None:
    """Also if the use came before the switch."""
    managed = replace(MANAGED, policy=replace(POLICY, unused_for=DAY))
    used = LastUse(NOW - 20 * HOUR, "ses")
    assert kinds(plan_look(seen(waiting(2 * HOUR), used), managed)) == ["Access Key Still In Use"]
    assert kinds(plan_look(seen(waiting(2 * HOUR), used), MANAGED)) == ["Access Key Deactivated"]


def test_a_key_is_deleted_at_the_end_of_the_retention_period() -> None:
    """With its labels, its tag and its record."""
    situation = waiting(9 * DAY, inactive=8 * DAY, status="Inactive", due=NOW - DAY, schedule="k-old")
    actions = plan_look(seen(situation), MANAGED)
    assert [a for a in actions if isinstance(a, SetStatus | DeleteKey)] == [SetStatus(A, "Inactive"), DeleteKey(A)]
    assert UntagSecret((retirement_tag(PLACE, A),)) in actions
    assert kinds(actions) == ["Access Key Deleted"]


def test_a_key_within_the_retention_period_is_kept() -> None:
    """An early look does nothing."""
    due = NOW + 6 * DAY
    situation = waiting(2 * DAY, inactive=DAY, status="Inactive", due=due, schedule=schedule_name(A, due))
    assert plan_look(seen(situation), MANAGED) == []


def test_a_key_activated_by_hand_is_looked_at_like_one_in_grace() -> None:
    """Somebody needed it: it is deactivated again once it is unused."""
    situation = waiting(2 * DAY, inactive=DAY, status="Active")
    assert kinds(plan_look(seen(situation, LastUse(NOW - HOUR / 2)), MANAGED)) == ["Access Key Still In Use"]
    assert SetStatus(A, "Inactive") in plan_look(seen(situation, NEVER), MANAGED)


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(waiting(9 * DAY).key(B, "Inactive"), id="the current key was deactivated by hand"),
        pytest.param(Situation().owned(A, "1", 1, "Active", PREVIOUS).stored(B, CURRENT), id="it was deleted by hand"),
        pytest.param(
            Situation(versions={"other": {CURRENT}}).owned(A, "1", 1, "Active", PREVIOUS), id="the value is not ours"
        ),
        pytest.param(
            Situation().owned(A, "1", 1, "Active", CURRENT).owned(B, "2", 2), id="a switch that is not seen yet"
        ),
    ],
)
def test_nothing_is_retired_while_the_current_key_is_in_doubt(situation: Situation) -> None:
    """The previous one may be all that works. Nothing is done but to tell what waits for a person, and why."""
    actions = plan_look(seen(situation, NEVER), MANAGED)
    assert kinds(actions) == ["Access Key Retirement Held Back"]
    (told,) = actions
    assert isinstance(told, Tell)
    assert dict(told.about)["why"]


def test_what_is_held_back_is_not_told_before_it_is_due() -> None:
    """A switch of this moment is seen late, and a key in its grace period is due to nothing."""
    recent = Situation().owned(A, "1", 1, "Active", CURRENT).owned(B, "2", 2).key(B, created=NOW - HOUR)
    assert plan_look(seen(recent), MANAGED) == []
    due = NOW + HOUR
    waits = waiting(timedelta(), due=due, schedule=schedule_name(A, due)).key(B, "Inactive")
    assert plan_look(seen(waits), MANAGED) == []


@pytest.mark.parametrize("grace", [timedelta(minutes=5), HOUR])
def test_a_use_of_the_last_hour_counts_however_short_the_grace_period_is(grace: timedelta) -> None:
    """IAM tells a use late: one from before the switch stands for those that are not told yet."""
    managed = replace(MANAGED, policy=replace(POLICY, grace=grace))
    used = LastUse(NOW - timedelta(minutes=50, seconds=1), "s3")
    observed = seen(waiting(grace + timedelta(minutes=1)), used)
    in_use = kinds(plan_look(observed, managed))
    assert in_use == ["Access Key Still In Use"]
    unused = seen(waiting(grace + timedelta(minutes=1)), LastUse(NOW - 2 * HOUR, "s3"))
    assert kinds(plan_look(unused, managed)) == ["Access Key Deactivated"]


def test_a_key_restored_while_a_look_deactivated_it_is_activated_again() -> None:
    """The request and the look met; the one that comes last sees it."""
    situation = Situation().owned(A, "1", 1, "Inactive", CURRENT).owned(B, "2", 2, "Active", PREVIOUS)
    assert plan_look(seen(situation), MANAGED, deactivated={A}) == [SetStatus(A, "Active")]
    assert not any(isinstance(action, SetStatus) for action in plan_look(seen(situation), MANAGED))


def test_a_cut_over_deactivates_within_the_grace_period_and_against_use() -> None:
    """The consumers that it waits for have said that they use the new key."""
    actions = plan_look(seen(waiting(timedelta(0)), LastUse(NOW)), MANAGED, cut_over=True)
    assert SetStatus(A, "Inactive") in actions


def test_a_deferred_cut_over_leaves_the_previous_key_active() -> None:
    """With grace 0 the deployment itself would deactivate it."""
    policy = replace(POLICY, grace=timedelta(), deferred=True)
    actions = plan_present(waiting(timedelta(0)).observed(), replace(desired("2"), policy=policy))
    assert SetStatus(A, "Inactive") not in actions
    actions = plan_present(
        waiting(timedelta(0)).observed(), replace(desired("2"), policy=replace(policy, deferred=False))
    )
    assert SetStatus(A, "Inactive") in actions


def test_a_rollback_restores_the_key_in_grace_and_puts_the_other_in_grace() -> None:
    """Whoever took the new key already is not cut off either."""
    due = NOW + HOUR
    before = waiting(timedelta(0), due=due, schedule=schedule_name(A, due))
    actions = plan_present(before.observed(), replace(desired("1"), policy=POLICY))
    assert MoveCurrent(PLACE.version_id(A), PLACE.version_id(B)) in actions
    assert ScheduleLook(schedule_name(B, due), due) in actions
    assert not any(isinstance(action, DeleteKey) or action == SetStatus(B, "Inactive") for action in actions)
    after = Situation().owned(A, "1", 1, "Active", CURRENT).owned(B, "2", 2, "Active", PREVIOUS)
    after.secret_tags |= before.secret_tags
    after.secret_tags[retirement_tag(PLACE, B)] = str(Retirement(NOW, due=due, schedule=schedule_name(B, due)))
    actions = plan_present(after.observed(), replace(desired("1"), policy=POLICY))
    assert CancelSchedule(schedule_name(A, due)) in actions
    assert UntagSecret((retirement_tag(PLACE, A),)) in actions


def test_delete_cancels_every_schedule_and_drops_every_record() -> None:
    """Nothing comes back to a key that is gone."""
    due = NOW + HOUR
    situation = waiting(timedelta(0), due=due, schedule=schedule_name(A, due))
    actions = plan_absent(situation.observed(), PLACE)
    assert CancelSchedule(schedule_name(A, due)) in actions
    assert UntagSecret((retirement_tag(PLACE, A),)) in actions
    assert [a.key_id for a in actions if isinstance(a, DeleteKey)] == [B, A]


def test_rotation_with_a_key_in_grace_is_refused_with_what_to_do() -> None:
    """Both slots are ours, and one may be in use."""
    observed = seen(waiting(timedelta(minutes=5)))
    with pytest.raises(errors.KeyLimitReachedError, match="IAM allows 2") as refused:
        plan_present(observed, replace(desired("3"), policy=POLICY))
    assert A in refused.value.advice
    assert "on_key_limit" in refused.value.advice


@pytest.mark.parametrize(
    ("policy", "last_use", "goes"),
    [
        (POLICY, NEVER, True),
        (POLICY, LastUse(NOW - HOUR / 2), False),
        (POLICY, None, False),
        (replace(POLICY, on_key_limit=RETIRE_PREVIOUS), LastUse(NOW - HOUR / 2), True),
        (replace(POLICY, on_key_limit=REMOVE_UNUSED, unused_since=DAY), LastUse(NOW - HOUR / 2), False),
    ],
)
def test_out_of_grace_only_an_unused_key_makes_room(policy: Policy, last_use: LastUse | None, goes: bool) -> None:  # noqa: FBT001
    """Unless the policy names it."""
    observed = seen(waiting(2 * HOUR), last_use)
    if not goes:
        with pytest.raises(errors.KeyLimitReachedError):
            plan_present(observed, replace(desired("3"), policy=policy))
        return
    actions = plan_present(observed, replace(desired("3"), policy=policy))
    assert actions.index(SetStatus(A, "Inactive")) < actions.index(DeleteKey(A)) < actions.index(CreateKey())


@pytest.mark.parametrize(
    ("status", "age", "last_use", "goes"),
    [
        ("Inactive", 100, NEVER, True),
        ("Active", 100, NEVER, False),
        ("Inactive", 10, NEVER, False),
        ("Inactive", 100, LastUse(NOW - 99 * DAY), False),
        ("Inactive", 100, None, False),
    ],
)
def test_a_foreign_key_goes_only_if_old_inactive_and_never_used(
    status: str,
    age: int,
    last_use: LastUse | None,
    goes: bool,  # noqa: FBT001
) -> None:
    """And only if the policy says so."""
    policy = replace(POLICY, on_key_limit=REMOVE_UNUSED, unused_since=90 * DAY)
    situation = Situation().owned(A, "1", 1, "Active", CURRENT).key(F, status, created=NOW - age * DAY)
    observed = seen(situation, last_use, F)
    with pytest.raises(errors.KeyLimitReachedError):
        plan_present(observed, replace(desired("2"), policy=POLICY))
    if goes:
        assert DeleteKey(F) in plan_present(observed, replace(desired("2"), policy=policy))
    else:
        with pytest.raises(errors.KeyLimitReachedError):
            plan_present(observed, replace(desired("2"), policy=policy))


def test_a_key_older_than_its_maximum_age_is_told_of_at_each_look() -> None:
    """A reminder, no rotation."""
    managed = replace(MANAGED, policy=replace(POLICY, maximum_age=90 * DAY))
    young = Situation().owned(B, "2", 1, "Active", CURRENT)
    assert plan_look(seen(young), managed) == []
    old = young.key(B, "Active", created=NOW - 91 * DAY)
    assert kinds(plan_look(seen(old), managed)) == ["Access Key Too Old"]


def test_a_finished_rotation_leaves_no_label_that_would_block_the_next() -> None:
    """Secrets Manager takes AWSPENDING on a version that is not current for a rotation that goes on."""
    token = "0" * 32
    situation = Situation().key(B).owned(A, "1", 1, "Active", PREVIOUS)
    situation.versions[token] = {B, PLACE.version_id(B), CURRENT, PENDING}
    situation.versions[token].add(f"serial-{PLACE.serial_digest('2')}-2")
    actions = plan_present(situation.observed(), replace(desired("1"), policy=POLICY))
    assert actions.index(RemoveLabel(token, PENDING)) < actions.index(MoveCurrent(PLACE.version_id(A), token))


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        POLICY,
        Policy(DAY, 3 * DAY, HOUR, 9 * DAY, 90 * DAY, REMOVE_UNUSED, 30 * DAY, deferred=True, schedule="x-1"),
    ],
)
def test_a_policy_is_read_as_it_was_written(policy: Policy) -> None:
    """In a tag of at most 256 characters."""
    assert Policy.parse(str(policy)) == policy
    assert len(str(policy)) <= 256


@pytest.mark.parametrize("text", ["", "x", "grace=", "grace=-1", "grace=1e9", "grace=99999999999", "looks=a by"])
def test_a_policy_edited_by_hand_falls_back(text: str) -> None:
    """Never a failure, never a key cut off sooner than a policy without rules would."""
    assert Policy.parse(text) == Policy()


@pytest.mark.parametrize("record", [Retirement(NOW), Retirement(NOW, BY_UNDO, NOW, NOW + DAY, "k-1", 12)])
def test_a_record_is_read_as_it_was_written(record: Retirement) -> None:
    """To the second."""
    assert Retirement.parse(str(record)) == record


def test_a_settled_key_in_grace_needs_no_more_than_its_status() -> None:
    """A redelivered rotation finds its own record and schedule."""
    due = NOW + HOUR
    situation = waiting(timedelta(0), due=due, schedule=schedule_name(A, due))
    situation.secret_tags[MARK_TAG] = str(MARK)
    actions = plan_present(situation.observed(), replace(desired("2"), policy=POLICY))
    assert actions == [SetStatus(B, "Active"), STILL_WANTED]
