"""The function that CloudFormation calls to manage access keys."""

from typing import cast

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from cdk_iam_access_key._access_key.schedules import allow_to_call, define_scheduler_role
from cdk_iam_access_key._shared.dead_letter_queue import define_dead_letter_queue
from cdk_iam_access_key._shared.lambda_asset import HANDLER_PACKAGE, handler_asset

_ID = "AccessKeyProvider"
_ROLES = "cdk-iam-access-key"
_PROVIDER_TAG = "cdk-iam-access-key:provider"
_ROTATION_PERMISSION = "RotationPermission"
_FUNCTION_TIMEOUT = Duration.seconds(300)
# Longer than the function may run, so that an answer sent with its last second still counts.
_SERVICE_TIMEOUT = Duration.seconds(330)


class AccessKeyProvider(Construct):
    """Define the function behind `Custom::IAMAccessKey`, and what it needs to come back to keys later.

    A stack needs one, however many keys it has; `AccessKey` gets or creates it. Define it yourself, with the id
    `AccessKeyProvider` directly under the stack and before the first key, to set its properties, or pass it to
    the keys of several stacks of one account and region. CloudFormation refuses to change the provider of a key
    that is deployed.

    The function's role may write to its log group, assume the roles under `role_path`, and describe the secrets that
    are tagged as those of its keys. All other permissions are in the role that each key brings along, for its user and
    its secret only.

    The function looks at replaced keys again when EventBridge Scheduler calls it. What could not be delivered to it is
    in `dead_letter_queue`: an alarm on the queue's messages tells of it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        log_retention: How long CloudWatch keeps the function's log. The log group itself goes with the stack.

    Attributes:
        function: The function, which is the custom resource's service token.
        role: The role that the function runs with.
        log_group: What the function writes to.
        role_path: The IAM path of the roles that the function may assume.
        schedule_group_name: The group of the keys' schedules, a token.
        scheduler_role: The role with which schedules call the function.
        dead_letter_queue: Holds the schedules' and alarms' events that did not reach the function, for 14 days.
        service_timeout: How long CloudFormation is to wait for an answer of the function.

    Raises:
        RuntimeError: The handler or crhelper is not installed the way the function needs it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        self.role_path = f"/{_ROLES}/{stack.stack_name}/"
        self.service_timeout = _SERVICE_TIMEOUT
        self.log_group = logs.LogGroup(self, "Log", retention=log_retention, removal_policy=RemovalPolicy.DESTROY)
        self.dead_letter_queue = define_dead_letter_queue(self)
        group = scheduler.CfnScheduleGroup(self, "ScheduleGroup")
        self.schedule_group_name = group.ref
        self.scheduler_role = define_scheduler_role(self, group)
        self.role = self._define_role(stack)
        self.function = self._define_function()
        allow_to_call(self, self.scheduler_role, self.function, self.dead_letter_queue)

    @classmethod
    def get_or_create(cls, scope: Construct) -> "AccessKeyProvider":
        """Return the provider of the stack that `scope` is in, and define it if there is none yet.

        Raises:
            ValueError: The stack has another construct with the id of the provider.
        """
        stack = Stack.of(scope)
        found = stack.node.try_find_child(_ID)
        if found is None:
            return cls(stack, _ID)
        if isinstance(found, AccessKeyProvider):
            return found
        raise ValueError(
            f"{found.node.path} must be an AccessKeyProvider, got an object of {type(found).__name__}; "
            "give that one another id"
        )

    def allow_rotation(self) -> lambda_.CfnPermission:
        """Let Secrets Manager of this account call the function as a rotation function, once for all keys."""
        found = self.node.try_find_child(_ROTATION_PERMISSION)
        if found is not None:
            return cast("lambda_.CfnPermission", found)
        return lambda_.CfnPermission(
            self,
            _ROTATION_PERMISSION,
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal="secretsmanager.amazonaws.com",
            source_account=Stack.of(self).account,
        )

    def accept_undelivered_events(self) -> None:
        """Let rules of this account and region put events that did not reach the function into the queue."""
        rules = Stack.of(self).format_arn(service="events", resource="rule", resource_name="*")
        self.dead_letter_queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.dead_letter_queue.queue_arn],
                # Any rule: those of keys in other stacks can't be named here, their stacks come later.
                conditions={"ArnLike": {"aws:SourceArn": rules}},
            )
        )

    def _define_role(self, stack: Stack) -> iam.Role:
        key_roles = stack.format_arn(
            service="iam",
            region="",
            resource="role",
            resource_name=f"{_ROLES}/{stack.stack_name}/*",
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
        statements = [
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[self.log_group.log_group_arn],
            ),
            iam.PolicyStatement(actions=["sts:AssumeRole"], resources=[key_roles]),
            # A schedule, a rotation and an operator name a secret only; its tags tell which role to assume.
            iam.PolicyStatement(
                actions=["secretsmanager:DescribeSecret"],
                resources=[
                    stack.format_arn(
                        service="secretsmanager",
                        resource="secret",
                        resource_name="*",
                        arn_format=ArnFormat.COLON_RESOURCE_NAME,
                    )
                ],
                conditions={"StringEquals": {f"aws:ResourceTag/{_PROVIDER_TAG}": self.role_path}},
            ),
        ]
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Runs the access key provider, which assumes the role of each key",
            # Inline, so that whatever depends on the role has its permissions too.
            inline_policies={"AccessKeyProvider": iam.PolicyDocument(statements=statements)},
        )

    def _define_function(self) -> lambda_.Function:
        asset = handler_asset()
        with asset.staged() as archive:
            return lambda_.Function(
                self,
                "Function",
                description="Creates, rotates and deletes the access keys of Custom::IAMAccessKey",
                runtime=lambda_.Runtime.PYTHON_3_14,
                architecture=lambda_.Architecture.ARM_64,
                handler=f"{HANDLER_PACKAGE}.main.handler",
                code=lambda_.Code.from_asset(str(archive), asset_hash=asset.hash),
                timeout=_FUNCTION_TIMEOUT,
                memory_size=256,
                role=self.role,
                log_group=self.log_group,
                # A key is proven where its users are: new keys reach the regions one by one.
                environment={
                    "AWS_STS_REGIONAL_ENDPOINTS": "regional",
                    "SCHEDULE_GROUP": self.schedule_group_name,
                    "SCHEDULE_ROLE_ARN": self.scheduler_role.role_arn,
                    "SCHEDULE_DEAD_LETTER_ARN": self.dead_letter_queue.queue_arn,
                },
                retry_attempts=2,
                # An event that is older than what CloudFormation waits for is about a request that it has given
                # up: acting on it could undo what has happened since.
                max_event_age=_SERVICE_TIMEOUT,
            )
