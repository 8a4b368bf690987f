"""Faults: what fails, when, how often, and what the SDK makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from contract.fake_sessions import FOUR_TIMES, ONCE, ROLE, signed
from contract.subjects import refused, version
from fakes.aws import FakeAccount, ProcessDeath
from fakes.faults import (
    ACCESS_DENIED,
    CONFLICT,
    CONNECTION_LOST,
    FAULTS,
    KEY_REJECTED,
    NOT_FOUND,
    PROCESS_DEATH,
    SERVER_ERROR,
    THROTTLED,
    TIMED_OUT,
    UNREACHABLE,
)
from fakes.sts import Credentials

if TYPE_CHECKING:
    from fakes.calls import Call
    from fakes.faults import Fault, Phase

_WRITES: dict[str, dict[str, Any]] = {
    "dynamodb:PutItem": {"TableName": "ledger", "Item": {"secretArn": {"S": "new"}}},
    "dynamodb:DeleteItem": {"TableName": "ledger", "Key": {"secretArn": {"S": "old"}}},
    "iam:CreateAccessKey": {"UserName": "deploy"},
    "iam:UpdateAccessKey": {"UserName": "deploy", "AccessKeyId": "", "Status": "Inactive"},
    "iam:DeleteAccessKey": {"UserName": "deploy", "AccessKeyId": ""},
    "iam:TagUser": {"UserName": "deploy", "Tags": [{"Key": "AKIA", "Value": "v"}]},
    "iam:UntagUser": {"UserName": "deploy", "TagKeys": ["AKIAOLD"]},
    "secretsmanager:PutSecretValue": {"SecretId": "s", "SecretString": "w", "ClientRequestToken": version(2)},
    "secretsmanager:UpdateSecretVersionStage": {"SecretId": "s", "VersionStage": "two", "MoveToVersionId": version(1)},
}


def prepared() -> FakeAccount:
    """Make an account in which every write would change something."""
    account = FakeAccount()
    account.switches.deletions_of_active_keys = True
    account.person.make_user("deploy")
    account.person.make_key("deploy")
    account.person.tag_user("deploy", "AKIAOLD", "v")
    secrets = account.client("secretsmanager")
    secrets.create_secret(Name="s", SecretString="v", ClientRequestToken=version(1))
    account.person.make_table("ledger")
    account.person.change_entry("old", lambda item: item)
    return account


def perform(account: FakeAccount, name: str, attempts: Any = ONCE) -> None:
    """Make one of the writes."""
    service, action = name.split(":")
    parameters = dict(_WRITES[name])
    if "AccessKeyId" in parameters:
        parameters["AccessKeyId"] = next(iter(account.state.users["deploy"].keys))
    of_function = service == "dynamodb"
    client = account.client_of(service, config=attempts) if of_function else signed(account, service, attempts)
    getattr(client, xform_name(action))(**parameters)


def call_of(name: str) -> Call:
    """Make a call of that name, to ask faults about."""
    account = prepared()
    perform(account, name)
    return account.log.entries[-1]


@pytest.mark.parametrize("name", _WRITES)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_before_means_nothing_was_done_and_after_means_all(fault: Fault, name: str) -> None:
    """Each fault at each write, at each end where it can happen."""
    if not fault.applies_to(call_of(name)):
        pytest.skip(f"{name} has no such answer")
    for phase in fault.phases:
        account = prepared()
        injection = account.fail(fault, 0, phase=phase)
        before = account.state.revision
        with pytest.raises((ClientError, BotoCoreError, ProcessDeath)):
            perform(account, name)
        assert injection.fired == 1
        assert (account.state.revision != before) == (phase == "after")
        (call,) = account.log.entries
        assert (call.carried_out, call.wrote) == (phase == "after", phase == "after")
        assert call.outcome not in {None, "OK"}


def test_every_write_can_fail_in_every_way() -> None:
    """No class of errors is missing for any write."""
    missing = {(str(fault), name) for name in _WRITES for fault in FAULTS if not fault.applies_to(call_of(name))}
    assert missing == set()


@pytest.mark.parametrize("fault", [THROTTLED, ACCESS_DENIED, NOT_FOUND, CONFLICT, UNREACHABLE, KEY_REJECTED], ids=str)
def test_a_refusal_can_not_come_after(account: FakeAccount, fault: Fault) -> None:
    """What AWS refuses it has not done."""
    with pytest.raises(ValueError, match="can't happen after"):
        account.fail(fault, 0, phase="after")


def test_a_fault_that_a_call_can_not_have_is_told(account: FakeAccount) -> None:
    """A test that asks for the impossible is wrong."""
    account.fail(NOT_FOUND, "sts:AssumeRole")
    with pytest.raises(ValueError, match="can't fail with not found"):
        account.client_of("sts", config=ONCE).assume_role(RoleArn=ROLE, RoleSessionName="test")


def test_nothing_catches_the_death_of_a_process(account: FakeAccount) -> None:
    """It is no `Exception`."""
    account.fail(PROCESS_DEATH, "iam:ListAccessKeys")
    with pytest.raises(ProcessDeath) as death:
        signed(account, "iam", FOUR_TIMES).list_access_keys(UserName="deploy")
    assert not isinstance(death.value, Exception)
    assert len(account.log.entries) == 1


@pytest.mark.parametrize("fault", [CONNECTION_LOST, TIMED_OUT, UNREACHABLE, SERVER_ERROR, THROTTLED], ids=str)
def test_the_sdk_sends_again_what_may_succeed(account: FakeAccount, fault: Fault) -> None:
    """Four times in all, with growing pauses; then the provider sees it."""
    account.fail(fault, 0)
    began = account.clock.now()
    with pytest.raises((ClientError, BotoCoreError)):
        signed(account, "iam", FOUR_TIMES).list_access_keys(UserName="deploy")
    assert [(call.index, call.attempt) for call in account.log.entries] == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert (account.clock.now() - began).total_seconds() == pytest.approx(4 * fault.seconds + 1 + 2 + 4 + 4 * 0.05)
    assert account.log.names() == ["iam:ListAccessKeys"]


def test_the_sdk_does_not_send_again_what_was_refused(account: FakeAccount) -> None:
    """Nor does it when it is told to send once."""
    account.fail(ACCESS_DENIED, 0)
    with refused("AccessDenied"):
        signed(account, "iam", FOUR_TIMES).list_access_keys(UserName="deploy")
    account.fail(SERVER_ERROR, 1)
    with refused("ServiceFailure"):
        signed(account, "iam", ONCE).list_access_keys(UserName="deploy")
    assert [call.attempt for call in account.log.entries] == [1, 1]


def test_a_passing_fault_is_not_seen(account: FakeAccount) -> None:
    """One attempt fails, the SDK's next one succeeds."""
    injection = account.fail(SERVER_ERROR, 0, attempts=1)
    assert signed(account, "iam", FOUR_TIMES).list_access_keys(UserName="deploy")["AccessKeyMetadata"] == []
    assert injection.fired == 1
    assert [call.outcome for call in account.log.entries] == ["ServiceFailure", "OK"]


def test_a_lost_answer_makes_the_sdk_act_twice(account: FakeAccount) -> None:
    """Two keys where CreateAccessKey is sent again, and a refusal where a swap was done already."""
    account.fail(CONNECTION_LOST, 0, phase="after", attempts=1)
    made = signed(account, "iam", FOUR_TIMES).create_access_key(UserName="deploy")["AccessKey"]["AccessKeyId"]
    living = [key.id for key in account.state.users["deploy"].living_keys()]
    assert len(living) == 2
    assert living[1] == made
    arn = account.person.make_secret("s", "one")
    first, second = account.person.put_value(arn, "two"), account.person.put_value(arn, "three")
    account.fail(TIMED_OUT, 1, phase="after", attempts=1)
    with refused("InvalidParameterException"):
        signed(account, "secretsmanager", FOUR_TIMES).update_secret_version_stage(
            SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
        )
    assert account.state.secrets[arn].labels.value == {"AWSCURRENT": first, "AWSPREVIOUS": second}


@pytest.mark.parametrize(
    ("chosen", "failing"),
    [
        ({"at": 2}, [2]),
        ({"at": "iam:ListUserTags"}, [1]),
        ({"at": "iam:ListUserTags", "nth": 2}, [3]),
        ({"at": "iam:ListUserTags", "nth": 2, "times": 2}, [3, 5]),
        ({"at": "iam:ListAccessKeys", "times": None}, [0, 2, 4]),
        ({"at": lambda call: call.index > 3, "times": None}, [4, 5]),
        ({"at": 99}, []),
    ],
    ids=["index", "name", "second", "two", "all", "function", "none"],
)
def test_calls_are_chosen(account: FakeAccount, chosen: dict[str, Any], failing: list[int]) -> None:
    """By index, by name, by what tells; from the nth on, so many times."""
    injection = account.fail(ACCESS_DENIED, **chosen)
    iam = signed(account, "iam")
    for _ in range(3):
        for method in (iam.list_access_keys, iam.list_user_tags):
            try:
                method(UserName="deploy")
            except ClientError:
                continue
    assert [call.index for call in account.log.entries if call.outcome != "OK"] == failing
    assert injection.fired == len(failing)


def test_a_fault_that_is_over_does_not_come_back(account: FakeAccount) -> None:
    """Also if the log is cleared, and the numbers of calls begin again."""
    injection = account.fail(ACCESS_DENIED, "iam:ListAccessKeys")
    iam = signed(account, "iam")
    with refused("AccessDenied"):
        iam.list_access_keys(UserName="deploy")
    account.log.clear()
    iam.list_user_tags(UserName="deploy")
    iam.list_access_keys(UserName="deploy")
    assert [call.index for call in account.log.entries] == [0, 1]
    assert injection.fired == 1


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_fault_at_both_ends(account: FakeAccount, phase: Phase) -> None:
    """The same call without a fault succeeds afterwards."""
    account.fail(SERVER_ERROR, 0, phase=phase)
    iam = signed(account, "iam")
    with refused("ServiceFailure", status=500):
        iam.create_access_key(UserName="deploy")
    account.heal()
    iam.create_access_key(UserName="deploy")
    assert len(account.state.users["deploy"].living_keys()) == (1 if phase == "before" else 2)


def test_a_new_key_can_flap(account: FakeAccount) -> None:
    """Accepted, rejected, accepted: endpoints learn of a key one after the other."""
    key = account.person.make_key("deploy")
    secret = account.state.users["deploy"].keys[key].secret
    account.fail(KEY_REJECTED, "sts:GetCallerIdentity", nth=2)
    sts = account.client_of("sts", Credentials(key, secret), ONCE)
    assert sts.get_caller_identity()["Arn"].endswith("user/deploy")
    with refused("InvalidClientTokenId", status=403):
        sts.get_caller_identity()
    assert sts.get_caller_identity()["Arn"].endswith("user/deploy")
