"""Runs the CDK command line, looks at the account after it, and tells the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo import expectations as expect
from demo.account import Account, Seen
from demo.keyring import Keyring
from demo.notes import Notes
from local_cloud import CdkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.expectations import Expectation
    from demo.report import Report
    from local_cloud import CdkCli, CdkResult, LocalCloud


class UnmetError(Exception):
    """An expectation does not hold. `output` is what the CDK command line wrote, if that is what failed."""

    def __init__(self, expectation: Expectation, output: str = "") -> None:
        super().__init__(expectation.sentence)
        self.expectation = expectation
        self.output = output


class Driver:
    """What a person does: type a command, wait, look.

    Args:
        cloud: An empty account.
        cdk: The CDK command line on `app.py`, against that account.
        report: Where the story goes.

    Attributes:
        seen: The last look at the account.
    """

    def __init__(self, cloud: LocalCloud, cdk: CdkCli, report: Report) -> None:
        self.cloud = cloud
        self.report = report
        self.keyring = Keyring(cloud)
        self.account = Account(cloud, self.keyring)
        self.notes = Notes(cloud, self.keyring)
        self.seen = Seen()
        self._cdk = cdk
        self._outputs: list[str] = []
        self._published: list[str] = []

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
        command = " ".join(["cdk deploy", *(f"-c {name}={value}" for name, value in context.items())])
        self._run(command, lambda: self._cdk.deploy(context=context, fails=fails), fails=fails)

    def destroy(self) -> None:
        """Run `cdk destroy`."""
        self._run("cdk destroy", self._cdk.destroy)

    def look(self, *, declared: str | None) -> Seen:
        """Look at the account and show the user's keys.

        Args:
            declared: The status that the key is declared to have, None if no key is.
        """
        self.seen = self.account.look(declared)
        self._published.append(self.account.published())
        self.report.keys(self.seen.keys)
        return self.seen

    def written(self) -> dict[str, bytes]:
        """Give everything that was written anywhere, by what it is called."""
        files = [path for path in self._cdk.output.rglob("*") if path.is_file()]
        return {
            "what this demo printed": self.report.printed.encode(),
            "what cdk printed": "\n".join(self._outputs).encode(),
            "the stack's templates, outputs and events": "\n".join(self._published).encode(),
            "the function's log": "\n".join(self.notes.log).encode(),
            **{str(path): path.read_bytes() for path in files},
        }

    def _run(self, command: str, run: Callable[[], CdkResult], *, fails: bool = False) -> None:
        try:
            with self.report.running(command), self.notes.taken():
                result = run()
        except CdkError as error:
            raise UnmetError(
                expect.command_ends_as_meant(command, error.result.returncode, fails=fails), str(error)
            ) from error
        self.report.took(result.seconds, "failed, as it was meant to, after" if fails else "took")
        self._outputs.append(result.output)
