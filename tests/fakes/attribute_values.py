"""DynamoDB's values as its clients send them: a type and what it holds, such as `{"S": "text"}`.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from fakes.errors import MisuseError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Value = dict[str, Any]
Item = dict[str, Value]

_HOLDS: Final[dict[str, Any]] = {
    "S": (str,),
    "N": (str,),
    "BOOL": (bool,),
    "NULL": (bool,),
    "M": (dict,),
    "L": (list, tuple),
}
_UNUSED: Final = frozenset({"B", "SS", "NS", "BS"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DIGITS = 38
_GREATEST_EXPONENT, _LEAST_EXPONENT = 125, -130
_DEEPEST = 32
_NOT_ONE_TYPE = (
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
)


def sendable(value: Any) -> bool:
    """Tell whether botocore sends a value: known types that hold what they must, though none or several at once."""
    if not isinstance(value, dict):
        return False
    for kind, held in value.items():
        if kind not in _HOLDS or not isinstance(held, _HOLDS[kind]):
            return False
        if kind == "M" and not all(isinstance(name, str) and sendable(member) for name, member in held.items()):
            return False
        if kind == "L" and not all(map(sendable, held)):
            return False
    return True


def unsendable(name: str, value: Any) -> Iterator[str]:
    """Say what botocore finds wrong with a value."""
    if not isinstance(value, dict):
        yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {dict}"
        return
    for kind, held in value.items():
        if kind in _UNUSED:
            raise MisuseError(f"{name} is a {kind}, which this fake does not know", pytrace=False)
        if kind not in _HOLDS:
            yield f'Unknown parameter in {name}: "{kind}", must be one of: {", ".join([*_HOLDS, *_UNUSED])}'
        elif not isinstance(held, _HOLDS[kind]):
            yield f"Invalid type for parameter {name}.{kind}, type: {type(held)}, valid types: {_HOLDS[kind]}"
        elif kind == "M":
            yield from unsendable_members(f"{name}.M", held)
        elif kind == "L":
            for index, member in enumerate(held):
                yield from unsendable(f"{name}.L[{index}]", member)


def unsendable_members(name: str, values: Any) -> Iterator[str]:
    """Say what botocore finds wrong with values that have names."""
    if not isinstance(values, dict):
        yield f"Invalid type for parameter {name}, type: {type(values)}, valid types: {dict}"
        return
    for of, member in values.items():
        yield from unsendable(f"{name}.{of}", member)


def taken(item: Mapping[str, Value]) -> tuple[Item, int]:
    """Copy an item the way DynamoDB keeps it, and measure it in bytes. Raises ServiceError."""
    copy: Item = {}
    size = 0
    for name, value in item.items():
        copy[name], length = _taken(value, 1)
        size += len(name.encode()) + length
    return copy, size


def _taken(value: Value, depth: int) -> tuple[Value, int]:
    if len(value) != 1:
        raise ServiceError("ValidationException", _NOT_ONE_TYPE)
    if depth > _DEEPEST:
        raise ServiceError("ValidationException", "Nesting Levels have exceeded supported limits")
    ((kind, held),) = value.items()
    if kind == "S":
        return {"S": held}, len(held.encode())
    if kind == "N":
        return {"N": canonical_number(held)}, 2 + len(held) // 2
    if kind in {"M", "L"}:
        return _container(kind, held, depth)
    if kind == "NULL" and held is not True:
        message = "One or more parameter values were invalid: Null attribute value types must have the value of true"
        raise ServiceError("ValidationException", message)
    return {kind: held}, 1


def _container(kind: str, held: Any, depth: int) -> tuple[Value, int]:
    size = 3
    if kind == "L":
        listed = []
        for member in held:
            copy, length = _taken(member, depth + 1)
            listed.append(copy)
            size += 1 + length
        return {"L": listed}, size
    named = {}
    for name, member in held.items():
        named[name], length = _taken(member, depth + 1)
        size += 1 + len(name.encode()) + length
    return {"M": named}, size


def canonical_number(text: str) -> str:
    """Write a number the way DynamoDB answers with it. Raises ServiceError."""
    if text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= _DIGITS:
        return text
    if _NUMBER.fullmatch(text) is None:
        raise ServiceError("ValidationException", f"The parameter cannot be converted to a numeric value: {text}")
    number = Decimal(text).normalize(Context(prec=len(text)))
    if len(number.as_tuple().digits) > _DIGITS:
        message = "Attempting to store more than 38 significant digits in a Number"
        raise ServiceError("ValidationException", message)
    if number and not _LEAST_EXPONENT <= number.adjusted() <= _GREATEST_EXPONENT:
        way = "overflow" if number.adjusted() > 0 else "underflow"
        message = f"Number {way}. Attempting to store a number with magnitude out of the supported range"
        raise ServiceError("ValidationException", message)
    return f"{number or Decimal(0):f}"
