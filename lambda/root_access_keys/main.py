"""The entry points of the guards' custom resources, which answer even when nothing else here can be imported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lambda_shared import cfn_response
from lambda_shared.cfn_response import answer_request, is_request, shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def own_account(event: object, context: Any) -> None:
    """Check the own account's root user: for CloudFormation, or because a schedule asks."""
    if is_request(event):
        _answer("own_account", event, context)
    elif event == {"Operation": "Check"}:
        import_module("root_access_keys.own_account").scheduled(context)
    else:
        raise ValueError(f"neither a request of CloudFormation nor a check: {shape(event)}")


def organization(event: object, context: Any) -> None:
    """Check for CloudFormation that the guard of an organization can work."""
    if not is_request(event):
        raise ValueError(f"no request of CloudFormation: {shape(event)}")
    _answer("preflight", event, context)


def _answer(module: str, event: dict[str, Any], context: Any) -> None:
    if event["RequestType"] == "Delete":
        # A check keeps nothing, so nothing may keep a stack from going.
        physical_id = str(event.get("PhysicalResourceId") or event["LogicalResourceId"])
        cfn_response.send(event["ResponseURL"], cfn_response.body(event, cfn_response.SUCCESS, physical_id))
        return
    handle: Callable[[Mapping[str, Any], Any], None] | None = None
    failure = ""
    try:
        handle = import_module(f"root_access_keys.{module}").handle
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be answered
        failure = type(error).__name__
    answer_request(event, context, handle, failure)
