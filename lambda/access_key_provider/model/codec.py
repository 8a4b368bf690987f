"""Frozen values as documents that DynamoDB keeps and a person can read, and back."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

_Kind = TypeVar("_Kind")


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
        TypeError: a member is missing.
    """
    if isinstance(kind, UnionType):
        return None if document is None else decode(get_args(kind)[0], document)
    origin = get_origin(kind)
    if origin is dict:
        return {key: decode(get_args(kind)[1], member) for key, member in _required(document, dict).items()}
    if origin is tuple:
        return tuple(decode(get_args(kind)[0], member) for member in _required(document, list))
    if is_dataclass(kind):
        given = _required(document, dict)
        known = {name: decode(hint, given[name]) for name, hint in _members(cast("type", kind)) if name in given}
        return kind(**known)  # type: ignore[operator] # a dataclass, not an instance of one
    if kind is datetime:
        return datetime.fromisoformat(_required(document, str)).astimezone(UTC)
    if kind is timedelta:
        return timedelta(seconds=_number(document))
    if kind is int:
        return _number(document)
    if issubclass(kind, StrEnum):
        return kind(_required(document, str))
    return _required(document, kind)


def _required(document: Any, kind: type[_Kind]) -> _Kind:
    if not isinstance(document, kind):
        raise ValueError(f"{type(document).__name__} instead of {kind.__name__}")  # noqa: TRY004 - a value that is read
    return document


def _number(document: Any) -> int:
    if isinstance(document, bool) or not isinstance(document, (int, Decimal)):
        raise ValueError(f"{type(document).__name__} instead of a number")  # noqa: TRY004 - the same
    return int(document)


def written(time: datetime) -> str:
    """Write a time: `2026-01-02T03:04:05.678Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def _members(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(kind))
