"""One secret on one host: what each command does, by the store, AWS and the clock."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from iam_access_key_client import locks
from iam_access_key_client.errors import ClientError, CorruptedError, NotEnrolledError, RefusedError, UnavailableError
from iam_access_key_client.state import State, StoredKey, expiration, is_due, named, promised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from iam_access_key_client.aws import Aws
    from iam_access_key_client.state import KeyPair
    from iam_access_key_client.store import Store

# What would come before the key, or beside it, in the environment of a command.
_OTHER_CREDENTIALS = (
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
)
_NOT_FOUND = 127


def note(text: str) -> None:
    """Write a line to standard error. Where that can't be written, the rest is done all the same."""
    try:
        print(f"iam-access-key: {text}", file=sys.stderr, flush=True)
    except OSError:  # or Python would try again at its end, and fail
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open


class Client:
    """Keeps the key of one secret current.

    Args:
        store: Where the key is on this host.
        interval: How long a key is given out before the secret is read again, in seconds.
        consumer: The name under which keys are acknowledged, if it is to change.
        clock: Returns seconds since 1970.
    """

    def __init__(
        self, store: Store, *, interval: float, consumer: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._interval, self._consumer, self._clock = store, interval, consumer, clock
        self._cannot_store = False

    def credentials(self) -> tuple[KeyPair, float]:
        """Return the key to use, and until when an SDK may use it, in seconds since 1970.

        Raises:
            ClientError: Nothing is stored, or AWS refuses what is.
        """
        state = self.key()
        now = self._clock()
        if not self._cannot_store and promised(state, now, self._interval) != state:
            state = self._stored(lambda found: promised(found, now, self._interval), state)
        return state.current.pair, expiration(state, now, self._interval)

    def key(self) -> State:
        """Return what is stored, after a renewal if the interval is over and nobody else renews at this moment.

        Raises:
            ClientError: Nothing is stored, or AWS refuses what is.
        """
        state = self._store.load()
        if named(state, self._consumer) != state:
            state = self._stored(lambda found: named(found, self._consumer), state)
        if is_due(state, self._clock(), self._interval):
            with locks.attempted(self._store.renewal_lock) as alone:
                if alone:
                    state = self._renewed()
        if state.refused:
            raise RefusedError(
                f"AWS refuses the stored key {' and '.join(key.pair.access_key_id for key in state.keys)}: it was "
                "rotated while this host could not read the secret, or deactivated. Get the current key and run: "
                f"{self._store.command('reseed')}"
            )
        return state

    def enrol(self, pair: KeyPair, *, fields: tuple[str, str] | None = None, in_keyring: bool | None = None) -> State:
        """Check the first key pair, store it, and follow the secret from it.

        Args:
            pair: The key pair.
            fields: See `State`; what is stored already if left out.
            in_keyring: See `State`; what is stored already if left out.

        Raises:
            ClientError: The key does not work, can't be checked, or is of another user. What was stored stays.
            OSError: It can't be stored.
        """
        from iam_access_key_client import renewal  # noqa: PLC0415 - slow

        aws = self._aws(self._consumer)
        try:
            identity = aws.identity(pair)
        except RefusedError as error:
            raise RefusedError(f"key {pair.access_key_id} does not work ({error}); nothing was stored") from None
        except UnavailableError as error:
            raise UnavailableError(
                f"key {pair.access_key_id} could not be checked ({error}); nothing was stored; try again when this "
                "host reaches STS"
            ) from None
        if identity.endswith(":root"):
            raise ClientError("this is a key of the account's root user, which no program should have; delete it")
        self._store.make_folder()
        with locks.held(self._store.renewal_lock):
            try:
                found = self._store.load()
            except (NotEnrolledError, CorruptedError):
                found = State(self._store.secret_arn, StoredKey(pair))
            other = next((key for key in found.keys if key.pair != pair), None)
            begun = replace(
                named(found, self._consumer),
                current=next((key for key in found.keys if key.pair == pair), StoredKey(pair)),
                previous=other,
                refused=False,
                fields=fields or found.fields,
                in_keyring=found.in_keyring if in_keyring is None else in_keyring,
            )
            now = self._clock()
            state, notes = renewal.renewed(begun, now, aws)
            if state.current.pair != pair and aws.identity(state.current.pair) != identity:
                raise ClientError(
                    f"key {pair.access_key_id} is of {identity}, the key in the secret of another user; nothing was "
                    "stored; take AWS_ACCESS_KEY_ID out of the environment if it is of somebody else"
                )
            if state.refused:  # an endpoint may learn of a new key later than STS
                state, notes = replace(state, refused=False), ("the secret could not be read with it yet",)
            for text in notes:
                note(text)
            self._store.put(state)
            return self._acknowledged(state, aws)

    def acknowledge(self, pair: KeyPair, consumer: str) -> None:
        """Acknowledge a key by hand, at once, and note it if it is the stored one. Raises ClientError."""
        self._aws(consumer).acknowledge(pair, consumer)
        if self._store.path.exists():

            def noted(found: State) -> State:
                same = (found.current.pair, found.consumer) == (pair, consumer)
                version_id, now = found.current.version_id, self._clock()
                return replace(found, acknowledged=version_id, acknowledged_at=now) if same else found

            self._store.update(noted)

    def run(self, command: Sequence[str]) -> int:
        """Run a command with the key in its environment. On POSIX it takes the place of this process.

        Raises:
            ClientError: Nothing is stored, AWS refuses what is, or the command can't be run.
        """
        import signal  # noqa: PLC0415 - not for `credentials`
        import subprocess  # noqa: PLC0415 - not for `credentials`

        from iam_access_key_client import uses  # noqa: PLC0415 - not for `credentials`

        try:
            mark = uses.begin(self._store.path)
        except OSError:
            mark = -1  # a folder that takes no file, so no key is acknowledged either
        pair = self.key().current.pair
        environment = {name: value for name, value in os.environ.items() if name not in _OTHER_CREDENTIALS}
        environment["AWS_ACCESS_KEY_ID"] = pair.access_key_id
        environment["AWS_SECRET_ACCESS_KEY"] = pair.secret_access_key
        try:
            if mark >= 0:
                uses.name(mark, pair.access_key_id)
                os.set_inheritable(mark, True)
            if os.name == "nt":
                return subprocess.run(list(command), env=environment, check=False).returncode  # noqa: S603 - the user's
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, which the command would inherit
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(command[0], list(command), environment)  # noqa: S606 - the user's own command
        except (OSError, ValueError) as error:  # ValueError: the name is empty
            note(f"{command[0]} can't be run: {error}")
            return _NOT_FOUND

    def write(self, path: Path, render: Callable[[KeyPair, str], str], then: str | None = None) -> bool:
        """Write the key into a file if it is not there, and run a command after a change until it succeeds.

        Args:
            path: The file.
            render: Makes the text of the file from the key and its present text.
            then: The command, for the shell.

        Returns:
            Whether the command succeeded, or there was nothing to do.

        Raises:
            ClientError: Nothing is stored, AWS refuses what is, or another process is at work on the file.
            OSError: The file can't be written. It is as before.
        """
        import subprocess  # noqa: PLC0415 - not for `credentials`

        from iam_access_key_client import files  # noqa: PLC0415 - not for `credentials`

        target = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow a symbolic link
        with self._store.alone_with(target):
            state = self.key()
            access_key_id = state.current.pair.access_key_id
            found = files.read(path)
            text = render(state.current.pair, found)
            if text == found and state.files.get(target) == access_key_id:
                return True
            state = self._stored(lambda now: replace(now, files={**now.files, target: ""}), state)
            if text != found:
                files.replace(path, text)
            if then and subprocess.run(then, shell=True, check=False).returncode:  # noqa: S602 - the user's own command
                note("the command after --then failed; it runs again next time")
                return False
            self._stored(lambda now: replace(now, files={**now.files, target: access_key_id}), state)
        with locks.attempted(self._store.renewal_lock) as alone:
            if alone:
                state = self._store.load()
                self._acknowledged(state, self._aws(state.consumer))
        return True

    def _renewed(self) -> State:
        """Renew, unless somebody else has just done so. The caller holds the lock."""
        state = self._store.load()
        now = self._clock()
        if not is_due(state, now, self._interval):
            return state
        from iam_access_key_client import renewal  # noqa: PLC0415 - slow

        aws = self._aws(state.consumer)
        before = state
        state, notes = renewal.renewed(before, now, aws)
        for text in notes:
            note(text)
        stored = self._stored(lambda found: renewal.merged(state, before, found), state)
        return self._acknowledged(stored, aws)

    def _acknowledged(self, state: State, aws: Aws) -> State:
        """Acknowledge the key if it is stored and no other one is in use here."""
        from iam_access_key_client import files, renewal, uses  # noqa: PLC0415 - slow

        now = self._clock()
        state = replace(state, files={path: key for path, key in state.files.items() if not files.is_gone(path)})
        if not renewal.is_acknowledgement_due(state, now):
            return state
        try:
            found = self._store.load()
            is_stored = (found.current.pair, found.read_at) == (state.current.pair, state.read_at)
            if not is_stored or uses.others(self._store.path, state.current.pair.access_key_id):
                return state
        except (ClientError, OSError) as error:
            note(f"key {state.current.pair.access_key_id} could not be acknowledged yet: {error}")
            return state
        state, notes = renewal.acknowledged(state, now, aws)
        for text in notes:
            note(text)
        version_id, time_of_it = state.acknowledged, state.acknowledged_at

        def noted(found: State) -> State:
            return replace(found, acknowledged=version_id, acknowledged_at=time_of_it, files=state.files)

        return self._stored(noted, state)

    def _stored(self, change: Callable[[State], State], otherwise: State) -> State:
        """Store a change. Where nothing can be stored, the key is given out all the same."""
        try:
            return self._store.update(change)
        except OSError as error:
            if not self._cannot_store:
                note(f"{self._store.path} can't be written ({error.strerror}); the key is used all the same")
            self._cannot_store = True
            return change(otherwise)

    def _aws(self, consumer: str | None) -> Aws:
        from iam_access_key_client.aws import Aws  # noqa: PLC0415 - slow

        return Aws(self._store.secret_arn, consumer)
