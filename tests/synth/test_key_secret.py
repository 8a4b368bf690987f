"""Whoever reads the secret of a key waits for the key, and nothing waits in a circle."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from aws_cdk import App, Aws, CfnOutput, CfnResource, Environment, Stack, Tags
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from aws_cdk.assertions import Template
from synth.deployed_names import DeployedNames
from synth.templates import KEY, SECRET, of_type, only, resources

from cdk_iam_access_key import AccessKey, AccessKeyProvider, Copy

ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:deploy-key-AbCdEf"
KMS_ARN = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture(params=["own secret", "secret passed in", "imported secret"])
def key(request: pytest.FixtureRequest, stack: Stack, user: iam.User) -> AccessKey:
    """Declare a key whose secret the app comes by in one of the ways."""
    secret = {
        "own secret": lambda: None,
        "secret passed in": lambda: secretsmanager.Secret(stack, "Mine"),
        "imported secret": lambda: secretsmanager.Secret.from_secret_complete_arn(stack, "Far", ARN),
    }[request.param]()
    return AccessKey(stack, "Key", user=user, secret=secret)


def consumer(stack: Stack, value: str = "x") -> ssm.StringParameter:
    """Define something that takes a value."""
    return ssm.StringParameter(stack, "Consumer", string_value=value)


def in_a_task(stack: Stack, secret: secretsmanager.ISecret) -> None:
    """Give the secret to a container."""
    task = ecs.FargateTaskDefinition(stack, "Consumer")
    image = ecs.ContainerImage.from_registry("image")
    task.add_container("Container", image=image, secrets={"ID": ecs.Secret.from_secrets_manager(secret, "accessKeyId")})


def in_a_function(stack: Stack, secret: secretsmanager.ISecret) -> None:
    """Let a function read the secret, whose ARN it gets in its environment."""
    function = lambda_.Function(
        stack,
        "Consumer",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): pass"),
        environment={"SECRET": secret.secret_arn},
    )
    secret.grant_read(function)


def by_dependency(stack: Stack, secret: secretsmanager.ISecret) -> None:
    """Define something that depends on the secret and does not refer to it."""
    consumer(stack).node.add_dependency(secret)


PARAMETER = {"AWS::SSM::Parameter"}
# How a reader is made, and the types of the resources of it that use the secret.
# References to resources came later than the oldest version of the CDK that the library allows.
_NEW = find_spec("aws_cdk.interfaces") is not None
READERS: dict[str, tuple[Callable[[Stack, Any], object], set[str]]] = {
    "ARN": (lambda stack, secret: consumer(stack, secret.secret_arn), PARAMETER),
    "name": (lambda stack, secret: consumer(stack, secret.secret_name), PARAMETER),
    "complete ARN": (lambda stack, secret: consumer(stack, secret.secret_full_arn), PARAMETER),
    "value": (lambda stack, secret: consumer(stack, secret.secret_value.unsafe_unwrap()), PARAMETER),
    "field": (
        lambda stack, secret: consumer(stack, secret.secret_value_from_json("accessKeyId").unsafe_unwrap()),
        PARAMETER,
    ),
    "dynamic reference": (
        lambda stack, secret: consumer(stack, secret.cfn_dynamic_reference_key(json_field="accessKeyId")),
        PARAMETER,
    ),
    **({"reference": (lambda stack, secret: consumer(stack, secret.secret_ref.secret_id), PARAMETER)} if _NEW else {}),
    "container": (in_a_task, {"AWS::ECS::TaskDefinition", "AWS::IAM::Policy"}),
    "function": (in_a_function, {"AWS::Lambda::Function", "AWS::IAM::Policy"}),
    "dependency": (by_dependency, PARAMETER),
}


def waiting_for(stack: Stack, name: str) -> set[str]:
    """Name what is created after a resource, and what after that."""
    found = {name}
    everything = resources(stack)
    while True:
        more = {one for one, resource in everything.items() if one not in found and found & mentioned(resource)}
        if not more:
            return found - {name}
        found |= more


def mentioned(element: Any) -> set[str]:
    """Name the resources that a part of a template refers to or depends on."""
    if isinstance(element, list):
        return {name for one in element for name in mentioned(one)}
    if not isinstance(element, dict):
        return set()
    own = set()
    if set(element) == {"Ref"}:
        own = {element["Ref"]}
    elif set(element) == {"Fn::GetAtt"}:
        own = {element["Fn::GetAtt"][0]}
    depended = element.get("DependsOn", [])
    own |= set(depended if isinstance(depended, list) else [depended])
    return own | {name for one in element.values() for name in mentioned(one)}


@pytest.mark.parametrize("reader", READERS)
def test_readers_wait_for_the_key(stack: Stack, key: AccessKey, reader: str) -> None:
    """However they come by the secret, they are created when the key is in it, and no circle comes of it."""
    read, types = READERS[reader]
    read(stack, key.secret)
    (custom_resource,) = of_type(stack, KEY)
    waiting = waiting_for(stack, custom_resource)
    assert {resources(stack)[name]["Type"] for name in waiting} == types
    assert all(name.startswith("Consumer") for name in waiting)


def test_nothing_waits_for_a_key_that_nobody_reads(stack: Stack, key: AccessKey) -> None:
    """The secret and the role come before the key."""
    assert key.secret.node.path == "Stack/Key/Secret"
    (custom_resource,) = of_type(stack, KEY)
    assert waiting_for(stack, custom_resource) == set()


def test_grant_waits_for_the_key_and_names_the_secret(stack: Stack, key: AccessKey) -> None:
    """A consumer may read the secret, gets nothing on the user, and its permission comes with the key."""
    role = iam.Role(stack, "Consumer", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    assert key.grant_read(role).success
    (custom_resource,) = of_type(stack, KEY)
    assert only(stack, "AWS::IAM::Policy")["PolicyDocument"]["Statement"] == [
        {
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Effect": "Allow",
            "Resource": {"Fn::GetAtt": [custom_resource, "SecretArn"]},
        }
    ]


def test_grant_may_be_for_some_stages(stack: Stack, key: AccessKey) -> None:
    """The condition is where the permission is."""
    role = iam.Role(stack, "Consumer", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    key.secret.grant_read(role, ["AWSCURRENT"])
    (statement,) = only(stack, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {"ForAnyValue:StringEquals": {"secretsmanager:VersionStage": ["AWSCURRENT"]}}


def test_another_account_is_let_in_by_the_policy_of_the_secret(stack: Stack, user: iam.User) -> None:
    """The policy is the secret's own, which is there before the key."""
    key = AccessKey(stack, "Key", user=user, encryption_key=kms.Key(stack, "Kms"))
    key.grant_read(iam.AccountPrincipal("444455556666"))
    ((name, policy),) = of_type(stack, "AWS::SecretsManager::ResourcePolicy").items()
    (secret,) = of_type(stack, SECRET)
    (custom_resource,) = of_type(stack, KEY)
    assert policy["Properties"]["SecretId"] == {"Ref": secret}
    assert "444455556666" in str(policy["Properties"]["ResourcePolicy"]["Statement"])
    assert "444455556666" in str(only(stack, "AWS::KMS::Key")["KeyPolicy"])
    assert name in waiting_for(stack, custom_resource) | waiting_for(stack, secret)


@pytest.mark.parametrize("account", [None, "111122223333"], ids=["any", "known"])
@pytest.mark.parametrize("kind", ["role", "user"])
@pytest.mark.parametrize("partition", ["aws", Aws.PARTITION], ids=["literal", "token"])
def test_an_imported_reader_of_another_account_is_let_in_by_both_policies(
    app: App, account: str | None, kind: str, partition: str
) -> None:
    """Also if the CDK can't tell whether it is another account: it writes the policy of the secret then, too."""
    stack = Stack(app, "Placed", env=Environment(account=account, region="eu-west-1"))
    key = AccessKey(stack, "Key", user=iam.User(stack, "User"), encryption_key=kms.Key(stack, "Kms"))
    arn = f"arn:{partition}:iam::444455556666:{kind}/reader"
    imported = iam.Role.from_role_arn if kind == "role" else iam.User.from_user_arn
    key.grant_read(imported(stack, "Reader", arn))
    let_in = f":iam::444455556666:{kind}/reader"
    assert let_in in str(only(stack, "AWS::SecretsManager::ResourcePolicy"))
    (decrypt,) = [one for one in only(stack, "AWS::KMS::Key")["KeyPolicy"]["Statement"] if let_in in str(one)]
    assert decrypt["Action"] == "kms:Decrypt"
    assert "kms:ViaService" in decrypt["Condition"]["StringEquals"]


@pytest.mark.parametrize("given", [False, True], ids=["defined", "given"])
def test_a_reader_of_another_account_needs_a_kms_key_of_ours(app: App, *, given: bool) -> None:
    """AWS's own lets no other account in, so the reader would be refused at run time."""
    stack = Stack(app, "Placed", env=Environment(account="111122223333", region="eu-west-1"))
    secret = secretsmanager.Secret(stack, "Secret") if given else None
    key = AccessKey(stack, "Key", user=iam.User(stack, "User"), secret=secret)
    with pytest.raises(
        ValueError, match=r"secret of Placed/Key must have a KMS key .* account 444455556666.*encryption_key"
    ):
        key.grant_read(iam.AccountPrincipal("444455556666"))
    key.grant_read(iam.AccountPrincipal("111122223333"))


def test_the_secret_gets_its_policy_and_its_tags(stack: Stack, user: iam.User) -> None:
    """What is said of the key's secret is said of the resource behind it."""
    key = AccessKey(stack, "Key", user=user)
    key.secret.deny_account_root_delete()
    everyone = iam.PolicyStatement(
        effect=iam.Effect.DENY,
        actions=["secretsmanager:DeleteSecret"],
        principals=[iam.AnyPrincipal()],
        resources=["*"],
    )
    assert key.secret.add_to_resource_policy(everyone).statement_added
    Tags.of(key.secret).add("team", "robots")
    (secret,) = of_type(stack, SECRET)
    policy = only(stack, "AWS::SecretsManager::ResourcePolicy")
    assert policy["SecretId"] == {"Ref": secret}
    assert len(policy["ResourcePolicy"]["Statement"]) == 2
    assert only(stack, SECRET)["Tags"] == [{"Key": "team", "Value": "robots"}]


def test_the_kms_key_is_granted_in_the_readers_policy(stack: Stack, user: iam.User) -> None:
    """The policy of the KMS key names no reader."""
    encryption_key = kms.Key(stack, "Kms")
    key = AccessKey(stack, "Key", user=user, encryption_key=encryption_key)
    key.grant_read(iam.Role(stack, "Consumer", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com")))
    assert "Consumer" not in str(of_type(stack, "AWS::KMS::Key"))
    _, decrypt = only(stack, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
    assert decrypt == {
        "Action": "kms:Decrypt",
        "Effect": "Allow",
        "Resource": stack.resolve(encryption_key.key_arn),
        "Condition": {
            "StringEquals": {
                "kms:ViaService": [
                    stack.resolve(f"secretsmanager.{stack.region}.{suffix}")
                    for suffix in ("amazonaws.com", stack.url_suffix)
                ],
            }
        },
    }
    assert key.secret.encryption_key is encryption_key


def test_a_reader_in_another_stack_makes_no_circle(app: App, stack: Stack, user: iam.User) -> None:
    """Also if the secret has a KMS key of its own: that stack comes after the key's."""
    key = AccessKey(stack, "Key", user=user, encryption_key=kms.Key(stack, "Kms"))
    other = Stack(app, "Other")
    key.grant_read(iam.Role(other, "Consumer", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com")))
    app.synth()
    assert [dependency.node.path for dependency in other.dependencies] == ["Stack"]
    assert stack.dependencies == []


READERS_ELSEWHERE: dict[str, Callable[[Stack], Any]] = {
    "user": lambda other: other.node.find_child("User"),
    "role": lambda other: iam.Role(other, "Reader", assumed_by=iam.AccountRootPrincipal(), path="/team/"),
    "group": lambda other: iam.Group(other, "Reader"),
}


@pytest.mark.parametrize("reader", READERS_ELSEWHERE)
@pytest.mark.parametrize(
    "needed",
    ["user", "provider", "secret", "encryption_key", "undo_on_alarm", "copies", "kms_copies", "vpc", "deliver_to"],
)
def test_a_reader_in_a_stack_that_the_key_needs_makes_no_circle(
    app: App, stack: Stack, reader: str, needed: str
) -> None:
    """Its policy is in the key's stack then, and there twice it is the same one."""
    other = Stack(app, "Other")
    user = iam.User(other, "User")
    metric = cloudwatch.Metric(namespace="Mine", metric_name="Denied")
    given: dict[str, Callable[[], dict[str, Any]]] = {
        "user": lambda: {"user": user},
        "provider": lambda: {"provider": AccessKeyProvider(other, "Provider")},
        "secret": lambda: {"secret": secretsmanager.Secret(other, "Secret", encryption_key=kms.Key(other, "Kms"))},
        "encryption_key": lambda: {"encryption_key": kms.Key(other, "Kms")},
        "undo_on_alarm": lambda: {
            "undo_on_alarm": [cloudwatch.Alarm(other, "Alarm", metric=metric, threshold=1, evaluation_periods=1)]
        },
        "copies": lambda: {
            "copies": [Copy.parameter("/x", role=iam.Role(other, "There", assumed_by=iam.AccountRootPrincipal()))]
        },
        "kms_copies": lambda: {"copies": [Copy.parameter("/x", encryption_key=kms.Key(other, "Kms"))]},
        "vpc": lambda: {"provider": AccessKeyProvider(stack, "Provider", vpc=ec2.Vpc(other, "Vpc"))},
        "deliver_to": dict,
    }
    key = AccessKey(stack, "Key", **{"user": iam.User(stack, "User"), **given[needed]()})
    if needed == "deliver_to":
        code = lambda_.Code.from_inline("def handler(event, context): pass")
        runtime = lambda_.Runtime.PYTHON_3_13
        key.deliver_to(lambda_.Function(other, "Bring", runtime=runtime, handler="index.handler", code=code), name="ci")
    grantee = READERS_ELSEWHERE[reader](other)
    for _ in range(2):
        assert key.grant_read(grantee).success
    app.synth()
    assert other.dependencies == []
    (custom_resource,) = of_type(stack, KEY)
    read = [
        statement["Resource"]
        for policy in of_type(stack, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    assert read.count({"Fn::GetAtt": [custom_resource, "SecretArn"]}) == 1


def test_the_user_of_the_key_may_read_its_own_key(stack: Stack, user: iam.User) -> None:
    """The user's policy waits for the key, which waits for the user."""
    AccessKey(stack, "Key", user=user).grant_read(user)
    (custom_resource,) = of_type(stack, KEY)
    (policy,) = of_type(stack, "AWS::IAM::Policy")
    assert waiting_for(stack, custom_resource) == {policy}


def test_grant_is_in_a_stack_of_a_known_place(app: App) -> None:
    """A secret of the stack's own account needs no policy of its own, whatever is a token."""
    placed = Stack(app, "Placed", env=Environment(account="111122223333", region="eu-west-1"))
    key = AccessKey(placed, "Key", user=iam.User(placed, "User"))
    role = iam.Role(placed, "Consumer", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    key.secret.grant_read(role, ["AWSCURRENT"])
    assert of_type(placed, "AWS::SecretsManager::ResourcePolicy") == {}
    (statement,) = only(placed, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
    assert "Condition" in statement


def test_writers_do_not_wait(stack: Stack, user: iam.User) -> None:
    """A right to write is on the secret itself."""
    key = AccessKey(stack, "Key", user=user)
    key.secret.grant_write(iam.Role(stack, "Writer", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com")))
    (secret,) = of_type(stack, SECRET)
    (statement,) = only(stack, "AWS::IAM::Policy")["PolicyDocument"]["Statement"]
    assert statement["Resource"] == {"Ref": secret}


def test_the_secret_is_known_by_its_name_and_behind_it_is_its_resource(app: App, stack: Stack, user: iam.User) -> None:
    """The escape hatch leads to the secret that the key defines."""
    key = AccessKey(stack, "Key", user=user, secret_name="prod/deploy")
    resource = key.secret.node.default_child
    assert isinstance(resource, CfnResource)
    assert resource.cfn_resource_type == SECRET
    CfnOutput(stack, "Name", value=key.secret.secret_name)
    name = Template.from_stack(stack).to_json()["Outputs"]["Name"]["Value"]
    assert DeployedNames(app).value(stack, name) == "prod/deploy"


def test_another_rotation_is_refused(stack: Stack, user: iam.User) -> None:
    """Another function would overwrite the key."""
    key = AccessKey(stack, "Key", user=user)
    with pytest.raises(
        ValueError, match=r"the secret of Stack/Key must be rotated as the key is, .* pass rotation_sch"
    ):
        key.secret.add_rotation_schedule("Mine", hosted_rotation=secretsmanager.HostedRotation.mysql_single_user())


def test_a_target_to_attach_is_refused(stack: Stack, user: iam.User) -> None:
    """CloudFormation would write to the value."""
    key = AccessKey(stack, "Key", user=user)
    with pytest.raises(ValueError, match="the secret of Stack/Key must hold an access key alone, got a target"):
        key.secret.attach(None)  # type: ignore[arg-type]
