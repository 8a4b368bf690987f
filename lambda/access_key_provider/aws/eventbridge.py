"""EventBridge: events for those who watch over keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambda_shared import log
from lambda_shared.aws_calls import EVENT_SOURCE, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

# Nothing waits for an event.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 2},
    user_agent_extra=USER_AGENT,
)
_ENTRIES_A_CALL = 10


class EventPublisher:
    """Events on the account's default bus, a line in the log, and a metric by CloudWatch's embedded format."""

    def publish(self, events: Sequence[tuple[str, dict[str, str]]]) -> None:
        """Report what happened. Never fails: what was done is done, reported or not."""
        for kind, detail in events:
            log.metric(kind.replace(" ", ""), kind, **detail)
        for first in range(0, len(events), _ENTRIES_A_CALL):
            self._put(events[first : first + _ENTRIES_A_CALL])

    def _put(self, events: Sequence[tuple[str, dict[str, str]]]) -> None:
        entries: list[PutEventsRequestEntryTypeDef] = [
            {
                "Source": EVENT_SOURCE,
                "DetailType": kind,
                "Detail": json.dumps(detail),
                "Resources": [detail["secretArn"]],
            }
            for kind, detail in events
        ]
        try:
            response = boto3.client("events", config=_CONFIG).put_events(Entries=entries)
        except (ClientError, BotoCoreError) as error:
            log.info("events could not be sent", error=type(error).__name__)
            return
        if response.get("FailedEntryCount"):
            log.info("events could not be sent", failed=response["FailedEntryCount"])
