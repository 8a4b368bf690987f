"""A container that finds the key in its environment, under the names that AWS's SDKs look for.

For those who run a program in ECS that can't use the task's own role, such as one that calls another account with a
key.

`secret_format` names the fields of the secret, and `ecs.Secret` takes each of them. ECS reads the secret when a
task starts: let tasks start anew within the grace period, or use `cut_over_after` with the service.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
"""

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey, Field, SecretFormat


class EcsTask(Stack):
    """A user, its key, and the task that has it."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(
            self,
            "Key",
            user=iam.User(self, "User"),
            grace_period=Duration.days(2),  # longer than any task runs
            secret_format=SecretFormat.json(
                {
                    "AWS_ACCESS_KEY_ID": Field.ACCESS_KEY_ID,
                    "AWS_SECRET_ACCESS_KEY": Field.SECRET_ACCESS_KEY,
                    "AWS_REGION": self.region,
                }
            ),
        )
        task = ecs.FargateTaskDefinition(self, "Task")
        task.add_container(
            "Program",
            image=ecs.ContainerImage.from_registry("public.ecr.aws/docker/library/busybox"),
            secrets={
                name: ecs.Secret.from_secrets_manager(key.secret, name)
                for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
            },
        )


app = App()
EcsTask(app, "EcsTask")
app.synth()
