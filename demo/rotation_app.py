"""The app of the demo's second part: a key that rotates, retires and goes back while nobody deploys.

The construct takes no time below a minute, because nobody could rely on one: IAM tells the last use of a key late. Here
a minute is too long to watch, so the times are set in seconds on the resource itself.
"""

from typing import cast

from aws_cdk import App, CfnOutput, CfnResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk_iam_access_key import AccessKey, AccessKeyProvider


class KeyRotationExample(Stack):
    """A key with a schedule, an alarm that undoes its rotation, and a queue for what the provider tells."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        user = iam.User(self, "User")
        user.add_to_policy(iam.PolicyStatement(actions=["s3:ListAllMyBuckets"], resources=["*"]))
        denied = cloudwatch.Metric(namespace="Demo", metric_name="DeniedCalls")
        alarm = cloudwatch.Alarm(self, "Alarm", metric=denied, threshold=1, evaluation_periods=1)
        # No other endpoint will see the key here, so it need not settle for long.
        AccessKeyProvider(self, "AccessKeyProvider", settling_time=Duration.seconds(1))
        key = AccessKey(
            self,
            "AccessKey",
            user=user,
            serial=self._given("serial", "1"),
            rotation_schedule=events.Schedule.rate(Duration.hours(4)),
            undo_on_alarm=[alarm],
        )
        resource = cast("CfnResource", key.node.find_child("Resource"))
        grace = self._given("grace", "10")
        resource.add_property_override("GracePeriod", grace)
        resource.add_property_override("RetentionPeriod", grace)
        resource.add_property_override("RetireWhenUnusedFor", "3")

        queue = sqs.Queue(self, "Told")
        pattern = events.EventPattern(source=["cdk-iam-access-key"], resources=[key.secret.secret_arn])
        events.Rule(self, "Tell", event_pattern=pattern, targets=[targets.SqsQueue(queue)])

        CfnOutput(self, "UserName", value=user.user_name)
        CfnOutput(self, "SecretArn", value=key.secret.secret_arn)
        CfnOutput(self, "AlarmName", value=alarm.alarm_name)
        CfnOutput(self, "QueueUrl", value=queue.queue_url)

    def _given(self, name: str, default: str) -> str:
        value = self.node.try_get_context(name)
        return default if value is None else str(value)


app = App()
KeyRotationExample(app, "KeyRotationExample")
app.synth()
