"""The guards of root access keys: what they define, what they may do, and what they refuse."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk import App, CfnParameter, Duration, NestedStack, Stack, TimeZone
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from synth.templates import ROLE, of_type, only, resources

from cdk_iam_access_key import (
    AccessKey,
    Accounts,
    DenyRootAccessKeyCreation,
    OrganizationRootKeyGuard,
    RootAccessKeyGuard,
    RootKeyAction,
    RootKeyMode,
)

AUDIT = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
DELETE = "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials"
MACHINE = "AWS::StepFunctions::StateMachine"


def plain(value: Any) -> Any:
    """Write a resolved value as text, with the partition of most."""
    if isinstance(value, dict):
        if value == {"Ref": "AWS::Partition"}:
            return "aws"
        if "Fn::Join" in value:
            return "".join(str(plain(part)) for part in value["Fn::Join"][1])
        return {name: plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


def all_statements(stack: Stack) -> list[tuple[str, dict[str, Any]]]:
    """List the statements of all roles, each with the name of its role or policy."""
    found = []
    for kind, policies in ((ROLE, "Policies"), ("AWS::IAM::Policy", None)):
        for name, resource in of_type(stack, kind).items():
            properties = plain(resource["Properties"])
            for policy in properties.get(policies, []) if policies else [properties]:
                found += [(name, statement) for statement in policy["PolicyDocument"]["Statement"]]
    return found


def with_action(stack: Stack, action: str) -> list[tuple[str, dict[str, Any]]]:
    """List the statements that are about an action."""
    return [
        (name, one)
        for name, one in all_statements(stack)
        if action in (one["Action"] if isinstance(one["Action"], list) else [one["Action"]])
    ]


def definition(stack: Stack) -> dict[str, Any]:
    """Read the state machine's definition."""
    text = plain(only(stack, MACHINE)["DefinitionString"])
    found: dict[str, Any] = json.loads(
        re.sub(r"\{'(Ref|Fn::GetAtt)': [^}]*\}", lambda match: match[0].split("'")[3], text)
    )
    return found


def guard(stack: Stack, **properties: Any) -> OrganizationRootKeyGuard:
    """Define a guard that deletes."""
    return OrganizationRootKeyGuard(stack, "Org", mode=RootKeyMode.DELETE_UNUSED, **properties)


def test_root_is_assumed_for_the_two_tasks_only(stack: Stack) -> None:
    """One function for each task, bound to it by a condition, and nobody else."""
    guard(stack)
    found = with_action(stack, "sts:AssumeRoot")
    assert [(name[:7], one["Condition"]) for name, one in found] == [
        ("OrgAudi", {"StringEquals": {"sts:TaskPolicyArn": AUDIT}}),
        ("OrgDele", {"StringEquals": {"sts:TaskPolicyArn": DELETE}}),
    ]
    assert {one["Resource"] for _, one in found} == {"arn:aws:iam::*:root"}


def test_only_the_state_machine_may_start_the_deletion(stack: Stack) -> None:
    """No other role may invoke it, and no resource policy lets anybody in."""
    guard(stack)
    functions = [name for name in of_type(stack, "AWS::Lambda::Function") if name.startswith("OrgDelete")]
    callers = [name for name, one in with_action(stack, "lambda:InvokeFunction") if functions[0] in json.dumps(one)]
    assert len(functions) == 1
    assert {name[:15] for name in callers} == {"OrgStateMachine"}
    assert not of_type(stack, "AWS::Lambda::Permission")
    assert not of_type(stack, "AWS::Lambda::Url")


def test_an_audit_has_no_function_that_deletes(stack: Stack) -> None:
    """What is not there can't be called."""
    OrganizationRootKeyGuard(stack, "Org")
    assert [name[:8] for name, _ in with_action(stack, "sts:AssumeRoot")] == ["OrgAudit"]
    assert "Delete" not in definition(stack)["States"]["EachAccount"]["ItemProcessor"]["States"]


def test_a_selection_bounds_the_roots_that_can_be_assumed(app: App) -> None:
    """Accounts that were named are the only ones, excluded ones are denied outright."""
    only_two, but_one = Stack(app, "OnlyTwo"), Stack(app, "ButOne")
    guard(only_two, accounts=Accounts.only(["111111111111", "222222222222"]))
    guard(but_one, accounts=Accounts.excluding(["333333333333"]))
    roots = ["arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"]
    assert [one["Resource"] for _, one in with_action(only_two, "sts:AssumeRoot")] == [roots, roots]
    denied = [one for _, one in with_action(but_one, "sts:AssumeRoot") if one["Effect"] == "Deny"]
    assert [one["Resource"] for one in denied] == ["arn:aws:iam::333333333333:root"] * 2
    assert not any("Condition" in one for one in denied)


@pytest.mark.parametrize(
    ("accounts", "listing", "checking"),
    [
        (Accounts.all(), ["ListAccounts"], []),
        (Accounts.only(["111111111111"]), ["DescribeAccount"], ["DescribeAccount"]),
        (Accounts.excluding(["111111111111"]), ["ListAccounts"], ["DescribeAccount"]),
        (
            Accounts.organizational_units(["ou-ab12-34cd56ef"]),
            ["ListAccountsForParent", "ListOrganizationalUnitsForParent"],
            ["DescribeOrganizationalUnit"],
        ),
        (
            Accounts.organizational_units(["r-ab12"]).excluding(["111111111111"]),
            ["ListAccountsForParent", "ListOrganizationalUnitsForParent"],
            ["DescribeAccount", "ListOrganizationalUnitsForParent"],
        ),
    ],
    ids=["all", "only", "excluding", "units", "root"],
)
def test_the_organization_is_read_as_far_as_needed(
    stack: Stack, accounts: Any, listing: list[str], checking: list[str]
) -> None:
    """One function lists the selection, one sees that what it names exists, and two look where an account is."""
    guard(stack, accounts=accounts)
    actions = [
        (name.removeprefix("Org").partition("Step")[0].partition("Check")[0], action)
        for name, one in all_statements(stack)
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
        if action.startswith("organizations:")
    ]
    upwards = [(step, "organizations:ListParents") for step in ("Audit", "Delete") if accounts.units]
    assert actions == [
        *(("Start", f"organizations:{action}") for action in sorted(["DescribeOrganization", *listing])),
        *upwards,
        *(("Preflight", f"organizations:{action}") for action in checking),
    ]


def test_a_run_is_bounded_patient_and_stopped_by_no_account(stack: Stack) -> None:
    """The map tolerates every failure, retries with jitter, and each failure is recorded."""
    guard(stack, max_concurrency=7)
    each = definition(stack)["States"]["EachAccount"]
    states = each["ItemProcessor"]["States"]
    assert each["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert (each["MaxConcurrency"], each["ToleratedFailurePercentage"], each["ResultPath"]) == (7, 100, None)
    # Nothing that could come up after an account was looked at begins the map again.
    assert [one["ErrorEquals"] for one in each["Retry"]] == [["States.Permissions", "States.ItemReaderFailed"]]
    for name in ("Audit", "Delete"):
        new_role, retry = states[name]["Retry"]
        assert new_role == {
            "ErrorEquals": ["RoleMayBeNewError"],
            "IntervalSeconds": 10,
            "MaxAttempts": 10,
            "BackoffRate": 1,
        }
        assert (retry["JitterStrategy"], retry["MaxAttempts"]) == ("FULL", 8)
        assert "TryAgainError" in retry["ErrorEquals"]
        recorded = "RecordFailure" if name == "Audit" else "RecordFailedDeletion"
        assert states[name]["Catch"] == [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.Failure", "Next": recorded}]
    assert states["Planned"]["Choices"] == [{"Variable": "$.Audit.Plan[0]", "IsPresent": True, "Next": "Delete"}]


def settings(stack: Stack) -> dict[str, Any]:
    """Read the settings that every function of a run finds in its environment."""
    functions = of_type(stack, "AWS::Lambda::Function").values()
    found = {
        one["Properties"]["Handler"].split(".")[1]: one["Properties"]["Environment"]["Variables"].get("GUARD_SETTINGS")
        for one in functions
    }
    assert found.pop("main") is None
    assert found.keys() - {"deletion"} == {"start", "audit", "finish"}
    (text,) = set(found.values())
    return json.loads(text)


@pytest.mark.parametrize(
    "change",
    [
        {"unused_for": Duration.days(30)},
        {"notice_period": Duration.hours(2)},
        {"accounts": Accounts.excluding(["111111111111"])},
        {"delete_at_once": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_setting_is_in_what_the_functions_go_by(app: App, change: dict[str, Any]) -> None:
    """A change of one makes another digest, and so a dry run; so does other code. Each change is checked, too."""
    one, other = Stack(app, "One"), Stack(app, "Other")
    guard(one)
    guard(other, **change)
    assert settings(one) != settings(other)
    assert len(settings(one)["Code"]) == 64
    assert settings(one)["Mode"] == "DeleteUnused"
    for stack in (one, other):
        assert settings(stack).items() <= plain(only(stack, "Custom::OrganizationRootKeyCheck")).items()


def test_the_state_machine_has_no_settings(stack: Stack) -> None:
    """Whoever starts or changes it finds nothing there that says what may be deleted, or where."""
    guard(stack, accounts=Accounts.excluding(["111111111111"]))
    states = definition(stack)["States"]
    assert states["Start"]["Parameters"].keys() == {"RunId.$", "Input.$"}
    assert "111111111111" not in json.dumps(definition(stack))


def test_there_is_an_hour_to_object_or_as_told(app: App) -> None:
    """Between the plan that is published and the deletion."""
    hourly, daily = Stack(app, "Hourly"), Stack(app, "Daily")
    guard(hourly)
    guard(daily, notice_period=Duration.days(1))
    assert [settings(stack)["NoticeSeconds"] for stack in (hourly, daily)] == [3600, 86400]


def test_the_most_accounts_fit_into_the_environment_of_a_function(stack: Stack) -> None:
    """With the variables beside them; what does not fit is refused at synth."""
    most = Accounts.organizational_units([f"ou-ab12-{number:08}" for number in range(50)])
    guard(stack, accounts=most.excluding([f"{number:012}" for number in range(100)]), notify=sns.Topic(stack, "Topic"))
    for one in of_type(stack, "AWS::Lambda::Function").values():
        variables = one["Properties"]["Environment"]["Variables"]
        # The bucket's name and the topic's ARN are no longer than that.
        assert (
            sum(len(name) + (len(value) if isinstance(value, str) else 256) for name, value in variables.items()) < 4096
        )


def test_results_are_kept_closed_and_for_a_while(stack: Stack) -> None:
    """Encrypted, by TLS only, not public, expiring but for the plan, and not gone with the guard."""
    guard(stack, results_kept_for=Duration.days(30))
    ((_, bucket),) = of_type(stack, "AWS::S3::Bucket").items()
    properties = bucket["Properties"]
    assert bucket["DeletionPolicy"] == "Retain"
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["LifecycleConfiguration"]["Rules"] == [
        {"ExpirationInDays": 30, "Prefix": "runs/", "Status": "Enabled"}
    ]
    assert properties["BucketEncryption"]
    (statement,) = only(stack, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


RULE = "AWS::Events::Rule"
STACK_ID = "{'Fn::Select': [2, {'Fn::Split': ['/', {'Ref': 'AWS::StackId'}]}]}"


@pytest.mark.parametrize(
    ("make", "expression"),
    [
        pytest.param(lambda stack, **more: RootAccessKeyGuard(stack, "Root", **more), "rate(1 day)", id="account"),
        pytest.param(guard, "rate(7 days)", id="organization"),
    ],
)
def test_it_runs_by_default_or_as_told(app: App, make: Callable[..., Any], expression: str) -> None:
    """By a rule, whose default is once a day for the one account, once a week for root sessions in all."""
    default, monthly = Stack(app, "Default"), Stack(app, "Monthly")
    make(default)
    make(monthly, schedule=events.Schedule.cron(day="1", hour="4", minute="0"))
    found = [only(stack, RULE)["ScheduleExpression"] for stack in (default, monthly)]
    assert found == [expression, "cron(0 4 1 * ? *)"]
    assert "AWS::Scheduler::Schedule" not in {one["Type"] for one in resources(default).values()}


def test_the_role_of_a_rule_is_of_no_use_to_another(stack: Stack) -> None:
    """It trusts EventBridge for exactly that rule, and starts exactly that machine with an input that asks nothing."""
    guard(stack)
    rule = plain(only(stack, RULE))
    ((name, role),) = ((name, one) for name, one in of_type(stack, ROLE).items() if name.startswith("OrgScheduleRole"))
    (trusted,) = plain(role["Properties"]["AssumeRolePolicyDocument"]["Statement"])
    account = {"Ref": "AWS::AccountId"}
    arn = f"arn:aws:events:{{'Ref': 'AWS::Region'}}:{account}:rule/{rule['Name']}"
    assert trusted["Principal"] == {"Service": "events.amazonaws.com"}
    assert trusted["Condition"] == {"StringEquals": {"aws:SourceArn": arn, "aws:SourceAccount": account}}
    (policy,) = role["Properties"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    machine = {"Ref": next(iter(of_type(stack, MACHINE)))}
    assert (statement["Action"], statement["Resource"]) == ("states:StartExecution", machine)
    (target,) = rule["Targets"]
    assert target == {"Id": "Guard", "Arn": machine, "RoleArn": {"Fn::GetAtt": [name, "Arn"]}, "Input": "{}"}


def test_one_rule_may_call_the_check_of_an_account(stack: Stack) -> None:
    """By the function's own policy, which names it; the event is the one that the function knows."""
    RootAccessKeyGuard(stack, "Root")
    rule, permission = plain(only(stack, RULE)), plain(only(stack, "AWS::Lambda::Permission"))
    (target,) = rule["Targets"]
    assert target["Input"] == '{"Operation": "Check"}'
    assert permission == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": target["Arn"],
        "Principal": "events.amazonaws.com",
        "SourceArn": f"arn:aws:events:{{'Ref': 'AWS::Region'}}:{{'Ref': 'AWS::AccountId'}}:rule/{rule['Name']}",
    }


def test_the_rules_of_two_guards_have_two_names(app: App) -> None:
    """In one stack and in another, deployed under whatever name; a name has 64 characters at most."""
    stacks = [Stack(app, "One"), Stack(app, "Other"), NestedStack(Stack(app, "Outer"), "Inner")]
    for stack in stacks:
        RootAccessKeyGuard(stack, "Root")
        guard(stack)
        OrganizationRootKeyGuard(stack, "AnIdThatIsLongerThanTheNameOfARuleCanBeInAll" * 2)
    for stack in stacks:
        names = [plain(rule["Properties"]["Name"]) for rule in of_type(stack, RULE).values()]
        assert len(set(names)) == 3
        for name in names:
            own, _, stack_id = name.partition("-")
            # The last part of the id of a stack is different for each stack, also one that is made again.
            assert stack_id == STACK_ID
            assert 1 <= len(own) <= 64 - 1 - 36
            assert own.isalnum()


def test_a_start_that_fails_is_told(stack: Stack) -> None:
    """By an alarm on what EventBridge counts for this rule."""
    RootAccessKeyGuard(stack, "Root")
    guard(stack)
    alarms = [one["Properties"] for one in of_type(stack, "AWS::CloudWatch::Alarm").values()]
    found = [one for one in alarms if one["MetricName"] == "FailedInvocations"]
    assert {one["Namespace"] for one in found} == {"AWS/Events"}
    named = [one["Dimensions"] for one in found]
    assert named == [[{"Name": "RuleName", "Value": {"Ref": rule}}] for rule in of_type(stack, RULE)]


def test_the_logs_of_runs_are_named_apart(app: App) -> None:
    """In one stack, in another, and in the same deployed under another name; and so that their number has no limit."""
    stacks = [Stack(app, "One"), Stack(app, "Other"), Stack(app, "Same", stack_name="Renamed")]
    stacks.append(NestedStack(Stack(app, "Outer"), "Inner"))
    for stack in stacks:
        OrganizationRootKeyGuard(stack, "Org")
        OrganizationRootKeyGuard(stack, "Org2")
    logs = [log["Properties"] for stack in stacks for log in of_type(stack, "AWS::Logs::LogGroup").values()]
    names = [plain(log["LogGroupName"]) for log in logs if "LogGroupName" in log]
    assert len(names) == len(set(names)) == 8
    assert all(name.startswith("/aws/vendedlogs/states/{'Ref': 'AWS::StackName'}/") for name in names)


def test_no_schedule_starts_what_may_not_do_its_work_yet(stack: Stack) -> None:
    """It may be due at once: each rule comes after its target, after all that its role may do, and after its leave."""
    RootAccessKeyGuard(stack, "Root")
    guard(stack)
    found = resources(stack)
    after = {name[:5]: one["DependsOn"] for name, one in found.items() if one["Type"] == RULE}
    machine = {name for name in found if name.startswith("OrgStateMachine")}
    kinds = sorted(found[name]["Type"].rsplit(":")[-1] for name in machine)
    assert kinds == ["Policy", "Policy", "Role", "StateMachine"]
    assert machine <= set(after["OrgSc"])
    parts = ("RootCheckFunction", "RootCheckRole", "RootSchedulePermission")
    function = {name for name in found if name.startswith(parts)}
    assert len(function) == 3
    assert function <= set(after["RootS"])


def test_the_guard_of_an_account_can_look_and_tell(stack: Stack) -> None:
    """Its function may ask for the account's summary, put its metric and its event, and write its log."""
    RootAccessKeyGuard(stack, "Root")
    actions = {
        action: one
        for action in ("iam:GetAccountSummary", "cloudwatch:PutMetricData", "events:PutEvents")
        for _, one in with_action(stack, action)
    }
    assert actions["cloudwatch:PutMetricData"]["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": "CdkIamAccessKey"}
    }
    assert actions["events:PutEvents"]["Condition"] == {
        "ForAllValues:StringEquals": {"events:source": "cdk-iam-access-key"},
        "Null": {"events:source": "false"},
    }
    assert "Condition" not in actions["iam:GetAccountSummary"]


def test_the_checks_may_read_the_status_of_their_own_stack(stack: Stack) -> None:
    """Those two functions only, and of no other stack."""
    RootAccessKeyGuard(stack, "Root")
    guard(stack)
    found = with_action(stack, "cloudformation:DescribeStacks")
    assert sorted(name[:12] for name, _ in found) == ["OrgPreflight", "RootCheckRol"]
    own = "arn:aws:cloudformation:{'Ref': 'AWS::Region'}:{'Ref': 'AWS::AccountId'}:stack/{'Ref': 'AWS::StackName'}/*"
    assert {one["Resource"] for _, one in found} == {own}
    assert {one["Action"] for _, one in found} == {"cloudformation:DescribeStacks"}


@pytest.mark.parametrize(("on_found", "value"), [(RootKeyAction.FAIL_DEPLOYMENT, "Fail"), (RootKeyAction.WARN, "Warn")])
def test_what_a_deployment_does_is_told_to_the_check(stack: Stack, on_found: RootKeyAction, value: str) -> None:
    """The check comes after the alarms, so that one that fails the deployment is told too."""
    RootAccessKeyGuard(stack, "Root", on_found=on_found)
    ((_, check),) = of_type(stack, "Custom::RootAccessKeyCheck").items()
    assert check["Properties"]["OnFound"] == value
    assert set(of_type(stack, "AWS::CloudWatch::Alarm")) <= set(check["DependsOn"])
    assert "CheckedAt" not in check["Properties"]


def test_a_check_at_every_deployment_differs_each_time(app: App) -> None:
    """The time of the synthesis is in the template then."""
    stack = Stack(app, "Each")
    RootAccessKeyGuard(stack, "Root", check_every_deployment=True)
    assert only(stack, "Custom::RootAccessKeyCheck")["CheckedAt"]


def test_a_topic_hears_of_it(stack: Stack) -> None:
    """The alarms notify it, and the last step of a run may publish to it."""
    topic = sns.Topic(stack, "Topic")
    RootAccessKeyGuard(stack, "Root", notify=topic)
    guard(stack, notify=topic)
    (name,) = of_type(stack, "AWS::SNS::Topic")
    alarms = of_type(stack, "AWS::CloudWatch::Alarm").values()
    assert [alarm["Properties"]["AlarmActions"] for alarm in alarms] == [[{"Ref": name}]] * 6
    (publishing,) = with_action(stack, "sns:Publish")
    assert (publishing[0][:9], publishing[1]["Resource"]) == ("OrgFinish", {"Ref": name})


def test_alarms_reach_an_encrypted_topic(stack: Stack) -> None:
    """CloudWatch encrypts what an alarm tells; without a permission of the KMS key no notice comes, and no error."""
    topic = sns.Topic(stack, "Topic", master_key=kms.Key(stack, "Key"))
    RootAccessKeyGuard(stack, "Root", notify=topic)
    guard(stack, notify=topic)
    allowed = only(stack, "AWS::KMS::Key")["KeyPolicy"]["Statement"][1:]
    cloudwatch = {
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Resource": "*",
    }
    assert allowed == [cloudwatch]


def test_each_failure_is_told_and_a_key_until_it_is_gone(stack: Stack) -> None:
    """A count of failures falls back by itself, without a word; what a check found last holds until the next one."""
    topic = sns.Topic(stack, "Topic")
    RootAccessKeyGuard(stack, "Root", notify=topic)
    guard(stack, notify=topic)
    alarms = [one["Properties"] for one in of_type(stack, "AWS::CloudWatch::Alarm").values()]
    assert {one["MetricName"]: (one["TreatMissingData"], "OKActions" in one) for one in alarms} == {
        "RootAccessKeysPresent": ("ignore", True),
        "Errors": ("notBreaching", False),
        "ExecutionsFailed": ("notBreaching", False),
        "ExecutionsTimedOut": ("notBreaching", False),
        "FailedInvocations": ("notBreaching", False),
    }


def test_the_service_control_policy_denies_the_root_user_the_creation(stack: Stack) -> None:
    """Whatever the partition, and nothing else."""
    DenyRootAccessKeyCreation(stack, "Deny", targets=["r-ab12", "ou-ab12-34cd56ef", "111111111111"])
    policy = only(stack, "AWS::Organizations::Policy")
    (statement,) = policy["Content"]["Statement"]
    assert policy["Type"] == "SERVICE_CONTROL_POLICY"
    assert policy["TargetIds"] == ["r-ab12", "ou-ab12-34cd56ef", "111111111111"]
    # It binds the guard's root sessions too, so it must not deny what they are for: to list and to delete.
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Deny", "iam:CreateAccessKey", "*")
    assert statement["Condition"] == {"ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"}}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: guard(s, max_concurrency=0), r"max_concurrency must be .* 1 to 1000, got 0"),
        (lambda s: guard(s, max_concurrency=1001), r"got 1001"),
        (lambda s: guard(s, max_concurrency=True), r"got True"),
        (lambda s: guard(s, max_concurrency="many"), r"got 'many'"),
        (
            lambda s: guard(s, unused_for=Duration.hours(23)),
            r"unused_for must be .* at least 1 day .* got 23 hours",
        ),
        (lambda s: guard(s, unused_for=90), r"unused_for must be an aws_cdk.Duration"),
        (lambda s: guard(s, results_kept_for=Duration.minutes(5)), r"results_kept_for must be .* at least 1 day"),
        (lambda s: guard(s, accounts=["111111111111"]), r"accounts must be a choice of Accounts"),
        (lambda s: guard(s, notice_period=60), r"notice_period must be an aws_cdk.Duration"),
        (lambda s: guard(s, notice_period=Duration.seconds(59)), r"notice_period must be .* at least 1 minute"),
        (
            lambda s: guard(s, notice_period=Duration.hours(1), delete_at_once=True),
            r"delete_at_once must come without notice_period, got both.*leave one out",
        ),
        (
            lambda s: guard(s, accounts=Accounts.organizational_units([f"ou-ab12-{n:032}" for n in range(90)])),
            r"accounts must leave the settings at 3400 characters.* got 4.*name fewer accounts and units",
        ),
        (lambda s: guard(s, schedule="daily"), r"schedule must be an aws_events.Schedule.*, got 'daily'"),
        (
            lambda s: guard(s, schedule=scheduler.ScheduleExpression.cron(hour="4", time_zone=TimeZone.EUROPE_BERLIN)),
            r"schedule must be an aws_events.Schedule, which is in UTC and has no time zone.*for 4:00 UTC",
        ),
        (
            lambda s: guard(s, schedule=events.Schedule.expression("at(2026-11-26T04:00:00)")),
            r"schedule must be a rate or a cron expression, got 'at\(2026-11-26T04:00:00\)'",
        ),
        (lambda s: guard(s, delete_at_once="yes"), r"delete_at_once must be True or False, got 'yes'"),
        (lambda s: OrganizationRootKeyGuard(s, "Org", mode="audit"), r"mode must be RootKeyMode.AUDIT"),
        (
            lambda s: OrganizationRootKeyGuard(s, "Org", delete_at_once=True),
            r"delete_at_once must come with mode=RootKeyMode.DELETE_UNUSED",
        ),
        (lambda s: RootAccessKeyGuard(s, "Root", on_found="fail"), r"on_found must be RootKeyAction.FAIL_DEPLOYMENT"),
        (lambda s: RootAccessKeyGuard(s, "Root", schedule=5), r"schedule must be an aws_events.Schedule.*, got 5"),
        (lambda s: DenyRootAccessKeyCreation(s, "Deny", targets=[]), r"targets must be a list .* got \[\]"),
        (lambda s: DenyRootAccessKeyCreation(s, "Deny", targets="r-ab12"), r"targets must be a list"),
        (lambda s: DenyRootAccessKeyCreation(s, "Deny", targets=["root"]), r"got 'root'; correct it"),
        (lambda _: Accounts.only(["111111111111"]).excluding(["222222222222"]), r"either only some or all but some"),
        (lambda _: Accounts.only([]), r"Accounts.only must get at least one id, got none"),
        (lambda _: Accounts.only("111111111111"), r"Accounts.only must get a list of ids"),
        (lambda _: Accounts.only(["12"]), r"Accounts.only must get account ids of 12 digits, got '12'"),
        (lambda _: Accounts.only([111111111111]), r"known at synth, got 111111111111"),
        (lambda _: Accounts.excluding([f"{n:012}" for n in range(101)]), r"at most 100 accounts, got 101"),
        (lambda _: Accounts.organizational_units(["Sandbox"]), r"must get ids such as ou-.* got 'Sandbox'"),
        (lambda s: Accounts.only([CfnParameter(s, "P").value_as_string]), r"known at synth"),
    ],
)
def test_bad_input_is_refused_at_synth(stack: Stack, make: Callable[[Stack], object], message: str) -> None:
    """The message names the value, what is allowed and what to change; and nothing is defined."""
    with pytest.raises(ValueError, match=message):
        make(stack)
    assert stack.node.try_find_child("Org") is None


def test_a_key_of_the_root_user_points_here(stack: Stack) -> None:
    """Whoever tries to declare one learns what to do instead."""
    root = iam.User.from_user_name(stack, "RootUser", "root")
    with pytest.raises(ValueError, match=r"must not be the root user.*RootAccessKeyGuard"):
        AccessKey(stack, "Key", user=root)
