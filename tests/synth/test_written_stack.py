"""What breaks a key from beside is refused at synthesis, whoever wrote it into the template."""

from collections.abc import Callable
from typing import Any

import jsii
import pytest
from aws_cdk import App, Aspects, CfnOutput, CfnParameter, CfnResource, Duration, Fn, IAspect, IPropertyInjector, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct
from synth.templates import key_role, statements

from cdk_iam_access_key import AccessKey, AccessKeyProvider, OrganizationRootKeyGuard, RootAccessKeyGuard

KMS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/12345678-1234-1234-1234-123456789012"


@jsii.implements(IAspect)
class Each:
    """Do something to each resource of a kind."""

    def __init__(self, kind: type, do: Callable[[IConstruct], None]) -> None:
        self.kind, self.do = kind, do

    def visit(self, node: IConstruct) -> None:
        """Do it."""
        if isinstance(node, self.kind):
            self.do(node)


def give_kms_key(secret: secretsmanager.CfnSecret) -> None:
    """Set the property."""
    secret.kms_key_id = KMS_KEY


def override_kms_key(secret: secretsmanager.CfnSecret) -> None:
    """Set it in the template alone."""
    secret.add_property_override("KmsKeyId", KMS_KEY)


@pytest.mark.parametrize("give", [give_kms_key, override_kms_key])
def test_a_kms_key_that_only_the_secret_knows_is_refused(
    app: App, stack: Stack, user: iam.User, give: Callable[[IConstruct], None]
) -> None:
    """The key's role could not use it; one that the key knows of is fine, and so is AWS's own."""
    key = AccessKey(stack, "Key", user=user, encryption_key=kms.Key(stack, "Known"))
    AccessKey(stack, "Second", user=iam.User(stack, "Other"))
    Aspects.of(key).add(Each(secretsmanager.CfnSecret, give))
    app.synth()
    Aspects.of(app).add(Each(secretsmanager.CfnSecret, give))
    with pytest.raises(RuntimeError, match=r"Stack/Second must know the KMS key of its secret"):
        app.synth(force=True)


def test_awss_own_kms_key_by_an_aspect_is_accepted(app: App, stack: Stack, user: iam.User) -> None:
    """Whoever may use the secret may use it."""
    AccessKey(stack, "Key", user=user)

    def give(secret: secretsmanager.CfnSecret) -> None:
        secret.kms_key_id = "alias/aws/secretsmanager"

    Aspects.of(app).add(Each(secretsmanager.CfnSecret, give))
    app.synth()


@jsii.implements(IPropertyInjector)
class Encrypted:
    """Give each secret a KMS key, as a company does."""

    @property
    def construct_unique_id(self) -> str:
        """Whose properties."""
        return secretsmanager.Secret.PROPERTY_INJECTION_ID

    def inject(self, original_props: object, *, id: str, scope: IConstruct) -> secretsmanager.SecretProps:  # noqa: A002
        """Add it."""
        del original_props, id
        return secretsmanager.SecretProps(encryption_key=kms.Key.from_key_arn(scope, "Injected", KMS_KEY))


def test_a_kms_key_by_a_property_injector_is_used(app: App) -> None:
    """The key's role may use it, and so may readers."""
    app = App(outdir=app.outdir, property_injectors=[Encrypted()])
    stack = Stack(app, "Stack")
    key = AccessKey(stack, "Key", user=iam.User(stack, "User"))
    assert key.secret.encryption_key is not None
    assert KMS_KEY in [statement["Resource"] for statement in statements(key_role(stack)[1])]


QUEUE = "arn:aws:sqs:eu-west-1:111122223333:dead"
GIVEN: dict[str, Any] = {
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "KmsKeyArn": KMS_KEY,
    "DeadLetterConfig": {"TargetArn": QUEUE},
}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("define", [AccessKeyProvider, RootAccessKeyGuard, OrganizationRootKeyGuard])
def test_what_an_aspect_gives_to_functions_and_their_roles_do_not_know_is_refused(
    app: App, stack: Stack, name: str, define: Callable[[Stack, str], object]
) -> None:
    """Lambda would not run them: an answer that CloudFormation waits for in vain."""
    define(stack, "One")
    Aspects.of(app).add(Each(lambda_.CfnFunction, lambda one: one.add_property_override(name, GIVEN[name])))
    with pytest.raises(RuntimeError, match=rf"Stack/One/.*Function must have a role that may .*, got {name} by an asp"):
        app.synth()


@pytest.mark.parametrize(
    ("define", "kind", "name", "value"),
    [
        (
            AccessKeyProvider,
            dynamodb.CfnTable,
            "SSESpecification",
            {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KMS_KEY},
        ),
        (
            OrganizationRootKeyGuard,
            s3.CfnBucket,
            "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault",
            {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KMS_KEY},
        ),
    ],
    ids=["ledger", "bucket"],
)
def test_a_kms_key_that_an_aspect_gives_to_what_functions_use_is_refused(  # noqa: PLR0917 - a table's columns
    app: App, stack: Stack, define: Callable[[Stack, str], object], kind: type, name: str, value: dict[str, Any]
) -> None:
    """Their roles could not use it, so nothing could be done, and nothing deleted."""
    define(stack, "One")
    app.synth()
    Aspects.of(app).add(Each(kind, lambda one: one.add_property_override(name, value)))
    with pytest.raises(RuntimeError, match=r"Stack/One/(Ledger|Results) must have no KMS key, got one by an aspect"):
        app.synth(force=True)


def test_a_role_that_may_do_it_is_enough(app: App, stack: Stack) -> None:
    """Which is how a dead-letter queue is given, for which there is no option."""
    provider = AccessKeyProvider(stack, "Provider", vpc=ec2.Vpc(stack, "Vpc"))
    provider.role.add_to_principal_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[QUEUE]))
    dead = GIVEN["DeadLetterConfig"]
    Aspects.of(app).add(Each(lambda_.CfnFunction, lambda one: one.add_property_override("DeadLetterConfig", dead)))
    app.synth()


def rotate(stack: Stack, secret: secretsmanager.ISecret) -> None:
    """Rotate the given secret by a function."""
    code = lambda_.Code.from_inline("def handler(*_): ...")
    function = lambda_.Function(stack, "F", runtime=lambda_.Runtime.PYTHON_3_13, handler="index.handler", code=code)
    secret.add_rotation_schedule("Other", rotation_lambda=function)


def rotate_by_a_resource(stack: Stack, secret: secretsmanager.ISecret) -> None:
    """Rotate what readers of the key see."""
    secretsmanager.CfnRotationSchedule(stack, "Other", secret_id=secret.secret_arn, rotation_lambda_arn="arn")


def attach(stack: Stack, secret: secretsmanager.ISecret) -> None:
    """Let CloudFormation write where a database is."""
    del stack
    target = rds.DatabaseCluster.from_database_cluster_attributes(secret, "Database", cluster_identifier="one")
    secret.attach(target)


@pytest.mark.parametrize("write", [rotate, rotate_by_a_resource, attach])
@pytest.mark.parametrize("given", [True, False], ids=["given secret", "secret of the key"])
def test_another_writer_of_the_secret_is_refused(
    app: App, stack: Stack, user: iam.User, write: Callable[[Stack, secretsmanager.ISecret], None], *, given: bool
) -> None:
    """It would write something else over the key; the key's own schedule is none."""
    secret = secretsmanager.Secret(stack, "Given") if given else None
    key = AccessKey(stack, "Key", user=user, secret=secret, automatically_after=None)
    if secret is None and write is not rotate_by_a_resource:
        with pytest.raises((ValueError, RuntimeError), match=r"the secret of Stack/Key must"):
            write(stack, key.secret)
        return
    write(stack, secret or key.secret)
    with pytest.raises(RuntimeError, match=r"Stack/Key must be the only one that writes to its secret, but there is"):
        app.synth()


def test_a_secret_of_another_stack_is_looked_at_there(app: App, stack: Stack, user: iam.User) -> None:
    """Where a company's aspect gives it a KMS key, or its owner a rotation."""
    other = Stack(app, "Other")
    secret = secretsmanager.Secret(other, "Secret")
    AccessKey(stack, "Key", user=user, secret=secret, automatically_after=Duration.days(30))
    app.synth()
    rotate(other, secret)
    Aspects.of(app).add(Each(secretsmanager.CfnSecret, give_kms_key))
    with pytest.raises(RuntimeError) as failure:
        app.synth(force=True)
    for message in ("must know the KMS key of its secret", "must be the only one that writes to its secret"):
        assert f"Stack/Key {message}" in str(failure.value)


def test_a_key_of_a_template_is_left_alone(app: App, stack: Stack, user: iam.User) -> None:
    """What is imported from a template has parts that only the deployment knows."""
    AccessKey(stack, "Key", user=user)
    properties = {"UserName": "x", "SecretArn": {"Fn::If": ["One", "a", "b"]}, "RoleArn": {"Fn::If": ["One", "a", "b"]}}
    CfnResource(stack, "Included", type="Custom::IAMAccessKey", properties=properties)
    app.synth()


@pytest.mark.parametrize("literal", [True, False], ids=["name", "reference"])
def test_keys_of_other_constructs_count(app: App, stack: Stack, *, literal: bool) -> None:
    """Two of them leave no slot; one is what a migration has for a while."""
    user = iam.User.from_user_name(stack, "User", "deploy") if literal else iam.User(stack, "User")
    iam.AccessKey(stack, "Raw", user=user)
    AccessKey(stack, "Key", user=user)
    app.synth()
    iam.CfnAccessKey(stack, "RawToo", user_name=user.user_name)
    with pytest.raises(RuntimeError, match=r"Stack/Key must have a user with at most 2 .* but Raw\w* and RawToo are"):
        app.synth(force=True)


@pytest.mark.parametrize(
    ("role_path", "user_name", "secret_name"),
    [(None, None, "s" * 500), (f"/{'p' * 250}/", "u" * 64, "s" * 200)],
    ids=["secret", "all together"],
)
def test_a_path_that_iam_refuses_is_refused(
    app: App, stack: Stack, role_path: str | None, user_name: str | None, secret_name: str
) -> None:
    """The names are in the path of the key's role, which has 512 characters."""
    AccessKeyProvider(stack, "AccessKeyProvider", role_path=role_path)
    AccessKey(stack, "Key", user=iam.User(stack, "User", user_name=user_name), secret_name=secret_name)
    with pytest.raises(RuntimeError, match=r"Stack/Key must have a role with a path of at most 512 characters, got 5"):
        app.synth()


def test_a_path_that_only_the_deployment_knows_is_accepted(app: App, stack: Stack) -> None:
    """Before a name that is known, too."""
    AccessKeyProvider(stack, "AccessKeyProvider", role_path=CfnParameter(stack, "Path").value_as_string)
    AccessKey(stack, "Key", user=iam.User.from_user_name(stack, "User", "deploy"))
    app.synth()


def test_an_aspect_that_overrides_the_path_is_refused(app: App, stack: Stack, user: iam.User) -> None:
    """The provider could not assume the role, and another user would not get another one."""
    AccessKey(stack, "Key", user=user)
    Aspects.of(app).add(Each(iam.CfnRole, lambda role: role.add_property_override("Path", "/company/")))
    with pytest.raises(RuntimeError, match=r"Stack/Key must have a role whose path has the user .* got /company/"):
        app.synth()


def test_what_changes_is_no_export_by_whichever_reference(app: App, stack: Stack, user: iam.User) -> None:
    """By an attribute of the resource, or by its logical id; a stack of outputs alone may be the consumer."""
    key = AccessKey(stack, "Key", user=user)
    resource = key.node.default_child
    other = Stack(app, "Other")
    CfnOutput(other, "Output", value=resource.get_att("AccessKeyId").to_string())
    version = Fn.get_att(stack.get_logical_id(resource), "SecretVersionId").to_string()
    CfnOutput(stack, "Version", value=version, export_name="version")
    Stack(app, "Empty")
    with pytest.raises(RuntimeError, match=r"Stack/Key must be rotated, .* the export version, Stack:Exp.* by Other:"):
        app.synth()
