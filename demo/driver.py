"""Runs commands, looks at the account after them, and tells the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from demo import expectations as expect
from demo.account import EXAMPLE_STACK, Account, Inventory, Seen, added, take_inventory
from demo.expectations import Expectation
from local_cloud import CdkError
from local_cloud.environment import without_foreign_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from demo.records import Records
    from demo.report import Report
    from local_cloud import ApiCall, CdkCli, CdkResult, LocalCloud

_ROOT = Path(__file__).resolve().parent.parent
_SECONDS_BETWEEN_LOOKS = 0.25
_SECONDS_BETWEEN_LINES = 5.0
_COMMAND_SECONDS = 120


class UnmetError(Exception):
    """An expectation does not hold. `output` is what the command line wrote, if that is what failed."""

    def __init__(self, expectation: Expectation, output: str = "") -> None:
        super().__init__(expectation.sentence)
        self.expectation = expectation
        self.output = output


class Driver:
    """What a person does: type a command, wait, look.

    Args:
        cloud: The account.
        cdk: The CDK command line on an app, against that account.
        records: Of the whole run.
        report: Where the story goes.
        stack: Its stack.
        option: How the app is named on the command line, if it is not that of `cdk.json`.

    Attributes:
        stack: The name of the app's stack.
        seen: The last look at the account.
    """

    def __init__(
        self,
        cloud: LocalCloud,
        cdk: CdkCli,
        records: Records,
        report: Report,
        *,
        stack: str = EXAMPLE_STACK,
        option: str = "",
    ) -> None:
        self.cloud = cloud
        self.records = records
        self.report = report
        self.stack = stack
        self.account = Account(cloud, records.keyring, stack)
        self.seen = Seen()
        self._cdk = cdk
        self._option = [option] if option else []
        self._told: list[dict[str, str]] = []
        self._inventory: Inventory = {}
        self._calls_before = 0
        records.directories.append(cdk.output)

    def begin(self) -> None:
        """Remember what there is already, because it is not of this stack."""
        self.account.begin()
        self._inventory = take_inventory(self.cloud)
        self._calls_before = len(self.cloud.calls())

    def calls(self) -> list[ApiCall]:
        """Give the API calls since the beginning."""
        return self.cloud.calls()[self._calls_before :]

    def left(self) -> Inventory:
        """Give what there is that there was not at the beginning, by kind of resource."""
        return added(self._inventory, take_inventory(self.cloud))

    def bootstrap(self) -> None:
        """Run `cdk bootstrap`."""
        self._run("cdk bootstrap", self._cdk.bootstrap)

    def deploy(self, *, fails: bool = False, **context: str) -> None:
        """Run `cdk deploy`.

        Args:
            fails: Whether it is meant to fail.
            context: Values for `-c`.

        Raises:
            UnmetError: It failed, or did not when it was meant to.
        """
        command = " ".join(["cdk deploy", *self._option, *(f"-c {name}={value}" for name, value in context.items())])
        self._run(command, lambda: self._cdk.deploy(context=context, fails=fails), fails=fails)

    def destroy(self) -> None:
        """Run `cdk destroy`."""
        self._run(" ".join(["cdk destroy", *self._option]), self._cdk.destroy)

    def run(self, command: Sequence[str], shown: str) -> str:
        """Run a command as the account's administrator and give what it printed.

        Raises:
            UnmetError: It failed, or did not end in time.
        """
        started = time.monotonic()
        with self.report.running(shown), self.records.notes.taken():
            try:
                done = subprocess.run(  # noqa: S603 - the commands are the demo's own
                    command,
                    cwd=_ROOT,
                    env={**without_foreign_settings(os.environ), **self.cloud.environment()},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=_COMMAND_SECONDS,
                    check=True,
                )
            except subprocess.CalledProcessError as error:
                unmet = expect.command_ends_as_meant(shown, error.returncode, fails=False)
                raise UnmetError(unmet, error.stdout) from error
            except subprocess.TimeoutExpired as error:
                raise UnmetError(expect.command_ends_as_meant(shown, -1, fails=False)) from error
        self.report.took(time.monotonic() - started)
        self.records.outputs.append(done.stdout)
        return done.stdout

    def wait(self, sentence: str, watch: Callable[[], str], expected: str, *, seconds: int) -> Expectation:
        """Look again and again until something is as expected, and show what it is meanwhile.

        Args:
            sentence: What is waited for.
            watch: Gives what is to be seen.
            expected: What it should become.
            seconds: After how many the wait ends, with an expectation that does not hold.
        """
        started, shown, line_due = time.monotonic(), "", 0.0
        with self.report.waiting(sentence), self.records.notes.taken():
            while True:
                found, passed = watch(), time.monotonic() - started
                over = found == expected or passed > seconds
                if found != shown or passed >= line_due or over:
                    self.report.moment(passed, found)
                    shown, line_due = found, passed + _SECONDS_BETWEEN_LINES
                if over:
                    late = f"{found}, after {seconds} s"
                    return Expectation(sentence, expected, expected if found == expected else late)
                time.sleep(_SECONDS_BETWEEN_LOOKS)

    def becomes(self, sentence: str, key_id: str, status: str, *, seconds: int) -> Expectation:
        """Let the sweep come again and again until a key has a status."""

        def watch() -> str:
            self.sweep()
            return self.account.key_status(key_id)

        return self.wait(sentence, watch, status, seconds=seconds)

    def rotate_natively(self, *, seconds: int) -> Iterator[Expectation]:
        """Ask Secrets Manager to rotate, as its schedule does, and wait until it has."""
        before = self.account.current_key_id()

        def pending() -> str:
            return "under way" if self.account.is_pending() else "none"

        yield self.wait("no rotation is under way", pending, "none", seconds=seconds)
        self.cloud.client("secretsmanager").rotate_secret(SecretId=self.account.output("SecretArn"))
        yield self.wait(
            "Secrets Manager has made another key current",
            lambda: "rotated" if self.account.current_key_id() != before else "not yet",
            "rotated",
            seconds=seconds,
        )
        yield self.wait("the rotation is over", pending, "none", seconds=seconds)

    def undo(self) -> None:
        """Go back by hand, as an operator."""
        undo = ["-m", "cdk_iam_access_key", "undo", "--secret", self.account.secret_name(), "--yes"]
        output = self.run([sys.executable, *undo], shown=" ".join(["python", *undo]))
        self.report.quote(line for line in output.splitlines() if "current again" in line)

    def sweep(self) -> None:
        """Let the sweep come now: its rule fires every few minutes, which is too long to watch."""
        rules = self.cloud.client("events").list_rules()["Rules"]
        for rule in rules:
            if rule["Name"].startswith(f"{self.stack}-") and "SweepRule" in rule["Name"]:
                self.cloud.fire_rule(rule["Name"])

    def told(self) -> list[dict[str, str]]:
        """Give the events so far that the stack's queue has got from the provider."""
        sqs, url = self.cloud.client("sqs"), self.account.output("QueueUrl")
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            event = json.loads(message["Body"])
            self.records.told.append(message["Body"])
            self._told.append({"event": event["detail-type"], **event["detail"]})
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return self._told

    def look(self, *, declared: str | None) -> Seen:
        """Look at the account and show the user's keys.

        Args:
            declared: The status that the key is declared to have, None if no key is.
        """
        self.seen = self.account.look(declared)
        self.records.published.append(self.account.published())
        self.report.keys(self.seen.keys)
        return self.seen

    def _run(self, command: str, run: Callable[[], CdkResult], *, fails: bool = False) -> None:
        try:
            with self.report.running(command), self.records.notes.taken():
                result = run()
        except CdkError as error:
            raise UnmetError(
                expect.command_ends_as_meant(command, error.result.returncode, fails=fails), str(error)
            ) from error
        self.report.took(result.seconds, "failed, as it was meant to, after" if fails else "took")
        self.records.outputs.append(result.output)
