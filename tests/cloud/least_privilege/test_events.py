"""What an event, or the tags of a secret, can't talk the function into: to act for one key with another's rights."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cloud.least_privilege.life import demand

from access_key_provider.model.errors import NotManagedError
from lambda_shared.errors import AccessDeniedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud.least_privilege.deployed import Deployed, Target
    from cloud.least_privilege.handling import Handler
    from cloud.stacks import Account, Session

_TAG = "cdk-iam-access-key:"
_SHOP = "/cdk-iam-access-key/Shop/"
EVENTS: list[dict[str, Any]] = [
    *({"Operation": operation} for operation in ("Look", "Undo", "Show")),
    *(
        {"Step": step, "ClientRequestToken": "0" * 32, "RotationToken": "x"}
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret")
    ),
]


def test_an_event_can_not_mix_two_keys(account: Account, shop: Deployed, handler: Handler) -> None:
    """Whoever may invoke the function can name the role of one key and the user or the secret of another, in vain."""
    own, victim = shop.targets["deploy"], shop.targets["vendor"]
    before = account.keys("vendor")
    for mixed in (replace(victim, role_arn=own.role_arn), replace(victim, secret_arn=own.secret_arn)):
        for kind in ("Create", "Update", "Delete"):
            assert "AccessDenied" in handler.send(kind, mixed, {}, Serial="2")["Reason"]
    assert account.keys("vendor") == before
    account.check("vendor", victim.secret_arn)


@pytest.fixture
def powerful(account: Account, tester: Session) -> Iterator[str]:
    """Give a role that lets everybody of the account in."""
    root = f"arn:aws:iam::{account.cloud.account}:root"
    anybody = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    role = account.iam.create_role(RoleName="powerful", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    assert tester.assume(role).arn.split("/")[1] == "powerful"
    yield role
    account.iam.delete_role(RoleName="powerful")


def test_an_event_can_not_name_another_role(powerful: str, shop: Deployed, other: Deployed, handler: Handler) -> None:
    """Not one of another stack, and not one that would let anybody of the account in."""
    for role_arn in (powerful, other.targets["stranger"].role_arn):
        reason = handler.send("Create", replace(shop.targets["deploy"], role_arn=role_arn))["Reason"]
        assert reason.startswith("AssumeRole: AccessDenied")


@contextmanager
def tagged(account: Account, secret_arn: str, tags: dict[str, str]) -> Iterator[None]:
    """Forge the provider's tags of a secret, and put back what was there."""
    before = {tag["Key"]: tag["Value"] for tag in account.secrets.describe_secret(SecretId=secret_arn)["Tags"]}
    forged = {f"{_TAG}{name}": value for name, value in tags.items()}
    listed = [{"Key": key, "Value": value} for key, value in forged.items()]
    account.secrets.tag_resource(SecretId=secret_arn, Tags=listed)
    try:
        yield
    finally:
        account.secrets.untag_resource(SecretId=secret_arn, TagKeys=list(forged))
        again = [{"Key": key, "Value": before[key]} for key in forged if key in before]
        if again:
            account.secrets.tag_resource(SecretId=secret_arn, Tags=again)


def seen(account: Account, *targets: Target, secrets: tuple[str, ...] = ()) -> list[Any]:
    """Look at all that belongs to some keys: keys, tags, labels, schedules."""
    found: list[Any] = []
    for target in targets:
        tags = account.iam.list_user_tags(UserName=target.user_name)["Tags"]
        schedules = account.cloud.client("scheduler").list_schedules(GroupName=target.group)["Schedules"]
        names = sorted(schedule["Name"] for schedule in schedules)
        found += [account.keys(target.user_name), sorted(tag["Key"] for tag in tags), names]
    for secret in (*(target.secret_arn for target in targets), *secrets):
        described = account.secrets.describe_secret(SecretId=secret)
        found += [sorted(map(str, described["Tags"])), described["VersionIdsToStages"]]
    return found


@pytest.fixture
def forgeries(targets: dict[str, Target], powerful: str) -> dict[str, dict[str, str]]:
    """Give tags that name another key than the one in the secret."""
    victim, stranger = targets["vendor"], targets["stranger"]
    return {
        "the role and user of another key": {"role": victim.role_arn, "user": "vendor"},
        "the role of another key": {"role": victim.role_arn},
        "the user of another key": {"user": "vendor"},
        "the role and user of another stack": {"role": stranger.role_arn, "user": "stranger"},
        "a role that lets everybody in": {"role": powerful},
    }


@pytest.fixture(params=EVENTS, ids=[event.get("Operation") or event["Step"] for event in EVENTS])
def event(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give an event that names a secret only."""
    return dict(request.param)


def test_forged_tags_give_no_other_keys_rights(
    account: Account,
    targets: dict[str, Target],
    handler: Handler,
    event: dict[str, Any],
    forgeries: dict[str, dict[str, str]],
) -> None:
    """A secret that names another key's role, user or stack is refused by IAM, and nothing has changed anywhere.

    No look comes again either: it would be refused for ever.
    """
    own = targets["deploy"]
    demand("Create", handler.send("Create", own))
    for what, tags in forgeries.items():
        with tagged(account, own.secret_arn, tags):
            before = seen(account, *targets.values())
            with pytest.raises(AccessDeniedError):
                handler.handle({**event, **own.secret}, own)
            assert seen(account, *targets.values()) == before, what


def test_a_secret_of_somebody_else_is_not_taken_for_a_keys(
    account: Account, targets: dict[str, Target], handler: Handler, event: dict[str, Any]
) -> None:
    """Though it carries copies of the tags of a key's secret: its role may not even describe it."""
    victim = targets["vendor"]
    copied = [
        tag
        for tag in account.secrets.describe_secret(**victim.secret)["Tags"]
        if tag["Key"].startswith(_TAG) and not tag["Key"].startswith(f"{_TAG}request")
    ]
    assert {"Key": f"{_TAG}role", "Value": victim.role_arn} in copied
    foreign = account.secrets.create_secret(Name="foreign", SecretString="{}", Tags=copied)["ARN"]
    before = seen(account, victim, secrets=(foreign,))
    with pytest.raises(AccessDeniedError, match="DescribeSecret"):
        handler.handle({**event, "SecretId": foreign}, victim)
    after = seen(account, victim, secrets=(foreign,))
    account.secrets.delete_secret(SecretId=foreign, ForceDeleteWithoutRecovery=True)
    assert after == before
    with pytest.raises(AccessDeniedError, match="DescribeSecret"):
        handler.handle({**event, **targets["stranger"].secret}, victim)


def test_a_secret_without_registration_is_refused(
    account: Account, handler: Handler, shop: Deployed, event: dict[str, Any]
) -> None:
    """The provider's tag alone says nothing of a role."""
    bare = [{"Key": f"{_TAG}provider", "Value": _SHOP}]
    arn = account.secrets.create_secret(Name="bare", SecretString="{}", Tags=bare)["ARN"]
    with pytest.raises(NotManagedError):
        handler.handle({**event, "SecretId": arn}, shop.targets["deploy"])
    account.secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
