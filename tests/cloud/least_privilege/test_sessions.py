"""What sessions of the deployed roles can't do: with other keys, other ledgers, other roles and on other buses."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloud.access import denied
from cloud.least_privilege.attempts import NEVER, OF_A_KEY, OF_THE_LEDGER, refused
from cloud.least_privilege.deployed import role_name, synthesized_actions, trusting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud.least_privilege.deployed import Deployed, Target
    from cloud.stacks import Account, Session

# Not about a key as such, and tried one by one below.
OTHERWISE = {"kms:Decrypt", "kms:GenerateDataKey"}
OF_THE_FUNCTIONS = {"logs:CreateLogStream", "logs:PutLogEvents", "sts:AssumeRole", "events:PutEvents"}


def test_the_attempts_are_the_actions_of_the_roles() -> None:
    """Whoever gives a role another action says here how to try it on what is somebody else's."""
    actions = {"key": set[str](), "function": set[str]()}
    for owner, action in synthesized_actions():
        actions[owner].add(action)
    assert actions["key"] == set(OF_A_KEY) | OTHERWISE
    assert actions["function"] == {action.partition(" ")[0] for action in OF_THE_LEDGER} | OF_THE_FUNCTIONS


def test_a_keys_session_reaches_its_own_key_only(
    account: Account, shop: Deployed, other: Deployed, own: Target, session: Session
) -> None:
    """Every action works on its own user and secret, and is denied on all others; it reaches no function or ledger."""
    others = [shop.targets["vendor"], other.targets["stranger"]]
    before = [account.keys(target.user_name) for target in others]
    for target in others:
        assert refused(session, target, OF_A_KEY) == set(OF_A_KEY)
    for target in (own, *others):
        assert refused(session, target, NEVER | OF_THE_LEDGER) == set(NEVER | OF_THE_LEDGER)
        for role in (target.role_arn, shop.role):
            assert denied(lambda: session.assume(role)) == "sts:AssumeRole"  # noqa: B023
    assert [account.keys(target.user_name) for target in others] == before
    _uses_its_kms_key_for_its_secret_only(account, own, session)
    assert put_events(session, {}) == "events:PutEvents"
    assert refused(session, own, OF_A_KEY) == set()
    for key_id in account.keys("deploy"):
        account.iam.delete_access_key(UserName="deploy", AccessKeyId=key_id)


def _uses_its_kms_key_for_its_secret_only(account: Account, own: Target, session: Session) -> None:
    """Through Secrets Manager: what is asked of KMS itself is denied.

    The account tells a policy neither condition of a direct call, so each of the two alone is enough here.
    """
    kms_key = account.secrets.describe_secret(**own.secret)["KmsKeyId"]
    kms = session.client("kms")
    assert denied(lambda: kms.generate_data_key(KeyId=kms_key, KeySpec="AES_256")) == "kms:GenerateDataKey"
    context = {"SecretARN": own.secret_arn}
    sealed = account.cloud.client("kms").encrypt(KeyId=kms_key, Plaintext=b"x", EncryptionContext=context)
    again = {"CiphertextBlob": sealed["CiphertextBlob"], "KeyId": kms_key, "EncryptionContext": context}
    assert denied(lambda: kms.decrypt(**again)) == "kms:Decrypt"


def test_the_functions_role_reaches_its_own_ledger_only(account: Account, shop: Deployed, other: Deployed) -> None:
    """No key, no function, no other ledger; and it tells in its own name only."""
    own, stranger = shop.targets["deploy"], other.targets["stranger"]
    for target in (own, stranger):
        assert refused(shop.function, target, OF_A_KEY | NEVER) == set(OF_A_KEY | NEVER)
    assert refused(shop.function, stranger, OF_THE_LEDGER) == set(OF_THE_LEDGER)
    assert refused(shop.function, own, OF_THE_LEDGER) == set()
    account.cloud.client("dynamodb").delete_item(TableName=own.table, Key={"secretArn": {"S": "tried"}})
    account.cloud.client("events").create_event_bus(Name="orders")
    assert put_events(shop.function, {}) == ""
    for entries in (
        [{"Source": "orders"}],
        [{"Source": "cdk-iam-access-key.orders"}],
        [{}, {"Source": "orders"}],
        [{"EventBusName": "orders"}],
    ):
        assert put_events(shop.function, *entries) == "events:PutEvents"
    account.cloud.client("events").delete_event_bus(Name="orders")


def put_events(by: Session, *entries: dict[str, str]) -> str:
    """Try to put events, of the provider's source if they name no other."""
    full = [{"DetailType": "x", "Detail": "{}", "Source": "cdk-iam-access-key"} | entry for entry in entries]
    return denied(lambda: by.client("events").put_events(Entries=full))


@contextmanager
def allowed_to_assume_any(account: Account, role_arn: str) -> Iterator[None]:
    """Let a role assume all roles for a while, as far as it is concerned."""
    everything = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    named = {"RoleName": role_name(role_arn), "PolicyName": "any"}
    account.iam.put_role_policy(**named, PolicyDocument=document)
    try:
        yield
    finally:
        account.iam.delete_role_policy(**named)


def test_two_locks_keep_a_function_out_of_another_stack(
    account: Account, tester: Session, shop: Deployed, other: Deployed
) -> None:
    """Its own policy does not name that stack's roles, and they do not trust it: each alone is enough."""
    key_role, anybody = shop.targets["deploy"].role_arn, f"arn:aws:iam::{account.cloud.account}:root"
    assert denied(lambda: tester.assume(key_role)) == "sts:AssumeRole"

    def kept_out() -> bool:
        return bool(denied(lambda: other.function.assume(key_role)))

    assert kept_out()
    with trusting(account, key_role, anybody):
        assert kept_out()
    with allowed_to_assume_any(account, other.role):
        assert kept_out()
        with trusting(account, key_role, anybody):
            assert not kept_out(), "it was something else that kept it out"
