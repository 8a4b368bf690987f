"""Point a profile of the shared AWS files at this program. All other lines stay as they are.

https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
"""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from iam_access_key_client import files
from iam_access_key_client.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_HEADER = re.compile(r"\s*\[([^\]]*)\]")
_SETTING = re.compile(r"([ \t]*)([\w.-]+)\s*[=:]\s*(.*)")
_SECTION = re.compile(r"(profile )?[\w.@/+-]+", re.ASCII)
# AWS documents these for the path of a credential process, no other character but those of its examples; and of an ARN.
_PART = re.compile(r"[A-Za-z0-9_./\\ :+=@-]+")
_SECRET_LINE = re.compile(r"(?i)^([-+][ \t]*[\w.-]*(?:secret|token|password)[\w.-]*\s*[=:]\s*)\S.*")
# An SDK takes these before credential_process.
_BEFORE = (
    "role_arn",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "web_identity_token_file",
    "credential_source",
    "login_session",
)
_OURS = " credentials --secret arn:"
_STATIC = {"aws_access_key_id": None, "aws_secret_access_key": None, "aws_session_token": None}


class Change(NamedTuple):
    """What is to change in a file."""

    path: Path
    before: str
    section: str
    settings: Mapping[str, str | None]

    def made(self, text: str) -> str:
        """Return the text with the change: of the file as it is by then."""
        return edited(text, self.section, self.settings)

    def shown(self) -> str:
        """Return the lines that change, without secrets."""
        lines = difflib.unified_diff(
            self.before.splitlines(),
            self.made(self.before).splitlines(),
            str(self.path),
            str(self.path),
            lineterm="",
            n=0,
        )
        return "\n".join(_SECRET_LINE.sub(r"\1***", line) for line in lines)


def planned(profile: str, command: str, access_key_id: str) -> list[Change]:
    """Return what to change so that a profile gets its credentials from a command.

    Both files get the setting: some clients read `~/.aws/credentials` only. Keys that the profile has are removed,
    because an SDK would take them first.

    Raises:
        ClientError: The profile has another key, or takes its credentials from elsewhere.
    """
    changes = []
    for variable, name, section in (
        ("AWS_CONFIG_FILE", "config", f"profile {profile}"),
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile),
    ):
        path = files.expanded(os.environ.get(variable) or f"~/.aws/{name}")
        before = files.read(path)
        if profile == "default" and not any(line.is_header for line in _lines(before, section)):
            section = profile  # noqa: PLW2901 - SDKs take both names in the config file, this one only without the other
        found = _settings(before, section)
        other = next((setting for setting in _BEFORE if setting in found), None)
        if other:
            raise ClientError(f"profile {profile} in {path} has {other}, which SDKs prefer; choose another --profile")
        if found.get("aws_access_key_id", access_key_id) != access_key_id:
            raise ClientError(
                f"profile {profile} in {path} has another key, {found['aws_access_key_id']}; remove it there or choose "
                "another --profile"
            )
        if _OURS not in found.get("credential_process", _OURS):
            raise ClientError(
                f"profile {profile} in {path} has another credential_process; remove it there or choose another "
                "--profile"
            )
        changes.append(Change(path, before, section, {"credential_process": command, **_STATIC}))
    return [change for change in changes if change.made(change.before) != change.before]


def command_line(parts: Sequence[str]) -> str:
    """Return the value of `credential_process`: parts with blanks in double quotes, as AWS documents it.

    Raises:
        ClientError: A path has characters that SDKs don't take in the same way.
    """
    wrong = next((part for part in parts if not _PART.fullmatch(part)), None)
    if wrong is not None:
        raise ClientError(
            f"SDKs take letters, digits, blanks and _./\\:+=@- in a credential process, got {wrong}; install this "
            "program, or keep its keys (--home), elsewhere"
        )
    return " ".join(f'"{part}"' if " " in part else part for part in parts)


def edited(text: str, section: str, settings: Mapping[str, str | None]) -> str:
    """Return the text of a file with other settings in one section, which is made if it is not there.

    Args:
        text: The text.
        section: The section, as between the brackets.
        settings: By name the value, or None to remove the setting and the lines that continue it.

    Raises:
        ClientError: The section is no name of a profile.
    """
    if not _SECTION.fullmatch(section):
        raise ClientError("--profile must consist of letters, digits and _.@/+-")
    end = "\r\n" if "\r\n" in text else "\n"
    whole = text if not text or text.endswith("\n") else text + end
    lines: list[str] = []
    left, place, blanks = dict(settings), None, None
    for line in _lines(whole, section):
        if line.setting not in settings:
            lines.append(line.text)
        elif line.match and left.get(line.setting) is not None:
            lines.append(f"{line.match.group(1)}{line.setting} = {left.pop(line.setting)}{end}")
        if line.is_header and place is None:
            place = len(lines)
        elif line.match and blanks is None:
            blanks = line.match.group(1)  # or the setting would continue what is put above it
    new = [f"{blanks or ''}{name} = {value}{end}" for name, value in left.items() if value is not None]
    if place is not None:
        lines[place:place] = new
    elif new:
        lines += [*([end] if lines else []), f"[{section}]{end}", *new]
    after = "".join(lines)
    return text if after == whole else after


def _settings(text: str, section: str) -> dict[str, str]:
    return {line.setting: line.match.group(3).strip() for line in _lines(text, section) if line.match}


class _Line(NamedTuple):
    text: str
    is_header: bool = False  # of the section
    setting: str = ""  # of the section, that begins in this line or goes on in it
    match: re.Match[str] | None = None  # if it begins here


def _lines(text: str, section: str) -> Iterator[_Line]:
    """Split a text. A line that begins with more blanks than the setting above it continues that, as for botocore."""
    inside, name, depth = False, "", -1
    for line in text.splitlines(keepends=True):
        header, setting = _HEADER.match(line.lstrip("\ufeff")), _SETTING.match(line)
        blanks = len(line) - len(line.lstrip())
        if header:
            inside, name = _is(header.group(1), section), ""
            yield _Line(line, is_header=inside)
        elif name and blanks > depth and line.strip():
            yield _Line(line, setting=name)
        elif inside and setting:
            name, depth = setting.group(2).lower(), blanks
            yield _Line(line, setting=name, match=setting)
        else:
            yield _Line(line)


def _is(header: str, section: str) -> bool:
    return [part.strip("\"'") for part in header.split()] == section.split()
