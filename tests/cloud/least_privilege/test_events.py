"""What an event can't talk a function into: to act for one key with another's rights."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from access_key_provider.model.errors import NotManagedError
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud.least_privilege.deployed import Deployed
    from cloud.least_privilege.handling import Handler
    from cloud.stacks import Account, Session

TO_THE_PROVIDER: list[dict[str, Any]] = [{"Operation": name} for name in ("Show", "Undo", "Rotate", "Retire")]
TO_THE_WORKER: list[dict[str, Any]] = [
    {"Step": step, "ClientRequestToken": "0" * 32, "RotationToken": "x"}
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret")
]


@pytest.mark.thorough
def test_an_event_can_not_mix_two_keys(account: Account, shop: Deployed, handler: Handler) -> None:
    """Whoever may invoke the function can name the role of one key and the user or the secret of another, in vain."""
    own, victim = shop.targets["deploy"], shop.targets["vendor"]
    before = account.keys("vendor")
    for mixed in (replace(victim, role_arn=own.role_arn), replace(victim, secret_arn=own.secret_arn)):
        for kind in ("Create", "Update"):
            answer = handler.send(kind, mixed, {} if kind == "Update" else None, Serial="2")
            assert "AccessDenied" in answer["Reason"]
        assert handler.send("Delete", mixed, Serial="2")
        assert account.keys("vendor") == before


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


@pytest.mark.thorough
def test_an_event_can_not_name_another_role(powerful: str, shop: Deployed, other: Deployed, handler: Handler) -> None:
    """Not one of another stack, and not one that would let anybody of the account in."""
    for role_arn in (powerful, other.targets["stranger"].role_arn):
        reason = handler.send("Create", replace(shop.targets["deploy"], role_arn=role_arn))["Reason"]
        assert f"sts:AssumeRole on {role_arn} was denied" in reason


@pytest.mark.thorough
def test_a_secret_that_the_ledger_does_not_know_is_refused(
    account: Account, shop: Deployed, other: Deployed, handler: Handler
) -> None:
    """One of another stack's, one with another's labels, and one that is nobody's: no tag or label is believed."""
    victim = shop.targets["vendor"]
    arn = account.secrets.create_secret(Name="bare", SecretString="{}")["ARN"]
    version = account.secrets.describe_secret(SecretId=arn)["VersionIdsToStages"].keys()
    account.secrets.update_secret_version_stage(
        SecretId=arn, VersionStage=victim.key_id, MoveToVersionId=next(iter(version))
    )
    before = account.keys("vendor"), account.keys("stranger")
    for secret in (arn, other.targets["stranger"].secret_arn):
        for events, function in ((TO_THE_PROVIDER, victim.provider), (TO_THE_WORKER, victim.worker)):
            for event in events:
                with pytest.raises(ProviderError) as refusal:
                    handler.handle({**event, "SecretId": secret}, function)
                assert isinstance(refusal.value, NotManagedError) or "managed" in str(refusal.value)
    assert (account.keys("vendor"), account.keys("stranger")) == before
    account.secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
