"""Frozen values as documents that DynamoDB keeps and a person can read, and back."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints


def encode(value: Any) -> Any:  # noqa: PLR0911 - one return a kind
    """Write a value as maps, lists, texts, numbers and booleans; members at their default are left out."""
    if is_dataclass(value):
        return {
            field.name: encode(member)
            for field in fields(value)
            if (member := getattr(value, field.name)) != field.default or field.default is MISSING
            if member not in ((), {})
        }
    match value:
        case datetime():
            return written(value)
        case StrEnum():
            return value.value
        case timedelta():
            return int(value.total_seconds())
        case dict():
            return {key: encode(member) for key, member in value.items()}
        case tuple():
            return [encode(member) for member in value]
    return value


def decode(kind: Any, document: Any) -> Any:  # noqa: PLR0911 - one return a kind
    """Read what `encode` wrote. Members of a newer release are left out.

    Raises:
        ValueError: the document is not of that kind.
    """
    if isinstance(kind, UnionType):
        return None if document is None else decode(get_args(kind)[0], document)
    origin = get_origin(kind)
    if origin is dict:
        return {key: decode(get_args(kind)[1], member) for key, member in document.items()}
    if origin is tuple:
        return tuple(decode(get_args(kind)[0], member) for member in document)
    if is_dataclass(kind):
        known = {name: decode(hint, document[name]) for name, hint in _members(cast("type", kind)) if name in document}
        return kind(**known)  # type: ignore[operator] # a dataclass, not an instance of one
    if kind is datetime:
        return datetime.fromisoformat(document).astimezone(UTC)
    if kind is timedelta:
        return timedelta(seconds=int(document))
    if isinstance(kind, type) and issubclass(kind, (StrEnum, int)):
        return kind(document)
    return document


def written(time: datetime) -> str:
    """Write a time: `2026-01-02T03:04:05.678Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _members(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(kind))
