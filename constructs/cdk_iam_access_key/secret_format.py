"""How the secret of an access key is written: as its readers need it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from cdk_iam_access_key._access_key.secret_text import (
    ID,
    PASSWORD,
    SECRET,
    check_constant,
    check_text,
    checked_template,
    json_constant,
)
from cdk_iam_access_key._access_key.ses_endpoints import checked_region, smtp_host
from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key._shared.validation import check_kind, shown

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV_VALUE = re.compile(r"[A-Za-z0-9_./:@+=,-]*")
_PROFILE = re.compile(r"[A-Za-z0-9_.-]+")
_REGION = re.compile(r"[a-z0-9-]+")

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
        return cls(f"{{{PASSWORD}:{checked_region(region)}}}")


Field.ACCESS_KEY_ID = Field(f"{{{ID}}}")
Field.SECRET_ACCESS_KEY = Field(f"{{{SECRET}}}")

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
        check_text(self.text)

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
        lines = (
            f"{name}={value.placeholder if isinstance(value, Field) else value}\n" for name, value in fields.items()
        )
        return cls("".join(lines), "env_file")

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
        lines = [f"[{profile}]", f"aws_access_key_id = {{{ID}}}", f"aws_secret_access_key = {{{SECRET}}}"]
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
        return cls(checked_template(text, percent_encoded=escape is Escape.URL), "text")

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


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, Field):
        check_constant(name, value)


def _json_text(fields: Mapping[str, Field | str | int]) -> str:
    members = (
        f'{json_constant(name)}: "{value.placeholder}"'
        if isinstance(value, Field)
        else f"{json_constant(name)}: {json_constant(value)}"
        for name, value in fields.items()
    )
    return f"{{{', '.join(members)}}}"
