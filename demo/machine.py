"""A consumer's machine outside AWS: its home, the client on it, and the programs that run there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from local_cloud.environment import without_foreign_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_cloud import LocalCloud

_ROOT = Path(__file__).resolve().parent.parent
# The client as it is, on a clock that is ahead by as many seconds as its first argument says.
_LATER = """
import sys, time
ahead, now = float(sys.argv.pop(1)), time.time
time.time = lambda: now() + ahead
from iam_access_key_client.command import main
sys.exit(main())
"""
_A_FEW = 2
_SECONDS_BETWEEN_LOOKS = 0.1


class Program:
    """`demo/consumer.py`, which signs a call each half second, until it is stopped."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            command = [sys.executable, "demo/consumer.py"]
            self._process = subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=output)  # noqa: S603 - ours

    @property
    def answers(self) -> tuple[str, ...]:
        """What the calls so far were answered."""
        return tuple(answer for _, answer in self._calls)

    @property
    def key_id(self) -> str:
        """The key of the last call."""
        return self._calls[-1][0] if self._calls else "no call yet"

    def next_answers(self) -> tuple[str, ...]:
        """Wait for some calls that begin from now on, and give what they were answered."""
        # The next one may have begun before.
        begun = len(self._calls) + 1
        while len(self._calls) < begun + _A_FEW and self._process.poll() is None:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return self.answers[begun:]

    @property
    def _calls(self) -> list[tuple[str, str]]:
        lines = self._log.read_text("utf-8").split("\n")[:-1]
        return [(key, answer) for key, answer in map(str.split, lines)]

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


class Machine:
    """A home directory with nothing in it, and programs that are told where AWS is, and no key.

    Args:
        cloud: The account.

    Attributes:
        home: The home directory.
        environment: What programs there get.
    """

    def __init__(self, cloud: LocalCloud) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="machine-")
        self.home = Path(self._folder.name)
        given = {name: value for name, value in cloud.environment().items() if not name.startswith("AWS_ACCESS_KEY")}
        del given["AWS_SECRET_ACCESS_KEY"]
        self.environment = {
            **without_foreign_settings(os.environ),
            **given,
            "HOME": str(self.home),
            "PYTHONPATH": str(_ROOT / "client"),
            "AWS_CONFIG_FILE": str(self.home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.home / "credentials"),
        }
        self._programs: list[Program] = []

    def start(self, profile: str) -> Program:
        """Run the program with a profile."""
        program = Program(self.home / f"{profile}.log", {**self.environment, "AWS_PROFILE": profile})
        self._programs.append(program)
        return program

    def write_plain_file(self, profile: str, key: Mapping[str, str]) -> None:
        """Put a key into a profile, as people do."""
        settings = f"aws_access_key_id={key['accessKeyId']}\naws_secret_access_key={key['secretAccessKey']}\n"
        with (self.home / "credentials").open("a", encoding="utf-8") as file:
            file.write(f"[{profile}]\n{settings}")

    def enrol(self, secret_arn: str, *options: str, key: Mapping[str, str]) -> str:
        """Enrol with the client, and give what it says. Raises CalledProcessError."""
        pair = {"AWS_ACCESS_KEY_ID": key["accessKeyId"], "AWS_SECRET_ACCESS_KEY": key["secretAccessKey"]}
        command = [sys.executable, "-m", "iam_access_key_client", "enrol", "--secret", secret_arn, *options, "--yes"]
        return self.run(command, **pair)

    def renew(self, secret_arn: str, interval: str, *, ahead: float) -> None:
        """Let the client do what it does when an SDK asks, by a clock that is ahead. Raises CalledProcessError."""
        options = ["--secret", secret_arn, "--interval", interval]
        self.run([sys.executable, "-c", _LATER, str(ahead), "credentials", *options])

    def run(self, command: list[str], **environment: str) -> str:
        """Run a command there, and give what it prints. Raises CalledProcessError."""
        done = subprocess.run(  # noqa: S603 - the demo's own
            command,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def close(self) -> None:
        """Stop all programs and remove the home."""
        for program in self._programs:
            program.stop()
        self._folder.cleanup()
