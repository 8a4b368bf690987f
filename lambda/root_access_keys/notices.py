"""Events on the account's default bus, for those who watch over root access keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3

from lambda_shared.aws_calls import EVENT_SOURCE
from root_access_keys.calls import CLIENT_CONFIG
from root_access_keys.errors import TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def put_event(call: Callable[..., Any], kind: str, detail: Mapping[str, Any]) -> None:
    """Put an event.

    Args:
        call: makes a call to AWS.
        kind: the event's detail type.
        detail: its detail.

    Raises:
        TryAgainError: EventBridge did not take it.
        ProviderError: the call failed.
    """
    client = boto3.client("events", config=CLIENT_CONFIG)
    entry = {"Source": EVENT_SOURCE, "DetailType": kind, "Detail": json.dumps(detail)}
    answer = call(client.put_events, Entries=[entry])
    if answer.get("FailedEntryCount"):
        raise TryAgainError(f"PutEvents: {answer['Entries'][0].get('ErrorCode')}")
