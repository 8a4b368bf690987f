"""Root access keys: refused in one account, found and deleted in an organization of 500."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from demo import expectations as expect
from demo.account import ABSENT
from demo.expectations import Expectation
from demo.root_organization import enable_central_root_access, open_accounts, plant
from demo.steps import Step
from local_cloud.organization import RootKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from demo.driver import Driver
    from demo.root_organization import Planted
    from local_cloud import LocalCloud

_PATIENCE = 600
_NOTICE_PERIOD = 60
_SECONDS_BETWEEN_LOOKS = 2.0
_KEYS_SHOWN = 6


class RootKeyJourney:
    """Two stacks: the guard of the account, and that of its organization."""

    def __init__(self, cloud: LocalCloud, account: Driver, organization: Driver) -> None:
        self._cloud = cloud
        self._of_account = account
        self._driver = organization
        self._report = organization.report
        self._planted: Planted = plant(cloud)
        self._bucket = ""
        self._ended = 0.0

    def steps(self) -> Sequence[Step]:
        """Tell the steps in their order."""
        return [
            Step("Refuse a root key", "The account's root user has a key: the deployment fails.", self.refuse),
            Step("Warn of a root key", "on_found=WARN deploys, and the alarm tells.", self.warn),
            Step(
                "Check what is needed", "Central root access is off: the deployment says how to turn it on.", self.check
            ),
            Step("Audit 500 accounts", "A run finds the keys, and touches none.", self.audit),
            Step("Dry run", "mode=DELETE_UNUSED: the first run publishes what the next one deletes.", self.dry_run),
            Step(
                "Delete",
                "After the notice period a run deletes what was unused for 90 days, and nothing else.",
                self.delete,
            ),
            Step("Audit again", "Accounts that were closed before are announced first, then cleaned.", self.again),
            Step("Destroy", "The stack goes, its results stay.", self.destroy),
            Step("Look back", "Search all that was written for the root sessions' credentials.", self.look_back),
        ]

    def refuse(self) -> Iterator[Expectation]:
        """Deploy into an account whose root user has a key."""
        self._cloud.organization.set_root_keys({self._cloud.account: [RootKey("AKIAROOTOFTHISACCOUNT")]})
        self._of_account.deploy(fails=True, guard="account")
        yield self._failed_with(self._of_account, "Sign in as the root user")

    def warn(self) -> Iterator[Expectation]:
        """Deploy all the same, then take the key away as the root user would."""
        self._of_account.deploy(guard="account", on_found="Warn")
        alarm = self._output(self._of_account, "AlarmName")
        cloudwatch = self._cloud.client("cloudwatch")

        def state() -> str:
            found = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
            return str(found[0]["StateValue"])

        yield self._of_account.wait("the alarm tells of the key", state, "ALARM", seconds=90)
        self._cloud.organization.set_root_keys({self._cloud.account: []})
        self._of_account.deploy(guard="account", on_found="Fail")
        yield expect.stack_is(self._status(self._of_account), "UPDATE_COMPLETE")

    def check(self) -> Iterator[Expectation]:
        """Deploy before central root access is enabled, enable it, and deploy again."""
        self._driver.deploy(fails=True)
        yield self._failed_with(self._driver, "aws iam enable-organizations-root-sessions")
        enable_central_root_access(self._cloud)
        self._driver.deploy()
        yield expect.stack_is(self._status(self._driver), "CREATE_COMPLETE")

    def audit(self) -> Iterator[Expectation]:
        """Look everywhere."""
        before = self._cloud.organization.root_keys()
        summary = self._run()
        planted = self._planted
        found = len(planted.unused) + len(planted.throttled) + len(planted.kept)
        yield _equal("accounts were looked at", planted.looked_at, summary["Accounts"]["Seen"])
        yield _equal("keys were reported", found, summary["Keys"]["reported"])
        yield _equal("accounts that can't be entered are named", len(planted.denied), len(summary["Failed"]))
        yield _equal("no key was touched", len(before), len(self._cloud.organization.root_keys()))

    def dry_run(self) -> Iterator[Expectation]:
        """Let the guard delete from now on: it says first what."""
        before = self._cloud.organization.root_keys()
        self._driver.deploy(mode="DeleteUnused")
        summary = self._run()
        planned = {key["AccessKeyId"] for key in summary["Found"] if key["Outcome"] == "planned"}
        yield _equal("it is a dry run", "True", summary["DryRun"])
        yield _equal(
            "it plans just the unused keys", _short(self._planted.unused | self._planted.throttled), _short(planned)
        )
        yield _equal("no key was touched", len(before), len(self._cloud.organization.root_keys()))
        self._report.quote(self._notice().splitlines()[:_KEYS_SHOWN])

    def delete(self) -> Iterator[Expectation]:
        """Run again, when there was time to object."""
        self._let_notice_period_pass()
        summary = self._run()
        planted = self._planted
        left = {key.access_key_id for keys in self._cloud.organization.root_keys().values() for key in keys}
        yield _equal("keys were deleted", len(planted.unused) + len(planted.throttled), summary["Keys"]["deleted"])
        yield _equal("the others are all there", _short(planted.kept | planted.denied), _short(left))

    def again(self) -> Iterator[Expectation]:
        """Open the accounts that failed, and run twice."""
        open_accounts(self._cloud, self._planted)
        summary = self._run()
        yield _equal("accounts failed", 0, summary["Accounts"]["failed"])
        yield _equal("keys are announced", len(self._planted.denied), summary["Keys"]["planned"])
        yield _equal("keys were deleted", 0, summary["Keys"]["deleted"])
        self._let_notice_period_pass()
        summary = self._run()
        left = {key.access_key_id for keys in self._cloud.organization.root_keys().values() for key in keys}
        yield _equal("keys were deleted", len(self._planted.denied), summary["Keys"]["deleted"])
        yield _equal("those that were used, young or unknown stay", _short(self._planted.kept), _short(left))

    def destroy(self) -> Iterator[Expectation]:
        """Destroy the stack of the organization; the results stay in their bucket."""
        self._driver.destroy()
        yield expect.stack_is(self._status(self._driver), ABSENT)

    def look_back(self) -> Iterator[Expectation]:
        """Search for secrets, also in all that is in the bucket."""
        records, s3 = self._driver.records, self._cloud.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        stored = {key: s3.get_object(Bucket=self._bucket, Key=key)["Body"].read() for key in keys}
        written, issued = {**records.written(), **stored}, self._cloud.secret_access_keys()
        self._report.facts({"Searched for": f"{len(issued)} secrets", "Searched in": f"{len(written)} texts and files"})
        found = [name for name, text in written.items() for secret in issued if secret.encode() in text]
        yield _equal("root sessions were issued", "True", bool(issued))
        yield _equal("none of their credentials is anywhere", "[]", found)

    def _let_notice_period_pass(self) -> None:
        """Wait until the last run has published its plan a minute ago."""
        with self._report.waiting("the notice period is over"):
            time.sleep(max(0.0, self._ended + _NOTICE_PERIOD - time.monotonic()))

    def _run(self) -> dict[str, Any]:
        """Run the state machine, show how it goes on, and read its summary."""
        states, machine = self._cloud.client("stepfunctions"), self._output(self._driver, "StateMachineArn")
        started = time.monotonic()
        execution = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
        with self._report.waiting("the run is over"), self._driver.records.notes.taken():
            shown = ""
            while True:
                told = states.describe_execution(executionArn=execution)
                passed = time.monotonic() - started
                if (progress := self._progress(execution)) != shown:
                    self._report.moment(passed, shown := progress)
                if told["status"] != "RUNNING" or passed > _PATIENCE:
                    break
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        if told["status"] != "SUCCEEDED":
            raise RuntimeError(f"the run is {told['status']}: {told.get('error')} {told.get('cause')}")
        self._ended = time.monotonic()
        self._bucket = self._output(self._driver, "Bucket")
        key = f"runs/{execution.rsplit(':', 1)[-1]}/summary.json"
        found = self._cloud.client("s3").get_object(Bucket=self._bucket, Key=key)
        text = found["Body"].read().decode()
        self._driver.records.published.append(text)
        summary: dict[str, Any] = json.loads(text)
        counted = {**summary["Accounts"], **{f"keys {name}": count for name, count in summary["Keys"].items()}}
        self._report.facts({name: str(count) for name, count in counted.items() if count})
        return summary

    def _progress(self, execution: str) -> str:
        states = self._cloud.client("stepfunctions")
        runs = states.list_map_runs(executionArn=execution)["mapRuns"]
        if not runs:
            return "listing the accounts"
        counts = states.describe_map_run(mapRunArn=runs[0]["mapRunArn"])["itemCounts"]
        return f"{counts['succeeded'] + counts['failed']} of {counts['total']} accounts"

    def _notice(self) -> str:
        """Take the notices so far from the queue and give the last one."""
        sqs, url = self._cloud.client("sqs"), self._output(self._driver, "QueueUrl")
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self._driver.records.told.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return str(messages[-1]["Body"]) if messages else "(no notice)"

    def _failed_with(self, driver: Driver, advice: str) -> Expectation:
        events = self._cloud.client("cloudformation").describe_stack_events(StackName=driver.stack)
        reasons = [event.get("ResourceStatusReason", "") for event in events["StackEvents"]]
        told = next((reason for reason in reasons if advice in reason), "")
        self._report.quote([told])
        return Expectation("the reason says what to do", advice, advice if told else " | ".join(reasons)[:500])

    def _output(self, driver: Driver, name: str) -> str:
        (stack,) = self._cloud.client("cloudformation").describe_stacks(StackName=driver.stack)["Stacks"]
        return next(str(output["OutputValue"]) for output in stack["Outputs"] if output["OutputKey"] == name)

    def _status(self, driver: Driver) -> str:
        return driver.account.stack_status(driver.stack)


def _equal(sentence: str, expected: object, found: object) -> Expectation:
    count = f"{expected} " if isinstance(expected, int) and not isinstance(expected, bool) else ""
    return Expectation(f"{count}{sentence}", str(expected), str(found))


def _short(keys: object) -> str:
    listed = sorted(str(key) for key in keys)  # type: ignore[attr-defined]
    return f"{len(listed)} keys: {' '.join(listed)}"
