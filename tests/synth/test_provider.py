import json
import re
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Duration, Environment, NestedStack, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from synth.templates import KEY, ROLE, arn_of, function, key_role, of_type, only, provider_role, resources, statements

from cdk_iam_access_key import AccessKey, AccessKeyProvider

TABLE = "AWS::DynamoDB::Table"
RULE = "AWS::Events::Rule"
PARAMETER = "AWS::SSM::Parameter"


@pytest.fixture
def provider(stack: Stack) -> AccessKeyProvider:
    """Define the provider of a stack that has no key."""
    return AccessKeyProvider(stack, "AccessKeyProvider")


@pytest.mark.parametrize("entry_points", ["provider", "worker"])
def test_functions_are_set_up_on_purpose(stack: Stack, provider: AccessKeyProvider, entry_points: str) -> None:
    """Each has the current runtime, a timeout below CloudFormation's, the log group, and knows which one it is."""
    properties = resources(stack)[function(stack, entry_points)]["Properties"]
    (log_group,) = of_type(stack, "AWS::Logs::LogGroup")
    (table,) = of_type(stack, TABLE)
    assert properties.pop("Code")["S3Key"].endswith(".zip")
    assert properties.pop("Description")
    assert properties == {
        "Architectures": ["arm64"],
        "Handler": "access_key_provider.main.handler",
        "Environment": {
            "Variables": {
                "ENTRY_POINTS": entry_points,
                "LEDGER_TABLE": {"Ref": table},
                "SETTLING_SECONDS": "10",
                "AWS_STS_REGIONAL_ENDPOINTS": "regional",
            }
        },
        "LoggingConfig": {"LogGroup": {"Ref": log_group}},
        "MemorySize": 256,
        "Role": stack.resolve(provider.role.role_arn),
        "Runtime": "python3.14",
        "Timeout": 300,
    }


def test_functions_are_two_of_the_same_code(stack: Stack, provider: AccessKeyProvider) -> None:
    """What differs is who may call which."""
    one, other = (resources(stack)[function(stack, name)]["Properties"]["Code"] for name in ("provider", "worker"))
    assert one == other
    assert stack.resolve(provider.function.function_arn) == arn_of(function(stack))
    assert stack.resolve(provider.worker.function_arn) == arn_of(function(stack, "worker"))


def test_late_events_are_dropped(stack: Stack, user: iam.User) -> None:
    """Lambda retries twice, and never delivers a request that CloudFormation no longer waits for."""
    AccessKey(stack, "Key", user=user)
    settings = {
        one["Properties"]["FunctionName"]["Ref"]: one["Properties"]
        for one in of_type(stack, "AWS::Lambda::EventInvokeConfig").values()
    }
    provider, worker = settings[function(stack)], settings[function(stack, "worker")]
    for one in (provider, worker):
        assert (one["MaximumRetryAttempts"], one["Qualifier"]) == (2, "$LATEST")
    assert str(provider["MaximumEventAgeInSeconds"]) == only(stack, KEY)["ServiceTimeout"] == "330"
    assert provider["MaximumEventAgeInSeconds"] > resources(stack)[function(stack)]["Properties"]["Timeout"]
    assert worker["MaximumEventAgeInSeconds"] == 3600


@pytest.mark.usefixtures("provider")
def test_role_may_write_its_log_and_its_ledger_and_assume_the_roles_of_keys(stack: Stack) -> None:
    """Beside that, it puts events of this library on the account's bus, and nothing else."""
    role = provider_role(stack)
    (log_group,) = of_type(stack, "AWS::Logs::LogGroup")
    (table,) = of_type(stack, TABLE)
    place = f"{stack.region}:{stack.account}"
    assert statements(role) == [
        {
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Effect": "Allow",
            "Resource": arn_of(log_group),
        },
        {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Resource": stack.resolve(f"arn:{stack.partition}:iam::{stack.account}:role/cdk-iam-access-key/Stack/*"),
        },
        {"Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Effect": "Allow", "Resource": arn_of(table)},
        {
            "Action": "dynamodb:Query",
            "Effect": "Allow",
            "Resource": [
                {"Fn::Join": ["", [arn_of(table), "/index/due"]]},
                {"Fn::Join": ["", [arn_of(table), "/index/user"]]},
            ],
        },
        {
            "Action": "events:PutEvents",
            # One value would not be compared with the many that a request may have.
            "Condition": {
                "ForAllValues:StringEquals": {"events:source": "cdk-iam-access-key"},
                "Null": {"events:source": "false"},
            },
            "Effect": "Allow",
            "Resource": stack.resolve(f"arn:{stack.partition}:events:{place}:event-bus/default"),
        },
    ]
    assert "ManagedPolicyArns" not in role
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    ]


@pytest.mark.usefixtures("provider")
def test_ledger_is_a_table_that_can_be_restored(stack: Stack) -> None:
    """An entry a secret; one index for what is due, one for the entries of a user; old entries go by themselves."""
    ((_, table),) = of_type(stack, TABLE).items()
    properties = table["Properties"]
    assert properties["KeySchema"] == [{"AttributeName": "secretArn", "KeyType": "HASH"}]
    assert {one["AttributeName"]: one["AttributeType"] for one in properties["AttributeDefinitions"]} == {
        "secretArn": "S",
        "sweep": "S",
        "due": "N",
        "userName": "S",
    }
    assert {
        one["IndexName"]: ([key["AttributeName"] for key in one["KeySchema"]], one["Projection"]["ProjectionType"])
        for one in properties["GlobalSecondaryIndexes"]
    } == {"due": (["sweep", "due"], "KEYS_ONLY"), "user": (["userName"], "KEYS_ONLY")}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    # It outlives its keys, so it goes with the stack.
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Delete", "Delete")


@pytest.mark.usefixtures("provider")
def test_worker_sweeps(stack: Stack) -> None:
    """A rule asks it every five minutes; a sweep that does not come is made up by the next."""
    ((name, rule),) = of_type(stack, RULE).items()
    assert rule["Properties"]["ScheduleExpression"] == "rate(5 minutes)"
    (target,) = rule["Properties"]["Targets"]
    assert json.loads(target.pop("Input")) == {"Operation": "Sweep"}
    assert target == {
        "Id": "Sweep",
        "Arn": arn_of(function(stack, "worker")),
        "RetryPolicy": {"MaximumEventAgeInSeconds": 300, "MaximumRetryAttempts": 2},
    }
    assert only(stack, "AWS::Lambda::Permission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": arn_of(function(stack, "worker")),
        "Principal": "events.amazonaws.com",
        "SourceArn": arn_of(name),
    }


def test_no_service_calls_the_function_of_requests(stack: Stack, user: iam.User) -> None:
    """Whatever a key asks for, every permission is on the worker."""
    AccessKey(stack, "Key", user=user, automatically_after=Duration.days(30))
    permissions = of_type(stack, "AWS::Lambda::Permission").values()
    assert {str(one["Properties"]["FunctionName"]) for one in permissions} == {str(arn_of(function(stack, "worker")))}
    assert len(permissions) == 2


@pytest.mark.usefixtures("provider")
def test_operators_find_the_ledger_by_a_parameter(stack: Stack) -> None:
    """It names the table and the function of requests, and nothing that opens anything."""
    (table,) = of_type(stack, TABLE)
    parameter = only(stack, PARAMETER)
    assert re.fullmatch("/cdk-iam-access-key/Stack/[0-9a-f]{16}", parameter["Name"])
    assert parameter["Type"] == "String"
    names = {"Ref": table}, arn_of(function(stack))
    assert parameter["Value"] == {
        "Fn::Join": ["", ['{"table":"', names[0], '","function":"', names[1], '"}']],
    }


def test_each_provider_has_its_own_parameter(app: App) -> None:
    """Also two in a stack and one in a nested stack; a stack whose construct is renamed keeps it."""
    stack = Stack(app, "One", stack_name="same")
    for scope, name in ((stack, "A"), (stack, "B"), (NestedStack(stack, "Nested"), "A")):
        AccessKeyProvider(scope, name)
    renamed = Stack(app, "Other", stack_name="same")
    AccessKeyProvider(renamed, "A")
    first, second = (one["Properties"]["Name"] for one in of_type(stack, PARAMETER).values())
    assert first != second
    assert only(renamed, PARAMETER)["Name"] == first


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Duration.minutes(1), "rate(1 minute)"),
        (Duration.minutes(90), "rate(90 minutes)"),
        (Duration.hours(1), "rate(1 hour)"),
        (Duration.days(1), "rate(1 day)"),
    ],
    ids=["minute", "90 minutes", "hour", "day"],
)
def test_sweeps_come_as_often_as_asked(stack: Stack, given: Duration, expected: str) -> None:
    """From a minute to a day."""
    AccessKeyProvider(stack, "Provider", sweep_every=given)
    assert only(stack, RULE)["ScheduleExpression"] == expected


@pytest.mark.parametrize("seconds", [0, 60])
def test_settling_time_reaches_both_functions(stack: Stack, seconds: int) -> None:
    """From none to a minute."""
    AccessKeyProvider(stack, "Provider", settling_time=Duration.seconds(seconds))
    for name in ("provider", "worker"):
        variables = resources(stack)[function(stack, name)]["Properties"]["Environment"]["Variables"]
        assert variables["SETTLING_SECONDS"] == str(seconds)


@pytest.mark.parametrize("path", ["/team/", "/team/access-keys/", f"/{'x' * 254}/"], ids=["one", "two", "256"])
def test_role_path_is_that_of_the_keys_roles(stack: Stack, user: iam.User, path: str) -> None:
    """And of what the functions may assume."""
    AccessKeyProvider(stack, "AccessKeyProvider", role_path=path)
    AccessKey(stack, "Key", user=user)
    _, role = key_role(stack)
    assert role["Path"]["Fn::Join"][1][0] == path
    (allowed,) = [one for one in statements(provider_role(stack)) if one["Action"] == "sts:AssumeRole"]
    assert allowed["Resource"]["Fn::Join"][1][-1] == f":role{path}*"


def test_role_path_may_be_a_token(stack: Stack) -> None:
    """What only the deployment knows is passed on unchecked."""
    path = CfnParameter(stack, "Path").value_as_string
    assert AccessKeyProvider(stack, "Provider", role_path=path).role_path == path


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"sweep_every": Duration.seconds(59)},
            "sweep_every must be whole seconds, at least 1 minute and at most 1 day",
        ),
        ({"sweep_every": Duration.hours(25)}, "at most 1 day, got 1 day 1 hour; change it"),
        ({"sweep_every": Duration.seconds(90)}, "sweep_every must be whole minutes, got 90 seconds; change it"),
        ({"sweep_every": 5}, "sweep_every must be an aws_cdk.Duration, got an object of int"),
        (
            {"settling_time": Duration.seconds(61)},
            "settling_time must be whole seconds, at least 0 seconds and at most 1 minute",
        ),
        ({"settling_time": Duration.millis(500)}, "settling_time must be whole seconds"),
        ({"role_path": "/"}, "role_path must begin and end with a slash, have letters"),
        ({"role_path": "team/"}, "got 'team/' (str); pass a path for the keys' roles alone"),
        ({"role_path": "/team"}, "got '/team' (str)"),
        ({"role_path": "/a//b/"}, "got '/a//b/' (str)"),
        ({"role_path": "/*/"}, "got '/*/' (str)"),
        ({"role_path": "/a?/"}, "got '/a?/' (str)"),
        ({"role_path": f"/{'x' * 255}/"}, "at most 256 characters"),
        ({"role_path": 7}, "got 7 (int)"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_a_provider_cannot_work_with_is_refused(stack: Stack, given: dict[str, Any], message: str) -> None:
    """The message names the property, what it got and what is allowed."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKeyProvider(stack, "Provider", **given)


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
    assert len(of_type(stack, "AWS::Lambda::Function")) == 2
    assert only(stack, KEY)["ServiceToken"] == stack.resolve(provider.function.function_arn)


def test_provider_may_be_passed_in(stack: Stack, user: iam.User) -> None:
    """A provider of any id serves the key, and no other is made."""
    provider = AccessKeyProvider(stack, "Mine")
    AccessKey(stack, "Key", user=user, provider=provider)
    assert len(of_type(stack, "AWS::Lambda::Function")) == 2
    (key,) = of_type(stack, KEY).values()
    assert all(name.startswith("Mine") for name in key["DependsOn"])
    assert key["Properties"]["ServiceToken"] == stack.resolve(provider.function.function_arn)


def test_provider_of_another_stack_serves_the_key(app: App, stack: Stack, user: iam.User) -> None:
    """The key's role is where that provider may assume it, trusts its role, and the stacks are deployed in order."""
    home = Stack(app, "Home")
    AccessKey(stack, "Key", user=user, provider=AccessKeyProvider(home, "Provider"))
    _, role = key_role(stack)
    trusted = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    assert role["Path"]["Fn::Join"][1][0] == "/cdk-iam-access-key/Home/"
    assert trusted["Fn::ImportValue"].startswith("Home:ExportsOutputFnGetAttProviderRole")
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


def test_one_wildcard_is_used(stack: Stack, user: iam.User) -> None:
    """No action is one, and of resources only the roles of keys, under the stack's own path."""
    AccessKey(stack, "Key", user=user)
    found = [
        resource
        for role in of_type(stack, ROLE).values()
        for statement in statements(role["Properties"])
        for resource in (json.dumps(statement["Action"]), json.dumps(statement["Resource"]))
        if "*" in resource
    ]
    (resource,) = found
    assert ":role/cdk-iam-access-key/Stack/*" in resource


def test_longest_stack_name_fits_into_a_role_path(app: App) -> None:
    """IAM allows paths of 512 characters, and CDK refuses a stack name that could make a longer one."""
    provider = AccessKeyProvider(Stack(app, "Longest", stack_name="x" * 128), "Provider")
    assert provider.role_path == f"/cdk-iam-access-key/{'x' * 128}/"
    with pytest.raises(RuntimeError, match="Stack name must be <= 128 characters"):
        Stack(app, "TooLong", stack_name="x" * 129)
