"""The command line: what an operator says, what is shown, and how it ends."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cdk_iam_access_key.cli.operations import Operations, RefusedError, connect

if TYPE_CHECKING:
    from collections.abc import Callable

DONE, REFUSED, WRONG_USE, ABORTED = 0, 1, 2, 3

_DESCRIPTION = """\
Show the access keys of a secret, or make the previous key current again. With your AWS credentials, which need
secretsmanager:DescribeSecret on the secret and lambda:InvokeFunction on the provider's function. No secret is read.
"""
_EXIT_CODES = f"""\
exit codes: {DONE} done, {REFUSED} refused or failed, {WRONG_USE} wrong arguments, {ABORTED} not confirmed
"""
_COLUMNS = ("accessKeyId", "status", "role", "created", "replaced", "deactivated", "nextLook")
_TITLES = ("ACCESS KEY ID", "STATUS", "KEY", "CREATED", "REPLACED", "DEACTIVATED", "NEXT LOOK")


def main(arguments: Sequence[str] | None = None, connect: "Callable[..., Operations]" = connect) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: What follows the program's name; that of this process if left out.
        connect: Makes what a command talks to AWS with, from a region and a profile.
    """
    given = _parser().parse_args(arguments)
    try:
        operations = connect(given.secret, region=given.region, profile=given.profile)
        if given.command == "show":
            return _show(operations.show())
        return _undo(operations, confirmed=given.yes)
    except RefusedError as error:
        _write(str(error), error=True)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cdk_iam_access_key",
        description=_DESCRIPTION,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="show the keys, and what an undo would do")
    undo = commands.add_parser(
        "undo", help="make the previous key Active and current again, deactivate the current one"
    )
    for command in (show, undo):
        command.add_argument("--secret", required=True, metavar="NAME_OR_ARN", help="the secret that holds the key")
        command.add_argument(
            "--region", help="the secret's region; that of the ARN or of your configuration if left out"
        )
        command.add_argument("--profile", help="a profile of your AWS configuration")
    undo.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _show(statement: dict[str, Any]) -> int:
    _write(_table(statement))
    refused = statement.get("undoRefused")
    _write(f"undo: refused, {refused}" if refused else f"undo: makes {statement['undoRestores']} current again")
    return DONE


def _undo(operations: Operations, *, confirmed: bool) -> int:
    before = operations.show()
    _write(_table(before))
    if "undoRefused" in before:
        raise RefusedError(f"nothing to undo: {before['undoRefused']}")
    _write(f"{before['undoRestores']} becomes Active and current again, the key that is current becomes Inactive")
    if not confirmed and not _agreed():
        _write("nothing was changed", error=True)
        return ABORTED
    _write(_table(operations.undo()))
    return DONE


def _agreed() -> bool:
    _write("Go back? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _table(statement: dict[str, Any]) -> str:
    rows = [_TITLES, *(tuple(str(key.get(name, "-")) for name in _COLUMNS) for key in statement["keys"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([f"user {statement['userName']}, secret {statement['secretArn']}", *lines])


def _write(text: str, *, error: bool = False, end: str = "\n") -> None:
    stream = sys.stderr if error else sys.stdout
    stream.write(text + end)
    stream.flush()
