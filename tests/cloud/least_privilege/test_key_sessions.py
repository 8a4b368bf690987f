"""What a session of a key's role can't do: on other keys, with other roles, in other groups and on other buses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cloud.least_privilege.attempts import ATTEMPTS, Schedule, denied, refused
from cloud.least_privilege.deployed import synthesized_actions

if TYPE_CHECKING:
    from cloud.least_privilege.deployed import Deployed, Target
    from cloud.stacks import Account, Session

# Not about a key as such, and tried one by one below.
OTHERWISE = {"iam:PassRole", "events:PutEvents", "kms:Decrypt", "kms:GenerateDataKey"}


def test_the_attempts_are_the_actions_of_a_keys_role() -> None:
    """Whoever gives the role another action says here how to try it on somebody else's key."""
    assert set(ATTEMPTS) | OTHERWISE == {action for owner, action in synthesized_actions() if owner == "key"}


def test_a_keys_session_reaches_no_other_key(
    account: Account, shop: Deployed, other: Deployed, own: Target, session: Session
) -> None:
    """Every action of its role works on its own user and secret, and is denied on those of all others."""
    before = {name: account.keys(name) for name in ("vendor", "stranger")}
    assert refused(session, shop.targets["vendor"]) == set(ATTEMPTS)
    assert refused(session, other.targets["stranger"]) == set(ATTEMPTS)
    assert {name: account.keys(name) for name in before} == before
    assert refused(session, own) == set()
    for key_id in account.keys("deploy"):
        account.iam.delete_access_key(UserName="deploy", AccessKeyId=key_id)


def test_a_keys_session_uses_its_kms_key_for_its_secret_only(account: Account, own: Target, session: Session) -> None:
    """Through Secrets Manager: what is asked of KMS itself is denied.

    The account tells a policy neither condition of a direct call, so each of the two alone is enough here.
    """
    kms_key = account.secrets.describe_secret(**own.secret)["KmsKeyId"]
    kms = session.client("kms")
    assert denied(lambda: kms.generate_data_key(KeyId=kms_key, KeySpec="AES_256")) == "kms:GenerateDataKey"
    in_context = {"SecretARN": own.secret_arn}
    sealed = account.cloud.client("kms").encrypt(KeyId=kms_key, Plaintext=b"x", EncryptionContext=in_context)
    blob = sealed["CiphertextBlob"]
    assert (
        denied(lambda: kms.decrypt(CiphertextBlob=blob, KeyId=kms_key, EncryptionContext=in_context)) == "kms:Decrypt"
    )


@pytest.mark.parametrize("place", ["same group", "other group", "own name in other group", "default group", "group"])
def test_a_keys_session_schedules_for_its_key_only(
    account: Account, targets: dict[str, Target], own: Target, session: Session, place: str
) -> None:
    """It can't make, overwrite or delete a schedule of another key, nor one that belongs to none."""
    mine = Schedule.of(own)
    theirs = {
        "same group": Schedule.of(targets["vendor"]),
        "other group": Schedule.of(targets["stranger"]),
        "own name in other group": replace(mine, group=targets["stranger"].group),
        "default group": replace(mine, group="default"),
        "group": replace(mine, name="nightly"),
    }[place]
    assert denied(lambda: theirs.create(session)) == "scheduler:CreateSchedule"
    existing = replace(theirs, role_arn=_open_role(account))
    existing.create(account.cloud)
    try:
        assert denied(lambda: theirs.delete(session)) == "scheduler:DeleteSchedule"
        names = account.cloud.client("scheduler").list_schedules(GroupName=theirs.group)["Schedules"]
        assert theirs.name in [schedule["Name"] for schedule in names]
    finally:
        existing.delete(account.cloud)
    assert denied(lambda: mine.create(session)) == denied(lambda: mine.delete(session)) == ""


def _open_role(account: Account) -> str:
    """Give a role that schedules of all groups may run with."""
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    try:
        role = account.iam.create_role(RoleName="scheduling", AssumeRolePolicyDocument=document)
    except account.iam.exceptions.EntityAlreadyExistsException:
        role = account.iam.get_role(RoleName="scheduling")
    return str(role["Role"]["Arn"])


def test_a_keys_session_passes_the_schedulers_role_only(
    account: Account, shop: Deployed, other: Deployed, own: Target, session: Session
) -> None:
    """Not that of another stack, its function's, its own, nor any that schedules may run with."""
    others = [other.roles["scheduler"], shop.roles["function"], own.role_arn, _open_role(account)]
    for role_arn in others:
        schedule = replace(Schedule.of(own), role_arn=role_arn)
        assert denied(lambda: schedule.create(session)) == "iam:PassRole"  # noqa: B023
    assert denied(lambda: Schedule.of(own).create(session)) == ""
    Schedule.of(own).delete(session)


def test_a_keys_session_tells_in_its_own_name_only(account: Account, session: Session) -> None:
    """No event of another source, alone or beside one of its own, and none on another bus."""
    account.cloud.client("events").create_event_bus(Name="orders")

    def put(*entries: dict[str, str]) -> str:
        full = [{"DetailType": "x", "Detail": "{}", "Source": "cdk-iam-access-key"} | entry for entry in entries]
        return denied(lambda: session.client("events").put_events(Entries=full))

    assert put({}) == ""
    assert put({"Source": "orders"}) == "events:PutEvents"
    assert put({"Source": "cdk-iam-access-key.orders"}) == "events:PutEvents"
    assert put({}, {"Source": "orders"}) == "events:PutEvents"
    assert put({"EventBusName": "orders"}) == "events:PutEvents"
    account.cloud.client("events").delete_event_bus(Name="orders")
