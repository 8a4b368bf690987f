"""A key that jobs of GitHub Actions read when they start, rotated by schedule.

For those whose job runs a program that takes nothing but an access key. Where the program can use a role, let the
job assume that role instead, and have no key.

The job assumes a role by OpenID Connect, which needs no secret in GitHub, and reads the key with it. So nobody has
to copy a rotated key anywhere:

    permissions: {id-token: write}
    steps:
      - uses: aws-actions/configure-aws-credentials@v4
        with: {role-to-assume: <output RoleArn>, aws-region: eu-central-1}
      - uses: aws-actions/aws-secretsmanager-get-secrets@v2
        with: {secret-ids: "DEPLOY,<output SecretArn>", parse-json-secrets: true}
      - run: ./deploy --key "$DEPLOY_ACCESSKEYID" --secret "$DEPLOY_SECRETACCESSKEY"

https://docs.github.com/en/actions/how-tos/secure-your-work/security-harden-deployments/oidc-in-aws
"""

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey

ISSUER = "token.actions.githubusercontent.com"
REPOSITORY, BRANCH = "example/shop", "main"


class GitHubActions(Stack):
    """A user, its key, and the role by which jobs of one branch read it."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(
            self,
            "DeployKey",
            user=iam.User(self, "DeployUser"),
            rotation_schedule=events.Schedule.cron(minute="0", hour="4", day="1"),
            rotation_window=Duration.hours(2),
            grace_period=Duration.hours(7),  # longer than a job may run
            max_active_age=Duration.days(45),
        )
        # The account has one such provider. Import it by its ARN.
        provider = f"arn:{self.partition}:iam::{self.account}:oidc-provider/{ISSUER}"
        conditions = {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                f"{ISSUER}:sub": f"repo:{REPOSITORY}:ref:refs/heads/{BRANCH}",
            }
        }
        role = iam.Role(self, "JobRole", assumed_by=iam.WebIdentityPrincipal(provider, conditions))
        key.grant_read(role)
        CfnOutput(self, "RoleArn", value=role.role_arn)
        CfnOutput(self, "SecretArn", value=key.secret.secret_arn)


app = App()
GitHubActions(app, "GitHubActions")
app.synth()
