"""Situations of the same kinds that public threads about rotators and custom resources tell of.

Each test names where people met it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.key_events import events
from support.stack import STEPS, SWEEP

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from support.stack import Event, Stack

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TWO_HOURS = {"GracePeriod": "7200", "RetentionPeriod": "86400"}
ANOTHER_TOKEN = "00000000-0000-4000-9000-000000000002"


def attempt(stack: Stack, event: Event, function: str = "worker") -> str:
    """Hand an event to a function; return the message of the failure, or nothing."""
    try:
        stack.invoke(event, function)
    except ProviderError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("sweeps", [False, True], ids=["at once", "days later"])
def test_a_user_that_is_created_again_gets_a_key_with_the_next_deployment(stack: Stack, *, sweeps: bool) -> None:
    """A tool deletes the user and creates one of the same name: none of the old keys is there, none is expected."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.account.person.recreate_user("deploy")
    if sweeps:
        stack.sweep_for(3 * DAY)
        assert "current-key-gone" in {event.detail["drift"] for event in events(stack.account, "Drift")}
    stack.deploy("3", **TWO_HOURS)
    stack.check_deployed(stack.known[1] if stack.known else None)
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


def test_a_delete_names_the_keys_of_a_user_whose_name_another_one_has(stack: Stack) -> None:
    """R19, with a user that was renamed and another one of the old name: its keys are not touched, ours are named."""
    stack.deploy("1", "2", **TWO_HOURS)
    ours = stack.our_keys()
    stack.account.person.rename_user("deploy", "renamed")
    stack.account.person.make_user("deploy")
    theirs = stack.account.person.make_key("deploy")
    stack.must(stack.delete())
    assert stack.keys() == {theirs: "Active"}
    assert {event.detail["accessKeyId"] for event in events(stack.account, "Left Behind")} == set(ours)
    assert any(key in stack.answers[-1]["Reason"] for key in ours)


@pytest.mark.parametrize("unmanaged", [1, 2, 6])
def test_a_user_with_more_keys_than_the_quota_is_served_as_far_as_it_goes(stack: Stack, unmanaged: int) -> None:
    """Terraform's provider met eight keys of one user (its issue 39693): refused in words, undone, deleted."""
    stack.deploy("1", **TWO_HOURS)
    theirs = [stack.add_unmanaged_key("deploy") for _ in range(unmanaged)]
    update = stack.update(stack.properties("2", **TWO_HOURS))
    assert stack.deliver(update) == "FAILED"
    assert theirs[0] in stack.answers[-1]["Reason"]
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert "access keys" in attempt(stack, stack.begin_rotation()("createSecret"))
    stack.sweep_for(3 * DAY)
    assert stack.current_key()[1] == "Active"
    stack.must(stack.delete())
    assert stack.keys() == dict.fromkeys(theirs, "Active")


def test_a_user_who_replaces_the_key_by_hand_is_told_and_keeps_the_own_one(stack: Stack) -> None:
    """Users who may manage their own keys do (terraform-aws-iam, issue 13): reported daily; a new serial mends it."""
    stack.deploy("1", **TWO_HOURS)
    stack.account.person.delete_key(stack.current_key()[0])
    theirs = stack.add_unmanaged_key("deploy")
    stack.sweep_for(2 * DAY)
    assert {event.detail["drift"] for event in events(stack.account, "Drift")} == {"current-key-gone"}
    stack.deploy("2", **TWO_HOURS)
    assert stack.current_key()[1] == "Active"
    stack.must(stack.delete())
    assert stack.keys() == {theirs: "Active"}


def test_a_bot_that_deletes_every_previous_key_fills_no_entry(stack: Stack) -> None:
    """What was reported of keys that are gone is forgotten."""
    stack.deploy("1", **TWO_HOURS)
    for number in range(8):
        previous = stack.current_key()[0]
        stack.rotate(f"00000000-0000-4000-9000-{number:012}")
        stack.account.person.delete_key(previous)
        stack.sweep_for(2 * DAY)
    assert len(events(stack.account, "Drift")) == 8
    assert len(stack.entry["reported"]) <= 2


@pytest.mark.parametrize("grace", ["600", "172800"], ids=["shorter", "longer"])
def test_a_grace_period_that_changes_counts_for_the_key_that_is_in_it(stack: Stack, grace: str) -> None:
    """Vault's static roles ignore a change of the period (its issue 21967)."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    stack.deploy("2", **(TWO_HOURS | {"GracePeriod": grace}))
    stack.sweep_for(4 * HOUR, every=15 * MINUTE)
    assert stack.keys()[previous] == ("Inactive" if grace == "600" else "Active")
    stack.sweep_for(3 * DAY, every=HOUR)
    assert stack.keys().get(previous) != "Active"


def test_a_pending_label_that_aws_takes_off_after_the_rotation_is_not_missed(stack: Stack) -> None:
    """Secrets Manager cleans AWSPENDING up itself, some time after finishSecret (its samples, pull request 145)."""
    stack.deploy("1", **TWO_HOURS)
    stack.rotate()
    stack.account.person.remove_label(stack.secret_arn, "AWSPENDING")
    stack.sweep_for(3 * DAY)
    stack.rotate(ANOTHER_TOKEN)
    stack.sweep_for(3 * DAY)
    stack.check_deployed(stack.known[1] if stack.known else None)


def test_a_rotation_that_begins_with_test_secret_alone_changes_nothing(stack: Stack) -> None:
    """`RotateImmediately=false` runs testSecret on a version that nothing was written to."""
    stack.deploy("1", "2", **TWO_HOURS)
    before = stack.keys(), stack.current_key()
    assert attempt(stack, stack.begin_rotation()("testSecret")) == ""
    assert (stack.keys(), stack.current_key()) == before


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_of_a_key_that_was_deleted_meanwhile_fails_in_words(stack: Stack, step: str) -> None:
    """The schedule outlives the resource for a while."""
    stack.deploy("1", **TWO_HOURS)
    event = stack.begin_rotation()
    stack.must(stack.delete())
    assert attempt(stack, event(step)) != ""
    assert "unexpected" not in attempt(stack, event(step))
    assert stack.keys() == {}


def test_many_secrets_that_fail_do_not_keep_the_sweep_from_the_others(stack: Stack) -> None:
    """A sweeper that takes the longest due first starves behind what always fails, unless that steps aside."""
    for number in range(40):
        properties = stack.properties(
            "1",
            UserName=f"user{number}",
            SecretArn=stack.account.person.make_secret(f"shop/{number}"),
            RoleArn=f"arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/failing{number}",
            **TWO_HOURS,
        )
        stack.account.person.make_user(f"user{number}")
        create = stack.event("Create", properties, None, logical_id=f"Key{number}")
        assert stack.deliver(create, after=0) == "SUCCESS"
        update = stack.event("Update", properties | {"Serial": "2"}, stack.last_id, properties, f"Key{number}")
        assert stack.deliver(update, after=0) == "SUCCESS"
    stack.deploy("1", "2", **TWO_HOURS)
    stack.account.deny(lambda call: call.name == "sts:AssumeRole" and "failing" in call.parameters["RoleArn"])
    end = stack.account.clock.now() + 3 * HOUR
    while stack.account.clock.now() < end:
        assert attempt(stack, SWEEP) == ""
        stack.account.clock.sleep(300)
    assert sorted(stack.keys().values()) == ["Active", "Inactive"]


def test_what_fails_is_tried_less_and_less_often(stack: Stack) -> None:
    """R24, with sweeps every five minutes: nine tries on the first day, then one or two a day."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.account.deny("iam:UpdateAccessKey")
    tries = []
    for _ in range(3):
        before = len(stack.account.log.calls())
        stack.sweep_for(DAY, every=5 * MINUTE)
        tries.append(sum(call.name == "sts:AssumeRole" for call in stack.account.log.calls()[before:]))
    assert 4 <= tries[0] <= 11
    assert max(tries[1:]) <= 2


def test_a_poisoned_entry_does_not_keep_the_sweep_from_the_others(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug that one secret runs into: the others are swept, and the function does not fail."""
    other = stack.properties("1", UserName="vendor", SecretArn=stack.other_arn, **TWO_HOURS)
    assert stack.deliver(stack.event("Create", other, None, logical_id="Other")) == "SUCCESS"
    update = stack.event("Update", other | {"Serial": "2"}, stack.last_id, other, "Other")
    assert stack.deliver(update) == "SUCCESS"
    stack.deploy("1", "2", **TWO_HOURS)
    from access_key_provider.entrypoints import sweep  # noqa: PLC0415

    maintain = sweep.plan_maintenance

    def spoilt(draft: object, owner: str) -> None:
        if draft.entry.secret_arn == stack.other_arn:  # type: ignore[attr-defined] # a draft
            raise KeyError("a bug")
        maintain(draft, owner)  # type: ignore[arg-type] # a draft

    monkeypatch.setattr(sweep, "plan_maintenance", spoilt)
    stack.sweep_for(5 * DAY, every=HOUR)
    assert len(stack.keys()) == 1
    assert len(stack.keys("vendor")) == 2


def test_a_rollback_restores_a_key_that_was_deployed_inactive_for_longer_than_its_retention_period(
    stack: Stack,
) -> None:
    """R9, with a key that is switched off: it is replaced today, so its retention period begins today."""
    stack.deploy("1", **TWO_HOURS)
    off = TWO_HOURS | {"Status": "Inactive"}
    stack.deploy("1", **off)
    key, _ = stack.current_key()
    stack.sweep_for(3 * DAY)
    update = stack.update(stack.properties("2", **TWO_HOURS))
    assert stack.deliver(update) == "SUCCESS"
    assert key in stack.keys()
    stack.must(stack.roll_back(update))
    assert stack.current_key()[0] == key
    assert stack.keys()[key] == "Inactive"
