"""Rows A1 to A15 of `cases/aws.md`, as far as they are about the function: where real AWS differs from what is assumed.

A5 and A14 are about the guards and the constructs, A6, A9, A10 and A12 about what is deployed or documented.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from fakes.aws import Role
from fakes.errors import client_error
from support.key_events import events
from support.stack import ROLE_ARN, STEPS

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.calls import Call
    from support.stack import Event, Stack

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TWO_HOURS = {"GracePeriod": "7200", "RetentionPeriod": "86400"}
IAM_HOME = "us-east-1"


def attempt(stack: Stack, event: Event, function: str = "worker") -> str:
    """Hand an event to a function; return the message of the failure, or nothing."""
    try:
        stack.invoke(event, function)
    except ProviderError as error:
        return str(error)
    return ""


def time_of(stack: Stack, name: str, which: int) -> datetime:
    """Tell when a call was made; the last one is -1."""
    return [call for call in stack.account.log.calls() if call.name == name][which].time


def test_a1_every_event_has_the_one_source_that_the_role_may_use(stack: Stack) -> None:
    """A1: `events:source` is a condition on every entry of a call; none may have another one."""
    stack.deploy("1", "2", **TWO_HOURS)
    stack.sweep_for(3 * DAY)
    stack.must(stack.delete())
    assert {entry["Source"] for entry in stack.account.state.events} == {"cdk-iam-access-key"}


@pytest.mark.parametrize("region", ["eu-central-1", IAM_HOME])
@pytest.mark.parametrize("how", ["deployment", "rotation", "operator"])
def test_a2_a_key_is_published_only_when_it_works_here_and_in_iams_home(stack: Stack, region: str, how: str) -> None:
    """A2: one endpoint refuses the new key some more times, and then it settles."""
    stack.deploy("1", **TWO_HOURS)
    stack.account.switches.new_key_rejections_in = {region: 5}
    stack.account.log.clear()
    make_new_key(stack, how)
    proofs = [call for call in stack.account.log.calls() if call.name == "sts:GetCallerIdentity"]
    assert [call.outcome for call in proofs if call.region == region].count("InvalidClientTokenId") == 5
    assert {call.region for call in proofs if call.outcome == "OK"} == {"eu-central-1", IAM_HOME}
    settled = time_of(stack, "secretsmanager:UpdateSecretVersionStage", 0) - proofs[-1].time
    assert settled >= timedelta(seconds=10)


def make_new_key(stack: Stack, how: str) -> None:
    """Rotate in one of the three ways."""
    if how == "deployment":
        stack.deploy("2", **TWO_HOURS)
    elif how == "rotation":
        stack.rotate()
    else:
        stack.operate("Rotate")


@pytest.mark.parametrize("seconds", ["0", "60"])
def test_a2_the_settling_time_can_be_set(stack: Stack, monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    """A2: from nothing to a minute."""
    monkeypatch.setenv("SETTLING_SECONDS", seconds)
    stack.deploy("1", "2", **TWO_HOURS)
    settled = time_of(stack, "secretsmanager:UpdateSecretVersionStage", 0) - time_of(stack, "sts:GetCallerIdentity", -1)
    assert timedelta(seconds=int(seconds)) <= settled < timedelta(seconds=int(seconds) + 2)


@pytest.mark.parametrize("how", ["deployment", "rotation", "operator"])
@pytest.mark.parametrize("region", ["eu-central-1", IAM_HOME])
def test_a2_a_key_that_never_works_somewhere_is_removed(stack: Stack, how: str, region: str) -> None:
    """A2: the proof fails in one region; the key that was current stays."""
    stack.deploy("1", **TWO_HOURS)
    before = stack.current_key(), stack.keys()
    stack.account.switches.new_key_rejections_in = {region: 10_000}
    try:
        make_new_key(stack, how)
    except (ProviderError, AssertionError):
        pass
    else:
        pytest.fail("it succeeded")
    assert (stack.current_key(), stack.keys()) == before


@pytest.mark.parametrize("between", ["deployments", "retirement", "rotation", "delete"])
def test_a3_tags_that_somebody_removes_or_adds_change_nothing(stack: Stack, between: str) -> None:
    """A3: Terraform, an aspect or an operator removes every tag of the user and the secret, and sets others."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    for name in ("deploy", "vendor"):
        stack.account.person.untag_user(name)
        stack.account.person.tag_user(name, previous, "anything at all owner=me")
    stack.account.person.untag_secret(stack.secret_arn)
    stack.account.person.tag_secret(stack.secret_arn, "cdk-iam-access-key:owner", "me")
    if between == "deployments":
        stack.sweep_for(4 * DAY)
        stack.deploy("3", **TWO_HOURS)
    elif between == "rotation":
        stack.sweep_for(4 * DAY)
        stack.rotate()
    if between == "delete":
        stack.must(stack.delete())
        stack.check_nothing_of_ours()
        return
    stack.sweep_for(4 * DAY)
    assert previous not in stack.our_keys()
    assert stack.current_key()[1] == "Active"
    assert len(stack.keys()) == 1


def test_a3_a_description_that_was_refused_is_set_later(stack: Stack) -> None:
    """A3, with a tag policy that is lifted: the sweep sets what the console shows."""
    stack.account.deny("iam:TagUser")
    stack.deploy("1", Description="shop deployment")
    stack.sweep_for(2 * DAY)
    stack.account.allow_again()
    stack.sweep_for(2 * DAY)
    tags = stack.account.client("iam").list_user_tags(UserName="deploy")["Tags"]
    assert [(tag["Key"], tag["Value"].split(" owner=")[0]) for tag in tags] == [
        (stack.current_key()[0], "shop deployment")
    ]


@pytest.mark.parametrize(("assume", "calls"), [(10, 0), (0, 10), (8, 8)])
def test_a4_a_role_that_works_a_minute_late_fails_no_deployment(stack: Stack, assume: int, calls: int) -> None:
    """A4: CloudFormation starts the key before its role works everywhere."""
    stack.account.roles[ROLE_ARN] = Role(
        ROLE_ARN, "deploy", stack.secret_arn, assume_denials=assume, call_denials=calls
    )
    began = stack.account.clock.now()
    stack.deploy("1")
    assert stack.account.clock.now() - began > 30 * timedelta(seconds=1)
    stack.check_deployed(stack.known[1] if stack.known else None)


def test_a4_the_same_for_the_role_of_a_replacement_and_for_a_cut_over(stack: Stack) -> None:
    """A4, with an Update that brings a new role, and one that comes with it."""
    stack.deploy("1")
    other = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/another"
    stack.account.roles[other] = Role(other, "vendor", stack.secret_arn, assume_denials=6, call_denials=6)
    stack.must(stack.update(stack.properties("1", UserName="vendor", RoleArn=other)))


def test_a7_a_schedule_that_changes_while_a_rotation_is_unfinished(stack: Stack) -> None:
    """A7: see R18; the schedule may also go away for good."""
    stack.account.person.set_rotation(stack.secret_arn, enabled=True)
    stack.deploy("1", RotationSchedule="rate(30 days)")
    step = stack.begin_rotation()
    attempt(stack, step("createSecret"))
    stack.deploy("1")
    labels = stack.account.client("secretsmanager").describe_secret(SecretId=stack.secret_arn)["VersionIdsToStages"]
    assert not any("AWSPENDING" in names for names in labels.values())
    assert [bool(attempt(stack, step(name))) for name in STEPS[1:]] == [True, True, True]
    stack.check_deployed(stack.known[1] if stack.known else None)


@pytest.mark.parametrize(
    "written",
    [
        lambda time: f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}+0000",
        lambda time: f"{time:%Y-%m-%dT%H:%M:%SZ}",
        lambda time: time.isoformat(),
    ],
    ids=["as CloudWatch writes it", "zulu", "iso"],
)
def test_a8_an_alarm_counts_from_when_its_data_began(stack: Stack, written: Callable[[datetime], str]) -> None:
    """A8: `startDate` decides, not when the alarm went off."""
    stack.deploy("1", "2", **TWO_HOURS)
    current = stack.current_key()
    now = stack.account.clock.now()
    stack.account.clock.sleep(60)
    before, after = stack.alarm(), stack.alarm()
    for alarm, began in ((before, now - HOUR), (after, now + MINUTE / 2)):
        alarm["Event"]["detail"]["state"]["reasonData"] = json.dumps({"version": "1.0", "startDate": written(began)})
    stack.invoke(before, "worker")
    assert stack.current_key() == current
    stack.invoke(after, "worker")
    assert stack.current_key() != current


def test_a8_a_composite_alarm_counts_from_when_its_alarms_went_off(stack: Stack) -> None:
    """A8: its own time is that of its last event, minutes later if something suppresses its actions."""
    stack.deploy("1", **TWO_HOURS)
    before = stack.account.clock.now()
    stack.deploy("2", **TWO_HOURS)
    current = stack.current_key()
    stack.account.clock.sleep(60)
    late = stack.account.clock.now()
    for triggers, undone in (((late, before), False), ((late,), True)):
        alarm = stack.alarm()
        states = [{"arn": "arn", "state": {"value": "ALARM", "timestamp": time.isoformat()}} for time in triggers]
        alarm["Event"]["detail"]["state"]["reasonData"] = json.dumps({"triggeringAlarms": [*states, {}, None]})
        stack.invoke(alarm, "worker")
        assert (stack.current_key() != current) == undone


@pytest.mark.parametrize("data", [None, "", "no json", "[]", json.dumps({"startDate": 5}), json.dumps({"x": 1})])
def test_a8_an_alarm_without_a_start_counts_from_when_it_went_off(stack: Stack, data: str | None) -> None:
    """A8: its state's time has to do."""
    stack.deploy("1", **TWO_HOURS)
    early = stack.alarm()
    stack.deploy("2", **TWO_HOURS)
    current = stack.current_key()
    stack.account.clock.sleep(60)
    late = stack.alarm()
    for alarm in (early, late):
        alarm["Event"]["detail"]["state"]["reasonData"] = data
    stack.invoke(early, "worker")
    assert stack.current_key() == current
    stack.invoke(late, "worker")
    assert stack.current_key() != current


@pytest.mark.parametrize("unused", [{}, {"RetireWhenUnusedFor": "86400"}], ids=["", "unused for a day"])
@pytest.mark.parametrize("lag", [0, 3600, 4 * 3600])
def test_a11_the_proof_is_no_use_of_a_key_however_late_iam_tells_it(
    stack: Stack, lag: int, unused: dict[str, str]
) -> None:
    """A11: the last use that IAM knows of is our own proof; the key is retired as if it was never used."""
    stack.account.switches.last_use_seconds = lag
    stack.deploy("1", "2", **TWO_HOURS, **unused)
    stack.sweep_for(DAY, every=HOUR)
    assert events(stack.account, "Retirement Postponed") == []
    assert list(stack.keys().values()).count("Inactive") == 1


def test_a11_a_use_that_iam_tells_late_holds_a_key_back_as_soon_as_it_is_told(stack: Stack) -> None:
    """A11, with somebody who uses the previous key by STS as well: only the proof's own minute is no use."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    stack.account.clock.sleep(3600)
    stack.account.person.use_key(previous, service="sts")
    stack.sweep_for(2 * HOUR, every=HOUR)
    assert stack.keys()[previous] == "Active"
    assert events(stack.account, "Retirement Postponed")


@pytest.mark.parametrize("service", ["ses-smtp", "s3", "N/A"])
def test_a11_any_service_counts(stack: Stack, service: str) -> None:
    """A11: a mail server's use is told as `ses-smtp`."""
    stack.deploy("1", "2", **TWO_HOURS)
    previous = stack.entry["history"][0].split()[-1]
    stack.account.clock.sleep(3600)
    stack.account.person.use_key(previous, service=service)
    stack.sweep_for(2 * HOUR, every=HOUR)
    assert stack.keys()[previous] == "Active"


def test_a12_a_secret_bears_one_label_a_key_and_awss_own(stack: Stack) -> None:
    """A12: each label that moves makes an event of Secrets Manager; ours are few, and go with their keys."""
    stack.deploy("1", "2", **(TWO_HOURS | {"RetentionPeriod": "3600"}))
    for number in range(6):
        stack.sweep_for(2 * DAY)
        stack.rotate(f"00000000-0000-4000-9000-{number:012}")
    labels = stack.account.client("secretsmanager").describe_secret(SecretId=stack.secret_arn)["VersionIdsToStages"]
    names = sorted(name for found in labels.values() for name in found if not name.startswith("AWS"))
    assert names == sorted(stack.keys())


@pytest.mark.parametrize("whose", ["current", "previous", "unmanaged"])
def test_a13_a_status_that_nobody_knows_is_not_taken_for_one_of_two(stack: Stack, whose: str) -> None:
    """A13: IAM's model has a third status, `Expired`: the key does not work, and is no reason to fail or delete."""
    stack.deploy("1", *(["2"] if whose == "previous" else []), **TWO_HOURS)
    key = {
        "current": lambda: stack.current_key()[0],
        "previous": lambda: stack.entry["history"][0].split()[-1],
        "unmanaged": lambda: stack.account.person.make_key("deploy"),
    }[whose]()
    found, user = stack.account.state.keys[key]
    stack.account.clock.sleep(3600)
    stack.account.person.use_key(key)
    found.status.set("Expired", stack.account.clock.now())
    assert user.name == "deploy"
    stack.sweep_for(3 * HOUR)
    if whose == "previous":
        assert events(stack.account, "Retirement Postponed") == []
        stack.sweep_for(3 * DAY)
        assert key not in stack.our_keys()
        return
    assert stack.keys()[key] == "Expired"
    if whose == "current":
        stack.sweep_for(DAY)
        (told,) = events(stack.account, "Drift")
        assert (told.detail["drift"], told.detail["status"]) == ("current-key-status", "Expired")
        stack.deploy("2", **TWO_HOURS)
        assert stack.current_key()[1] == "Active"
    else:
        stack.deploy("1", **(TWO_HOURS | {"Description": "changed"}))
        stack.must(stack.delete())
        assert stack.keys() == {key: "Expired"}


def test_a15_a_delete_whose_role_is_gone_names_the_key_that_is_left(stack: Stack) -> None:
    """A15: an engine deletes the old role before the old key: the claim stays, and the sweep reports it daily."""
    stack.account.roles[ROLE_ARN] = Role(ROLE_ARN, "deploy", stack.secret_arn)
    stack.account.switches.unknown_roles = False
    stack.deploy("1")
    other = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/another"
    stack.account.roles[other] = Role(other, "vendor", stack.secret_arn)
    old = stack.delete()
    stack.must(stack.update(stack.properties("1", UserName="vendor", RoleArn=other)))
    (left,) = stack.keys("deploy")
    del stack.account.roles[ROLE_ARN]
    stack.deliver(old)
    answer = stack.answers[-1]
    assert answer["Status"] == "FAILED"
    assert left in answer["Reason"]
    assert f"sts:AssumeRole on {ROLE_ARN}" in answer["Reason"]
    assert "was the role deleted" in answer["Reason"]
    stack.sweep_for(5 * DAY)
    assert 4 <= len(events(stack.account, "Upkeep Failed")) <= 7
    assert stack.current_key()[1] == "Active"
    stack.account.roles[ROLE_ARN] = Role(ROLE_ARN, "deploy", stack.secret_arn)
    stack.sweep_for(2 * DAY)
    assert stack.keys("deploy") == {}
    assert len(events(stack.account, "Upkeep Recovered")) == 1


# --- what apps do at deploy, as the function sees it


def test_c1_the_old_key_goes_with_the_old_role(stack: Stack) -> None:
    """C1: a new user comes with a new role; the Delete of the old id has the old properties."""
    stack.account.switches.unknown_roles = False
    stack.account.roles[ROLE_ARN] = Role(ROLE_ARN, "deploy", stack.secret_arn)
    other = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/another"
    stack.account.roles[other] = Role(other, "vendor", stack.secret_arn)
    stack.deploy("1")
    old = stack.delete()
    stack.must(stack.update(stack.properties("1", UserName="vendor", RoleArn=other)))
    assert stack.last_id != old["PhysicalResourceId"]
    assert stack.deliver(old) == "SUCCESS"
    stack.check_deployed(stack.known[1] if stack.known else None)


@pytest.mark.parametrize(
    ("break_it", "resource", "question"),
    [
        (lambda stack: allow_only(stack, user="/team/deploy"), "user deploy", "has the user a path"),
        (lambda stack: allow_only(stack, secret="another"), "secret:shop/deploy", "six characters at the end"),
        (lambda stack: stack.account.roles.clear(), ROLE_ARN, "something change its path"),
    ],
    ids=["user with a path", "secret without its suffix", "role path changed by an aspect"],
)
def test_c3_a_create_that_iam_refuses_names_resource_and_action_and_is_rolled_back(
    stack: Stack, break_it: Callable[[Stack], None], resource: str, question: str
) -> None:
    """C3: ROLLBACK_COMPLETE, and the message asks about the likely reason."""
    stack.account.switches.unknown_roles = False
    break_it(stack)
    create = stack.create(stack.properties())
    assert stack.deliver(create) == "FAILED"
    reason = stack.answers[-1]["Reason"]
    assert resource in reason
    assert question in reason
    assert any(action in reason for action in ("iam:ListAccessKeys", "secretsmanager:DescribeSecret", "sts:AssumeRole"))
    assert stack.deliver(stack.event("Delete", create["ResourceProperties"], stack.last_id)) == "SUCCESS"
    assert stack.keys() == {}


def allow_only(stack: Stack, user: str = "deploy", secret: str = "") -> None:
    """Give the key's role a policy that names another resource than the one that is meant."""
    stack.account.roles[ROLE_ARN] = Role(ROLE_ARN, user, secret or stack.secret_arn)


@pytest.mark.parametrize(
    ("quoted", "who"),
    [
        ("with an explicit deny in a service control policy", "by a service control policy"),
        ("with an explicit deny in a resource control policy", "by a resource control policy"),
        ("because no permissions boundary allows the action", "by the permissions boundary"),
        ("with an explicit deny in a resource-based policy", "by the policy of the resource"),
        ("because no VPC endpoint policy allows the action", "by the policy of a VPC endpoint"),
        ("because no identity-based policy allows the action", "has the user a path"),
    ],
)
def test_c3_a_message_says_who_denies(stack: Stack, quoted: str, who: str) -> None:
    """C3: in AWS's words and in ours."""

    def hook(call: Call) -> None:
        if call.name == "iam:ListAccessKeys":
            said = f"User: arn:aws:sts::123456789012:assumed-role/x is not authorized to perform: {call.name} {quoted}"
            raise client_error("iam", "ListAccessKeys", "AccessDenied", said)

    stack.account.before.append(hook)
    assert stack.deliver(stack.create(stack.properties())) == "FAILED"
    reason = stack.answers[-1]["Reason"]
    assert "iam:ListAccessKeys on user deploy was denied" in reason
    assert who in reason
    assert quoted in reason


def test_c3_a_message_that_is_cut_names_the_keys_that_are_left(stack: Stack) -> None:
    """C3, with long names: what is left comes before what AWS says."""
    role = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/" + "r" * 600
    stack.deploy("1", RoleArn=role)
    key = stack.current_key()[0]
    stack.account.deny("sts:AssumeRole")
    assert stack.deliver(stack.delete()) == "FAILED"
    assert key in stack.answers[-1]["Reason"]


def test_c7_fifty_keys_of_one_function_are_swept_each(stack: Stack) -> None:
    """C7: nothing of a function is a key's; a sweep finds what is due of fifty."""
    secrets = []
    for number in range(50):
        stack.account.person.make_user(f"user{number}")
        secrets.append(stack.account.person.make_secret(f"shop/{number}"))
        properties = stack.properties("1", UserName=f"user{number}", SecretArn=secrets[-1], **TWO_HOURS)
        create = stack.event("Create", properties, None, logical_id=f"Key{number}")
        assert stack.deliver(create) == "SUCCESS"
        update = stack.event("Update", properties | {"Serial": "2"}, stack.last_id, properties, f"Key{number}")
        assert stack.deliver(update) == "SUCCESS"
    for _ in range(60):
        stack.sweep(HOUR)
    assert all(len(stack.keys(f"user{number}")) == 1 for number in range(50))


@pytest.mark.parametrize("kind", ["Create", "Update", "rotation"])
@pytest.mark.parametrize(
    "action",
    [
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "iam:CreateAccessKey",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
    ],
)
def test_a4_a_policy_that_one_action_knows_later_than_the_others_fails_nothing(
    stack: Stack, action: str, kind: str
) -> None:
    """A4: a policy spreads from host to host, so a call may be denied after others were allowed; so may the ledger."""
    if kind != "Create":
        stack.deploy("1")
    denied: list[str] = []

    def is_late(call: Call) -> bool:
        late = call.name == action and len(denied) < 4
        denied.extend([call.name] * late)
        return late

    stack.account.deny(is_late)
    if kind == "rotation":
        stack.rotate()
    else:
        stack.deploy("2")
    assert len(stack.our_keys()) == (1 if kind == "Create" else 2)
    assert stack.current_key()[1] == "Active"


def test_a4_a_tag_that_is_denied_holds_no_deployment_up(stack: Stack) -> None:
    """A4, the other way round: nothing waits for what nothing depends on."""
    stack.account.deny("iam:TagUser")
    began = stack.account.clock.now()
    stack.deploy("1")
    assert stack.account.clock.now() - began < timedelta(minutes=1)
