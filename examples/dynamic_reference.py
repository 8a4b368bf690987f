"""Properties of other resources that take the key, by two kinds of dynamic reference.

For those whose resource has a property for a credential and can't read a secret by itself.

CloudFormation puts the value in when it deploys the resource. `key.secret_value(field)` has the version in it, so
that the resource changes with each deployment that rotates, and with no other.
`key.secret.secret_value_from_json(field)` never changes the template: the resource keeps the key that it has until
something else changes it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
"""

from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey


class DynamicReference(Stack):
    """A user, its key, and parameters with its id, which is no secret. Never show the secret access key like this."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(self, "Key", user=iam.User(self, "User"))
        values = {
            "Followed": key.secret_value("accessKeyId"),
            "AsCreated": key.secret.secret_value_from_json("accessKeyId"),
        }
        for name, value in values.items():
            CfnResource(
                self,
                name,
                type="AWS::SSM::Parameter",
                properties={"Type": "String", "Name": f"/dynamic-reference/{name}", "Value": value.unsafe_unwrap()},
            )


app = App()
DynamicReference(app, "DynamicReference")
app.synth()
