"""The app of the demo's third part: a key that its consumer renews by itself, and whose retirement waits for it."""

from aws_cdk import App, CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_iam_access_key import AccessKey, AccessKeyProvider


class KeyConsumerExample(Stack):
    """A key with a grace period of a minute, the least there is, and a queue for what the provider tells."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        user = iam.User(self, "User")
        user.add_to_policy(iam.PolicyStatement(actions=["s3:ListAllMyBuckets"], resources=["*"]))
        # No other endpoint will see the key here, so it need not settle for long.
        AccessKeyProvider(self, "AccessKeyProvider", settling_time=Duration.seconds(1))
        key = AccessKey(
            self,
            "AccessKey",
            user=user,
            serial=self.node.try_get_context("serial") or 1,
            grace_period=Duration.minutes(1),
            rotation_schedule=events.Schedule.rate(Duration.days(30)),
        )
        key.grant_self_renewal(from_addresses=["203.0.113.7"])
        key.wait_for_consumers("ci-runner-7", within=Duration.days(7))
        queue = sqs.Queue(self, "Told")
        key.on_event("Tell", targets.SqsQueue(queue))

        CfnOutput(self, "UserName", value=user.user_name)
        CfnOutput(self, "SecretArn", value=key.secret.secret_arn)
        CfnOutput(self, "QueueUrl", value=queue.queue_url)


app = App()
KeyConsumerExample(app, "KeyConsumerExample")
app.synth()
