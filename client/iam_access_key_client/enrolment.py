"""Bring the first key to this host, and acknowledge one by hand."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iam_access_key_client import files, profiles
from iam_access_key_client.client import note
from iam_access_key_client.errors import ClientError, NotEnrolledError
from iam_access_key_client.secret_value import find_pair
from iam_access_key_client.state import DEFAULT_INTERVAL

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from iam_access_key_client.client import Client
    from iam_access_key_client.state import KeyPair
    from iam_access_key_client.store import Store


def enrol(options: argparse.Namespace, client: Client, store: Store) -> bool:
    """Check and store a key pair, and point a profile at this program after showing the change.

    Returns:
        Whether that was confirmed. Nothing is stored or changed if not.

    Raises:
        ClientError: The key or the profile can't be used.
        OSError: A file can't be written.
    """
    command = profiles.command_line(_credential_process(options))
    pair = first_pair(options.fields)
    changes = profiles.planned(options.profile, command, pair.access_key_id)
    for change in changes:
        print(change.shown())
    if changes and not options.yes and not _is_confirmed():
        return False
    state = client.enrol(pair, fields=options.fields, in_keyring=options.keyring)
    for change in changes:
        change.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with store.alone_with(change.path):
            files.replace(change.path, change.made(files.read(change.path)))
    if "AWS_ACCESS_KEY_ID" in os.environ:
        print("take AWS_ACCESS_KEY_ID out of the environment: SDKs use it before the profile, and it gets no new key")
    print(f"profile {options.profile} gets its key here; it is {state.current.pair.access_key_id} now")
    return True


def reseed(options: argparse.Namespace, client: Client, store: Store) -> None:
    """Check and store a key pair for a secret that has a file here, corrupted or not. Raises ClientError or OSError."""
    if not store.path.exists():
        store.load()
    state = client.enrol(first_pair(options.fields), fields=options.fields, in_keyring=options.keyring)
    print(f"the key is {state.current.pair.access_key_id} now")


def acknowledge(options: argparse.Namespace, client: Client, store: Store) -> None:
    """Acknowledge the stored key, or the one in the environment where none is stored. Raises ClientError or OSError."""
    try:
        pair = store.load().current.pair
    except NotEnrolledError as error:
        found = _pair_of_environment(os.environ)
        if found is None:
            raise ClientError(f"{error}; or put a key pair into the environment") from None
        pair = found
    client.acknowledge(pair, options.consumer)
    print(f"{options.consumer} has key {pair.access_key_id}: acknowledged")


def first_pair(fields: tuple[str, str] | None = None) -> KeyPair:
    """Take a key pair from the environment, else from standard input, else from a prompt that shows nothing.

    Raises:
        ClientError: There is none.
    """
    pair = _pair_of_environment(os.environ)
    if pair:
        return pair
    if not sys.stdin.isatty():
        text = sys.stdin.read()
        if not text.strip():
            raise ClientError(
                "no key pair: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the secret on standard input"
            )
        return find_pair(text, fields)
    return _pair(input("Access key id: "), getpass.getpass("Secret access key (not shown): "))


def _pair_of_environment(environment: Mapping[str, str]) -> KeyPair | None:
    access_key_id, secret = (environment.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if not access_key_id or not secret:
        return None
    if environment.get("AWS_SESSION_TOKEN"):
        raise ClientError("the environment has temporary credentials (AWS_SESSION_TOKEN); a key pair is needed")
    return _pair(access_key_id, secret)


def _pair(access_key_id: str, secret: str) -> KeyPair:
    """Take what may have blanks, quotes or the end of a line around it: a file for Docker keeps them."""
    return find_pair(f"AccessKeyId={access_key_id}\nSecretAccessKey={secret}")


def _is_confirmed() -> bool:
    if not sys.stdin.isatty():
        raise ClientError("nobody can be asked here; pass --yes to make these changes")
    confirmed = input("Make these changes? [y/N] ").strip().lower() in {"y", "yes"}
    if not confirmed:
        note("nothing was changed")
    return confirmed


def _credential_process(options: argparse.Namespace) -> list[str]:
    """Return the command for the profile: absolute, because SDKs expand nothing and search in different ways."""
    script = shutil.which(sys.argv[0])
    named = script is not None and Path(script).stem == "iam-access-key"
    if script and named:
        program = [os.path.abspath(script)]  # noqa: PTH100 - a symbolic link may be meant
    else:  # -P, since Python 3.11: the folder where an SDK runs may have a json.py of its own
        program = [sys.executable, *(["-P"] if sys.version_info >= (3, 11) else []), "-m", "iam_access_key_client"]
    parts = [*program, "credentials", "--secret", options.secret]
    if options.home:
        parts += ["--home", str(files.expanded(options.home).absolute())]
    if options.interval != DEFAULT_INTERVAL:
        parts += ["--interval", str(options.interval)]
    return parts
