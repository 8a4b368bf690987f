"""What is written on the user and on the secret to be read again: labels and tags, and how they carry a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

INTENT_TAG_PREFIX = "cdk-iam-access-key:intent:"
REQUEST_TAG_PREFIX = "cdk-iam-access-key:request:"
TOMBSTONE_TAG_PREFIX = "cdk-iam-access-key:tombstone:"

_SERIAL_LABEL = re.compile(r"^serial-(?P<digest>[0-9a-f]{16})-(?P<generation>[1-9][0-9]{0,8})$")
_TIME = "%Y%m%dT%H%M%SZ"


def format_time(time: datetime) -> str:
    """Write a time the way tags carry it: `20260102T030405Z`."""
    return time.astimezone(UTC).strftime(_TIME)


def parse_time(text: str) -> datetime | None:
    """Read a time written by `format_time` or found in a presigned URL; None if it is no such time."""
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class SerialLabel:
    """The label of a proven version: which serial it was made for, and how many keys came before it, plus one."""

    digest: str
    generation: int

    def __str__(self) -> str:
        """Write the label."""
        return f"serial-{self.digest}-{self.generation}"

    @classmethod
    def parse(cls, label: str) -> SerialLabel | None:
        """Read a label; None if it is another kind of label."""
        match = _SERIAL_LABEL.match(label)
        return cls(match["digest"], int(match["generation"])) if match else None


@dataclass(frozen=True, slots=True)
class Intent:
    """A tag on the user, written before CreateAccessKey: the keys the user had, and when the attempts were made.

    `since` is the first attempt that may have left a key, `until` the last one.
    """

    owner: str
    since: datetime
    until: datetime
    baseline: frozenset[str]

    def __str__(self) -> str:
        """Write the tag's value; IAM allows neither commas nor brackets in it."""
        return "/".join((format_time(self.since), format_time(self.until), *sorted(self.baseline)))

    @classmethod
    def parse(cls, tag_key: str, value: str) -> Intent | None:
        """Read a tag; None if it is another kind of tag, or was edited by hand."""
        times, owner = value.split("/"), tag_key.removeprefix(INTENT_TAG_PREFIX)
        if owner == tag_key or len(times) < 2:  # noqa: PLR2004 - two times, then the keys
            return None
        since, until = parse_time(times[0]), parse_time(times[1])
        if since is None or until is None:
            return None
        return cls(owner, since, until, frozenset(times[2:]))


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag on the secret that a request leaves: when CloudFormation made it, and which it was."""

    time: datetime
    request_id: str

    def __str__(self) -> str:
        """Write the tag's value."""
        return f"{format_time(self.time)} {self.request_id}"

    @classmethod
    def parse(cls, value: str | None) -> Mark | None:
        """Read a tag's value; None if there is none, or it was edited by hand."""
        time, _, request_id = (value or "").partition(" ")
        parsed = parse_time(time)
        return cls(parsed, request_id) if parsed else None
