"""Copies of the secret where its readers are: a parameter, a secret of another region.

For those whose reader takes its configuration from Parameter Store, or can't reach the secret's region or account.

The provider writes each copy before the key becomes current, and takes it back with a rollback; docs/copies.md says
what a role of another account needs. Read the parameter as `/copies/deploy-key:current`.
"""

from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey, Copy, SecretFormat


class Copies(Stack):
    """A user, and its key in three places, as an env file."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        AccessKey(
            self,
            "Key",
            user=iam.User(self, "User"),
            secret_format=SecretFormat.env_file(),
            copies=[Copy.parameter("/copies/deploy-key"), Copy.secret("copies/deploy-key", in_region="us-west-2")],
        )


app = App()
Copies(app, "Copies")
app.synth()
