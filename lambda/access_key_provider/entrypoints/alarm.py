"""An alarm that goes off: makes the previous key current again, within the grace period of the switch."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from access_key_provider.entrypoints.custom_resource_request import parse_secret_id
from access_key_provider.entrypoints.operations import owner_to_work_on
from access_key_provider.entrypoints.session import KNOWN_ROLE, Work
from access_key_provider.model.errors import InvalidRequestError, NothingToUndoError
from access_key_provider.planning.undo import plan_undo
from lambda_shared import log

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOURCE = "aws.cloudwatch"


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Undo the switch that the alarm is about. What fails is tried again by Lambda, and then by the sweep.

    Raises:
        ProviderError: why it can't be done now.
    """
    secret_arn = parse_secret_id(event)
    since = data_began(event.get("Event"))
    with Work(secret_arn, "AlarmUndo", context, patience=KNOWN_ROLE) as work:
        # Written also while another caller is at work: the sweep does it if this invocation can't.
        work.lease.take(lambda entry, _: replace(entry, undo_asked=since) if entry.version else entry)
        undo_as_asked(work, owner_to_work_on(work), since)


def undo_as_asked(work: Work, owner: str, since: datetime) -> None:
    """Undo for an alarm, and record that it was done or that there is nothing to do."""
    try:
        work.reconciler.run(owner, lambda draft, of: plan_undo(draft, of, alarm=since))
    except NothingToUndoError as error:
        log.info("nothing to undo", secret=work.secret_arn, reason=str(error))
    work.lease.change(lambda entry, _: replace(entry, undo_asked=None))


def data_began(alarm: object) -> datetime:
    """Tell since when the data goes that an alarm is about.

    That is not when the alarm went off: its data may be from before the switch.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html

    Raises:
        InvalidRequestError: it is no event of an alarm that went off.
    """
    detail = alarm.get("detail") if isinstance(alarm, dict) else None
    state = detail.get("state") if isinstance(detail, dict) else None
    if not isinstance(alarm, dict) or alarm.get("source") != _SOURCE or not isinstance(state, dict):
        raise InvalidRequestError("Event must be an event of a CloudWatch alarm")
    if state.get("value") != "ALARM":
        raise InvalidRequestError("Event must be of an alarm that went off")
    for texts in (_reasons(state.get("reasonData")), [state.get("timestamp")], [alarm.get("time")]):
        times = [time for time in map(_parsed, texts) if time]
        if times:
            return min(times)
    raise InvalidRequestError("Event has no time such as 2026-01-02T03:04:05Z")


def _reasons(reason_data: object) -> list[object]:
    """List when the data of an alarm began, or when the alarms went off that a composite one is about.

    A composite alarm has another event, with a later time, when its actions are suppressed no more.
    """
    try:
        data = json.loads(reason_data) if isinstance(reason_data, str) else None
    except ValueError:
        data = None
    if not isinstance(data, dict):
        return []
    alarms = data.get("triggeringAlarms")
    states = [one.get("state") for one in alarms if isinstance(one, dict)] if isinstance(alarms, list) else []
    return [data.get("startDate"), *(state.get("timestamp") for state in states if isinstance(state, dict))]


def _parsed(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC) if time else None
    except (ValueError, OverflowError):
        return None
