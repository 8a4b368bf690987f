"""What companies prescribe for functions and their logs: network, encryption, size, tracing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct

from cdk_iam_access_key._shared.validation import check_encryption_key, check_kind, check_whole_number, shown

# Not a constant of the CDK, whose earlier versions have no such constant.
DEFAULT_RUNTIME = lambda_.Runtime("python3.14", lambda_.RuntimeFamily.PYTHON)
_OLDEST_RUNTIME = 11
_RUNTIME = re.compile(r"python3\.(\d{1,2})")
# https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html
_SECURITY_GROUPS = 5
_SMALLEST_MEMORY, _LARGEST_MEMORY = 128, 10240
# What Lambda needs of a function's role to connect the function to a VPC. None of it can be limited to a resource.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
_NETWORK_ACTIONS = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]
_LOG_ACTIONS = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """Set what functions and their log groups have in common.

    `AccessKeyProvider` takes each of these by itself, the guards of root access keys take them as `function_options`.

    Args:
        vpc: The VPC that the functions run in. They call AWS's endpoints, so they need a way to them:
            docs/company-rules.md names each. No VPC if left out.
        vpc_subnets: Which subnets of it; the private ones that reach the internet if left out.
        security_groups: The security groups in it, at most five. New ones that allow all outbound traffic if left out.
        runtime: Python 3.11 or later. 3.14 if left out; choose an earlier one where a partition has no such runtime.
        architecture: Of the processor. ARM_64 if left out, which costs less; X86_64 where a region has nothing else.
        memory_size: In MiB, 128 to 10,240. 256 if left out. CPU comes in proportion.
        tracing: By X-Ray. None if left out.
        environment_encryption: A KMS key for the environment variables, which hold no secret. The roles are allowed to
            decrypt with it; the policy of an imported key must allow them that, or leave it to the account's policies.
            Lambda's own key if left out.
        log_encryption_key: A KMS key for the log groups, of the stack's region. A key of the app is told to let
            CloudWatch Logs use it; an imported one must have that in its policy already. CloudWatch's own if left out.
        log_retention: How long CloudWatch keeps the logs. A month if left out, for a guard a year.
        log_removal_policy: What becomes of a log group when its construct leaves the stack: DESTROY or RETAIN.
            DESTROY if left out.

    Raises:
        ValueError: A property has a value that can't work.
    """

    vpc: ec2.IVpc | None = None
    vpc_subnets: ec2.SubnetSelection | None = None
    security_groups: Sequence[ec2.ISecurityGroup] | None = None
    runtime: lambda_.Runtime | None = None
    architecture: lambda_.Architecture | None = None
    memory_size: int | None = None
    tracing: lambda_.Tracing | None = None
    environment_encryption: kms.IKey | None = None
    log_encryption_key: kms.IKey | None = None
    log_retention: logs.RetentionDays | None = None
    log_removal_policy: RemovalPolicy | None = None

    def __post_init__(self) -> None:
        """Check what is given."""
        self._check_network()
        if self.runtime is not None:
            _check_runtime(self.runtime)
        if self.architecture is not None:
            check_kind("architecture", self.architecture, lambda_.Architecture, "Architecture.ARM_64 or .X86_64")
        if self.memory_size is not None:
            check_whole_number("memory_size", self.memory_size, minimum=_SMALLEST_MEMORY, maximum=_LARGEST_MEMORY)
        if self.tracing is not None:
            check_kind("tracing", self.tracing, lambda_.Tracing, "Tracing.ACTIVE, .PASS_THROUGH or .DISABLED")
        for name in ("environment_encryption", "log_encryption_key"):
            key = getattr(self, name)
            if key is not None:
                check_encryption_key(name, key)
        if self.log_retention is not None:
            check_kind("log_retention", self.log_retention, logs.RetentionDays, "one of logs.RetentionDays")
        if self.log_removal_policy not in {None, RemovalPolicy.DESTROY, RemovalPolicy.RETAIN}:
            raise ValueError(
                f"log_removal_policy must be RemovalPolicy.DESTROY or .RETAIN, got {shown(self.log_removal_policy)}; "
                "pass one of them"
            )

    def _check_network(self) -> None:
        given = [name for name in ("vpc_subnets", "security_groups") if getattr(self, name) is not None]
        if self.vpc is None and given:
            raise ValueError(f"{given[0]} must come with vpc, got none; pass the VPC that they are in")
        if self.vpc is not None and not hasattr(self.vpc, "vpc_id"):
            raise ValueError(f"vpc must be an ec2.IVpc, got {shown(self.vpc)}; import one with ec2.Vpc.from_lookup")
        if self.vpc_subnets is not None:
            check_kind("vpc_subnets", self.vpc_subnets, ec2.SubnetSelection, "an ec2.SubnetSelection")
        if self.security_groups is None:
            return
        groups = self.security_groups
        if not isinstance(groups, Sequence) or not 1 <= len(groups) <= _SECURITY_GROUPS:
            count = len(groups) if isinstance(groups, Sequence) else shown(groups)
            raise ValueError(
                f"security_groups must be a list of 1 to {_SECURITY_GROUPS} security groups, got {count}; "
                "leave it out, and there is a new one"
            )
        for group in groups:
            if not hasattr(group, "security_group_id"):
                raise ValueError(
                    f"security_groups must be a list of ec2.ISecurityGroup, got {shown(group)} in it; import one with "
                    "ec2.SecurityGroup.from_security_group_id"
                )

    def log_group(
        self, scope: Construct, construct_id: str, retention: logs.RetentionDays, *, name: str | None = None
    ) -> logs.LogGroup:
        """Define a log group, kept for `retention` if the options do not say how long."""
        key = self.log_encryption_key
        if key is not None:
            # Not the ARN of the log group, which comes after its key.
            arn = Stack.of(scope).format_arn(service="logs", resource="*")
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=_LOG_ACTIONS,
                    principals=[iam.ServicePrincipal("logs.amazonaws.com")],
                    resources=["*"],
                    conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
                )
            )
        return logs.LogGroup(
            scope,
            construct_id,
            log_group_name=name,
            encryption_key=key,
            retention=self.log_retention or retention,
            removal_policy=self.log_removal_policy or RemovalPolicy.DESTROY,
        )

    def statements(self, scope: Construct, log_group: logs.ILogGroup) -> list[iam.PolicyStatement]:
        """Return what the role of a function needs for its log and for these options."""
        statements = [_allow(["logs:CreateLogStream", "logs:PutLogEvents"], log_group.log_group_arn)]
        if self.vpc is not None:
            denied = iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=_NETWORK_ACTIONS,
                resources=["*"],
                # Set when the code of a function calls. Lambda itself has to be allowed, its code has not.
                conditions={"Null": {"lambda:SourceFunctionArn": "false"}},
            )
            statements += [_allow(_NETWORK_ACTIONS, "*"), denied]
        if self.tracing in {lambda_.Tracing.ACTIVE, lambda_.Tracing.PASS_THROUGH}:
            statements.append(_allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"))
        if self.environment_encryption is not None:
            functions = Stack.of(scope).format_arn(
                service="lambda", resource="function", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
            )
            decrypt = _allow(["kms:Decrypt"], self.environment_encryption.key_arn)
            decrypt.add_condition("ArnLike", {"kms:EncryptionContext:aws:lambda:FunctionArn": functions})
            statements.append(decrypt)
        return statements

    def function(self, scope: Construct, name: str, **properties: Any) -> lambda_.Function:
        """Define a function with these options.

        Args:
            scope: Where it is defined.
            name: Its id there.
            properties: What is its own: role, log group, code, handler and so on.
        """
        function = lambda_.Function(
            scope,
            name,
            runtime=self.runtime or DEFAULT_RUNTIME,
            architecture=self.architecture or lambda_.Architecture.ARM_64,
            memory_size=self.memory_size or 256,
            vpc=self.vpc,
            vpc_subnets=self.vpc_subnets,
            security_groups=self.security_groups,
            environment_encryption=self.environment_encryption,
            **properties,
        )
        if self.tracing in {lambda_.Tracing.ACTIVE, lambda_.Tracing.PASS_THROUGH}:
            # Not `tracing`, which puts a policy beside the role. The role has one already.
            resource = cast("lambda_.CfnFunction", function.node.default_child)
            mode = "Active" if self.tracing == lambda_.Tracing.ACTIVE else "PassThrough"
            resource.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode=mode)
        return function

    @property
    def network(self) -> list[IConstruct]:
        """The constructs of the network. What CloudFormation asks a function, also at the end, needs them."""
        return [] if self.vpc is None else [self.vpc, *(self.security_groups or [])]


def _allow(actions: list[str], resource: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=[resource])


def _check_runtime(runtime: lambda_.Runtime) -> None:
    check_kind("runtime", runtime, lambda_.Runtime, f"a lambda_.Runtime of Python 3.{_OLDEST_RUNTIME} or later")
    found = _RUNTIME.fullmatch(runtime.name)
    if found is None or int(found[1]) < _OLDEST_RUNTIME:
        raise ValueError(
            f"runtime must be Python 3.{_OLDEST_RUNTIME} or later, got {runtime.name}; pass e.g. "
            "lambda_.Runtime.PYTHON_3_13, or leave it out"
        )
