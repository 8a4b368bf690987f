"""Profiles get the setting, and everything else in the files stays."""

from __future__ import annotations

import configparser
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.session import Session
from support.aws_server import ARN

from iam_access_key_client.errors import ClientError
from iam_access_key_client.profiles import command_line, edited

if TYPE_CHECKING:
    from client.conftest import Host
    from support.aws_server import Account

FILE = """# mine
[default]
region = eu-central-1

[profile  "build"]
# comment
credential_process = /old/one \\
  --continued
s3 =
  max_concurrent_requests = 20
output=json
[other]
aws_secret_access_key = stays
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_one_setting_changes_and_all_other_lines_stay(end: str) -> None:
    """Comments, nested settings, other sections and the ends of lines are kept; what continued the old value goes."""
    after = edited(FILE.replace("\n", end), "profile build", {"credential_process": "/new", "gone": None})
    expected = FILE.replace("credential_process = /old/one \\\n  --continued\n", "credential_process = /new\n")
    assert after == expected.replace("\n", end)


@pytest.mark.parametrize("text", ["", "[other]\nregion = x", "[default]", "\ufeff[default]\nregion = x\n", FILE])
def test_setting_is_there_for_a_parser(text: str) -> None:
    """A section is made if there is none; doing it twice changes nothing."""
    after = edited(text, "default", {"credential_process": "/new"})
    parser = configparser.RawConfigParser(default_section="none")
    parser.read_string(after.lstrip("\ufeff"))
    assert parser["default"]["credential_process"] == "/new"
    assert edited(after, "default", {"credential_process": "/new"}) == after
    assert all(line in after.splitlines() for line in text.splitlines())


@pytest.mark.parametrize("blanks", ["  ", "\t"])
def test_settings_may_begin_with_blanks(host: Host, account: Account, blanks: str) -> None:
    """As people align them: the key goes, and neither a setting nor what is nested in one is lost."""
    key = account.rotate()
    (host.home / ".aws").mkdir()
    path = host.home / ".aws" / "credentials"
    nested = [f"{blanks}s3 =", f"{blanks * 2}aws_access_key_id = nested", f"{blanks}region = eu-north-1"]
    path.write_text(
        "\n".join(
            [
                "[ci]",
                f"{blanks}aws_access_key_id = {key.access_key_id}",
                f"{blanks}aws_secret_access_key = {key.secret_access_key}",
                *nested,
            ]
        )
    )
    done = host.enrol(key, "--profile", "ci")
    assert key.secret_access_key not in done.out
    assert path.read_text().splitlines()[2:] == nested
    (host.home / ".aws" / "config").unlink()
    profile = Session().full_config["profiles"]["ci"]
    assert set(profile) == {"credential_process", "s3", "region"}
    assert profile["credential_process"].count("\n") == 0


@pytest.mark.parametrize("name", ["", "a b", "a]b", "a\nb", "ü", "profile "])
def test_names_that_break_a_file_are_refused(name: str) -> None:
    """As a section of either file."""
    for section in (name, f"profile {name}"):
        with pytest.raises(ClientError, match="--profile"):
            edited("", section, {"x": "1"})


def test_removal_of_what_is_not_there_changes_nothing() -> None:
    """Not even the end of the last line."""
    assert edited("[a]\nx = 1", "a", {"y": None}) == "[a]\nx = 1"
    assert edited("", "a", {"y": None}) == ""


def test_both_files_get_the_setting(host: Host, account: Account) -> None:
    """The key that the profile had is taken out, its secret is not shown, and modes are kept."""
    key = account.rotate()
    folder = host.home / ".aws"
    folder.mkdir()
    credentials, config = folder / "credentials", folder / "config"
    credentials.write_text(
        f"[ci]\naws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n[b]\nx = 1\n"
    )
    credentials.chmod(0o640)
    done = host.enrol(key, "--profile", "ci", "--interval", "10m")
    assert key.secret_access_key not in done.out + done.err
    assert "-aws_secret_access_key = ***" in done.out
    assert (done.out + done.err).isascii()  # or it could not be shown everywhere
    line = f"credential_process = {config_value(config.read_text())}\n"
    assert f"credentials --secret {ARN} --interval 600" in line
    assert config.read_text() == f"[profile ci]\n{line}"
    assert credentials.read_text() == f"[ci]\n{line}[b]\nx = 1\n"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o640
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


@pytest.mark.parametrize("missing", ["config", "credentials"])
def test_sdk_takes_its_key_by_either_file(host: Host, account: Account, missing: str) -> None:
    """An SDK runs the command, keeps its answer until the time it says, and asks again then."""
    key = account.rotate()
    host.enrol(key, "--profile", "ci")
    (host.home / ".aws" / missing).unlink()
    host.patch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "client"))
    credentials = Session(profile="ci").get_credentials()
    assert credentials
    frozen = credentials.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key) == (key.access_key_id, key.secret_access_key)
    assert not credentials.refresh_needed()
    assert credentials.refresh_needed(refresh_in=1800 + 900)


@pytest.mark.parametrize("header", ["[default]", "[profile default]", '[profile "default"]'])
def test_default_profile_has_two_names(host: Host, account: Account, header: str) -> None:
    """The one that is in the config file is kept: another section would take its place."""
    (host.home / ".aws").mkdir()
    config = host.home / ".aws" / "config"
    config.write_text(f"[profile x]\n{header}\nregion = eu-north-1\n")
    host.enrol(account.rotate())
    assert config.read_text().count("[") == 2
    assert Session().get_config_variable("region") == "eu-north-1"
    assert "credential_process" in Session().get_scoped_config()


def test_what_others_write_during_the_prompt_stays(host: Host, account: Account) -> None:
    """A person may take minutes to say yes."""
    config = host.home / ".aws" / "config"
    config.parent.mkdir()
    config.write_text("[default]\n")
    host.patch.setattr("iam_access_key_client.enrolment._is_confirmed", lambda: config.write_text("[default]\n[new]\n"))
    key = account.rotate()
    done = host.run("enrol", AWS_ACCESS_KEY_ID=key.access_key_id, AWS_SECRET_ACCESS_KEY=key.secret_access_key)
    assert done.code == 0
    assert config.read_text().startswith("[default]\ncredential_process = ")
    assert config.read_text().endswith("[new]\n")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no -P before")
def test_command_does_not_run_what_is_in_the_folder_of_an_sdk(host: Host, account: Account) -> None:
    """As a project's json.py, or somebody's who knows that the command is run there."""
    host.enrol(account.rotate())
    (host.home / "json.py").write_text("raise SystemExit('not the one of Python')")
    command = config_value((host.home / ".aws" / "config").read_text())
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "client")}
    done = subprocess.run(shlex.split(command), cwd=host.home, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def config_value(text: str) -> str:
    """Return the command in a file."""
    return text.partition("credential_process = ")[2].partition("\n")[0]


def test_files_are_where_the_environment_says(host: Host, account: Account) -> None:
    """As for every SDK; a symbolic link stays one, and a command of an earlier enrolment gives way."""
    key = account.rotate()
    real = host.home / "real"
    real.write_text("[x]\n")
    (host.home / "linked").symlink_to(real)
    host.patch.setenv("AWS_CONFIG_FILE", str(host.home / "linked"))
    host.patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(host.home / "new" / "credentials"))
    host.enrol(key, "--interval", "10m")
    assert "take AWS_ACCESS_KEY_ID out of the environment" in host.enrol(key).out
    assert "--interval" not in real.read_text()
    assert (host.home / "linked").is_symlink()
    assert real.read_text().startswith("[x]\n\n[default]\ncredential_process = ")
    assert (host.home / "new" / "credentials").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[default]\nrole_arn = arn:x\n", "role_arn"),
        ("[default]\nsso_session = x\n", "sso_session"),
        ("[default]\nlogin_session = x\n", "login_session"),
        ("[default]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\n", "another key, AKIAI44QH8DHBEXAMPLE"),
        ("[default]\ncredential_process = /usr/bin/granted --secret x\n", "another credential_process"),
    ],
)
def test_profile_that_works_otherwise_is_left_alone(host: Host, account: Account, text: str, message: str) -> None:
    """An SDK would prefer that; nothing is stored or changed."""
    key = account.rotate()
    (host.home / ".aws").mkdir()
    (host.home / ".aws" / "credentials").write_text(text)
    done = host.run(
        *("enrol", "--yes"), AWS_ACCESS_KEY_ID=key.access_key_id, AWS_SECRET_ACCESS_KEY=key.secret_access_key
    )
    assert (done.code, message in done.err) == (1, True)
    assert (host.home / ".aws" / "credentials").read_text() == text
    assert not host.store.path.exists()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("/usr/bin/iam-access-key", "/usr/bin/iam-access-key credentials"),
        ("/opt/my tools/iam-access-key", '"/opt/my tools/iam-access-key" credentials'),
        (r"C:\Tools\iam-access-key.exe", r"C:\Tools\iam-access-key.exe credentials"),
        (r"C:\Program Files\iam-access-key.exe", r'"C:\Program Files\iam-access-key.exe" credentials'),
    ],
)
def test_command_is_quoted_as_aws_documents_it(program: str, expected: str) -> None:
    """In double quotes where there are blanks; a drive is no parameter."""
    assert command_line([program, "credentials"]) == expected


@pytest.mark.parametrize("path", ["/opt/$HOME/x", "/opt/it's/x", "C:\\50%\\x", "/opt/a;b/x", "/opt/ü", ""])
def test_path_that_clients_take_differently_is_refused(path: str) -> None:
    """The shell of one is not the shell of another."""
    for parts in ([path, "credentials"], ["/usr/bin/iam-access-key", "credentials", "--home", path]):
        with pytest.raises(ClientError, match="letters, digits"):
            command_line(parts)
