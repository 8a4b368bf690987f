"""The embedded account keeps the rules of secrets, their versions and their staging labels."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import new_key, policy, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.cloud.cloudformation_stack import Stack, Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough


class TestSecretVersions:
    """Versions and staging labels move as on AWS."""

    @pytest.fixture
    def secret(self, empty_cloud: LocalCloud) -> str:
        """Make a secret without a value."""
        return str(empty_cloud.client("secretsmanager").create_secret(Name="s")["ARN"])

    @pytest.fixture
    def put(self, cloud: LocalCloud, secret: str) -> Callable[..., dict[str, Any]]:
        """Put a version named after its number."""

        def put(number: int, *labels: str, value: str = "v") -> dict[str, Any]:
            stages = {"VersionStages": list(labels)} if labels else {}
            answer: dict[str, Any] = cloud.client("secretsmanager").put_secret_value(
                SecretId=secret, ClientRequestToken=version(number), SecretString=value, **stages
            )
            return answer

        return put

    @pytest.fixture
    def labels(self, cloud: LocalCloud, secret: str) -> Callable[[], dict[str, set[str]]]:
        """Read which labels sit where."""

        def labels() -> dict[str, set[str]]:
            described = cloud.client("secretsmanager").describe_secret(SecretId=secret)
            return {name: set(stages) for name, stages in described.get("VersionIdsToStages", {}).items()}

        return labels

    def test_a_secret_without_a_value_has_no_version(
        self, cloud: LocalCloud, secret: str, labels: Callable[[], dict[str, set[str]]]
    ) -> None:
        """There is nothing to read and no AWSCURRENT."""
        assert labels() == {}
        with refused("ResourceNotFoundException", "AWSCURRENT"):
            cloud.client("secretsmanager").get_secret_value(SecretId=secret)

    def test_the_first_version_becomes_current_by_itself(
        self, put: Callable[..., dict[str, Any]], labels: Callable[[], dict[str, set[str]]]
    ) -> None:
        """AWSCURRENT comes on top of the labels given; the next version does not get it."""
        put(1, "AKIAONE")
        put(2, "AKIATWO")
        assert labels() == {version(1): {"AKIAONE", "AWSCURRENT"}, version(2): {"AKIATWO"}}

    def test_all_labels_given_with_awscurrent_stay(
        self, put: Callable[..., dict[str, Any]], labels: Callable[[], dict[str, set[str]]]
    ) -> None:
        """AWSCURRENT moves, AWSPREVIOUS follows, the other labels are kept."""
        put(1)
        put(2, "AWSCURRENT", "AKIATWO", "serial")
        assert labels() == {version(1): {"AWSPREVIOUS"}, version(2): {"AWSCURRENT", "AKIATWO", "serial"}}

    def test_a_label_given_again_moves(
        self, put: Callable[..., dict[str, Any]], labels: Callable[[], dict[str, set[str]]]
    ) -> None:
        """A label sits on one version."""
        put(1, "one", "shared")
        put(2, "two", "shared")
        assert labels() == {version(1): {"AWSCURRENT", "one"}, version(2): {"two", "shared"}}

    def test_a_repeated_token_with_the_same_value_does_nothing(
        self, put: Callable[..., dict[str, Any]], labels: Callable[[], dict[str, set[str]]]
    ) -> None:
        """The answer is that of the first call, and no label moves."""
        first = put(1, "one")
        put(2, "AWSCURRENT")
        repeated = put(1, "one", "AWSCURRENT")
        assert repeated["VersionId"] == first["VersionId"]
        assert labels()[version(2)] == {"AWSCURRENT"}

    def test_a_repeated_token_with_another_value_is_refused(
        self, cloud: LocalCloud, secret: str, put: Callable[..., dict[str, Any]]
    ) -> None:
        """The version keeps its value."""
        put(1)
        with refused("ResourceExistsException", "already in use"):
            put(1, value="other")
        assert cloud.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "v"

    def test_a_secret_has_at_most_twenty_labels(self, put: Callable[..., dict[str, Any]]) -> None:
        """AWSCURRENT counts, and so do the labels of other versions."""
        put(1, "AWSCURRENT", *(f"label-{number}" for number in range(19)))
        with refused("LimitExceededException"):
            put(2, "one-more")
        put(2, "label-1")

    def test_awscurrent_moves_only_from_where_it_is(
        self, cloud: LocalCloud, secret: str, put: Callable[..., dict[str, Any]], labels: Callable[[], Any]
    ) -> None:
        """A move is a compare-and-swap, takes AWSPREVIOUS along, and never leaves no AWSCURRENT."""
        put(1, "one")
        put(2, "two")
        secrets_manager = cloud.client("secretsmanager")
        named = {"SecretId": secret, "VersionStage": "AWSCURRENT"}
        for elsewhere in ({}, {"RemoveFromVersionId": version(2)}):
            with refused("InvalidParameterException"):
                secrets_manager.update_secret_version_stage(**named, MoveToVersionId=version(2), **elsewhere)
        with refused("InvalidParameterException", "can't be completely removed"):
            secrets_manager.update_secret_version_stage(**named, RemoveFromVersionId=version(1))
        assert labels()[version(1)] == {"AWSCURRENT", "one"}
        secrets_manager.update_secret_version_stage(**named, MoveToVersionId=version(2), RemoveFromVersionId=version(1))
        assert labels() == {version(1): {"AWSPREVIOUS", "one"}, version(2): {"AWSCURRENT", "two"}}


def version(number: int) -> str:
    """Name a version the way AWS wants: 32 characters or more."""
    return f"version-{number:032}"


@pytest.mark.parametrize("key", ["aws:ResourceTag/owner", "secretsmanager:ResourceTag/owner"])
def test_a_condition_on_the_tags_of_a_secret_is_evaluated(empty_cloud: LocalCloud, key: str) -> None:
    """The secret with the tag may be described, by its name and its ARN; another, and one without, may not."""
    iam, secrets_manager = empty_cloud.client("iam"), empty_cloud.client("secretsmanager")
    ours = secrets_manager.create_secret(Name="ours", Tags=[{"Key": "owner", "Value": "us"}])["ARN"]
    secrets_manager.create_secret(
        Name="theirs", Tags=[{"Key": "team", "Value": "us"}, {"Key": "owner", "Value": "them"}]
    )
    secrets_manager.create_secret(Name="untagged")
    document = json.loads(policy("secretsmanager:DescribeSecret", "*"))
    document["Statement"][0]["Condition"] = {"StringEquals": {key: "us"}}
    iam.create_user(UserName="someone")
    iam.put_user_policy(UserName="someone", PolicyName="p", PolicyDocument=json.dumps(document))
    reader = empty_cloud.client("secretsmanager", **new_key(empty_cloud, "someone"))
    assert reader.describe_secret(SecretId="ours")["ARN"] == reader.describe_secret(SecretId=ours)["ARN"] == ours
    for other in ("theirs", "untagged"):
        with refused("AccessDeniedException"):
            reader.describe_secret(SecretId=other)
    secrets_manager.untag_resource(SecretId=ours, TagKeys=["owner"])
    with refused("AccessDeniedException"):
        reader.describe_secret(SecretId=ours)


class TestEncryption:
    """A secret with a KMS key of the customer's needs the caller's rights on that key."""

    @pytest.fixture
    def key_arn(self, empty_cloud: LocalCloud) -> str:
        """Make a KMS key, and a secret that is encrypted with it."""
        arn = str(empty_cloud.client("kms").create_key()["KeyMetadata"]["Arn"])
        empty_cloud.client("secretsmanager").create_secret(Name="s", KmsKeyId=arn, SecretString="first")
        return arn

    def caller(self, cloud: LocalCloud, actions: list[str], key_arn: str, **condition: str) -> Any:
        """Give a client that may do all with secrets, and with the key what is said."""
        statements = [
            {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": actions,
                "Resource": key_arn,
                "Condition": {
                    "StringEquals": {f"kms:{name.replace('_', ':')}": is_ for name, is_ in condition.items()}
                },
            },
        ]
        iam = cloud.client("iam")
        iam.create_user(UserName="someone")
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName="someone", PolicyName="p", PolicyDocument=document)
        return cloud.client("secretsmanager", **new_key(cloud, "someone"))

    def test_both_actions_under_their_conditions_are_enough(self, cloud: LocalCloud, key_arn: str) -> None:
        """The key is used through Secrets Manager, and for that secret."""
        arn = cloud.client("secretsmanager").describe_secret(SecretId="s")["ARN"]
        condition = {"ViaService": f"secretsmanager.{cloud.region}.amazonaws.com", "EncryptionContext_SecretARN": arn}
        caller = self.caller(cloud, ["kms:GenerateDataKey", "kms:Decrypt"], key_arn, **condition)
        caller.put_secret_value(SecretId="s", SecretString="second")
        assert caller.get_secret_value(SecretId="s")["SecretString"] == "second"

    @pytest.mark.parametrize("action", ["kms:GenerateDataKey", "kms:Decrypt"])
    def test_one_action_is_not_enough_to_put(self, cloud: LocalCloud, key_arn: str, action: str) -> None:
        """Nothing is put; Decrypt alone reads."""
        caller = self.caller(cloud, [action], key_arn)
        with refused("AccessDeniedException", "Access to KMS is not allowed"):
            caller.put_secret_value(SecretId="s", SecretString="second")
        if action == "kms:Decrypt":
            assert caller.get_secret_value(SecretId="s")["SecretString"] == "first"
        else:
            with refused("AccessDeniedException", "Access to KMS is not allowed"):
                caller.get_secret_value(SecretId="s")

    @pytest.mark.parametrize(
        "condition", [{"ViaService": "s3.us-east-1.amazonaws.com"}, {"EncryptionContext_SecretARN": "other"}]
    )
    def test_a_condition_that_does_not_hold_allows_nothing(
        self, cloud: LocalCloud, key_arn: str, condition: dict[str, str]
    ) -> None:
        """Another service, or another secret."""
        caller = self.caller(cloud, ["kms:*"], key_arn, **condition)
        with refused("AccessDeniedException", "Access to KMS is not allowed"):
            caller.put_secret_value(SecretId="s", SecretString="second")


class TestSecretResource:
    """AWS::SecretsManager::Secret in a template."""

    def test_ref_is_the_arn_and_an_undeclared_value_is_none(self, stack: Stack, cloud: LocalCloud) -> None:
        """Ref and GetAtt Id agree, and a secret without a value starts without a version."""
        assert stack.create({"Resources": {"Secret": {"Type": "AWS::SecretsManager::Secret"}}}) == "CREATE_COMPLETE"
        arn = stack.physical_id("Secret")
        described = cloud.client("secretsmanager").describe_secret(SecretId=arn)
        assert described["ARN"] == arn
        assert described["Name"] != arn
        assert described.get("VersionIdsToStages", {}) == {}

    def test_a_generated_name_begins_with_the_logical_id(self, stack: Stack, cloud: LocalCloud) -> None:
        """The stack's name is not in it, and it stays until the template gives a name or takes one away."""

        def template(**properties: str) -> Template:
            return {"Resources": {"Ours": {"Type": "AWS::SecretsManager::Secret", "Properties": properties}}}

        def name() -> str:
            described = cloud.client("secretsmanager").describe_secret(SecretId=stack.physical_id("Ours"))
            return str(described["Name"])

        assert stack.create(template()) == "CREATE_COMPLETE"
        first = name()
        assert re.fullmatch(r"Ours-[A-Za-z0-9]{12}", first)
        assert stack.update(template(Description="new")) == "UPDATE_COMPLETE"
        assert name() == first
        assert stack.update(template(Name="given")) == "UPDATE_COMPLETE"
        assert name() == "given"
        assert stack.update(template(Description="new")) == "UPDATE_COMPLETE"
        assert name().startswith("Ours-")
        assert name() != first
        assert stack.delete() == "DELETE_COMPLETE"

    def test_an_empty_generation_makes_a_password(self, stack: Stack, cloud: LocalCloud) -> None:
        """`GenerateSecretString: {}`, which the CDK writes by default, gives 32 characters."""
        properties = {"GenerateSecretString": {}}
        template = {"Resources": {"Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": properties}}}
        assert stack.create(template) == "CREATE_COMPLETE"
        value = cloud.client("secretsmanager").get_secret_value(SecretId=stack.physical_id("Secret"))
        assert len(value["SecretString"]) == 32

    def test_update_rename_and_delete_find_it_by_its_arn(self, stack: Stack, cloud: LocalCloud) -> None:
        """An update in place keeps versions, a new name makes another secret and removes the old one."""
        secrets_manager = cloud.client("secretsmanager")

        def template(name: str, description: str) -> Template:
            properties = {"Name": name, "Description": description}
            return {"Resources": {"Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": properties}}}

        assert stack.create(template("old", "before")) == "CREATE_COMPLETE"
        arn = stack.physical_id("Secret")
        secrets_manager.put_secret_value(SecretId=arn, SecretString="value")
        assert stack.update(template("old", "after")) == "UPDATE_COMPLETE"
        assert stack.physical_id("Secret") == arn
        assert secrets_manager.describe_secret(SecretId=arn)["Description"] == "after"
        assert secrets_manager.get_secret_value(SecretId=arn)["SecretString"] == "value"
        assert stack.update(template("new", "after")) == "UPDATE_COMPLETE"
        assert [secret["Name"] for secret in secrets_manager.list_secrets()["SecretList"]] == ["new"]
        assert stack.physical_id("Secret") != arn
        assert stack.delete() == "DELETE_COMPLETE"
        assert secrets_manager.list_secrets()["SecretList"] == []

    def test_a_name_that_is_taken_fails_the_secret(self, stack: Stack, cloud: LocalCloud) -> None:
        """And leaves the secret that has it as it was."""
        api = cloud.client("secretsmanager")
        before = api.create_secret(Name="taken", SecretString="theirs")
        secret = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "taken", "GenerateSecretString": {}}}
        assert stack.create({"Resources": {"Secret": secret}}) == "ROLLBACK_COMPLETE"
        assert "already exists" in stack.reasons("Secret")[0]
        after = api.get_secret_value(SecretId="taken")
        assert (after["ARN"], after["SecretString"]) == (before["ARN"], "theirs")


class TestReading:
    """A reader's policy may allow one label, if the request names it."""

    def test_a_label_that_the_request_names(self, empty_cloud: LocalCloud) -> None:
        """Without a label, by a version, and with another label it is refused."""
        secrets, iam = empty_cloud.client("secretsmanager"), empty_cloud.client("iam")
        secret = secrets.create_secret(Name="s", SecretString="v")
        statement = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret["ARN"]}
        condition = {"Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement | condition]})
        iam.create_user(UserName="reader")
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=document)
        reader = empty_cloud.client("secretsmanager", **new_key(empty_cloud, "reader"))
        assert reader.get_secret_value(SecretId=secret["ARN"], VersionStage="AWSCURRENT")["SecretString"] == "v"
        for other in ({}, {"VersionId": secret["VersionId"]}, {"VersionStage": "AWSPREVIOUS"}):
            with refused("AccessDeniedException"):
                reader.get_secret_value(SecretId=secret["ARN"], **other)


class TestAnotherAccount:
    """It reads a secret as both accounts allow."""

    OTHER = "222222222222"

    def _reader(self, cloud: LocalCloud, *actions: str) -> Any:
        """Give a client of a role there that may do this to everything."""
        as_root = {"access_key_id": self.OTHER, "secret_access_key": "test"}
        iam = cloud.client("iam", **as_root)
        trusted = {"Effect": "Allow", "Principal": {"AWS": self.OTHER}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        for number, action in enumerate(actions):
            iam.put_role_policy(RoleName="reader", PolicyName=str(number), PolicyDocument=policy(action, "*"))
        found = cloud.client("sts", **as_root).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return cloud.client(
            "secretsmanager",
            access_key_id=found["AccessKeyId"],
            secret_access_key=found["SecretAccessKey"],
            session_token=found["SessionToken"],
        )

    def _allow(self, principal: str, action: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def test_both_must_allow_it(self, empty_cloud: LocalCloud) -> None:
        """The reader's own policy is not enough, nor is the other account's root user."""
        secrets = empty_cloud.client("secretsmanager")
        secret = secrets.create_secret(Name="s", SecretString="v")["ARN"]
        reader = self._reader(empty_cloud, "secretsmanager:GetSecretValue")
        root = empty_cloud.client("secretsmanager", access_key_id=self.OTHER, secret_access_key="test")
        for one in (reader, root):
            with refused("AccessDeniedException"):
                one.get_secret_value(SecretId=secret)
        secrets.put_resource_policy(
            SecretId=secret, ResourcePolicy=self._allow(f"arn:aws:iam::{self.OTHER}:role/reader", "secretsmanager:*")
        )
        assert reader.get_secret_value(SecretId=secret)["SecretString"] == "v"
        # What it may not by its own policy, and by name it is another secret.
        with refused("AccessDeniedException"):
            reader.describe_secret(SecretId=secret)
        with refused("ResourceNotFoundException"):
            reader.get_secret_value(SecretId="s")

    @pytest.mark.parametrize("owner_allows", [False, True])
    @pytest.mark.parametrize("reader_allows", [False, True])
    def test_both_must_allow_the_kms_key(
        self, empty_cloud: LocalCloud, *, owner_allows: bool, reader_allows: bool
    ) -> None:
        """As the secret itself."""
        kms, secrets = empty_cloud.client("kms"), empty_cloud.client("secretsmanager")
        owner = self._allow(f"arn:aws:iam::{empty_cloud.account}:root", "kms:*")
        both = json.loads(owner)
        both["Statement"] += json.loads(self._allow(f"arn:aws:iam::{self.OTHER}:root", "kms:Decrypt"))["Statement"]
        key = kms.create_key(Policy=json.dumps(both) if owner_allows else owner)["KeyMetadata"]["Arn"]
        secret = secrets.create_secret(Name="s", SecretString="v", KmsKeyId=key)["ARN"]
        secrets.put_resource_policy(SecretId=secret, ResourcePolicy=self._allow("*", "secretsmanager:GetSecretValue"))
        own = ["kms:Decrypt"] if reader_allows else []
        reader = self._reader(empty_cloud, "secretsmanager:GetSecretValue", *own)
        if owner_allows and reader_allows:
            assert reader.get_secret_value(SecretId=secret)["SecretString"] == "v"
            return
        with refused("AccessDeniedException", "KMS"):
            reader.get_secret_value(SecretId=secret)
