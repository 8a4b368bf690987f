"""The function that CloudFormation calls to manage access keys."""

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk_iam_access_key._asset import HANDLER_PACKAGE, handler_asset

_ID = "AccessKeyProvider"
_ROLES = "cdk-iam-access-key"
_FUNCTION_TIMEOUT = Duration.seconds(300)
# Longer than the function may run, so that an answer sent with its last second still counts.
_SERVICE_TIMEOUT = Duration.seconds(330)


class AccessKeyProvider(Construct):
    """Define the function behind `Custom::IAMAccessKey`, its role and its log group.

    A stack needs one, however many keys it has; `AccessKey` gets or creates it. Define it yourself, with the id
    `AccessKeyProvider` directly under the stack and before the first key, to set its properties, or pass it to
    the keys of several stacks of one account and region. CloudFormation refuses to change the provider of a key
    that is deployed.

    The function's role may write to its log group and assume the roles under `role_path`. All other permissions
    are in the role that each key brings along, for its user and its secret only.

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
        self.role = self._define_role(stack)
        self.function = self._define_function()

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
                environment={"AWS_STS_REGIONAL_ENDPOINTS": "regional"},
                retry_attempts=2,
                # An event that is older than what CloudFormation waits for is about a request that it has given
                # up: acting on it could undo what has happened since.
                max_event_age=_SERVICE_TIMEOUT,
            )
