"""A machine outside AWS whose programs use an access key that renews itself.

For those who have backups, build machines or servers of their own that call AWS, and can't use IAM Roles Anywhere.

The key's user may read the current key of its own secret, from the machine's public address only. The client,
`iam-access-key`, does that on the machine; docs/consumers.md has its commands, and examples/systemd a timer. The
previous key stays Active until the machine has proven that it has the new one; mail tells if it has not in a week.

A thief of the key who can send from that address follows its rotation.
"""

from aws_cdk import App, CfnParameter, Duration, Stack
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk_iam_access_key import AccessKey

ADDRESS, CONSUMER = "203.0.113.7", "backup-1"


class Machine(Stack):
    """A user, its key, and who is told if a machine does not take the next one."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        key = AccessKey(
            self,
            "Key",
            user=iam.User(self, "BackupUser"),
            automatically_after=Duration.days(30),
            grace_period=Duration.hours(6),
            max_active_age=Duration.days(60),
        )
        key.grant_self_renewal(from_addresses=[ADDRESS])
        key.wait_for_consumers(CONSUMER, within=Duration.days(7))
        address = CfnParameter(self, "MailAddress", default="keys@example.com")
        topic = sns.Topic(self, "Keys")
        topic.add_subscription(subscriptions.EmailSubscription(address.value_as_string))
        key.on_event("Overdue", targets.SnsTopic(topic), "Access Key Retirement Overdue", "Access Key Too Old")


app = App()
Machine(app, "Machine")
app.synth()
