"""EventBridge: events for those who watch over keys."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

import boto3

from lambda_shared.aws_calls import CLIENT, EVENT_SOURCE
from lambda_shared.errors import ProviderError
from lambda_shared.log import measure, record

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

    from access_key_provider.aws.sts import Credentials
    from lambda_shared.aws_calls import Caller


class EventBridgeNotices:
    """Events on the account's default bus, a line in the log, and a metric by CloudWatch's embedded format."""

    def __init__(self, credentials: Credentials, call: Caller) -> None:
        """Act with the credentials of the key's role."""
        self._credentials = credentials
        self._call = call

    @cached_property
    def _client(self) -> EventBridgeClient:
        return boto3.client("events", **self._credentials, config=CLIENT)

    def tell(self, what: str, about: dict[str, str]) -> None:
        """Say what happened, and to which key. Never fails: what was done is done, told or not."""
        measure(what.replace(" ", ""), what, **about)
        try:
            answer = self._call(
                self._client.put_events,
                Entries=[
                    {
                        "Source": EVENT_SOURCE,
                        "DetailType": what,
                        "Detail": json.dumps(about),
                        "Resources": [about["secretArn"]],
                    }
                ],
            )
            if answer.get("FailedEntryCount"):
                record("the event could not be sent", event=what, error=str(answer["Entries"][0].get("ErrorCode")))
        except ProviderError as error:
            record("the event could not be sent", event=what, error=str(error))
