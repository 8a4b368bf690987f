"""The entry point: routes an event by its shape, and answers even when nothing else here can be imported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeGuard

from access_key_provider import answer
from access_key_provider.failures import shown
from access_key_provider.journal import record

if TYPE_CHECKING:
    from types import ModuleType

_REQUEST_TYPES = ("Create", "Update", "Delete")
_TEXTS = ("RequestType", "ResponseURL", "StackId", "RequestId", "LogicalResourceId")

_entries: dict[str, ModuleType] = {}
_failure = ""
try:
    # While the function starts, where Lambda gives it a full processor; a failure is told to whoever asks first.
    for _name in ("cloudformation", "secret_rotation", "operations"):
        _entries[_name] = import_module(f"access_key_provider.{_name}")
except Exception as error:  # noqa: BLE001 - whatever it is, it must be answered
    _failure = type(error).__name__


def handler(event: object, context: Any) -> dict[str, Any] | None:
    """Handle an event: a request of CloudFormation, a step of a rotation, or an operation on a secret's key.

    Raises:
        ValueError: the event is none that this function knows; nothing was done.
        ProviderError: a step or operation failed. A request of CloudFormation is answered instead.
    """
    if _is_request(event):
        _answer(event, context)
        return None
    entry = _entry_of(event)
    if entry is None or not isinstance(event, dict):
        raise ValueError(f"neither a request of CloudFormation nor a step or operation: {_shape(event)}")
    if _failure:
        raise RuntimeError(f"the function could not start: {_failure} while importing; deploy it again")
    _entries["cloudformation"].quieten_loggers()
    try:
        result: dict[str, Any] | None = _entries[entry].handle(event, context)
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise shown(error, entry=entry) from None
    return result


def _entry_of(event: object) -> str | None:
    if not isinstance(event, dict):
        return None
    if "Step" in event and "SecretId" in event:
        return "secret_rotation"
    return "operations" if "Operation" in event else None


def _answer(event: dict[str, Any], context: Any) -> None:
    if event["RequestType"] not in _REQUEST_TYPES:
        _fail(event, f"RequestType must be one of {', '.join(_REQUEST_TYPES)}")
    elif _failure:
        _fail(
            event,
            f"the function could not start: {_failure} while importing; deploy the construct library again",
        )
    else:
        try:
            _entries["cloudformation"].handle(event, context)
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
