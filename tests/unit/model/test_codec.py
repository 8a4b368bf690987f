"""Every value goes through the ledger and comes back as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import HealthCheck, given, settings
from unit.model.entries import KEYS, OWNERS, SECRET, entries, rules

from access_key_provider.model.codec import decode, encode, written
from access_key_provider.model.entry import Claim, Entry, KeyRecord, KeyState, RequestStamp
from access_key_provider.model.retirement_rules import RetirementRules

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
KEY = KeyRecord(KEYS[0], OWNERS[0], "deploy", KeyState.CURRENT, NOW)
CLAIM = Claim("stack", "Key", "deploy", "role", "1", "Active", "x", RequestStamp(NOW, "r"))
ENTRY = Entry(SECRET, claims={OWNERS[0]: CLAIM}, keys={KEY.id: KEY})

patiently = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def through_dynamodb(document: dict[str, Any]) -> dict[str, Any]:
    """Write a document as the items of DynamoDB are written, and read it."""
    item = TypeSerializer().serialize(document)
    json.dumps(item)
    read: dict[str, Any] = TypeDeserializer().deserialize(item)
    return read


@given(entry=entries)
@patiently
def test_any_entry_is_read_as_it_was_written(entry: Entry) -> None:
    """To the millisecond."""
    assert decode(Entry, through_dynamodb(encode(entry))) == entry


@given(value=rules)
@patiently
def test_any_rules_are_read_as_they_were_written(value: RetirementRules) -> None:
    """None is not the same as no time at all."""
    assert decode(RetirementRules, through_dynamodb(encode(value))) == value


def test_a_document_is_one_that_a_person_can_read() -> None:
    """Words, times and seconds; what is not set is left out."""
    assert encode(ENTRY) == {
        "secret_arn": SECRET,
        "claims": {
            OWNERS[0]: {
                "stack_id": "stack",
                "logical_id": "Key",
                "user_name": "deploy",
                "role_arn": "role",
                "serial": "1",
                "status": "Active",
                "description": "x",
                "request": {"time": "2026-01-02T03:04:05.678Z", "id": "r"},
                "rules": {},
            }
        },
        "keys": {
            KEY.id: {
                "id": KEY.id,
                "owner": OWNERS[0],
                "user_name": "deploy",
                "state": "current",
                "created": "2026-01-02T03:04:05.678Z",
            }
        },
    }
    assert encode(RetirementRules(retention=timedelta(days=1))) == {"retention": 86_400}


def test_a_time_is_written_in_utc() -> None:
    """Whatever zone it came in."""
    assert written(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-01-02T03:04:05.678Z"
    assert decode(datetime, "2026-01-02T05:04:05.678+02:00") == NOW


def test_members_of_a_later_release_are_ignored() -> None:
    """At every depth: a rollback of the construct library must be able to read."""
    more: Any = {"of_later": {"a": [1]}}
    document = encode(ENTRY) | more
    document["keys"] = {KEY.id: document["keys"][KEY.id] | more}
    claim = document["claims"][OWNERS[0]]
    claim = claim | more | {"request": claim["request"] | more, "rules": claim["rules"] | more}
    document["claims"] = {OWNERS[0]: claim}
    assert decode(Entry, document) == ENTRY


def places(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """List where something is in a document."""
    if path:
        yield path
    if isinstance(document, dict):
        for name, member in document.items():
            yield from places(member, (*path, name))


def replaced(document: Any, path: tuple[str, ...], value: Any) -> Any:
    """Put something else in a place."""
    if not path:
        return value
    return {**document, path[0]: replaced(document[path[0]], path[1:], value)}


DOCUMENT = encode(ENTRY)


@pytest.mark.parametrize("nonsense", [None, 7, "x", True, [], ["x"], [7], {}, {"x": 1}, {"x": {"x": 1}}], ids=repr)
@pytest.mark.parametrize("path", list(places(DOCUMENT)), ids="/".join)
def test_nonsense_is_refused_or_read_as_values_of_the_right_kind(path: tuple[str, ...], nonsense: Any) -> None:
    """Somebody has edited the item: no rule meets a value of a kind that it does not expect."""
    try:
        entry = decode(Entry, replaced(DOCUMENT, path, nonsense))
    except (TypeError, ValueError):
        return
    assert decode(Entry, json.loads(json.dumps(encode(entry)))) == entry


@pytest.mark.parametrize(
    ("kind", "nonsense"),
    [
        (bool, 1),
        (int, True),
        (int, "1"),
        (str, 1),
        (tuple[str, ...], "abc"),
        (dict[str, str], ["a"]),
        (timedelta, "1"),
        (datetime, 1),
        (datetime, "yesterday"),
        (KeyState, "unheard-of"),
        (RetirementRules, "x"),
        (RetirementRules, None),
    ],
)
def test_a_document_of_another_kind_is_refused(kind: Any, nonsense: Any) -> None:
    """Nothing is taken for what it may have meant: rules that can't be read are not those without a grace period."""
    with pytest.raises(ValueError, match=r"instead of|Invalid isoformat|not a valid"):
        decode(kind, nonsense)
