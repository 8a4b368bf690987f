"""The key of External Secrets Operator, in a cluster outside AWS, which the operator renews itself.

For those whose cluster can't give its pods a role. Where it can, by OpenID Connect, have no key.

The operator reads the key from AWS with the key that it has, and writes it over that: examples/external-secrets has
the manifests. It can't prove that it has a key, so nobody waits for it by name: the grace period is long, and a
previous key that is used is kept. It has one key only: after an undo, which deactivates that at once, put the current
one into the cluster by hand.
"""

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey

ADDRESS = "203.0.113.40"


class ExternalSecrets(Stack):
    """A user, its key, and what to write into the manifests."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(
            self,
            "Key",
            user=iam.User(self, "Operator"),
            automatically_after=Duration.days(30),
            grace_period=Duration.days(3),  # a cluster that is down for a weekend still finds its way back
            max_active_age=Duration.days(45),
        )
        key.grant_self_renewal(from_addresses=[ADDRESS])
        CfnOutput(self, "SecretArn", value=key.secret.secret_arn)


app = App()
ExternalSecrets(app, "ExternalSecrets")
app.synth()
