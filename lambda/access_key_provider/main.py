"""The entry point: routes an event by its shape, and answers even when nothing else here can be imported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeGuard

from access_key_provider import answer
from access_key_provider.journal import record

if TYPE_CHECKING:
    from types import ModuleType

_REQUEST_TYPES = ("Create", "Update", "Delete")
_TEXTS = ("RequestType", "ResponseURL", "StackId", "RequestId", "LogicalResourceId")

_cloudformation: ModuleType | None
_failure: str
try:
    # While the function starts, where Lambda gives it a full processor; a failure is told to whoever asks first.
    _cloudformation, _failure = import_module("access_key_provider.cloudformation"), ""
except Exception as error:  # noqa: BLE001 - whatever it is, it must be answered
    _cloudformation, _failure = None, type(error).__name__


def handler(event: object, context: Any) -> None:
    """Handle an event.

    Raises:
        ValueError: the event is none that this function knows; nothing was done.
    """
    if not _is_request(event):
        raise ValueError(f"not a request of CloudFormation: {_shape(event)}")
    if event["RequestType"] not in _REQUEST_TYPES:
        _fail(event, f"RequestType must be one of {', '.join(_REQUEST_TYPES)}")
    elif _cloudformation is None:
        _fail(
            event,
            f"the function could not start: {_failure} while importing; deploy the construct library again",
        )
    else:
        try:
            _cloudformation.handle(event, context)
        except Exception as error:  # noqa: BLE001 - memory that is short, say; nothing was answered if it gets here
            _fail(event, f"the function failed: {type(error).__name__}; deploy again")


def _is_request(event: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(event, dict) and all(isinstance(event.get(name), str) and event[name] for name in _TEXTS)


def _fail(event: dict[str, Any], reason: str) -> None:
    record("failed", logical_id=event["LogicalResourceId"], reason=reason)
    given = event.get("PhysicalResourceId")
    physical_id = given if isinstance(given, str) and given else event["LogicalResourceId"]
    answer.send(event["ResponseURL"], answer.body(event, answer.FAILED, physical_id, reason))


def _shape(event: object) -> str:
    members = sorted(str(name)[:40] for name in event)[:10] if isinstance(event, dict) else []
    return f"{type(event).__name__} with {', '.join(members) or 'no members'}"
