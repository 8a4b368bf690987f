"""Rows R1 to R28 of `cases/runtime.md`, and situations of the same kind with other callers, calls and resources.

Callers beside callers (R1 to R6, R25) are tried here in one order; `tests/faults` has all of them.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.errors import client_error
from fakes.faults import CONFLICT, PROCESS_DEATH, SERVER_ERROR, TIMED_OUT, Fault
from support.key_events import events, kinds
from support.stack import STEPS, TOKEN

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.calls import Call
    from support.stack import Event, Stack

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TWO_HOURS = {"GracePeriod": "7200", "RetentionPeriod": "86400"}
ANOTHER_TOKEN = "00000000-0000-4000-9000-000000000002"
ROTATED = {"RotationSchedule": "rate(30 days)", "GracePeriod": "7200"}
BOOKKEEPING = ("iam:TagUser", "iam:UntagUser", "iam:ListUserTags", "events:PutEvents")
NEEDED_TO_CREATE = (
    "iam:CreateAccessKey",
    "iam:ListAccessKeys",
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "sts:AssumeRole",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
)


def meanwhile(stack: Stack, name: str, act: Callable[[], object]) -> list[object]:
    """Let something happen once, just before the next call of a name; the list says what came of it."""
    came_of_it: list[object] = []

    def hook(call: Call) -> None:
        if call.name == name and not came_of_it:
            came_of_it.append("begun")
            came_of_it.append(act())

    stack.account.before.append(hook)
    return came_of_it


def attempt(stack: Stack, event: Event, function: str = "worker") -> str:
    """Hand an event to a function; return the message of the failure, or nothing."""
    try:
        stack.invoke(event, function)
    except ProviderError as error:
        return str(error)
    return ""


def answered(stack: Stack, event: Event) -> str:
    """Deliver a request: how it was answered, and why."""
    stack.deliver(event)
    return f"{stack.answers[-1]['Status']} {stack.answers[-1].get('Reason', '')}".strip()


# --- (a) callers that don't exclude each other


def test_r1_a_stack_that_is_deleted_while_a_rotation_creates_a_key_leaves_none(stack: Stack) -> None:
    """R1: a Delete comes during createSecret."""
    stack.deploy("1")
    step = stack.begin_rotation()
    delete = stack.delete()
    came = meanwhile(stack, "secretsmanager:PutSecretValue", lambda: stack.deliver(delete))
    assert attempt(stack, step("createSecret")) != ""
    assert came == ["begun", "SUCCESS"]
    stack.sweep()
    stack.check_deployed(None)


def test_r1_a_stack_that_is_deleted_while_a_key_is_rotated_by_hand_leaves_none(stack: Stack) -> None:
    """R1, with an operator's rotation instead of Secrets Manager's."""
    stack.deploy("1")
    delete = stack.delete()
    meanwhile(stack, "secretsmanager:PutSecretValue", lambda: stack.deliver(delete))
    assert attempt(stack, {"Operation": "Rotate", "SecretId": stack.secret_arn}, "provider") != ""
    stack.sweep()
    stack.check_deployed(None)


def test_r2_an_undo_beside_a_sweep_that_deactivates_leaves_the_restored_key_working(stack: Stack) -> None:
    """R2: an operator's undo comes just before the sweep deactivates the previous key."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    meanwhile(stack, "iam:UpdateAccessKey", lambda: stack.operate("Undo"))
    stack.sweep(3 * HOUR)
    assert stack.current_key() == (previous, "Active")
    stack.sweep(HOUR)
    assert stack.current_key() == (previous, "Active")


def test_r3_an_alarm_beside_the_sweep_that_ends_the_grace_period_leaves_the_current_key_working(stack: Stack) -> None:
    """R3: an alarm goes off in the last seconds of the grace period."""
    stack.deploy("1", "2", **TWO_HOURS)
    alarm = stack.alarm()
    meanwhile(stack, "iam:UpdateAccessKey", lambda: stack.invoke(alarm, "worker"))
    stack.sweep(2 * HOUR)
    assert stack.current_key()[1] == "Active"
    stack.sweep_for(DAY)
    assert stack.current_key()[1] == "Active"


@pytest.mark.parametrize("step", STEPS)
def test_r4_a_step_that_comes_after_the_rotation_is_over_does_nothing(stack: Stack, step: str) -> None:
    """R4: a delivery of a step stalls until its token is current, and one more key is."""
    stack.deploy("1", **TWO_HOURS)
    late = stack.begin_rotation()(step)
    stack.rotate()
    before = stack.current_key(), stack.keys()
    assert attempt(stack, late) == ""
    assert (stack.current_key(), stack.keys()) == before
    stack.sweep_for(3 * DAY)
    stack.rotate(ANOTHER_TOKEN)
    before = stack.current_key(), stack.keys()
    attempt(stack, late)
    assert (stack.current_key(), stack.keys()) == before


def test_r5_an_update_beside_a_rotation_never_touches_the_current_key(stack: Stack) -> None:
    """R5: a deployment changes the serial during createSecret."""
    stack.deploy("1", **TWO_HOURS)
    step = stack.begin_rotation()
    update = stack.update(stack.properties("2", **TWO_HOURS))
    meanwhile(stack, "secretsmanager:PutSecretValue", lambda: stack.deliver(update))
    attempt(stack, step("createSecret"))
    assert stack.current_key()[1] == "Active"
    stack.known = stack.last_id, update["ResourceProperties"]
    stack.sweep_for(2 * DAY)
    stack.check_deployed(stack.known[1])


def test_r6_a_delete_beside_the_end_of_a_rotation_leaves_nothing(stack: Stack) -> None:
    """R6: a Delete comes during finishSecret; the account says if a key is deleted while it is Active."""
    stack.deploy("1")
    step = stack.begin_rotation()
    for name in STEPS[:3]:
        assert attempt(stack, step(name)) == ""
    delete = stack.delete()
    meanwhile(stack, "secretsmanager:UpdateSecretVersionStage", lambda: stack.deliver(delete))
    attempt(stack, step("finishSecret"))
    stack.sweep()
    stack.check_deployed(None)


# --- (b) a refusal that lasts


@pytest.mark.parametrize("action", BOOKKEEPING)
def test_r7_bookkeeping_that_is_denied_for_good_fails_nothing(stack: Stack, action: str) -> None:
    """R7: create, rotate three times, roll back and delete without what nothing depends on."""
    stack.account.deny(action)
    stack.deploy("1", "2", **TWO_HOURS)
    stack.sweep_for(3 * DAY)
    stack.rotate()
    stack.sweep_for(3 * DAY)
    update = stack.update(stack.properties("3", **TWO_HOURS))
    assert stack.deliver(update) == "SUCCESS"
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.sweep_for(3 * DAY)
    assert stack.current_key()[1] == "Active"
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


@pytest.mark.parametrize("action", NEEDED_TO_CREATE)
def test_r8_a_create_that_is_denied_is_rolled_back(stack: Stack, action: str) -> None:
    """R8: what a Create needs is denied for good: nothing is made, and its Delete needs nothing."""
    stack.account.deny(action)
    create = stack.create(stack.properties())
    assert stack.deliver(create) == "FAILED"
    assert stack.keys() == {}
    assert stack.deliver(stack.event("Delete", create["ResourceProperties"], stack.last_id)) == "SUCCESS"


def test_r8_a_replacement_that_is_denied_is_rolled_back(stack: Stack) -> None:
    """R8, with another user in an Update instead of a Create: the new role can't be assumed."""
    stack.deploy("1")
    before = stack.current_key()
    new_role = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/another"
    stack.account.deny("sts:AssumeRole")
    update = stack.update(stack.properties("1", UserName="vendor", RoleArn=new_role))
    assert stack.deliver(update) == "FAILED"
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == before
    assert stack.keys("vendor") == {}


@pytest.mark.parametrize("by_sweep", [False, True], ids=["nothing happened since", "a sweep has retired a key since"])
@pytest.mark.parametrize(
    "action",
    [*NEEDED_TO_CREATE[:-2], "dynamodb:PutItem", "iam:UpdateAccessKey", "secretsmanager:UpdateSecretVersionStage"],
)
def test_r9_an_update_that_is_denied_is_rolled_back(stack: Stack, action: str, *, by_sweep: bool) -> None:
    """R9: the rollback needs nothing of what is denied, whatever sweeps have done since the last deployment."""
    stack.deploy("1", *(["2"] if by_sweep else []), GracePeriod="3600")
    stack.sweep_for(3 * DAY)
    before = stack.current_key()
    stack.account.deny(action)
    update = stack.update(stack.properties("3", GracePeriod="3600"))
    status = stack.deliver(update)
    assert status == "FAILED" or action == "iam:UpdateAccessKey"
    assert answered(stack, stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == before


def test_r9_the_update_fails_after_the_switch_and_the_new_key_can_not_be_taken_back(stack: Stack) -> None:
    """R9: without a grace period, the denied UpdateAccessKey comes after the switch."""
    stack.deploy("1")
    before = stack.current_key()
    stack.account.deny("iam:UpdateAccessKey")
    update = stack.update(stack.properties("2"))
    said = answered(stack, update)
    (left,) = stack.keys().keys() - {before[0]}
    assert f"left: {left}" in said
    assert "iam:UpdateAccessKey on user deploy was denied by a service control policy" in said
    assert answered(stack, stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == before
    stack.account.allow_again()
    stack.sweep_for(2 * DAY)
    stack.check_deployed(stack.known[1] if stack.known else None)


@pytest.mark.parametrize(
    "action", ["sts:AssumeRole", "iam:ListAccessKeys", "iam:UpdateAccessKey", "iam:DeleteAccessKey"]
)
def test_r9_a_delete_that_is_denied_says_which_keys_are_left_and_who_denies(stack: Stack, action: str) -> None:
    """R9: what a Delete can't do it says; the sweep does it once it may."""
    stack.deploy("1", "2", GracePeriod="3600")
    stack.account.deny(action)
    said = answered(stack, stack.delete())
    assert said.startswith("FAILED")
    assert all(key in said for key in stack.our_keys())
    assert action in said
    assert "service control policy" in said
    stack.account.allow_again()
    stack.sweep_for(DAY)
    stack.check_deployed(None)
    assert answered(stack, stack.delete()) == "SUCCESS"


@pytest.mark.parametrize(
    ("hand", "drift"),
    [
        (lambda stack: stack.account.person.schedule_deletion(stack.secret_arn), "secret-unavailable"),
        (lambda stack: stack.account.person.delete_secret(stack.secret_arn), "secret-unavailable"),
        (lambda stack: stack.account.person.replicate_from(stack.secret_arn, "us-east-1"), "secret-unavailable"),
        (lambda stack: stack.account.person.rename_user("deploy", "renamed"), "user-missing"),
        (lambda stack: stack.account.person.delete_user("deploy"), "user-missing"),
    ],
    ids=["secret scheduled for deletion", "secret deleted", "secret a replica", "user renamed", "user deleted"],
)
def test_r10_what_is_due_and_can_not_be_done_is_asked_for_less_and_less_often(
    stack: Stack, hand: Callable[[Stack], None], drift: str
) -> None:
    """R10: a retirement is due, and the secret or the user is gone: a few sweeps a day act, one event a day tells."""
    stack.deploy("1", "2", GracePeriod="600")
    hand(stack)
    stack.sweep_for(2 * DAY, every=5 * MINUTE)
    before = len(stack.account.log.calls())
    size, reports = len(json.dumps(stack.entry, default=str)), len(events(stack.account, "Drift"))
    stack.sweep_for(10 * DAY, every=15 * MINUTE)
    acted = [call for call in stack.account.log.calls()[before:] if call.name == "iam:ListAccessKeys"]
    # Whoever finds something gone asks a second and a third time.
    assert len(acted) <= 10 * 2 * 3
    told = events(stack.account, "Drift")
    assert 9 <= len(told) - reports <= 11
    assert {event.detail["drift"] for event in told} == {drift}
    assert abs(len(json.dumps(stack.entry, default=str)) - size) < 100


def test_r11_a_deactivation_counts_though_the_next_call_fails_for_good(stack: Stack) -> None:
    """R11: the retention period begins with the deactivation, whatever is denied after it."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    stack.account.deny("iam:DeleteAccessKey")
    stack.account.deny("events:PutEvents")
    stack.sweep_for(6 * DAY)
    assert stack.keys()[previous] == "Inactive"
    stack.account.allow_again()
    stack.sweep_for(DAY + HOUR)
    assert previous not in stack.our_keys()


def test_r11_a_deactivation_that_is_refused_begins_no_retention_period(stack: Stack) -> None:
    """R11, the other way round: a key that was Active all the time is not deleted as soon as it may be touched."""
    stack.deploy("1", "2", GracePeriod="7200", RetentionPeriod="259200")
    previous = stack.entry["history"][0].split()[-1]
    stack.account.deny("iam:UpdateAccessKey")
    stack.sweep_for(6 * DAY)
    assert stack.keys()[previous] == "Active"
    stack.account.allow_again()
    stack.sweep_for(2 * DAY)
    assert stack.keys().get(previous) == "Inactive"
    stack.sweep_for(3 * DAY)
    assert previous not in stack.our_keys()


def test_r11_a_key_that_somebody_has_activated_again_keeps_its_retention_period(stack: Stack) -> None:
    """R11, with a person's hands: it is deactivated again, and deleted a retention period after that."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    stack.sweep_for(20 * HOUR, every=HOUR)
    assert stack.keys()[previous] == "Inactive"
    stack.account.person.set_key_status(previous, "Active")
    stack.sweep_for(12 * HOUR, every=HOUR)
    assert stack.keys()[previous] == "Inactive"
    stack.sweep_for(2 * DAY, every=HOUR)
    assert previous not in stack.our_keys()


@pytest.mark.parametrize("fault", ["denied", "EncryptionFailure"])
def test_r12_a_rotation_goes_through_with_the_same_token_once_the_kms_key_is_enabled(stack: Stack, fault: str) -> None:
    """R12: the KMS key is disabled for hours while Secrets Manager tries to rotate."""
    stack.deploy("1", **TWO_HOURS)
    step = stack.begin_rotation()
    break_kms(stack, fault)
    for _ in range(4):
        assert attempt(stack, step("createSecret")) != ""
        assert stack.keys() == {stack.current_key()[0]: "Active"}
        stack.sweep(HOUR)
    mend_kms(stack)
    for name in STEPS:
        assert attempt(stack, step(name)) == ""
    stack.check_deployed(stack.known[1] if stack.known else None)


@pytest.mark.parametrize("fault", ["denied", "EncryptionFailure"])
def test_r12_a_deployment_goes_through_once_the_kms_key_is_enabled(stack: Stack, fault: str) -> None:
    """R12, with an Update and an operator's rotation."""
    stack.deploy("1", **TWO_HOURS)
    before = stack.current_key()
    break_kms(stack, fault)
    update = stack.update(stack.properties("2", **TWO_HOURS))
    assert answered(stack, update).startswith("FAILED")
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert attempt(stack, {"Operation": "Rotate", "SecretId": stack.secret_arn}, "provider") != ""
    assert stack.keys() == {before[0]: "Active"}
    mend_kms(stack)
    stack.deploy("2", **TWO_HOURS)
    stack.operate("Undo")
    assert stack.current_key() == before


def break_kms(stack: Stack, how: str) -> None:
    """Let the KMS key of the secret be denied or disabled."""
    if how == "denied":
        stack.account.switches.kms_denies = True
    else:
        said = "Secrets Manager can't encrypt the protected secret text: check the KMS key."
        disabled = Fault(how, lambda call: client_error(call.service, call.action, how, said))
        stack.account.fail(disabled, "secretsmanager:PutSecretValue", times=None)


def mend_kms(stack: Stack) -> None:
    """Enable the KMS key again."""
    stack.account.switches.kms_denies = False
    stack.account.heal()


# --- (c) the time of the look taken for the time of the act


def test_r13_an_alarm_about_the_time_before_the_switch_undoes_nothing(stack: Stack) -> None:
    """R13: the alarm went off during the proof of the new key; its event comes after the switch."""
    stack.deploy("1", **TWO_HOURS)
    alarm = stack.alarm()
    stack.deploy("2", **TWO_HOURS)
    current = stack.current_key()
    stack.invoke(alarm, "worker")
    assert stack.current_key() == current
    # The same alarm's data began before the switch, though it went off after it.
    stack.invoke(stack.alarm(stack.account.clock.now() - HOUR), "worker")
    assert stack.current_key() == current
    stack.invoke(stack.alarm(), "worker")
    assert stack.current_key() != current


def test_r13_an_alarm_about_the_key_before_does_not_undo_a_rotation_that_came_meanwhile(stack: Stack) -> None:
    """R13, with a rotation instead of a deployment, and an alarm whose event stalls."""
    stack.deploy("1", "2", **TWO_HOURS)
    alarm = stack.alarm()
    stack.sweep_for(2 * DAY)
    stack.rotate()
    current = stack.current_key()
    stack.invoke(alarm, "worker")
    assert stack.current_key() == current
    assert "undo_asked" not in stack.entry


def test_r14_the_grace_period_counts_from_the_switch(stack: Stack) -> None:
    """R14: a grace period of a minute, and a new key that takes 90 seconds to work."""
    stack.deploy("1", GracePeriod="60")
    previous = stack.current_key()[0]
    stack.account.clock.sleep(3600)
    stack.account.switches.new_key_seconds = 90
    stack.deploy("2", GracePeriod="60")
    assert stack.keys()[previous] == "Active"
    switch = next(event for event in events(stack.account, "Replaced")).detail["replaced"]
    assert stack.entry["keys"][previous]["replaced"] == switch
    stack.sweep(50 * timedelta(seconds=1))
    assert stack.keys()[previous] == "Active"
    stack.sweep(15 * timedelta(seconds=1))
    stack.sweep_for(2 * HOUR, every=5 * MINUTE)
    assert stack.keys()[previous] == "Inactive"


def test_r14_the_grace_period_counts_from_the_switch_of_an_interrupted_deployment(stack: Stack) -> None:
    """R14, with a process that dies right after the switch: the redelivery comes minutes later."""
    stack.deploy("1", GracePeriod="600")
    previous = stack.current_key()[0]
    stack.account.clock.sleep(3600)
    stack.account.fail(PROCESS_DEATH, "secretsmanager:UpdateSecretVersionStage", phase="after")
    update = stack.update(stack.properties("2", GracePeriod="600"))
    assert stack.deliver(update) is None
    stack.account.heal()
    assert stack.deliver(update, after=120) == "SUCCESS"
    stack.sweep(5 * MINUTE)
    assert stack.keys()[previous] == "Active"


# --- (d) one record for two resources


def test_r15_a_rename_that_is_rolled_back_leaves_everything_as_it_was(stack: Stack) -> None:
    """R15: Create(new name), then its Delete: grace, undo and rotation of the old resource go on."""
    stack.deploy("1", "2", **TWO_HOURS)
    before, keys = stack.current_key(), stack.keys()
    create = stack.event("Create", stack.properties("2", **TWO_HOURS), None, logical_id="Renamed")
    status = stack.deliver(create)
    stack.deliver(stack.event("Delete", create["ResourceProperties"], stack.last_id, logical_id="Renamed"))
    assert stack.answers[-1]["Status"] == "SUCCESS"
    assert stack.current_key() == before
    assert stack.keys().items() >= {before[0]: "Active"}.items()
    if status == "FAILED":
        assert stack.keys() == keys
    stack.operate("Rotate") if len(stack.keys()) == 1 else stack.operate("Undo")
    assert stack.current_key()[1] == "Active"
    assert stack.known is not None
    stack.check(stack.expected(stack.known[1], user="deploy", secret_arn=stack.secret_arn))


@pytest.mark.parametrize("serials", [("1",), ("1", "2")], ids=["one key", "two keys"])
def test_r16_a_rename_keeps_a_key_that_works_and_reports_a_rotation_that_is_off(
    stack: Stack, serials: tuple[str, ...]
) -> None:
    """R16: Create(new name), Delete(old name); the schedule is off afterwards, and the daily check says so."""
    stack.account.person.set_rotation(stack.secret_arn, enabled=True)
    stack.deploy(*serials, **ROTATED, OnKeyLimit="RetirePrevious")
    stack.sweep_for(DAY)
    if len(stack.keys()) > 1:
        stack.sweep_for(DAY)
    create = stack.event("Create", stack.properties("1", **ROTATED), None, logical_id="Renamed")
    said = answered(stack, create)
    if len(serials) == 2:
        # IAM allows two keys, and the other resource's previous key is in its own hands: the deployment says so.
        assert "2 access keys" in said
        return
    assert said == "SUCCESS"
    stack.deliver(stack.delete())
    assert stack.answers[-1]["Status"] == "SUCCESS"
    assert stack.current_key()[1] == "Active"
    assert len(stack.keys()) == 1
    stack.sweep_for(3 * DAY)
    assert events(stack.account, "Rotation Off") == []
    stack.rotate()
    stack.account.person.set_rotation(stack.secret_arn, enabled=False)
    stack.sweep_for(3 * DAY)
    assert 2 <= len(events(stack.account, "Rotation Off")) <= 4


# --- rotations that are stuck


@pytest.mark.parametrize("how", ["deactivates", "deletes"])
@pytest.mark.parametrize("before", STEPS[1:])
def test_r17_a_rotation_whose_pending_key_a_bot_spoils_is_given_up(stack: Stack, how: str, before: str) -> None:
    """R17: a bot deactivates or deletes the pending key before a step; the next rotation works."""
    stack.deploy("1", **TWO_HOURS)
    current = stack.current_key()
    step = stack.begin_rotation()
    for name in STEPS[: STEPS.index(before)]:
        assert attempt(stack, step(name)) == ""
    (pending,) = stack.keys().keys() - {current[0]}
    hand = stack.account.person.deactivate_key if how == "deactivates" else stack.account.person.delete_key
    hand(pending)
    said = [attempt(stack, step(name)) for name in STEPS[STEPS.index(before) :]]
    # Secrets Manager begins anew with the same token, some time or other.
    said += [attempt(stack, step(name)) for name in STEPS]
    assert any("rotate again" in text for text in said)
    assert stack.current_key() == current
    assert stack.keys() == {current[0]: "Active"}
    stack.rotate(ANOTHER_TOKEN)
    assert stack.current_key()[0] not in {current[0], pending}


def test_r17_an_operators_rotation_gets_over_one_that_is_stuck(stack: Stack) -> None:
    """R17, the way out by hand."""
    stack.deploy("1", **TWO_HOURS)
    step = stack.begin_rotation()
    attempt(stack, step("createSecret"))
    stack.operate("Rotate")
    assert stack.current_key()[1] == "Active"
    assert len(stack.keys()) == 2
    stack.sweep_for(2 * DAY)
    stack.rotate(ANOTHER_TOKEN)
    stack.check_deployed(stack.known[1] if stack.known else None)


@pytest.mark.parametrize(
    "cause", ["denied before a key is made", "no key slot", "denied after a key is made", "after createSecret"]
)
def test_r18_a_change_of_the_schedule_ends_a_rotation_that_is_stuck(stack: Stack, cause: str) -> None:
    """R18: AWSPENDING is gone when the schedule is changed, else Secrets Manager refuses the change."""
    stack.account.person.set_rotation(stack.secret_arn, enabled=True)
    stack.deploy("1", **ROTATED)
    stack.account.roles.clear()
    step = stack.begin_rotation()
    if cause == "denied before a key is made":
        stack.account.deny("iam:CreateAccessKey")
    elif cause == "denied after a key is made":
        stack.account.deny("secretsmanager:PutSecretValue")
    elif cause == "no key slot":
        stack.add_unmanaged_key("deploy")
    attempt(stack, step("createSecret"))
    stack.account.allow_again()
    stack.account.clock.sleep(HOUR.total_seconds())
    stack.deploy("1", **(ROTATED | {"RotationSchedule": "rate(60 days)"}))
    labels = stack.account.client("secretsmanager").describe_secret(SecretId=stack.secret_arn)["VersionIdsToStages"]
    assert not any("AWSPENDING" in names for names in labels.values())
    assert len(stack.our_keys()) == 1
    stack.begin_rotation(ANOTHER_TOKEN)


# --- (e) nobody is told


def test_r19_a_user_that_was_renamed_is_reported_daily_and_its_keys_are_named(stack: Stack) -> None:
    """R19: the daily check reports the missing user; the Delete names the keys that it could not find."""
    stack.deploy("1", "2", **TWO_HOURS)
    keys = stack.keys()
    stack.account.person.rename_user("deploy", "renamed")
    stack.sweep_for(5 * DAY)
    told = events(stack.account, "Drift")
    assert 4 <= len(told) <= 6
    assert all(event.detail["drift"] == "user-missing" and event.detail["userName"] == "deploy" for event in told)
    said = answered(stack, stack.delete())
    assert said.startswith("SUCCESS")
    assert any(key in said for key in keys)
    left = events(stack.account, "Left Behind")
    assert {event.detail["accessKeyId"] for event in left} == set(keys)
    stack.sweep_for(3 * DAY)
    assert len(events(stack.account, "Left Behind")) == 2
    assert stack.entry.get("keys", {}) == {}


def test_r19_a_user_that_got_its_name_back_is_looked_after_again(stack: Stack) -> None:
    """R19, mended by hand before anything else happens."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.account.person.rename_user("deploy", "renamed")
    stack.sweep_for(3 * DAY)
    stack.account.person.rename_user("renamed", "deploy")
    stack.sweep_for(2 * DAY)
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


@pytest.mark.parametrize(
    ("hand", "drift"),
    [
        (lambda stack: stack.account.person.deactivate_key(stack.current_key()[0]), "current-key-status"),
        (lambda stack: stack.account.person.delete_key(stack.current_key()[0]), "current-key-gone"),
        (lambda stack: stack.account.person.put_value(stack.secret_arn, "{}"), "current-version-moved"),
    ],
    ids=["deactivated", "deleted", "overwritten"],
)
def test_r20_what_becomes_of_the_current_key_is_reported_daily_until_it_is_mended(
    stack: Stack, hand: Callable[[Stack], None], drift: str
) -> None:
    """R20: a bot deactivates or deletes the current key, or writes another value."""
    stack.deploy("1", MaxActiveAge="86400")
    hand(stack)
    stack.sweep_for(5 * DAY)
    told = [event for event in events(stack.account, "Drift") if event.detail["drift"] == drift]
    assert 4 <= len(told) <= 6
    stack.deploy("2")
    since = len(stack.account.state.events)
    stack.sweep_for(3 * DAY)
    assert "Drift" not in kinds(stack.account, since)
    assert stack.current_key()[1] == "Active"


def test_r20_a_previous_key_that_somebody_deletes_is_reported_once(stack: Stack) -> None:
    """R20, with the previous key: whoever might go back to it should know."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    stack.account.person.delete_key(previous)
    stack.sweep_for(4 * DAY)
    told = [event.detail for event in events(stack.account, "Drift")]
    assert [(detail["drift"], detail["accessKeyId"]) for detail in told] == [("previous-key-gone", previous)]
    stack.check_deployed(stack.known[1] if stack.known else None)


# --- leaked keys


def test_r21_an_alarm_does_not_activate_a_key_that_somebody_has_deactivated(stack: Stack) -> None:
    """R21: the key leaked and was deactivated by hand, then rotated; an alarm on denied calls goes off."""
    stack.deploy("1", **TWO_HOURS)
    leaked = stack.current_key()[0]
    stack.account.person.deactivate_key(leaked)
    stack.deploy("2", **TWO_HOURS)
    current = stack.current_key()
    stack.account.clock.sleep(60)
    stack.invoke(stack.alarm(), "worker")
    assert stack.current_key() == current
    assert stack.keys()[leaked] == "Inactive"
    stack.sweep_for(3 * DAY)
    assert stack.keys().get(leaked, "deleted") != "Active"


@pytest.mark.parametrize("after", [("sweep",), ("rotate",), ("sweep", "rotate", "sweep")], ids=" ".join)
def test_r21_nothing_else_activates_it_either(stack: Stack, after: tuple[str, ...]) -> None:
    """R21, with the other callers that come by themselves."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    stack.account.person.deactivate_key(previous)
    for act in after:
        if act == "sweep":
            stack.sweep_for(HOUR)
        else:
            event = stack.begin_rotation()
            for step in STEPS:
                attempt(stack, event(step))
        assert stack.keys().get(previous) != "Active"
    stack.sweep_for(2 * DAY)
    assert stack.keys().get(previous) != "Active"


@pytest.mark.parametrize("unused", [{}, {"RetireWhenUnusedFor": "86400"}], ids=["", "while unused"])
@pytest.mark.parametrize("deferred", [{}, {"CutOver": "Deferred"}], ids=["", "deferred"])
@pytest.mark.parametrize("retention", [{}, {"RetentionPeriod": "86400"}], ids=["", "retention"])
@pytest.mark.parametrize("grace", ["0", "7200"])
def test_r22_rotate_and_retire_is_the_way_out_of_a_leak_with_every_option(
    stack: Stack, grace: str, retention: dict[str, str], deferred: dict[str, str], unused: dict[str, str]
) -> None:
    """R22: one documented way that works in every combination: `rotate`, then `retire`."""
    stack.deploy("1", GracePeriod=grace, **retention, **deferred, **unused)
    leaked = stack.current_key()[0]
    stack.account.person.use_key(leaked)
    stack.operate("Rotate")
    stack.operate("Retire")
    assert stack.keys()[leaked] == "Inactive"
    current = stack.current_key()
    assert current[1] == "Active"
    stack.account.clock.sleep(60)
    stack.invoke(stack.alarm(), "worker")
    stack.sweep_for(3 * DAY)
    assert stack.keys().get(leaked, "deleted") != "Active"
    assert stack.current_key() == current


# --- what was deleted by hand


@pytest.mark.parametrize("sweeps", [False, True], ids=["at once", "days later"])
@pytest.mark.parametrize("what", ["secret", "user", "secret and user", "secret, for later"])
def test_r23_an_update_without_its_secret_or_user_says_what_helps_and_is_rolled_back(
    stack: Stack, what: str, *, sweeps: bool
) -> None:
    """R23: somebody has deleted the secret or the user; there is nothing left to restore."""
    stack.deploy("1", "2", **TWO_HOURS)
    delete_by_hand(stack, what)
    if sweeps:
        stack.sweep_for(3 * DAY)
    update = stack.update(stack.properties("3", **TWO_HOURS))
    said = answered(stack, update)
    assert said.startswith("FAILED")
    if "user" in what:
        assert "user deploy does not exist: create it first" in said
    else:
        assert stack.secret_arn in said
        assert ("restore it" if "later" in what else "define a new one in the stack") in said
    assert answered(stack, stack.roll_back(update)).startswith("SUCCESS")
    assert answered(stack, stack.delete()).startswith("SUCCESS")
    assert stack.account.state.users.get("deploy") is None or stack.keys() == {}


def delete_by_hand(stack: Stack, what: str) -> None:
    """Delete what a name says."""
    if what == "secret, for later":
        stack.account.person.schedule_deletion(stack.secret_arn)
        return
    if "secret" in what:
        stack.account.person.delete_secret(stack.secret_arn)
    if "user" in what:
        stack.account.person.delete_user("deploy")


@pytest.mark.parametrize("down", ["iam:*", "secretsmanager:*", "sts:AssumeRole", "dynamodb:*"])
@pytest.mark.parametrize("fault", ["down", "denied"])
def test_r24_eight_days_of_sweeps_without_a_service_let_nothing_grow(stack: Stack, down: str, fault: str) -> None:
    """R24: everything due is done once the service is back."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous, current = stack.entry["history"][0].split()[-1], stack.current_key()
    let_down(stack, down, fault)
    sizes = []
    for _ in range(8):
        for _ in range(24):
            attempt(stack, {"Operation": "Sweep"})
            stack.account.clock.sleep(3600)
        sizes.append(len(json.dumps(stack.entry, default=str)))
    assert abs(sizes[-1] - sizes[1]) < 60
    assert len(stack.keys()) == 2
    assert stack.current_key() == current
    failed = events(stack.account, "Upkeep Failed")
    assert len(failed) <= 9
    assert failed or down == "dynamodb:*"
    stack.account.heal()
    stack.account.allow_again()
    stack.sweep_for(4 * DAY)
    assert stack.keys() == {current[0]: "Active"}
    assert previous not in stack.entry["keys"]
    assert len(events(stack.account, "Upkeep Recovered")) == (0 if down == "dynamodb:*" else 1)
    stack.check_deployed(stack.known[1] if stack.known else None)


def let_down(stack: Stack, down: str, fault: str) -> None:
    """Let a service answer with errors, or deny everything."""
    if fault == "denied":
        stack.account.deny(down)
        return
    service, _, action = down.partition(":")
    stack.account.fail(
        SERVER_ERROR,
        lambda call: call.service == service and action in {"*", call.action},
        times=None,
    )


def test_r25_two_sweeps_of_one_due_key_delete_it_once(stack: Stack) -> None:
    """R25: a second sweep comes in the middle of the first."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.sweep_for(DAY)
    since = len(stack.account.state.events)
    came = meanwhile(stack, "iam:DeleteAccessKey", lambda: attempt(stack, {"Operation": "Sweep"}))
    stack.sweep_for(2 * DAY)
    assert came == ["begun", ""]
    assert [event.kind for event in events(stack.account, "Deleted", since=since)] == ["Deleted"]
    assert len(stack.keys()) == 1


@pytest.mark.parametrize("by", ["grace 0", "cut-over", "undo", "deletion", "key slot"])
def test_r26_the_last_use_is_told_only_where_iam_was_asked(stack: Stack, by: str) -> None:
    """R26: an event never says that the last use is unknown."""
    stack.deploy("1", "2", GracePeriod="0" if by in {"grace 0", "key slot"} else "7200")
    if by == "undo":
        stack.operate("Undo")
    elif by == "cut-over":
        stack.deliver(cut_over(stack))
    elif by == "deletion":
        stack.must(stack.delete())
    elif by == "key slot":
        stack.deploy("3")
    told = events(stack.account, "Deactivated", "Deleted")
    assert told
    asked = "iam:GetAccessKeyLastUsed" in stack.account.log.names()
    assert all(asked or "lastUse" not in event.detail for event in told)
    assert all("unknown" not in event.detail.get("lastUse", "") for event in told)


def test_r26_the_last_use_is_told_where_it_decided(stack: Stack) -> None:
    """R26: after a grace period IAM was asked."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.sweep_for(DAY)
    (told,) = events(stack.account, "Deactivated")
    assert "sts" in told.detail["lastUse"]


def test_r26_a_last_use_that_can_not_be_read_is_no_use_and_no_silence(stack: Stack) -> None:
    """R26, with the call denied for good: the retirement is postponed, and the event says why."""
    stack.account.deny("iam:GetAccessKeyLastUsed")
    stack.deploy("1", "2", **TWO_HOURS)
    stack.sweep_for(2 * DAY)
    told = events(stack.account, "Retirement Postponed")
    assert told
    assert all("could not be read" in event.detail["why"] and "lastUse" not in event.detail for event in told)


def cut_over(stack: Stack, kind: str = "Create", version: str | None = None) -> Event:
    """Make the request that all consumers use a version by now, the current one if none is named."""
    current = stack.current_key()[0]
    properties = {
        "SecretArn": stack.secret_arn,
        "SecretVersionId": version or stack.entry["keys"][current]["version_id"],
    }
    event = stack.event(kind, properties, None if kind == "Create" else "cut-over", logical_id="CutOver")
    return event | {"ResourceType": "Custom::IAMAccessKeyCutOver"}


def test_r27_after_a_failed_rotation_the_report_tells_one_story(stack: Stack) -> None:
    """R27: no previous key is listed where none can be restored."""
    stack.deploy("1", **TWO_HOURS)
    stack.account.deny("secretsmanager:PutSecretValue")
    attempt(stack, stack.begin_rotation()("createSecret"))
    stack.account.allow_again()
    report = stack.operate("Show")
    assert [(key["state"], key["status"]) for key in report["keys"]] == [("current", "Active")]
    assert "no previous key" in report["undoRefused"]
    stack.sweep_for(2 * DAY)
    assert len(stack.operate("Show")["keys"]) == 1


def test_r27_a_report_does_not_list_a_key_of_which_only_a_tag_is_left(stack: Stack) -> None:
    """R27, with a key that is deleted, and whose tag can't be removed."""
    stack.account.deny("iam:UntagUser")
    stack.deploy("1", "2", **TWO_HOURS)
    stack.sweep_for(4 * DAY)
    report = stack.operate("Show")
    assert [key["accessKeyId"] for key in report["keys"]] == stack.our_keys()
    assert "no previous key" in report["undoRefused"]


def test_r27_a_report_names_what_an_undo_would_restore(stack: Stack) -> None:
    """R27, with a previous key: the report and the undo agree."""
    stack.deploy("1", "2", **TWO_HOURS)
    report = stack.operate("Show")
    assert report["undoRestores"] in [key["accessKeyId"] for key in report["keys"] if key["state"] == "replaced"]
    stack.operate("Undo")
    assert stack.current_key() == (report["undoRestores"], "Active")
    assert "was taken back by an undo" in stack.operate("Show")["undoRefused"]


@pytest.mark.parametrize("changed", [{"UserName": "vendor"}, {"SecretArn": "other"}], ids=["user", "secret"])
def test_r28_a_change_of_user_or_secret_that_is_rolled_back_finds_nothing(
    stack: Stack, changed: dict[str, str]
) -> None:
    """R28: the Update back to the old place comes before the Delete of the new one: nobody touched anything."""
    stack.deploy("1", **TWO_HOURS)
    before = stack.current_key()
    new = {name: stack.other_arn if value == "other" else value for name, value in changed.items()}
    update = stack.update(stack.properties("1", **TWO_HOURS, **new))
    assert stack.deliver(update) == "SUCCESS"
    new_id = stack.last_id
    assert answered(stack, stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == before
    assert answered(stack, stack.event("Delete", update["ResourceProperties"], new_id)) == "SUCCESS"
    assert stack.current_key() == before
    assert events(stack.account, "Drift", "Left Behind") == []
    assert stack.known is not None
    stack.check_deployed(stack.known[1])


def test_r28_a_change_of_user_that_fails_after_the_switch_gives_the_secret_back(stack: Stack) -> None:
    """R28, with the same secret and a failure after the switch: the other user's key is current again."""
    stack.deploy("1", **TWO_HOURS)
    before = stack.current_key()
    update = stack.update(stack.properties("1", **TWO_HOURS, UserName="vendor"))
    assert stack.deliver(update) == "SUCCESS"
    new_id = stack.last_id
    # CloudFormation may send the Delete of the new id first.
    assert answered(stack, stack.event("Delete", update["ResourceProperties"], new_id)) == "SUCCESS"
    assert stack.current_key() == before
    assert stack.keys("vendor") == {}


@pytest.mark.parametrize(("way", "serials"), [("user", ("1",)), ("user", ("1", "2")), ("rename", ("1",))])
def test_r28_a_key_that_is_declared_inactive_comes_back(stack: Stack, way: str, serials: tuple[str, ...]) -> None:
    """R28, with a key that is switched off: no other one takes its place, least of all a previous key that works."""
    off = TWO_HOURS | {"Status": "Inactive"}
    stack.deploy(*serials, **TWO_HOURS)
    stack.deploy(serials[-1], **off)
    before = stack.current_key()
    if way == "user":
        new = stack.update(stack.properties(serials[-1], UserName="vendor", **off))
    else:
        new = stack.event("Create", stack.properties(serials[-1], **off), None, logical_id="Renamed")
    assert stack.deliver(new) == "SUCCESS"
    back = stack.event("Delete", new["ResourceProperties"], stack.last_id, logical_id=new["LogicalResourceId"])
    assert answered(stack, back) == "SUCCESS"
    stack.sweep_for(timedelta(days=4))
    assert stack.current_key() == before == (before[0], "Inactive")


@pytest.mark.parametrize("call", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_r28_a_response_that_is_lost_finds_nothing(stack: Stack, call: str) -> None:
    """R28, with a request that begins again: what it has done itself is no finding."""
    stack.deploy("1", **TWO_HOURS)
    stack.account.fail(TIMED_OUT, f"secretsmanager:{call}", phase="after", times=3)
    stack.deploy("2", **TWO_HOURS)
    assert stack.answers[-1].get("Reason", "") == ""


# --- cut-over: one more caller that rolls back


def test_cut_over_of_a_renamed_key_needs_no_role_that_is_gone(stack: Stack) -> None:
    """As R16: the old resource's role goes with it, and its claim is remembered for a day."""
    stack.deploy("1", **TWO_HOURS, CutOver="Deferred")
    other = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/another"
    properties = stack.properties("1", **TWO_HOURS, CutOver="Deferred", RoleArn=other)
    stack.deliver(stack.event("Create", properties, None, logical_id="Renamed"))
    stack.deliver(stack.delete())
    stack.account.deny("sts:AssumeRole", None)
    assert answered(stack, cut_over(stack)) == "SUCCESS"


def test_cut_over_is_rolled_back_without_a_call(stack: Stack) -> None:
    """As R9: the version that it goes back to is not current, so there is nothing to do."""
    stack.deploy("1", "2", **TWO_HOURS, CutOver="Deferred")
    first = next(key for key in stack.entry["keys"].values() if key["state"] == "replaced")
    stack.account.deny("sts:AssumeRole")
    assert answered(stack, cut_over(stack, "Update", first["version_id"])) == "SUCCESS"
    assert answered(stack, cut_over(stack)).startswith("FAILED")


# --- helpers of the account


def test_the_same_conflict_again_and_again_fails_and_is_taken_back(stack: Stack) -> None:
    """As R5: somebody moves AWSCURRENT at every try; the Update gives up and leaves nothing."""
    stack.deploy("1", **TWO_HOURS)
    before = stack.current_key()
    stack.account.fail(CONFLICT, "secretsmanager:UpdateSecretVersionStage", times=3)
    assert stack.deliver(stack.update(stack.properties("2", **TWO_HOURS))) == "FAILED"
    assert stack.current_key() == before
    assert stack.keys() == {before[0]: "Active"}


def test_a_token_that_is_pending_elsewhere_is_refused(stack: Stack) -> None:
    """As R4: a step of a rotation that was given up says so, and touches nothing."""
    stack.deploy("1", **TWO_HOURS)
    event: dict[str, Any] = {"SecretId": stack.secret_arn, "ClientRequestToken": TOKEN, "RotationToken": "x"}
    for step in STEPS:
        assert "rotate again" in attempt(stack, {"Step": step, **event})
    assert len(stack.keys()) == 1


def test_a_lost_entry_is_rebuilt_once_the_tags_can_be_read(stack: Stack) -> None:
    """While the user's tags are denied, a second key is made; the first is recorded again and retired afterwards."""
    stack.deploy("1")
    first = stack.current_key()[0]
    stack.account.person.delete_entry(stack.secret_arn)
    stack.account.deny("iam:ListUserTags")
    stack.must(stack.update(stack.properties("2")))
    assert first in stack.keys()
    stack.account.allow_again()
    stack.sweep_for(timedelta(days=2), timedelta(hours=6))
    assert first in stack.entry["keys"] or first not in stack.keys(), "a key of ours is unknown for good"
    assert stack.deliver(stack.delete()) == "SUCCESS"
    stack.check_nothing_of_ours()
