"""What removal policies leave, as real deployments: never a key that works and that no ledger knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import RemovalPolicies, RemovalPolicy, Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from cloud.stacks import fail_after

if TYPE_CHECKING:
    from cloud.shop import Shop

    from cdk_iam_access_key import AccessKey

_DELETED = ["Custom::IAMAccessKey", "AWS::SSM::Parameter"]


def _retain_the_rest(key: AccessKey) -> None:
    RemovalPolicies.of(Stack.of(key)).retain(exclude_resource_types=_DELETED)


def _fails_after(key: AccessKey) -> None:
    fail_after(Stack.of(key), key)


def _secrets(shop: Shop) -> set[str]:
    return {secret["Name"] for secret in shop.account.secrets.list_secrets()["SecretList"]}


def test_whatever_is_retained_the_key_is_deleted(shop: Shop) -> None:
    """Its secret holds a dead key then, and may hold another one later; the ledger that was left knows of none."""
    shop.add("key", beside=_retain_the_rest, settings=lambda _: {"secret_name": "kept"})
    shop.deploy()
    first = shop["key"]
    first.check()
    shop.stack.delete()
    assert shop.account.keys("key") == {}
    assert not first.works
    recorded = [key for entry in shop.account.entries().values() for key in entry.get("keys", {}).values()]
    assert {key["state"] for key in recorded} <= {"deleted"}
    # The secret is as it was but for its key, and another deployment takes it up.
    value = shop.account.value(first.secret)

    def given(stack: Stack) -> dict[str, Any]:
        return {"secret": secretsmanager.Secret.from_secret_complete_arn(stack, "Kept", first.secret)}

    shop.change("key", settings=given, beside=lambda _: None)
    shop.deploy()
    shop.check()
    assert shop["key"].secret == first.secret
    assert shop.account.value(first.secret) != value
    shop.stack.delete()
    assert shop.account.keys("key") == {}
    assert shop.account.value(first.secret) == value
    # What the first stack left is in nobody's way, and is no longer looked at.
    shop.account.cloud.reset()


@pytest.mark.thorough
def test_a_secret_is_left_as_its_policy_says_and_never_with_a_key_that_works(shop: Shop) -> None:
    """When its creation is rolled back, when it is replaced, and when it leaves the stack."""
    policies = {
        "destroy": RemovalPolicy.DESTROY,
        "retain": RemovalPolicy.RETAIN,
        "later": RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    }

    def settings(name: str, suffix: str) -> Any:
        return lambda _: {"secret_name": f"{name}{suffix}", "removal_policy": policies[name]}

    for name in policies:
        shop.add(name, settings=settings(name, "-1"))
    shop.change("later", beside=_fails_after)
    shop.deploy(fails=True)
    assert _secrets(shop) == {"retain-1"}
    assert not any(shop.account.keys(name) for name in policies)
    shop.stack.delete()

    for name in policies:
        shop.change(name, settings=settings(name, "-2"), beside=lambda _: None)
    shop.deploy()
    for name in policies:
        shop.change(name, settings=settings(name, "-3"))
    shop.deploy()
    shop.check()
    kept = {"retain-1", "retain-2", "later-2"}
    assert _secrets(shop) == kept | {f"{name}-3" for name in policies}
    shop.stack.delete()
    assert _secrets(shop) == kept | {"retain-3", "later-3"}
    assert not any(shop.account.keys(name) for name in policies)


@pytest.mark.thorough
def test_what_becomes_of_the_value_of_a_secret_that_was_there_before(shop: Shop) -> None:
    """It comes back unless the key was rotated since; a secret that was empty keeps the value of the deleted key."""
    secrets = shop.account.secrets
    before = '{"theirs": "value"}'
    arns = {
        "kept": secrets.create_secret(Name="kept", SecretString=before)["ARN"],
        "rotated": secrets.create_secret(Name="rotated", SecretString=before)["ARN"],
        "empty": secrets.create_secret(Name="empty")["ARN"],
    }

    def given(name: str) -> Any:
        return lambda stack: {
            "secret": secretsmanager.Secret.from_secret_complete_arn(stack, f"Given{name}", arns[name])
        }

    for name in arns:
        shop.add(name, settings=given(name))
    shop.deploy()
    shop.change("rotated", serial="2")
    shop.deploy()
    shop.check()
    last = {name: secrets.get_secret_value(SecretId=arn)["SecretString"] for name, arn in arns.items()}
    shop.stack.delete()
    assert not any(shop.account.keys(name) for name in arns)
    values = {name: secrets.get_secret_value(SecretId=arn)["SecretString"] for name, arn in arns.items()}
    assert values == {"kept": before, "rotated": last["rotated"], "empty": last["empty"]}
