"""Where a secret's keys are on this host: one file a secret, for nobody but its owner."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from iam_access_key_client import files, locks
from iam_access_key_client.errors import ClientError, CorruptedError, NotEnrolledError
from iam_access_key_client.state import KeyPair, State, StoredKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SCHEMA = 1
_PATIENCE = 30
_KEYRING = "iam-access-key"
DEFAULT_FOLDER = "~/.aws/iam-access-key"


class Store:
    """Keeps the state of one secret.

    Args:
        secret_arn: The secret.
        folder: Where its file is.
        path: The file, if its name does not follow from the secret.
    """

    def __init__(self, secret_arn: str, folder: Path, path: Path | None = None) -> None:
        self.secret_arn, self.folder = secret_arn, folder
        self.path = path or folder / f"{_digest(secret_arn)}.json"
        # Who holds this one talks to AWS.
        self.renewal_lock = self.path.with_suffix(".renewal-lock")

    def command(self, name: str) -> str:
        """Return what to run for this secret and this folder."""
        return f'iam-access-key {name} --secret {self.secret_arn} --home "{self.folder}"'

    @contextmanager
    def alone_with(self, target: str | Path) -> Iterator[None]:
        """Keep others that have this folder from a file, whichever secret they write there.

        Raises:
            ClientError: Somebody has had it for half a minute: a command after --then that does not end.
        """
        with locks.attempted(self.folder / f"{_digest(os.path.realpath(target))}.write-lock", _PATIENCE) as alone:
            if not alone:
                raise ClientError(f"another process is at work on {target}; nothing was done")
            yield

    def load(self) -> State:
        """Return what is stored.

        Raises:
            NotEnrolledError: Nothing is.
            CorruptedError: It can't be read.
        """
        again = self.command("reseed")
        try:
            return _state(json.loads(self.path.read_bytes()), self.secret_arn)
        except FileNotFoundError:
            raise NotEnrolledError(
                f"nothing is stored for {self.secret_arn} in {self.folder}; run: {self.command('enrol')}"
            ) from None
        except (ValueError, TypeError, LookupError, AttributeError):
            raise CorruptedError(f"{self.path} is corrupted; get the current key and run: {again}") from None
        except OSError as error:
            raise CorruptedError(f"{self.path} can't be read ({error.strerror}); mend that, or run: {again}") from None

    def update(self, change: Callable[[State], State]) -> State:
        """Change what is stored, alone. Return what is stored then.

        Raises:
            ClientError: Nothing that can be read is stored.
            OSError: It can't be written; the former state stays.
        """
        with locks.held(self.path.with_suffix(".lock")):
            found = self.load()
            state = change(found)
            if state != found:
                self._write(state, found)
        return state

    def put(self, state: State) -> None:
        """Store a state, whatever is there. Raises OSError."""
        self.make_folder()
        with locks.held(self.path.with_suffix(".lock")):
            try:
                found = self.load()
            except ClientError:
                found = None
            self._write(state, found)

    def make_folder(self) -> None:
        """Make the folder, for nobody but the owner. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.folder.stat().st_mode & 0o077 and os.name != "nt":
            self.folder.chmod(0o700)

    def _write(self, state: State, found: State | None) -> None:
        """Put secrets into the keyring before the file names them, and take them out after it has ceased to."""
        if state.in_keyring:
            for key in state.keys:
                _in_keyring("set_password", key.pair.access_key_id, key.pair.secret_access_key)
        files.replace(self.path, json.dumps(_document(state), indent=1), private=True)
        kept = {key.pair.access_key_id for key in state.keys} if state.in_keyring else set()
        for key in found.keys if found and found.in_keyring else ():
            if key.pair.access_key_id not in kept:
                with suppress(OSError):  # what is stored does not need it any more
                    _in_keyring("delete_password", key.pair.access_key_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def stored(folder: Path) -> list[Store]:
    """Return what is stored in a folder, corrupted or not."""
    return [Store(_stored_arn(path), folder, path) for path in sorted(folder.glob("*.json"))]


def _stored_arn(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["secretArn"])
    except (OSError, ValueError, TypeError, LookupError):
        return "ARN"


def _document(state: State) -> dict[str, Any]:
    return {
        "schemaVersion": _SCHEMA,
        "secretArn": state.secret_arn,
        "keys": [
            {
                "accessKeyId": key.pair.access_key_id,
                **({} if state.in_keyring else {"secretAccessKey": key.pair.secret_access_key}),
                "versionId": key.version_id,
                "givenOutUntil": key.given_out_until,
            }
            for key in state.keys
        ],
        "readAt": state.read_at,
        "triedAt": state.tried_at,
        "refused": state.refused,
        "consumer": state.consumer,
        "acknowledged": state.acknowledged,
        "acknowledgedAt": state.acknowledged_at,
        "fields": state.fields,
        "files": dict(state.files),
        "inKeyring": state.in_keyring,
    }


def _state(document: dict[str, Any], secret_arn: str) -> State:
    if document["schemaVersion"] != _SCHEMA or document["secretArn"] != secret_arn:
        raise ValueError("of another schema or secret")
    in_keyring = bool(document["inKeyring"])
    keys = [_key(key, in_keyring=in_keyring) for key in document["keys"]]
    fields = document["fields"]
    return State(
        secret_arn=secret_arn,
        current=keys[0],
        previous=keys[1] if keys[1:] else None,
        read_at=float(document["readAt"]),
        tried_at=float(document["triedAt"]),
        refused=bool(document["refused"]),
        consumer=document["consumer"],
        acknowledged=document["acknowledged"],
        acknowledged_at=float(document["acknowledgedAt"]),
        fields=(str(fields[0]), str(fields[1])) if fields else None,
        files={str(path): str(access_key_id) for path, access_key_id in document["files"].items()},
        in_keyring=in_keyring,
    )


def _key(document: dict[str, Any], *, in_keyring: bool) -> StoredKey:
    access_key_id = document["accessKeyId"]
    secret = _in_keyring("get_password", access_key_id) if in_keyring else document["secretAccessKey"]
    if not isinstance(access_key_id, str) or not isinstance(secret, str) or not secret:
        raise ValueError("no key")
    return StoredKey(KeyPair(access_key_id, secret), document["versionId"], float(document["givenOutUntil"]))


def _in_keyring(operation: str, *arguments: str) -> Any:
    """Call the keyring. Raises OSError for whatever its backend raises, without the arguments."""
    try:
        import keyring  # noqa: PLC0415 - an extra, and slow

        return getattr(keyring, operation)(_KEYRING, *arguments)
    except ImportError:
        raise ClientError("the keys are in the keyring: pip install 'iam-access-key-client[keyring]'") from None
    except Exception as error:  # noqa: BLE001 - each backend has its own
        raise OSError(errno.EIO, f"the keyring failed: {type(error).__name__}") from None
