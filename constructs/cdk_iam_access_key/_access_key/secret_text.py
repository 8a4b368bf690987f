"""The text of a secret, in which placeholders stand for parts of the key; the provider fills it in.

A placeholder is `{access_key_id}`, `{secret_access_key}` or `{ses_smtp_password:REGION}`. With `|url` before the
closing brace its value is percent-encoded. Other braces stand for themselves.
"""

import json
import re

from cdk_iam_access_key._access_key.ses_endpoints import checked_region, partition_of
from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key._shared.validation import shown

ID, SECRET, PASSWORD = "access_key_id", "secret_access_key", "ses_smtp_password"

_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::([a-z0-9-]*))?(?:\|([a-z]*))?\}")
_LIKE_A_PLACEHOLDER = re.compile(r"\{[a-z_]+(?:[:|][A-Za-z0-9_|-]*)?\}")
# What the values take at most. IAM's are shorter: 20 and 40 characters today.
_LONGEST = {ID: 128, SECRET: 128, PASSWORD: 44}
_PERCENT_ENCODED = 3
# Secrets Manager takes 65,536 bytes.
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
_LONGEST_DOCUMENT = 60_000
# As shells and other templates have them.
_OTHER_SYNTAX = re.compile(rf"(?:\$|\{{)\{{({ID}|{SECRET}|{PASSWORD}\b)[^}}]*\}}+")
_TOKEN_FOR_A_REGION = re.compile(rf"\{{{PASSWORD}:(\$\{{Token\[[^}}]*\}})")
_NOT_ASCII = re.compile(r"[^\x20-\x7e\n\r\t]")
_ENDS_A_URL = re.compile(r"""[\s"'<>]""")
_PARAMETER_OF_A_URL = re.compile(r"[?&][\w.-]+=")
_BRACE_OF_A_CONSTANT = re.compile(r"\{(?!Token\[)")


def check_text(text: str) -> None:
    """Check what holds for every format.

    Raises:
        ValueError: A part of the key is missing, another secret would be copied, or the document may be too long.
    """
    found = _PLACEHOLDER.findall(text)
    names = {name for name, *_ in found}
    missing = [] if ID in names else ["its id"]
    if not names & {SECRET, PASSWORD}:
        missing.append("its secret or an SMTP password")
    if missing:
        raise ValueError(
            f"secret_format must have a key's id and its secret in it, got one without {' and '.join(missing)}; add "
            f"{{{ID}}}, and {{{SECRET}}} or {{{PASSWORD}:REGION}}, or the constants of Field"
        )
    _check_no_reference(text)
    length = document_length(text)
    if length > _LONGEST_DOCUMENT:
        raise ValueError(
            f"secret_format must make a document of at most {_LONGEST_DOCUMENT:,} bytes, as Secrets Manager takes "
            f"65,536, got {length:,}; leave out what is not secret"
        )


def document_length(text: str) -> int:
    """Count the bytes that a document may have."""
    found = _PLACEHOLDER.findall(text)
    values = sum(_LONGEST.get(name, 0) * (_PERCENT_ENCODED if escape else 1) for name, _, escape in found)
    return len(_PLACEHOLDER.sub("", text).encode()) + values


def check_constant(name: str, value: object) -> None:
    """Refuse what can't stand in a document as it is.

    Raises:
        ValueError: It is no text, or one that stands for something else.
    """
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004
            f"field {name} must be a Field or a text, got {shown(value)}; pass a constant of Field, or a text that is "
            "the same for every key: another secret must not be copied into this one"
        )
    _check_no_reference(value)
    found = _PLACEHOLDER.search(value)
    if found and found[1] in _LONGEST:
        raise ValueError(
            f"field {name} must be a Field or a text, got the placeholder {found[0]} in a text; pass the constant of "
            "Field alone, or use SecretFormat.template"
        )


def json_constant(value: str | int) -> str:
    """Write a constant as JSON, in which no brace begins a placeholder. A token stays one."""
    return _BRACE_OF_A_CONSTANT.sub(r"\\u007b", json.dumps(value))


def checked_template(text: str, *, percent_encoded: bool) -> str:
    """Return a text that somebody has written, with all its placeholders percent-encoded if that is wanted.

    Raises:
        ValueError: A placeholder is unknown, or the text would break on a `/` or a `+` of a secret.
    """
    strange = _NOT_ASCII.search(text)
    if strange:
        raise ValueError(
            f"text must be of printable ASCII characters and line breaks, got {strange[0]!r}; CloudFormation may write "
            "a question mark in place of another one"
        )
    region = _TOKEN_FOR_A_REGION.search(text)
    if region:
        checked_region(region[1])
    for found in _LIKE_A_PLACEHOLDER.finditer(text):
        _check_placeholder(found[0])
    other_syntax = _OTHER_SYNTAX.search(text)
    if other_syntax:
        raise ValueError(
            f"text must have placeholders in single braces, got {other_syntax[0]}, of which readers would get what is "
            f"around {{{other_syntax[1]}}}, too; remove that"
        )
    if percent_encoded:
        text = _PLACEHOLDER.sub(lambda found: f"{found[0][:-1].partition('|')[0]}|url}}", text)
    for found in _PLACEHOLDER.finditer(text):
        in_a_url = _ends_in_a_url(text[: found.start()]) or text[found.end() :].startswith("@")
        if found[1] != ID and not found[3] and in_a_url:
            raise ValueError(
                f"text must have no {found[0]} as it is within a URL, where the / and + of a secret mean something "
                f"else; pass escape=Escape.URL, or write {found[0][:-1]}|url}}"
            )
    return text


def check_partition(text: str, region: str) -> None:
    """Refuse SMTP passwords for another partition than that of the stack's region, where the key does not exist.

    Raises:
        ValueError: Names the regions.
    """
    regions = sorted({other for _, other, _ in _PLACEHOLDER.findall(text) if other})
    if is_token(region) and regions:
        # All of one partition, whichever it is.
        region = regions[0]
    elsewhere = [other for other in regions if partition_of(other) != partition_of(region)]
    if elsewhere:
        raise ValueError(
            f"secret_format must have SMTP passwords for regions of the partition of {region}, got "
            f"{', '.join(elsewhere)}; a key works in its own partition only, so declare another one there"
        )


def _check_no_reference(text: str) -> None:
    if "{{resolve:" in text:
        raise ValueError(
            "secret_format must have no dynamic reference in it, got {{resolve:...; another secret must not be copied "
            "into this one: let the reader read both"
        )


def _check_placeholder(found: str) -> None:
    placeholder = _PLACEHOLDER.fullmatch(found)
    known = placeholder is not None and placeholder[1] in _LONGEST and placeholder[3] in {None, "url"}
    if placeholder is None or not known or (placeholder[1] == PASSWORD) != (placeholder[2] is not None):
        raise ValueError(
            f"text must have no other placeholders than {{{ID}}}, {{{SECRET}}} and {{{PASSWORD}:REGION}}, each also "
            f"with |url before the closing brace, got {found}; correct or remove it"
        )
    if placeholder[2] is not None:
        checked_region(placeholder[2])


def _ends_in_a_url(text: str) -> bool:
    """Tell whether what follows is part of a URL with its scheme, or a parameter in a query string."""
    last = _ENDS_A_URL.split(text)[-1]
    return "://" in last or _PARAMETER_OF_A_URL.search(last) is not None
