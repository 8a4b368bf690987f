"""EventBridge Scheduler: looks to come."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3

from lambda_shared.aws_calls import CLIENT
from lambda_shared.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from access_key_provider.aws.sts import Credentials
    from lambda_shared.aws_calls import Caller

_CONFLICT = "ConflictException"
_NOT_FOUND = "ResourceNotFoundException"

# What AWS recommends to set for a target: a day of retries at most, then the dead-letter queue.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-retry.html
_LONGEST_DELAY = 86_400
_RETRIES = 185


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """What the provider's construct defines for the schedules of its keys."""

    group: str
    role_arn: str
    dead_letter_arn: str
    function_arn: str

    @classmethod
    def of_function(cls, function_arn: str) -> ScheduleSettings:
        """Read them from the function's environment."""
        return cls(
            group=os.environ.get("SCHEDULE_GROUP", ""),
            role_arn=os.environ.get("SCHEDULE_ROLE_ARN", ""),
            dead_letter_arn=os.environ.get("SCHEDULE_DEAD_LETTER_ARN", ""),
            function_arn=function_arn,
        )


class EventBridgeSchedules:
    """One-time schedules in the group of the stack, gone after they ran."""

    def __init__(self, credentials: Credentials, call: Caller, settings: ScheduleSettings) -> None:
        """Act with the credentials of the key's role."""
        self._credentials = credentials
        self._call = call
        self._settings = settings

    @cached_property
    def _client(self) -> EventBridgeSchedulerClient:
        # Most requests need none, and a client takes a while to make.
        return boto3.client("scheduler", **self._credentials, config=CLIENT)

    def create(self, name: str, at: datetime, event: Mapping[str, str]) -> None:
        """Let the function be called with an event at a time; a schedule of that name that exists already is fine."""
        settings = self._settings
        try:
            self._call(
                self._client.create_schedule,
                Name=name,
                GroupName=settings.group,
                Description="Lets the access key provider come back to a key that was replaced",
                ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={
                    "Arn": settings.function_arn,
                    "RoleArn": settings.role_arn,
                    "Input": json.dumps(dict(event)),
                    "RetryPolicy": {
                        "MaximumEventAgeInSeconds": _LONGEST_DELAY,
                        "MaximumRetryAttempts": _RETRIES,
                    },
                    "DeadLetterConfig": {"Arn": settings.dead_letter_arn},
                },
            )
        except CallError as error:
            if error.code != _CONFLICT:
                raise

    def delete(self, name: str) -> None:
        """Cancel one; one that is gone is fine."""
        try:
            self._call(self._client.delete_schedule, Name=name, GroupName=self._settings.group)
        except CallError as error:
            if error.code != _NOT_FOUND:
                raise
