"""A key whose secret is there in other regions too, by Secrets Manager's replication, each replica with its KMS key.

For those whose readers in another region must get the key when this region can't be reached.

Secrets Manager copies each version with its labels, so readers of a replica get a rotated key moments later; a
grace period covers that. A replica has the same name and its own region in its ARN. A KMS key must be one of the
replica's region. Another account, or another document, needs `copies`: see copies.py.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets.html
"""

from aws_cdk import App, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key import AccessKey


class ReplicaRegions(Stack):
    """A user, its key, and a secret with two replicas."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name="replicated/deploy-key",
            removal_policy=RemovalPolicy.DESTROY,
            replica_regions=[
                secretsmanager.ReplicaRegion(region="eu-west-1"),
                secretsmanager.ReplicaRegion(
                    region="us-west-2",
                    encryption_key=kms.Key.from_key_arn(
                        self,
                        "KmsKeyOfReplica",
                        "arn:aws:kms:us-west-2:111122223333:key/11111111-2222-3333-4444-555555555555",
                    ),
                ),
            ],
        )
        AccessKey(self, "Key", user=iam.User(self, "User"), secret=secret)


app = App()
ReplicaRegions(app, "ReplicaRegions")
app.synth()
