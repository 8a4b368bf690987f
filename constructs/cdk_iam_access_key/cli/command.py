"""The command line: what an operator says, what is shown, and how it ends."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cdk_iam_access_key.cli.errors import RefusedError
from cdk_iam_access_key.cli.operations import Operations, connect
from cdk_iam_access_key.cli.status_table import active_previous_keys, printable, remarks, status_table

if TYPE_CHECKING:
    from collections.abc import Callable

    Report = dict[str, Any]

DONE, REFUSED, WRONG_USE, ABORTED = 0, 1, 2, 3

_DESCRIPTION = """\
Show the access keys of a secret, make the previous key current again, make a new one, deactivate the previous one, or
acknowledge the current one for a consumer.

With your AWS credentials, which need secretsmanager:DescribeSecret on the secret, ssm:GetParametersByPath on
/cdk-iam-access-key/, dynamodb:GetItem on the provider's table, and lambda:GetFunctionConfiguration and
lambda:InvokeFunction on the provider's function. No secret is read.
"""
_EXIT_CODES = f"""\
exit codes: {DONE} done, {REFUSED} refused or failed, {WRONG_USE} wrong arguments, {ABORTED} not confirmed
"""
_HELP = {
    "show": "show the keys, and what an undo would do",
    "undo": "make the previous key Active and current again, deactivate the current one unless consumers need it",
    "rotate": "make a new key current now; the previous one retires as after each rotation",
    "acknowledge": "say that a consumer has the current key, for one that can't do it with the client",
    "retire": "deactivate the previous key now, as when it has leaked, whatever its grace period and its last use",
}


def main(arguments: Sequence[str] | None = None, connect: "Callable[..., Operations]" = connect) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: What follows the program's name; that of this process if left out.
        connect: Makes what a command talks to AWS with, from a secret, a region and a profile.
    """
    given = _parser().parse_args(arguments)
    try:
        operations = connect(given.secret, region=given.region, profile=given.profile)
        report = operations.show()
        _write(status_table(report))
        if given.command == "show":
            _write(remarks(report))
            return DONE
        return _change(given, operations, report)
    except RefusedError as error:
        _write(printable(error), error=True)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cdk_iam_access_key",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in _HELP.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--secret", required=True, metavar="NAME_OR_ARN", help="the secret that holds the key")
        command.add_argument(
            "--region", help="the secret's region; that of the ARN or of your configuration if left out"
        )
        command.add_argument("--profile", help="a profile of your AWS configuration")
        if name == "acknowledge":
            command.add_argument("--consumer", required=True, metavar="NAME", help="one that the key waits for")
        if name != "show":
            command.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _change(given: argparse.Namespace, operations: Operations, report: "Report") -> int:
    _write(_EFFECTS[given.command](report))
    if not given.yes and not _agreed(given.command):
        _write("nothing was changed", error=True)
        return ABORTED
    after: Report = getattr(operations, given.command)(*([given.consumer] if given.command == "acknowledge" else []))
    _write(status_table(after))
    if given.command == "acknowledge":
        _write(remarks(after))
    return DONE


def _effect_of_undo(report: "Report") -> str:
    if report.get("undoRestores") is None:
        raise RefusedError(f"nothing to undo: {report.get('undoRefused', 'the provider says no more')}")
    restored = printable(report["undoRestores"])
    other = "stays Active until its consumers have that one" if report.get("undoWaits") else "becomes Inactive"
    return f"{restored} becomes Active and current again, the key that is current {other}"


def _effect_of_rotate(report: "Report") -> str:
    del report
    return "a new key becomes current, the key that is current becomes the previous one"


def _effect_of_acknowledge(report: "Report") -> str:
    current = next((key for key in report["keys"] if key["state"] == "current"), None)
    if current is None:
        raise RefusedError("nothing to acknowledge: no key is current")
    return (
        f"{printable(current['accessKeyId'])} counts as the key that the consumer uses; the previous one may be retired"
    )


def _effect_of_retire(report: "Report") -> str:
    previous = active_previous_keys(report)
    if not previous:
        raise RefusedError("nothing to retire: no previous key is Active")
    return f"{' and '.join(previous)} becomes Inactive, in use or not"


_EFFECTS: "dict[str, Callable[[Report], str]]" = {
    "undo": _effect_of_undo,
    "rotate": _effect_of_rotate,
    "retire": _effect_of_retire,
    "acknowledge": _effect_of_acknowledge,
}


def _agreed(command: str) -> bool:
    _write(f"{command.capitalize()}? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _write(text: str, *, error: bool = False, end: str = "\n") -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(text + end)
    stream.flush()
