"""DynamoDB's expressions, as far as the provider uses them: few forms, and any other fails the test.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fakes.errors import MisuseError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.attribute_values import Item, Value

_NAME, _VALUE = r"#\w+", r":\w+"
_CONDITIONS: Final = (
    re.compile(rf"attribute_not_exists ?\( ?(?P<absent>{_NAME}) ?\)"),
    re.compile(rf"(?P<compared>{_NAME}) ?= ?(?P<value>{_VALUE})"),
    re.compile(rf"attribute_not_exists ?\( ?(?P<absent>{_NAME}) ?\) OR (?P<compared>{_NAME}) ?= ?(?P<value>{_VALUE})"),
)
_KEY_CONDITIONS: Final = (
    re.compile(rf"(?P<partition>{_NAME}) ?= ?(?P<partition_value>{_VALUE})"),
    re.compile(
        rf"(?P<partition>{_NAME}) ?= ?(?P<partition_value>{_VALUE})"
        rf" AND (?P<sort>{_NAME}) ?<= ?(?P<sort_value>{_VALUE})"
    ),
)
_PLACEHOLDER = re.compile(rf"{_NAME}|{_VALUE}")


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds if an attribute is absent, or if one equals a value; None asks for nothing."""

    absent: str | None
    equal: tuple[str, Value] | None

    def holds(self, item: Item | None) -> bool:
        """Tell whether the item that is there, if any, is as expected."""
        found: Item = item or {}
        if self.absent is not None and self.absent not in found:
            return True
        return self.equal is not None and found.get(self.equal[0]) == self.equal[1]


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """Chooses a partition of an index and, in their order, the items up to a value."""

    partition: tuple[str, Value]
    most: tuple[str, Value] | None


def condition(parameters: Mapping[str, Any], values: Mapping[str, Value]) -> Condition | None:
    """Read the condition of a write; None if there is none. Raises ServiceError."""
    found = _read("ConditionExpression", _CONDITIONS, parameters, values)
    if found is None:
        return None
    return Condition(found.get("absent"), _pair(found, values, "compared", "value"))


def key_condition(parameters: Mapping[str, Any], values: Mapping[str, Value]) -> KeyCondition:
    """Read which items a query is about. Raises ServiceError."""
    found = _read("KeyConditionExpression", _KEY_CONDITIONS, parameters, values)
    if found is None:
        message = "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
        raise ServiceError("ValidationException", message)
    partition = _pair(found, values, "partition", "partition_value")
    if partition is None:
        raise MisuseError("every form names a partition", pytrace=False)
    return KeyCondition(partition, _pair(found, values, "sort", "sort_value"))


def _pair(found: Mapping[str, str], values: Mapping[str, Value], name: str, value: str) -> tuple[str, Value] | None:
    return (found[name], values[found[value]]) if name in found else None


def _read(
    slot: str, forms: tuple[re.Pattern[str], ...], parameters: Mapping[str, Any], values: Mapping[str, Value]
) -> dict[str, str] | None:
    """Return what an expression names, attributes by their real names."""
    names = parameters.get("ExpressionAttributeNames", {})
    text = parameters.get(slot)
    if text is None:
        if names or values:
            message = "ExpressionAttributeNames and ExpressionAttributeValues can only be specified with expressions"
            raise ServiceError("ValidationException", message)
        return None
    found, placeholders = _parsed(slot, forms, text)
    _require_exactly(slot, placeholders, names.keys() | values.keys())
    return {part: names.get(placeholder, placeholder) for part, placeholder in found}


@lru_cache(maxsize=256)
def _parsed(
    slot: str, forms: tuple[re.Pattern[str], ...], text: str
) -> tuple[tuple[tuple[str, str], ...], frozenset[str]]:
    if not text.strip():
        raise ServiceError("ValidationException", f"Invalid {slot}: The expression can not be empty;")
    match = next((match for form in forms if (match := form.fullmatch(" ".join(text.split())))), None)
    if match is None:
        raise MisuseError(f"this fake knows no {slot} like {text}", pytrace=False)
    return tuple(match.groupdict().items()), frozenset(_PLACEHOLDER.findall(text))


def _require_exactly(slot: str, used: frozenset[str], given: set[str]) -> None:
    for placeholder in sorted(used - given):
        kind = "name used in the document path" if placeholder[0] == "#" else "value used in expression"
        member = "name" if placeholder[0] == "#" else "value"
        message = f"Invalid {slot}: An expression attribute {kind} is not defined; attribute {member}: {placeholder}"
        raise ServiceError("ValidationException", message)
    for placeholder in sorted(given - used):
        member = "ExpressionAttributeNames" if placeholder[0] == "#" else "ExpressionAttributeValues"
        message = f"Value provided in {member} unused in expressions: keys: {{{placeholder}}}"
        raise ServiceError("ValidationException", message)
