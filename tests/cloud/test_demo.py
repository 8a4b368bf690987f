"""The demo tells the life of a key, and says so when anything in it is not as expected."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

import demo.__main__ as command_line
from demo.keyring import Keyring
from demo.report import Report
from local_cloud import CdkError, CdkResult, LocalCloud, LocalCloudError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from demo.expectations import Expectation
    from demo.rotation_journey import RotationJourney
    from demo.steps import Step

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS")
# Runs `python -m demo --keep` in another directory, up to the first expectation that does not hold.
KEEPING = """
import sys, pathlib, demo.__main__, local_cloud
class Cdk:
    output = pathlib.Path(sys.argv[1])
    def __init__(self, cloud, app=None): pass
    def bootstrap(self): return local_cloud.CdkResult((), 0, "", 0.0)
demo.__main__.CdkCli = Cdk
demo.__main__._KEPT = pathlib.Path(sys.argv[1])
sys.exit(demo.__main__.main(["--keep"]))
"""
ON = ("Active", "accepted")
OFF = ("Inactive", "InvalidClientTokenId")
GONE = ("deleted", "InvalidClientTokenId")
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def instead_of_cdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[[], CdkResult]], list[int]]:
    """Put a function in the place of the CDK command line; gives the processes of the accounts it ran against."""
    accounts: list[int] = []

    def replace(run: Callable[[], CdkResult]) -> list[int]:
        class Replacement:
            output = tmp_path

            def __init__(self, cloud: LocalCloud, *, app: Sequence[str] | None = None) -> None:
                if app is None:
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


@dataclass(frozen=True)
class Story:
    """What one run of the demo printed, checked for what is true of every run."""

    text: str

    @classmethod
    def of(cls, part: str, directory: Path) -> Story:
        """Run a part of the demo as a user does; nothing is left on the machine."""
        environment = {name: value for name, value in os.environ.items() if name not in COLOURS}
        run = subprocess.run(
            [sys.executable, "-m", "demo", "--steps", part],
            cwd=ROOT,
            env={**environment, "TMPDIR": str(directory), "PYTHONIOENCODING": "utf-8"},
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
        assert "secret access keys found in output, templates, logs and events: none" in run.stdout
        assert re.search(r"^All \d+ expectations hold\.$", run.stdout, re.MULTILINE)
        assert not list(directory.glob("local-cloud-*"))
        return cls(run.stdout)

    @property
    def titles(self) -> list[str]:
        """The titles of the steps."""
        return re.findall(r"^\d/\d  (.+)$", self.text, re.MULTILINE)

    @property
    def commands(self) -> list[str]:
        """The commands that were run, as far as they fit into a line."""
        return re.findall(r"^ +\$ (.+)$", self.text, re.MULTILINE)

    @property
    def keys(self) -> list[list[tuple[str, str]]]:
        """What each look saw of each key, its status and the answer to a call, in the order the keys were made."""
        rows = re.findall(r"^ +(AKIA\w+) +(\w+) .*?(\w+)$", self.text, re.MULTILINE)
        rows = [row for row in rows if row[1] in {"Active", "Inactive", "deleted"}]
        return [[row[1:] for row in rows if row[0] == key] for key in dict.fromkeys(key for key, _, _ in rows)]


@pytest.mark.thorough
def test_the_demo_takes_a_key_through_its_life(tmp_path: Path) -> None:
    """The short journey: all expectations hold, and each look sees each key as it should be."""
    story = Story.of("basic", tmp_path)

    assert story.titles == [
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
    assert story.commands == [
        "cdk bootstrap",
        "cdk deploy",
        "cdk deploy -c serial=2 -c grace=0",
        "cdk deploy -c serial=3 -c grace=0 -c fail=true",
        "cdk deploy -c serial=2 -c grace=0 -c status=Inactive",
        "cdk deploy -c serial=2 -c grace=0",
        "cdk destroy",
    ]
    first, second, third = story.keys
    assert first == [ON, OFF, GONE, GONE, GONE, GONE]
    assert second == [ON, ON, OFF, ON, GONE]
    assert third == [OFF, OFF, OFF, GONE]


@pytest.mark.thorough
def test_the_demo_rotates_and_goes_back_while_nobody_deploys(tmp_path: Path) -> None:
    """The journey of rotation: what is used is kept, what is unused goes, and both ways back restore the same key."""
    story = Story.of("rotation", tmp_path)

    assert story.titles == [
        "Bootstrap",
        "Deploy a key that rotates by itself",
        "Rotate while a client uses the old key",
        "The client stops",
        "Rotate, and an alarm goes off",
        "Secrets Manager rotates",
        "Undo",
        "Destroy",
        "Look back",
    ]
    app = '--app "python demo/rotation_app.py"'
    assert story.commands[:-2] == [
        "cdk bootstrap",
        f"cdk deploy {app}",
        f"cdk deploy {app} -c serial=2",
        f"cdk deploy {app} -c serial=3 -c grace=600",
    ]
    assert story.commands[-2].startswith("python -m cdk_iam_access_key undo --secret")
    assert story.commands[-1] == f"cdk destroy {app}"
    assert re.search(
        r"^ +Event +Access Key Retirement Postponed\n.*\n +Last use +last used .* by s3", story.text, re.MULTILINE
    )
    old, kept, bad, native = story.keys
    assert old == [ON, ON, OFF, *[GONE] * 6]
    assert kept == [ON, ON, ON, ON, ON, ON, ON, GONE]
    assert bad == [ON, OFF, GONE, GONE, GONE]
    assert native == [ON, OFF, GONE]


@pytest.mark.thorough
def test_the_demo_shows_a_consumer_that_renews_itself(tmp_path: Path) -> None:
    """The journey of a consumer: no call fails by `credential_process`, and from a plain file all do in the end."""
    story = Story.of("consumer", tmp_path)

    assert story.titles == [
        "Bootstrap",
        "Deploy a key that waits for its consumer",
        "Enrol a machine",
        "Secrets Manager rotates",
        "A quarter of an hour later",
        "Rotate, then undo",
        "Destroy",
        "Look back",
    ]
    renewing = re.search(r"^ +Calls by credential_process +(\d+), of which (\d+) accepted$", story.text, re.MULTILINE)
    plain = re.search(r"^ +Calls with a plain file +(\d+), of which (\d+) accepted$", story.text, re.MULTILINE)
    assert renewing
    assert plain
    assert int(renewing[1]) == int(renewing[2]) > 100
    assert int(plain[1]) > int(plain[2]) > 50
    assert re.search(r"^ +Missing +ci-runner-7$", story.text, re.MULTILINE)
    old, kept, undone = story.keys
    assert old == [ON, ON, ON, OFF, *[GONE] * 3]
    assert kept == [ON, ON, ON, ON, ON, GONE]
    assert undone == [ON, ON, GONE]
    assert not list(tmp_path.glob("machine-*"))


def test_without_a_choice_all_journeys_are_made(
    monkeypatch: pytest.MonkeyPatch, instead_of_cdk: Callable[[Callable[[], CdkResult]], list[int]]
) -> None:
    """One account, prepared once and looked back at once."""
    taken: list[str] = []
    instead_of_cdk(does_nothing)

    def note(steps: Sequence[Step], *_: object) -> bool:
        taken.extend(step.title for step in steps)
        return True

    monkeypatch.setattr(command_line, "take", note)

    assert command_line.main([]) == 0

    assert taken.count("Destroy") == 3
    assert taken.count("Bootstrap") == taken.count("Look back") == 1
    assert {"Deactivate", "Undo", "Enrol a machine"} < set(taken)


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


@pytest.mark.thorough
def test_a_wait_ends_in_time_and_says_what_was_found(
    instead_of_cdk: Callable[[Callable[[], CdkResult]], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What never becomes true is an expectation that does not hold; what becomes true ends the wait at once."""
    instead_of_cdk(does_nothing)
    found: list[Expectation] = []

    def wait(journey: RotationJourney) -> list[Step]:
        statuses = iter(["Active", "Active", "Inactive"])
        found.append(journey._driver.wait("it is off", lambda: next(statuses), "Inactive", seconds=30))
        found.append(journey._driver.wait("it is gone", lambda: "Inactive", "deleted", seconds=1))
        return []

    monkeypatch.setattr(command_line.RotationJourney, "steps", wait)
    command_line.main(["--steps", "rotation"])

    assert [expectation.holds for expectation in found] == [True, False]
    assert found[1].found == "Inactive, after 1 s"


@pytest.mark.thorough
def test_ctrl_c_stops_the_account(
    instead_of_cdk: Callable[[Callable[[], CdkResult]], list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C the exit code is 130 and nothing goes on running."""
    accounts = instead_of_cdk(is_interrupted)

    assert command_line.main([]) == 130

    assert "interrupted" in said(capsys)
    assert len(accounts) == 1
    assert not runs(accounts[0])


@pytest.mark.thorough
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
