"""The emulator's process: started, awaited, and stopped with everything it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ANNOUNCEMENT = "cloud.json"
LOG = "cloud.log"
_STARTUP_SECONDS = 30.0
_TERMINATION_SECONDS = 3.0
_ROOT = Path(__file__).resolve().parent.parent


class LocalCloudError(RuntimeError):
    """The emulator could not be started, reached or stopped."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a running emulator says about itself in its directory.

    Attributes:
        pid: Its process, which leads a process group of its own.
        port: Where it listens on the loopback address.
        account: The number of the account.
    """

    pid: int
    port: int
    account: str

    @classmethod
    def read(cls, directory: Path) -> Announcement | None:
        """Read what was announced in a directory, None if nothing was."""
        try:
            return cls(**json.loads((directory / ANNOUNCEMENT).read_text()))
        except FileNotFoundError:
            return None

    def write(self, directory: Path) -> None:
        """Announce a listening emulator; a reader never sees half of it."""
        draft = directory / f"{ANNOUNCEMENT}.draft"
        draft.write_text(json.dumps({"pid": self.pid, "port": self.port, "account": self.account}))
        draft.rename(directory / ANNOUNCEMENT)


def spawn(directory: Path, environment: dict[str, str], *, port: int, watched: bool) -> subprocess.Popen[bytes]:
    """Start the emulator in a process group of its own, its output in `cloud.log`.

    Args:
        directory: Where all its state goes.
        environment: Its whole environment.
        port: The port to listen on, 0 for a free one.
        watched: Whether it ends when this process does, however that comes about: it holds the other end
            of a pipe that the kernel closes.
    """
    command = [sys.executable, "-m", "local_cloud.server", str(directory), str(port)]
    with (directory / LOG).open("ab") as log:
        return subprocess.Popen(
            [*command, *(["--watched"] if watched else [])],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.PIPE if watched else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def await_announcement(process: subprocess.Popen[bytes], directory: Path) -> Announcement:
    """Wait until the emulator listens.

    Raises:
        LocalCloudError: It ended, or took too long. The message carries the end of its log.
    """
    deadline = time.monotonic() + _STARTUP_SECONDS
    while time.monotonic() < deadline:
        announcement = Announcement.read(directory)
        if announcement is not None:
            return announcement
        if process.poll() is not None:
            raise LocalCloudError(f"the emulator ended while starting\n{_end_of_log(directory)}")
        time.sleep(0.02)
    terminate(process.pid, process)
    raise LocalCloudError(f"the emulator did not start within {_STARTUP_SECONDS:.0f} s\n{_end_of_log(directory)}")


def terminate(pid: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """End an emulator and the functions it runs: ask, wait shortly, insist.

    Args:
        pid: The leader of the emulator's process group.
        process: The same as a child of this process, which then is reaped.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _TERMINATION_SECONDS
    while time.monotonic() < deadline and _is_running(pid, process):
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if process is not None:
        process.wait()
        _close(process.stdin)


def _is_running(pid: int, process: subprocess.Popen[bytes] | None) -> bool:
    if process is not None:
        return process.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def _end_of_log(directory: Path) -> str:
    return "\n".join((directory / LOG).read_text(errors="replace").splitlines()[-30:])
