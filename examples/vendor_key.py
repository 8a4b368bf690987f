"""A key that a vendor works with: rotated each month, announced by mail, retired when nobody uses it.

For those who have to give a vendor an access key, because the vendor can't assume a role.

Each new key is announced by mail, with ids and times and no secret. The previous key stays Active for two weeks,
longer while the vendor uses it, and until somebody says that the vendor has the new one:

    python -m cdk_iam_access_key acknowledge --secret <its name> --consumer vendor

After three weeks it is reported as overdue; nothing deactivates it by force. While it is Active, IAM has no slot for
the next key, so a vendor that never changes over makes the next rotation fail.

Whoever hands the key over reads it from the secret: a person by the role, or a function that the same rule starts.
"""

from aws_cdk import App, CfnParameter, Duration, Stack
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk_iam_access_key import AccessKey


class VendorKey(Stack):
    """A user, its key, who hands it over, and the mail that says when."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(
            self,
            "VendorKey",
            user=iam.User(self, "Vendor"),
            automatically_after=Duration.days(30),
            grace_period=Duration.days(14),
            retire_when_unused_for=Duration.days(3),
            overdue_after=Duration.days(21),
        )
        key.wait_for_consumers("vendor", within=Duration.days(21))
        key.grant_read(iam.Role(self, "WhoHandsItOver", assumed_by=iam.AccountRootPrincipal()))
        address = CfnParameter(self, "MailAddress", default="keys@example.com")
        topic = sns.Topic(self, "Keys")
        topic.add_subscription(subscriptions.EmailSubscription(address.value_as_string))
        key.on_event(
            "Announced",
            targets.SnsTopic(topic),
            "Access Key Published",
            "Access Key Retirement Postponed",
            "Access Key Retirement Overdue",
            "Access Key Deactivated",
        )


app = App()
VendorKey(app, "VendorKey")
app.synth()
