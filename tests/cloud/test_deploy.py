"""What CloudFormation really sends, as real deployments with IAM enforced: a stack of many keys goes through it.

Rows of the design's table that the embedded account can't produce (a Delete beside a running Create, redeliveries, late
events) are hand-made events in the tests of faults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsii
from aws_cdk import Aspects, Duration, IAspect, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from cloud.shop import Declared, consume, consumed

if TYPE_CHECKING:
    from cloud.shop import Key, Settings, Shop
    from constructs import IConstruct

    from cdk_iam_access_key import AccessKey

AT_ONCE = {"grace_period": Duration.seconds(0)}
VALUE_BEFORE = "the value before"


@jsii.implements(IAspect)
class _Naming:
    """Names a user after the key was made, as a company's aspect does."""

    def __init__(self, name: str) -> None:
        self._name = name

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, iam.CfnUser):
            node.user_name = self._name


def named_by_an_aspect(name: str) -> Settings:
    """Give a user of the stack a name that the construct never sees."""

    def settings(stack: Stack) -> dict[str, Any]:
        user = iam.User(stack, "Own")
        Aspects.of(user).add(_Naming(name))
        return {"user": user}

    return settings


def in_existing_secret(arn: str) -> Settings:
    """Write the key to a secret that exists."""
    return lambda stack: {"secret": secretsmanager.Secret.from_secret_complete_arn(stack, "Existing", arn)}


def by_arn_with_kms_key(arn: str) -> Settings:
    """Know a user by its ARN, and encrypt the secret with a KMS key of the stack."""
    return lambda stack: {
        "user": iam.User.from_user_arn(stack, "ByArn", arn),
        "encryption_key": kms.Key(stack, "Kms", removal_policy=RemovalPolicy.DESTROY),
    }


def cut_over(key: AccessKey) -> None:
    """Deactivate the previous key after a consumer, and after the key that fails."""
    key.cut_over_after(consume(key))


def declare_all(shop: Shop) -> None:
    """Declare the keys of the first deployment."""
    account = shop.account
    existing = account.secrets.create_secret(Name="existing", SecretString=VALUE_BEFORE)["ARN"]
    account.iam.create_user(UserName="vendor")
    shop.add("plain", settings=lambda _: dict(AT_ONCE), beside=consume)
    shop.add("cutover", settings=lambda _: dict(AT_ONCE), beside=cut_over)
    shop.add("status")
    shop.add("moved")
    shop.add("renamed", settings=in_existing_secret(existing))
    shop.add("replaced", settings=lambda _: {"secret_name": "shop/before"})
    shop.declared["named"] = Declared("before", settings=named_by_an_aspect("before"))
    shop.add("leaving")
    account.iam.create_user(UserName="ci", Path="/team/")
    arn = account.iam.get_user(UserName="ci")["User"]["Arn"]
    shop.declared["path"] = Declared("ci", settings=by_arn_with_kms_key(arn))
    # Its user has another key: no room for a second one of ours.
    shop.add("full", waits=True)
    account.add_unmanaged_key("full")


def declare_changes(shop: Shop) -> None:
    """Declare what the second deployment changes."""
    shop.change("plain", "cutover", "path", serial="2")
    shop.change("moved", user="vendor")
    shop.change("renamed", construct="Renamed")
    shop.change("replaced", settings=lambda _: {"secret_name": "shop/after"})
    shop.change("named", user="after", settings=named_by_an_aspect("after"))


def a_failed_creation_leaves_nothing(shop: Shop) -> None:
    """The last key's user has two others: CloudFormation takes back what the deployment has made."""
    second = shop.account.add_unmanaged_key("full")
    shop.deploy(fails=True)
    assert all(key in shop.stack.reasons() for key in shop.account.keys("full"))
    for name, declared in shop.declared.items():
        unmanaged = shop.account.unmanaged.get(declared.user, {})
        assert (name, shop.account.keys(declared.user)) == (name, unmanaged)
    secrets = shop.account.secrets
    assert secrets.get_secret_value(SecretId="existing")["SecretString"] == VALUE_BEFORE
    shop.stack.delete()
    shop.account.check_nothing_of_ours()
    assert [secret["Name"] for secret in secrets.list_secrets()["SecretList"]] == ["existing"]
    shop.account.iam.delete_access_key(UserName="full", AccessKeyId=second)
    del shop.account.unmanaged["full"][second]


def a_creation_publishes_keys_that_work(shop: Shop) -> None:
    """A consumer in the same deployment reads the new key, though nobody orders it after the key."""
    shop.deploy()
    shop.check()
    for key in shop.all():
        assert key.statuses == {key.current: "Active"}
    plain = shop["plain"]
    assert shop.stack.physical_id("plain") == f"plain@{plain.secret}"
    assert [consumed(shop.account, "plain", name) for name in ("current", "pinned")] == [plain.current] * 2


def a_failed_update_restores_the_very_keys(shop: Shop, before: dict[str, Key], ids: dict[str, str]) -> None:
    """Every key was rotated or replaced when the last one finds no room."""
    shop.change("full", serial="2")
    declared = dict(shop.declared)
    shop.deploy(fails=True)
    assert all(key in shop.stack.reasons() for key in shop.account.keys("full"))
    for name, key in before.items():
        key.check()
        assert (name, key.current) == (name, ids[name])
    for name in ("plain", "path"):
        assert list(before[name].previous.values()) == ["Inactive" if name == "plain" else "Active"]
    for name in ("moved", "renamed", "replaced", "named", "status", "leaving", "full"):
        assert (name, before[name].statuses) == (name, {ids[name]: "Active"})
    assert shop.account.keys("vendor") == shop.account.keys("after") == {}
    assert [consumed(shop.account, "plain", name) for name in ("current", "pinned")] == [ids["plain"]] * 2
    assert shop.declared == declared


def an_update_rotates_and_replaces(shop: Shop, before: dict[str, Key], ids: dict[str, str]) -> None:
    """The old key of another user, secret or construct is deleted by a role that the template has no more."""
    shop.change("full", serial="1")
    shop.change("status", settings=lambda _: {"status": iam.AccessKeyStatus.INACTIVE})
    del shop.declared["leaving"]
    shop.add("joining")
    shop.deploy()
    for name in shop.declared:
        shop[name].check(status="Inactive" if name == "status" else "Active")
    for name in ("plain", "cutover"):
        assert (name, shop[name].previous) == (name, {ids[name]: "Inactive"})
    assert shop["path"].previous == {ids["path"]: "Active"}
    for name in ("moved", "renamed", "replaced", "named"):
        assert ids[name] not in shop[name].statuses
        assert len(shop[name].statuses) == 1
    assert shop["status"].statuses == {ids["status"]: "Inactive"}
    assert shop["full"].current == ids["full"]
    for name in ("moved", "leaving"):
        assert shop.account.keys(before[name].user) == {}
    assert shop.account.keys("before") == {}
    assert consumed(shop.account, "plain", "pinned") == shop["plain"].current


def test_a_stack_of_keys_through_its_deployments(shop: Shop) -> None:
    """Create, roll back, create, roll back an update, update, delete."""
    declare_all(shop)
    a_failed_creation_leaves_nothing(shop)
    a_creation_publishes_keys_that_work(shop)
    before = {name: shop[name] for name in shop.declared}
    ids = {name: key.current for name, key in before.items()}
    declare_changes(shop)
    a_failed_update_restores_the_very_keys(shop, before, ids)
    an_update_rotates_and_replaces(shop, before, ids)
    shop.stack.delete()
    assert all(
        shop.account.keys(declared.user) == shop.account.unmanaged.get(declared.user, {})
        for declared in shop.declared.values()
    )
    assert [secret["Name"] for secret in shop.account.secrets.list_secrets()["SecretList"]] == ["existing"]
