"""A host that has the client, and the AWS that it calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.aws_server import ARN, Account, AwsServer, Key

from iam_access_key_client.command import main
from iam_access_key_client.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from iam_access_key_client.state import State

ROOT = Path(__file__).parents[2]


@dataclass
class Run:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def key_id(self) -> str:
        """Return the id of the key that `credentials` printed."""
        return str(json.loads(self.out)["AccessKeyId"])


@dataclass
class Host:
    """A machine of a consumer."""

    home: Path
    account: Account
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    @property
    def store(self) -> Store:
        """Return where the keys are."""
        return Store(ARN, self.home / ".aws" / "iam-access-key")

    @property
    def state(self) -> State:
        """Return what is stored."""
        return self.store.load()

    def run(self, command: str, *arguments: str, **environment: str) -> Run:
        """Run a command in this process."""
        secret = () if command == "status" else ("--secret", ARN)
        with self.patch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            code = main([command, *secret, *arguments])
        captured = self.capture.readouterr()
        return Run(code, captured.out, captured.err)

    def start(self, command: str, *arguments: str, python: str = sys.executable) -> subprocess.Popen[str]:
        """Start a command in a process of its own."""
        words = [python, "-m", "iam_access_key_client", command, "--secret", ARN, *arguments]
        return subprocess.Popen(
            words,
            env={**os.environ, "PYTHONPATH": str(ROOT / "client")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def enrol(self, key: Key, *arguments: str) -> Run:
        """Enrol with a key in the environment."""
        done = self.run(
            *("enrol", "--yes", *arguments),
            AWS_ACCESS_KEY_ID=key.access_key_id,
            AWS_SECRET_ACCESS_KEY=key.secret_access_key,
        )
        assert done.code == 0, done.err
        return done

    def edit(self, **members: Any) -> None:
        """Change what is stored, as time does."""
        document = json.loads(self.store.path.read_bytes())
        self.store.path.write_text(json.dumps({**document, **members}))

    def let_the_interval_pass(self) -> None:
        """Make it an hour since the last read."""
        state = self.state
        self.edit(readAt=state.read_at - 3600, triedAt=state.tried_at - 3600)

    def let_credentials_expire(self) -> None:
        """Make every credential that was given out expire."""
        document = json.loads(self.store.path.read_bytes())
        self.edit(keys=[{**key, "givenOutUntil": 1} for key in document["keys"]])


@pytest.fixture
def server() -> Iterator[AwsServer]:
    """Serve an account."""
    server = AwsServer()
    yield server
    server.stop()


@pytest.fixture
def account(server: AwsServer) -> Account:
    """Return what AWS knows."""
    return server.account


@pytest.fixture
def host(
    tmp_path: Path, server: AwsServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Host:
    """Return a machine with an empty home, where all calls go to the server."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "IAM_ACCESS_KEY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return Host(tmp_path, server.account, capsys, monkeypatch)


@pytest.fixture
def enrolled(host: Host, account: Account) -> Host:
    """Return a machine that has the current key of the secret."""
    host.enrol(account.rotate())
    account.calls.clear()
    return host
