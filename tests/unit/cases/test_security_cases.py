"""Rows S1 to S6 and S9 of `cases/security.md`, as far as they are about the function: what an attacker may try.

S7 and S8 are about the guards, S2 and S10 about what the constructs define.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.aws import FUNCTION, ProcessDeath, Role
from support.key_events import events
from support.stack import INVENTED_ID, ROLE_ARN, STEPS, SWEEP, TOKEN

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stack import Event, Stack

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TWO_HOURS = {"GracePeriod": "7200", "RetentionPeriod": "86400"}
INVENTED_STACK = "arn:aws:cloudformation:eu-central-1:123456789012:stack/attack/11111111-0000-1111-2222-333344445555"
MADE_UP_ROLE = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/made-up"
RETIRED = {"GracePeriod": "0", "RetentionPeriod": "864000"}


def attempt(stack: Stack, event: Any, function: str = "worker") -> str:
    """Hand an event to a function; return the message of the failure, or nothing."""
    try:
        stack.invoke(event, function)
    except (ProviderError, ValueError) as error:
        return str(error)
    return ""


def labels(stack: Stack) -> dict[str, list[str]]:
    """List the labels of each version of the secret."""
    described = stack.account.client("secretsmanager").describe_secret(SecretId=stack.secret_arn)
    found: dict[str, list[str]] = described["VersionIdsToStages"]
    return found


# --- S1: whoever may change a rule's target chooses the payload, of one function only


def payloads(stack: Stack) -> dict[str, tuple[Event, str]]:
    """Make one event of each kind, and say who takes it."""
    rotation = {"SecretId": stack.secret_arn, "ClientRequestToken": TOKEN, "RotationToken": "x"}
    operations = ("Show", "Undo", "Rotate", "Retire")
    return {
        "create": (stack.create(stack.properties("5")), "provider"),
        "update": (stack.update(stack.properties("5")), "provider"),
        "delete": (stack.delete(), "provider"),
        "sweep": (SWEEP, "worker"),
        "alarm": (stack.alarm(), "worker"),
        **{name: ({"Operation": name, "SecretId": stack.secret_arn}, "provider") for name in operations},
        **{step: ({"Step": step, **rotation}, "worker") for step in STEPS},
    }


KINDS = ("create", "update", "delete", "sweep", "alarm", "Show", "Undo", "Rotate", "Retire", *STEPS)


@pytest.mark.parametrize("kind", KINDS)
def test_s1_each_function_refuses_the_others_events(stack: Stack, kind: str) -> None:
    """S1: a rule's target gets a forged Delete, an operator's undo, or a sweep to the wrong function."""
    stack.deploy("1", "2", **TWO_HOURS)
    before = stack.entry, stack.keys(), len(stack.answers)
    event, function = payloads(stack)[kind]
    stack.account.log.clear()
    assert "does not take such an event" in attempt(stack, event, "worker" if function == "provider" else "provider")
    assert (stack.entry, stack.keys(), len(stack.answers)) == before
    assert stack.account.log.names() == []


@pytest.mark.parametrize(
    "event",
    [
        {"Operation": "Sweep", "RequestType": "Delete"},
        {"Operation": "Sweep", "SecretId": "other"},
        {"Operation": ["Sweep"]},
        {"Operation": {"Sweep": 1}},
        {"Operation": "sweep"},
        {"Step": "createSecret"},
        {"Records": [{"Sns": {"Message": json.dumps({"Operation": "Sweep"})}}]},
        [],
        None,
        "Sweep",
        7,
    ],
    ids=str,
)
def test_s1_what_a_rule_can_send_at_most_is_a_sweep(stack: Stack, event: Any) -> None:
    """S1: whatever the payload, at most what is due is done."""
    stack.deploy("1", "2", **TWO_HOURS)
    before = stack.keys(), stack.current_key()
    attempt(stack, event, "worker")
    assert (stack.keys(), stack.current_key()) == before


def test_s1_an_alarms_event_goes_back_within_the_grace_period_only(stack: Stack) -> None:
    """S1: what is left to whoever may send it."""
    stack.deploy("1", "2", **TWO_HOURS)
    current = stack.current_key()
    # The previous key is in use, so it stays Active when its grace period is over.
    stack.account.clock.sleep(3600)
    stack.account.person.use_key(*stack.keys().keys() - {current[0]})
    stack.sweep_for(timedelta(minutes=90))
    assert list(stack.keys().values()) == ["Active", "Active"]
    for _ in range(2):
        stack.invoke(stack.alarm(), "worker")
        stack.sweep()
    assert stack.current_key() == current


# --- S2, S3: what a session of another key, or a tag, can do


def test_s2_the_session_of_a_key_reaches_nothing_of_another(stack: Stack) -> None:
    """S2: every call in a session is about the one user and the one secret of its key."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.sweep_for(3 * DAY)
    stack.must(stack.delete())
    in_sessions = [call for call in stack.account.log.calls() if "assumed-role/shop-KeyRole" in call.principal]
    assert in_sessions
    for call in in_sessions:
        assert call.parameters.get("UserName", "deploy") == "deploy"
        assert call.parameters.get("SecretId", stack.secret_arn) == stack.secret_arn
        assert call.service in {"iam", "secretsmanager"}


@pytest.mark.parametrize("tag", ["\x1b[2J owner=me", "owner=", "x owner=" + "0" * 16, "9" * 200, "AKIA" * 40])
def test_s3_nothing_is_read_from_tags(stack: Stack, tag: str) -> None:
    """S3: tags of the user and the secret, with terminal escapes and all, are neither obeyed nor shown."""
    stack.deploy("1", "2", **TWO_HOURS)
    for key in stack.our_keys():
        user = stack.account.state.users["deploy"]
        user.tags.set(dict(user.tags.value) | {key.casefold(): (key, tag)}, stack.account.clock.now())
    stack.account.person.tag_secret(stack.secret_arn, "cdk-iam-access-key:provider", "another")
    report = stack.operate("Show")
    assert tag not in json.dumps(report)
    stack.sweep_for(3 * DAY)
    assert stack.current_key()[1] == "Active"
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


# --- S4: labels decide nothing that the ledger does not confirm


def test_s4_a_retired_key_that_is_made_current_by_a_label_is_reported_and_replaced(stack: Stack) -> None:
    """S4: AWSCURRENT is moved to a version whose key is retired."""
    stack.deploy("1", "2", **RETIRED)
    retired = next(key for key in stack.entry["keys"].values() if key["state"] == "inactive")
    stack.account.person.move_label(stack.secret_arn, "AWSCURRENT", retired["version_id"])
    stack.sweep_for(3 * DAY)
    assert stack.keys()[retired["id"]] == "Inactive"
    assert {event.detail["drift"] for event in events(stack.account, "Drift")} == {"current-version-moved"}
    with pytest.raises(ProviderError):
        stack.operate("Undo")
    stack.deploy("3", **RETIRED)
    assert stack.current_key()[1] == "Active"
    assert stack.keys().get(retired["id"], "deleted") != "Active"


@pytest.mark.parametrize("tagged", [False, True], ids=["label", "label and tag"])
@pytest.mark.parametrize("when", ["old", "new"])
def test_s4_an_unmanaged_key_does_not_become_ours_by_a_label(stack: Stack, when: str, *, tagged: bool) -> None:
    """S4: the label, or label and tag, of a person's key: it is never deactivated, deleted or tagged while we know."""
    if when == "old":
        theirs = stack.add_unmanaged_key("deploy")
        stack.account.clock.sleep(DAY.total_seconds())
    stack.deploy("1", **TWO_HOURS)
    if when == "new":
        stack.sweep_for(2 * DAY)
        theirs = stack.add_unmanaged_key("deploy")
        stack.account.clock.sleep(HOUR.total_seconds())
        stack.sweep_for(DAY)
    version = stack.account.person.put_value(stack.secret_arn, json.dumps({"accessKeyId": theirs}), "mine")
    stack.account.person.move_label(stack.secret_arn, theirs, version)
    owner = next(iter(stack.entry["claims"]))
    if tagged:
        stack.account.person.tag_user("deploy", theirs, f"shop/Key owner={owner}")
    stack.sweep_for(3 * DAY)
    assert stack.keys()[theirs] == "Active"
    assert theirs not in stack.entry["keys"]
    stack.must(stack.update(stack.properties("1", Description="changed", **TWO_HOURS)))
    stack.must(stack.delete())
    assert stack.keys() == {theirs: "Active"}


def test_s4_labels_that_are_taken_away_cost_nothing(stack: Stack) -> None:
    """S4, the other way round: our labels are removed, and Secrets Manager drops what has none."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.account.person.remove_own_labels(stack.secret_arn)
    stack.account.person.remove_deprecated_versions(stack.secret_arn)
    stack.sweep_for(3 * DAY)
    assert stack.current_key()[1] == "Active"
    stack.deploy("3", **TWO_HOURS)
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


def test_s4_as_many_labels_as_a_secret_takes_block_no_delete(stack: Stack) -> None:
    """S4: an attacker fills the secret with labels: the next key is refused, and everything can be undone."""
    stack.deploy("1", **TWO_HOURS)
    before = stack.current_key()
    for number in range(17):
        stack.account.person.put_value(stack.secret_arn, "{}", f"junk{number}")
    update = stack.update(stack.properties("2", **TWO_HOURS))
    if stack.deliver(update) == "FAILED":
        assert "quotas" in stack.answers[-1]["Reason"]
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == before
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


# --- S5: nothing that others can write is parsed without bounds

TIMES = (
    "9999-12-31T23:59:59+00:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "1" * 5000,
    "",
    "2026-01-02T03:04:05",
    "-",
)


@pytest.mark.parametrize("time", TIMES)
def test_s5_the_times_of_an_alarm_may_be_anything(stack: Stack, time: str) -> None:
    """S5: no overflow, and no alarm that is remembered for ever."""
    stack.deploy("1", "2", **TWO_HOURS)
    for where in ("startDate", "timestamp", "time"):
        alarm = stack.alarm()
        if where == "startDate":
            alarm["Event"]["detail"]["state"]["reasonData"] = json.dumps({"startDate": time})
        elif where == "timestamp":
            alarm["Event"]["detail"]["state"] |= {"reasonData": "", "timestamp": time}
        else:
            alarm["Event"]["detail"]["state"] |= {"reasonData": "", "timestamp": ""}
            alarm["Event"]["time"] = time
        said = attempt(stack, alarm)
        assert "unexpected" not in said
    stack.sweep_for(3 * DAY)
    assert stack.current_key()[1] == "Active"
    assert "undo_asked" not in stack.entry
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


@pytest.mark.parametrize("date", ["99991231T235959Z", "20261301T000000Z", "x" * 5000, ""])
def test_s5_the_date_of_a_request_may_be_anything(stack: Stack, date: str) -> None:
    """S5: a date of the far future shuts others out for no longer than two clocks may be apart, five minutes."""
    stack.deploy("1")
    for properties in (stack.properties("1", Description="a"), stack.properties("1", Description="b")):
        event = stack.update(properties)
        stack.must(event | {"ResponseURL": f"https://localhost/answer?X-Amz-Date={date}"})
        stack.account.clock.sleep(302)
    stack.deploy("2")
    stack.sweep_for(2 * DAY)
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda item: item["entry"]["M"].update(lease={"M": {"holder": {"S": "x"}, "until": {"S": "never"}}}),
        lambda item: item["entry"]["M"].update(claims={"S": "x"}),
        lambda item: item["entry"]["M"].update(history={"L": [{"S": "x" * 1000}]}),
        lambda item: item.update(entry={"S": "x"}),
        lambda item: item.pop("entry"),
        lambda item: item.update(schema={"N": "99"}),
        lambda item: item.update(version={"S": "x"}),
    ],
    ids=["a lease that never ends", "claims", "history", "no map", "nothing", "a later release", "version"],
)
def test_s5_an_entry_that_somebody_edited_stops_nobody_else(
    stack: Stack, spoil: Callable[[dict[str, Any]], object]
) -> None:
    """S5: it is refused in words, and the sweep goes on with the other secrets."""
    stack.deploy("1", "2", **TWO_HOURS)
    other = stack.event(
        "Create",
        stack.properties("1", UserName="vendor", SecretArn=stack.other_arn, **TWO_HOURS),
        None,
        logical_id="Other",
    )
    assert stack.deliver(other) == "SUCCESS"
    properties = other["ResourceProperties"]
    assert stack.deliver(stack.event("Update", properties | {"Serial": "2"}, stack.last_id, properties, "Other"))
    stack.account.person.change_entry(stack.secret_arn, spoil)
    # The one that was edited is due first.
    for _ in range(3 * 24):
        assert attempt(stack, SWEEP) == ""
        stack.account.clock.sleep(3600)
    assert len(stack.keys("vendor")) == 1
    status = stack.deliver(stack.update(stack.properties("2", Description="changed", **TWO_HOURS)))
    assert status == "SUCCESS" or "unexpected" not in stack.answers[-1]["Reason"]
    assert stack.current_key()[1] == "Active"


# --- S6: who may invoke the provider function


@pytest.mark.parametrize(
    "properties",
    [
        {"RemoveUnusedAfter": "0", "OnKeyLimit": "RemoveUnused"},
        {"RemoveUnusedAfter": "86399", "OnKeyLimit": "RemoveUnused"},
        {"OnKeyLimit": "RemoveAll"},
        {"AdoptedKey": "AKIA*"},
        {"GracePeriod": "-1"},
        {"GracePeriod": "7776001"},
        {"GracePeriod": "999999999"},
        {"GracePeriod": "1e9"},
        {"GracePeriod": "٣"},
        {"RetentionPeriod": "31536001"},
        {"RetireWhenUnusedFor": "31536001"},
        {"OverdueAfter": "31536001"},
        {"MaxActiveAge": "1"},
        {"RotationSchedule": "x" * 257},
        {"RotationSchedule": "rate(1 day)\n\x1b[2J"},
        {"CutOver": "Whatever"},
        {"UserName": "root"},
        {"UserName": "../deploy"},
        {"UserName": "deploy\n"},
        {"SecretArn": "arn:aws:secretsmanager:us-west-2:123456789012:secret:shop/deploy-AbCdEf"},
        {"RoleArn": "arn:aws:iam::123456789012:role/" + "x" * 700},
        {"RoleArn": "arn:aws:iam::123456789012:user/deploy"},
        {"Serial": ""},
        {"Serial": " "},
        {"Serial": "x" * 129},
        {"Status": "Expired"},
        {"Description": "x" * 234},
        {"Description": "\x1b[2J"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_s6_every_member_has_its_bounds(stack: Stack, kind: str, properties: dict[str, str]) -> None:
    """S6: rules of 31 years, an age of nothing, names that are none: refused, nothing done, nothing remembered."""
    stack.deploy("1", **TWO_HOURS)
    before, keys = stack.entry, stack.keys()
    stack.account.log.clear()
    asked = stack.properties("2") | properties
    event = stack.update(asked) if kind == "Update" else stack.event(kind, asked, None, logical_id="Attack")
    assert stack.deliver(event) == "FAILED"
    assert next(iter(properties)) in stack.answers[-1]["Reason"]
    assert "\x1b" not in stack.answers[-1]["Reason"]
    assert (stack.entry, stack.keys()) == (before, keys)
    assert stack.account.log.names() == []


@pytest.mark.parametrize("how", ["a made-up role", "the key's own role", "killed before it ends"])
def test_s6_a_create_with_an_invented_stack_does_not_block_the_real_key(stack: Stack, how: str) -> None:
    """S6: rotation, undo and retirement go on; the claim of nobody is forgotten."""
    stack.account.switches.unknown_roles = False
    stack.account.roles[ROLE_ARN] = Role(ROLE_ARN, "deploy", stack.secret_arn)
    stack.deploy("1", "2", **TWO_HOURS)
    current = stack.current_key()
    properties = stack.properties("9", RoleArn=ROLE_ARN if how == "the key's own role" else MADE_UP_ROLE)
    attack = stack.event("Create", properties, None, logical_id="Attack") | {"StackId": INVENTED_STACK}
    if how.startswith("killed"):
        stack.account.deny("sts:AssumeRole")
        stack.account.before.append(_die)
        stack.deliver(attack)
        stack.account.before.clear()
        stack.account.allow_again()
        stack.account.clock.sleep(120)
    else:
        assert stack.deliver(attack) == "FAILED"
    assert stack.current_key() == current
    stack.operate("Undo")
    assert stack.current_key()[1] == "Active"
    stack.sweep_for(4 * DAY)
    stack.rotate()
    assert stack.current_key()[1] == "Active"
    stack.sweep_for(4 * DAY)
    stack.deploy("3", **TWO_HOURS)
    stack.must(stack.delete())
    assert stack.keys() == {}


def _die(call: Any) -> None:
    """Let the process be killed when it assumes a role."""
    if call.name == "sts:AssumeRole":
        raise ProcessDeath(str(call))


def test_s6_any_number_of_invented_stacks_leaves_room_in_the_entry(stack: Stack) -> None:
    """S6: an item has 400 KB; claims beyond a number are refused until the first are forgotten."""
    stack.deploy("1", **TWO_HOURS)
    role = MADE_UP_ROLE + "x" * 600
    stack.account.deny("sts:AssumeRole")
    for number in range(70):
        properties = stack.properties("9" * 128, RoleArn=role, Description="x" * 233)
        attack = stack.event("Create", properties, None, logical_id=f"Attack{number}")
        assert stack.deliver(attack | {"StackId": INVENTED_STACK}) == "FAILED"
    stack.account.allow_again()
    assert len(json.dumps(stack.entry, default=str)) < 200_000
    assert len(stack.entry["claims"]) == 50
    stack.deploy("2", **TWO_HOURS)
    stack.sweep_for(3 * DAY)
    assert len(stack.entry["claims"]) == 1
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


def test_s6_a_forged_delete_of_another_resource_takes_nothing(stack: Stack) -> None:
    """S6: a Delete names a resource by its stack, its name, its user and its secret; another one has no keys."""
    stack.deploy("1", "2", **TWO_HOURS)
    keys = stack.keys()
    for changes in ({"StackId": INVENTED_STACK}, {"LogicalResourceId": "Other"}):
        forged = stack.delete() | changes
        for physical_id in (forged["PhysicalResourceId"], INVENTED_ID, "x" * 1024):
            stack.deliver(forged | {"PhysicalResourceId": physical_id})
            assert stack.keys() == keys


@pytest.mark.parametrize("member", ["PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId", "RequestType"])
def test_s6_an_id_of_five_megabytes_is_neither_logged_nor_answered(
    stack: Stack, capsys: pytest.CaptureFixture[str], member: str
) -> None:
    """S6: what is too long is refused, and the log stays short."""
    stack.deploy("1")
    event = stack.update(stack.properties("2")) | {member: "x" * 5_000_000}
    capsys.readouterr()
    assert "Operation must be one of" in attempt(stack, event, "provider")
    assert len(capsys.readouterr().out) < 500
    assert len(stack.answers) == 1
    assert len(stack.keys()) == 1


def test_s6_members_of_crhelper_are_not_obeyed(stack: Stack) -> None:
    """S6: crhelper's own members would make it poll, or make rules and permissions."""
    stack.deploy("1")
    stack.account.log.clear()
    event = stack.update(stack.properties("2")) | {
        "CrHelperPoll": True,
        "CrHelperData": {"PhysicalResourceId": "attack"},
        "CrHelperPermission": "x",
        "CrHelperRule": "x",
    }
    stack.deliver(event)
    assert stack.answers[-1]["PhysicalResourceId"] != "attack"
    services = {call.service for call in stack.account.log.calls()}
    assert services <= {"dynamodb", "events", "iam", "secretsmanager", "sts"}
    assert len(stack.keys()) <= 2


def test_s6_an_operation_names_a_secret_of_the_ledger_only(stack: Stack) -> None:
    """S6: no role, no user and no owner can be chosen by who invokes."""
    stack.deploy("1", "2", **TWO_HOURS)
    current = stack.current_key()
    for operation in ("Undo", "Rotate", "Retire", "Show"):
        said = attempt(
            stack,
            {"Operation": operation, "SecretId": stack.other_arn, "RoleArn": MADE_UP_ROLE, "UserName": "vendor"},
            "provider",
        )
        assert "the ledger has no entry" in said
    assert stack.current_key() == current
    assert stack.keys("vendor") == {}


# --- S9: every other access


def test_s9_put_resource_policy_can_deny_and_nothing_more(stack: Stack) -> None:
    """S9, `secretsmanager:PutResourcePolicy`: a lasting refusal, reported, and healed by itself."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.account.deny("secretsmanager:*")
    stack.sweep_for(3 * DAY)
    assert events(stack.account, "Upkeep Failed")
    stack.account.allow_again()
    stack.sweep_for(3 * DAY)
    stack.check_deployed(stack.known[1] if stack.known else None)


def test_s9_update_secret_can_replace_a_value_until_the_next_deployment(stack: Stack) -> None:
    """S9, `secretsmanager:UpdateSecret` and `PutSecretValue`: reported, no key is retired meanwhile, put right."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.account.person.put_value(stack.secret_arn, json.dumps({"accessKeyId": "AKIAATTACKERATTACKER"}))
    keys = stack.keys()
    stack.sweep_for(3 * DAY)
    assert stack.keys() == keys
    assert {event.detail["drift"] for event in events(stack.account, "Drift")} == {"current-version-moved"}
    stack.deploy("2", Description="changed", **TWO_HOURS)
    assert stack.current_key()[1] == "Active"


def test_s9_replicate_secret_to_regions_makes_a_replica_that_is_reported(stack: Stack) -> None:
    """S9, `secretsmanager:ReplicateSecretToRegions`: the primary is written on; a replica is refused in words."""
    stack.deploy("1", **TWO_HOURS)
    stack.account.person.replicate_from(stack.secret_arn, "us-west-2")
    assert stack.deliver(stack.update(stack.properties("2", **TWO_HOURS))) == "FAILED"
    assert "a replica: use the primary secret" in stack.answers[-1]["Reason"]
    stack.must(stack.delete())
    stack.check_nothing_of_ours()


def test_s9_create_access_key_can_take_a_slot_and_is_never_touched(stack: Stack) -> None:
    """S9, `iam:CreateAccessKey` on the user: the next key has no slot, the message names both."""
    stack.deploy("1", **TWO_HOURS)
    theirs = stack.add_unmanaged_key("deploy")
    update = stack.update(stack.properties("2", **TWO_HOURS))
    assert stack.deliver(update) == "FAILED"
    assert all(key in stack.answers[-1]["Reason"] for key in [*stack.our_keys(), theirs])
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.sweep_for(3 * DAY)
    assert stack.keys()[theirs] == "Active"
    stack.must(stack.delete())
    assert stack.keys() == {theirs: "Active"}


def test_s9_put_metric_data_can_ring_an_alarm_once_in_a_grace_period(stack: Stack) -> None:
    """S9, `cloudwatch:PutMetricData`: the previous key comes back within its grace; a second alarm changes nothing."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    stack.account.clock.sleep(60)
    for _ in range(3):
        stack.invoke(stack.alarm(), "worker")
        assert stack.current_key() == (previous, "Active")
        stack.account.clock.sleep(302)
    stack.sweep_for(3 * DAY)
    assert stack.current_key() == (previous, "Active")


def test_s9_the_function_asks_for_nothing_in_its_own_name_but_its_ledger(stack: Stack) -> None:
    """S9: whoever gets the function's role gets no key and no secret: those are in the keys' roles."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.rotate() if len(stack.keys()) == 1 else stack.operate("Undo")
    stack.sweep_for(3 * DAY)
    names = {call.name for call in stack.account.log.calls() if call.principal.endswith("/provider/provider")}
    assert names == {"sts:AssumeRole", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "events:PutEvents"}
    stack.account.deny("iam:*", FUNCTION)
    stack.account.deny("secretsmanager:*", FUNCTION)
    stack.deploy("3", **TWO_HOURS)
