"""The command `iam-access-key`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from iam_access_key_client import __version__
from iam_access_key_client.client import Client, note
from iam_access_key_client.errors import ClientError
from iam_access_key_client.files import expanded
from iam_access_key_client.secret_arn import region_of
from iam_access_key_client.state import DEFAULT_INTERVAL
from iam_access_key_client.store import DEFAULT_FOLDER, Store, stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iam_access_key_client.state import KeyPair

_CONSUMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DURATION = re.compile(r"(\d{1,7})([smh]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_NOT_CONFIRMED = 3
_COMMANDS = {
    "enrol": "take the first key pair from the environment, standard input or a prompt, and set a profile up",
    "credentials": "print the key for an AWS SDK; the setting credential_process calls this",
    "exec": "run a command with the key in its environment",
    "write": "keep the key in a file, for a program that takes no credential_process",
    "status": "show what is stored, without secrets",
    "reseed": "take a key pair as enrol does, for a secret that is stored already; no profile is changed",
    "acknowledge": "tell the provider that this consumer has the stored key, or the one in the environment",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tell what is wrong with the arguments, without what may be a secret among them."""
        super().error(re.sub(r"[A-Za-z0-9/+=]{30,}", "***", message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command. Return 0 if done, 1 if it failed, 2 for wrong arguments, 3 if not confirmed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller: the next file that is opened would take its place
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - stays open
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Not by argparse: what follows belongs to the command that is run.
    words, command = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    parser = _parser()
    options = parser.parse_args(words)
    if (options.command == "exec") != bool(command):
        parser.error("exec, and only exec, takes a command after --")
    try:
        return int(_run(options, command))
    except (ClientError, OSError, UnicodeError) as error:
        note(str(error))
        return 1
    except (EOFError, KeyboardInterrupt):
        note("stopped")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="iam-access-key", allow_abbrev=False, description="An IAM access key that follows its rotation."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, description in _COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description, allow_abbrev=False)
        command.add_argument("--secret", metavar="ARN", required=name != "status", help="the full ARN of the secret")
        command.add_argument(
            "--home",
            default=os.environ.get("IAM_ACCESS_KEY_HOME"),
            metavar="FOLDER",
            help="of what is stored; IAM_ACCESS_KEY_HOME if left out",
        )
        if name != "status":
            command.add_argument(
                "--consumer",
                type=_consumer,
                required=name == "acknowledge",
                metavar="NAME",
                help="the name under which this host acknowledges a key; stored",
            )
        if name in {"enrol", "credentials", "exec", "write"}:
            command.add_argument(
                "--interval",
                type=_duration,
                default=DEFAULT_INTERVAL,
                metavar="TIME",
                help="how long before the secret is read again: 1800, 30m (the default), 2h",
            )
        if name in {"enrol", "reseed"}:
            command.add_argument("--fields", type=_fields, metavar="ID,SECRET", help="the names in the secret's JSON")
            command.add_argument(
                "--keyring", action="store_true", default=None, help="keep the secrets in the system's keyring"
            )
        if name == "enrol":
            command.add_argument("--profile", default="default", help="the profile to set up; default if left out")
            command.add_argument("--yes", action="store_true", help="don't ask")
        if name == "write":
            command.add_argument("file", metavar="FILE", type=Path)
            command.add_argument("--format", choices=("env", "credentials", "json", "template"), default="env")
            command.add_argument(
                "--template", type=Path, metavar="FILE", help="has {access_key_id}, {secret_access_key}"
            )
            command.add_argument("--profile", default="default", help="of a credentials file")
            command.add_argument("--then", metavar="CMD", help="run after a change, again next time if it fails")
        if name == "status":
            command.add_argument("--json", action="store_true")
    return parser


def _run(options: argparse.Namespace, command: Sequence[str]) -> int:
    folder = expanded(options.home or DEFAULT_FOLDER)
    if options.command == "status":
        return _status(options, folder)
    region_of(options.secret)
    store = Store(options.secret, folder)
    client = Client(store, interval=getattr(options, "interval", 0), consumer=options.consumer)
    if options.command == "credentials":
        pair, until = client.credentials()
        document = {
            "Version": 1,
            "AccessKeyId": pair.access_key_id,
            "SecretAccessKey": pair.secret_access_key,
            "Expiration": _moment(until),
        }
        print(json.dumps(document))
        return 0
    if options.command == "exec":
        return client.run(command)
    if options.command == "write":
        return _write(options, client)
    from iam_access_key_client import enrolment  # noqa: PLC0415 - slow

    if options.command == "enrol":
        return 0 if enrolment.enrol(options, client, store) else _NOT_CONFIRMED
    if options.command == "reseed":
        enrolment.reseed(options, client, store)
    else:
        enrolment.acknowledge(options, client, store)
    return 0


def _write(options: argparse.Namespace, client: Client) -> int:
    from iam_access_key_client.formats import rendered  # noqa: PLC0415 - slow

    if (options.format == "template") != bool(options.template):
        raise ClientError("--format template, and only that, needs --template FILE")
    template = options.template.read_bytes().decode("utf-8", "surrogateescape") if options.template else ""

    def render(pair: KeyPair, found: str) -> str:
        return rendered(options.format, pair, found=found, profile=options.profile, template=template)

    return 0 if client.write(options.file, render, options.then) else 1


def _status(options: argparse.Namespace, folder: Path) -> int:
    """Show what is stored. Return 1 if some of it can't be used."""
    rows = [_row(store) for store in ([Store(options.secret, folder)] if options.secret else stored(folder))]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        print("nothing is stored")
    else:
        for row in rows:
            print("\n".join(f"{name}: {_shown(value)}" for name, value in row.items()), end="\n\n")
    return 1 if any("error" in row or row["refused"] for row in rows) else 0


def _row(store: Store) -> dict[str, Any]:
    try:
        state = store.load()
    except ClientError as error:
        return {"secretArn": store.secret_arn, "error": str(error)}
    now = time.time()
    return {
        "secretArn": state.secret_arn,
        "keys": [
            {
                "accessKeyId": key.pair.access_key_id,
                "current": key is state.current,
                "versionId": key.version_id,
                "givenOutUntil": _moment(key.given_out_until) if key.given_out_until else None,
            }
            for key in state.keys
        ],
        "lastRead": _moment(state.read_at) if state.read_at else None,
        "secondsSinceLastRead": int(now - state.read_at) if state.read_at else None,
        "lastTryFailed": state.tried_at != state.read_at,
        "refused": state.refused,
        "consumer": state.consumer,
        "acknowledged": state.acknowledged is not None and state.acknowledged == state.current.version_id,
        "acknowledgedVersionId": state.acknowledged,
        "files": dict(state.files),
        "inKeyring": state.in_keyring,
    }


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "".join("\n  " + ", ".join(f"{name} {_shown(part)}" for name, part in one.items()) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, {}) else "-"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _consumer(text: str) -> str:
    if not _CONSUMER.fullmatch(text):
        raise argparse.ArgumentTypeError("must be 1 to 64 letters, digits and ._-, beginning with a letter or a digit")
    return text


def _duration(text: str) -> int:
    match = _DURATION.fullmatch(text)
    seconds = int(match.group(1)) * _SECONDS[match.group(2)] if match else 0
    if not seconds:
        raise argparse.ArgumentTypeError("must be a number of seconds, or minutes or hours, such as 1800, 30m or 2h")
    return seconds


def _fields(text: str) -> tuple[str, str]:
    names = text.split(",")
    if len(names) != 2 or not all(names):  # noqa: PLR2004 - a pair
        raise argparse.ArgumentTypeError("must be two names with a comma between them")
    return names[0], names[1]
