"""What companies prescribe for functions and their logs: network, encryption, size, tracing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs

from cdk_iam_access_key._shared.validation import check_encryption_key, check_kind, check_whole_number, shown

_OLDEST_RUNTIME = 11
_RUNTIME = re.compile(r"python3\.(\d{1,2})")
# https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html
_SECURITY_GROUPS = 5
_SMALLEST_MEMORY, _LARGEST_MEMORY = 128, 10240


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


def _check_runtime(runtime: lambda_.Runtime) -> None:
    check_kind("runtime", runtime, lambda_.Runtime, f"a lambda_.Runtime of Python 3.{_OLDEST_RUNTIME} or later")
    found = _RUNTIME.fullmatch(runtime.name)
    if found is None or int(found[1]) < _OLDEST_RUNTIME:
        raise ValueError(
            f"runtime must be Python 3.{_OLDEST_RUNTIME} or later, got {runtime.name}; pass e.g. "
            "lambda_.Runtime.PYTHON_3_13, or leave it out"
        )
