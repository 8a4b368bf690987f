"""SMTP credentials of SES, for two regions, rotated by Secrets Manager.

For those whose mail program speaks SMTP and nothing else.

The secret holds what SES derives from the key, and not the secret access key itself. `prove_smtp=True` adds a login
at each endpoint before a new password becomes current; functions in a VPC need a way there.
https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
"""

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey, SecretFormat


class SesSmtp(Stack):
    """A user that may send mail from one address, and its credentials."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        user = iam.User(self, "Mailer")
        user.add_to_policy(
            iam.PolicyStatement(
                actions=["ses:SendRawEmail"],
                resources=["*"],
                conditions={"StringEquals": {"ses:FromAddress": "shop@example.com"}},
            )
        )
        AccessKey(
            self,
            "Smtp",
            user=user,
            secret_format=SecretFormat.ses_smtp(["eu-central-1", "us-east-1"]),
            automatically_after=Duration.days(60),
            grace_period=Duration.days(7),  # until each mail program has read the secret again
            max_active_age=Duration.days(90),
        )


app = App()
SesSmtp(app, "SesSmtp")
app.synth()
