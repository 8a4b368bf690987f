"""A function that reads the secret when it needs the key, and so always has the current one.

For those whose function calls a service that takes nothing but an access key.

Read the secret when a client is made, not when the stack is deployed: a key in an environment variable is shown to
whoever may see the function's configuration, and is old after a rotation.
"""

from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk_iam_access_key import AccessKey

CODE = """
import json, os
import boto3

def handler(event, context):
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["SECRET"])
    pair = json.loads(secret["SecretString"])
    session = boto3.Session(pair["accessKeyId"], pair["secretAccessKey"])
    return session.client("sts").get_caller_identity()["Arn"]
"""


class LambdaReader(Stack):
    """A user, its key, and the function that uses it."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(self, "Key", user=iam.User(self, "User"))
        function = lambda_.Function(
            self,
            "Reader",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handler",
            code=lambda_.Code.from_inline(CODE),
            environment={"SECRET": key.secret.secret_arn},
        )
        key.grant_read(function)


app = App()
LambdaReader(app, "LambdaReader")
app.synth()
