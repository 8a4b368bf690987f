"""The functions of the guards: each has its own log and its own role, which may do what this one function does."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk_iam_access_key._shared.functions import define_function, define_log_group, role_statements
from cdk_iam_access_key._shared.lambda_asset import GUARD_PACKAGE, HandlerAsset, handler_asset
from cdk_iam_access_key._shared.validation import check_kind
from cdk_iam_access_key.function_options import FunctionOptions


def guard_asset() -> HandlerAsset:
    """Collect the code of a guard's functions."""
    return handler_asset(GUARD_PACKAGE)


def checked_options(options: FunctionOptions | None) -> FunctionOptions:
    """Return the options of a guard's functions.

    Raises:
        ValueError: They are of another kind.
    """
    if options is None:
        return FunctionOptions()
    check_kind("function_options", options, FunctionOptions, "a FunctionOptions")
    return options


class GuardFunction(Construct):
    """Define a function of a guard.

    Args:
        scope: Where it is defined.
        id: Its id there.
        handler: The module and function in the package of the guards.
        code: Its code.
        options: Where and how it runs.
        description: What it does.
        statements: What its role may do besides what its log and the options need.
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
        code: lambda_.Code,
        options: FunctionOptions,
        description: str,
        statements: Sequence[iam.PolicyStatement],
        timeout: Duration,
        environment: dict[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        log = define_log_group(options, self, "Log", logs.RetentionDays.ONE_YEAR)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=description,
            # Inline, so that whatever depends on the role has its permissions too.
            inline_policies={
                "Guard": iam.PolicyDocument(statements=[*role_statements(options, self, log), *statements])
            },
        )
        self.function = define_function(
            options,
            self,
            "Function",
            description=description,
            handler=f"{GUARD_PACKAGE}.{handler}",
            code=code,
            timeout=timeout,
            role=role,
            log_group=log,
            # AssumeRoot has no global endpoint.
            environment={"AWS_STS_REGIONAL_ENDPOINTS": "regional", **(environment or {})},
        )
