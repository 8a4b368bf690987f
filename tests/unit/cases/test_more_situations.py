"""Situations of the same kinds that public threads about rotators and custom resources tell of.

Each test names where people met it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.key_events import events
from support.stack import STEPS, SWEEP, TOKEN, Stack

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from support.stack import Event

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


def cut_over(stack: Stack, kind: str, version_id: str) -> Event:
    """Make the request of a cut-over, whose consumers all use a version."""
    properties = {"SecretArn": stack.secret_arn, "SecretVersionId": version_id}
    request = stack.event(kind, properties, None if kind == "Create" else "cut-over", logical_id="CutOver")
    return request | {"ResourceType": "Custom::IAMAccessKeyCutOver"}


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


@pytest.mark.parametrize(
    "then", ["sweep", "deploy", "deploy, denied", "rotate", "rotate, denied", "rotation", "finish"]
)
def test_a_rotation_that_somebody_finishes_by_hand_is_finished(stack: Stack, then: str) -> None:
    """What AWS advises where a rotation is stuck: move AWSCURRENT to the pending version. Readers keep that key."""
    stack.deploy("1", **TWO_HOURS)
    before = stack.current_key()[0]
    event = stack.begin_rotation()
    stack.invoke(event("createSecret"), "worker")
    stack.account.person.move_label(stack.secret_arn, "AWSCURRENT", TOKEN)
    pending = stack.current_key()[0]
    assert pending != before
    if "denied" in then:
        stack.account.deny("iam:CreateAccessKey")
    match then.split(",", maxsplit=1)[0]:
        case "sweep":
            stack.sweep_for(3 * DAY)
            assert before not in stack.keys()
        case "deploy" if "denied" in then:
            assert stack.deliver(stack.update(stack.properties("2", **TWO_HOURS))) == "FAILED"
        case "deploy":
            stack.deploy("1", Description="changed", **TWO_HOURS)
        case "rotate":
            attempt(stack, {"Operation": "Rotate", "SecretId": stack.secret_arn}, "provider")
        case "rotation":
            stack.account.clock.sleep(DAY.total_seconds())
            attempt(stack, stack.begin_rotation(ANOTHER_TOKEN)("createSecret"))
        case "finish":
            assert attempt(stack, event("finishSecret")) == ""
    assert stack.keys()[pending] == "Active"
    stack.sweep_for(2 * DAY)
    assert stack.current_key() == (pending, "Active")
    assert events(stack.account, "Replaced")[0].detail["by"] == "somebody"


@pytest.mark.parametrize("caller", ["Update", "Rotate", "createSecret"])
@pytest.mark.parametrize("limit", ["Fail", "RetirePrevious"])
def test_a_key_that_readers_get_makes_no_room_for_another_one(stack: Stack, limit: str, caller: str) -> None:
    """AWSCURRENT was moved back by hand, as AWS advises to undo a rotation, and the next key can't be created."""
    properties = TWO_HOURS | {"OnKeyLimit": limit}
    stack.deploy("1", "2", **properties)
    read = next(key for key in stack.entry["keys"].values() if key["state"] == "replaced")
    stack.account.person.move_label(stack.secret_arn, "AWSCURRENT", read["version_id"])
    stack.account.clock.sleep(2 * DAY.total_seconds())
    stack.account.deny("iam:CreateAccessKey")
    match caller:
        case "Update":
            assert stack.deliver(stack.update(stack.properties("3", **properties))) == "FAILED"
            told = stack.answers[-1]["Reason"]
        case "Rotate":
            told = attempt(stack, {"Operation": "Rotate", "SecretId": stack.secret_arn}, "provider")
        case _:
            told = attempt(stack, stack.begin_rotation()("createSecret"))
    assert f"readers of the secret get {read['id']}" in told
    assert stack.current_key() == (read["id"], "Active")


def test_an_undo_after_an_undo_by_hand_says_what_to_do(stack: Stack) -> None:
    """AWSCURRENT was moved back by hand; following the advice, the undo is done."""
    stack.deploy("1", "2", **TWO_HOURS)
    versions = {key["state"]: key["version_id"] for key in stack.entry["keys"].values()}
    stack.account.person.move_label(stack.secret_arn, "AWSCURRENT", versions["replaced"])
    read = stack.current_key()
    told = attempt(stack, {"Operation": "Undo", "SecretId": stack.secret_arn}, "provider")
    assert f"readers of the secret get {read[0]} already" in told
    assert versions["current"] in told
    stack.account.person.move_label(stack.secret_arn, "AWSCURRENT", versions["current"])
    stack.operate("Undo")
    assert stack.current_key() == read


@pytest.mark.parametrize("hand", ["deactivate", "delete"])
@pytest.mark.parametrize("caller", ["cut-over", "cut-over, without grace", "Retire", "finishSecret"])
def test_the_previous_key_stays_active_while_the_current_one_does_not_work(
    stack: Stack, caller: str, hand: str
) -> None:
    """R20: a bot stops the current key right after the switch: nobody may stop the one before, all there is."""
    stack.deploy("1", GracePeriod="3600", CutOver="Deferred")
    previous = stack.current_key()[0]
    if caller == "finishSecret":
        event = stack.begin_rotation()
        for step in STEPS:
            stack.invoke(event(step), "worker")
    else:
        stack.deploy("2", GracePeriod="0" if "without" in caller else "3600", CutOver="Deferred")
    current = stack.current_key()[0]
    version = stack.entry["keys"][current]["version_id"]
    getattr(stack.account.person, f"{hand}_key")(current)
    stack.account.clock.sleep(2 * DAY.total_seconds())
    match caller:
        case "Retire":
            told = attempt(stack, {"Operation": "Retire", "SecretId": stack.secret_arn}, "provider")
            assert f"{previous} may be all that works: rotate, then retire" in told
        case "finishSecret":
            attempt(stack, event("finishSecret"))
        case _:
            assert stack.deliver(cut_over(stack, "Create", version)) == "SUCCESS"
            if hand == "deactivate":
                assert "the previous key is still Active" in stack.answers[-1]["Reason"]
    assert stack.keys()[previous] == "Active"
    stack.sweep()
    assert stack.keys()[previous] == "Active"
    if hand == "delete":
        stack.operate("Rotate")
    else:
        stack.account.person.set_key_status(current, "Active")
    stack.operate("Retire")
    assert stack.keys()[previous] == "Inactive"
    assert stack.current_key()[1] == "Active"


@pytest.mark.parametrize(
    "action",
    ["iam:UpdateAccessKey", "iam:ListAccessKeys", "sts:AssumeRole", "secretsmanager:DescribeSecret"],
)
def test_a_cut_over_fails_no_rollback(stack: Stack, action: str) -> None:
    """R9: the cut-over fails for good, which rolls the deployment back; its own rollback needs nothing of that."""
    properties = TWO_HOURS | {"CutOver": "Deferred"}
    stack.deploy("1", **properties)
    before, version = stack.current_key(), stack.answers[-1]["Data"]["SecretVersionId"]
    assert stack.deliver(cut_over(stack, "Create", version)) == "SUCCESS"
    update = stack.update(stack.properties("2", **properties))
    assert stack.deliver(update) == "SUCCESS"
    stack.account.deny("iam:UpdateAccessKey")
    assert stack.deliver(cut_over(stack, "Update", stack.answers[-1]["Data"]["SecretVersionId"])) == "FAILED"
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.account.deny(action)
    assert stack.deliver(cut_over(stack, "Update", version)) == "SUCCESS"
    assert stack.current_key() == before
    stack.account.allow_again()
    stack.sweep_for(4 * DAY)
    assert stack.keys() == {before[0]: "Active"}


def test_a_reached_limit_says_which_keys_are_in_use_by_others_of_the_stack(stack: Stack) -> None:
    """A construct is renamed while it has a previous key, and another one has the same user: no key is to spare."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous, current = sorted(stack.keys(), key=lambda key: str(stack.entry["keys"][key]["created"]))
    renamed = stack.event("Create", stack.properties("2", **TWO_HOURS), None, logical_id="Renamed")
    other = stack.event("Create", stack.properties("1", SecretArn=stack.other_arn), None, logical_id="Other")
    for create in (renamed, other):
        assert stack.deliver(create) == "FAILED"
        for key, role in ((previous, "previous"), (current, "current")):
            told = next(part for part in stack.answers[-1]["Reason"].split("; ") if f"{key} Active" in part)
            assert f"the {role} key of Key" in told


@pytest.mark.parametrize("by", ["deployment", "rotation"])
def test_a_delete_gives_no_secret_back_that_was_one_of_its_own(stack: Stack, by: str) -> None:
    """R9: the version before is that of a key which was deleted long ago; nothing may depend on moving AWSCURRENT."""
    stack.deploy("1", **TWO_HOURS)
    if by == "rotation":
        stack.rotate()
    else:
        stack.deploy("2", **TWO_HOURS)
    stack.sweep_for(3 * DAY)
    assert len(stack.keys()) == 1
    stack.account.deny(
        lambda call: call.name.endswith("UpdateSecretVersionStage") and call.parameters["VersionStage"] == "AWSCURRENT"
    )
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


def test_a_secret_that_is_given_back_can_be_rotated_by_somebody_else() -> None:
    """An AWSPENDING that was left on a version which is current no more would block every rotation from then on."""
    with Stack.on_fake_account("a value of somebody else") as stack:
        stack.deploy("1", **TWO_HOURS)
        stack.account.person.put_value(stack.secret_arn, "another one of somebody else")
        stack.rotate()
        stack.must(stack.delete())
        value = stack.account.client("secretsmanager").get_secret_value(SecretId=stack.secret_arn)["SecretString"]
        assert value == "another one of somebody else"
        stack.begin_rotation(ANOTHER_TOKEN)


@pytest.mark.parametrize("way", ["Rotate and Retire", "a schedule"])
def test_a_key_that_was_rotated_away_and_stopped_comes_back_with_no_deployment(stack: Stack, way: str) -> None:
    """R21: it leaked, was rotated away, and the new key of the same serial is deleted by mistake."""
    without_grace = {"GracePeriod": "0", "RetentionPeriod": "864000"}
    stack.deploy("1", **without_grace)
    leaked = stack.current_key()[0]
    if way == "a schedule":
        stack.rotate()
    else:
        stack.operate("Rotate")
        stack.operate("Retire")
    assert stack.keys()[leaked] == "Inactive"
    stack.account.person.delete_key(stack.current_key()[0])
    stack.deploy("1", Description="changed", **without_grace)
    assert stack.keys().get(leaked) != "Active"
    assert stack.current_key()[1] == "Active"


@pytest.mark.parametrize("gone", ["secret", "user"])
def test_retire_tells_what_is_gone_from_a_key_that_does_not_work(stack: Stack, gone: str) -> None:
    """Without the secret the current key works yet; without the user there is nothing to retire."""
    stack.deploy("1", "2", **TWO_HOURS)
    if gone == "secret":
        stack.account.person.delete_secret(stack.secret_arn)
    else:
        stack.account.person.delete_user("deploy")
    assert attempt(stack, {"Operation": "Retire", "SecretId": stack.secret_arn}, "provider") == ""
    if gone == "secret":
        assert sorted(stack.keys().values()) == ["Active", "Inactive"]
