"""Every action on every resource that a role of a guard is allowed is needed.

The permissions come from the synthesized templates, so a new one is tried without being listed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cloud.guards.checks import Checks
from cloud.guards.deployed import EVERYWHERE, ONLY, OWN, UNITS, synthesized_permissions
from cloud.guards.runs import KEY, RunError, Runs, called
from cloud.guards.schedules import fire, without_permission

if TYPE_CHECKING:
    from cloud.guards.deployed import Guard, Permission
    from cloud.stacks import Account, Session

PERMISSIONS = synthesized_permissions()
# What AWS needs and the embedded account asks nobody for, by what the action begins with.
OF_AWS = {
    "logs:": "Step Functions sets up the delivery of the run's log with the machine's role, "
    "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html",
    "xray:": "Step Functions writes traces, https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html",
    "states:DescribeExecution": "a distributed map watches its children, "
    "https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html",
    "states:StopExecution": "a distributed map ends its children, as above",
    "states:RedriveExecution": "a run that failed goes on where it was, as above",
    "lambda:InvokeFunction": "the versions of a function, which the CDK allows with the function; no step names one",
}
_ANY_VERSION = '":*"]]}'
# What a deployment can't know before: whether an account that is named is the management account.
_NOT_USED = {ONLY: {("Audit", "iam:GetAccountSummary")}}
# No calls of their own: which call is denied without them.
_ASKED_FOR_BY = {("Start", "s3:ListBucket"): "s3:GetObject"}


def of_aws(permission: Permission) -> str:
    """Say what in `OF_AWS` a permission is, if it is one of the state machine's that are not tried."""
    if permission.owner != "StateMachine":
        return ""
    if permission.action == "lambda:InvokeFunction":
        return permission.action if permission.resource.endswith(_ANY_VERSION) else ""
    return next((begin for begin in OF_AWS if permission.action.startswith(begin)), "")


TRIED = [one for one in PERMISSIONS if not of_aws(one) and one.owner != "Schedule"]


def seen(permission: Permission) -> tuple[str, str]:
    """Name the call that is denied without a permission, with whose role it is."""
    what = (permission.owner, permission.action)
    return permission.owner, _ASKED_FOR_BY.get(what, permission.action.replace("s3:p", "s3:P"))


def may_not_log(guard: Guard, whose: str) -> set[str]:
    """Name what IAM would refuse Lambda, which writes a function's log with its role."""
    functions = guard.account.cloud.client("lambda")
    group = functions.get_function_configuration(FunctionName=guard.function(whose))["LoggingConfig"]["LogGroup"]
    cloud = guard.account.cloud
    stream = f"arn:aws:logs:{cloud.region}:{cloud.account}:log-group:{group}:log-stream:2026/11/23/[$LATEST]0"
    results = guard.account.iam.simulate_principal_policy(
        PolicySourceArn=guard.role_arn(whose),
        ActionNames=["logs:CreateLogStream", "logs:PutLogEvents"],
        ResourceArns=[stream],
    )["EvaluationResults"]
    return {result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"}


def live(guard: Guard, checks: Checks, runs: Runs) -> None:
    """Check as a deployment does; a guard of an organization then runs to the end of its life.

    Raises:
        RunError: What failed.
    """
    checks.live()
    if guard.name != OWN:
        runs.live()


@pytest.fixture(params=[OWN, UNITS, *(pytest.param(name, marks=pytest.mark.thorough) for name in (EVERYWHERE, ONLY))])
def guard(request: pytest.FixtureRequest, guards: dict[str, Guard]) -> Guard:
    """Give each guard."""
    return guards[request.param]


@pytest.fixture(autouse=True)
def own_key(account: Account) -> None:
    """Let the account's own root user have a key, so that its guard has something to tell."""
    account.cloud.organization.set_root_keys({account.cloud.account: [KEY]})
    account.cloud.clear_calls()


def test_what_is_not_tried_has_its_reason() -> None:
    """Each reason is for something that is allowed, and none is for what a guard's function is allowed."""
    assert {of_aws(one) for one in PERMISSIONS} - {""} == OF_AWS.keys()
    assert {one.owner for one in PERMISSIONS if of_aws(one)} == {"StateMachine"}
    assert {one.owner for one in TRIED} == {"Start", "Audit", "Delete", "Finish", "Preflight", "StateMachine", "Check"}


def test_the_roles_as_synthesized_are_enough(guard: Guard, tester: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a whole life nothing is denied, and every action of the functions' roles is used."""
    runs = Runs(guard)
    live(guard, Checks(monkeypatch, guard, tester), runs)
    assert runs.denied() == set()
    functions = set(guard.roles()) - {"StateMachine", "Schedule"}
    assert {action for whose in functions for action in may_not_log(guard, whose)} == set()
    allowed = {(whose, action) for whose in functions for action in guard.actions(whose) if "logs:" not in action}
    used = {(owner, _ASKED_FOR_BY.get((owner, action), action)) for owner, action in allowed}
    assert called(guard) == used - _NOT_USED.get(guard.name, set())


@pytest.mark.thorough
@pytest.mark.parametrize("permission", TRIED, ids=[one.name for one in TRIED])
def test_every_permission_is_needed(
    guards: dict[str, Guard], tester: Session, monkeypatch: pytest.MonkeyPatch, permission: Permission
) -> None:
    """Without it something fails that works with it, and it is that very action that was denied."""
    guard = guards[permission.guard]
    runs = Runs(guard)
    with guard.without(permission):
        if permission.action.startswith("logs:"):
            assert may_not_log(guard, permission.owner) == {permission.action}
            return
        with pytest.raises(RunError):
            live(guard, Checks(monkeypatch, guard, tester), runs)
    assert runs.denied() == {seen(permission)}


def test_a_rule_needs_its_roles_permission(guards: dict[str, Guard]) -> None:
    """Without the right to start the state machine nothing starts."""
    guard = guards[EVERYWHERE]
    (start,) = (one for one in PERMISSIONS if (one.guard, one.owner) == (EVERYWHERE, "Schedule"))
    assert start.action == "states:StartExecution"
    assert fire(guard)
    with guard.without(start):
        assert not fire(guard, seconds=2)


def test_a_rule_needs_its_functions_permission(guards: dict[str, Guard]) -> None:
    """The one of the function's own policy; it has no role."""
    guard = guards[OWN]
    assert fire(guard)
    with without_permission(guard):
        assert not fire(guard, seconds=2)
