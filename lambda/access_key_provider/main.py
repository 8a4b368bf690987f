"""The entry point: routes an event by its shape, and answers even when nothing else here can be imported.

The same code runs as two functions. The *provider* takes requests of CloudFormation and of operators, from whoever may
invoke it. The *worker* takes what EventBridge and Secrets Manager send. Each refuses the other's events.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from lambda_shared import log
from lambda_shared.cfn_response import answer_request, is_request, shape

_PACKAGE = "access_key_provider.entrypoints"
PROVIDER = "provider"
WORKER = "worker"
_ENTRY_POINTS = {
    PROVIDER: ("custom_resource", "operations"),
    WORKER: ("rotation_function", "sweep", "alarm", "acknowledgement"),
}

_failure = ""
try:
    # While the function starts, where Lambda gives it a full processor; a failure is reported to whoever calls first.
    for _name in _ENTRY_POINTS[os.environ.get("ENTRY_POINTS", PROVIDER)]:
        import_module(f"{_PACKAGE}.{_name}")
    import_module("lambda_shared.custom_resource").quieten_loggers()
except Exception as error:  # noqa: BLE001 - whatever it is, it must be answered
    _failure = type(error).__name__


def handler(event: object, context: Any) -> dict[str, Any] | None:
    """Handle an event of those that this function takes.

    Raises:
        ValueError: this function does not take such an event; nothing was done.
        ProviderError: a step or operation failed. A request of CloudFormation is answered instead.
    """
    entry = _entry_of(event)
    if entry not in _ENTRY_POINTS[os.environ.get("ENTRY_POINTS", PROVIDER)] or not isinstance(event, dict):
        raise ValueError(f"this function does not take such an event: {shape(event)}")
    if entry == "custom_resource":
        answer_request(event, context, None if _failure else import_module(f"{_PACKAGE}.{entry}").handle, _failure)
        return None
    if _failure:
        raise RuntimeError(f"the function could not start: {_failure} while importing; deploy it again")
    try:
        result: dict[str, Any] | None = import_module(f"{_PACKAGE}.{entry}").handle(event, context)
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise log.redacted(error, entry=entry) from None
    return result


def _entry_of(event: object) -> str:
    if is_request(event):
        return "custom_resource"
    if not isinstance(event, dict):
        return ""
    if "Step" in event and "SecretId" in event:
        return "rotation_function"
    workers = {"Sweep": "sweep", "AlarmUndo": "alarm", "ConsumerAcknowledgement": "acknowledgement"}
    return workers.get(str(event.get("Operation")), "operations")
