"""The demo tells the life of a key, and says so when anything in it is not as expected."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

import demo.__main__ as command_line
from demo.keyring import Keyring
from demo.report import Report
from local_cloud import CdkError, CdkResult, LocalCloud, LocalCloudError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS")
# Runs `python -m demo --keep` in another directory, up to the first expectation that does not hold.
KEEPING = """
import sys, pathlib, demo.__main__, local_cloud
class Cdk:
    def __init__(self, cloud): pass
    def bootstrap(self): return local_cloud.CdkResult((), 0, "", 0.0)
demo.__main__.CdkCli = Cdk
demo.__main__._KEPT = pathlib.Path(sys.argv[1])
sys.exit(demo.__main__.main(["--keep"]))
"""
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def instead_of_cdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[[], CdkResult]], list[int]]:
    """Put a function in the place of the CDK command line; gives the processes of the accounts it ran against."""
    accounts = []

    def replace(run: Callable[[], CdkResult]) -> list[int]:
        class Replacement:
            output = tmp_path

            def __init__(self, cloud: LocalCloud) -> None:
                accounts.append(cloud.pid)

            def bootstrap(self) -> CdkResult:
                return run()

        monkeypatch.setattr(command_line, "CdkCli", Replacement)
        return accounts

    return replace


def does_nothing() -> CdkResult:
    """Succeed without any effect."""
    return CdkResult(("bootstrap",), 0, "", 0.0)


def fails() -> CdkResult:
    """Fail as the CDK command line does."""
    output = "\n".join(["the beginning", *["..."] * 100, "the bucket is on fire"])
    raise CdkError("exit code 7", CdkResult(("bootstrap",), 7, output, 0.0))


def is_interrupted() -> CdkResult:
    """Get a Ctrl-C."""
    raise KeyboardInterrupt


def runs(pid: int) -> bool:
    """Tell whether a process group exists."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, 0)
        return True
    return False


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """Give what was printed, however it was wrapped."""
    return " ".join(capsys.readouterr().out.split())


def test_the_demo_takes_a_key_through_its_life(tmp_path: Path) -> None:
    """All expectations hold, the text is plain and fits 80 columns, and nothing is left on the machine."""
    environment = {name: value for name, value in os.environ.items() if name not in COLOURS}

    run = subprocess.run(
        [sys.executable, "-m", "demo"],
        cwd=ROOT,
        env={**environment, "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert not run.stderr
    assert "\x1b" not in run.stdout
    assert max(len(line) for line in run.stdout.splitlines()) <= 80
    assert re.findall(r"^\d/9  (.+)$", run.stdout, re.MULTILINE) == [
        "Bootstrap",
        "Deploy",
        "Show",
        "Rotate",
        "Rotate, then fail on purpose",
        "Deactivate",
        "Activate",
        "Destroy",
        "Look back",
    ]
    assert re.findall(r"^ +\$ (.+)$", run.stdout, re.MULTILINE) == [
        "cdk bootstrap",
        "cdk deploy",
        "cdk deploy -c serial=2",
        "cdk deploy -c serial=3 -c fail=true",
        "cdk deploy -c serial=2 -c status=Inactive",
        "cdk deploy -c serial=2",
        "cdk destroy",
    ]
    rows = re.findall(r"^ +(AKIA\w+) +(\w+) .*?(\w+)$", run.stdout, re.MULTILINE)
    first, second, third = dict.fromkeys(key for key, _, _ in rows)
    gone = ("deleted", "InvalidClientTokenId")
    off = ("Inactive", "InvalidClientTokenId")
    on = ("Active", "accepted")
    assert [(status, answer) for key, status, answer in rows if key == first] == [on, off, gone, gone, gone, gone]
    assert [(status, answer) for key, status, answer in rows if key == second] == [on, on, off, on, gone]
    assert [(status, answer) for key, status, answer in rows if key == third] == [gone, gone, gone, gone]
    assert "secret access keys found in output, templates and logs: none" in run.stdout
    assert re.search(r"^All \d+ expectations hold\.$", run.stdout, re.MULTILINE)
    assert not list(tmp_path.glob("local-cloud-*"))


def test_an_expectation_that_does_not_hold_ends_the_demo(
    instead_of_cdk: Callable[[Callable[[], CdkResult]], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1, the reason says what was expected and what is, and the account is stopped."""
    accounts = instead_of_cdk(does_nothing)

    assert command_line.main([]) == 1

    text = said(capsys)
    assert "expected: CREATE_COMPLETE found: absent" in text
    assert "The demo failed: 'the stack is CREATE_COMPLETE' does not hold in step 1, 'Bootstrap'" in text
    assert "expectations hold" not in text
    assert not any(map(runs, accounts))


def test_a_command_that_fails_is_quoted(
    instead_of_cdk: Callable[[Callable[[], CdkResult]], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """When `cdk` fails, the end of its output and the function's log are shown, and the exit code is 1."""
    instead_of_cdk(fails)

    assert command_line.main([]) == 1

    text = said(capsys)
    assert "expected: exit code 0 found: exit code 7" in text
    assert "the bucket is on fire" in text
    assert "the beginning" not in text
    assert "The function's log of this step" in text


def test_ctrl_c_stops_the_account(
    instead_of_cdk: Callable[[Callable[[], CdkResult]], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C the exit code is 130 and nothing goes on running."""
    accounts = instead_of_cdk(is_interrupted)

    assert command_line.main([]) == 130

    assert "interrupted" in said(capsys)
    assert len(accounts) == 1
    assert not runs(accounts[0])


def test_a_kept_account_goes_on_running(tmp_path: Path) -> None:
    """With --keep the account outlives the demo, which says how to use it and won't run on it a second time."""
    command = [sys.executable, "-c", KEEPING, str(tmp_path / "kept")]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    running = LocalCloud.attach(tmp_path / "kept")
    try:
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

        assert "python -m local_cloud down" in first.stdout
        assert second.returncode == 1
        assert f"an account runs at {running.endpoint_url}" in second.stdout
        assert running.client("iam").list_users()["Users"] == []
    finally:
        running.stop()


def test_an_interrupted_account_is_not_kept(
    instead_of_cdk: Callable[[Callable[[], CdkResult]], list[int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C stops the account even with --keep, and removes its directory."""
    monkeypatch.setattr(command_line, "_KEPT", tmp_path / "kept")
    instead_of_cdk(is_interrupted)

    assert command_line.main(["--keep"]) == 130

    assert not (tmp_path / "kept").exists()
    with pytest.raises(LocalCloudError):
        LocalCloud.attach(tmp_path / "kept")


@pytest.mark.parametrize(
    "text",
    [
        f"secret: {SECRET}.",
        f"{SECRET[:20]}\n     {SECRET[20:]}",
        SECRET.replace("/", "%2F").replace("+", "%2B"),
        *(base64.b64encode(f"{'x' * before}{SECRET} and more".encode()).decode() for before in range(5)),
        *(base64.urlsafe_b64encode(f"{'x' * before}{SECRET}".encode()).decode() for before in range(5)),
    ],
)
def test_a_secret_is_found_wherever_it_is_written(text: str) -> None:
    """The search finds a secret access key in plain, wrapped, quoted and base64 text, and does not show it."""
    keyring = Keyring(LocalCloud())
    keyring.add(f'{{"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "{SECRET}"}}')

    found = keyring.leaks({"a log": text.encode(), "an output": b"nothing to see"})

    assert found == ["AKIAIOSFODNN7EXAMPLE in a log"]
    assert SECRET not in repr(keyring._keys)


def test_what_the_demo_prints_is_searched_too() -> None:
    """A secret access key that the demo itself printed, wrapped in a narrow place, is found."""
    keyring = Keyring(LocalCloud())
    keyring.add(f'{{"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "{SECRET}"}}')
    report = Report(Console(record=True, file=io.StringIO(), width=30))

    report.facts({"Name": SECRET})

    assert keyring.leaks({"what was printed": report.printed.encode()}) == ["AKIAIOSFODNN7EXAMPLE in what was printed"]


def test_what_others_wrote_is_quoted_without_secrets() -> None:
    """A secret access key in a text that the demo quotes is blotted out, and the rest stays."""
    keyring = Keyring(LocalCloud())
    keyring.add(f'{{"accessKeyId": "AKIAIOSFODNN7EXAMPLE", "secretAccessKey": "{SECRET}"}}')

    assert keyring.redacted(f"wrote {SECRET} to the log") == "wrote [secret access key] to the log"


@pytest.mark.parametrize("value", ["", "[]", "{}", '{"accessKeyId": "AKIAIOSFODNN7EXAMPLE"}', "not JSON"])
def test_a_value_of_another_shape_is_no_key(value: str) -> None:
    """A secret that holds something else adds no key to sign calls with."""
    keyring = Keyring(LocalCloud())

    keyring.add(value)

    assert not keyring.ids
