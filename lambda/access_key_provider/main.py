"""The entry point: routes an event by its shape, and answers even when nothing else here can be imported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lambda_shared.cfn_response import answer_request, is_request, shape
from lambda_shared.log import shown

if TYPE_CHECKING:
    from types import ModuleType

_entries: dict[str, ModuleType] = {}
_failure = ""
try:
    # While the function starts, where Lambda gives it a full processor; a failure is told to whoever asks first.
    for _name in ("custom_resource", "rotation_function", "operations"):
        _entries[_name] = import_module(f"access_key_provider.entrypoints.{_name}")
except Exception as error:  # noqa: BLE001 - whatever it is, it must be answered
    _failure = type(error).__name__


def handler(event: object, context: Any) -> dict[str, Any] | None:
    """Handle an event: a request of CloudFormation, a step of a rotation, or an operation on a secret's key.

    Raises:
        ValueError: the event is none that this function knows; nothing was done.
        ProviderError: a step or operation failed. A request of CloudFormation is answered instead.
    """
    if is_request(event):
        answer_request(event, context, None if _failure else _entries["custom_resource"].handle, _failure)
        return None
    entry = _entry_of(event)
    if entry is None or not isinstance(event, dict):
        raise ValueError(f"neither a request of CloudFormation nor a step or operation: {shape(event)}")
    if _failure:
        raise RuntimeError(f"the function could not start: {_failure} while importing; deploy it again")
    _entries["custom_resource"].quieten_loggers()
    try:
        result: dict[str, Any] | None = _entries[entry].handle(event, context)
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise shown(error, entry=entry) from None
    return result


def _entry_of(event: object) -> str | None:
    if not isinstance(event, dict):
        return None
    if "Step" in event and "SecretId" in event:
        return "rotation_function"
    return "operations" if "Operation" in event else None
