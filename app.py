"""The example app: an IAM user with an access key, to deploy, rotate, switch off and destroy.

cdk deploy                                      the user gets a key
cdk deploy -c serial=2                          rotate: the previous key stays Active for an hour and until unused
cdk deploy -c serial=2 -c grace=0               rotate: the previous key is deactivated in the same deployment
cdk deploy -c serial=2 -c status=Inactive       deactivate the key
cdk deploy -c serial=3 -c fail=true             rotate, then fail on purpose: CloudFormation rolls back
cdk destroy                                     the key is deleted, then the user

Left alone, Secrets Manager rotates the key every 80 days, so that none is Active for 90 days.
"""

from aws_cdk import App, CfnOutput, CfnWaitCondition, CfnWaitConditionHandle, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, Node

from cdk_iam_access_key import AccessKey

_STATUS = {"Active": iam.AccessKeyStatus.ACTIVE, "Inactive": iam.AccessKeyStatus.INACTIVE}


class AccessKeyExample(Stack):
    """A user, its access key, and what there is to know about the key except the secret itself."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        user = iam.User(self, "User")
        status = _STATUS[_context(self.node, "status", default="Active", allowed=list(_STATUS))]
        active = status is iam.AccessKeyStatus.ACTIVE
        key = AccessKey(
            self,
            "AccessKey",
            user=user,
            serial=_context(self.node, "serial", default="1"),
            status=status,
            grace_period=Duration.minutes(_number(self.node, "grace", default="60")),
            # There is nothing to rotate while nobody may use the key.
            automatically_after=Duration.days(80) if active else None,
            max_active_age=Duration.days(90),
        )
        CfnOutput(self, "UserName", value=user.user_name)
        CfnOutput(self, "AccessKeyId", value=key.access_key_id)
        CfnOutput(self, "Status", value=key.status)
        CfnOutput(self, "SecretArn", value=key.secret.secret_arn)
        CfnOutput(self, "SecretVersionId", value=key.secret_version_id)

        if _context(self.node, "fail", default="false", allowed=["true", "false"]) == "true":
            # Waits a second for a signal that nobody sends, once the key is done.
            handle = CfnWaitConditionHandle(self, "NoSignal")
            failure = CfnWaitCondition(self, "FailOnPurpose", handle=handle.ref, timeout="1", count=1)
            failure.node.add_dependency(key)


def _context(node: Node, name: str, *, default: str, allowed: list[str] | None = None) -> str:
    value = node.try_get_context(name)
    given = default if value is None else str(value)
    if allowed and given not in allowed:
        raise ValueError(f"context {name} must be {' or '.join(allowed)}, got {given!r}; pass -c {name}={allowed[0]}")
    return given


def _number(node: Node, name: str, *, default: str) -> int:
    given = _context(node, name, default=default)
    if not (given.isascii() and given.isdigit()):
        raise ValueError(f"context {name} must be a number of minutes, got {given!r}; pass -c {name}={default}")
    return int(given)


app = App()
AccessKeyExample(app, "AccessKeyExample")
app.synth()
