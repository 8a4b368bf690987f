"""A key that a function brings to the CI/CD variables of a GitLab project, before anybody else gets it.

For those whose pipelines must find the key in the variables of their project. Where a job can assume a role with
GitLab's OpenID Connect token, let it do that, and have no key.

The function reads a token from the secret `ci/gitlab-token`, which you make: a project access token with the scope
`api` and the role Maintainer. It expires after a year at most: GitLab reminds you. The variables are masked, and
protected: only jobs of protected branches and tags get them. A GitLab of your own goes into `API_URL`; a function in
a VPC needs a way there.

If GitLab can't be reached, the previous key stays current and the deployment or rotation fails; nothing was lost. A
job that starts between the two writes finds the id of one key and the secret of the other, and fails: run it again.
"""

from pathlib import Path

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key import AccessKey

PROJECT, TOKEN = "example/shop", "ci/gitlab-token"


class GitLabVariables(Stack):
    """A user, its key, and the function that brings it to a project."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(
            self,
            "DeployKey",
            user=iam.User(self, "DeployUser"),
            automatically_after=Duration.days(30),
            grace_period=Duration.hours(4),  # longer than a job may run
            max_active_age=Duration.days(45),
        )
        function = lambda_.Function(
            self,
            "Delivery",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handler",
            code=lambda_.Code.from_asset(
                str(Path(__file__).parent / "functions" / "gitlab"), exclude=["**/__pycache__"]
            ),
            timeout=Duration.seconds(35),  # the provider waits for 40
            environment={"API_URL": "https://gitlab.com", "PROJECT": PROJECT, "TOKEN_SECRET": TOKEN},
        )
        secretsmanager.Secret.from_secret_name_v2(self, "Token", TOKEN).grant_read(function)
        key.deliver_to(function, name="gitlab")


app = App()
GitLabVariables(app, "GitLabVariables")
app.synth()
