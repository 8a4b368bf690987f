"""The events that the provider has put on the bus, each held against the schema in the construct package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.json_schema import problems

if TYPE_CHECKING:
    from fakes.aws import FakeAccount

SCHEMA = Path(__file__).parents[2] / "constructs" / "cdk_iam_access_key" / "events.schema.json"


@dataclass(frozen=True)
class KeyEvent:
    """An event: its kind without the words that all have, and its detail."""

    kind: str
    detail: dict[str, str]


def events(account: FakeAccount, *kinds: str, since: int = 0) -> list[KeyEvent]:
    """List the valid events of some kinds, or of all; the first ones may be left out."""
    found = [_event(entry) for entry in account.state.events[since:]]
    return [event for event in found if not kinds or event.kind in kinds]


def kinds(account: FakeAccount, since: int = 0) -> list[str]:
    """List the kinds of the events, in order."""
    return [event.kind for event in events(account, since=since)]


@cache
def schema() -> dict[str, Any]:
    """Read the schema."""
    read: dict[str, Any] = json.loads(SCHEMA.read_text())
    return read


def _event(entry: dict[str, Any]) -> KeyEvent:
    detail = json.loads(entry["Detail"])
    delivered = {
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "resources": entry["Resources"],
        "detail": detail,
    }
    assert problems(schema(), delivered) == []
    return KeyEvent(entry["DetailType"].removeprefix("Access Key "), detail)
