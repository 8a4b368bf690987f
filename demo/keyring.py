"""The secret access keys that the demo has seen, kept in memory and never shown, and somebody who still uses one."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local_cloud import LocalCloud

ACCEPTED = "accepted"
REJECTED = "InvalidClientTokenId"
REFUSED = "InvalidAccessKeyId"  # the same, in the words of S3
_NOT_TRIED = "secret not known"


@dataclass(frozen=True, slots=True)
class SignedCall:
    """What `sts:GetCallerIdentity`, signed with a key, answers: `accepted` or the error, and whose key it is."""

    answer: str
    identity: str = ""


@dataclass(frozen=True, slots=True)
class _KnownKey:
    id: str
    secret: str = field(repr=False)


class Keyring:
    """Every key whose secret was ever found, also those that are deleted by now."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._keys: dict[str, _KnownKey] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """The access key ids, in the order they were found."""
        return tuple(self._keys)

    def add(self, document: str) -> None:
        """Take the key out of a secret's value; a value of another shape is none."""
        try:
            value = json.loads(document)
            key = _KnownKey(value["accessKeyId"], value["secretAccessKey"])
        except (ValueError, KeyError, TypeError):
            return
        self._keys.setdefault(key.id, key)

    def call(self, access_key_id: str) -> SignedCall:
        """Sign a call with a key: `sts:GetCallerIdentity`, which needs no permission."""
        key = self._keys.get(access_key_id)
        if key is None:
            return SignedCall(_NOT_TRIED)
        sts = self._cloud.client("sts", access_key_id=key.id, secret_access_key=key.secret)
        try:
            return SignedCall(ACCEPTED, sts.get_caller_identity()["Arn"])
        except ClientError as error:
            return SignedCall(error.response["Error"]["Code"])

    def use(self, access_key_id: str) -> str:
        """Sign a call with a key as its user's application does, and give the answer."""
        key = self._keys[access_key_id]
        try:
            self._cloud.client("s3", access_key_id=key.id, secret_access_key=key.secret).list_buckets()
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ACCEPTED

    def leaks(self, texts: Mapping[str, bytes]) -> list[str]:
        """Name the texts in which a secret access key is found, plain or encoded, and the key.

        Args:
            texts: What to search, by the name that it is to be called by.
        """
        # A secret that was wrapped at the end of a line is still a secret.
        unwrapped = {name: b"".join(text.split()) for name, text in texts.items()}
        return [
            f"{key.id} in {name}"
            for key in self._keys.values()
            for name, text in unwrapped.items()
            if any(form in text for form in _forms(key.secret))
        ]

    def redacted(self, text: str) -> str:
        """Copy a text that others wrote, without any secret access key of the ring."""
        for key in self._keys.values():
            for form in _forms(key.secret):
                text = text.replace(form.decode(), "[secret access key]")
        return text


def _forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    yield quote(secret, safe="").encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # Base64 of a longer text has one of three forms; the characters at both ends depend on the neighbours.
        for before in range(3):
            encoded = encode(bytes(before) + raw)
            yield encoded[-(-before * 4 // 3) : (before + len(raw)) * 4 // 3]


_SECONDS_BETWEEN = 1.0
_SECONDS_BETWEEN_LOOKS = 0.05


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

    def await_call(self) -> None:
        """Wait until another call is answered."""
        answered = len(self._answers)
        while len(self._answers) == answered:
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _work(self) -> None:
        while not self._over.is_set():
            self._answers.append(self._call())
            self._over.wait(_SECONDS_BETWEEN)

    def _call(self) -> str:
        try:
            return self._keyring.use(self._id)
        except BotoCoreError as error:
            return type(error).__name__
