"""Searches what left the process for secret access keys and response URLs, also encoded, and never shows them.

A value is searched leaf by leaf, and each text once: as it stands, with all white space left out (what was wrapped is
still a secret), and undone of JSON's escapes and percent-encoding, as often as these were applied one on the other. In
each of these views all forms of each secret are looked for: plain, base64 at any offset, hexadecimal; and of these
the secret percent-encoded, as a document may have it. So are the SMTP passwords that follow from each secret, by
another implementation than the provider's.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote_to_bytes, urlsplit

from ses_smtp_credentials.lib import calculate_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Text = str | bytes
Value = Text | dict[str, Any] | list[Any] | tuple[Any, ...] | None

# What is shorter is found by accident.
_SHORTEST = 16
_LAYERS = 3
_HIDDEN = "[hidden]"

SMTP_REGIONS = ("eu-central-1", "us-east-1")
"""The regions whose SMTP passwords are looked for: those that tests use."""

_SIGNATURES = ("X-Amz-Signature", "Signature")
_UNICODE_ESCAPE = re.compile(rb"\\u00([0-9a-fA-F]{2})")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class LeakError(AssertionError):
    """Something secret left the process. The message says what and where, and does not repeat it."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Something secret that was found.

    Attributes:
        what: the kind of it and its number, such as `secret access key 2`.
        how: its form, such as `base64`.
        where: the name of the text that it was found in.
    """

    what: str
    how: str
    where: str

    def __str__(self) -> str:
        """Say it in a test's report."""
        return f"{self.what}, {self.how}, in {self.where}"


@dataclass(slots=True)
class LeakScanner:
    """Knows what must not leave, and counts what it has searched for it.

    Attributes:
        secrets: the secret access keys, and all else that is as secret.
        urls: the response URLs.
        texts: how many different texts were searched.
        length: how many bytes they were.
    """

    secrets: Iterable[str] = field(repr=False)
    urls: Iterable[str] = field(default=(), repr=False)
    texts: int = 0
    length: int = 0
    _clean: set[Text] = field(default_factory=set, init=False, repr=False)
    _clean_names: set[str] = field(default_factory=set, init=False, repr=False)
    _forms: tuple[tuple[str, str, bytes], ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        """Number what is looked for, each once. Raises ValueError for what is too short."""
        self.secrets, self.urls = tuple(dict.fromkeys(self.secrets)), tuple(dict.fromkeys(self.urls))
        if any(len(wanted) < _SHORTEST for wanted in (*self.secrets, *self.urls)):
            raise ValueError(f"what is shorter than {_SHORTEST} characters is found by accident")

    def watch(self, secrets: Iterable[str]) -> None:
        """Look for more secrets from now on."""
        self.secrets = tuple(dict.fromkeys([*self.secrets, *secrets]))
        self._forms = ()

    def search(self, values: Iterable[tuple[str, Value]]) -> list[Leak]:
        """Search values, each with the name that it is to be called by, which is searched too."""
        found: dict[Leak, None] = {}
        for where, value in values:
            for text in _texts_in(value):
                if text not in self._clean:
                    leaks = self._leaks(where, text)
                    found |= dict.fromkeys(leaks)
                    if not leaks:
                        self._clean.add(text)
        return list(found)

    def check(self, values: Iterable[tuple[str, Value]]) -> None:
        """Search values. Raises LeakError if anything is found."""
        leaks = self.search(values)
        if leaks:
            # A traceback must not show what the callers hold.
            raise LeakError("\n".join(map(str, leaks))) from None

    def _leaks(self, where: str, text: Text) -> list[Leak]:
        content = _encoded(text)
        self.texts += 1
        self.length += len(content)
        in_name = () if where in self._clean_names else self._found(_encoded(where))
        if not in_name:
            self._clean_names.add(where)
        # The name must be shown, unless it holds what it would show.
        shown = _HIDDEN if in_name else where
        return [
            *(Leak(what, how, "the name of a text") for what, how in in_name),
            *(Leak(what, how, shown) for what, how in self._found(content)),
        ]

    def _found(self, content: bytes) -> tuple[tuple[str, str], ...]:
        views = _views(content)
        return tuple((what, how) for what, how, form in self._wanted() if any(form in view for view in views))

    def _wanted(self) -> tuple[tuple[str, str, bytes], ...]:
        if not self._forms:
            numbered = tuple(enumerate(self.secrets, 1))
            named = [(f"secret access key {number}", (secret,)) for number, secret in numbered]
            named += [
                (
                    f"SMTP password of secret access key {number}",
                    [calculate_key(secret, region) for region in SMTP_REGIONS],
                )
                for number, secret in numbered
            ]
            named += [(f"response URL {number}", _telling_parts(url)) for number, url in enumerate(self.urls, 1)]
            self._forms = tuple(
                (what, how, form) for what, parts in named for part in parts for how, form in _forms(part)
            )
        return self._forms


def _texts_in(value: Value) -> Iterator[Text]:
    """Give the texts in a value, also the names of members; what is too short holds nothing."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str | bytes):
            if len(one) >= _SHORTEST:
                yield one
        elif isinstance(one, dict):
            waiting += one
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one


def _encoded(text: Text) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="surrogateescape")


def _forms(secret: str) -> tuple[tuple[str, bytes], ...]:
    forms = []
    for raw in dict.fromkeys([secret.encode(), quote(secret, safe="").encode()]):
        forms += [("plain", raw), ("hexadecimal", raw.hex().encode()), ("hexadecimal", raw.hex().upper().encode())]
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Base64 of a longer text has one of three forms; the characters at both ends depend on the neighbours.
            for before in range(3):
                encoded = encode(bytes(before) + raw)
                forms.append(("base64", encoded[-(-before * 4 // 3) : (before + len(raw)) * 4 // 3]))
    return tuple(dict.fromkeys(forms))


def _telling_parts(url: str) -> tuple[str, ...]:
    """List what of a URL gives it away: without its host it is as good as whole, and so is its signature."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    signatures = [value for name in _SIGNATURES for value in query.get(name, [])]
    candidates = (url, f"{parts.path}?{parts.query}" if parts.query else "", *signatures)
    decoded = (unquote_to_bytes(candidate).decode(errors="replace") for candidate in candidates)
    return tuple(dict.fromkeys(part for part in (*candidates, *decoded) if len(part) >= _SHORTEST))


def _views(content: bytes) -> tuple[bytes, ...]:
    """List what a text can be read as, the text itself first."""
    views: dict[bytes, None] = {content: None}
    newest = [content]
    for _ in range(_LAYERS):
        newest = [read for view in newest for read in (_unescaped(view), unquote_to_bytes(view)) if read not in views]
        views |= dict.fromkeys(newest)
    return tuple(dict.fromkeys([*views, *(b"".join(view.split()) for view in views)]))


def _unescaped(content: bytes) -> bytes:
    if b"\\" not in content:
        return content
    characters = _UNICODE_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), content)
    return _ESCAPE.sub(lambda match: _CONTROL.get(match[1], match[1]), characters)
