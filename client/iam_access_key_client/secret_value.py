"""Find the key pair in the text of a secret, in whichever format it was written.

By names first, as the provider writes them: `accessKeyId`, `AWS_SECRET_ACCESS_KEY` and so on, in JSON, an env file, a
credentials file or another text with one setting a line. Else by shape: one access key id and one secret access key,
percent-encoded or not. A wrong guess does no harm: a pair is used only when STS has confirmed it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from iam_access_key_client.errors import NotAKeyPairError
from iam_access_key_client.state import KeyPair

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID_NAME, _SECRET_NAME = "accesskeyid", "secretaccesskey"
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
_ID = re.compile(r"[A-Z0-9]{16,128}")
_SECRET = re.compile(r"[A-Za-z0-9/+=]{16,128}")
# base64 of a version byte, 4, and 32 bytes. https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
_SMTP_PASSWORD = re.compile(r"B[A-Za-z0-9/+]{43}")
_ID_IN_TEXT = re.compile(r"(?<![A-Za-z0-9])AKIA[A-Z0-9]{12,28}(?![A-Za-z0-9])")
_SECRET_IN_TEXT = re.compile(r"(?<![A-Za-z0-9/+%])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_SETTING = re.compile(r"""\s*(?:export\s+|set\s+)?["']?([\w.-]+)["']?\s*[:=]\s*["']?([^\s"']+)["']?[\s,;]*""")


def find_pair(text: str, fields: tuple[str, str] | None = None) -> KeyPair:
    """Return the key pair in a text.

    Args:
        text: The value of the secret.
        fields: The names of the members of a JSON text that hold the id and the secret, if names and shapes don't tell.

    Raises:
        NotAKeyPairError: There is no pair, or more than one. The message holds nothing of the text.
    """
    members = _members(text)
    if fields is not None:
        missing = [field for field in fields if field not in dict(members)]
        if missing:
            raise NotAKeyPairError(f"the secret is no JSON object with a text in the field {missing[0]}")
        pair = _single(*([value for name, value in members if name == field] for field in fields))
    else:
        settings = members or _settings(text)
        pair = _single(
            [value for name, value in settings if _plain(name).endswith(_ID_NAME)],
            [value for name, value in settings if _plain(name).endswith(_SECRET_NAME)],
        ) or _single(_ID_IN_TEXT.findall(text), _secrets_in("\n".join(value for _, value in members) or text))
    if pair is None:
        raise NotAKeyPairError(
            "the secret holds no single pair of an access key id and a secret access key (an SMTP password of SES is "
            "none); for JSON with other names pass --fields ID,SECRET"
        )
    return pair


def _single(ids: list[str], secrets: list[str]) -> KeyPair | None:
    if len(set(ids)) != 1 or len(set(secrets)) != 1:
        return None
    access_key_id, secret = ids[0], unquote(secrets[0])
    if not _ID.fullmatch(access_key_id) or not _SECRET.fullmatch(secret) or _SMTP_PASSWORD.fullmatch(secret):
        return None
    return KeyPair(access_key_id, secret)


def _members(text: str) -> list[tuple[str, str]]:
    try:
        return list(_texts("", json.loads(text)))
    except ValueError:
        return []


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Find the texts in a document, however deep, by the name of the member."""
    if isinstance(value, str):
        yield name, value
    for key, part in value.items() if isinstance(value, dict) else ():
        yield from _texts(key, part)


def _settings(text: str) -> list[tuple[str, str]]:
    matches = (_SETTING.fullmatch(line) for line in text.splitlines())
    return [(match.group(1), match.group(2)) for match in matches if match]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _secrets_in(text: str) -> list[str]:
    """Look for secrets as they are, and where there is none for percent-encoded ones."""
    return _SECRET_IN_TEXT.findall(text) or _SECRET_IN_TEXT.findall(unquote(text))
