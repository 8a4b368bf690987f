"""How the secret of an access key is written: as its readers need it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from cdk_iam_access_key._access_key.ses_endpoints import checked_region, partition_of, smtp_host
from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key._shared.validation import check_kind, shown

# `{access_key_id}`, `{ses_smtp_password:eu-central-1}`, `{secret_access_key|url}`, and what looks like one.
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::([a-z0-9-]*))?(?:\|([a-z]*))?\}")
_LIKE_A_PLACEHOLDER = re.compile(r"\{[a-z_]+(?:[:|][A-Za-z0-9_|-]*)?\}")
_ID, _SECRET, _PASSWORD = "access_key_id", "secret_access_key", "ses_smtp_password"
# What the values take at most. IAM's are shorter: 20 and 40 characters today.
_LONGEST = {_ID: 128, _SECRET: 128, _PASSWORD: 44}
_PERCENT_ENCODED = 3
# Secrets Manager takes 65,536 bytes.
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
_LONGEST_DOCUMENT = 60_000

# A value right before which there is a URL with its scheme, or the name of a parameter in a query string.
_IN_A_URL = re.compile(r"""(?:[A-Za-z][A-Za-z0-9+.-]*://|[?&][\w.-]+=)[^\s"'<>]*\Z""")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV_VALUE = re.compile(r"[A-Za-z0-9_./:@+=,-]*")
_PROFILE = re.compile(r"[A-Za-z0-9_.-]+")
_REGION = re.compile(r"[a-z0-9-]+")
_NOT_ASCII = re.compile(r"[^\x20-\x7e\n\r\t]")
_BRACE_OF_A_CONSTANT = re.compile(r"\{(?!Token\[)")

# https://docs.aws.amazon.com/ses/latest/dg/smtp-connect.html
_SMTP_PORTS = (25, 465, 587, 2465, 2587)
# Lambda's network lets nothing out on it.
_BLOCKED_PORT = 25


class Escape(Enum):
    """How the values are written into a text that is not theirs alone.

    - `NONE`: as they are. A secret access key has `/` and `+` in it.
    - `URL`: percent-encoded, as between `//` and `@` of a URL or in a query string.
    """

    NONE = "none"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Field:
    """A part of the key: `Field.ACCESS_KEY_ID`, `Field.SECRET_ACCESS_KEY`, `Field.ses_smtp_password(region)`.

    Args:
        placeholder: Use the constants and `ses_smtp_password`.
    """

    ACCESS_KEY_ID: ClassVar["Field"]
    SECRET_ACCESS_KEY: ClassVar["Field"]

    placeholder: str

    @classmethod
    def ses_smtp_password(cls, region: str) -> "Field":
        """Return the password for SES's SMTP endpoint of a region, derived from the secret access key (version 4).

        The user name there is the access key id.
        https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html

        Raises:
            ValueError: SES has no endpoint in the region, or it is a token.
        """
        return cls(f"{{{_PASSWORD}:{checked_region(region)}}}")


Field.ACCESS_KEY_ID = Field(f"{{{_ID}}}")
Field.SECRET_ACCESS_KEY = Field(f"{{{_SECRET}}}")

Fields = Mapping[str, Field | str]


@dataclass(frozen=True, slots=True)
class SecretFormat:
    """Choose what readers of the secret get. Use `json`, `env_file`, `credentials_file`, `template` or `ses_smtp`.

    The format is part of the key: nobody can read a secret access key back, so a change of the format rotates, and a
    rollback goes back to the key that was written in the format before.

    Args:
        text: The document, with placeholders.
        kind: Which reader it is for.
        fields: The names of the fields at the top of a JSON object.
        prove_smtp_port: The port for the proof of the SMTP passwords; 0 for none.
    """

    text: str
    kind: str
    fields: tuple[str, ...] = ()
    prove_smtp_port: int = 0

    def __post_init__(self) -> None:
        """Check what holds for every format. Raises ValueError."""
        found = _PLACEHOLDER.findall(self.text)
        names = {name for name, *_ in found}
        missing = [] if _ID in names else ["its id"]
        if not names & {_SECRET, _PASSWORD}:
            missing.append("its secret or an SMTP password")
        if missing:
            raise ValueError(
                f"secret_format must have a key's id and its secret in it, got one without {' and '.join(missing)}; "
                f"add {{{_ID}}}, and {{{_SECRET}}} or {{{_PASSWORD}:REGION}}, or the constants of Field"
            )
        _check_no_reference(self.text)
        length = len(_PLACEHOLDER.sub("", self.text).encode())
        length += sum(_LONGEST.get(name, 0) * (_PERCENT_ENCODED if escape else 1) for name, _, escape in found)
        if length > _LONGEST_DOCUMENT:
            raise ValueError(
                f"secret_format must make a document of at most {_LONGEST_DOCUMENT:,} bytes, as Secrets Manager takes "
                f"65,536, got {length:,}; leave out what is not secret"
            )

    @classmethod
    def json(cls, fields: Fields) -> "SecretFormat":
        """Write a JSON object with these fields, in this order.

        Args:
            fields: By name, a `Field` or a text that is the same for every key, such as a region.

        Raises:
            ValueError: A name or a text can't work, or a part of the key is missing.
        """
        if not isinstance(fields, Mapping) or not fields:
            raise ValueError(
                f"fields must map names to a Field or a text, got {shown(fields)}; pass at least "
                '{"id": Field.ACCESS_KEY_ID, "secret": Field.SECRET_ACCESS_KEY}'
            )
        for name, value in fields.items():
            if not isinstance(name, str) or not name or ":" in name or is_token(name):
                raise ValueError(
                    f"fields must have names that are not empty and have no colon, got {shown(name)}; ECS and dynamic "
                    "references can't address another one"
                )
            _check_value(name, value)
        return cls(_json_text(fields), "json", tuple(fields))

    @classmethod
    def env_file(cls, fields: Fields | None = None) -> "SecretFormat":
        """Write one `NAME=value` a line, for Docker, systemd, dotenv and shells.

        Args:
            fields: By name, a `Field` or a text of letters, digits and `_./:@+=,-`, which no reader quotes or expands.
                `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` if left out.

        Raises:
            ValueError: A name or a text can't work, or a part of the key is missing.
        """
        if fields is None:
            fields = {"AWS_ACCESS_KEY_ID": Field.ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": Field.SECRET_ACCESS_KEY}
        if not isinstance(fields, Mapping):
            raise ValueError(f"fields must map names to a Field or a text, got {shown(fields)}; pass a dict")  # noqa: TRY004
        for name, value in fields.items():
            if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
                raise ValueError(
                    f"fields must have names of letters, digits and _, not beginning with a digit, got {shown(name)}; "
                    "an env file can't hold another one"
                )
            _check_value(name, value)
            if isinstance(value, str) and not is_token(value) and not _ENV_VALUE.fullmatch(value):
                raise ValueError(
                    f"field {name} must be a Field or a text of letters, digits and _./:@+=,-, got {value!r}; readers "
                    "of env files take other characters in different ways: use SecretFormat.json"
                )
        return cls("".join(f"{name}={_written(value)}\n" for name, value in fields.items()), "env_file")

    @classmethod
    def credentials_file(cls, profile: str = "default", *, region: str | None = None) -> "SecretFormat":
        """Write a file as `~/.aws/credentials`, with one profile.

        https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html

        Args:
            profile: Its name: letters, digits and `_.-`.
            region: Its region, if it is to have one.

        Raises:
            ValueError: The profile or the region can't work.
        """
        if not isinstance(profile, str) or not _PROFILE.fullmatch(profile):
            raise ValueError(
                f"profile must consist of letters, digits and _.-, got {shown(profile)}; pass the name of a profile"
            )
        if region is not None and not (isinstance(region, str) and (is_token(region) or _REGION.fullmatch(region))):
            raise ValueError(f"region must be the name of a region, got {shown(region)}; pass one, or leave it out")
        lines = [f"[{profile}]", f"aws_access_key_id = {{{_ID}}}", f"aws_secret_access_key = {{{_SECRET}}}"]
        lines += [f"region = {region}"] if region else []
        return cls("".join(f"{line}\n" for line in lines), "text")

    @classmethod
    def template(cls, text: str, *, escape: Escape = Escape.NONE) -> "SecretFormat":
        """Write any text, in which placeholders stand for parts of the key.

        Placeholders are `{access_key_id}`, `{secret_access_key}` and `{ses_smtp_password:REGION}`. With `|url` before
        the closing brace, one of them alone is percent-encoded. Other braces stand for themselves, unless what they
        enclose looks like a placeholder.

        Args:
            text: The text, in ASCII.
            escape: How the values of all placeholders are written.

        Raises:
            ValueError: A placeholder is unknown or missing, or the text would break on a `/` or a `+` of a secret.
        """
        if not isinstance(text, str):
            raise ValueError(f"text must be a str, got {shown(text)}; pass a text with placeholders")  # noqa: TRY004
        check_kind("escape", escape, Escape, "Escape.NONE or Escape.URL")
        strange = _NOT_ASCII.search(text)
        if strange:
            raise ValueError(
                f"text must be of printable ASCII characters and line breaks, got {strange[0]!r}; CloudFormation may "
                "write a question mark in place of another one"
            )
        for found in _LIKE_A_PLACEHOLDER.finditer(text):
            _check_placeholder(found[0])
        if escape is Escape.URL:
            text = _PLACEHOLDER.sub(lambda found: f"{found[0][:-1].partition('|')[0]}|url}}", text)
        for found in _PLACEHOLDER.finditer(text):
            if found[1] != _ID and not found[3] and _IN_A_URL.search(text[: found.start()]):
                raise ValueError(
                    f"text must have no {found[0]} as it is within a URL, where the / and + of a secret mean something "
                    f"else; pass escape=Escape.URL, or write {found[0][:-1]}|url}}"
                )
        return cls(text, "text")

    @classmethod
    def ses_smtp(cls, regions: Sequence[str], *, port: int = 587, prove_smtp: bool = False) -> "SecretFormat":
        """Write what a mail program needs for SES's SMTP endpoints, as a JSON object.

        `username`, `password`, `host` and `port` are for the first region; each region has `password_REGION` and
        `host_REGION`, too. All fields are at the top, where ECS and dynamic references find them. The secret access
        key itself is not in it. A use of the key by SMTP counts as a use.

        Args:
            regions: The regions to send from, at least one, in the stack's partition.
            port: 587, 2587 or 25 for STARTTLS, 465 or 2465 for TLS from the beginning.
            prove_smtp: Whether a new key must log in to each endpoint before it becomes current. Functions in a VPC
                need a way there.

        Raises:
            ValueError: SES has no endpoint in a region, or the port is none of its own.
        """
        if isinstance(regions, str) or not isinstance(regions, Sequence) or not regions:
            raise ValueError(f"regions must be a list of regions, got {shown(regions)}; pass at least one")
        passwords = {region: Field.ses_smtp_password(region) for region in regions}
        if len(passwords) < len(regions):
            raise ValueError(
                f"regions must name each region once, got {', '.join(regions)}; remove what is there twice"
            )
        if port not in _SMTP_PORTS or isinstance(port, bool):
            raise ValueError(
                f"port must be one of {', '.join(map(str, _SMTP_PORTS))}, got {shown(port)}; pass one of them"
            )
        if prove_smtp and port == _BLOCKED_PORT:
            raise ValueError(
                "prove_smtp must come with another port than 25, got 25, on which Lambda's network lets nothing out; "
                "use 587"
            )
        first = regions[0]
        fields: dict[str, Field | str | int] = {
            "username": Field.ACCESS_KEY_ID,
            "password": passwords[first],
            "host": smtp_host(first),
            "port": port,
        }
        for region, password in passwords.items():
            fields |= {f"password_{region}": password, f"host_{region}": smtp_host(region)}
        return cls(_json_text(fields), "json", tuple(fields), port if prove_smtp else 0)


def properties_of_format(secret_format: SecretFormat, region: str) -> dict[str, str]:
    """Return what the provider of a stack in a region gets.

    Raises:
        ValueError: An SMTP password is for another partition than the stack's, where the key does not exist.
    """
    regions = {other for _, other, _ in _PLACEHOLDER.findall(secret_format.text) if other and not is_token(region)}
    elsewhere = sorted(other for other in regions if partition_of(other) != partition_of(region))
    if elsewhere:
        raise ValueError(
            f"secret_format must have SMTP passwords for regions of the partition of {region}, got "
            f"{', '.join(elsewhere)}; a key works in its own partition only, so declare another one there"
        )
    port = secret_format.prove_smtp_port
    proof = {"ProveSmtpPort": str(port)} if port else {}
    return {"SecretFormat": secret_format.text, "SecretFormatKind": secret_format.kind, **proof}


def _check_value(name: str, value: object) -> None:
    if isinstance(value, Field):
        return
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


def _check_no_reference(text: str) -> None:
    if "{{resolve:" in text:
        raise ValueError(
            "secret_format must have no dynamic reference in it, got {{resolve:...; another secret must not be copied "
            "into this one: let the reader read both"
        )


def _check_placeholder(found: str) -> None:
    placeholder = _PLACEHOLDER.fullmatch(found)
    known = placeholder is not None and placeholder[1] in _LONGEST and placeholder[3] in {None, "url"}
    if placeholder is None or not known or (placeholder[1] == _PASSWORD) != (placeholder[2] is not None):
        raise ValueError(
            f"text must have no other placeholders than {{{_ID}}}, {{{_SECRET}}} and {{{_PASSWORD}:REGION}}, each also "
            f"with |url before the closing brace, got {found}; correct or remove it"
        )
    if placeholder[2] is not None:
        checked_region(placeholder[2])


def _json_text(fields: Mapping[str, Any]) -> str:
    members = (f"{_json_constant(name)}: {_written(value, json_text=True)}" for name, value in fields.items())
    return f"{{{', '.join(members)}}}"


def _written(value: Field | str, *, json_text: bool = False) -> str:
    if isinstance(value, Field):
        return f'"{value.placeholder}"' if json_text else value.placeholder
    return _json_constant(value) if json_text else value


def _json_constant(value: str | int) -> str:
    """Write a constant in which no brace begins a placeholder. A token stays one."""
    return _BRACE_OF_A_CONSTANT.sub(r"\\u007b", json.dumps(value))
