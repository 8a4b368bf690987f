"""The command line, against the responses of AWS's own service models."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from cdk_iam_access_key.cli import operations
from cdk_iam_access_key.cli.command import ABORTED, DONE, REFUSED, main

ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:deploy-key-AbCdEf"
FUNCTION = "Stack-AccessKeyProviderFunction-X"
OLD, NEW = "AKIAOLDOLDOLDOLDOLD1", "AKIANEWNEWNEWNEWNEW1"


def statement(old: str = "previous", **undo: str) -> dict[str, Any]:
    """Return what the function answers: two keys, of which one is current."""
    new = "current" if old == "previous" else "previous"
    return {
        "secretArn": ARN,
        "userName": "deploy",
        "keys": [
            {"accessKeyId": OLD, "status": "Active", "role": old, "nextLook": "2026-11-24T09:00:00+00:00"},
            {"accessKeyId": NEW, "status": "Active", "role": new, "created": "2026-11-24T08:00:00+00:00"},
        ],
        **undo,
    }


class Account:
    """Secrets Manager and Lambda, each of which answers the calls that are announced and no others."""

    def __init__(self) -> None:
        """Make the two clients."""
        self.regions: list[str | None] = []
        self._clients = {
            name: boto3.client(name, "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
            for name in ("secretsmanager", "lambda")
        }
        self.stubs = {name: Stubber(client) for name, client in self._clients.items()}
        for stub in self.stubs.values():
            stub.activate()

    def client(self, name: str, **_: Any) -> Any:
        """Return the client of a service, as a session does."""
        return self._clients[name]

    def has_secret(self, secret: str = ARN, **tags: str) -> None:
        """Announce that the secret is described."""
        answer = {"ARN": ARN, "Tags": [{"Key": f"cdk-iam-access-key:{key}", "Value": tags[key]} for key in tags]}
        self.stubs["secretsmanager"].add_response("describe_secret", answer, {"SecretId": secret})

    def answers(self, operation: str, payload: Any, **more: Any) -> None:
        """Announce that the function is called once for an operation, and what it returns."""
        content = json.dumps(payload).encode()
        body = StreamingBody(io.BytesIO(content), len(content))
        event = json.dumps({"Operation": operation, "SecretId": ARN}).encode()
        self.stubs["lambda"].add_response(
            "invoke", {"StatusCode": 200, "Payload": body, **more}, {"FunctionName": FUNCTION, "Payload": event}
        )


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """Put an account in the place of AWS, and look in the end that everything announced was called."""
    account = Account()

    def session(*, region_name: str | None, profile_name: str | None) -> Account:
        assert profile_name is None
        account.regions.append(region_name)
        return account

    monkeypatch.setattr(operations.boto3, "Session", session)
    yield account
    for stub in account.stubs.values():
        stub.assert_no_pending_responses()


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Answer the question."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_show_lists_the_keys_and_says_what_undo_would_do(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """A secret given by its name is found, and every key has its row."""
    account.has_secret("deploy-key", function=FUNCTION)
    account.answers("Show", statement(undoRestores=OLD))
    assert main(["show", "--secret", "deploy-key", "--region", "eu-west-1"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"user deploy, secret {ARN}"
    assert lines[1].split("  ")[0] == "ACCESS KEY ID"
    assert lines[2].split() == [OLD, "Active", "previous", "-", "-", "-", "2026-11-24T09:00:00+00:00"]
    assert lines[3].split() == [NEW, "Active", "current", "2026-11-24T08:00:00+00:00", "-", "-", "-"]
    assert lines[4] == f"undo: makes {OLD} current again"


def test_show_says_why_there_is_nothing_to_undo(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no failure that there is nothing to go back to."""
    account.has_secret(function=FUNCTION)
    account.answers("Show", statement(undoRefused="it is the only key"))
    assert main(["show", "--secret", ARN]) == DONE
    assert capsys.readouterr().out.splitlines()[-1] == "undo: refused, it is the only key"
    assert account.regions == ["eu-west-1"]


def test_undo_shows_asks_and_shows(
    account: Account, say: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before and after stand below each other, the question between them."""
    account.has_secret(function=FUNCTION)
    account.answers("Show", statement(undoRestores=OLD))
    account.answers("Undo", statement("current", undoRefused="it was taken back"))
    say("y\n")
    assert main(["undo", "--secret", ARN]) == DONE
    before, _, after = capsys.readouterr().out.partition("Go back? [y/N] ")
    assert f"{OLD} becomes Active and current again" in before
    assert "previous" in [line for line in before.splitlines() if line.startswith(OLD)][0]  # noqa: RUF015 - the one
    assert "current" in [line for line in after.splitlines() if line.startswith(OLD)][0]  # noqa: RUF015 - the one


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yeah\n"], ids=["no", "enter", "end of file", "another word"])
def test_undo_changes_nothing_unless_confirmed(account: Account, say: Callable[[str], None], answer: str) -> None:
    """Whatever is not yes is no, and the function is not asked to undo."""
    account.has_secret(function=FUNCTION)
    account.answers("Show", statement(undoRestores=OLD))
    say(answer)
    assert main(["undo", "--secret", ARN]) == ABORTED


def test_undo_asks_nothing_with_yes(
    account: Account, say: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A script confirms beforehand."""
    account.has_secret(function=FUNCTION)
    account.answers("Show", statement(undoRestores=OLD))
    account.answers("Undo", statement("current", undoRefused="it was taken back"))
    say("n\n")
    assert main(["undo", "--secret", ARN, "--yes"]) == DONE
    assert "Go back?" not in capsys.readouterr().out


def test_undo_is_refused_with_the_reason(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing to go back to, the function is asked to show only."""
    account.has_secret(function=FUNCTION)
    account.answers("Show", statement(undoRefused="it is the only key"))
    assert main(["undo", "--secret", ARN, "--yes"]) == REFUSED
    assert capsys.readouterr().err == "nothing to undo: it is the only key\n"


def test_failure_of_the_function_is_told(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """Its message is shown, and neither its type nor its trace."""
    account.has_secret(function=FUNCTION)
    account.answers("Show", statement(undoRestores=OLD))
    failure = {"errorMessage": "a deployment is changing the key", "errorType": "ConflictError", "stackTrace": ["x"]}
    account.answers("Undo", failure, FunctionError="Unhandled")
    assert main(["undo", "--secret", ARN, "--yes"]) == REFUSED
    assert capsys.readouterr().err == "a deployment is changing the key\n"


@pytest.mark.parametrize("payload", [{}, None], ids=["no message", "nothing"])
def test_failure_without_a_message_points_to_the_log(
    account: Account, capsys: pytest.CaptureFixture[str], payload: Any
) -> None:
    """A function that ran out of memory says nothing itself."""
    account.has_secret(function=FUNCTION)
    account.answers("Show", payload, FunctionError="Unhandled")
    assert main(["show", "--secret", ARN]) == REFUSED
    assert "the function failed without a message; its log says more" in capsys.readouterr().err


def test_secret_of_somebody_else_is_refused(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """A secret without the provider's tag names no function to call."""
    account.has_secret(owner="somebody")
    assert main(["show", "--secret", ARN]) == REFUSED
    assert "has no tag cdk-iam-access-key:function: it holds no key" in capsys.readouterr().err


@pytest.mark.parametrize("service", ["secretsmanager", "lambda"])
def test_what_aws_refuses_is_told(account: Account, capsys: pytest.CaptureFixture[str], service: str) -> None:
    """A missing secret or permission is one line, and no trace."""
    if service == "secretsmanager":
        account.stubs[service].add_client_error("describe_secret", "ResourceNotFoundException", "no such secret")
    else:
        account.has_secret(function=FUNCTION)
        account.stubs[service].add_client_error("invoke", "AccessDeniedException", "not authorized")
    assert main(["show", "--secret", ARN]) == REFUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert ("no such secret" if service == "secretsmanager" else "not authorized") in line


@pytest.mark.parametrize("arguments", [[], ["undo"], ["show", "--yes", "--secret", ARN], ["delete", "--secret", ARN]])
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Argparse shows how it is meant."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: python -m cdk_iam_access_key" in capsys.readouterr().err


def test_module_runs_without_node(tmp_path: Path) -> None:
    """In an emergency nothing but Python is needed: the CDK, which starts Node, is not even imported."""
    program = (
        "import sys\nfrom cdk_iam_access_key.cli import command\n"
        "try:\n    command.main(['--help'])\nexcept SystemExit as ended:\n    assert ended.code == 0\n"
        "assert 'aws_cdk' not in sys.modules and 'jsii' not in sys.modules\n"
    )
    root = str(Path(__file__).parents[2] / "constructs")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "exit codes: 0 done, 1 refused or failed, 2 wrong arguments, 3 not confirmed" in done.stdout
    module = subprocess.run(
        [sys.executable, "-m", "cdk_iam_access_key"],
        cwd=tmp_path,
        env={"PYTHONPATH": root},
        capture_output=True,
        check=False,
    )
    assert module.returncode == 2
