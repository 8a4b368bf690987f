"""A build that finds the key in its environment.

For those who publish from CodeBuild to a place that takes nothing but an access key.

CodeBuild reads the secret when a build starts, so a rotation reaches the next build, and it masks the values in the
log. A grace period that is longer than the longest build lets running builds end.
https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec.env.secrets-manager
"""

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey


class CodeBuildProject(Stack):
    """A user, its key, and the project that has it."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(self, "Key", user=iam.User(self, "User"), grace_period=Duration.hours(9))
        project = codebuild.Project(
            self,
            "Publish",
            build_spec=codebuild.BuildSpec.from_object(
                {"version": "0.2", "phases": {"build": {"commands": ["./publish.sh"]}}}
            ),
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(
                    type=codebuild.BuildEnvironmentVariableType.SECRETS_MANAGER,
                    value=f"{key.secret.secret_arn}:{field}",
                )
                for name, field in {
                    "PUBLISH_ACCESS_KEY_ID": "accessKeyId",
                    "PUBLISH_SECRET_ACCESS_KEY": "secretAccessKey",
                }.items()
            },
        )
        key.grant_read(project)


app = App()
CodeBuildProject(app, "CodeBuildProject")
app.synth()
