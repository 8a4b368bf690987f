"""A role of another account that reads the secret: the resource policy and the KMS key's policy let it in.

For those who keep keys in one account and use them from another.

Three permissions are needed: the policy of the secret and that of the KMS key, which `grant_read` writes, and the
reader's own, which its account writes. AWS's own KMS key lets no other account in, so the secret has one of yours.
The reader names the secret by its complete ARN, which the first stack puts out. Deploy the reader first: AWS
refuses policies that name a role that does not exist.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html

A reader that must find the secret in its own account needs a copy: see copies.py.
"""

from aws_cdk import App, CfnOutput, Environment, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk_iam_access_key import AccessKey

OWNER = Environment(account="111122223333", region="us-east-1")
READER = Environment(account="444455556666", region="us-east-1")
ROLE, SECRET = "deploy-key-reader", "shared/deploy-key"


class Reader(Stack):
    """The role that reads, and what its own account lets it do."""

    def __init__(self, scope: Construct, id: str, *, env: Environment) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id, env=env)
        role = iam.Role(self, "Role", role_name=ROLE, assumed_by=iam.AccountRootPrincipal())
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                resources=[
                    f"arn:{self.partition}:secretsmanager:{OWNER.region}:{OWNER.account}:secret:{SECRET}-??????"
                ],
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt"],
                resources=[f"arn:{self.partition}:kms:{OWNER.region}:{OWNER.account}:key/*"],
                conditions={"StringEquals": {"kms:ViaService": f"secretsmanager.{OWNER.region}.amazonaws.com"}},
            )
        )


class Owner(Stack):
    """A user, its key, and the policies that let the reader in."""

    def __init__(self, scope: Construct, id: str, *, env: Environment) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id, env=env)
        kms_key = kms.Key(self, "KmsKey", removal_policy=RemovalPolicy.DESTROY)
        key = AccessKey(self, "Key", user=iam.User(self, "User"), secret_name=SECRET, encryption_key=kms_key)
        reader = f"arn:{self.partition}:iam::{READER.account}:role/{ROLE}"
        key.grant_read(iam.Role.from_role_arn(self, "Reader", reader))
        CfnOutput(self, "SecretArn", value=key.secret.secret_arn)


app = App()
reader_stack = Reader(app, "DeployKeyReader", env=READER)
Owner(app, "DeployKeyOwner", env=OWNER).add_dependency(reader_stack)
app.synth()
