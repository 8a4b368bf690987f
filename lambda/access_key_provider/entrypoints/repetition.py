"""Coming back to what failed: Lambda tries an event three times within minutes, and then forgets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.model.records import format_time
from lambda_shared.log import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from access_key_provider.model.registration import Registration
    from access_key_provider.reconcile.ports import Ports
    from lambda_shared.errors import ProviderError

_QUARTER = timedelta(minutes=15)
# Lambda's own attempts at the event are over by then.
_SOONEST = timedelta(minutes=5)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def come_back(ports: Ports, managed: Registration, event: Mapping[str, Any], error: ProviderError) -> None:
    """Let a schedule bring a look, or an alarm's undo, once more in a quarter of an hour; a person asks again.

    All attempts that fail at about the same time share one schedule, or each of them would beget others.

    Raises:
        ProviderError: there can't be a schedule either.
    """
    now, operation = ports.clock.now(), event["Operation"]
    alarm = alarm_time(event, now) if operation == "Undo" else None
    if operation != "Look" and alarm is None:
        return
    again = _next_quarter(now)
    name = f"{managed.policy.schedule}-{'undo' if alarm else 'again'}-{format_time(again)}"
    asked = {"Alarm": str(event["Alarm"]), "Time": alarm.isoformat()} if alarm else {}
    repeated = {"Operation": operation, "SecretId": managed.place.secret_arn, **asked}
    record("it failed, and is tried again", secret=managed.place.secret_arn, reason=str(error), at=again.isoformat())
    ports.schedules.create(name, again, repeated)


def alarm_time(event: Mapping[str, Any], now: datetime) -> datetime | None:
    """Tell when the alarm went off that asks for an undo; None if no alarm does.

    Raises:
        InvalidRequestError: it is no time.
    """
    if not event.get("Alarm"):
        return None
    try:
        time = datetime.fromisoformat(event.get("Time") or now.isoformat())
    except (TypeError, ValueError):
        raise InvalidRequestError("Time must be a time such as 2026-01-02T03:04:05Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _next_quarter(now: datetime) -> datetime:
    """Find the first full quarter of an hour that is not too soon."""
    quarters = -((_EPOCH - _SOONEST - now) // _QUARTER)
    return _EPOCH + quarters * _QUARTER
