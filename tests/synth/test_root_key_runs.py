"""The state machine as it is synthesised, executed with the functions as they are on an organization in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, Stack
from synth.test_root_keys import definition, guard
from synth.test_root_keys import settings as settings_of
from unit.root_keys.account import Account
from unit.root_keys.amazon_states import Execution, StateError
from unit.root_keys.guard_settings import deployed, settings
from unit.root_keys.organization import Key, Member, denied, killed, throttled
from unit.root_keys.state_machine import CONTEXT, run

from cdk_iam_access_key import OrganizationRootKeyGuard
from root_access_keys import audit, calls, deletion, finish, start

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=400)
STEPS = {"Start": start, "Audit": audit, "Delete": deletion, "Finish": finish}
UNUSED, USED, DENIED = "200000000000", "300000000000", "400000000000"


@dataclass
class Machine:
    """A state machine, and what its functions find in their environment but for a notice period."""

    definition: dict[str, Any]
    settings: dict[str, Any]

    @classmethod
    def of(cls, stack: Stack) -> Machine:
        """Read it from a template."""
        return cls(definition(stack), settings_of(stack) | {"NoticeSeconds": 0})


@pytest.fixture(autouse=True)
def time_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs be old enough for a denial to be final: the waits between attempts are left out here."""
    monkeypatch.setattr(calls, "SECONDS_FOR_A_NEW_ROLE", timedelta(0))


@pytest.fixture
def machines(app: App) -> dict[str, Machine]:
    """Synthesize a guard of each mode."""
    deleting, auditing = Stack(app, "Deleting"), Stack(app, "Auditing")
    guard(deleting)
    OrganizationRootKeyGuard(auditing, "Org")
    return {"DeleteUnused": Machine.of(deleting), "Audit": Machine.of(auditing)}


def organization() -> Account:
    """Give an account of each kind."""
    return Account(
        {
            UNUSED: Member([Key("AKIAOFTHEROOTUNUSED", LONG_AGO)]),
            USED: Member([Key("AKIAOFTHEROOTUSED", LONG_AGO, NOW)]),
            DENIED: Member([Key("AKIAOFTHEROOTDENIED", LONG_AGO)], denied=True),
        }
    )


def functions(states: dict[str, Any]) -> dict[str, Callable[[Any], Any]]:
    """Find the function of each state by its name."""
    found: dict[str, Callable[[Any], Any]] = {}
    for name, state in states.items():
        if state["Type"] == "Map":
            found |= functions(state["ItemProcessor"]["States"])
        elif state["Type"] == "Task" and name in STEPS:
            found[state["Resource"]] = lambda given, step=STEPS[name]: step.handler(given, CONTEXT)
    return found


def execute(account: Account, machine: Machine, run_id: str, given: Any = None, *, unread: int = 0) -> list[str]:
    """Execute, and return the states that were visited."""
    context = {"Execution": {"Name": run_id, "Input": given or {}}}
    states = functions(machine.definition["States"])
    execution = Execution(states, account.objects, context, unread=unread)
    try:
        with deployed(machine.settings):
            execution.run(machine.definition, given or {})
    except StateError as error:
        execution.visited.append(error.error)
    return execution.visited


def told(account: Account, run_id: str) -> dict[str, Any]:
    """Read a summary without what differs from run to run."""
    summary = json.loads(account.objects[f"runs/{run_id}/summary.json"])
    return {name: summary[name] for name in ("DryRun", "Mode", "Accounts", "Keys", "Found", "Failed", "Skipped")}


@pytest.mark.parametrize("mode", ["DeleteUnused", "Audit"])
def test_it_runs_as_the_tests_of_the_functions_do(machines: dict[str, Machine], mode: str) -> None:
    """Three runs of the definition come to what the short driver of those tests comes to."""
    of_machine, of_driver = organization(), organization()
    for run_id in ("one", "two", "three"):
        with of_machine.installed():
            execute(of_machine, machines[mode], run_id)
        with of_driver.installed():
            run(of_driver, run_id, settings(mode))
        expected, found = told(of_driver, run_id), told(of_machine, run_id)
        assert found == expected
    assert of_machine.keys() == of_driver.keys()
    assert of_machine.log == of_driver.log


def test_the_way_of_each_account(machines: dict[str, Machine]) -> None:
    """Only one with a plan gets to the step that deletes; in an audit there is no such state."""
    with organization().installed() as account:
        first = execute(account, machines["DeleteUnused"], "one")
        assert first == ["Start", "EachAccount", *["Audit", "Planned", "Recorded"] * 4, "Finish"]
        second = execute(account, machines["DeleteUnused"], "two")
        assert second.count("Delete") == 1
        assert "Delete" not in execute(account, machines["Audit"], "three")
        assert account.deleted == ["AKIAOFTHEROOTUNUSED"]


@pytest.mark.parametrize("fault", [throttled, killed])
@pytest.mark.parametrize("state", ["Audit", "Delete"])
def test_a_failure_is_recorded_where_the_last_step_reads_it(
    machines: dict[str, Machine], state: str, fault: Callable[[], BaseException]
) -> None:
    """After eight more attempts, and with its reason."""
    with organization().installed() as account:
        execute(account, machines["DeleteUnused"], "one")
        name = "iam:DeleteAccessKey" if state == "Delete" else "iam:ListAccessKeys"
        account.lasting[name, UNUSED] = fault
        account.log.clear()
        visited = execute(account, machines["DeleteUnused"], "two")
        recorded = [one for one in visited if one.startswith("RecordF")]
        assert recorded == ["RecordFailure" if state == "Audit" else "RecordFailedDeletion"]
        assert account.log.count(name) >= 9
        failed = {one["AccountId"]: one["Why"] for one in told(account, "two")["Failed"]}
        assert failed.keys() == {UNUSED, DENIED}
        keys = {one["AccessKeyId"]: one["Outcome"] for one in told(account, "two")["Found"]}
        unknown = {"AKIAOFTHEROOTUNUSED": "unknown"} if state == "Delete" else {}
        assert keys == {"AKIAOFTHEROOTUSED": "kept", **unknown}
        assert failed[UNUSED] == ("Lambda.Unknown" if fault is killed else f"{name.split(':')[1]}: Throttling")
        account.lasting.clear()
        execute(account, machines["DeleteUnused"], "three")
        execute(account, machines["DeleteUnused"], "four")
        assert account.deleted == ["AKIAOFTHEROOTUNUSED"]


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("organizations:DescribeOrganization", {}, "DescribeOrganization: AccessDenied"),
        (None, {"DryRun": 1}, "the input of an execution must be"),
    ],
    ids=["denied", "bad input"],
)
def test_a_run_that_fails_as_a_whole_is_told(
    machines: dict[str, Machine], name: str | None, given: Any, why: str
) -> None:
    """By the same function as any other end, and the execution fails."""
    with organization().installed() as account:
        if name:
            account.lasting[name, None] = denied
        assert execute(account, machines["Audit"], "one", given) == ["Start", "TellFailure", "Failed", "Failed"]
        assert why in account.notices[0]["Message"]
        assert account.events[0]["DetailType"] == "Root Access Keys Not Checked"


@pytest.mark.parametrize(("attempts", "failed"), [(10, set()), (11, {UNUSED})])
def test_a_step_waits_for_its_new_role(
    machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch, attempts: int, failed: set[str]
) -> None:
    """A hundred seconds, in ten attempts more; the failure of that account is recorded then."""
    monkeypatch.setattr(calls, "SECONDS_FOR_A_NEW_ROLE", timedelta(seconds=100))
    with organization().installed() as account:
        account.members[DENIED].denied = False
        account.passing["sts:AssumeRoot"] = attempts
        execute(account, machines["Audit"], "one")
        assert {one["AccountId"] for one in told(account, "one")["Failed"]} == failed
        assert account.log.count("sts:AssumeRoot") == attempts + 3 - len(failed)


@pytest.mark.parametrize(("unread", "ends"), [(10, "Finish"), (11, "Failed")])
def test_a_new_role_gets_time(machines: dict[str, Machine], unread: int, ends: str) -> None:
    """What the machine may read and start works some seconds later; for ever it is not waited, and no account is."""
    with organization().installed() as account:
        visited = execute(account, machines["Audit"], "one", unread=unread)
        assert visited[-1] == ends
        assert visited.count("Audit") == (4 if ends == "Finish" else 0)
        assert (len(account.notices), visited.count("EachAccount")) == (1, 1)


def test_a_dry_run_is_asked_for_by_the_input(machines: dict[str, Machine]) -> None:
    """As a person gives it to an execution."""
    with organization().installed() as account:
        execute(account, machines["DeleteUnused"], "one")
        execute(account, machines["DeleteUnused"], "two", {"DryRun": True})
        assert (told(account, "two")["DryRun"], account.deleted) == (True, [])
