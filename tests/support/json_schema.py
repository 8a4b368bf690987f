"""As much of JSON Schema as the schema of the events uses; a keyword that it does not know is an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Schema = dict[str, Any]

_ANNOTATIONS = {"$schema", "$comment", "$defs", "title", "description"}
_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str}


def problems(schema: Schema, value: Any, root: Schema | None = None, where: str = "event") -> list[str]:
    """List what is wrong with a value, in words; empty if it is valid."""
    root = root or schema
    found: list[str] = []
    for keyword, given in schema.items():
        if keyword in _ANNOTATIONS or keyword == "then":
            continue
        if keyword == "$ref":
            found += problems(root["$defs"][given.removeprefix("#/$defs/")], value, root, where)
        elif keyword == "if":
            if not problems(given, value, root, where):
                found += problems(schema["then"], value, root, where)
        else:
            found += _KEYWORDS[keyword](given, schema, value, root, where)
    return found


def _type(given: str, _schema: Schema, value: Any, _root: Schema, where: str) -> Iterator[str]:
    if not isinstance(value, _TYPES[given]):
        yield f"{where} must be of type {given}, is {value!r}"


def _const(given: Any, _schema: Schema, value: Any, _root: Schema, where: str) -> Iterator[str]:
    if value != given:
        yield f"{where} must be {given!r}, is {value!r}"


def _enum(given: list[Any], _schema: Schema, value: Any, _root: Schema, where: str) -> Iterator[str]:
    if value not in given:
        yield f"{where} must be one of {given}, is {value!r}"


def _pattern(given: str, _schema: Schema, value: Any, _root: Schema, where: str) -> Iterator[str]:
    if isinstance(value, str) and not re.search(given, value):
        yield f"{where} must match {given}, is {value!r}"


def _required(given: list[str], _schema: Schema, value: Any, _root: Schema, where: str) -> Iterator[str]:
    yield from (f"{where} must have {name}" for name in given if name not in value)


def _properties(given: Schema, _schema: Schema, value: Any, root: Schema, where: str) -> Iterator[str]:
    for name, schema in given.items():
        if name in value:
            yield from problems(schema, value[name], root, f"{where}.{name}")


def _additional(given: bool, schema: Schema, value: Any, _root: Schema, where: str) -> Iterator[str]:  # noqa: FBT001
    unknown = set() if given else set(value) - set(schema["properties"])
    yield from (f"{where} must not have {name}" for name in sorted(unknown))


def _items(given: Schema, _schema: Schema, value: Any, root: Schema, where: str) -> Iterator[str]:
    for item in value:
        yield from problems(given, item, root, where)


def _all_of(given: list[Schema], _schema: Schema, value: Any, root: Schema, where: str) -> Iterator[str]:
    for schema in given:
        yield from problems(schema, value, root, where)


_KEYWORDS: dict[str, Callable[[Any, Schema, Any, Schema, str], Iterator[str]]] = {
    "type": _type,
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "allOf": _all_of,
}
