"""The commands that documents and examples name are taken by the client, and systemd takes the units."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iam_access_key_client.command import _parser

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "examples" / "systemd"
FILES = [ROOT / "docs/consumers.md", ROOT / "client/README.md", *UNITS.iterdir()]
COMMAND = re.compile(r"(?:^|[ /=])iam-access-key (?!/)(.*)$", re.MULTILINE)
CODE = re.compile(r"^```\w+$(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[str]:
    """List the arguments of each command, as they stand."""
    text = path.read_text("utf-8")
    blocks = CODE.findall(text) if path.suffix == ".md" else [text]
    return [found for block in blocks for found in COMMAND.findall(block.replace("\\\n", " "))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_command_that_is_named_is_taken(path: Path) -> None:
    """By the parser of the client, with all its options."""
    found = commands(path)
    assert found or path.suffix == ".timer"
    for text in found:
        words = shlex.split(text, comments=True)
        words = words[: words.index("--")] if "--" in words else words
        # `SystemExit` tells which option it is.
        assert _parser().parse_args(words).command == words[0]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """As they stand, but for the program, which is not installed there."""
    for unit in UNITS.iterdir():
        text = unit.read_text("utf-8").replace("/usr/local/bin/iam-access-key", sys.executable)
        (tmp_path / unit.name).write_text(text)
    verify = ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "iam-access-key" in line]
    assert told == []
    assert "Unknown" not in done.stderr
