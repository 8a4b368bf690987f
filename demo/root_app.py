"""The app of the demo of root access keys: a guard of one account, or of its organization (`-c guard=...`)."""

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_iam_access_key import OrganizationRootKeyGuard, RootAccessKeyGuard, RootKeyAction, RootKeyMode


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
            notify=topic,
        )
        CfnOutput(self, "StateMachineArn", value=guard.state_machine.state_machine_arn)
        CfnOutput(self, "Bucket", value=guard.bucket.bucket_name)
        CfnOutput(self, "QueueUrl", value=queue.queue_url)


if __name__ == "__main__":
    app = App()
    if app.node.try_get_context("guard") == "account":
        RootKeyAccount(app, "RootKeyAccount")
    else:
        RootKeyOrganization(app, "RootKeyOrganization")
    app.synth()
