"""Somebody who still uses an access key."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from demo.keyring import SignedCall

if TYPE_CHECKING:
    from demo.keyring import Keyring

_SECONDS_BETWEEN = 1.0


class Client:
    """Signs a call with one key each second, until it is stopped."""

    def __init__(self, keyring: Keyring, access_key_id: str) -> None:
        self._keyring = keyring
        self._id = access_key_id
        self._over = threading.Event()
        self._answers: list[str] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def answers(self) -> tuple[str, ...]:
        """What the calls so far were answered."""
        return tuple(self._answers)

    def stop(self) -> None:
        """Make no further call; stopping twice does nothing."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            self._answers.append(self._call().answer)
            self._over.wait(_SECONDS_BETWEEN)

    def _call(self) -> SignedCall:
        try:
            return self._keyring.call(self._id)
        except BotoCoreError as error:
            return SignedCall(type(error).__name__)
