"""Run a command in child after child, each of which meets a fault at another call of the operating system.

Prints a line of JSON for each fault: what was met, what the command printed, and what was there afterwards. A process
of its own, because children of a process with threads are not to be trusted.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from iam_access_key_client import client
from iam_access_key_client.command import main
from iam_access_key_client.renewal import Version
from iam_access_key_client.state import KeyPair

if TYPE_CHECKING:
    from collections.abc import Callable

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:deploy-AbCdEf"
OLD, NEW = (KeyPair(f"AKIA{number:016}", f"{number:040}") for number in (1, 2))
KILLED = 137
# All that `files`, `locks`, `store` and `uses` call, and what pathlib calls for them.
CALLS = ("open", "fdopen", "fsync", "close", "replace", "unlink", "mkdir", "chmod", "chown", "write")


class Aws:
    """AWS with a current key; both keys work."""

    current = OLD
    acknowledged = 0

    def identity(self, _: KeyPair) -> str:
        """Return an ARN."""
        return "arn:aws:iam::123456789012:user/deploy"

    def works(self, _: KeyPair) -> bool:
        """Confirm."""
        return True

    def read_current(self, _: KeyPair) -> Version:
        """Return the current key."""
        pair = Aws.current
        text = json.dumps({"accessKeyId": pair.access_key_id, "secretAccessKey": pair.secret_access_key})
        return Version(f"version of {pair.access_key_id}", 0, 3600, text)

    def acknowledge(self, *_: object) -> None:
        """Count."""
        Aws.acknowledged += 1


class Fault:
    """Strikes at one call of `os`."""

    def __init__(self, kind: str, index: int) -> None:
        """Take a kind, "kill", "half" or an error's name, with "+" if it lasts, and the number of the call."""
        self.kind, self.left, self.lasts = kind.rstrip("+"), index, kind.endswith("+")
        self.met = ""

    def install(self) -> None:
        """Put itself in front of all calls."""
        for name in ["fdopen"] if self.kind == "half" else CALLS:
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left > 0 or (self.left < 0 and not self.lasts):
                return call(*arguments, **options)
            self.met = self.met or name
            if self.kind == "kill":
                os._exit(KILLED)
            if self.kind == "half":
                return Half(call(*arguments, **options))
            if name == "close":
                return call(*arguments, **options)
            code = getattr(errno, self.kind)
            raise OSError(code, os.strerror(code))

        return watched


class Half:
    """A file of which a half is written before the process is killed."""

    def __init__(self, file: Any) -> None:
        """Take the file."""
        self.file = file

    def __enter__(self) -> Self:
        """Open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.file.close()

    def write(self, content: bytes) -> None:
        """Write a half."""
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        os._exit(KILLED)


def run(arguments: list[str], fault: Fault | None = None) -> dict[str, Any]:
    """Run a command in a child."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        out, err = io.StringIO(), io.StringIO()
        if fault:
            fault.install()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(arguments)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
                code, _ = -1, err.write(repr(error))
        met = fault.met if fault else ""
        said = {"code": code, "out": out.getvalue(), "err": err.getvalue(), "met": met, "sent": Aws.acknowledged}
        io.FileIO(writer, "w").write(json.dumps(said).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = json.loads(pipe.read() or '{"code": 137, "met": "killed", "out": "", "err": "", "sent": 0}')
    os.waitpid(child, 0)
    return dict(said)


def prepare(home: Path, scenario: str) -> list[str]:
    """Bring a home to where a scenario begins. Return the arguments."""
    os.environ.update(HOME=str(home), AWS_ACCESS_KEY_ID=OLD.access_key_id, AWS_SECRET_ACCESS_KEY=OLD.secret_access_key)
    Aws.current = OLD
    enrol = ["enrol", "--secret", ARN, "--yes", "--consumer", "ci"]
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text("[default]\nregion = eu-central-1\n")
    if scenario == "enrol":
        return enrol
    assert run(enrol)["code"] == 0
    write = ["write", str(home / "key.env"), "--secret", ARN, "--then", f"cat {home}/key.env > {home}/seen"]
    assert run(write if scenario == "write" else ["credentials", "--secret", ARN])["code"] == 0
    (path,) = (home / ".aws" / "iam-access-key").glob("*.json")
    document = json.loads(path.read_bytes())
    keys = [{**key, "givenOutUntil": 1} for key in document["keys"]]
    path.write_text(json.dumps({**document, "keys": keys, "readAt": 1, "triedAt": 1}))
    Aws.current = NEW
    return write if scenario == "write" else ["credentials", "--secret", ARN]


def afterwards(home: Path, arguments: list[str]) -> dict[str, Any]:
    """Return what is there, and what the same command does when all is well again."""
    stored = list((home / ".aws" / "iam-access-key").glob("*.json"))
    files = [*stored, home / ".aws" / "config", home / "key.env"]
    texts = [path.read_text() if path.exists() else "" for path in files]
    again = run(arguments)
    credentials = run(["credentials", "--secret", ARN])
    seen = home / "seen"
    leftovers = [str(path) for path in home.rglob("*.iam-access-key")]
    return {
        "texts": texts,
        "again": again,
        "credentials": credentials,
        "seen": seen.read_text() if seen.exists() else "",
        "leftovers": leftovers,
    }


def try_all(scenario: str, kind: str) -> None:
    """Let a fault strike at each call in turn, until a command runs to its end before it."""
    with tempfile.TemporaryDirectory() as folder:
        home, begun = Path(folder, "home"), Path(folder, "begun")
        home.mkdir()
        arguments = prepare(home, scenario)
        home.rename(begun)
        for index in range(1, 1000):
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(begun, home)
            said = run(arguments, Fault(kind, index))
            if not said["met"]:
                return
            after = afterwards(home, arguments)
            sys.stdout.write(json.dumps({"index": index, "said": said, **after}) + "\n")


if __name__ == "__main__":
    client.Client._aws = lambda *_: Aws()  # type: ignore[assignment, method-assign, return-value]
    try_all(*sys.argv[1:])
