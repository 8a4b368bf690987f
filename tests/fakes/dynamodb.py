"""DynamoDB: tables like the provider's ledger, whose items have one key and are found by two indexes.

Reads of a table are strong, of an index late (`Lags.indexes`). An index holds the keys of the items that have its
attributes, no others.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
"""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from fakes.attribute_values import taken
from fakes.errors import MisuseError, ServiceError
from fakes.expressions import condition, key_condition
from fakes.lags import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fakes.attribute_values import Item, Value
    from fakes.expressions import KeyCondition
    from fakes.state import State

KEY: Final = "secretArn"
_LARGEST_ITEM = 400 * 1024
_LONGEST_KEY = 2048
_WRONG_KEY = "The provided key element does not match the schema"

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index: which attributes place an item in it, and their types."""

    partition: str
    sort: str | None = None

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        """List the names and types of its attributes."""
        return ((self.partition, "S"), *([(self.sort, "N")] if self.sort else []))


INDEXES: Final = {"due": Index("sweep", "due"), "user": Index("userName")}


@dataclass(slots=True)
class Table:
    """A table. Its items are frozen as bytes, so that copies of them cost nothing.

    Attributes:
        items: what is in it, by key.
        indexes: by index and key, what the index shows of an item; None is nothing.
        history: every write with its time; None is a removal.
        deleted: whether it is gone, and can only be restored.
    """

    items: dict[str, bytes] = field(default_factory=dict)
    indexes: dict[str, dict[str, Seen[Item | None]]] = field(default_factory=lambda: {name: {} for name in INDEXES})
    history: list[tuple[datetime, str, bytes | None]] = field(default_factory=list)
    deleted: bool = False

    def item(self, key: str) -> Item | None:
        """Return a copy of an item."""
        frozen = self.items.get(key)
        return thawed(frozen) if frozen is not None else None


def thawed(frozen: bytes) -> Item:
    """Return a copy of an item that nobody else has."""
    item: Item = marshal.loads(frozen)
    return item


def table_named(state: State, name: str) -> Table:
    """Find a table. Raises ServiceError."""
    table = state.tables.get(name)
    if table is None or table.deleted:
        raise ServiceError("ResourceNotFoundException", "Requested resource not found")
    return table


def get_item(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Read an item."""
    table = table_named(state, parameters["TableName"])
    item = table.item(_key_in(parameters["Key"]))
    return {"Item": item} if item is not None else {}


def put_item(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Write an item in place of the one that is there, if that is as expected."""
    table = table_named(state, parameters["TableName"])
    item, size = taken(parameters["Item"])
    if KEY not in item:
        message = f"One or more parameter values were invalid: Missing the key {KEY} in the item"
        raise ServiceError("ValidationException", message)
    if "S" not in item[KEY]:
        message = "One or more parameter values were invalid: Type mismatch for key"
        raise ServiceError("ValidationException", f"{message} {KEY} expected: S actual: {next(iter(item[KEY]))}")
    key = _valid_key(item[KEY]["S"])
    _require_index_keys(item)
    if size > _LARGEST_ITEM:
        raise ServiceError("ValidationException", "Item size has exceeded the maximum allowed size")
    _require_condition(table, key, parameters)
    write(state, table, key, item)
    return {}


def delete_item(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Delete an item, if it is as expected; one that is not there is fine."""
    table = table_named(state, parameters["TableName"])
    key = _key_in(parameters["Key"])
    _require_condition(table, key, parameters)
    write(state, table, key, None)
    return {}


def query(state: State, parameters: Mapping[str, Any]) -> Answer:
    """List what an index shows of a partition, in the order of its sort key, a page at a time."""
    table = table_named(state, parameters["TableName"])
    name = parameters.get("IndexName")
    if name is None:
        raise MisuseError("this fake's tables have one item a key: read it with GetItem", pytrace=False)
    if name not in INDEXES:
        raise ServiceError("ValidationException", f"The table does not have the specified index: {name}")
    if parameters.get("ConsistentRead"):
        message = "Consistent reads are not supported on global secondary indexes"
        raise ServiceError("ValidationException", message)
    values, _ = taken(parameters.get("ExpressionAttributeValues", {}))
    chosen = key_condition(parameters, values)
    _require_key_attributes(INDEXES[name], chosen)
    shown = [item for seen in table.indexes[name].values() if (item := state.shown(seen)) and _is_chosen(item, chosen)]
    backward = not parameters.get("ScanIndexForward", True)
    return _page(name, sorted(shown, key=lambda item: _place(name, item), reverse=backward), parameters, state)


def write(state: State, table: Table, key: str, item: Item | None) -> None:
    """Put an item into a table and its indexes, or take it out."""
    # This version of the format writes equal items as equal bytes.
    frozen = marshal.dumps(item, 2) if item is not None else None
    if table.items.get(key) == frozen:
        return
    now = state.clock.now()
    table.history.append((now, key, frozen))
    if frozen is not None:
        table.items[key] = frozen
    else:
        del table.items[key]
    for name, index in INDEXES.items():
        _write_to_index(state, table.indexes[name], key, _shown_in(index, item))
    state.changed()


def restore(state: State, table: Table, time: datetime) -> None:
    """Put a table back to what it was at a time."""
    there = dict.fromkeys(table.items) | {key: frozen for at, key, frozen in table.history if at <= time}
    table.deleted = False
    for key, frozen in there.items():
        write(state, table, key, thawed(frozen) if frozen is not None else None)
    state.changed()


def _write_to_index(state: State, entries: dict[str, Seen[Item | None]], key: str, shown: Item | None) -> None:
    entry = entries.get(key)
    if entry is None:
        if shown is None:
            return
        entry = entries[key] = Seen(None)
    if entry.value != shown:
        entry.set(shown, state.clock.now(), state.lags.indexes)


def _shown_in(index: Index, item: Item | None) -> Item | None:
    names = [name for name, _ in index.attributes]
    if item is None or any(name not in item for name in names):
        return None
    return {name: item[name] for name in (KEY, *names)}


def _key_in(key: Mapping[str, Value]) -> str:
    if key.keys() != {KEY}:
        raise ServiceError("ValidationException", _WRONG_KEY)
    copy, _ = taken(key)
    if "S" not in copy[KEY]:
        raise ServiceError("ValidationException", _WRONG_KEY)
    return _valid_key(copy[KEY]["S"])


def _valid_key(key: str) -> str:
    if not key:
        message = (
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an"
            f" empty string value. Key: {KEY}"
        )
        raise ServiceError("ValidationException", message)
    if len(key.encode()) > _LONGEST_KEY:
        message = (
            "One or more parameter values were invalid: Aggregated size of all hash keys has exceeded the size limit of"
            f" {_LONGEST_KEY} bytes"
        )
        raise ServiceError("ValidationException", message)
    return key


def _require_index_keys(item: Item) -> None:
    for name, index in INDEXES.items():
        for attribute, kind in index.attributes:
            value = item.get(attribute)
            if value is not None and kind not in value:
                message = (
                    "One or more parameter values were invalid: Type mismatch for Index Key"
                    f" {attribute} Expected: {kind} Actual: {next(iter(value))} IndexName: {name}"
                )
                raise ServiceError("ValidationException", message)
            if value is not None and not value[kind]:
                message = (
                    "One or more parameter values are not valid. A value specified for a secondary index key is not"
                    " supported. The AttributeValue for a key attribute cannot contain an empty string value."
                    f" IndexName: {name}, IndexKey: {attribute}"
                )
                raise ServiceError("ValidationException", message)


def _require_condition(table: Table, key: str, parameters: Mapping[str, Any]) -> None:
    values, _ = taken(parameters.get("ExpressionAttributeValues", {}))
    expected = condition(parameters, values)
    if expected is None:
        return
    item = table.item(key)
    if not expected.holds(item):
        tell = item is not None and parameters.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        message = "The conditional request failed"
        raise ServiceError("ConditionalCheckFailedException", message, {"Item": item} if tell else {})


def _require_key_attributes(index: Index, chosen: KeyCondition) -> None:
    attributes = dict(index.attributes)
    if chosen.partition[0] != index.partition:
        message = f"Query condition missed key schema element: {index.partition}"
        raise ServiceError("ValidationException", message)
    if chosen.most is not None and chosen.most[0] != index.sort:
        message = f"Query condition missed key schema element: {index.sort}"
        raise ServiceError("ValidationException", message)
    for name, value in filter(None, (chosen.partition, chosen.most)):
        if attributes[name] not in value:
            message = "One or more parameter values were invalid: Condition parameter type does not match schema type"
            raise ServiceError("ValidationException", message)


def _is_chosen(item: Item, chosen: KeyCondition) -> bool:
    name, value = chosen.partition
    if item[name] != value:
        return False
    if chosen.most is None:
        return True
    name, value = chosen.most
    return Decimal(item[name]["N"]) <= Decimal(value["N"])


def _place(index_name: str, item: Item) -> tuple[Decimal, str]:
    """Say where an item stands in its partition; AWS promises no order of items with the same sort key."""
    sort = INDEXES[index_name].sort
    return (Decimal(item[sort]["N"]) if sort else Decimal(0)), str(item[KEY]["S"])


def _page(index_name: str, listed: list[Item], parameters: Mapping[str, Any], state: State) -> Answer:
    start = parameters.get("ExclusiveStartKey")
    if start is not None:
        start, _ = taken(start)
        if start.keys() != {KEY, *dict(INDEXES[index_name].attributes)}:
            raise ServiceError("ValidationException", "The provided starting key is invalid")
        place = _place(index_name, start)
        backward = not parameters.get("ScanIndexForward", True)
        listed = [
            item
            for item in listed
            if (_place(index_name, item) < place if backward else _place(index_name, item) > place)
        ]
    size = min(parameters.get("Limit", state.switches.page_size), state.switches.page_size)
    items = [{name: dict(value) for name, value in item.items()} for item in listed[:size]]
    page: Answer = {"Items": items, "Count": len(items), "ScannedCount": len(items)}
    # It stops at the limit without looking whether there is more.
    return {**page, "LastEvaluatedKey": dict(items[-1])} if len(items) == size else page
