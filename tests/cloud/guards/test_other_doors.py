"""What the roles of deployed guards can't do: other tasks, other accounts, other functions, other objects."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cloud.access import denied
from cloud.guards.deployed import CLEAN, EVERYWHERE, EXCLUDED, INNER_UNIT, ONLY, OWN, UNUSED, deploy
from cloud.guards.runs import KEY, Runs
from cloud.guards.schedules import fire

if TYPE_CHECKING:
    from cloud.guards.deployed import Guard
    from cloud.stacks import Account, Session

AUDIT, DELETE = "IAMAuditRootUserCredentials", "IAMDeleteRootUserCredentials"
TASKS = (AUDIT, DELETE, "S3UnlockBucketPolicy")
ACCOUNTS = (UNUSED, CLEAN, EXCLUDED)
IN_THE_MACHINE = ("Start", "Audit", "Delete", "Finish")
# What each role may write and read of the bucket of its guard.
OBJECTS = (
    "plan.json",
    "runs/r/accounts.json",
    "runs/r/skipped.json",
    f"runs/r/results/{UNUSED}.json",
    "runs/r/summary.json",
)
_PLAN, _ACCOUNTS, _SKIPPED, _RESULT, _SUMMARY = OBJECTS
WRITTEN = {
    "Start": {_ACCOUNTS, _SKIPPED},
    "Audit": {_RESULT},
    "Delete": {_RESULT},
    "Finish": {_SUMMARY, _PLAN},
    "StateMachine": {_RESULT},
}
READ = {"Start": {_PLAN}, "Delete": {_PLAN}, "Finish": set(OBJECTS), "StateMachine": set(OBJECTS)}

Sessions = dict[tuple[str, str], "Session"]


@pytest.fixture(scope="module")
def guards(
    guards: dict[str, Guard], account: Account, tester: Session, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Guard]:
    """Deploy one more, for a unit that only one account is in."""
    return guards | {INNER_UNIT: deploy(account, tester, tmp_path_factory.mktemp(INNER_UNIT), INNER_UNIT)}


@pytest.fixture(scope="module")
def sessions(guards: dict[str, Guard], tester: Session) -> Sessions:
    """Give a session of each role of each guard."""
    return {(name, whose): guard.assume(tester, whose) for name, guard in guards.items() for whose in guard.roles()}


@pytest.fixture(autouse=True)
def root_key(account: Account) -> None:
    """Let an account have a root key that nobody uses."""
    account.cloud.organization.set_root_keys({UNUSED: [KEY], CLEAN: [], EXCLUDED: []})


def opened(by: Session, account_id: str, task: str) -> dict[str, str]:
    """Assume the root user of an account for a task, and give the arguments of `LocalCloud.client`."""
    policy = {"arn": f"arn:aws:iam::aws:policy/root-task/{task}"}
    found = by.client("sts").assume_root(TargetPrincipal=account_id, TaskPolicyArn=policy)["Credentials"]
    return {
        "access_key_id": found["AccessKeyId"],
        "secret_access_key": found["SecretAccessKey"],
        "session_token": found["SessionToken"],
    }


def test_each_role_assumes_root_for_its_task_in_its_accounts_only(sessions: Sessions) -> None:
    """Audit and Delete each for one task, of the chosen accounts and no excluded one; no other role at all."""
    # Which accounts are in a unit IAM does not know: there the functions look themselves.
    chosen = {EVERYWHERE: {UNUSED, CLEAN}, INNER_UNIT: set(ACCOUNTS), ONLY: {UNUSED}}
    answers = {
        (name, whose, task, account_id): denied(lambda: opened(session, account_id, task))  # noqa: B023
        for (name, whose), session in sessions.items()
        if name in {*chosen, OWN}
        for task in TASKS
        for account_id in ACCOUNTS
    }
    assert set(answers.values()) == {"", "sts:AssumeRoot"}
    assert {what for what, action in answers.items() if not action} == {
        (name, whose, task, account_id)
        for name, accounts in chosen.items()
        for whose, task in (("Audit", AUDIT), ("Delete", DELETE))
        for account_id in accounts
    }


def test_the_session_of_an_audit_deletes_nothing(account: Account, sessions: Sessions) -> None:
    """It reads the keys and their last use; that of a deletion deletes, and makes none."""
    looking = account.cloud.client("iam", **opened(sessions[EVERYWHERE, "Audit"], UNUSED, AUDIT))
    named = {"AccessKeyId": KEY.access_key_id}
    assert [key["AccessKeyId"] for key in looking.list_access_keys()["AccessKeyMetadata"]] == [KEY.access_key_id]
    looking.get_access_key_last_used(**named)
    inactive = {**named, "Status": "Inactive"}
    for attempt in (
        lambda: looking.delete_access_key(**named),
        lambda: looking.update_access_key(**inactive),
        looking.create_access_key,
    ):
        assert denied(attempt).endswith("AccessKey")
    deleting = account.cloud.client("iam", **opened(sessions[EVERYWHERE, "Delete"], UNUSED, DELETE))
    assert denied(deleting.create_access_key) == "iam:CreateAccessKey"
    assert denied(lambda: deleting.update_access_key(**inactive)) == "iam:UpdateAccessKey"
    assert account.cloud.organization.root_keys()[UNUSED] == (KEY,)
    deleting.delete_access_key(**named)
    assert UNUSED not in account.cloud.organization.root_keys()


def test_only_the_state_machine_starts_the_functions(guards: dict[str, Guard], sessions: Sessions) -> None:
    """Of its own guard, the one that deletes above all; every role of three guards is tried on every function."""
    functions = {
        (name, whose): guard.function(whose)
        for name, guard in guards.items()
        if name in {EVERYWHERE, ONLY, OWN}
        for whose in guard.roles()
        if whose not in {"StateMachine", "Schedule"}
    }
    answers = {
        (by, of): denied(
            lambda: session.client("lambda").invoke(FunctionName=function, InvocationType="DryRun")  # noqa: B023
        )
        for by, session in sessions.items()
        if by[0] in {EVERYWHERE, ONLY, OWN}
        for of, function in functions.items()
    }
    assert set(answers.values()) == {"", "lambda:InvokeFunction"}
    assert {pair for pair, action in answers.items() if not action} == {
        ((name, "StateMachine"), (name, whose)) for name in (EVERYWHERE, ONLY) for whose in IN_THE_MACHINE
    }


def forged(guard: Guard, account_id: str, **run: Any) -> bytes:
    """Make up the input of a step, by what its function is deployed with."""
    functions = guard.account.cloud.client("lambda")
    environment = functions.get_function_configuration(FunctionName=guard.function("Delete"))["Environment"]
    digest = hashlib.sha256(environment["Variables"]["GUARD_SETTINGS"].encode()).hexdigest()
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    key = {"AccessKeyId": KEY.access_key_id, "Status": "Active", "Created": KEY.created.isoformat()}
    event = {
        "Account": {"Id": account_id, "Name": "", "Management": False, "Due": [KEY.access_key_id]},
        "Run": {"Id": "r", "Deletes": True, "Began": now.isoformat(), "Settings": digest, **run},
        "Plan": [key],
        "Found": [],
    }
    return json.dumps(event).encode()


def publish(guard: Guard, *account_ids: str, ago: dt.timedelta = dt.timedelta(hours=2)) -> None:
    """Write a plan for what is deployed, as its last step does."""
    digest = json.loads(forged(guard, UNUSED))["Run"]["Settings"]
    at = (dt.datetime.now(dt.UTC) - ago).isoformat()
    plan = {"Settings": digest, "Keys": {account_id: {KEY.access_key_id: at} for account_id in account_ids}}
    s3 = guard.account.cloud.client("s3")
    s3.put_object(Bucket=guard.outputs["Bucket"], Key="plan.json", Body=json.dumps(plan).encode())


def invoked(by: Session, guard: Guard, whose: str, event: bytes) -> tuple[str, dict[str, Any]]:
    """Invoke a function; give the error if there is one, and what it returned."""
    answer = by.client("lambda").invoke(FunctionName=guard.function(whose), Payload=event)
    returned = json.loads(answer["Payload"].read())
    return (returned["errorMessage"], {}) if "FunctionError" in answer else ("", returned)


@pytest.mark.parametrize("ago", [dt.timedelta(minutes=59), dt.timedelta(minutes=61)])
def test_an_invoker_deletes_what_was_published_an_hour_ago(
    account: Account, guards: dict[str, Guard], sessions: Sessions, ago: dt.timedelta
) -> None:
    """And nothing else, whatever the input says."""
    guard, by = guards[EVERYWHERE], sessions[EVERYWHERE, "StateMachine"]
    for plan in ([], [CLEAN], [UNUSED]):
        publish(guard, *plan, ago=ago)
        assert invoked(by, guard, "Delete", forged(guard, UNUSED)) == ("", {"Outcome": "with keys"})
        deleted = UNUSED not in account.cloud.organization.root_keys()
        assert deleted == (plan == [UNUSED] and ago > dt.timedelta(hours=1))


def test_an_invoker_deletes_no_key_that_is_used_and_none_in_a_dry_run(
    account: Account, guards: dict[str, Guard], sessions: Sessions
) -> None:
    """The function goes by what is deployed, and looks at the key itself."""
    guard, by = guards[EVERYWHERE], sessions[EVERYWHERE, "StateMachine"]
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    used = replace(KEY, last_used=now - dt.timedelta(days=2))
    account.cloud.organization.set_root_keys({UNUSED: [used]})
    publish(guard, UNUSED)
    generous = forged(guard, UNUSED, UnusedForSeconds=0, Mode="DeleteUnused", AtOnce=True)
    assert invoked(by, guard, "Delete", generous) == ("", {"Outcome": "with keys"})
    assert "must not delete" in invoked(by, guard, "Delete", forged(guard, UNUSED, Deletes=False))[0]
    assert account.cloud.organization.root_keys()[UNUSED] == (used,)


@pytest.mark.parametrize("whose", ["Audit", "Delete"])
@pytest.mark.parametrize("name", [EVERYWHERE, INNER_UNIT, ONLY])
def test_an_invoker_reaches_no_account_that_is_not_chosen(
    account: Account, guards: dict[str, Guard], sessions: Sessions, name: str, whose: str
) -> None:
    """Also where IAM can't tell: it knows no organizational units."""
    guard, by = guards[name], sessions[name, "StateMachine"]
    chosen = {EVERYWHERE: {UNUSED, CLEAN}, INNER_UNIT: {CLEAN}, ONLY: {UNUSED}}[name]
    publish(guard, *ACCOUNTS)
    account.cloud.organization.set_root_keys({one: [KEY] for one in ACCOUNTS})
    for account_id in ACCOUNTS:
        account.cloud.clear_calls()
        why, _ = invoked(by, guard, whose, forged(guard, account_id))
        entered = "sts:AssumeRoot" in {call.name for call in account.cloud.calls()}
        assert (not why, entered) == (account_id in chosen, account_id in chosen)
        assert why in {"", f"account {account_id} is none of those that the guard is deployed for"}
    if whose == "Delete":
        assert set(account.cloud.organization.root_keys()) == set(ACCOUNTS) - chosen


def test_two_runs_in_a_row_delete_nothing(account: Account, guards: dict[str, Guard]) -> None:
    """Whoever starts them: there is an hour to object to the plan of the first."""
    guard = guards[EVERYWHERE]
    account.cloud.client("s3").delete_object(Bucket=guard.outputs["Bucket"], Key=_PLAN)
    runs = Runs(guard)
    assert [runs.run()["Keys"]["planned"] for _ in range(3)] == [1, 1, 1]
    assert account.cloud.organization.root_keys()[UNUSED] == (KEY,)
    runs.let_notice_period_pass()
    assert runs.run()["Keys"]["deleted"] == 1


def test_the_role_of_a_rule_starts_nothing_for_another_rule(account: Account, guards: dict[str, Guard]) -> None:
    """Whoever may make rules and pass roles takes it in vain."""
    guard, events = guards[EVERYWHERE], account.cloud.client("events")
    machine = guard.outputs["Machine"]
    target = {"Id": "x", "Arn": machine, "RoleArn": guard.role_arn("Schedule"), "Input": "{}"}
    events.put_rule(Name="another", ScheduleExpression="rate(1 minute)")
    events.put_targets(Rule="another", Targets=[target])
    states = account.cloud.client("stepfunctions")
    try:
        before = len(states.list_executions(stateMachineArn=machine)["executions"])
        account.cloud.fire_rule("another")
        time.sleep(1)
        assert len(states.list_executions(stateMachineArn=machine)["executions"]) == before
        assert fire(guard)
    finally:
        events.remove_targets(Rule="another", Ids=["x"])
        events.delete_rule(Name="another")


def test_only_its_schedule_starts_a_state_machine(guards: dict[str, Guard], sessions: Sessions) -> None:
    """And the machine itself, for the accounts of a run; every other role is denied."""
    machine = guards[EVERYWHERE].outputs["Machine"]
    others = {by for by in sessions if by[0] in {EVERYWHERE, ONLY, OWN}}
    others -= {(EVERYWHERE, "Schedule"), (EVERYWHERE, "StateMachine")}
    answers = {
        by: denied(lambda: sessions[by].client("stepfunctions").start_execution(stateMachineArn=machine))  # noqa: B023
        for by in others
    }
    assert answers == dict.fromkeys(others, "states:StartExecution")


def test_each_role_has_its_own_objects(account: Account, guards: dict[str, Guard], sessions: Sessions) -> None:
    """Nobody but the last step writes what the next run goes by, and no other guard reads or writes any of it."""
    bucket = guards[EVERYWHERE].outputs["Bucket"]
    for key in OBJECTS:
        account.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"{}")

    # One other guard of an organization stands for all.
    by = {who: session for who, session in sessions.items() if who[0] in {EVERYWHERE, ONLY, OWN}}

    def allowed(call: str, **more: Any) -> set[tuple[str, str, str]]:
        return {
            (name, whose, key)
            for (name, whose), session in by.items()
            for key in OBJECTS
            if not denied(lambda: getattr(session.client("s3"), call)(Bucket=bucket, Key=key, **more))  # noqa: B023
        }

    def expected(table: dict[str, set[str]]) -> set[tuple[str, str, str]]:
        return {(EVERYWHERE, whose, key) for whose, keys in table.items() for key in keys}

    assert allowed("put_object", Body=b"{}") == expected(WRITTEN)
    assert allowed("get_object") == expected(READ)
    assert allowed("delete_object") == set()
    account.cloud.client("s3").delete_object(Bucket=bucket, Key=_PLAN)
    assert Runs(guards[EVERYWHERE]).run()["DryRun"] is True
