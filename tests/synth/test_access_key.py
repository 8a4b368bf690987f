import json

import pytest
from aws_cdk import App, CfnOutput, CfnParameter, Environment, NestedStack, RemovalPolicy, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Template
from synth.templates import KEY, ROLE, SECRET, arn_of, function, key_role, of_type, only, resources, statements

from cdk_iam_access_key import AccessKey

COMPLETE_ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:deploy-key-AbCdEf"
USER_ACTIONS = [
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:GetAccessKeyLastUsed",
    "iam:ListAccessKeys",
    "iam:ListUserTags",
    "iam:UpdateAccessKey",
]
SECRET_ACTIONS = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
]


def test_key_adds_a_secret_a_role_and_a_custom_resource(stack: Stack, user: iam.User) -> None:
    """Each further key costs exactly three resources, whatever else the stack has."""
    AccessKey(stack, "Key", user=user)
    before = {kind: len(of_type(stack, kind)) for kind in {resource["Type"] for resource in resources(stack).values()}}
    assert before == {
        "AWS::IAM::User": 1,
        KEY: 1,
        SECRET: 1,
        ROLE: 2,
        "AWS::DynamoDB::Table": 1,
        "AWS::Events::Rule": 1,
        "AWS::Lambda::Function": 2,
        "AWS::Lambda::EventInvokeConfig": 2,
        "AWS::Lambda::Permission": 1,
        "AWS::Logs::LogGroup": 1,
        "AWS::SSM::Parameter": 1,
    }


def test_a_stack_has_room_for_115_keys_with_a_user_each(stack: Stack) -> None:
    """CloudFormation takes 500 resources, of which a key with its user is four; all share one provider."""
    for index in range(115):
        AccessKey(stack, f"Key{index}", user=iam.User(stack, f"User{index}"))
    template = Template.from_stack(stack)
    for kind, count in {KEY: 115, SECRET: 115, ROLE: 116, "AWS::Lambda::Function": 2}.items():
        template.resource_count_is(kind, count)
    assert len(resources(stack)) == 115 * 4 + 10 <= 500


def test_key_with_a_secret_passed_in_adds_two_resources(stack: Stack, user: iam.User) -> None:
    """An existing secret is written to, and none is defined."""
    secret = secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", COMPLETE_ARN)
    key = AccessKey(stack, "Key", user=user, secret=secret)
    assert of_type(stack, SECRET) == {}
    assert len(resources(stack)) == 1 + 2 + 10
    assert only(stack, KEY)["SecretArn"] == COMPLETE_ARN
    (name,) = of_type(stack, KEY)
    assert stack.resolve(key.secret.secret_name) == {"Fn::GetAtt": [name, "SecretName"]}


def test_custom_resource_carries_what_the_provider_needs(stack: Stack, user: iam.User) -> None:
    """The properties are those of the wire contract, all of them strings once resolved."""
    AccessKey(stack, "Key", user=user, serial=7, status=iam.AccessKeyStatus.INACTIVE, description="the build server")
    role, _ = key_role(stack)
    (secret,) = of_type(stack, SECRET)
    assert only(stack, KEY) == {
        "ServiceToken": arn_of(function(stack)),
        "ServiceTimeout": "330",
        "UserName": stack.resolve(user.user_name),
        "SecretArn": {"Ref": secret},
        "RoleArn": arn_of(role),
        "Serial": "7",
        "Status": "Inactive",
        "Description": "the build server",
        "GracePeriod": "3600",
        "RetentionPeriod": "604800",
        "OnKeyLimit": "Fail",
    }


def test_defaults_are_serial_1_active_and_no_description(stack: Stack, user: iam.User) -> None:
    """A key with nothing but a user is Active, of serial 1, and has no description."""
    AccessKey(stack, "Key", user=user)
    properties = only(stack, KEY)
    assert properties["Serial"] == "1"
    assert properties["Status"] == "Active"
    assert "Description" not in properties


def test_custom_resource_waits_for_all_of_the_provider(stack: Stack, user: iam.User) -> None:
    """It is created after, and so deleted before, the functions, their role and log, the ledger and the sweep.

    One dependency stands for all, because ten a key would make the template of a hundred keys long.
    """
    AccessKey(stack, "Key", user=user)
    (key,) = of_type(stack, KEY).values()
    ((parameter, last),) = of_type(stack, "AWS::SSM::Parameter").items()
    provider = {name for name in resources(stack) if name.startswith("AccessKeyProvider")}
    assert key["DependsOn"] == [parameter]
    assert {parameter, *last["DependsOn"]} == provider
    assert len(provider) == 10


def test_secret_starts_empty(stack: Stack, user: iam.User) -> None:
    """A secret with no value can't hand out a random password as if it were a key."""
    AccessKey(stack, "Key", user=user)
    assert set(only(stack, SECRET)) == {"Description"}


def test_secret_goes_with_the_stack_by_default(stack: Stack, user: iam.User) -> None:
    """A dead key is not kept."""
    AccessKey(stack, "Key", user=user)
    (secret,) = of_type(stack, SECRET).values()
    assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == ("Delete", "Delete")


def test_secret_takes_name_and_removal_policy(stack: Stack, user: iam.User) -> None:
    """What belongs to the secret reaches the secret."""
    AccessKey(stack, "Key", user=user, secret_name="prod/deploy", removal_policy=RemovalPolicy.RETAIN)
    (secret,) = of_type(stack, SECRET).values()
    assert secret["Properties"]["Name"] == "prod/deploy"
    assert (secret["DeletionPolicy"], secret["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_role_may_manage_one_user_and_one_secret(stack: Stack, user: iam.User) -> None:
    """The role's policy names one user, one secret, no wildcard and no action that reads a secret."""
    AccessKey(stack, "Key", user=user)
    _, role = key_role(stack)
    (secret,) = of_type(stack, SECRET)
    assert statements(role) == [
        {"Action": USER_ACTIONS, "Effect": "Allow", "Resource": stack.resolve(user.user_arn)},
        {
            "Action": ["iam:TagUser", "iam:UntagUser"],
            "Condition": {"ForAllValues:StringLike": {"aws:TagKeys": "AKIA*"}, "Null": {"aws:TagKeys": "false"}},
            "Effect": "Allow",
            "Resource": stack.resolve(user.user_arn),
        },
        {"Action": SECRET_ACTIONS, "Effect": "Allow", "Resource": {"Ref": secret}},
    ]


def test_role_trusts_the_functions_alone(stack: Stack, user: iam.User) -> None:
    """Nobody but the functions' role assumes the role of a key, also if that role is created anew under its name."""
    AccessKey(stack, "Key", user=user)
    _, role = key_role(stack)
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": {"AWS": stack.resolve(f"arn:{stack.partition}:iam::{stack.account}:root")},
            "Condition": {"ArnEquals": {"aws:PrincipalArn": resources(stack)[function(stack)]["Properties"]["Role"]}},
        }
    ]


def test_imported_user_and_secret_are_named_exactly(stack: Stack) -> None:
    """The policies of a key for an imported user and secret name just these two."""
    user = iam.User.from_user_arn(stack, "Imported", "arn:aws:iam::111122223333:user/robots/alice")
    AccessKey(
        stack, "Key", user=user, secret=secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", COMPLETE_ARN)
    )
    _, role = key_role(stack)
    assert {statement["Resource"] for statement in statements(role)} == {
        "arn:aws:iam::111122223333:user/robots/alice",
        COMPLETE_ARN,
    }
    assert only(stack, KEY)["UserName"] == "alice"


def kms_statement(stack: Stack, key_arn: object, secret_arn: object) -> dict[str, object]:
    """Return the statement that a role needs to write a secret with a KMS key of its own."""
    return {
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Effect": "Allow",
        "Resource": key_arn,
        "Condition": {
            "StringEquals": {
                "kms:ViaService": [
                    stack.resolve(f"secretsmanager.{stack.region}.{suffix}")
                    for suffix in ("amazonaws.com", stack.url_suffix)
                ],
                "kms:EncryptionContext:SecretARN": secret_arn,
            }
        },
    }


def test_encryption_key_is_used_through_secrets_manager_only(stack: Stack, user: iam.User) -> None:
    """The role may use the KMS key for this secret, and the KMS key's policy never names the role."""
    encryption_key = kms.Key(stack, "KmsKey")
    AccessKey(stack, "Key", user=user, encryption_key=encryption_key)
    name, role = key_role(stack)
    ((secret, definition),) = of_type(stack, SECRET).items()
    key_arn = stack.resolve(encryption_key.key_arn)
    assert statements(role)[3:] == [kms_statement(stack, key_arn, {"Ref": secret})]
    assert definition["Properties"]["KmsKeyId"] == key_arn
    assert name not in json.dumps(of_type(stack, "AWS::KMS::Key"))
    assert name not in json.dumps(of_type(stack, "AWS::IAM::Policy"))


def test_encryption_key_of_a_secret_passed_in_is_used(stack: Stack, user: iam.User) -> None:
    """A secret imported together with its KMS key brings the KMS key along."""
    key_arn = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
    secret = secretsmanager.Secret.from_secret_attributes(
        stack,
        "Secret",
        secret_complete_arn=COMPLETE_ARN,
        encryption_key=kms.Key.from_key_arn(stack, "KmsKey", key_arn),
    )
    AccessKey(stack, "Key", user=user, secret=secret)
    _, role = key_role(stack)
    assert statements(role)[3:] == [kms_statement(stack, key_arn, COMPLETE_ARN)]


def test_attributes_are_those_of_the_custom_resource(stack: Stack, user: iam.User) -> None:
    """Whoever reads the id, the version or the status waits for the key."""
    access_key = AccessKey(stack, "Key", user=user)
    (key,) = of_type(stack, KEY)
    assert stack.resolve(access_key.access_key_id) == {"Fn::GetAtt": [key, "AccessKeyId"]}
    assert stack.resolve(access_key.secret_version_id) == {"Fn::GetAtt": [key, "SecretVersionId"]}
    assert stack.resolve(access_key.status) == {"Fn::GetAtt": [key, "Status"]}
    assert access_key.user is user


@pytest.mark.parametrize(
    ("given", "field"),
    [((), "secretAccessKey"), (("accessKeyId",), "accessKeyId"), (("secretAccessKey",), "secretAccessKey")],
)
def test_secret_value_is_pinned_to_the_version(
    stack: Stack, user: iam.User, given: tuple[str, ...], field: str
) -> None:
    """The reference names the secret, the field and the version, so that it changes exactly when the key does."""
    key = AccessKey(stack, "Key", user=user)
    CfnOutput(stack, "Value", value=key.secret_value(*given).unsafe_unwrap())
    reference = Template.from_stack(stack).to_json()["Outputs"]["Value"]["Value"]
    (name,) = of_type(stack, KEY)
    (secret,) = of_type(stack, SECRET)
    assert reference["Fn::Join"][1] == [
        "{{resolve:secretsmanager:",
        {"Ref": secret},
        f":SecretString:{field}::",
        {"Fn::GetAtt": [name, "SecretVersionId"]},
        "}}",
    ]


@pytest.mark.parametrize("token", ["text", "number"])
def test_serial_may_be_a_token(stack: Stack, user: iam.User, token: str) -> None:
    """A parameter can be the serial, as a text and as a number."""
    parameter = CfnParameter(stack, "SerialParameter", type="String" if token == "text" else "Number")
    serial = parameter.value_as_string if token == "text" else parameter.value_as_number
    AccessKey(stack, "Key", user=user, serial=serial)
    assert only(stack, KEY)["Serial"] == {"Ref": "SerialParameter"}


def test_everything_may_be_a_token(stack: Stack) -> None:
    """What only the deployment knows is passed on unchecked."""
    parameter = CfnParameter(stack, "Parameter").value_as_string
    AccessKey(
        stack,
        "Key",
        user=iam.User.from_user_name(stack, "User", parameter),
        secret=secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", parameter),
        description=Token.as_string({"Ref": "Parameter"}),
    )
    properties = only(stack, KEY)
    assert {properties["UserName"]["Ref"], properties["SecretArn"]["Ref"], properties["Description"]["Ref"]} == {
        "Parameter"
    }


@pytest.mark.parametrize("environment", [None, Environment(account="111122223333", region="cn-north-1")])
def test_no_partition_is_hard_coded(app: App, environment: Environment | None) -> None:
    """Nothing in the template is tied to the standard partition, for a stack of any account or of a known one."""
    stack = Stack(app, "Anywhere", env=environment)
    user = iam.User(stack, "User")
    key = AccessKey(stack, "Key", user=user, encryption_key=kms.Key(stack, "KmsKey"))
    AccessKey(stack, "Other", user=iam.User.from_user_name(stack, "Imported", "bob"))
    key.grant_read(iam.Role(stack, "Consumer", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com")))
    assert "arn:aws" not in json.dumps(resources(stack))


def test_nested_stack_has_its_own_provider(stack: Stack) -> None:
    """A key in a nested stack is complete there, with roles under the nested stack's own name."""
    nested = NestedStack(stack, "Nested")
    AccessKey(nested, "Key", user=iam.User(stack, "User"))
    _, role = key_role(nested)
    path = {"Fn::Join": ["", ["/cdk-iam-access-key/", {"Ref": "AWS::StackName"}, "/"]]}
    assert role["Path"]["Fn::Join"][1][:3] == [path, only(nested, KEY)["UserName"], "/"]
    assert len(of_type(nested, "AWS::Lambda::Function")) == 2
    assert of_type(stack, "AWS::Lambda::Function") == {}


def test_user_of_another_region_is_found_by_name(app: App) -> None:
    """IAM is global: a key may be in another region than the stack that defines its user."""
    home = Stack(app, "Home", env=Environment(account="111122223333", region="us-east-1"))
    away = Stack(app, "Away", env=Environment(account="111122223333", region="eu-west-1"))
    AccessKey(away, "Key", user=iam.User(home, "User", user_name="alice"))
    assert only(away, KEY)["UserName"] == "alice"


def test_secret_of_another_stack_is_written(app: App, stack: Stack, user: iam.User) -> None:
    """A secret that another stack defines is imported by its complete ARN."""
    secret = secretsmanager.Secret(Stack(app, "Secrets"), "Secret")
    AccessKey(stack, "Key", user=user, secret=secret)
    _, role = key_role(stack)
    arn = only(stack, KEY)["SecretArn"]
    assert set(arn) == {"Fn::ImportValue"}
    assert statements(role)[2]["Resource"] == arn
