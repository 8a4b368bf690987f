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
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:Stack-AccessKeyProviderFunction-X"
TABLE, OTHER_TABLE = "Stack-Ledger-X", "Other-Ledger-Y"
OLD, NEW = "AKIAOLDOLDOLDOLDOLD1", "AKIANEWNEWNEWNEWNEW1"
TIMES = "2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z"
CHANGES = ["undo", "rotate", "retire"]


def report(old: str = "replaced", status: str = "Active", **more: Any) -> dict[str, Any]:
    """Return what the function responds: two keys, of which one is current."""
    new = "inactive" if old == "current" else "current"
    return {
        "secretArn": ARN,
        "userName": "deploy",
        "keys": [
            {"accessKeyId": OLD, "status": status, "state": old, "nextStep": TIMES[1], "lastUse": "never used"},
            {"accessKeyId": NEW, "status": "Active", "state": new, "created": TIMES[0]},
        ],
        "nextSweep": TIMES[1],
        "history": [f"{TIMES[0]} created {NEW}"],
        **more,
    }


def before(command: str) -> dict[str, Any]:
    """Return a state in which a command has something to do."""
    return report(undoRestores=OLD) if command == "undo" else report()


class Account:
    """The services that the command line calls, each of which answers the calls that are announced and no others."""

    def __init__(self) -> None:
        """Make the clients."""
        self.regions: list[str | None] = []
        self._clients = {
            name: boto3.client(name, "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
            for name in ("secretsmanager", "lambda", "ssm", "dynamodb")
        }
        self.stubs = {name: Stubber(client) for name, client in self._clients.items()}
        for stub in self.stubs.values():
            stub.activate()

    def client(self, name: str, **_: Any) -> Any:
        """Return the client of a service, as a session does."""
        return self._clients[name]

    def has_secret(self, secret: str = ARN, **tags: str) -> None:
        """Announce that the secret is described."""
        response = {"ARN": ARN, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        self.stubs["secretsmanager"].add_response("describe_secret", response, {"SecretId": secret})

    def has_parameters(self, *values: str) -> None:
        """Announce that the parameters are read, one a page."""
        for number, value in enumerate(values or ("",)):
            parameters = [{"Name": f"/cdk-iam-access-key/Stack/{number}", "Value": value}] if values else []
            more = {"NextToken": str(number)} if number + 1 < len(values) else {}
            asked = {"Path": "/cdk-iam-access-key/", "Recursive": True}
            self.stubs["ssm"].add_response(
                "get_parameters_by_path",
                {"Parameters": parameters, **more},
                asked | ({"NextToken": str(number - 1)} if number else {}),
            )

    def has_entry(self, table: str = TABLE, *, there: bool = True) -> None:
        """Announce that a ledger is asked for the secret's entry, of which the key alone is read."""
        self.stubs["dynamodb"].add_response(
            "get_item",
            {"Item": {"secretArn": {"S": ARN}}} if there else {},
            {
                "TableName": table,
                "Key": {"secretArn": {"S": ARN}},
                "ProjectionExpression": "secretArn",
                "ConsistentRead": True,
            },
        )

    def has_function(self, handler: str = "access_key_provider.main.handler", **variables: str) -> None:
        """Announce that the function's settings are looked up."""
        environment = {"ENTRY_POINTS": "provider", "LEDGER_TABLE": TABLE, **variables}
        self.stubs["lambda"].add_response(
            "get_function_configuration",
            {"Handler": handler, "Environment": {"Variables": environment}},
            {"FunctionName": FUNCTION},
        )

    def has_key(self) -> None:
        """Announce all that it takes to find the function."""
        self.has_secret()
        self.has_parameters(parameter())
        self.has_entry()
        self.has_function()

    def responds(self, operation: str, payload: Any, about: dict[str, str] | None = None, **more: Any) -> None:
        """Announce that the function is called once for an operation, and what it returns."""
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        body = StreamingBody(io.BytesIO(content), len(content))
        event = json.dumps({"Operation": operation, "SecretId": ARN, **(about or {})}).encode()
        self.stubs["lambda"].add_response(
            "invoke", {"StatusCode": 200, "Payload": body, **more}, {"FunctionName": FUNCTION, "Payload": event}
        )


def parameter(table: str = TABLE, function: str = FUNCTION) -> str:
    """Return the value of a parameter."""
    return json.dumps({"table": table, "function": function})


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


Capture = pytest.CaptureFixture[str]


def test_show_lists_the_keys_and_what_comes_next(account: Account, capsys: Capture) -> None:
    """Every key has its row, and a column is there if any key has a value for it."""
    account.has_key()
    account.responds("Show", report(undoRestores=OLD))
    assert main(["show", "--secret", ARN]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"user deploy, secret {ARN}"
    assert lines[1].split("  ")[0] == "ACCESS KEY ID"
    assert lines[1].split() == ["ACCESS", "KEY", "ID", "STATUS", "STATE", "CREATED", "NEXT", "STEP", "LAST", "USE"]
    assert lines[2].split() == [OLD, "Active", "replaced", "-", TIMES[1], "never", "used"]
    assert lines[3].split() == [NEW, "Active", "current", TIMES[0], "-", "-"]
    assert lines[4:] == [
        f"next sweep: {TIMES[1]}",
        f"undo: makes {OLD} current again",
        "history:",
        f"  {TIMES[0]} created {NEW}",
    ]
    assert account.regions == ["eu-west-1"]


def test_show_says_what_fails_and_why_nothing_can_be_undone(account: Account, capsys: Capture) -> None:
    """It is no failure of the command; a secret given by its name is found."""
    account.has_secret("deploy-key")
    account.has_parameters(parameter())
    account.has_entry()
    account.has_function()
    failing = {"since": TIMES[0], "reason": "not authorized"}
    account.responds("Show", report(undoRefused="it is the only key", failing=failing))
    assert main(["show", "--secret", "deploy-key", "--region", "eu-west-1"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert f"failing since {TIMES[0]}: not authorized" in lines
    assert "undo: refused, it is the only key" in lines


@pytest.mark.parametrize(
    ("command", "effect"),
    [
        ("undo", f"{OLD} becomes Active and current again, the key that is current becomes Inactive"),
        ("rotate", "a new key becomes current, the key that is current becomes the previous one"),
        ("retire", f"{OLD} becomes Inactive, in use or not"),
    ],
)
def test_a_change_shows_asks_and_shows(
    account: Account, say: Callable[[str], None], capsys: Capture, command: str, effect: str
) -> None:
    """The states before and after stand below each other, what will happen and the question between them."""
    account.has_key()
    account.responds("Show", before(command))
    account.responds(command.capitalize(), report("current"))
    say("y\n")
    assert main([command, "--secret", ARN]) == DONE
    first, _, second = capsys.readouterr().out.partition(f"{command.capitalize()}? [y/N] ")
    assert first.splitlines()[-1] == effect
    assert ("replaced" in first, "current" in second) == (True, True)


@pytest.mark.parametrize(
    ("more", "effect"),
    [
        ({"deliveries": {"optional": OLD}, "acknowledged": {"undeclared": {}}}, "becomes Inactive"),
        ({"undoWaits": True}, "stays Active until its consumers have that one"),
    ],
)
def test_an_undo_says_whether_it_waits(
    account: Account, say: Callable[[str], None], capsys: Capture, more: dict[str, Any], effect: str
) -> None:
    """The provider decides that: a delivery that is not required, or a name nobody waits for, keeps no key Active."""
    account.has_key()
    account.responds("Show", report(undoRestores=OLD, **more))
    say("n\n")
    assert main(["undo", "--secret", ARN]) == ABORTED
    assert f"the key that is current {effect}\n" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yeah\n"], ids=["no", "enter", "end of file", "another word"])
@pytest.mark.parametrize("command", CHANGES)
def test_nothing_is_changed_unless_confirmed(
    account: Account, say: Callable[[str], None], command: str, answer: str
) -> None:
    """Whatever is not yes is no, and the function is asked to show only."""
    account.has_key()
    account.responds("Show", before(command))
    say(answer)
    assert main([command, "--secret", ARN]) == ABORTED


@pytest.mark.parametrize("command", CHANGES)
def test_nothing_is_asked_with_yes(account: Account, say: Callable[[str], None], capsys: Capture, command: str) -> None:
    """A script confirms beforehand."""
    account.has_key()
    account.responds("Show", before(command))
    account.responds(command.capitalize(), report("current"))
    say("n\n")
    assert main([command, "--secret", ARN, "--yes"]) == DONE
    assert "[y/N]" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "state", "message"),
    [
        ("undo", report(undoRefused="it is the only key"), "nothing to undo: it is the only key\n"),
        ("undo", {}, "nothing to undo: the provider says no more\n"),
        ("retire", report("inactive", "Inactive"), "nothing to retire: no previous key is Active\n"),
        ("retire", report("replaced", "Inactive"), "nothing to retire: no previous key is Active\n"),
    ],
    ids=["only key", "no word", "none is Active", "somebody has deactivated it"],
)
def test_what_there_is_nothing_to_do_for_is_refused(
    account: Account, capsys: Capture, command: str, state: dict[str, Any], message: str
) -> None:
    """The function is asked to show only."""
    account.has_key()
    account.responds("Show", state)
    assert main([command, "--secret", ARN, "--yes"]) == REFUSED
    assert capsys.readouterr().err == message


def test_a_retired_key_that_somebody_has_activated_is_retired_again(account: Account, capsys: Capture) -> None:
    """A leaked key that works again, before the sweep has seen it."""
    account.has_key()
    account.responds("Show", report("inactive"))
    account.responds("Retire", report("inactive", "Inactive"))
    assert main(["retire", "--secret", ARN, "--yes"]) == DONE
    assert f"{OLD} becomes Inactive" in capsys.readouterr().out


@pytest.mark.parametrize("command", CHANGES)
def test_failure_of_the_function_is_reported(account: Account, capsys: Capture, command: str) -> None:
    """Its message is shown, and neither its type nor its trace."""
    account.has_key()
    account.responds("Show", before(command))
    failure = {"errorMessage": "a deployment is changing the key", "errorType": "ConflictError", "stackTrace": ["x"]}
    account.responds(command.capitalize(), failure, FunctionError="Unhandled")
    assert main([command, "--secret", ARN, "--yes"]) == REFUSED
    assert capsys.readouterr().err == "a deployment is changing the key\n"


@pytest.mark.parametrize("code", sorted(operations._GETTING_READY))
def test_a_function_that_was_idle_for_weeks_is_waited_for(account: Account, monkeypatch: Any, code: str) -> None:
    """Lambda refuses the first call, and gets the function ready; an operator may be the first to call in weeks."""
    monkeypatch.setattr("botocore.waiter.time.sleep", lambda _: None)
    account.has_key()
    account.stubs["lambda"].add_client_error("invoke", code, "not ready", http_status_code=502)
    for state in ("Inactive", "Pending", "Active"):
        account.stubs["lambda"].add_response("get_function_configuration", {"State": state}, {"FunctionName": FUNCTION})
    account.responds("Show", report())
    assert main(["show", "--secret", ARN]) == DONE


def test_a_function_that_does_not_get_ready_is_reported(account: Account, capsys: Capture) -> None:
    """As anything else that AWS refuses."""
    account.has_key()
    account.stubs["lambda"].add_client_error("invoke", "ResourceNotReadyException", "not ready")
    account.stubs["lambda"].add_response("get_function_configuration", {"State": "Failed"}, {"FunctionName": FUNCTION})
    assert main(["show", "--secret", ARN]) == REFUSED
    assert f"function {FUNCTION} can't be called: Waiter FunctionActive failed" in capsys.readouterr().err


@pytest.mark.parametrize("payload", [{}, None, b"not JSON"], ids=["no message", "nothing", "no JSON"])
def test_failure_without_a_message_points_to_the_log(account: Account, capsys: Capture, payload: Any) -> None:
    """A function that ran out of memory says nothing itself."""
    account.has_key()
    account.responds("Show", payload, FunctionError="Unhandled")
    assert main(["show", "--secret", ARN]) == REFUSED
    assert "the function failed without a message; its log says more" in capsys.readouterr().err


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\u2028\r\n"


def test_a_terminal_obeys_nothing_that_is_shown(account: Account, capsys: Capture) -> None:
    """Not what the function responds, wherever it puts it."""
    account.has_key()
    keys = [{name: f"{name}{HOSTILE}" for name in ("accessKeyId", "status", "state", "created", "note", "lastUse")}]
    failing = {"since": HOSTILE, "reason": HOSTILE}
    hostile = dict.fromkeys(("secretArn", "userName", "nextSweep", "undoRestores"), HOSTILE)
    account.responds("Show", {**hostile, "keys": [*keys, HOSTILE], "failing": failing, "history": [HOSTILE]})
    assert main(["show", "--secret", ARN]) == DONE
    shown = capsys.readouterr().out
    assert "accessKeyId]0;owned[2J31mgnp" in shown
    assert not set(shown) & set(HOSTILE) - set("]0;owned[2J31mgnp\n")
    assert len(shown.splitlines()) == 8


def test_a_terminal_obeys_no_error(account: Account, capsys: Capture) -> None:
    """Not the function's message either."""
    account.has_key()
    account.responds("Show", {"errorMessage": HOSTILE}, FunctionError="Unhandled")
    assert main(["show", "--secret", ARN]) == REFUSED
    assert capsys.readouterr().err == "]0;owned[2J31mgnp\n"


@pytest.mark.parametrize("shape", [[], {"keys": "none"}, {"keys": [1, None]}, {"history": 7, "failing": "x"}])
def test_a_response_of_another_shape_is_survived(account: Account, shape: Any) -> None:
    """It shows what there is, or says that the function failed."""
    account.has_key()
    account.responds("Show", shape)
    assert main(["show", "--secret", ARN]) == (REFUSED if shape == [] else DONE)


def test_tags_of_the_secret_decide_nothing(account: Account) -> None:
    """Whoever may tag the secret can't choose the function that is called."""
    tags = {"cdk-iam-access-key:function": "arn:aws:lambda:eu-west-1:111122223333:function:evil"}
    account.has_secret(**tags)
    account.has_parameters(parameter())
    account.has_entry()
    account.has_function()
    account.responds("Show", report(undoRestores=OLD))
    assert main(["show", "--secret", ARN]) == DONE


def test_the_ledger_that_has_the_entry_is_found(account: Account) -> None:
    """Among those of several stacks, and beside parameters that somebody else has put there."""
    account.has_secret()
    nonsense = ["", "{", "[]", "7", '{"table": "T1"}', parameter(table="../T"), parameter(function="evil"), "null"]
    account.has_parameters(*nonsense, parameter(OTHER_TABLE), parameter())
    account.has_entry(OTHER_TABLE, there=False)
    account.has_entry()
    account.has_function()
    account.responds("Show", report(undoRestores=OLD))
    assert main(["show", "--secret", ARN]) == DONE


@pytest.mark.parametrize("parameters", [[], [parameter()]], ids=["no stack", "no entry"])
def test_a_secret_that_no_ledger_knows_is_refused(account: Account, capsys: Capture, parameters: list[str]) -> None:
    """It holds no key of ours."""
    account.has_secret()
    account.has_parameters(*parameters)
    for _ in parameters:
        account.has_entry(there=False)
    assert main(["undo", "--secret", ARN, "--yes"]) == REFUSED
    assert f"no ledger of this account and region has an entry for secret {ARN}: it holds" in capsys.readouterr().err


def test_a_table_that_cannot_be_read_is_named(account: Account, capsys: Capture) -> None:
    """It may be the one that has the entry; another one that is found is used all the same."""
    for found in (False, True):
        account.has_secret()
        account.has_parameters(parameter(OTHER_TABLE), parameter())
        account.stubs["dynamodb"].add_client_error("get_item", "AccessDeniedException", "not authorized")
        account.has_entry(there=found)
        if found:
            account.has_function()
            account.responds("Show", report(undoRestores=OLD))
        assert main(["show", "--secret", ARN]) == (DONE if found else REFUSED)
        error = capsys.readouterr().err
        assert (f"could not be read: table {OTHER_TABLE}: " in error) is not found


def test_two_ledgers_with_an_entry_are_refused(account: Account, capsys: Capture) -> None:
    """One of them may be somebody else's; both parameters are named."""
    account.has_secret()
    account.has_parameters(parameter(), parameter(OTHER_TABLE))
    account.has_entry()
    account.has_entry(OTHER_TABLE)
    assert main(["undo", "--secret", ARN, "--yes"]) == REFUSED
    assert "by the parameters /cdk-iam-access-key/Stack/0, /cdk-iam-access-key/Stack/1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"handler": "index.handler"}, "it does not run the provider"),
        ({"ENTRY_POINTS": "worker"}, "it does not run the provider"),
        ({"LEDGER_TABLE": OTHER_TABLE}, f"it does not work with table {TABLE}"),
    ],
    ids=["another handler", "the worker", "another table"],
)
def test_a_function_that_is_none_of_ours_is_not_called(
    account: Account, capsys: Capture, settings: dict[str, str], why: str
) -> None:
    """Whoever has written the parameter."""
    account.has_secret()
    account.has_parameters(parameter())
    account.has_entry()
    account.has_function(**settings)
    assert main(["undo", "--secret", ARN, "--yes"]) == REFUSED
    error = capsys.readouterr().err
    assert f"function {FUNCTION} must not be called: {why}; the parameter /cdk-iam-access-key/Stack/0 names it" in error


@pytest.mark.parametrize(("old", "new"), [("eu-west-1", "eu-west-2"), ("111122223333", "444455556666")])
def test_a_function_of_another_place_is_not_called(account: Account, capsys: Capture, old: str, new: str) -> None:
    """Nor looked up: it is of another region or account than the secret."""
    account.has_secret()
    account.has_parameters(parameter(function=FUNCTION.replace(old, new)))
    account.has_entry()
    assert main(["show", "--secret", ARN]) == REFUSED
    assert "it is not in the secret's region and account, eu-west-1 and 111122223333" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("service", "call", "message"),
    [
        ("secretsmanager", "describe_secret", f"secret {ARN} can't be described: "),
        ("ssm", "get_parameters_by_path", "parameters under /cdk-iam-access-key/ can't be read: "),
        ("lambda", "get_function_configuration", f"function {FUNCTION} can't be looked up: "),
        ("lambda", "invoke", f"function {FUNCTION} can't be called: "),
    ],
    ids=lambda value: value if value.islower() and "_" in value else None,
)
def test_what_aws_refuses_is_reported(account: Account, capsys: Capture, service: str, call: str, message: str) -> None:
    """A missing secret or permission is one line, and no trace."""
    steps: dict[str, Callable[[], None]] = {
        "describe_secret": account.has_secret,
        "get_parameters_by_path": lambda: account.has_parameters(parameter()),
        "get_item": account.has_entry,
        "get_function_configuration": account.has_function,
    }
    for step, succeed in steps.items():
        if step == call:
            break
        succeed()
    account.stubs[service].add_client_error(call, "AccessDeniedException", "not authorized")
    assert main(["show", "--secret", ARN]) == REFUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(message)
    assert "not authorized" in line


@pytest.mark.parametrize("arguments", [[], ["undo"], ["show", "--yes", "--secret", ARN], ["delete", "--secret", ARN]])
def test_wrong_arguments_end_with_2(arguments: list[str], capsys: Capture) -> None:
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


def test_an_operator_acknowledges_for_a_consumer(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """The current key is shown, and who has it afterwards."""
    account.has_key()
    given = {"accessKeyId": NEW, "time": TIMES[1], "by": "operator"}
    after = report(acknowledged={"vendor-x": given, "ci-7": {}}, deliveries={"github": NEW, "wiki": ""})
    account.responds("Show", report())
    account.responds("Acknowledge", after, about={"Consumer": "vendor-x"})
    arguments = ["acknowledge", "--secret", ARN, "--consumer", "vendor-x", "--yes"]
    assert main(arguments) == DONE
    shown = capsys.readouterr().out
    assert f"{NEW} counts as the key that the consumer uses" in shown
    assert f"consumer vendor-x acknowledged {NEW} at {TIMES[1]}\nconsumer ci-7 acknowledged nothing\n" in shown
    assert f"delivery to github: {NEW}\ndelivery to wiki: none yet\n" in shown
