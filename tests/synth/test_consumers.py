"""What an app says so that consumers get the new key before the previous one goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, Duration, NestedStack, Stack
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Annotations, Match, Template
from synth.templates import KEY, only

from cdk_iam_access_key import AccessKey, DeliveryPhase, OnOverdue
from cdk_iam_access_key._shared.templates import walk

if TYPE_CHECKING:
    from collections.abc import Callable

WEEK = Duration.days(7)


@pytest.fixture
def key(stack: Stack, user: iam.User) -> AccessKey:
    """Define a key with an hour of grace."""
    return AccessKey(stack, "Key", user=user)


def function(stack: Stack, name: str = "Deliver") -> lambda_.Function:
    """Define a function that delivers."""
    code = lambda_.Code.from_inline("def handler(event, context): pass")
    return lambda_.Function(stack, name, runtime=lambda_.Runtime.PYTHON_3_13, handler="index.handler", code=code)


def statements(stack: Stack, kind: str, name: str) -> list[dict[str, Any]]:
    """List the statements of the inline policies of a type whose names begin so."""
    found = Template.from_stack(stack).find_resources(kind).values()
    policies = [one["Properties"] for one in found if name in str(one["Properties"]["PolicyName"])]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


# --- self-renewal


def test_the_user_reads_the_current_value_of_this_secret_from_there(stack: Stack, key: AccessKey) -> None:
    """One statement a kind of source: one of them has to hold, and nothing else is allowed."""
    key.grant_self_renewal(from_addresses=["203.0.113.0/24"], from_vpc_endpoints=["vpce-0a1b2c3d"])
    stage = {"secretsmanager:VersionStage": "AWSCURRENT"}
    found = statements(stack, "AWS::IAM::UserPolicy", "SelfRenewal")
    assert [statement["Condition"] for statement in found] == [
        {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}, "StringEquals": stage},
        {"StringEquals": {"aws:SourceVpce": ["vpce-0a1b2c3d"], **stage}},
    ]
    assert {str(statement["Action"]) for statement in found} == {"['secretsmanager:GetSecretValue']"}
    assert {str(statement["Resource"]) for statement in found} == {str(only(stack, KEY)["SecretArn"])}


def test_a_kms_key_is_used_through_secrets_manager_for_this_secret(stack: Stack, user: iam.User) -> None:
    """Nothing else can be decrypted with it."""
    key = AccessKey(stack, "Key", user=user, encryption_key=kms.Key(stack, "Kms"))
    key.grant_self_renewal(anywhere=True)
    read, decrypt = statements(stack, "AWS::IAM::UserPolicy", "SelfRenewal")
    assert read["Condition"] == {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}
    assert decrypt["Action"] == ["kms:Decrypt"]
    assert decrypt["Condition"]["StringEquals"].keys() == {"kms:ViaService", "kms:EncryptionContext:SecretARN"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "from_vpc_endpoints or both of them, or else anywhere=True, got none; a thief of the key can follow"),
        ({"anywhere": True, "from_addresses": ["203.0.113.7"]}, "anywhere=True, got sources and anywhere=True"),
        ({"from_addresses": ["0.0.0.0/0"]}, "from_addresses must leave somebody out, got 0.0.0.0/0; say anywhere=True"),
        ({"from_addresses": ["::/0"]}, "from_addresses must leave somebody out"),
        ({"from_addresses": ["10.1.2.0/24"]}, "from_addresses must be public addresses, got 10.1.2.0/24"),
        ({"from_addresses": ["::1"]}, "from_addresses must be public addresses, got ::1"),
        ({"from_addresses": ["fe80::1"]}, "from_addresses must be public addresses, got fe80::1"),
        ({"from_addresses": ["::ffff:203.0.113.7"]}, "from_addresses must be public addresses, got ::ffff:203"),
        ({"from_addresses": ["224.0.0.1"]}, "from_addresses must be public addresses, got 224.0.0.1"),
        ({"from_addresses": ["203.0.113.0/8"]}, "from_addresses must have addresses or CIDR blocks such as"),
        ({"from_addresses": ["example.com"]}, "from_addresses must have addresses or CIDR blocks such as"),
        (
            {"from_addresses": [f"203.0.113.{one}" for one in range(31)]},
            "must have at most 30 addresses .* got 31: IAM",
        ),
        ({"from_vpc_endpoints": ["vpc-0a1b2c3d"]}, "from_vpc_endpoints must have ids of VPC endpoints such as vpce-"),
    ],
)
def test_sources_that_cannot_be(key: AccessKey, given: dict[str, Any], message: str) -> None:
    """Nothing is granted by leaving something out."""
    with pytest.raises(ValueError, match=message):
        key.grant_self_renewal(**given)


@pytest.mark.parametrize(("sources", "is_refused"), [(29, True), (19, False)])
def test_policies_that_are_too_long_for_a_user(app: App, key: AccessKey, sources: int, *, is_refused: bool) -> None:
    """IAM bounds all inline policies of a user together, and says so at deployment only."""
    key.wait_for_consumers("backup", within=WEEK)
    blocks = [f"2001:0db8:aaaa:bbbb:cccc:dddd:eeee:{0x1000 + one:x}/128" for one in range(sources)]
    key.grant_self_renewal(from_addresses=blocks, from_vpc_endpoints=["vpce-0a1b2c3d"])
    if is_refused:
        with pytest.raises(RuntimeError, match=r"Stack/Key must have a user with inline policies of at most 2,048"):
            app.synth()
    else:
        app.synth()


@pytest.mark.parametrize("managed", [True, False])
def test_what_the_user_may_do_besides_counts(app: App, user: iam.User, key: AccessKey, *, managed: bool) -> None:
    """What the CDK grants to a user is inline, too; a managed policy has room of its own."""
    statement = iam.PolicyStatement(actions=["s3:GetObject"], resources=[f"arn:aws:s3:::{'x' * 1800}"])
    key.wait_for_consumers("backup", within=WEEK)
    if managed:
        iam.ManagedPolicy(user, "Managed", statements=[statement], users=[user])
        app.synth()
    else:
        user.add_to_policy(statement)
        with pytest.raises(RuntimeError, match="or put what else the user may do into a managed policy"):
            app.synth()


def test_self_renewal_is_granted_once(key: AccessKey) -> None:
    """A second call would widen the first without a word."""
    key.grant_self_renewal(from_addresses=["203.0.113.7"])
    with pytest.raises(ValueError, match="grant_self_renewal must be called once"):
        key.grant_self_renewal(anywhere=True)


def test_policies_of_one_user_have_their_own_names(app: App) -> None:
    """Also those of stacks that are made from the same app, in another region or under another name."""
    key = AccessKey(Stack(app, "Stack"), "Key", user=iam.User.from_user_name(Stack(app, "Users"), "User", "deploy"))
    key.grant_self_renewal(anywhere=True)
    (policy,) = Template.from_stack(Stack.of(key)).find_resources("AWS::IAM::UserPolicy").values()
    assert {"Ref": "AWS::StackId"} in walk(policy["Properties"]["PolicyName"])


# --- acknowledgements


def test_the_provider_gets_the_names_and_the_user_may_acknowledge(stack: Stack, key: AccessKey) -> None:
    """By events of one source and type on the default bus, which one rule of the provider takes for all keys."""
    key.wait_for_consumers("ci-runner-7", "vendor-x", within=WEEK)
    other = AccessKey(stack, "Other", user=iam.User(stack, "OtherUser"))
    other.wait_for_consumers("ci-runner-7", within=WEEK, on_overdue=OnOverdue.RETIRE)
    properties, others = (one["Properties"] for one in Template.from_stack(stack).find_resources(KEY).values())
    assert others["OverdueConsumers"] == "Retire"
    assert properties["Consumers"] == ["ci-runner-7", "vendor-x"]
    assert (properties["ConsumersWithin"], properties["OverdueConsumers"]) == ("604800", "Keep")
    allowed, same = statements(stack, "AWS::IAM::UserPolicy", "Acknowledgement")
    assert allowed == same
    assert allowed["Action"] == ["events:PutEvents"]
    assert allowed["Condition"]["ForAllValues:StringEquals"] == {
        "events:source": "cdk-iam-access-key.consumer",
        "events:detail-type": "Access Key Acknowledgement",
    }
    assert allowed["Condition"]["Null"] == {"events:source": "false", "events:detail-type": "false"}
    rules = Template.from_stack(stack).find_resources(
        "AWS::Events::Rule", {"Properties": {"EventPattern": {"source": ["cdk-iam-access-key.consumer"]}}}
    )
    assert len(rules) == 1


@pytest.mark.parametrize(
    ("wait", "message"),
    [
        (lambda key: key.wait_for_consumers(within=WEEK), "wait_for_consumers must have 1 to 50 names, got 0"),
        (lambda key: key.wait_for_consumers("a b", within=WEEK), "must name a consumer with a letter or digit"),
        (lambda key: key.wait_for_consumers("", within=WEEK), "must name a consumer with a letter or digit"),
        (lambda key: key.wait_for_consumers("x" * 65, within=WEEK), "must name a consumer with a letter or digit"),
        (lambda key: key.wait_for_consumers("a", "a", within=WEEK), "must have different names, got a twice"),
        (lambda key: key.wait_for_consumers("a", within=Duration.hours(1)), "within must be longer than grace_period"),
        (lambda key: key.wait_for_consumers("a", within=Duration.days(366)), "within must be whole seconds"),
        (lambda key: key.wait_for_consumers("a", within=WEEK, on_overdue="Later"), "'Later' is not a valid OnOverdue"),
    ],
)
def test_what_cannot_be_waited_for(key: AccessKey, wait: Callable[[AccessKey], None], message: str) -> None:
    """The message says what is allowed."""
    with pytest.raises(ValueError, match=message):
        wait(key)


def test_a_key_waits_once_and_needs_a_grace_period(stack: Stack, key: AccessKey) -> None:
    """Without one its previous key is deactivated before anybody could say anything."""
    key.wait_for_consumers("a", within=WEEK)
    with pytest.raises(ValueError, match="wait_for_consumers must be called once"):
        key.wait_for_consumers("b", within=WEEK)
    hasty = AccessKey(stack, "Hasty", user=iam.User(stack, "Other"), grace_period=Duration.seconds(0))
    with pytest.raises(ValueError, match="wait_for_consumers must come with a grace_period of a minute or more, got 0"):
        hasty.wait_for_consumers("a", within=WEEK)


def test_the_time_counts_into_the_age(stack: Stack, user: iam.User) -> None:
    """A previous key in its wait is Active, and judged by its age."""
    key = AccessKey(stack, "Key", user=user, max_active_age=Duration.days(90), automatically_after=Duration.days(80))
    with pytest.raises(ValueError, match=r"max_active_age must be at least .* in which consumers acknowledge"):
        key.wait_for_consumers("a", within=Duration.days(30))
    key.wait_for_consumers("a", within=Duration.days(5))


# --- deliveries


def test_a_delivery_is_allowed_before_the_key_is_made(stack: Stack, key: AccessKey) -> None:
    """The key's role may call that function; the function may read the secret; the key waits for both."""
    key.deliver_to(function(stack), name="github")
    key.deliver_to(function(stack, "Late"), name="wiki", required=False, phase=DeliveryPhase.AFTER_PUBLISHING)
    first, second = only(stack, KEY)["Deliveries"]
    assert (first["Name"], first["Phase"], first["Required"]) == ("github", "BeforePublishing", "true")
    assert (second["Name"], second["Phase"], second["Required"]) == ("wiki", "AfterPublishing", "false")
    (allowed,) = statements(stack, "AWS::IAM::RolePolicy", "Delivery-github")
    assert allowed == {"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": first["FunctionArn"]}
    template = Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [Match.object_like({"Action": Match.array_with(["secretsmanager:GetSecretValue"])})]
                )
            }
        },
    )
    (resource,) = template.find_resources(KEY).values()
    policies = (
        template.find_resources("AWS::IAM::RolePolicy").keys() | template.find_resources("AWS::IAM::Policy").keys()
    )
    assert {name for name in policies if name.startswith(("Key", "Deliver", "Late"))} <= set(resource["DependsOn"])


def test_deliveries_that_cannot_be(stack: Stack, key: AccessKey) -> None:
    """The message says what to change."""
    key.deliver_to(function(stack), name="github")
    with pytest.raises(ValueError, match=r"deliver_to must have a lambda_\.IFunction, got 'arn:aws:lambda"):
        key.deliver_to("arn:aws:lambda:eu-west-1:111122223333:function:deliver", name="wiki")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="deliver_to must name another consumer each time, got github twice"):
        key.deliver_to(function(stack, "Other"), name="github")
    with pytest.raises(ValueError, match="deliver_to must name a consumer with a letter or digit"):
        key.deliver_to(function(stack, "Third"), name="git hub")
    hasty = AccessKey(stack, "Hasty", user=iam.User(stack, "Two"), grace_period=Duration.seconds(0))
    with pytest.raises(ValueError, match="deliver_to must come with a grace_period of a minute or more"):
        hasty.deliver_to(function(stack, "Fourth"), name="wiki", phase=DeliveryPhase.AFTER_PUBLISHING)
    for number in range(9):
        key.deliver_to(function(stack, f"More{number}"), name=f"more-{number}")
    with pytest.raises(ValueError, match="deliver_to must be called at most 10 times"):
        key.deliver_to(function(stack, "Eleventh"), name="eleventh")


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("user_is_there", [False, True])
def test_a_function_of_another_stack(app: App, *, encrypted: bool, user_is_there: bool) -> None:
    """The key's stack needs it, so what lets it read the secret is in the key's stack, and comes before the key."""
    theirs, ours = Stack(app, "Functions"), Stack(app, "Keys")
    key = AccessKey(
        ours,
        "Key",
        user=iam.User(theirs if user_is_there else ours, "User"),
        encryption_key=kms.Key(ours, "Kms") if encrypted else None,
    )
    key.deliver_to(function(theirs), name="github")
    template = Template.from_stack(ours)
    ((name, policy),) = template.find_resources("AWS::IAM::Policy").items()
    allowed = [statement["Action"] for statement in policy["Properties"]["PolicyDocument"]["Statement"]]
    reads = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    assert allowed == ([reads, "kms:Decrypt"] if encrypted else [reads])
    (resource,) = template.find_resources(KEY).values()
    assert name in resource["DependsOn"]
    assert not Template.from_stack(theirs).find_resources("AWS::IAM::Policy")


@pytest.mark.parametrize("nested", ["key", "function"])
def test_a_function_of_a_nested_stack_or_of_its_parent(stack: Stack, nested: str) -> None:
    """Neither waits for the other in a circle: the policy is beside the key."""
    inner = NestedStack(stack, "Inner")
    keys, functions = (inner, stack) if nested == "key" else (stack, inner)
    AccessKey(keys, "Key", user=iam.User(keys, "User")).deliver_to(function(functions), name="github")
    assert Template.from_stack(keys).find_resources("AWS::IAM::Policy")
    assert not [
        name for name in Template.from_stack(functions).find_resources("AWS::IAM::Policy") if name.startswith("Deliver")
    ]


def test_a_kms_key_of_another_stack(app: App, user: iam.User, stack: Stack) -> None:
    """Its policy does not name the function, whose stack needs it."""
    key = AccessKey(stack, "Key", user=user, encryption_key=kms.Key(Stack(app, "Kms"), "Kms"))
    key.deliver_to(function(stack), name="github")
    app.synth()


@pytest.mark.parametrize("grant", [True, False])
def test_a_function_that_waits_for_the_key(app: App, stack: Stack, key: AccessKey, *, grant: bool) -> None:
    """CloudFormation would refuse the circle at deployment; synthesis tells what to take away."""
    deliver = function(stack)
    if grant:
        key.grant_read(deliver)
    else:
        deliver.add_environment("SECRET", key.secret.secret_arn)
    key.deliver_to(deliver, name="github")
    with pytest.raises(RuntimeError, match="deliver_to must have a function that does not wait for the key, got one"):
        app.synth()


def test_an_imported_function_must_be_let_in_by_hand(stack: Stack, key: AccessKey) -> None:
    """The CDK can't add to its role, which a warning says."""
    arn = "arn:aws:lambda:eu-west-1:111122223333:function:deliver"
    key.deliver_to(lambda_.Function.from_function_arn(stack, "Imported", arn), name="github")
    Annotations.from_stack(stack).has_warning("/Stack/Key", Match.string_like_regexp("let it read the secret"))


# --- events


def test_targets_hear_of_this_secret_alone(stack: Stack, key: AccessKey) -> None:
    """By Secrets Manager's own event, and by the provider's."""
    for name in ("Restart", "Tell"):
        key.on_published(targets.SnsTopic(sns.Topic(stack, name)))
    key.on_event("Overdue", targets.SnsTopic(sns.Topic(stack, "Page")), "Access Key Retirement Overdue")
    arn = only(stack, KEY)["SecretArn"]
    template = Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["aws.secretsmanager"],
                "detail-type": ["Secret Label Updated"],
                "resources": [arn],
                "detail": {"labelUpdated": ["AWSCURRENT"]},
            },
            "Targets": [Match.any_value(), Match.any_value()],
        },
    )
    template.has_resource_properties(
        "AWS::Events::Rule",
        {
            "EventPattern": {
                "source": ["cdk-iam-access-key"],
                "detail-type": ["Access Key Retirement Overdue"],
                "resources": [arn],
            }
        },
    )


def test_a_target_of_a_stack_that_reads_the_secret(app: App, stack: Stack, key: AccessKey) -> None:
    """The rule is in that stack: a rule of the key's stack would need a stack that needs it."""
    there = Stack(app, "There")
    topics = [sns.Topic(there, name) for name in ("First", "Second", "Overdue")]
    key.grant_read(iam.Role(there, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com")))
    for topic in topics[:2]:
        key.on_published(targets.SnsTopic(topic), scope=there)
    other = AccessKey(stack, "Other", user=iam.User(stack, "OtherUser"))
    other.on_published(targets.SnsTopic(topics[0]), scope=there)
    key.on_event("Overdue", targets.SnsTopic(topics[2]), "Access Key Retirement Overdue", scope=there)
    app.synth()
    rules = Template.from_stack(there).find_resources("AWS::Events::Rule").values()
    assert sorted(len(rule["Properties"]["Targets"]) for rule in rules) == [1, 1, 2]
    assert all("Fn::ImportValue" in rule["Properties"]["EventPattern"]["resources"][0] for rule in rules)


def test_an_id_of_a_rule_is_free(stack: Stack, key: AccessKey) -> None:
    """Whatever parts of the key are called: each rule keeps its own targets."""
    for number, name in enumerate(("Published", "Resource", "Secret", "SelfRenewal")):
        key.on_event(name, targets.SnsTopic(sns.Topic(stack, f"Topic{number}")), "Access Key Created")
    key.on_published(targets.SnsTopic(sns.Topic(stack, "Last")))
    key.grant_self_renewal(anywhere=True)
    rules = Template.from_stack(stack).find_resources("AWS::Events::Rule").values()
    targeted = [rule["Properties"] for rule in rules if "resources" in rule["Properties"].get("EventPattern", {})]
    assert [len(rule["Targets"]) for rule in targeted] == [1] * 5


def test_a_kind_of_event_that_there_is_not(stack: Stack, key: AccessKey) -> None:
    """A rule that matches nothing would never tell."""
    with pytest.raises(
        ValueError, match=r"on_event must name kinds of events, got 'Overdue'.*; pass some of Access Key"
    ):
        key.on_event("Overdue", targets.SnsTopic(sns.Topic(stack, "Page")), "Overdue")


def test_none_of_it_changes_a_key_that_does_not_ask(app: App) -> None:
    """The properties are left out."""
    stack = Stack(app, "Plain")
    AccessKey(stack, "Key", user=iam.User(stack, "User"))
    properties = only(stack, KEY)
    assert not properties.keys() & {"Consumers", "ConsumersWithin", "OverdueConsumers", "Deliveries"}
