"""The functions of the guards: each has its own log and its own role, which may do what this one function does."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk_iam_access_key._shared.lambda_asset import GUARD_PACKAGE, HandlerAsset, handler_asset

_MEMORY = 256


def guard_asset() -> HandlerAsset:
    """Collect the code of a guard's functions."""
    return handler_asset(GUARD_PACKAGE)


class GuardFunction(Construct):
    """Define a function of a guard.

    Args:
        scope: Where it is defined.
        id: Its id there.
        handler: The module and function in the package of the guards.
        asset: Its code.
        description: What it does.
        statements: What its role may do besides writing its log.
        timeout: How long it may run.
        environment: What it reads of its settings there.

    Attributes:
        function: The function.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        handler: str,
        asset: HandlerAsset,
        description: str,
        statements: Sequence[iam.PolicyStatement],
        timeout: Duration,
        environment: dict[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        log = logs.LogGroup(self, "Log", retention=logs.RetentionDays.ONE_YEAR, removal_policy=RemovalPolicy.DESTROY)
        writing = iam.PolicyStatement(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log.log_group_arn]
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=description,
            # Inline, so that whatever depends on the role has its permissions too.
            inline_policies={"Guard": iam.PolicyDocument(statements=[writing, *statements])},
        )
        with asset.staged() as archive:
            self.function = lambda_.Function(
                self,
                "Function",
                description=description,
                runtime=lambda_.Runtime.PYTHON_3_14,
                architecture=lambda_.Architecture.ARM_64,
                handler=f"{GUARD_PACKAGE}.{handler}",
                code=lambda_.Code.from_asset(str(archive), asset_hash=asset.hash),
                timeout=timeout,
                memory_size=_MEMORY,
                role=role,
                log_group=log,
                # AssumeRoot has no global endpoint.
                environment={"AWS_STS_REGIONAL_ENDPOINTS": "regional", **(environment or {})},
            )
