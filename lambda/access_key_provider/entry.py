"""Telling requests of CloudFormation from other events, and refusing them. Needs the standard library only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from access_key_provider import answer
from access_key_provider.journal import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REQUEST_TYPES = ("Create", "Update", "Delete")
_TEXTS = ("RequestType", "ResponseURL", "StackId", "RequestId", "LogicalResourceId")


def is_request(event: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether an event is a request of CloudFormation, which somebody waits for."""
    return isinstance(event, dict) and all(isinstance(event.get(name), str) and event[name] for name in _TEXTS)


def answer_request(
    event: dict[str, Any], context: Any, handle: Callable[[Mapping[str, Any], Any], None] | None, failure: str
) -> None:
    """Let a request be handled and answered, or answer it here.

    Args:
        event: the request.
        context: Lambda's.
        handle: handles and answers it; None if it could not be imported.
        failure: why then.
    """
    if event["RequestType"] not in _REQUEST_TYPES:
        _fail(event, f"RequestType must be one of {', '.join(_REQUEST_TYPES)}")
    elif handle is None:
        _fail(event, f"the function could not start: {failure} while importing; deploy the construct library again")
    else:
        try:
            handle(event, context)
        except Exception as error:  # noqa: BLE001 - memory that is short, say; nothing was answered if it gets here
            _fail(event, f"the function failed: {type(error).__name__}; deploy again")


def shape(event: object) -> str:
    """Describe an event that nobody knows by the names of its members: their values may be anything."""
    members = sorted(str(name)[:40] for name in event)[:10] if isinstance(event, dict) else []
    return f"{type(event).__name__} with {', '.join(members) or 'no members'}"


def _fail(event: dict[str, Any], reason: str) -> None:
    record("failed", logical_id=event["LogicalResourceId"], reason=reason)
    given = event.get("PhysicalResourceId")
    physical_id = given if isinstance(given, str) and given else event["LogicalResourceId"]
    answer.send(event["ResponseURL"], answer.body(event, answer.FAILED, physical_id, reason))
