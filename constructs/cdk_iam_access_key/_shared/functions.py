"""The functions and log groups of providers and guards, as `FunctionOptions` says, and what roles need for that."""

import json
from collections.abc import Iterator
from typing import Any, cast

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct

from cdk_iam_access_key._shared.at_synthesis import AtSynthesis
from cdk_iam_access_key._shared.permissions import ENCRYPTION_ACTIONS
from cdk_iam_access_key._shared.templates import Templates, resources_of, walk, written
from cdk_iam_access_key.function_options import FunctionOptions

# Not a constant of the CDK, whose earlier versions have no such constant.
DEFAULT_RUNTIME = lambda_.Runtime("python3.14", lambda_.RuntimeFamily.PYTHON)
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


def define_log_group(
    options: FunctionOptions,
    scope: Construct,
    construct_id: str,
    retention: logs.RetentionDays,
    *,
    name: str | None = None,
) -> logs.LogGroup:
    """Define a log group, kept for `retention` if the options do not say how long."""
    key = options.log_encryption_key
    if key is not None:
        # Not the ARN of the log group, which comes after its key.
        stack = Stack.of(scope)
        arn = stack.format_arn(service="logs", resource="*")
        key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=ENCRYPTION_ACTIONS,
                # As AWS writes it; the CDK would leave out the region.
                # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.{stack.url_suffix}")],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": arn}},
            )
        )
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=name,
        encryption_key=key,
        retention=options.log_retention or retention,
        removal_policy=options.log_removal_policy or RemovalPolicy.DESTROY,
    )


def role_statements(options: FunctionOptions, scope: Construct, log_group: logs.ILogGroup) -> list[iam.PolicyStatement]:
    """Return what the role of a function needs for its log and for these options."""
    statements = [_allow(["logs:CreateLogStream", "logs:PutLogEvents"], log_group.log_group_arn)]
    if options.vpc is not None:
        denied = iam.PolicyStatement(
            effect=iam.Effect.DENY,
            actions=_NETWORK_ACTIONS,
            resources=["*"],
            # Set when the code of a function calls. Lambda itself has to be allowed, its code has not.
            conditions={"Null": {"lambda:SourceFunctionArn": "false"}},
        )
        statements += [_allow(_NETWORK_ACTIONS, "*"), denied]
    if options.tracing in {lambda_.Tracing.ACTIVE, lambda_.Tracing.PASS_THROUGH}:
        statements.append(_allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"))
    if options.environment_encryption is not None:
        functions = Stack.of(scope).format_arn(
            service="lambda", resource="function", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        decrypt = _allow(["kms:Decrypt"], options.environment_encryption.key_arn)
        decrypt.add_condition("ArnLike", {"kms:EncryptionContext:aws:lambda:FunctionArn": functions})
        statements.append(decrypt)
    return statements


# What a function's role needs for what an aspect may give to all functions, and the way to it.
_NEEDED = {
    "VpcConfig": (["ec2:CreateNetworkInterface"], "pass vpc"),
    "KmsKeyArn": (["kms:Decrypt"], "pass environment_encryption"),
    "DeadLetterConfig": (["sqs:SendMessage", "sns:Publish"], "grant it to the role of the function"),
}


def define_function(options: FunctionOptions, scope: Construct, name: str, **properties: Any) -> lambda_.Function:
    """Define a function with these options.

    Args:
        options: The options.
        scope: Where it is defined.
        name: Its id there.
        properties: What is its own: role, log group, code, handler and so on.
    """
    function = lambda_.Function(
        scope,
        name,
        runtime=options.runtime or DEFAULT_RUNTIME,
        architecture=options.architecture or lambda_.Architecture.ARM_64,
        memory_size=options.memory_size or 256,
        vpc=options.vpc,
        vpc_subnets=options.vpc_subnets,
        security_groups=options.security_groups,
        environment_encryption=options.environment_encryption,
        **properties,
    )
    if options.tracing in {lambda_.Tracing.ACTIVE, lambda_.Tracing.PASS_THROUGH}:
        # Not `tracing`, which puts a policy beside the role. The role has one already.
        resource = cast("lambda_.CfnFunction", function.node.default_child)
        mode = "Active" if options.tracing == lambda_.Tracing.ACTIVE else "PassThrough"
        resource.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode=mode)
    AtSynthesis.of(scope).check(lambda templates: _lacking(function, templates))
    return function


def _lacking(function: lambda_.Function, templates: Templates) -> Iterator[str]:
    """Name what an aspect or an override has the function do, and its role may not.

    Lambda refuses such a function, or never starts it: then CloudFormation waits for each of its responses in vain.
    """
    resources = resources_of(templates.of(Stack.of(function)))
    properties = (written(function.node.default_child, templates) or {}).get("Properties", {})
    given = [property_ for property_ in _NEEDED if property_ in properties]
    reference = properties.get("Role")
    role_id = reference.get("Fn::GetAtt", [""])[0] if isinstance(reference, dict) else ""
    role = resources.get(role_id)
    # A role that was made beforehand and a managed policy may allow anything.
    if not given or role is None or "ManagedPolicyArns" in role["Properties"]:
        return
    may = json.dumps([role, *(one for one in resources.values() if {"Ref": role_id} in walk(one))])
    for property_ in given:
        actions, way = _NEEDED[property_]
        if not any(action in may or f"{action.partition(':')[0]}:*" in may for action in actions):
            yield (
                f"{function.node.path} must have a role that may {' or '.join(actions)}, got {property_} by an aspect "
                f"or an override and no such permission: the function would not run; {way}"
            )


def network_of(options: FunctionOptions) -> list[IConstruct]:
    """The constructs of the network. What CloudFormation asks a function, also at the end, needs them."""
    return [] if options.vpc is None else [options.vpc, *(options.security_groups or [])]


def _allow(actions: list[str], resource: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions, resources=[resource])
