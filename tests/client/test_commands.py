"""What each command does, in this process, against an AWS that checks signatures."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from support.aws_server import ARN

from iam_access_key_client import locks
from iam_access_key_client.command import main
from iam_access_key_client.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client.conftest import Host
    from support.aws_server import Account, AwsServer


CLIENT = Path(__file__).parents[2] / "client"


class Terminal(io.StringIO):
    """Standard input of a person."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def printed(path: Path) -> str:
    """Return the command that notes each of its runs in a file, and fails if told."""
    return f'echo run >> "{path}"; test ! -e "{path}.fail"'


def test_enrolled_key_is_given_out_without_a_call(enrolled: Host, account: Account) -> None:
    """Within the interval, an SDK gets the stored key and nobody asks AWS."""
    begun = int(time.time())
    done = enrolled.run("credentials", "--interval", "45m")
    document = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert document["Version"] == 1
    assert document["SecretAccessKey"] == account.keys[document["AccessKeyId"]].secret_access_key
    until = time.strptime(document["Expiration"], "%Y-%m-%dT%H:%M:%SZ")
    assert 0 <= time.mktime(until) - time.mktime(time.gmtime(begun)) - 3600 <= 60
    assert account.calls == []


def test_rotated_key_follows(enrolled: Host, account: Account) -> None:
    """When the interval is over, one read finds the new key, one call proves it, and the old one stays beside it."""
    old = enrolled.run("credentials").key_id
    new = account.rotate()
    assert enrolled.run("credentials").key_id == old
    enrolled.let_the_interval_pass()
    assert enrolled.run("credentials").key_id == new.access_key_id
    assert [call.action for call in account.calls] == ["GetSecretValue", "GetCallerIdentity"]
    assert [key.pair.access_key_id for key in enrolled.state.keys] == [new.access_key_id, old]


def test_undone_key_is_left(enrolled: Host, account: Account) -> None:
    """The new key is deactivated at once by an undo; the one before reads the secret, and is current again."""
    before = account.current
    old = enrolled.run("credentials").key_id
    new = account.rotate()
    enrolled.let_the_interval_pass()
    assert enrolled.run("credentials").key_id == new.access_key_id
    account.current, new.status = before, "Inactive"
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials")
    assert (done.key_id, done.err) == (old, "")


def test_store_is_for_its_owner_only(enrolled: Host) -> None:
    """The folder has 0700, and every file in it 0600: again, if somebody has restored it otherwise."""
    folder = enrolled.store.folder
    folder.chmod(0o755)
    enrolled.store.path.chmod(0o644)
    enrolled.run("reseed", **environment(enrolled))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert ARN in enrolled.store.path.read_text()


def environment(host: Host) -> dict[str, str]:
    """Return the stored key as environment variables."""
    pair = host.state.current.pair
    return {"AWS_ACCESS_KEY_ID": pair.access_key_id, "AWS_SECRET_ACCESS_KEY": pair.secret_access_key}


@pytest.mark.parametrize("error", ["InternalFailure", "ThrottlingException", "ResourceNotFoundException"])
def test_outage_is_bridged_by_the_stored_key(enrolled: Host, account: Account, error: str) -> None:
    """One line on standard error, one try a minute, and the new key when it is over."""
    old = enrolled.run("credentials").key_id
    new = account.rotate()
    account.failing["GetSecretValue"] = error
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials")
    assert (done.code, done.key_id, done.err.count("\n")) == (0, old, 1)
    calls = len(account.calls)
    assert calls <= 2
    done = enrolled.run("credentials")
    assert (done.key_id, done.err, len(account.calls)) == (old, "", calls)
    account.failing.clear()
    enrolled.edit(triedAt=enrolled.state.tried_at - 60)
    assert enrolled.run("credentials").key_id == new.access_key_id


def test_no_network_is_bridged_by_the_stored_key(enrolled: Host, server: AwsServer) -> None:
    """Nobody listens."""
    server.socket.close()
    enrolled.patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials")
    assert (done.code, done.err.count("\n")) == (0, 1)
    assert "EndpointConnectionError" in done.err


def test_key_that_may_not_read_is_given_out(enrolled: Host, account: Account) -> None:
    """The line says what to declare."""
    account.denied.add("GetSecretValue")
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials")
    assert (done.code, done.err.count("\n"), "grant_self_renewal" in done.err) == (0, 1, True)


def test_away_for_longer_than_grace_and_retention(enrolled: Host, account: Account) -> None:
    """Every stored key is gone: a message says how to enrol again, which works, and nothing dead is given out."""
    old = account.keys[enrolled.run("credentials").key_id]
    account.rotate()
    new = account.rotate()
    old.status = "Inactive"
    enrolled.let_the_interval_pass()
    for calls in (1, 1):
        done = enrolled.run("credentials")
        assert (done.code, done.out, account.count("GetSecretValue")) == (1, "", calls)
        assert f'iam-access-key reseed --secret {ARN} --home "{enrolled.store.folder}"\n' in done.err
    assert enrolled.run("status").code == 1
    done = enrolled.run("reseed", AWS_ACCESS_KEY_ID=new.access_key_id, AWS_SECRET_ACCESS_KEY=new.secret_access_key)
    assert done.code == 0
    assert enrolled.run("credentials").key_id == new.access_key_id


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"schemaVersion": 1, "keys": []}'])
def test_corrupted_store_is_told_and_mended_by_reseed(enrolled: Host, account: Account, content: bytes) -> None:
    """`status` shows it, too."""
    key = account.keys[enrolled.state.current.pair.access_key_id]
    enrolled.store.path.write_bytes(content)
    done = enrolled.run("credentials")
    assert (done.code, done.out) == (1, "")
    assert f"corrupted; get the current key and run: iam-access-key reseed --secret {ARN}" in done.err
    assert enrolled.run("status").code == 1
    done = enrolled.run("reseed", AWS_ACCESS_KEY_ID=key.access_key_id, AWS_SECRET_ACCESS_KEY=key.secret_access_key)
    assert done.code == 0
    assert enrolled.run("credentials").key_id == key.access_key_id


def test_text_without_a_key_keeps_the_stored_one(enrolled: Host, account: Account) -> None:
    """Somebody wrote something else into the secret."""
    account.put('{"username": "x", "password": "swordfish"}')
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials")
    assert (done.code, done.err.count("\n"), "swordfish" in done.err) == (0, 1, False)
    assert "no single pair" in done.err


def test_fields_are_remembered(host: Host, account: Account) -> None:
    """They are given once, at enrolment."""
    first, second = account.make_key(), account.make_key()
    decoy = {"x": account.make_key().access_key_id}
    account.put(json.dumps({"i": first.access_key_id, "s": first.secret_access_key, **decoy}))
    host.enrol(first, "--fields", "i,s")
    account.put(json.dumps({"i": second.access_key_id, "s": second.secret_access_key, **decoy}))
    host.let_the_interval_pass()
    assert host.run("credentials").key_id == second.access_key_id


def test_enrolment_follows_the_secret_at_once(host: Host, account: Account) -> None:
    """Who brings the key before gets the current one."""
    old = account.make_key()
    new = account.rotate()
    host.enrol(old)
    assert host.run("credentials").key_id == new.access_key_id


@pytest.mark.parametrize("form", ["{0}\n{1}\n", '{{"accessKeyId": "{0}", "secretAccessKey": "{1}"}}'])
def test_first_key_comes_from_standard_input(host: Host, account: Account, form: str) -> None:
    """As two lines, or in any format of the secret."""
    key = account.rotate()
    host.patch.setattr("sys.stdin", io.StringIO(form.format(key.access_key_id, key.secret_access_key)))
    done = host.run("enrol", "--yes")
    assert (done.code, key.secret_access_key in done.out + done.err) == (0, False)
    assert host.run("credentials").key_id == key.access_key_id


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 3)])
def test_first_key_comes_from_a_prompt(host: Host, account: Account, answer: str, code: int) -> None:
    """What is typed is not shown; without a yes, nothing is stored or changed."""
    key = account.rotate()
    host.patch.setattr("sys.stdin", Terminal(f"{key.access_key_id}\n{answer}\n"))
    host.patch.setattr("getpass.getpass", lambda _: key.secret_access_key)
    done = host.run("enrol")
    assert (done.code, key.secret_access_key in done.out + done.err) == (code, False)
    assert host.store.path.exists() == (host.home / ".aws" / "config").exists() == (code == 0)


@pytest.mark.parametrize("around", ["{}\r", '"{}"', " {} "])
def test_first_key_of_the_environment_may_have_something_around_it(host: Host, account: Account, around: str) -> None:
    """Docker keeps the quotes and the ends of lines that a file for `--env-file` has."""
    key = account.rotate()
    pair = {"AWS_ACCESS_KEY_ID": key.access_key_id, "AWS_SECRET_ACCESS_KEY": key.secret_access_key}
    done = host.run("enrol", "--yes", **{name: around.format(value) for name, value in pair.items()})
    assert (done.code, done.err) == (0, "")


def test_no_first_key_is_told(host: Host) -> None:
    """As from cron, or with half of a pair in the environment."""
    host.patch.setattr("sys.stdin", io.StringIO("\n"))
    done = host.run("enrol", "--yes", AWS_ACCESS_KEY_ID="AKIAI44QH8DHBEXAMPLE")
    assert (done.code, "AWS_SECRET_ACCESS_KEY" in done.err) == (1, True)


def test_standard_input_that_is_no_text_is_told(host: Host) -> None:
    """As a redirection of PowerShell writes it; without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "iam_access_key_client", "enrol", "--yes", "--secret", ARN],
        env={**os.environ, "PYTHONPATH": str(CLIENT), "PYTHONIOENCODING": "utf-8:strict"},
        input="AKIA".encode("utf-16"),
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr.count(b"\n"), host.store.path.exists()) == (1, 1, False)


def test_first_key_is_no_argument(host: Host, account: Account) -> None:
    """Other users see arguments; the error does not repeat it."""
    key = account.rotate()
    with pytest.raises(SystemExit) as caught:
        main(["enrol", "--secret", ARN, key.access_key_id, key.secret_access_key])
    assert caught.value.code == 2
    assert key.secret_access_key not in "".join(host.capture.readouterr())
    assert main(["credentials", "--secret", key.secret_access_key]) == 1
    assert key.secret_access_key not in "".join(host.capture.readouterr())


@pytest.mark.parametrize("status", ["Inactive", "wrong secret", "root", "temporary"])
def test_key_that_cannot_be_used_is_not_stored(host: Host, account: Account, status: str) -> None:
    """STS refuses it; or it is of the root user, which no program should have; or it ends in an hour."""
    key = account.rotate()
    secret = key.secret_access_key
    if status == "root":
        account.identity = "root"
    elif status == "wrong secret":
        secret = secret[::-1]
    else:
        key.status = status
    extra = {"AWS_SESSION_TOKEN": "x"} if status == "temporary" else {}
    done = host.run("enrol", "--yes", AWS_ACCESS_KEY_ID=key.access_key_id, AWS_SECRET_ACCESS_KEY=secret, **extra)
    assert (done.code, secret in done.err) == (1, False)
    assert not host.store.path.exists()
    assert not (host.home / ".aws" / "config").exists()


def test_key_of_another_user_is_not_stored(host: Host, account: Account) -> None:
    """As the administrator's in the environment, beside a pipe: it can read the secret, and would stay here."""
    administrator = account.make_key()
    account.identities[administrator.access_key_id] = "user/administrator"
    account.rotate()
    pair = {"AWS_ACCESS_KEY_ID": administrator.access_key_id, "AWS_SECRET_ACCESS_KEY": administrator.secret_access_key}
    done = host.run("enrol", "--yes", **pair)
    assert (done.code, "user/administrator" in done.err) == (1, True)
    assert not host.store.path.exists()
    assert not (host.home / ".aws" / "config").exists()


def test_key_that_cannot_be_checked_is_not_stored(host: Host, account: Account, server: AwsServer) -> None:
    """Nobody listens: the message says when to try again."""
    key = account.rotate()
    server.socket.close()
    host.patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    keys = {"AWS_ACCESS_KEY_ID": key.access_key_id, "AWS_SECRET_ACCESS_KEY": key.secret_access_key}
    done = host.run("enrol", "--yes", **keys)
    assert (done.code, host.store.path.exists()) == (1, False)
    assert (
        f"key {key.access_key_id} could not be checked (sts: EndpointConnectionError); nothing was stored" in done.err
    )


def test_nothing_stored_is_told(host: Host) -> None:
    """The message says what to run."""
    for command in ("credentials", "reseed", "acknowledge"):
        done = host.run(command, *(["--consumer", "ci"] if command == "acknowledge" else []))
        assert (done.code, done.out) == (1, "")
        assert f"iam-access-key enrol --secret {ARN}" in done.err
    assert host.run("status").out == "nothing is stored\n"


def test_status_shows_no_secret(enrolled: Host, account: Account) -> None:
    """Ids, versions, times and acknowledgements, as a text or as JSON."""
    enrolled.run("credentials")
    account.rotate()
    enrolled.let_the_interval_pass()
    enrolled.run("credentials", "--consumer", "ci-runner-7")
    text, document = enrolled.run("status"), enrolled.run("status", "--json")
    (row,) = json.loads(document.out)
    assert (text.code, document.code) == (0, 0)
    assert [key["accessKeyId"] for key in row["keys"]] == [key.pair.access_key_id for key in enrolled.state.keys]
    assert (row["consumer"], row["acknowledged"], row["refused"]) == ("ci-runner-7", False, False)
    assert 0 <= row["secondsSinceLastRead"] < 600
    for key in account.keys.values():
        assert key.access_key_id in text.out
        assert key.secret_access_key not in text.out + document.out


def test_status_names_a_file_that_is_corrupted(enrolled: Host) -> None:
    """Its secret can't be known from it."""
    enrolled.store.path.write_text("{")
    done = enrolled.run("status")
    assert done.code == 1
    assert (
        f"{enrolled.store.path} is corrupted; get the current key and run: iam-access-key reseed --secret ARN"
        in done.out
    )


@pytest.mark.parametrize("arn", [ARN.rpartition("-")[0], "deploy", f"{ARN}:AWSCURRENT::"])
def test_secret_is_named_by_its_full_arn(host: Host, arn: str) -> None:
    """Secrets Manager takes less, but whoever gets an acknowledgement compares it."""
    assert main(["credentials", "--secret", arn]) == 1
    assert "full ARN" in host.capture.readouterr().err


def test_user_agent_names_the_consumer(host: Host, account: Account) -> None:
    """CloudTrail tells who has moved."""
    host.enrol(account.rotate(), "--consumer", "ci-runner-7")
    (read,) = [call for call in account.calls if call.action == "GetSecretValue"]
    assert "iam-access-key-client/" in read.user_agent
    assert read.user_agent.endswith(" consumer/ci-runner-7")


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 65, "a/b", "ü"])
def test_other_names_are_refused(host: Host, name: str) -> None:
    """The provider knows letters, digits and ._- only."""
    with pytest.raises(SystemExit):
        main(["acknowledge", "--secret", ARN, f"--consumer={name}"])
    assert "1 to 64 letters" in host.capture.readouterr().err


def test_calls_of_a_minute_read_once(enrolled: Host, account: Account) -> None:
    """The store is written no more often, either."""
    enrolled.let_the_interval_pass()
    account.rotate()
    enrolled.run("credentials")
    written = enrolled.store.path.stat().st_mtime_ns
    for _ in range(200):
        enrolled.run("credentials")
    assert account.count("GetSecretValue") == 1
    assert enrolled.store.path.stat().st_mtime_ns == written


def test_renewal_that_comes_second_reads_nothing(enrolled: Host, account: Account) -> None:
    """Two see that the interval is over; one has renewed before the other looks for the lock."""
    new = account.rotate()
    enrolled.let_the_interval_pass()
    attempted = locks.attempted

    @contextmanager
    def preceded(path: Path) -> Iterator[bool]:
        with enrolled.patch.context() as patch:
            patch.setattr(locks, "attempted", attempted)
            assert enrolled.run("credentials").key_id == new.access_key_id
        with attempted(path) as alone:
            yield alone

    enrolled.patch.setattr(locks, "attempted", preceded)
    assert enrolled.run("credentials").key_id == new.access_key_id
    assert account.count("GetSecretValue") == 1


def test_profile_of_the_environment_does_not_matter(enrolled: Host, account: Account) -> None:
    """It is the one that calls this program, or is missing."""
    new = account.rotate()
    enrolled.let_the_interval_pass()
    assert enrolled.run("credentials", AWS_PROFILE="nowhere").key_id == new.access_key_id


def test_file_is_written_when_it_changes(enrolled: Host, account: Account) -> None:
    """The command runs after a change only; the mode of the file stays, and a link stays a link."""
    ran, real, link = enrolled.home / "ran", enrolled.home / "real.env", enrolled.home / "key.env"
    real.write_text("old")
    real.chmod(0o644)
    link.symlink_to(real)
    arguments = (str(link), "--format", "env", "--then", printed(ran))
    assert enrolled.run("write", *arguments).code == 0
    assert enrolled.run("write", *arguments).code == 0
    assert ran.read_text() == "run\n"
    new = account.rotate()
    enrolled.let_the_interval_pass()
    assert enrolled.run("write", *arguments).code == 0
    assert ran.read_text() == "run\nrun\n"
    assert real.read_text() == (
        f"AWS_ACCESS_KEY_ID={new.access_key_id}\nAWS_SECRET_ACCESS_KEY={new.secret_access_key}\n"
    )
    assert stat.S_IMODE(real.stat().st_mode) == 0o644
    assert link.is_symlink()
    assert sorted(path.name for path in enrolled.home.iterdir()) == [".aws", "key.env", "ran", "real.env"]


def test_two_secrets_in_one_file_wait_for_each_other(enrolled: Host) -> None:
    """Two timers at once: no profile is lost, and no half of a file is seen."""
    other = ARN[:-6] + "GhIjKl"
    Store(other, enrolled.store.folder).put(replace(enrolled.state, secret_arn=other))
    path = enrolled.home / "credentials"
    words = ["write", str(path), "--format", "credentials", "--profile"]
    second = Thread(target=main, args=([*words, "b", "--secret", other],))
    call = os.replace

    def late(old: Path, new: Path) -> None:
        if new == path and not second.ident:
            second.start()
            second.join(0.5)
        call(old, new)

    enrolled.patch.setattr("os.replace", late)
    assert enrolled.run(*words, "a").code == 0
    second.join()
    assert [line for line in path.read_text().splitlines() if line.startswith("[")] == ["[a]", "[b]"]


def test_command_that_does_not_end_is_told(enrolled: Host) -> None:
    """Who waits for its file gives up with a message: nobody would learn of it otherwise."""
    path = enrolled.home / "key.env"
    enrolled.patch.setattr("iam_access_key_client.store._PATIENCE", 0.1)
    with enrolled.start("write", str(path), "--then", "exec sleep 3") as process:
        while not path.exists():
            time.sleep(0.01)
        done = enrolled.run("write", str(path))
        process.kill()
    assert (done.code, str(path) in done.err) == (1, True)


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_only_a_file_is_replaced(enrolled: Host, kind: str) -> None:
    """Somebody has AWS_CONFIG_FILE=/dev/null, or writes to /dev/stdout, as root."""
    path = enrolled.home / "it"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(enrolled.home / "pipe")
        path.symlink_to(enrolled.home / "pipe")
    for done in (
        enrolled.run("write", str(path)),
        enrolled.run("enrol", "--yes", "--profile", "x", **environment(enrolled), AWS_CONFIG_FILE=str(path)),
    ):
        assert (done.code, "no regular file" in done.err) == (1, True)
    assert not path.is_file()


def test_file_keeps_its_attributes(enrolled: Host) -> None:
    """Linux keeps access control lists and SELinux's labels in them; but it is a file of now."""
    path = enrolled.home / "key.env"
    path.write_text("old")
    os.utime(path, (1, 1))
    try:
        os.setxattr(path, "user.test", b"1")
    except OSError:
        pytest.skip("a file system without attributes")
    assert enrolled.run("write", str(path)).code == 0
    assert os.getxattr(path, "user.test") == b"1"
    assert time.time() - path.stat().st_mtime < 60


@pytest.mark.parametrize("name", ["chmod", "chown"])
def test_no_other_file_gets_the_mode_and_owner(enrolled: Host, name: str) -> None:
    """Root writes into the folder of a user, who puts a link there in the place of the new file."""
    path, victim = enrolled.home / "key.env", enrolled.home / "victim"
    path.write_text("old")
    victim.write_text("")
    before = victim.stat()
    call = getattr(os, name)

    def swapped(*arguments: object, **options: object) -> None:
        new = path.with_name(f".{path.name}.iam-access-key")
        new.unlink()
        new.symlink_to(victim)
        call(*arguments, **options)

    path.chmod(0o666)
    if name == "chown":
        if os.getuid():
            pytest.skip("only root gives files away")
        os.chown(path, 65534, 65534)
    enrolled.patch.setattr(os, name, swapped)
    enrolled.run("write", str(path))
    after = victim.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_folder_that_cannot_be_synchronized_is_no_error(host: Host, account: Account) -> None:
    """CIFS, and folders of Windows in WSL, refuse that; the file is there."""
    call = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        call(descriptor)

    host.patch.setattr("os.fsync", fsync)
    assert host.enrol(account.rotate()).err == ""


def test_command_that_failed_runs_again(enrolled: Host) -> None:
    """Until it succeeds, without another change of the file."""
    ran, path = enrolled.home / "ran", enrolled.home / "key.env"
    fail = enrolled.home / "ran.fail"
    fail.touch()
    arguments = (str(path), "--then", printed(ran))
    assert [enrolled.run("write", *arguments).code for _ in range(2)] == [1, 1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    fail.unlink()
    assert [enrolled.run("write", *arguments).code for _ in range(2)] == [0, 0]
    assert ran.read_text() == "run\n" * 3
    path.write_text("edited by hand")
    fail.touch()
    assert enrolled.run("write", *arguments).code == 1
    fail.unlink()
    assert [enrolled.run("write", *arguments).code for _ in range(2)] == [0, 0]
    assert ran.read_text() == "run\n" * 5


def test_formats_of_a_file(enrolled: Host, account: Account) -> None:
    """JSON, a profile among others, and a template, whatever its encoding and its ends of lines."""
    path, template = enrolled.home / "file", enrolled.home / "template"
    (key,) = account.keys.values()
    enrolled.run("write", str(path), "--format", "json")
    assert json.loads(path.read_text()) == {
        "accessKeyId": key.access_key_id,
        "secretAccessKey": key.secret_access_key,
    }
    path.write_text("[other]\nregion = x\n")
    enrolled.run("write", str(path), "--format", "credentials", "--profile", "ci")
    assert path.read_text() == (
        "[other]\nregion = x\n\n[ci]\n"
        f"aws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n"
    )
    template.write_text("{x} {access_key_id}:{secret_access_key|url}\n")
    enrolled.run("write", str(path), "--format", "template", "--template", str(template))
    encoded = key.secret_access_key.replace("/", "%2F").replace("+", "%2B")
    assert path.read_text() == f"{{x}} {key.access_key_id}:{encoded}\n"
    template.write_bytes(b"# \xfc\r\nkey={secret_access_key}\r\n")
    enrolled.run("write", str(path), "--format", "template", "--template", str(template))
    assert path.read_bytes() == b"# \xfc\r\nkey=%s\r\n" % key.secret_access_key.encode()
    template.write_text("nothing")
    before = path.read_bytes()
    done = enrolled.run("write", str(path), "--format", "template", "--template", str(template))
    assert (done.code, path.read_bytes()) == (1, before)
    assert enrolled.run("write", str(path), "--format", "template").code == 1


def test_command_gets_the_key_in_its_environment(enrolled: Host) -> None:
    """And nothing that an SDK would take before; its code is the code of `exec`."""
    enrolled.patch.setenv("AWS_PROFILE", "x")
    enrolled.patch.setenv("AWS_SESSION_TOKEN", "x")
    process = enrolled.start(
        "exec", "--", "sh", "-c", 'echo "$AWS_ACCESS_KEY_ID $AWS_PROFILE$AWS_SESSION_TOKEN"; exit 7'
    )
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (7, f"{enrolled.state.current.pair.access_key_id} \n", "")
    for command in ("no-such-command", str(enrolled.home), ""):
        process = enrolled.start("exec", "--", command)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err.count("\n")) == (127, 1), command


def test_command_ignores_no_signal(enrolled: Host) -> None:
    """Python ignores SIGPIPE for itself; a command that inherits that goes on when nobody reads its output."""
    out, _ = enrolled.start("exec", "--", "grep", "SigIgn", "/proc/self/status").communicate(timeout=30)
    ignored = int(out.split()[1], 16)
    assert not [number for number in (signal.SIGPIPE, signal.SIGXFSZ) if ignored >> (number - 1) & 1]


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_streams_may_be_closed(enrolled: Host, account: Account, closed: str) -> None:
    """A daemon may have closed them: nothing but the key is on standard output, and no file takes their place."""
    account.failing["GetSecretValue"] = "InternalFailure"
    enrolled.let_the_interval_pass()
    command = f"{sys.executable} -m iam_access_key_client $0 --secret {ARN}"
    run = partial(
        subprocess.run,
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        capture_output=True,
        check=False,
        timeout=30,
    )
    done = run(["sh", "-c", f"{command} {closed}", "credentials"])
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 4)
    done = run(["sh", "-c", f"{command} -- ls -l /proc/self/fd {closed}", "exec"])
    assert all(f" {number} -> {enrolled.home}".encode() not in done.stdout for number in range(3))
    done = run(["sh", "-c", f"{command} {closed}", "reseed"])
    assert (done.returncode, b"Traceback" in done.stderr) == (1, False)


def test_line_that_cannot_be_written_costs_no_key(enrolled: Host, account: Account) -> None:
    """The disk of the log is full during an outage of AWS."""
    account.failing["GetSecretValue"] = "InternalFailure"
    enrolled.let_the_interval_pass()
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m iam_access_key_client credentials --secret {ARN} 2>/dev/full"],
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 4)


@pytest.mark.parametrize("refusal", [EOFError, KeyboardInterrupt])
def test_prompt_may_be_left(host: Host, refusal: type[BaseException]) -> None:
    """By Ctrl-C and Ctrl-D: a line, no traceback, nothing stored."""

    def prompt(_: str) -> str:
        raise refusal

    host.patch.setattr("sys.stdin", Terminal())
    host.patch.setattr("builtins.input", prompt)
    done = host.run("enrol")
    assert (done.code, done.err.count("\n"), host.store.path.exists()) == (1, 1, False)


def test_commands_that_have_ended_leave_one_mark(enrolled: Host) -> None:
    """The next one takes it away, though nobody acknowledges anything."""
    for _ in range(3):
        enrolled.start("exec", "--", "true").communicate(timeout=30)
    assert len(list(enrolled.store.folder.glob("*.use-*"))) == 1


def test_keyring_holds_the_secrets(host: Host, account: Account) -> None:
    """The file has none, and a key that is dropped is taken out of the keyring."""
    ring: dict[tuple[str, str], str] = {}

    class Keyring:
        @staticmethod
        def set_password(service: str, name: str, secret: str) -> None:
            ring[service, name] = secret

        @staticmethod
        def get_password(service: str, name: str) -> str | None:
            return ring.get((service, name))

        @staticmethod
        def delete_password(service: str, name: str) -> None:
            del ring[service, name]

    host.patch.setitem(__import__("sys").modules, "keyring", Keyring)
    keys = [account.rotate()]
    host.enrol(keys[0], "--keyring")
    for _ in range(2):
        keys.append(account.rotate())
        host.let_the_interval_pass()
        assert host.run("credentials").key_id == keys[-1].access_key_id
    assert [name for _, name in ring] == [key.access_key_id for key in keys[1:]]
    assert not any(key.secret_access_key in host.store.path.read_text() for key in keys)

    def locked(*_: str) -> None:
        raise RuntimeError("locked")

    new = account.rotate()
    host.let_the_interval_pass()
    with host.patch.context() as patch:
        patch.setattr(Keyring, "set_password", locked)
        done = host.run("credentials")
        assert (done.code, done.key_id, done.err.count("\n")) == (0, new.access_key_id, 1)
        patch.setattr(Keyring, "get_password", locked)
        done = host.run("credentials")
        assert (done.code, "keyring failed: RuntimeError" in done.err) == (1, True)
    ring.clear()
    assert "reseed" in host.run("credentials").err
    host.patch.setitem(__import__("sys").modules, "keyring", None)
    assert "iam-access-key-client[keyring]" in host.run("credentials").err


def test_file_system_without_locks_stops_no_key(enrolled: Host, account: Account) -> None:
    """Such as some on a network: what can't be locked is not written, and the key is given out."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    new = account.rotate()
    enrolled.let_the_interval_pass()
    enrolled.patch.setattr("iam_access_key_client.locks._take", refuse)
    done = enrolled.run("credentials")
    assert (done.code, done.key_id, done.err.count("\n")) == (0, new.access_key_id, 1)


@pytest.mark.parametrize("arguments", [("credentials",), ("enrol", "--yes", "--home", "/elsewhere")])
def test_user_without_a_home_is_told(host: Host, arguments: tuple[str, ...]) -> None:
    """As in a container; the message names the settings. Enrolment needs a place for profiles as well."""
    host.patch.setattr("os.path.expanduser", str)
    done = host.run(*arguments, AWS_ACCESS_KEY_ID="AKIAI44QH8DHBEXAMPLE", AWS_SECRET_ACCESS_KEY="a" * 40)
    assert (done.code, "IAM_ACCESS_KEY_HOME" in done.err, "AWS_CONFIG_FILE" in done.err) == (1, True, True)


@pytest.mark.parametrize("text", [b"# \xfc\n", b"[a]\nx = 1\n[a]\n", b"x = 1\n"])
@pytest.mark.parametrize("name", ["config", "credentials"])
def test_file_that_botocore_cannot_parse_stops_no_key(enrolled: Host, account: Account, name: str, text: bytes) -> None:
    """Another encoding, a section twice: programs in other languages bear that."""
    new = account.rotate()
    (enrolled.home / ".aws" / name).write_bytes(text)
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials")
    assert (done.key_id, done.err) == (new.access_key_id, "")


@pytest.mark.parametrize("as_option", [False, True])
@pytest.mark.parametrize("text", ["~/keys", "keys"])
def test_home_means_the_same_for_an_sdk(host: Host, account: Account, text: str, as_option: bool) -> None:  # noqa: FBT001
    """A unit file and `--home=~/keys` leave the tilde to this program; an SDK runs the command in another folder."""
    host.patch.chdir(host.home)
    if not as_option:
        host.patch.setenv("IAM_ACCESS_KEY_HOME", text)
    host.enrol(account.rotate(), *(["--home", text] if as_option else []))
    assert list((host.home / "keys").iterdir())
    assert f"--home {host.home / 'keys'}\n" in (host.home / ".aws" / "config").read_text()


def test_home_is_where_it_is_said(host: Host, account: Account) -> None:
    """IAM_ACCESS_KEY_HOME, which the profile's command then names, because an SDK may run without it."""
    key = account.rotate()
    elsewhere = host.home / "else where"
    host.patch.setenv("IAM_ACCESS_KEY_HOME", str(elsewhere))
    host.enrol(key)
    assert f'--home "{elsewhere}"' in (host.home / ".aws" / "config").read_text()
    assert list(elsewhere.iterdir())
    host.patch.delenv("IAM_ACCESS_KEY_HOME")
    assert host.run("credentials").code == 1
    assert host.run("credentials", "--home", str(elsewhere)).key_id == key.access_key_id
