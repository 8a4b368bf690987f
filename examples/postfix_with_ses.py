"""A mail server of your own, Postfix, that sends by SES with a key that renews itself.

For those whose mail server runs outside AWS. Where something else reads the secret for it, ses_smtp.py is simpler.

Nobody can sign a request with an SMTP password. So the secret holds the key itself, and the mail server derives the
password from it: `iam-access-key write` keeps the key in a file and, after each change, runs ses_to_postfix.py of
examples/postfix. The server acknowledges a key once Postfix has it, and the previous one stays Active until then.

The deployment does not try the new password at SES, as `SecretFormat.ses_smtp(…, prove_smtp=True)` would.
"""

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key import AccessKey

ADDRESS, CONSUMER = "203.0.113.25", "mail-1"


class Postfix(Stack):
    """A user that may send mail from one address, and its key."""

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
        key = AccessKey(
            self,
            "Key",
            user=user,
            automatically_after=Duration.days(60),
            grace_period=Duration.hours(6),
            max_active_age=Duration.days(90),
        )
        key.grant_self_renewal(from_addresses=[ADDRESS])
        key.wait_for_consumers(CONSUMER, within=Duration.days(7))


app = App()
Postfix(app, "Postfix")
app.synth()
