"""The document that readers of the secret get: a text in which placeholders stand for parts of the key. Pure.

A placeholder is `{access_key_id}`, `{secret_access_key}` or `{ses_smtp_password:REGION}`. With `|url` before the
closing brace its value is percent-encoded. Other braces stand for themselves.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.model.state import NewAccessKey, digest

DEFAULT_TEXT = '{"accessKeyId": "{access_key_id}", "secretAccessKey": "{secret_access_key}"}'

_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::([a-z0-9-]*))?(?:\|([a-z]*))?\}")
_ENV_LINE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_./:@+=,-]*\n")
_REGION = re.compile(r"[a-z0-9-]{1,30}")

# Secrets Manager takes 65,536 bytes.
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
_LONGEST_DOCUMENT = 60_000
# Longer than IAM makes them, and of the characters that percent-encoding makes longer.
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
_LONGEST_KEY = NewAccessKey("A" * 128, "/" * 128)


class FormatKind(StrEnum):
    """Which reader a document must be valid for; of `TEXT` nothing is known."""

    JSON = "json"
    ENV_FILE = "env_file"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class SecretFormat:
    """How the secret is written.

    Attributes:
        text: the document, with placeholders.
        kind: which reader it is for.
        prove_smtp_port: the port at which a new key must log in to each region's SMTP endpoint; 0 for no such proof.
    """

    text: str = DEFAULT_TEXT
    kind: FormatKind = FormatKind.JSON
    prove_smtp_port: int = 0

    def check(self) -> None:
        """Refuse a text from which no document can be written that its readers understand.

        Values that only the deployment knows are in the text by now.

        Raises:
            InvalidRequestError: says what is wrong.
        """
        names = {name for name, *_ in self._placeholders}
        if "access_key_id" not in names or not names & {"secret_access_key", "ses_smtp_password"}:
            raise InvalidRequestError(
                "the text of SecretFormat must have {access_key_id}, and {secret_access_key} or "
                "{ses_smtp_password:REGION}: readers need both"
            )
        document = self.document(_LONGEST_KEY)
        if len(document.encode(errors="replace")) > _LONGEST_DOCUMENT:
            raise InvalidRequestError(
                f"the text of SecretFormat is too long: the document may have {_LONGEST_DOCUMENT} bytes"
            )
        if self.kind is FormatKind.JSON and not _is_object(document):
            raise InvalidRequestError(
                "the text of SecretFormat is no JSON object: a value that only the deployment knows has a quotation "
                "mark, a backslash or a line break in it"
            )
        if self.kind is FormatKind.ENV_FILE and not re.fullmatch(f"({_ENV_LINE.pattern})+", document):
            raise InvalidRequestError(
                "the text of SecretFormat is no env file: a value that only the deployment knows has other characters "
                "in it than letters, digits and _./:@+=,-"
            )

    def document(self, key: NewAccessKey) -> str:
        """Write the document for a key. Raises InvalidRequestError for what looks like a placeholder and is none."""
        return _PLACEHOLDER.sub(lambda found: _value(found, key), self.text)

    def key_serial(self, serial: str, *copies: str) -> str:
        """Name the key of a serial: the shape of the secret is part of it, because a stored key can't be written anew.

        The names of the default format without copies are the serials themselves.
        """
        text = () if self.text == DEFAULT_TEXT else (self.text,)
        shape = (*text, *sorted(copies))
        return f"{serial} in shape {digest(*shape)}" if shape else serial

    @property
    def smtp_regions(self) -> tuple[str, ...]:
        """The regions whose SMTP passwords are in the document."""
        return tuple(dict.fromkeys(region for _, region, _ in self._placeholders if region))

    @property
    def _placeholders(self) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = _PLACEHOLDER.findall(self.text)
        return found


DEFAULT_FORMAT = SecretFormat()


def _value(found: re.Match[str], key: NewAccessKey) -> str:
    match found.groups():
        case "access_key_id", None, escape:
            value = key.id
        case "secret_access_key", None, escape:
            value = key.secret
        case "ses_smtp_password", str(region), escape if _REGION.fullmatch(region):
            value = ses_smtp_password(key.secret, region)
        case _:
            escape = ""
    if escape not in {None, "url"}:
        raise InvalidRequestError(f"{found[0][:60]} in the text of SecretFormat is no placeholder")
    return quote(value, safe="") if escape else value


def ses_smtp_password(secret: str, region: str) -> str:
    """Derive the password for SES's SMTP endpoint of a region; the user name is the access key id.

    https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
    """
    signature = f"AWS4{secret}".encode()
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        signature = hmac.digest(signature, part.encode(), "sha256")
    return base64.b64encode(b"\x04" + signature).decode()


def _is_object(document: str) -> bool:
    try:
        return isinstance(json.loads(document), dict)
    except (ValueError, RecursionError):
        return False
