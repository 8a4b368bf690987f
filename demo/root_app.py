"""The app with the guards of root access keys: of one account, of its organization, of the future (`-c guard=...`)."""

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_iam_access_key import (
    DenyRootAccessKeyCreation,
    OrganizationRootKeyGuard,
    RootAccessKeyGuard,
    RootKeyAction,
    RootKeyMode,
)

# The least that there is; an hour is the default.
NOTICE_PERIOD = Duration.minutes(1)


class RootKeyAccount(Stack):
    """The guard of the account itself, which fails the deployment or warns."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        on_found = RootKeyAction(self.node.try_get_context("on_found") or "Fail")
        guard = RootAccessKeyGuard(self, "Root", on_found=on_found)
        CfnOutput(self, "AlarmName", value=guard.alarm.alarm_name)


class RootKeyOrganization(Stack):
    """The guard of the organization, and a queue for its notices."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        topic, queue = sns.Topic(self, "Topic", enforce_ssl=True), sqs.Queue(self, "Notices", enforce_ssl=True)
        topic.add_subscription(subscriptions.SqsSubscription(queue, raw_message_delivery=True))
        guard = OrganizationRootKeyGuard(
            self,
            "OrgRoot",
            mode=RootKeyMode(self.node.try_get_context("mode") or "Audit"),
            unused_for=Duration.days(90),
            notice_period=NOTICE_PERIOD,
            notify=topic,
        )
        CfnOutput(self, "StateMachineArn", value=guard.state_machine.state_machine_arn)
        CfnOutput(self, "Bucket", value=guard.bucket.bucket_name)
        CfnOutput(self, "QueueUrl", value=queue.queue_url)


class RootKeyFuture(Stack):
    """The policy that root users create no keys, attached to what the context names."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        DenyRootAccessKeyCreation(self, "NoRootKeys", targets=self.node.get_context("targets").split(","))


if __name__ == "__main__":
    app = App()
    match app.node.try_get_context("guard"):
        case "account":
            RootKeyAccount(app, "RootKeyAccount")
        case "future":
            RootKeyFuture(app, "RootKeyFuture")
        case _:
            RootKeyOrganization(app, "RootKeyOrganization")
    app.synth()
