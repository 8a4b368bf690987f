"""The guards of root access keys on the embedded account: deployed by the CDK, IAM enforced, run by Step Functions."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cloud.guards.runs import date_plan_back
from cloud.stacks import Deployment, fail_after

from cdk_iam_access_key import RootAccessKeyGuard, RootKeyAction
from local_cloud import CdkCli, CdkError
from local_cloud.organization import BOTH_FEATURES, Account, RootFaults, RootKey

if TYPE_CHECKING:
    from pathlib import Path

    from aws_cdk import Stack

    from local_cloud import LocalCloud

LONG_AGO = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
UNUSED, USED, DENIED, CLEAN = (f"{number}00000000000" for number in range(2, 6))
STACK = "RootKeyOrganization"


@pytest.fixture
def guards(bootstrapped_cloud: LocalCloud) -> CdkCli:
    """Give the CDK command line on the app with the guards, and an organization with a few root keys."""
    organization = bootstrapped_cloud.organization
    organization.configure(features=BOTH_FEATURES, trusted_services=("iam.amazonaws.com",))
    organization.seed([Account(UNUSED), Account(USED), Account(DENIED), Account(CLEAN)])
    lately = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=2)
    organization.set_root_keys(
        {
            UNUSED: [RootKey("AKIAROOTUNUSED00001", created=LONG_AGO)],
            USED: [RootKey("AKIAROOTUSED0000001", created=LONG_AGO, last_used=lately, service="s3")],
            DENIED: [RootKey("AKIAROOTDENIED00001", created=LONG_AGO)],
        },
        {DENIED: RootFaults(denied=True), UNUSED: RootFaults(throttled=1)},
    )
    return CdkCli(bootstrapped_cloud, app=("python", "-m", "demo.root_app"))


def outputs(cloud: LocalCloud) -> dict[str, str]:
    """Read the outputs of the stack."""
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def run(cloud: LocalCloud, given: str = "{}") -> dict[str, Any]:
    """Execute the state machine and read the summary of the run."""
    states, known = cloud.client("stepfunctions"), outputs(cloud)
    execution = states.start_execution(stateMachineArn=known["StateMachineArn"], input=given)["executionArn"]
    for _ in range(240):
        told = states.describe_execution(executionArn=execution)
        if told["status"] != "RUNNING":
            break
        time.sleep(0.25)
    assert told["status"] == "SUCCEEDED", told
    key = f"runs/{execution.rsplit(':', 1)[-1]}/summary.json"
    content = cloud.client("s3").get_object(Bucket=known["Bucket"], Key=key)["Body"].read()
    summary: dict[str, Any] = json.loads(content)
    return summary


def left(cloud: LocalCloud) -> set[str]:
    """Name the accounts that have root keys."""
    return set(cloud.organization.root_keys())


@pytest.mark.thorough
def test_unused_keys_are_planned_then_deleted(guards: CdkCli, bootstrapped_cloud: LocalCloud) -> None:
    """By roles that may do no more; the account that denies is named, and the notice is sent."""
    cloud = bootstrapped_cloud
    guards.deploy(context={"mode": "DeleteUnused"})
    first = run(cloud)
    assert (first["DryRun"], first["Keys"]["planned"], left(cloud)) == (True, 1, {UNUSED, USED, DENIED})
    again = run(cloud)
    assert (again["DryRun"], again["Keys"]["planned"], left(cloud)) == (False, 1, {UNUSED, USED, DENIED})
    date_plan_back(cloud, outputs(cloud)["Bucket"])
    second = run(cloud)
    assert (second["Keys"]["deleted"], second["Keys"]["kept"], left(cloud)) == (1, 1, {USED, DENIED})
    assert [failure["AccountId"] for failure in second["Failed"]] == [DENIED]
    assert (second["Accounts"]["Seen"], second["Accounts"]["clean"]) == (5, 2)
    messages = cloud.client("sqs").receive_message(QueueUrl=outputs(cloud)["QueueUrl"], MaxNumberOfMessages=10)
    assert any("AKIAROOTUNUSED00001 deleted" in message["Body"] for message in messages["Messages"])
    tasks = [call.parameters.get("TaskPolicyArn") for call in cloud.calls() if call.name == "sts:AssumeRoot"]
    assert len(tasks) > 8
    guards.destroy()


@pytest.mark.thorough
def test_the_deployment_names_the_missing_step(guards: CdkCli, bootstrapped_cloud: LocalCloud) -> None:
    """Where central root access is off, and where the account is none that may enter others."""
    organization = bootstrapped_cloud.organization
    organization.configure(features=())
    with pytest.raises(CdkError) as refused:
        guards.deploy()
    assert "aws iam enable-organizations-root-sessions" in " ".join(refused.value.result.output.split())
    organization.configure(role="member")
    with pytest.raises(CdkError) as refused:
        guards.deploy()
    assert "register-delegated-administrator" in " ".join(refused.value.result.output.split())


@pytest.mark.thorough
def test_an_account_with_a_root_key_is_refused_and_a_rollback_goes_through(
    guards: CdkCli, bootstrapped_cloud: LocalCloud
) -> None:
    """The check fails the deployment that brings it, and lets what was deployed before come back."""
    organization = bootstrapped_cloud.organization
    organization.set_root_keys({bootstrapped_cloud.account: [RootKey("AKIAROOTOFTHEOWNACCOUNT")]})
    with pytest.raises(CdkError) as refused:
        guards.deploy(context={"guard": "account"})
    assert "Sign in as the root user" in " ".join(refused.value.result.output.split())
    guards.deploy(context={"guard": "account", "on_found": "Warn"})
    with pytest.raises(CdkError):
        guards.deploy(context={"guard": "account", "on_found": "Fail"})
    cloudformation = bootstrapped_cloud.client("cloudformation")
    (stack,) = cloudformation.describe_stacks(StackName="RootKeyAccount")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    guards.destroy(context={"guard": "account"})


def test_a_rollback_after_the_check_has_succeeded(empty_cloud: LocalCloud, tmp_path: Path) -> None:
    """Something else of the stack fails while there is a key: it rolls back, and the function may ask whether it does.

    The embedded account deletes what got a new id, as AWS's documentation has it, and sends no Update back.
    """
    stack = Deployment(empty_cloud, tmp_path, name="Guarded")

    def deploy(on_found: RootKeyAction, *, sibling_fails: bool = False, fails: bool = False) -> None:
        def declare(scope: Stack) -> None:
            guard = RootAccessKeyGuard(scope, "Root", on_found=on_found)
            if sibling_fails:
                fail_after(scope, guard)

        stack.deploy(declare, fails=fails)

    deploy(RootKeyAction.FAIL_DEPLOYMENT)
    empty_cloud.organization.set_root_keys({empty_cloud.account: [RootKey("AKIAROOTOFTHEOWNACCOUNT")]})
    deploy(RootKeyAction.WARN, sibling_fails=True, fails=True)
    assert "FailOnPurpose" in stack.reasons()
    assert "Sign in as the root user" not in stack.reasons()
    deploy(RootKeyAction.WARN)
    deploy(RootKeyAction.FAIL_DEPLOYMENT, fails=True)
    assert "Sign in as the root user" in stack.reasons()
    calls = [call for call in empty_cloud.calls() if call.name == "cloudformation:DescribeStacks"]
    (asked,) = [call for call in calls if call.parameters["StackName"] != "Guarded"]
    assert (asked.parameters["StackName"].split("/")[1], asked.error) == ("Guarded", None)
    stack.delete()
