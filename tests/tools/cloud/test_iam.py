"""The embedded account keeps the rules of access keys and of paths."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from botocore.exceptions import ClientError
from cloud.account import new_key, policy, refused
from cloud.invocations import allow, assumed, attribute, role_arn
from tools.cloud.cloudformation_stack import role

if TYPE_CHECKING:
    from tools.cloud.cloudformation_stack import Stack, Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough


class TestAccessKeys:
    """Access keys work, stop working, and are counted as on AWS."""

    @pytest.fixture(autouse=True)
    def _user(self, empty_cloud: LocalCloud) -> None:
        empty_cloud.client("iam").create_user(UserName="someone")

    def test_a_third_key_is_refused(self, cloud: LocalCloud) -> None:
        """Two keys a user, an inactive one counts."""
        key = new_key(cloud, "someone")
        new_key(cloud, "someone")
        iam = cloud.client("iam")
        iam.update_access_key(UserName="someone", AccessKeyId=key["access_key_id"], Status="Inactive")
        with refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2"):
            iam.create_access_key(UserName="someone")
        iam.delete_access_key(UserName="someone", AccessKeyId=key["access_key_id"])
        new_key(cloud, "someone")

    def test_a_key_is_deleted_through_its_own_user_only(self, cloud: LocalCloud) -> None:
        """Naming another user finds no such key, and leaves it."""
        iam = cloud.client("iam")
        iam.create_user(UserName="other")
        key = new_key(cloud, "someone")
        with refused("NoSuchEntity", "The Access Key with id"):
            iam.delete_access_key(UserName="other", AccessKeyId=key["access_key_id"])
        assert len(iam.list_access_keys(UserName="someone")["AccessKeyMetadata"]) == 1

    @pytest.mark.parametrize("action", ["create_access_key", "list_access_keys"])
    def test_a_user_that_does_not_exist_has_no_keys(self, cloud: LocalCloud, action: str) -> None:
        """Making and listing keys of nobody is refused."""
        with refused("NoSuchEntity", "The user with name nobody cannot be found"):
            getattr(cloud.client("iam"), action)(UserName="nobody")

    def test_a_call_without_a_user_name_is_about_the_caller(self, cloud: LocalCloud) -> None:
        """A user acts on its own keys; the administrator, being no user, has to name one."""
        cloud.client("iam").put_user_policy(
            UserName="someone", PolicyName="p", PolicyDocument=policy("iam:ListAccessKeys", "*")
        )
        key = new_key(cloud, "someone")
        own = cloud.client("iam", **key).list_access_keys()["AccessKeyMetadata"]
        assert [found["AccessKeyId"] for found in own] == [key["access_key_id"]]
        with refused("ValidationError", "Must specify userName"):
            cloud.client("iam").list_access_keys()

    def test_a_key_stops_working_when_inactive_and_when_deleted(self, cloud: LocalCloud) -> None:
        """Signatures are checked against the key as it is now."""
        iam, key = cloud.client("iam"), new_key(cloud, "someone")
        named = {"UserName": "someone", "AccessKeyId": key["access_key_id"]}
        sts = cloud.client("sts", **key)
        assert sts.get_caller_identity()["Arn"].endswith(":user/someone")
        iam.update_access_key(**named, Status="Inactive")
        with refused("InvalidClientTokenId"):
            sts.get_caller_identity()
        iam.update_access_key(**named, Status="Active")
        assert sts.get_caller_identity()["Arn"].endswith(":user/someone")
        iam.delete_access_key(**named)
        with refused("InvalidClientTokenId"):
            sts.get_caller_identity()

    def test_a_wrong_secret_is_rejected(self, cloud: LocalCloud) -> None:
        """The signature counts, not the key id."""
        key = new_key(cloud, "someone") | {"secret_access_key": "wrong"}
        with refused("SignatureDoesNotMatch"):
            cloud.client("sts", **key).get_caller_identity()

    def test_a_new_key_is_rejected_as_often_as_set(self, cloud: LocalCloud) -> None:
        """The first calls of each new key fail; keys that existed before do not."""
        before = cloud.client("sts", **new_key(cloud, "someone"))
        cloud.configure(new_key_rejections=2)
        sts = cloud.client("sts", **new_key(cloud, "someone"))
        for _ in range(2):
            with refused("InvalidClientTokenId"):
                sts.get_caller_identity()
        assert sts.get_caller_identity()["Arn"].endswith(":user/someone")
        assert before.get_caller_identity()["Arn"].endswith(":user/someone")
        cloud.reset()
        cloud.client("iam").create_user(UserName="someone")
        assert cloud.client("sts", **new_key(cloud, "someone")).get_caller_identity()


class TestAccessKeyResources:
    """AWS::IAM::AccessKey in a template."""

    def declared(self, *, policy: str = "Delete", **properties: Any) -> Template:
        """Declare a user and a key of it, whose secret another resource takes."""
        key = {"UserName": {"Ref": "User"}, "Status": "Active"} | properties
        value = {"Fn::Join": [":", [{"Ref": "Key"}, {"Fn::GetAtt": ["Key", "SecretAccessKey"]}]]}
        return {
            "Resources": {
                "User": {"Type": "AWS::IAM::User"},
                "Key": {"Type": "AWS::IAM::AccessKey", "DeletionPolicy": policy, "Properties": key},
                "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": value}},
            }
        }

    def keys(self, cloud: LocalCloud, stack: Stack) -> dict[str, str]:
        """Give the keys of the user, and their status."""
        listed = cloud.client("iam").list_access_keys(UserName=stack.physical_id("User"))["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in listed}

    def test_it_is_made_changed_replaced_and_deleted(self, cloud: LocalCloud, stack: Stack) -> None:
        """A serial makes another key, whose attributes others get; the one before goes."""
        assert stack.create(self.declared()) == "CREATE_COMPLETE"
        first = stack.physical_id("Key")
        assert self.keys(cloud, stack) == {first: "Active"}
        assert stack.update(self.declared(Status="Inactive")) == "UPDATE_COMPLETE"
        assert self.keys(cloud, stack) == {first: "Inactive"}
        assert stack.update(self.declared(Serial=2)) == "UPDATE_COMPLETE"
        second = stack.physical_id("Key")
        assert self.keys(cloud, stack) == {second: "Active"}
        value = cloud.client("secretsmanager").get_secret_value(SecretId=stack.physical_id("Secret"))["SecretString"]
        key_id, secret = value.split(":")
        assert key_id == second
        cloud.client("sts", access_key_id=key_id, secret_access_key=secret).get_caller_identity()
        assert stack.delete() == "DELETE_COMPLETE"

    def test_it_is_retained(self, cloud: LocalCloud, stack: Stack) -> None:
        """What leaves the stack stays in the account."""
        assert stack.create(self.declared()) == "CREATE_COMPLETE"
        key = stack.physical_id("Key")
        template = self.declared(policy="Retain")
        template["Resources"]["Another"] = {"Type": "AWS::SecretsManager::Secret", "Properties": {}}
        assert stack.update(template) == "UPDATE_COMPLETE"
        assert stack.update({"Resources": {"User": template["Resources"]["User"]}}) == "UPDATE_COMPLETE"
        assert self.keys(cloud, stack) == {key: "Active"}

    def test_the_quota_counts(self, cloud: LocalCloud, stack: Stack) -> None:
        """A third key fails the stack."""
        template = self.declared()
        template["Resources"] |= dict.fromkeys(("Second", "Third"), template["Resources"]["Key"])
        assert stack.create(template) == "ROLLBACK_COMPLETE"
        found = [reason for name in ("Key", "Second", "Third") for reason in stack.reasons(name)]
        assert any("Cannot exceed quota for AccessKeysPerUser: 2" in reason for reason in found)
        assert cloud.client("iam").list_users()["Users"] == []


class TestInlinePolicies:
    """AWS::IAM::UserPolicy in a template."""

    def test_it_is_made_changed_replaced_and_deleted(self, cloud: LocalCloud, stack: Stack) -> None:
        """With another name it is another policy, and the one before goes; the user stays."""
        iam = cloud.client("iam")
        iam.create_user(UserName="someone")

        def declared(name: str, action: str) -> Template:
            document = json.loads(policy(action, "*"))
            properties = {"PolicyName": name, "UserName": "someone", "PolicyDocument": document}
            return {"Resources": {"Policy": {"Type": "AWS::IAM::UserPolicy", "Properties": properties}}}

        def allowed() -> dict[str, str]:
            names = iam.list_user_policies(UserName="someone")["PolicyNames"]
            found = {name: iam.get_user_policy(UserName="someone", PolicyName=name) for name in names}
            return {name: one["PolicyDocument"]["Statement"][0]["Action"] for name, one in found.items()}

        assert stack.create(declared("p", "s3:*")) == "CREATE_COMPLETE"
        assert allowed() == {"p": "s3:*"}
        assert stack.update(declared("p", "sqs:*")) == "UPDATE_COMPLETE"
        assert allowed() == {"p": "sqs:*"}
        assert stack.update(declared("q", "sqs:*")) == "UPDATE_COMPLETE"
        assert allowed() == {"q": "sqs:*"}
        assert stack.delete() == "DELETE_COMPLETE"
        assert allowed() == {}


class TestResources:
    """Policies are evaluated against the ARN that AWS evaluates them against."""

    def test_a_policy_for_a_user_under_a_path_names_the_path(self, empty_cloud: LocalCloud) -> None:
        """The ARN with the path is allowed, whatever is done with the user; the one without is another user's."""
        iam, account = empty_cloud.client("iam"), empty_cloud.account
        iam.create_user(UserName="imported", Path="/team/")
        for name, path in (("right", "/team"), ("wrong", "")):
            iam.create_user(UserName=name)
            document = policy("iam:*", f"arn:aws:iam::{account}:user{path}/imported")
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        right, wrong = (empty_cloud.client("iam", **new_key(empty_cloud, name)) for name in ("right", "wrong"))
        key = {"AccessKeyId": new_key(empty_cloud, "imported")["access_key_id"]}
        named = {"UserName": "imported"}
        for action, given in {
            "list_access_keys": named,
            "get_access_key_last_used": key,
            "update_access_key": named | key | {"Status": "Inactive"},
            "tag_user": named | {"Tags": [{"Key": "AKIA", "Value": "v"}]},
            "list_user_tags": named,
            "untag_user": named | {"TagKeys": ["AKIA"]},
            "delete_access_key": named | key,
            "create_access_key": named,
        }.items():
            with refused("AccessDenied", "iam:"):
                getattr(wrong, action)(**given)
            assert getattr(right, action)(**given)

    def test_a_new_role_is_judged_by_the_path_it_is_to_have(self, empty_cloud: LocalCloud) -> None:
        """A policy for roles of a path covers those to be made there, and no others."""
        iam = empty_cloud.client("iam")
        iam.create_user(UserName="maker")
        allowed = policy("iam:CreateRole", f"arn:aws:iam::{empty_cloud.account}:role/team/*")
        iam.put_user_policy(UserName="maker", PolicyName="p", PolicyDocument=allowed)
        maker = empty_cloud.client("iam", **new_key(empty_cloud, "maker"))
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        assert maker.create_role(RoleName="r", Path="/team/", AssumeRolePolicyDocument=trust)
        for path in ("/", "/teams/"):
            with refused("AccessDenied", "iam:CreateRole"):
                maker.create_role(RoleName="other", Path=path, AssumeRolePolicyDocument=trust)

    def test_the_last_use_of_a_key_is_about_its_user(self, empty_cloud: LocalCloud) -> None:
        """GetAccessKeyLastUsed names no user, and still a policy for that user covers it."""
        iam, account = empty_cloud.client("iam"), empty_cloud.account
        for name in ("auditor", "seen", "unseen"):
            iam.create_user(UserName=name)
        allowed = policy("iam:GetAccessKeyLastUsed", f"arn:aws:iam::{account}:user/seen")
        iam.put_user_policy(UserName="auditor", PolicyName="p", PolicyDocument=allowed)
        seen, unseen = (new_key(empty_cloud, name)["access_key_id"] for name in ("seen", "unseen"))
        auditor = empty_cloud.client("iam", **new_key(empty_cloud, "auditor"))
        assert auditor.get_access_key_last_used(AccessKeyId=seen)["UserName"] == "seen"
        with refused("AccessDenied"):
            auditor.get_access_key_last_used(AccessKeyId=unseen)

    def test_a_role_is_assumed_by_its_whole_arn_only(self, empty_cloud: LocalCloud) -> None:
        """An ARN with another path is another role, even if the name is the same."""
        trust = {"Effect": "Allow", "Principal": {"AWS": empty_cloud.account}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        made = empty_cloud.client("iam").create_role(RoleName="r", Path="/a/", AssumeRolePolicyDocument=document)
        arn = made["Role"]["Arn"]
        sts = empty_cloud.client("sts")
        assert sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
        with refused("AccessDenied", "role/b/r"):
            sts.assume_role(RoleArn=arn.replace("/a/", "/b/"), RoleSessionName="session")

    def test_a_secret_is_named_by_its_whole_arn(self, empty_cloud: LocalCloud) -> None:
        """A policy for the ARN without the random characters at its end allows nothing on it."""
        iam, made = empty_cloud.client("iam"), empty_cloud.client("secretsmanager").create_secret(Name="s")["ARN"]
        for name, arn in (("whole", made), ("partial", made[:-7]), ("any", f"{made[:-7]}-??????")):
            iam.create_user(UserName=name)
            document = policy("secretsmanager:DescribeSecret", arn)
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        for name in ("whole", "any", "partial"):
            api = empty_cloud.client("secretsmanager", **new_key(empty_cloud, name))
            for given in (made, made[:-7], "s"):
                if name == "partial":
                    with refused("AccessDeniedException", "secretsmanager:DescribeSecret"):
                        api.describe_secret(SecretId=given)
                else:
                    assert api.describe_secret(SecretId=given)["ARN"] == made


class TestTrust:
    """Who may assume a role that trusts the account, if it is one certain role."""

    TEMPLATE: ClassVar[Template] = {
        "Resources": {
            name: role(
                {"AWS": {"Ref": "AWS::AccountId"}},
                "/provider/",
                *(
                    allow("sts:AssumeRole", {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/keys/*"})
                    for _ in range(may)
                ),
            )
            for name, may in {"Provider": 1, "Other": 1, "Powerless": 0}.items()
        }
        | {
            "Key": role(
                {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
                "/keys/",
                condition={"ArnEquals": {"aws:PrincipalArn": attribute("Provider")}},
            ),
            "OfPowerless": role(
                {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}},
                "/keys/",
                condition={"ArnEquals": {"aws:PrincipalArn": attribute("Powerless")}},
            ),
        }
    }

    def test_the_condition_names_the_role_behind_a_session(self, cloud: LocalCloud, stack: Stack) -> None:
        """That role's sessions may, if its own policy says so too; no other role's, and not the administrator's."""
        assert stack.create(self.TEMPLATE) == "CREATE_COMPLETE"
        iam = cloud.client("iam")
        arns = {
            name: iam.get_role(RoleName=stack.physical_id(name))["Role"]["Arn"] for name in self.TEMPLATE["Resources"]
        }
        for name in ("Provider", "Other", "Powerless"):
            sts = cloud.client("sts", **assumed(cloud, arns[name]))
            for wanted in ("Key", "OfPowerless"):
                if (name, wanted) == ("Provider", "Key"):
                    assert sts.assume_role(RoleArn=arns[wanted], RoleSessionName="session")["Credentials"]
                else:
                    with refused("AccessDenied", "sts:AssumeRole"):
                        sts.assume_role(RoleArn=arns[wanted], RoleSessionName="session")
        with refused("AccessDenied"):
            cloud.client("sts").assume_role(RoleArn=arns["Key"], RoleSessionName="session")


class TestBoundaries:
    """The permissions boundary of a role in a template is kept and enforced."""

    @pytest.fixture(autouse=True)
    def _boundary(self, empty_cloud: LocalCloud) -> None:
        for name in ("users", "nothing"):
            action = "iam:ListUsers" if name == "users" else "sts:GetCallerIdentity"
            empty_cloud.client("iam").create_policy(PolicyName=name, PolicyDocument=policy(action, "*"))

    def declared(self, boundary: str | None) -> Template:
        """Declare a role that may list users and roles, as far as its boundary lets it."""
        may = {"Effect": "Allow", "Action": ["iam:ListUsers", "iam:ListRoles"], "Resource": "*"}
        declared = role({"AWS": {"Ref": "AWS::AccountId"}}, "/", may)
        if boundary:
            arn = {"Fn::Sub": f"arn:aws:iam::${{AWS::AccountId}}:policy/{boundary}"}
            declared["Properties"]["PermissionsBoundary"] = arn
        return {"Resources": {"Role": declared}}

    def test_it_limits_the_role_changes_and_goes(self, cloud: LocalCloud, stack: Stack) -> None:
        """What it does not allow is denied, whatever the role's own policy says; the role stays the same role."""
        may: dict[str | None, list[str]] = {}
        names = set()
        for boundary in ("users", "nothing", None):
            ended = stack.update(self.declared(boundary)) if may else stack.create(self.declared(boundary))
            assert ended.endswith("_COMPLETE")
            names.add(stack.physical_id("Role"))
            api = cloud.client("iam", **assumed(cloud, role_arn(cloud, stack, "Role")))
            may[boundary] = [action for action in ("list_users", "list_roles") if self._is_allowed(api, action)]
        assert may == {"users": ["list_users"], "nothing": [], None: ["list_users", "list_roles"]}
        assert len(names) == 1

    def test_it_is_shown(self, cloud: LocalCloud, stack: Stack) -> None:
        """GetRole names the policy."""
        stack.create(self.declared("users"))
        shown = cloud.client("iam").get_role(RoleName=stack.physical_id("Role"))["Role"]["PermissionsBoundary"]
        assert shown["PermissionsBoundaryArn"] == f"arn:aws:iam::{cloud.account}:policy/users"

    def test_one_that_does_not_exist_fails_the_role(self, stack: Stack) -> None:
        """The stack rolls back."""
        assert stack.create(self.declared("missing")) == "ROLLBACK_COMPLETE"
        assert "does not exist or is not attachable" in stack.reasons("Role")[0]

    def _is_allowed(self, api: Any, action: str) -> bool:
        try:
            getattr(api, action)()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"  # noqa: PT017
            return False
        return True
