"""A key that a function brings to the secrets of GitHub Actions, before anybody else gets it.

For those whose jobs must find the key in the secrets of their repository. Where a job can read the key itself, by
OpenID Connect, take github_actions.py: then nothing has to be brought.

The function reads a token from the secret `ci/github-token`, which you make: a fine-grained personal access token,
or one of a GitHub App, with the permission "Secrets: write" for this repository and nothing else. It encrypts with
PyNaCl, which goes beside its code before you deploy:

    pip install --requirement examples/functions/github/requirements.txt --target examples/functions/github \
        --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64 --python-version 3.13 --only-binary :all:

If GitHub can't be reached, the previous key stays current and the deployment or rotation fails; nothing was lost. A
job that starts between the two writes finds the id of one key and the secret of the other, and fails: run it again.
"""

from pathlib import Path

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key import AccessKey

REPOSITORY, TOKEN = "example/shop", "ci/github-token"


class GitHubSecrets(Stack):
    """A user, its key, and the function that brings it to a repository."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(
            self,
            "DeployKey",
            user=iam.User(self, "DeployUser"),
            automatically_after=Duration.days(30),
            grace_period=Duration.hours(7),  # longer than a job: GitHub's own runners stop it after six hours
            max_active_age=Duration.days(45),
        )
        function = lambda_.Function(
            self,
            "Delivery",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            handler="index.handler",
            code=lambda_.Code.from_asset(
                str(Path(__file__).parent / "functions" / "github"), exclude=["**/__pycache__"]
            ),
            timeout=Duration.seconds(35),  # the provider waits for 40
            environment={"REPOSITORY": REPOSITORY, "TOKEN_SECRET": TOKEN},
        )
        secretsmanager.Secret.from_secret_name_v2(self, "Token", TOKEN).grant_read(function)
        key.deliver_to(function, name="github")


app = App()
GitHubSecrets(app, "GitHubSecrets")
app.synth()
