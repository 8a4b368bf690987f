"""The real CDK command line, pointed at the embedded account."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud.environment import without_foreign_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_cloud.cloud import LocalCloud

_ROOT = Path(__file__).resolve().parent.parent
_CLI = _ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
_LAST_LINES = 60


@dataclass(frozen=True, slots=True)
class CdkResult:
    """How a run of the CDK command line ended.

    Attributes:
        arguments: What the command line was asked.
        returncode: Its exit code. `diff` gives 1 for a difference.
        output: Everything it wrote, standard error included.
        seconds: How long it took.
    """

    arguments: tuple[str, ...]
    returncode: int
    output: str
    seconds: float


class CdkError(RuntimeError):
    """A run of the CDK command line failed that was expected to succeed, or the other way round."""

    def __init__(self, message: str, result: CdkResult) -> None:
        self.result = result
        end = "\n".join(result.output.splitlines()[-_LAST_LINES:])
        super().__init__(f"cdk {' '.join(result.arguments)}: {message}\n{end}")


class CdkCli:
    """The CDK command line against one embedded account, without questions, notices or telemetry.

    Args:
        cloud: A running account.
        app: The command that synthesizes the app. By default that of the `cdk.json` in `directory`. `python`
            is the interpreter that runs this code.
        directory: Where the app runs, by default the project itself.
        output: Where the cloud assembly goes. By default a directory of its own, so that several can run
            side by side; it lies in the account's directory and goes with it.
        timeout: After how many seconds a run is given up.
    """

    def __init__(
        self,
        cloud: LocalCloud,
        *,
        app: Sequence[str] | None = None,
        directory: Path = _ROOT,
        output: Path | None = None,
        timeout: float = 300,
    ) -> None:
        self._cloud = cloud
        self._app = app
        self._directory = directory
        self._timeout = timeout
        self.output = output or Path(tempfile.mkdtemp(prefix="cdk.out.", dir=cloud.directory))

    def bootstrap(self) -> CdkResult:
        """Prepare the account for deployments: its asset bucket and its roles."""
        return self.run("bootstrap", f"aws://{self._cloud.account}/{self._cloud.region}", synthesizes=False)

    def synth(self, *stacks: str, context: Mapping[str, str] | None = None) -> CdkResult:
        """Write the cloud assembly to `output`."""
        return self.run("synth", *stacks, "--quiet", context=context)

    def diff(self, *stacks: str, context: Mapping[str, str] | None = None) -> CdkResult:
        """Compare what is deployed with the app."""
        return self.run("diff", *stacks, context=context)

    def deploy(
        self, *stacks: str, context: Mapping[str, str] | None = None, fails: bool = False, options: Sequence[str] = ()
    ) -> CdkResult:
        """Deploy the named stacks, by default all.

        Args:
            stacks: Names of stacks.
            context: Values for `-c`.
            fails: Whether the deployment is meant to fail.
            options: More options of `cdk deploy`.

        Raises:
            CdkError: It failed, or did not when it was meant to.
        """
        deploy = ("deploy", *_selected(stacks), "--require-approval", "never", "--progress", "events")
        return self.run(*deploy, *options, context=context, fails=fails)

    def destroy(self, *stacks: str, context: Mapping[str, str] | None = None, fails: bool = False) -> CdkResult:
        """Destroy the named stacks, by default all."""
        return self.run("destroy", *_selected(stacks), "--force", context=context, fails=fails)

    def run(
        self,
        *arguments: str,
        context: Mapping[str, str] | None = None,
        fails: bool = False,
        synthesizes: bool = True,
    ) -> CdkResult:
        """Run any command of the command line.

        Args:
            arguments: The command and its own options.
            context: Values for `-c`.
            fails: Whether the run is meant to fail.
            synthesizes: Whether the command needs the app.

        Raises:
            CdkError: It failed, or did not when it was meant to, or took longer than the timeout.
        """
        command = [
            *_cli(),
            *arguments,
            "--ci",
            "--no-color",
            "--no-notices",
            "--no-version-reporting",
            *(self._app_options() if synthesizes else ["--app", ""]),
            *(option for name, value in (context or {}).items() for option in ("-c", f"{name}={value}")),
        ]
        result = self._finished(command, arguments)
        if fails != bool(result.returncode):
            raise CdkError("was meant to fail" if fails else f"exit code {result.returncode}", result)
        return result

    def _app_options(self) -> list[str]:
        app = ["--app", shlex.join(self._app)] if self._app is not None else []
        return [*app, "--output", str(self.output)]

    def _finished(self, command: Sequence[str], arguments: tuple[str, ...]) -> CdkResult:
        started = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=self._directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=self._timeout)
            except BaseException as error:
                # The app and its jsii kernel are processes of their own.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                result = CdkResult(arguments, -signal.SIGKILL, output, time.monotonic() - started)
                raise CdkError(f"took longer than {self._timeout:.0f} s", result) from error
        return CdkResult(arguments, process.returncode, output, time.monotonic() - started)

    def _environment(self) -> dict[str, str]:
        interpreter = Path(sys.executable).parent
        return {
            **without_foreign_settings(os.environ),
            **self._cloud.environment(),
            "PATH": f"{interpreter}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }


def _cli() -> tuple[str, str]:
    beside = Path(sys.executable).parent / "node"
    node = str(beside) if beside.exists() else shutil.which("node")
    if node is None or not _CLI.exists():
        raise FileNotFoundError("the CDK command line is not installed: run `npm ci`, and have Node on the path")
    return node, str(_CLI)


def _selected(stacks: Sequence[str]) -> Sequence[str]:
    return stacks or ("--all",)
