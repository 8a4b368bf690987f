"""The ways of docs/migrating.md, as real deployments with IAM enforced: at each step a key works that readers have.

Terraform and the constructs of others are not run here. What they leave in the account is made by hand, and where the
way depends on what a custom resource does when it is removed, a stand-in does the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import CfnOutput, CfnResource, CustomResource, Duration, RemovalPolicies, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as functions
from aws_cdk import aws_secretsmanager as secretsmanager
from cloud.account import new_key
from cloud.ledgers import days_later

from access_key_provider.model.secret_format import ses_smtp_password
from cdk_iam_access_key import AccessKey, AccessKeyProvider, Field, SecretFormat

if TYPE_CHECKING:
    from cloud.shop import Shop

SOON = {"GracePeriod": "2", "RetentionPeriod": "2", "RetireWhenUnusedFor": "6"}

# Deletes the key and its secret when it is removed, at once.
DELETES_ITS_KEY = """
import boto3, json, urllib.request
def handler(event, context):
    given = event["ResourceProperties"]
    if event["RequestType"] == "Delete":
        boto3.client("iam").delete_access_key(UserName=given["User"], AccessKeyId=given["KeyId"])
        boto3.client("secretsmanager").delete_secret(SecretId=given["Secret"])
    answer = {"Status": "SUCCESS", "PhysicalResourceId": given["KeyId"], "StackId": event["StackId"],
              "RequestId": event["RequestId"], "LogicalResourceId": event["LogicalResourceId"]}
    request = urllib.request.Request(event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT",
                                     headers={"Content-type": ""})
    urllib.request.urlopen(request).close()
"""


class Readers:
    """Whoever reads a secret, by the names of its fields."""

    def __init__(self, shop: Shop, secret: str, *fields: str) -> None:
        """Read fields of a secret, those of this library if none are named."""
        self._shop, self._secret, self._fields = shop, secret, fields or ("accessKeyId", "secretAccessKey")

    @property
    def key(self) -> str:
        """The key that they get."""
        return self._read()[0]

    def call(self) -> None:
        """Sign a call, which must succeed."""
        key_id, secret = self._read()
        who = self._shop.account.cloud.client("sts", access_key_id=key_id, secret_access_key=secret)
        assert who.get_caller_identity()["Arn"].endswith(":user/app")

    def _read(self) -> tuple[str, str]:
        value = json.loads(self._shop.account.secrets.get_secret_value(SecretId=self._secret)["SecretString"])
        return value[self._fields[0]], value[self._fields[1]]


def declared(stack: Stack, user: iam.IUser, **given: Any) -> AccessKey:
    """Declare the key of this library, with short times."""
    if stack.node.try_find_child("AccessKeyProvider") is None:
        AccessKeyProvider(stack, "AccessKeyProvider", settling_time=Duration.seconds(0))
    key = AccessKey(stack, "Key", user=user, **given)
    for name, value in SOON.items():
        resource = key.node.find_child("Resource")
        assert isinstance(resource, CfnResource)
        resource.add_property_override(name, value)
    CfnOutput(stack, "NewSecret", value=key.secret.secret_arn)
    return key


def imported(stack: Stack) -> iam.IUser:
    """Import the user."""
    return iam.User.from_user_name(stack, "User", "app")


def retire(shop: Shop, old: str, readers: Readers) -> None:
    """Let time pass until the old key is gone; its readers have another one by then."""
    days_later(shop.account, old)
    shop.sweep_until(lambda: shop.account.keys("app").get(old) == "Inactive", "the old key is Inactive")
    readers.call()
    shop.sweep_until(lambda: old not in shop.account.keys("app"), "the old key is deleted")
    readers.call()


@pytest.fixture
def by_hand(shop: Shop) -> dict[str, str]:
    """Make the user and a key by hand, as a person, a script or Terraform does."""
    shop.account.iam.create_user(UserName="app")
    return new_key(shop.account.cloud, "app")


def call_with(shop: Shop, key: dict[str, str]) -> None:
    """Sign a call with a key that somebody has by heart."""
    shop.account.cloud.client("sts", **key).get_caller_identity()


def test_from_a_key_made_by_hand_in_a_ci_system(shop: Shop, by_hand: dict[str, str]) -> None:
    """It is adopted at once; the CI system goes on with it until it has the new one, and holds it back meanwhile."""
    old = by_hand["access_key_id"]
    outputs = shop.stack.deploy(lambda stack: declared(stack, imported(stack)).adopt(old))
    readers = Readers(shop, outputs["NewSecret"])
    readers.call()
    days_later(shop.account, old)
    for _ in range(2):
        call_with(shop, by_hand)
        shop.sweep()
    assert shop.account.keys("app")[old] == "Active"
    retire(shop, old, readers)


@pytest.mark.thorough
def test_from_terraform(shop: Shop, by_hand: dict[str, str]) -> None:
    """First the new key, then the consumers, then the key is taken out of Terraform's state and adopted."""
    old = by_hand["access_key_id"]
    outputs = shop.stack.deploy(lambda stack: declared(stack, imported(stack)))
    readers = Readers(shop, outputs["NewSecret"])
    call_with(shop, by_hand)
    readers.call()
    before = readers.key
    shop.stack.deploy(lambda stack: declared(stack, imported(stack)).adopt(old))
    assert readers.key == before
    call_with(shop, by_hand)
    retire(shop, old, readers)


@pytest.mark.thorough
def test_from_the_cdks_access_key(shop: Shop) -> None:
    """Its resource is retained before it is removed, so CloudFormation deletes nothing."""

    def before(stack: Stack) -> iam.AccessKey:
        user = iam.User(stack, "User", user_name="app")
        key = iam.AccessKey(stack, "Old", user=user)
        value = {"accessKeyId": key.access_key_id, "secretAccessKey": key.secret_access_key.unsafe_unwrap()}
        text = json.dumps(value)
        secret = secretsmanager.CfnSecret(stack, "OldSecret", secret_string=text)
        CfnOutput(stack, "OldKey", value=key.access_key_id)
        CfnOutput(stack, "OldSecretArn", value=secret.attr_id)
        return key

    def beside(stack: Stack) -> None:
        key = before(stack)
        key.apply_removal_policy(RemovalPolicy.RETAIN)
        user = stack.node.find_child("User")
        assert isinstance(user, iam.User)
        declared(stack, user)

    outputs = shop.stack.deploy(before)
    old, old_readers = outputs["OldKey"], Readers(shop, outputs["OldSecretArn"])
    old_readers.call()
    readers = Readers(shop, shop.stack.deploy(beside)["NewSecret"])
    readers.call()
    old_readers.call()
    shop.stack.deploy(lambda stack: declared(stack, iam.User(stack, "User", user_name="app")).adopt(old))
    assert shop.account.keys("app") == {old: "Active", readers.key: "Active"}
    retire(shop, old, readers)


@pytest.mark.thorough
def test_from_a_construct_that_deletes_its_key_with_its_resource(shop: Shop, by_hand: dict[str, str]) -> None:
    """As `renovosolutions.aws-iam-access-key`: retained first. The secret and its fields stay: no reader notices."""
    old = by_hand["access_key_id"]
    names = {"AWS_ACCESS_KEY_ID": old, "AWS_SECRET_ACCESS_KEY": by_hand["secret_access_key"]}
    secret = shop.account.secrets.create_secret(Name="app", SecretString=json.dumps(names))["ARN"]
    readers = Readers(shop, secret, *names)
    fields = {"AWS_ACCESS_KEY_ID": Field.ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": Field.SECRET_ACCESS_KEY}

    def foreign(stack: Stack) -> CustomResource:
        code = functions.Code.from_inline(DELETES_ITS_KEY)
        function = functions.Function(
            stack, "Foreign", runtime=functions.Runtime.PYTHON_3_13, handler="index.handler", code=code
        )
        properties = {"User": "app", "KeyId": old, "Secret": secret}
        return CustomResource(stack, "Old", service_token=function.function_arn, properties=properties)

    def ours(stack: Stack) -> AccessKey:
        same = secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", secret)
        return declared(stack, imported(stack), secret=same, secret_format=SecretFormat.json(fields))

    def beside(stack: Stack) -> None:
        RemovalPolicies.of(foreign(stack)).retain(apply_to_resource_types=["AWS::CloudFormation::CustomResource"])
        ours(stack)

    shop.stack.deploy(foreign)
    readers.call()
    shop.stack.deploy(beside)
    readers.call()
    assert readers.key != old
    call_with(shop, by_hand)
    shop.stack.deploy(lambda stack: ours(stack).adopt(old))
    call_with(shop, by_hand)
    retire(shop, old, readers)


@pytest.mark.thorough
def test_from_an_ses_construct(shop: Shop, by_hand: dict[str, str]) -> None:
    """As pepperize's: the same secret, with a user name and a password; a rollback brings the old pair back."""
    region, old = shop.account.cloud.region, by_hand["access_key_id"]
    pair = {"username": old, "password": ses_smtp_password(by_hand["secret_access_key"], region)}
    secret = shop.account.secrets.create_secret(Name="smtp", SecretString=json.dumps(pair))["ARN"]
    fields = {"username": Field.ACCESS_KEY_ID, "password": Field.ses_smtp_password(region)}

    def ours(stack: Stack) -> None:
        same = secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", secret)
        declared(stack, imported(stack), secret=same, secret_format=SecretFormat.json(fields)).adopt(old)

    shop.stack.deploy(ours)
    new = shop.account.value(secret)
    assert new["username"] != old
    assert new["password"] in {ses_smtp_password(key, region) for key in shop.account.cloud.secret_access_keys()}
    assert shop.account.keys("app") == {old: "Active", new["username"]: "Active"}
    shop.stack.delete()
    assert shop.account.value(secret) == pair
    call_with(shop, by_hand)
    shop.account.unmanaged["app"] = {old: "Active"}


def test_a_secret_that_holds_a_hand_made_pair_keeps_its_fields(shop: Shop, by_hand: dict[str, str]) -> None:
    """Readers get the new key under the names that they know; before its retirement a deletion gives the pair back."""
    old = by_hand["access_key_id"]
    names = {"id": old, "key": by_hand["secret_access_key"]}
    secret = shop.account.secrets.create_secret(Name="app", SecretString=json.dumps(names))["ARN"]
    readers = Readers(shop, secret, *names)
    text = SecretFormat.json({"id": Field.ACCESS_KEY_ID, "key": Field.SECRET_ACCESS_KEY})

    def ours(stack: Stack) -> None:
        same = secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", secret)
        declared(stack, imported(stack), secret=same, secret_format=text).adopt(old)

    readers.call()
    shop.stack.deploy(ours)
    assert readers.key != old
    readers.call()
    shop.stack.delete()
    assert readers.key == old
    readers.call()
    shop.account.unmanaged["app"] = {old: "Active"}
