import json

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template
from synth.templates import KEY, ROLE, key_role, of_type, only, provider_role, statements

from cdk_iam_access_key import AccessKey, AccessKeyProvider
from cdk_iam_access_key._access_key.identity import schedule_name


@pytest.fixture
def provider(stack: Stack) -> AccessKeyProvider:
    """Define the provider of a stack that has no key."""
    return AccessKeyProvider(stack, "AccessKeyProvider")


def test_function_is_set_up_on_purpose(stack: Stack, provider: AccessKeyProvider) -> None:
    """The function has the current runtime, a timeout below CloudFormation's, and a log group of its own."""
    function = only(stack, "AWS::Lambda::Function")
    (log_group,) = of_type(stack, "AWS::Logs::LogGroup")
    (group,) = of_type(stack, "AWS::Scheduler::ScheduleGroup")
    (queue,) = of_type(stack, "AWS::SQS::Queue")
    assert function.pop("Code")["S3Key"].endswith(".zip")
    assert function == {
        "Architectures": ["arm64"],
        "Description": "Creates, rotates and deletes the access keys of Custom::IAMAccessKey",
        "Handler": "access_key_provider.main.handler",
        "Environment": {
            "Variables": {
                "AWS_STS_REGIONAL_ENDPOINTS": "regional",
                "SCHEDULE_GROUP": {"Ref": group},
                "SCHEDULE_ROLE_ARN": stack.resolve(provider.scheduler_role.role_arn),
                "SCHEDULE_DEAD_LETTER_ARN": {"Fn::GetAtt": [queue, "Arn"]},
            }
        },
        "LoggingConfig": {"LogGroup": {"Ref": log_group}},
        "MemorySize": 256,
        "Role": stack.resolve(provider.role.role_arn),
        "Runtime": "python3.14",
        "Timeout": 300,
    }


def test_late_events_are_dropped(stack: Stack, user: iam.User) -> None:
    """Lambda retries twice, and never delivers an event that CloudFormation no longer waits for."""
    AccessKey(stack, "Key", user=user)
    events = only(stack, "AWS::Lambda::EventInvokeConfig")
    assert events["MaximumRetryAttempts"] == 2
    assert events["Qualifier"] == "$LATEST"
    assert str(events["MaximumEventAgeInSeconds"]) == only(stack, KEY)["ServiceTimeout"]
    assert events["MaximumEventAgeInSeconds"] > only(stack, "AWS::Lambda::Function")["Timeout"]


@pytest.mark.usefixtures("provider")
def test_role_may_write_its_log_and_assume_the_roles_of_keys(stack: Stack) -> None:
    """Beside that, the function's own role may describe the secrets that are tagged as its keys'."""
    role = provider_role(stack)
    secrets = stack.resolve(f"arn:{stack.partition}:secretsmanager:{stack.region}:{stack.account}:secret:*")
    (log_group,) = of_type(stack, "AWS::Logs::LogGroup")
    roles = stack.resolve(f"arn:{stack.partition}:iam::{stack.account}:role/cdk-iam-access-key/Stack/*")
    assert statements(role) == [
        {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Effect": "Allow",
            "Resource": {"Fn::GetAtt": [log_group, "Arn"]},
        },
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Resource": roles},
        {
            "Action": "secretsmanager:DescribeSecret",
            "Condition": {
                "StringEquals": {"aws:ResourceTag/cdk-iam-access-key:provider": "/cdk-iam-access-key/Stack/"}
            },
            "Effect": "Allow",
            "Resource": secrets,
        },
    ]
    assert "ManagedPolicyArns" not in role
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    ]


@pytest.mark.usefixtures("provider")
def test_schedules_call_the_function_and_nothing_else(stack: Stack) -> None:
    """Only schedules of the group get the role, which reaches one function and one queue."""
    (group,) = of_type(stack, "AWS::Scheduler::ScheduleGroup")
    (queue,) = of_type(stack, "AWS::SQS::Queue")
    (function,) = of_type(stack, "AWS::Lambda::Function")
    ((name, role),) = [one for one in of_type(stack, ROLE).items() if "SchedulerRole" in one[0]]
    assert role["Properties"]["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": {"Ref": "AWS::AccountId"},
                    "aws:SourceArn": {"Fn::GetAtt": [group, "Arn"]},
                }
            },
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
        }
    ]
    policy = only(stack, "AWS::IAM::Policy")
    assert policy["Roles"] == [{"Ref": name}]
    assert policy["PolicyDocument"]["Statement"] == [
        {"Action": "lambda:InvokeFunction", "Effect": "Allow", "Resource": {"Fn::GetAtt": [function, "Arn"]}},
        {"Action": "sqs:SendMessage", "Effect": "Allow", "Resource": {"Fn::GetAtt": [queue, "Arn"]}},
    ]


def test_dead_letter_queue_is_closed(stack: Stack, provider: AccessKeyProvider) -> None:
    """It is encrypted, asks for TLS, keeps events for two weeks, and takes none from rules that nobody asked for."""
    (queue,) = of_type(stack, "AWS::SQS::Queue")
    assert only(stack, "AWS::SQS::Queue") == {"MessageRetentionPeriod": 1_209_600, "SqsManagedSseEnabled": True}
    assert stack.resolve(provider.dead_letter_queue.queue_arn) == {"Fn::GetAtt": [queue, "Arn"]}
    (statement,) = only(stack, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "sqs:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.usefixtures("provider")
def test_nobody_calls_the_function_before_a_key_asks_for_it(stack: Stack) -> None:
    """A provider alone defines no permission to call the function."""
    Template.from_stack(stack).resource_count_is("AWS::Lambda::Permission", 0)


def test_log_group_goes_with_the_stack(stack: Stack) -> None:
    """The log is kept as long as asked for, a month if nobody asks."""
    AccessKeyProvider(stack, "Default")
    AccessKeyProvider(stack, "Year", log_retention=logs.RetentionDays.ONE_YEAR)
    groups = of_type(stack, "AWS::Logs::LogGroup").values()
    assert sorted(group["Properties"]["RetentionInDays"] for group in groups) == [30, 365]
    assert {group["DeletionPolicy"] for group in groups} == {"Delete"}


def test_get_or_create_returns_the_one_of_the_stack(stack: Stack) -> None:
    """It is created once a stack, from whatever depth of the tree it is asked for."""
    user = iam.User(stack, "User")
    provider = AccessKeyProvider.get_or_create(user)
    assert AccessKeyProvider.get_or_create(stack) is provider
    assert provider.node.path == "Stack/AccessKeyProvider"


def test_provider_defined_before_the_first_key_is_used(
    stack: Stack, user: iam.User, provider: AccessKeyProvider
) -> None:
    """Its properties can be set by defining it under its own id."""
    AccessKey(stack, "Key", user=user)
    assert len(of_type(stack, "AWS::Lambda::Function")) == 1
    assert only(stack, KEY)["ServiceToken"] == stack.resolve(provider.function.function_arn)


def test_provider_may_be_passed_in(stack: Stack, user: iam.User) -> None:
    """A provider of any id serves the key, and no other is made."""
    provider = AccessKeyProvider(stack, "Mine")
    AccessKey(stack, "Key", user=user, provider=provider)
    assert len(of_type(stack, "AWS::Lambda::Function")) == 1
    (key,) = of_type(stack, KEY).values()
    assert all(name.startswith("Mine") for name in key["DependsOn"])
    assert key["Properties"]["ServiceToken"] == stack.resolve(provider.function.function_arn)


def test_provider_of_another_stack_serves_the_key(app: App, stack: Stack, user: iam.User) -> None:
    """The key's role is where that provider may assume it, trusts its role, and the stacks are deployed in order."""
    home = Stack(app, "Home")
    AccessKey(stack, "Key", user=user, provider=AccessKeyProvider(home, "Provider"))
    _, role = key_role(stack)
    principal = role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"]
    assert role["Path"] == "/cdk-iam-access-key/Home/"
    assert principal["Fn::ImportValue"].startswith("Home:ExportsOutputFnGetAttProviderRole")
    assert set(only(stack, KEY)["ServiceToken"]) == {"Fn::ImportValue"}
    assert of_type(stack, "AWS::Lambda::Function") == {}
    assert [dependency.node.path for dependency in stack.dependencies] == ["Home"]


def test_provider_of_another_region_is_refused(app: App) -> None:
    """CloudFormation can't call a function of another region."""
    home = Stack(app, "Home", env=Environment(account="111122223333", region="us-east-1"))
    away = Stack(app, "Away", env=Environment(account="111122223333", region="eu-west-1"))
    provider = AccessKeyProvider(home, "Provider")
    with pytest.raises(ValueError, match="eu-west-1, got 111122223333 and us-east-1; leave it out"):
        AccessKey(away, "Key", user=iam.User(away, "User"), provider=provider)


def test_provider_of_another_kind_is_refused(stack: Stack, user: iam.User) -> None:
    """What is no provider is named in the message."""
    with pytest.raises(ValueError, match="provider must be an AccessKeyProvider, got an object of User; leave it out"):
        AccessKey(stack, "Key", user=user, provider=user)


def test_id_taken_by_another_construct_is_refused(stack: Stack, user: iam.User) -> None:
    """A construct that happens to have the provider's id is not mistaken for it."""
    sqs.Queue(stack, "AccessKeyProvider")
    with pytest.raises(
        ValueError, match="Stack/AccessKeyProvider must be an AccessKeyProvider, got an object of Queue"
    ):
        AccessKey(stack, "Key", user=user)


def test_three_wildcards_are_used(stack: Stack, user: iam.User) -> None:
    """No action is one; of resources the key's schedules, the roles of keys, and the secrets that are tagged."""
    key = AccessKey(stack, "Key", user=user)
    found = [
        resource
        for role in of_type(stack, ROLE).values()
        if "Policies" in role["Properties"]
        for statement in statements(role["Properties"])
        for resource in (json.dumps(statement["Action"]), json.dumps(statement["Resource"]))
        if "*" in resource
    ]
    assert len(found) == 3
    for resource in (":role/cdk-iam-access-key/Stack/*", ":secret:*", f"/{schedule_name(key)}-*"):
        assert len([one for one in found if resource in one]) == 1


def test_longest_stack_name_fits_into_a_role_path(app: App) -> None:
    """IAM allows paths of 512 characters, and CDK refuses a stack name that could make a longer one."""
    provider = AccessKeyProvider(Stack(app, "Longest", stack_name="x" * 128), "Provider")
    assert provider.role_path == f"/cdk-iam-access-key/{'x' * 128}/"
    with pytest.raises(RuntimeError, match="Stack name must be <= 128 characters"):
        Stack(app, "TooLong", stack_name="x" * 129)
