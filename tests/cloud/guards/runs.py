"""Runs of a deployed guard of an organization, and what was denied in them."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloud.access import DENIED
from cloud.guards.deployed import CLEAN, EXCLUDED, UNUSED

from local_cloud.organization import RootKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloud.guards.deployed import Guard

    from local_cloud import LocalCloud

KEY = RootKey("AKIAROOTUNUSED000001", created=dt.datetime(2024, 1, 1, tzinfo=dt.UTC))

_SECONDS = 60
_POLL = 0.03
_NO_RESULT = "the run has no result of it"
_NOT_AUTHORIZED = re.compile(r"not authorized to perform: (\S+)")
# By other names in the record of calls than in policies.
_NAMED = {"s3:ListObjects": "s3:ListBucket", "monitoring:PutMetricData": "cloudwatch:PutMetricData"}


class RunError(Exception):
    """Something of what a guard is there for was not done."""


@dataclass
class Runs:
    """The runs of one guard.

    Attributes:
        guard: The guard.
        executions: The ARNs of those so far.
    """

    guard: Guard
    executions: list[str] = field(default_factory=list)

    def live(self) -> None:
        """Begin without a plan, plan, delete in time, and lose sight of all accounts; stop at what fails first.

        Raises:
            RunError: What failed.
        """
        organization = self.guard.account.cloud.organization
        organization.set_root_keys({UNUSED: [KEY], CLEAN: [], EXCLUDED: []})
        self.guard.account.cloud.client("s3").delete_object(Bucket=self.guard.outputs["Bucket"], Key="plan.json")
        first = self._good("planned")
        if not first["DryRun"] or UNUSED not in organization.root_keys():
            raise RunError(f"the first run is none that only plans: {first}")
        self.let_notice_period_pass()
        if self._good("deleted")["DryRun"] or UNUSED in organization.root_keys():
            raise RunError("the second run has not deleted what the first has planned")
        with self._audits_that_do_not_start():
            blind = self.run()
        failed = {failure["AccountId"]: failure["Why"] for failure in blind["Failed"]}
        if not failed or any(why.startswith(_NO_RESULT) for why in failed.values()):
            raise RunError(f"accounts that could not be looked at have no result: {failed}")

    def run(self) -> dict[str, Any]:
        """Run to the end and give the summary.

        Raises:
            RunError: It failed as a whole.
        """
        states = self.guard.account.cloud.client("stepfunctions")
        arn = states.start_execution(stateMachineArn=self.guard.outputs["Machine"], input="{}")["executionArn"]
        self.executions.append(arn)
        end = time.monotonic() + _SECONDS
        while (told := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < end, "the run does not end"
            time.sleep(_POLL)
        if told["status"] != "SUCCEEDED":
            raise RunError(f"the run is {told['status']}")
        return summary(self.guard, arn)

    def let_notice_period_pass(self) -> None:
        """Date back what has been published."""
        date_plan_back(self.guard.account.cloud, self.guard.outputs["Bucket"])

    def denied(self) -> set[tuple[str, str]]:
        """Name the actions that were denied in these runs, with whose role it was."""
        return called(self.guard, denied=True) | {("StateMachine", action) for action in self._denied_to_the_machine()}

    def _good(self, outcome: str) -> dict[str, Any]:
        found = self.run()
        if found["Accounts"]["failed"] or found["Keys"]["failed"] or found["Keys"][outcome] != 1:
            raise RunError(f"not one key is {outcome}: {found}")
        return found

    @contextmanager
    def _audits_that_do_not_start(self) -> Iterator[None]:
        """Break the function that looks at accounts, so that its step fails without a result."""
        functions, named = (
            self.guard.account.cloud.client("lambda"),
            {"FunctionName": self.guard.function("Audit")},
        )
        handler = functions.get_function_configuration(**named)["Handler"]
        functions.update_function_configuration(**named, Handler="root_access_keys.audit.missing")
        try:
            yield
        finally:
            functions.update_function_configuration(**named, Handler=handler)

    def _denied_to_the_machine(self) -> set[str]:
        """Read the histories of the executions and of their children."""
        states = self.guard.account.cloud.client("stepfunctions")
        arns = list(self.executions)
        for arn in self.executions:
            for run in states.list_map_runs(executionArn=arn)["mapRuns"]:
                children = states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
                arns += [child["executionArn"] for child in children]
        # A failure of a map is told where it is caught, of a task in its own event.
        histories = [states.get_execution_history(executionArn=arn, maxResults=1000)["events"] for arn in arns]
        return set(_NOT_AUTHORIZED.findall(json.dumps(histories, default=str)))


def date_plan_back(cloud: LocalCloud, bucket: str) -> None:
    """Let what was published have been published a little more than an hour earlier."""
    s3, named = cloud.client("s3"), {"Bucket": bucket, "Key": "plan.json"}
    plan = json.loads(s3.get_object(**named)["Body"].read())
    for keys in plan["Keys"].values():
        for key, at in keys.items():
            keys[key] = (dt.datetime.fromisoformat(at) - dt.timedelta(minutes=61)).isoformat()
    s3.put_object(**named, Body=json.dumps(plan).encode())


def called(guard: Guard, *, denied: bool = False) -> set[tuple[str, str]]:
    """Name the calls that sessions of a guard's roles have made, or those that they were denied."""
    owners = {name: whose for whose, name in guard.roles().items()}
    found = set()
    for call in guard.account.cloud.calls():
        _, _, session = (call.principal or "").partition(":assumed-role/")
        role = session.partition("/")[0]
        if role in owners and (not denied or call.error in DENIED):
            found.add((owners[role], _NAMED.get(call.name, call.name)))
    return found


def summary(guard: Guard, execution: str) -> dict[str, Any]:
    """Read what a run came to."""
    key = f"runs/{execution.rsplit(':', 1)[-1]}/summary.json"
    s3 = guard.account.cloud.client("s3")
    found: dict[str, Any] = json.loads(s3.get_object(Bucket=guard.outputs["Bucket"], Key=key)["Body"].read())
    return found
