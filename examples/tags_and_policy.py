"""Tags on the secret, and a policy by which one role alone may read it, whatever its readers' policies say.

For those whose company asks for tags, and whose account has administrators who should not see this key.

`key.secret` is an ordinary secret to the CDK. The provider writes to it and never reads it, so a policy may deny
`secretsmanager:GetSecretValue` to everybody else. It must not deny `DescribeSecret`, `PutSecretValue` or
`UpdateSecretVersionStage`. Its resource is `*`, which in such a policy means this secret: the policy comes before
the key.
"""

from aws_cdk import App, Stack, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey


class TagsAndPolicy(Stack):
    """A user, its key, and the one role that may read it."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        reader = iam.Role(self, "Reader", assumed_by=iam.AccountRootPrincipal())
        key = AccessKey(self, "Key", user=iam.User(self, "User"))
        key.grant_read(reader)
        Tags.of(key.secret).add("data-class", "credential")
        key.secret.add_to_resource_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["secretsmanager:GetSecretValue"],
                resources=["*"],
                conditions={"ArnNotEquals": {"aws:PrincipalArn": reader.role_arn}},
            )
        )


app = App()
TagsAndPolicy(app, "TagsAndPolicy")
app.synth()
