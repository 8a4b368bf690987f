"""What companies prescribe for functions, logs and tables."""

import re
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from synth.templates import function, of_type, only, provider_role, resources, statements

from cdk_iam_access_key import (
    AccessKey,
    AccessKeyProvider,
    FunctionOptions,
    OrganizationRootKeyGuard,
    RootAccessKeyGuard,
)

FUNCTION = "AWS::Lambda::Function"
ID = "AccessKeyProvider"
IMPORTED = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
NETWORK = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


@pytest.fixture
def vpc(stack: Stack) -> ec2.Vpc:
    """Make a VPC without a way to the internet."""
    isolated = ec2.SubnetConfiguration(name="isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    return ec2.Vpc(stack, "Vpc", max_azs=2, nat_gateways=0, subnet_configuration=[isolated])


def actions(role: dict[str, Any], effect: str = "Allow") -> set[str]:
    """Return the actions of a role's statements of one effect."""
    found: set[str] = set()
    for statement in statements(role):
        if statement["Effect"] == effect:
            action = statement["Action"]
            found |= {action} if isinstance(action, str) else set(action)
    return found


def everything_before(stack: Stack, name: str) -> set[str]:
    """Return the logical ids of all that CloudFormation creates before a resource, and so deletes after it."""
    found: set[str] = set()
    todo = [name]
    declared = resources(stack)

    def names(part: object) -> list[str]:
        if isinstance(part, dict):
            if set(part) == {"Ref"}:
                return [part["Ref"]]
            if set(part) == {"Fn::GetAtt"}:
                return [part["Fn::GetAtt"][0]]
            return [one for value in part.values() for one in names(value)]
        return [one for value in part for one in names(value)] if isinstance(part, list) else []

    while todo:
        resource = declared.get(todo.pop(), {})
        for other in [*names(resource.get("Properties", {})), *resource.get("DependsOn", [])]:
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


def test_functions_run_in_a_vpc_that_outlives_the_keys(stack: Stack, vpc: ec2.Vpc, user: iam.User) -> None:
    """Both have one new security group; endpoints, and rules that let it in, are there until the keys are deleted."""
    provider = AccessKeyProvider(stack, ID, vpc=vpc)
    endpoint = vpc.add_interface_endpoint("Sts", service=ec2.InterfaceVpcEndpointAwsService.STS, open=False)
    endpoint.connections.allow_default_port_from(provider)
    vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
    AccessKey(stack, "Key", user=user)
    first, second = (one["Properties"]["VpcConfig"] for one in of_type(stack, FUNCTION).values())
    assert first == second
    assert len(first["SubnetIds"]) == 2
    ((group, rule),) = of_type(stack, "AWS::EC2::SecurityGroupIngress").items()
    own = rule["Properties"]["SourceSecurityGroupId"]
    assert first["SecurityGroupIds"] == [own]
    assert own != rule["Properties"]["GroupId"]
    (key,) = of_type(stack, "Custom::IAMAccessKey")
    needed = {group, *of_type(stack, "AWS::EC2::VPCEndpoint"), *of_type(stack, "AWS::EC2::SubnetRouteTableAssociation")}
    assert needed <= everything_before(stack, key)


def test_role_may_connect_to_the_vpc_and_the_code_may_not(stack: Stack, vpc: ec2.Vpc) -> None:
    """In the role itself, so it is there before the functions and after the keys; without a managed policy."""
    AccessKeyProvider(stack, ID, vpc=vpc)
    role = provider_role(stack)
    assert actions(role) >= NETWORK
    assert actions(role, "Deny") == NETWORK
    (denied,) = [one for one in statements(role) if one["Effect"] == "Deny"]
    assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}
    assert "ManagedPolicyArns" not in role
    assert not of_type(stack, "AWS::IAM::Policy")


def test_security_groups_and_subnets_are_taken_as_given(stack: Stack, vpc: ec2.Vpc) -> None:
    """No group is added, and a change of its rules reaches both functions."""
    group = ec2.SecurityGroup(stack, "Group", vpc=vpc, allow_all_outbound=False)
    subnets = ec2.SubnetSelection(subnets=[vpc.isolated_subnets[0]])
    provider = AccessKeyProvider(stack, ID, vpc=vpc, vpc_subnets=subnets, security_groups=[group])
    provider.connections.allow_to(ec2.Peer.ipv4("10.0.0.0/8"), ec2.Port.tcp(443))
    ((name, one),) = of_type(stack, "AWS::EC2::SecurityGroup").items()
    assert one["Properties"]["SecurityGroupEgress"][0]["CidrIp"] == "10.0.0.0/8"
    for properties in (found["Properties"] for found in of_type(stack, FUNCTION).values()):
        assert properties["VpcConfig"] == {
            "SecurityGroupIds": [{"Fn::GetAtt": [name, "GroupId"]}],
            "SubnetIds": [stack.resolve(vpc.isolated_subnets[0].subnet_id)],
        }


def test_functions_of_no_vpc_have_no_connections(stack: Stack) -> None:
    """And the role no right to make network interfaces."""
    provider = AccessKeyProvider(stack, ID)
    with pytest.raises(ValueError, match=r"the functions of Stack/AccessKeyProvider must be in a VPC .* pass vpc"):
        _ = provider.connections
    assert not {action for action in actions(provider_role(stack)) if action.startswith(("ec2:", "xray:", "kms:"))}


def test_an_imported_vpc_is_enough(stack: Stack, user: iam.User) -> None:
    """One that another team owns."""
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-1",
        availability_zones=["a"],
        private_subnet_ids=["subnet-1"],
        private_subnet_route_table_ids=["rtb-1"],
    )
    group = ec2.SecurityGroup.from_security_group_id(stack, "Group", "sg-1")
    AccessKeyProvider(stack, ID, vpc=vpc, security_groups=[group])
    AccessKey(stack, "Key", user=user)
    config = resources(stack)[function(stack, "worker")]["Properties"]["VpcConfig"]
    assert config == {"SecurityGroupIds": ["sg-1"], "SubnetIds": ["subnet-1"]}


def test_size_runtime_architecture_tracing_and_concurrency(stack: Stack) -> None:
    """Both functions have the same, but only the worker a concurrency: no request of CloudFormation may be dropped."""
    AccessKeyProvider(
        stack,
        ID,
        memory_size=512,
        runtime=lambda_.Runtime.PYTHON_3_12,
        architecture=lambda_.Architecture.X86_64,
        tracing=lambda_.Tracing.ACTIVE,
        reserved_concurrent_executions=2,
    )
    for name, concurrency in (("provider", None), ("worker", 2)):
        properties = resources(stack)[function(stack, name)]["Properties"]
        assert properties["MemorySize"] == 512
        assert properties["Runtime"] == "python3.12"
        assert properties["Architectures"] == ["x86_64"]
        assert properties["TracingConfig"] == {"Mode": "Active"}
        assert properties.get("ReservedConcurrentExecutions") == concurrency
    assert actions(provider_role(stack)) >= {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    assert not of_type(stack, "AWS::IAM::Policy")


@pytest.mark.parametrize("defined", [True, False], ids=["defined", "imported"])
def test_kms_keys(stack: Stack, user: iam.User, *, defined: bool) -> None:
    """One for all three; the role names them, so no policy of a key names the role, and nothing makes a circle."""
    key = kms.Key(stack, "Kms") if defined else kms.Key.from_key_arn(stack, "Kms", IMPORTED)
    arn = stack.resolve(key.key_arn)
    AccessKeyProvider(stack, ID, environment_encryption=key, log_encryption_key=key, table_encryption_key=key)
    AccessKey(stack, "Key", user=user, encryption_key=key)
    assert only(stack, "AWS::Logs::LogGroup")["KmsKeyId"] == arn
    assert only(stack, "AWS::DynamoDB::Table")["SSESpecification"] == {
        "KMSMasterKeyId": arn,
        "SSEEnabled": True,
        "SSEType": "KMS",
    }
    assert all(one["Properties"]["KmsKeyArn"] == arn for one in of_type(stack, FUNCTION).values())
    of_key = [one for one in statements(provider_role(stack)) if one["Resource"] == arn]
    decrypt, table = of_key
    assert decrypt["Action"] == "kms:Decrypt"
    assert list(decrypt["Condition"]["ArnLike"]) == ["kms:EncryptionContext:aws:lambda:FunctionArn"]
    assert "kms:GenerateDataKey" in table["Action"]
    services = [f"dynamodb.{stack.region}.{suffix}" for suffix in ("amazonaws.com", stack.url_suffix)]
    assert table["Condition"] == {"StringEquals": {"kms:ViaService": stack.resolve(services)}}
    if defined:
        policy = only(stack, "AWS::KMS::Key")["KeyPolicy"]["Statement"]
        (logs_may,) = [one for one in policy if "Service" in one["Principal"]]
        assert logs_may["Action"] == table["Action"]
        assert not [action for action in logs_may["Action"] if "*" in action]
        assert logs_may["Principal"] == {"Service": stack.resolve(f"logs.{stack.region}.{stack.url_suffix}")}
        assert list(logs_may["Condition"]["ArnLike"]) == ["kms:EncryptionContext:aws:logs:arn"]


def test_kms_keys_of_another_stack(app: App, stack: Stack, user: iam.User) -> None:
    """A company's stack of KMS keys comes before all others, and does not depend on any."""
    keys = Stack(app, "Keys")
    key = kms.Key(keys, "Kms")
    AccessKeyProvider(stack, ID, environment_encryption=key, log_encryption_key=key, table_encryption_key=key)
    AccessKey(stack, "Key", user=user, encryption_key=key)
    app.synth()
    assert stack.dependencies == [keys]
    assert keys.dependencies == []


def test_log_group_may_stay(stack: Stack) -> None:
    """Its name is CloudFormation's, so one that stays is in nobody's way."""
    AccessKeyProvider(stack, ID, log_removal_policy=RemovalPolicy.RETAIN, log_retention=logs.RetentionDays.ONE_YEAR)
    ((_, log),) = of_type(stack, "AWS::Logs::LogGroup").items()
    assert (log["DeletionPolicy"], log["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert log["Properties"] == {"RetentionInDays": 365}


def test_numbers_may_be_tokens(stack: Stack) -> None:
    """What a parameter says is checked by Lambda."""
    number = CfnParameter(stack, "Number", type="Number")
    AccessKeyProvider(
        stack, ID, memory_size=number.value_as_number, reserved_concurrent_executions=number.value_as_number
    )
    properties = resources(stack)[function(stack, "worker")]["Properties"]
    assert properties["MemorySize"] == properties["ReservedConcurrentExecutions"] == {"Ref": "Number"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_size": 64}, "memory_size must be a whole number from 128 to 10,240, got 64 (int); change it"),
        ({"memory_size": "256"}, "memory_size must be a whole number from 128 to 10,240, got '256' (str)"),
        ({"memory_size": True}, "got True (bool)"),
        ({"reserved_concurrent_executions": 1}, "reserved_concurrent_executions must be a whole number from 2 to"),
        ({"runtime": "python3.14"}, "runtime must be a lambda_.Runtime of Python 3.11 or later, got 'python3.14'"),
        ({"runtime": lambda_.Runtime.PYTHON_3_9}, "runtime must be Python 3.11 or later, got python3.9; pass e.g."),
        ({"runtime": lambda_.Runtime.NODEJS_22_X}, "runtime must be Python 3.11 or later, got nodejs22.x"),
        ({"architecture": "arm64"}, "architecture must be Architecture.ARM_64 or .X86_64, got 'arm64' (str)"),
        ({"tracing": "Active"}, "tracing must be Tracing.ACTIVE, .PASS_THROUGH or .DISABLED, got 'Active' (str)"),
        ({"vpc": "vpc-1"}, "vpc must be an ec2.IVpc, got 'vpc-1' (str); import one with ec2.Vpc.from_lookup"),
        ({"vpc_subnets": ec2.SubnetSelection()}, "vpc_subnets must come with vpc, got none"),
        ({"security_groups": []}, "security_groups must come with vpc, got none"),
        ({"environment_encryption": IMPORTED}, "environment_encryption must be a kms.IKey, got 'arn:aws:kms:"),
        ({"log_encryption_key": 1}, "log_encryption_key must be a kms.IKey, got 1 (int)"),
        ({"table_encryption_key": "alias/mine"}, "table_encryption_key must be a kms.IKey, got 'alias/mine' (str)"),
        ({"log_retention": 30}, "log_retention must be one of logs.RetentionDays, got 30 (int)"),
        ({"log_removal_policy": RemovalPolicy.SNAPSHOT}, "log_removal_policy must be RemovalPolicy.DESTROY or .RETAIN"),
    ],
)
def test_bad_options_are_refused(stack: Stack, options: dict[str, Any], message: str) -> None:
    """The message names the option, what was given and what is allowed; nothing is defined."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKeyProvider(stack, ID, **options)
    assert stack.node.try_find_child(ID) is None


@pytest.mark.parametrize("name", ["environment_encryption", "log_encryption_key", "table_encryption_key"])
def test_an_alias_is_no_key(stack: Stack, name: str) -> None:
    """No policy can name one."""
    options: dict[str, Any] = {name: kms.Alias.from_alias_name(stack, "Alias", "alias/mine")}
    with pytest.raises(ValueError, match=rf"{name} must be a key, got the alias Stack/Alias; .*from_key_arn"):
        AccessKeyProvider(stack, ID, **options)


@pytest.mark.parametrize(("groups", "got"), [([], "got 0"), (["sg-1"], "got 'sg-1' (str) in it"), ("sg-1", "got ")])
def test_bad_security_groups_are_refused(stack: Stack, vpc: ec2.Vpc, groups: Any, got: str) -> None:
    """An empty list would leave the functions without any."""
    with pytest.raises(ValueError, match=rf"security_groups must be a list of .*{re.escape(got)}"):
        AccessKeyProvider(stack, ID, vpc=vpc, security_groups=groups)


@pytest.mark.parametrize("guard", [RootAccessKeyGuard, OrganizationRootKeyGuard])
def test_guards_take_the_same_options(stack: Stack, vpc: ec2.Vpc, guard: Any) -> None:
    """All of their functions, their roles and their logs, also that of the runs."""
    key = kms.Key(stack, "Kms")
    options = FunctionOptions(
        vpc=vpc,
        runtime=lambda_.Runtime.PYTHON_3_13,
        architecture=lambda_.Architecture.X86_64,
        memory_size=512,
        tracing=lambda_.Tracing.PASS_THROUGH,
        environment_encryption=key,
        log_encryption_key=key,
        log_retention=logs.RetentionDays.TWO_YEARS,
        log_removal_policy=RemovalPolicy.RETAIN,
    )
    guard(stack, "Guard", function_options=options)
    functions = of_type(stack, FUNCTION)
    assert functions
    for properties in (one["Properties"] for one in functions.values()):
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["x86_64"]
        assert properties["MemorySize"] == 512
        assert properties["TracingConfig"] == {"Mode": "PassThrough"}
        assert properties["KmsKeyArn"] == stack.resolve(key.key_arn)
        role = resources(stack)[properties["Role"]["Fn::GetAtt"][0]]["Properties"]
        assert actions(role) >= {*NETWORK, "kms:Decrypt", "xray:PutTraceSegments", "logs:PutLogEvents"}
    for log in of_type(stack, "AWS::Logs::LogGroup").values():
        assert log["DeletionPolicy"] == "Retain"
        assert log["Properties"]["KmsKeyId"] == stack.resolve(key.key_arn)
        assert log["Properties"]["RetentionInDays"] == 731
    (check,) = [name for name, one in resources(stack).items() if one["Type"].startswith("Custom::")]
    assert set(of_type(stack, "AWS::EC2::SubnetRouteTableAssociation")) <= everything_before(stack, check)


@pytest.mark.parametrize("guard", [RootAccessKeyGuard, OrganizationRootKeyGuard])
def test_other_function_options_are_refused(stack: Stack, guard: Any) -> None:
    """A dictionary is not taken for them."""
    with pytest.raises(ValueError, match="function_options must be a FunctionOptions, got an object of dict"):
        guard(stack, "Guard", function_options={"memory_size": 512})
