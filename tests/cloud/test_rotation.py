"""Between two deployments: grace, retirement, Secrets Manager's rotation, alarms and operators, with IAM enforced."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Duration
from aws_cdk import aws_events as schedules
from botocore.exceptions import ClientError
from cloud.shop import alarm, consume, consumed, set_off

from cdk_iam_access_key import OnKeyLimit
from cdk_iam_access_key.cli import command

if TYPE_CHECKING:
    from cloud.shop import Shop

SOON = {"GracePeriod": 2, "RetentionPeriod": 2, "RetireWhenUnusedFor": 1}
DAYS = {"rotation_schedule": schedules.Schedule.rate(Duration.days(30))}
ALARMED = ("alarmed", "watched")
POSTPONED = "Access Key Retirement Postponed"


@pytest.fixture
def operate(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Give the command line of operators, which returns its exit code and what it wrote."""
    for name, value in shop.account.cloud.environment().items():
        monkeypatch.setenv(name, value)

    def run(operation: str, secret: str) -> tuple[int, str]:
        capsys.readouterr()
        confirmed = [] if operation == "show" else ["--yes"]
        code = command.main([operation, "--secret", secret, *confirmed])
        written = capsys.readouterr()
        return code, written.out + written.err

    return run


def declare(shop: Shop) -> None:
    """Declare a key for each way in which something happens by itself."""
    shop.add("retired", seconds=SOON)
    shop.add("used", seconds={**SOON, "RetireWhenUnusedFor": 10})
    for name in ALARMED:
        shop.add(name, settings=lambda stack, name=name: {"undo_on_alarm": [alarm(stack, name)]})
    shop.add("native", settings=lambda _: dict(DAYS), beside=consume)
    shop.add("operated")
    shop.add("limited", settings=lambda _: {"on_key_limit": OnKeyLimit.RETIRE_PREVIOUS})


def a_use_holds_the_retirement_back(shop: Shop, old: dict[str, str], client: Any) -> None:
    """Of two keys whose grace is over, the sweep deactivates the one that nobody uses, and tells of the other."""

    def told() -> bool:
        with suppress(ClientError):
            # A call that is denied is a use of the key.
            client.list_buckets()
        shop.sweep()
        return POSTPONED in shop.told(old["used"])

    shop.until(told, "the use is told")
    assert shop["used"].previous == {old["used"]: "Active"}
    shop.sweep_until(lambda: shop["retired"].previous.get(old["retired"]) != "Active", "the unused key is Inactive")


def an_alarm_undoes(shop: Shop, old: dict[str, str]) -> None:
    """Nobody has to be awake. Both keys' rules share one permission to invoke the worker."""
    for name in ALARMED:
        bad = shop[name].current
        set_off(shop.account, name)
        shop.until(lambda name=name: shop[name].current == old[name], "the previous key is current")
        shop.until(lambda name=name, bad=bad: shop[name].previous == {bad: "Inactive"}, "the bad key is Inactive")
    policy = shop.account.cloud.client("lambda").get_policy(FunctionName=shop.function("Worker"))["Policy"]
    sources = [json.dumps(statement.get("Condition", {})) for statement in json.loads(policy)["Statement"]]
    assert sum(":rule/*" in source for source in sources) == 1
    assert len(sources) == len(("sweep", "alarms", "rotation"))


def secrets_manager_rotates(shop: Shop, old: dict[str, str]) -> None:
    """The previous key stays in grace: who has it pinned keeps it until a deployment changes the key."""
    native = shop["native"]
    assert shop.account.secrets.describe_secret(SecretId=native.secret)["RotationEnabled"] is True
    native.rotate(shop)
    assert native.statuses == {old["native"]: "Active", native.current: "Active"}
    assert consumed(shop.account, "native", "pinned") == old["native"]


def operators_show_undo_rotate_and_retire(shop: Shop, old: dict[str, str], operate: Any) -> None:
    """By the command line, which finds the function through the parameter and the ledger."""
    key, good = shop["operated"], old["operated"]
    bad = key.current
    code, text = operate("show", key.secret)
    assert (code, f"undo: makes {good} current again" in text) == (0, True)
    assert operate("undo", key.secret)[0] == 0
    assert (key.current, key.statuses) == (good, {good: "Active", bad: "Inactive"})
    code, text = operate("undo", key.secret)
    assert (code, "taken back" in text) == (1, True)
    assert operate("rotate", key.secret)[0] == 0
    assert key.current not in {good, bad}
    assert key.previous == {good: "Active"}
    assert operate("retire", key.secret)[0] == 0
    assert key.previous == {good: "Inactive"}


def a_deployment_keeps_what_happened_since(shop: Shop, old: dict[str, str]) -> None:
    """Secrets Manager's rotation, undone rotations and an operator's rotation stay; a pinned version follows.

    Where it is chosen, a rotation retires the previous key in its grace period if it finds no room.
    """
    current = {name: shop[name].current for name in shop.declared}
    shop.change(*shop.declared, seconds={"RetentionPeriod": 7200})
    shop.change("limited", serial="3")
    shop.deploy()
    shop.check()
    assert shop["limited"].previous == {current["limited"]: "Active"}
    current["limited"] = shop["limited"].current
    assert {name: shop[name].current for name in shop.declared} == current
    assert consumed(shop.account, "native", "pinned") == current["native"] != old["native"]


def a_forged_request_is_refused(shop: Shop) -> None:
    """Whoever may make rules, which may invoke the worker, can't delete a key; the provider takes no rule at all."""
    key = shop["operated"]
    before = key.statuses
    events, functions = shop.account.cloud.client("events"), shop.account.cloud.client("lambda")
    for name in ("Worker", "Function"):
        function = functions.get_function_configuration(FunctionName=shop.function(name))["FunctionArn"]
        events.put_rule(Name=f"forged{name}", ScheduleExpression="rate(1 day)")
        target = {"Id": "forged", "Arn": function, "Input": json.dumps(forged(shop, "operated"))}
        events.put_targets(Rule=f"forged{name}", Targets=[target])
        shop.account.cloud.fire_rule(f"forged{name}")
        assert key.statuses == before
        events.remove_targets(Rule=f"forged{name}", Ids=["forged"])
        events.delete_rule(Name=f"forged{name}")
    assert "this function does not take such an event" in shop.stack.log()
    # Whoever may invoke the provider may do this, and CloudFormation does.
    functions.invoke(FunctionName=shop.function("Function"), Payload=json.dumps(forged(shop, "operated")))
    assert key.statuses == {}


def forged(shop: Shop, name: str) -> dict[str, Any]:
    """Write a request to delete a key as CloudFormation would."""
    account, key = shop.account, shop[name]
    roles = account.iam.list_roles(PathPrefix=f"/cdk-iam-access-key/Shop/{key.user}/")["Roles"]
    resources = account.cloud.client("cloudformation").describe_stack_resources(StackName="Shop")["StackResources"]
    kinds = [one for one in resources if one["ResourceType"] == "Custom::IAMAccessKey"]
    resource = next(one for one in kinds if one["LogicalResourceId"].startswith(name))
    return {
        "RequestType": "Delete",
        "ResponseURL": "https://localhost:1/",
        "StackId": resource["StackId"],
        "RequestId": "00000000-0000-4000-8000-000000000001",
        "ResourceType": "Custom::IAMAccessKey",
        "LogicalResourceId": resource["LogicalResourceId"],
        "PhysicalResourceId": resource["PhysicalResourceId"],
        "ResourceProperties": {
            "UserName": key.user,
            "SecretArn": key.secret,
            "RoleArn": roles[0]["Arn"],
            "Serial": "2",
            "Status": "Active",
        },
    }


def test_what_happens_between_two_deployments(shop: Shop, operate: Any) -> None:
    """All that is not CloudFormation's, on one stack, and then its deletion in the middle of a rotation."""
    shop.listen()
    declare(shop)
    shop.deploy()
    shop.check()
    old = {name: shop[name].current for name in shop.declared}
    client = shop.account.client_of(shop["used"].secret, "s3")
    shop.change(*shop.declared.keys() - {"native"}, serial="2")
    shop.deploy()
    shop.check()
    a_use_holds_the_retirement_back(shop, old, client)
    an_alarm_undoes(shop, old)
    secrets_manager_rotates(shop, old)
    operators_show_undo_rotate_and_retire(shop, old, operate)
    shop.sweep_until(lambda: shop["used"].previous == {old["used"]: "Inactive"}, "the key is Inactive once unused")
    shop.sweep_until(lambda: shop["retired"].previous == {}, "the retired key is deleted")
    a_deployment_keeps_what_happened_since(shop, old)
    a_forged_request_is_refused(shop)
    shop["native"].begin_rotation(shop)
    shop.stack.delete()
