"""Postfix with SES: the client keeps the key in a file, and a script gives Postfix the password that belongs to it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ses_smtp_credentials.lib import calculate_key

from examples.postfix.ses_to_postfix import smtp_password

if TYPE_CHECKING:
    from client.conftest import Host
    from support.aws_server import Account, Key

SCRIPT = Path(__file__).parents[2] / "examples" / "postfix" / "ses_to_postfix.py"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put programs into PATH that note how they are called, and return their log."""
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    log.touch()
    for name in ("postmap", "systemctl"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {log}\ntest ! -e {tmp_path}/{name}-fails\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log


def arguments(folder: Path) -> list[str]:
    """Build those of the timer."""
    key, table = folder / "ses-key.json", folder / "sasl_passwd"
    then = f"{sys.executable} {SCRIPT} eu-central-1 {key} {table}"
    return [str(key), "--format", "json", "--consumer", "mail-1", "--then", then]


def line(key: Key) -> str:
    """Build what Postfix needs."""
    password = calculate_key(key.secret_access_key, "eu-central-1")
    return f"[email-smtp.eu-central-1.amazonaws.com]:587 {key.access_key_id}:{password}\n"


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
def test_the_password_is_what_aws_publishes(region: str) -> None:
    """As another implementation derives it."""
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    assert smtp_password(secret, region) == calculate_key(secret, region)


def test_postfix_gets_each_key_and_acknowledges_it(
    enrolled: Host, account: Account, tmp_path: Path, programs: Path
) -> None:
    """Once for each key, in a file that only its owner reads; acknowledged once Postfix has it, and not before."""
    table = tmp_path / "sasl_passwd"
    first = account.keys["AKIA0000000000000001"]
    reloaded = f"postmap {table}\nsystemctl reload postfix\n"
    for _ in range(2):
        assert enrolled.run("write", *arguments(tmp_path)).code == 0
        assert (table.read_text(), programs.read_text()) == (line(first), reloaded)
    assert stat.S_IMODE(table.stat().st_mode) == 0o600
    second = account.rotate()
    enrolled.let_the_interval_pass()
    (tmp_path / "postmap-fails").touch()
    acknowledged = len(account.events)
    assert enrolled.run("write", *arguments(tmp_path)).code == 1
    assert len(account.events) == acknowledged
    (tmp_path / "postmap-fails").unlink()
    assert enrolled.run("write", *arguments(tmp_path)).code == 0
    assert table.read_text() == line(second)
    assert programs.read_text() == reloaded + f"postmap {table}\n" + reloaded
    assert len(account.events) == acknowledged + 1
    assert not (tmp_path / "sasl_passwd.new").exists()


def test_an_smtp_password_is_no_key(enrolled: Host, account: Account, tmp_path: Path, programs: Path) -> None:
    """A secret of the format `ses_smtp` renews nobody: what is stored stays."""
    account.put('{"username": "AKIA0000000000000001", "password": "' + calculate_key("x" * 40, "eu-central-1") + '"}')
    enrolled.let_the_interval_pass()
    done = enrolled.run("write", *arguments(tmp_path))
    assert "an SMTP password of SES is none" in done.err
    assert (tmp_path / "sasl_passwd").read_text() == line(account.keys["AKIA0000000000000001"])
    assert "postmap" in programs.read_text()
