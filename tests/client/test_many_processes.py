"""Processes of their own: many at once, few imports, an old Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.aws_server import ARN

if TYPE_CHECKING:
    from client.conftest import Host
    from support.aws_server import Account

ROOT = Path(__file__).parents[2]
IMPORTED = """
import sys
from iam_access_key_client.command import main
code = main(sys.argv[1:])
sys.stderr.write(" ".join(sorted({name.partition(".")[0] for name in sys.modules} | set(sys.modules))))
sys.exit(code)
"""
# What takes long to import; `urllib.parse` comes with pathlib.
SLOW = {"botocore", "urllib3", "urllib.request", "http", "ssl", "socket", "email", "subprocess", "logging"}


# Looked for now, because the tests have a home of their own.
_FOUND = [*Path.home().glob(".pyenv/versions/3.9.*/bin/python3.9"), Path("/usr/bin/python3.9")]
OLD_PYTHON = next((str(path) for path in _FOUND if path.exists()), None)


@pytest.mark.parametrize("count", [50])
def test_many_at_once_read_once(enrolled: Host, account: Account, count: int) -> None:
    """When the interval is over, one of them reads; all get a key that works, and the store stays whole."""
    old = enrolled.run("credentials").key_id
    new = account.rotate()
    account.slow = 0.5
    enrolled.let_the_interval_pass()
    processes = [enrolled.start("credentials") for _ in range(count)]
    said = [(*process.communicate(timeout=120), process.returncode) for process in processes]
    assert {(err, code) for _, err, code in said} == {("", 0)}
    assert {json.loads(out)["AccessKeyId"] for out, _, _ in said} <= {old, new.access_key_id}
    assert account.count("GetSecretValue") == 1
    assert enrolled.run("credentials").key_id == new.access_key_id


@pytest.mark.parametrize("python", [sys.executable, "3.9"])
def test_fast_path_imports_nothing_slow(enrolled: Host, python: str) -> None:
    """An SDK waits for it at each request of credentials; Python 3.9 without any package is enough."""
    program = OLD_PYTHON if python == "3.9" else python
    if program is None:
        pytest.skip("there is no Python 3.9 here")
    done = subprocess.run(
        [program, "-W", "error", "-c", IMPORTED, "credentials", "--secret", ARN],
        env={**os.environ, "PYTHONPATH": str(ROOT / "client")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["AccessKeyId"] == enrolled.state.current.pair.access_key_id
    assert set(done.stderr.split()) & SLOW == set()


def test_all_modules_are_for_python_39() -> None:
    """They compile there."""
    if OLD_PYTHON is None:
        pytest.skip("there is no Python 3.9 here")
    modules = list((ROOT / "client").rglob("*.py"))
    check = "import ast, pathlib, sys; [ast.parse(pathlib.Path(path).read_text()) for path in sys.argv[1:]]"
    subprocess.run([OLD_PYTHON, "-c", check, *map(str, modules)], check=True)
    assert len(modules) > 10
