"""What the roles of deployed guards can't do: other tasks, other accounts, other functions, other objects."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cloud.guards.deployed import CLEAN, EVERYWHERE, EXCLUDED, ONLY, OWN, UNITS, UNUSED
from cloud.guards.runs import KEY, Runs
from cloud.least_privilege.attempts import denied

if TYPE_CHECKING:
    from cloud.guards.deployed import Guard
    from cloud.stacks import Account, Session

AUDIT, DELETE = "IAMAuditRootUserCredentials", "IAMDeleteRootUserCredentials"
TASKS = (AUDIT, DELETE, "IAMCreateRootUserPassword", "S3UnlockBucketPolicy", "SQSUnlockQueuePolicy")
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
READ = {"Start": {_PLAN}, "Finish": set(OBJECTS), "StateMachine": set(OBJECTS)}

Sessions = dict[tuple[str, str], "Session"]


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
    chosen = {EVERYWHERE: {UNUSED, CLEAN}, UNITS: set(ACCOUNTS), ONLY: {UNUSED}}
    answers = {
        (name, whose, task, account_id): denied(lambda: opened(session, account_id, task))  # noqa: B023
        for (name, whose), session in sessions.items()
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
    """Of its own guard, the one that deletes above all; every role of every guard is tried on every function."""
    functions = {
        (name, whose): guard.function(whose)
        for name, guard in guards.items()
        for whose in guard.roles()
        if whose not in {"StateMachine", "Scheduler"}
    }
    answers = {
        (by, of): denied(
            lambda: session.client("lambda").invoke(FunctionName=function, InvocationType="DryRun")  # noqa: B023
        )
        for by, session in sessions.items()
        for of, function in functions.items()
    }
    assert set(answers.values()) == {"", "lambda:InvokeFunction"}
    assert {pair for pair, action in answers.items() if not action} == {
        *(((name, "StateMachine"), (name, whose)) for name in (EVERYWHERE, UNITS, ONLY) for whose in IN_THE_MACHINE),
        ((OWN, "Scheduler"), (OWN, "Check")),
    }


@pytest.mark.parametrize(("deletes", "outcome"), [(False, "failed"), (True, "with keys")])
def test_the_function_that_deletes_goes_by_what_is_deployed(
    account: Account, guards: dict[str, Guard], sessions: Sessions, outcome: str, *, deletes: bool
) -> None:
    """Whoever may invoke it can't make it delete in a dry run, nor a key that was used within 90 days."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    used = replace(KEY, last_used=now - dt.timedelta(days=2))
    account.cloud.organization.set_root_keys({UNUSED: [used]})
    planned = {"AccessKeyId": KEY.access_key_id, "Status": "Active", "Created": KEY.created.isoformat()}
    run = {
        "Id": "r",
        "Mode": "DeleteUnused",
        "UnusedForSeconds": 0,
        "Deletes": deletes,
        "Began": now.isoformat(),
    }
    named = {"Id": UNUSED, "Name": "", "Management": False, "Announced": [KEY.access_key_id]}
    event = json.dumps({"Account": named, "Run": run, "Plan": [planned]})
    functions = sessions[EVERYWHERE, "StateMachine"].client("lambda")
    answer = functions.invoke(FunctionName=guards[EVERYWHERE].function("Delete"), Payload=event)
    assert json.loads(answer["Payload"].read()) == {"Outcome": outcome}
    assert account.cloud.organization.root_keys()[UNUSED] == (used,)


def test_only_its_schedule_starts_a_state_machine(guards: dict[str, Guard], sessions: Sessions) -> None:
    """And the machine itself, for the accounts of a run; every other role is denied."""
    machine = guards[EVERYWHERE].outputs["Machine"]
    others = {by for by in sessions if by not in {(EVERYWHERE, "Scheduler"), (EVERYWHERE, "StateMachine")}}
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

    def allowed(call: str, **more: Any) -> set[tuple[str, str, str]]:
        return {
            (name, whose, key)
            for (name, whose), session in sessions.items()
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
