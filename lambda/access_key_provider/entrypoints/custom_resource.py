"""Requests of CloudFormation for a `Custom::IAMAccessKey`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from access_key_provider.entrypoints.custom_resource_request import CUT_OVER_TYPE, Properties, Request, parse_cut_over
from access_key_provider.entrypoints.operations import cut_over
from access_key_provider.entrypoints.session import ports_of
from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.planning.drift import told
from access_key_provider.reconcile.reconciler import make_absent, make_present
from lambda_shared.custom_resource import CustomResource, Result, quieten_loggers
from lambda_shared.errors import ProviderError
from lambda_shared.log import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from access_key_provider.model.state import Place
    from access_key_provider.reconcile.ports import Ports


_TRIES_TO_CLEAN = 2


class AccessKeyResource(CustomResource):
    """The custom resource of a key, whose handlers get the parsed request."""

    def __init__(self, event: Mapping[str, Any], handlers: Mapping[str, Callable[[Request, Any], Result]]) -> None:
        """Register the handlers."""
        super().__init__(event, {kind: _parsing(handle) for kind, handle in handlers.items()})

    def generate_physical_id(self, event: Mapping[str, Any]) -> str:
        """Give a failed Create the id that its Delete will come back with."""
        return Request.parse(event).answer_id()


def _parsing(handle: Callable[[Request, Any], Result]) -> Callable[[Mapping[str, Any], Any], Result]:
    return lambda event, context: handle(Request.parse(event), context)


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Carry out a request and answer it."""
    quieten_loggers()
    handlers = _CUT_OVER if event.get("ResourceType") == CUT_OVER_TYPE else _ACCESS_KEY
    AccessKeyResource(event, handlers)(event, context)


def put(request: Request, context: Any) -> Result:
    """Create, update or replace: make the key of the properties current, whatever was there before."""
    properties = Properties.parse(request.properties, os.environ.get("AWS_REGION"))
    ports = _ports(request, properties, context)
    desired = request.desired(properties, ports.clock.now(), context.function_name)
    outcome = make_present(ports, desired, new_place=request.physical_id != desired.place.physical_id)
    record(
        "created" if outcome.created else "in place",
        **_about(request),
        user=properties.user_name,
        access_key_id=outcome.access_key_id,
        status=outcome.status,
        **({"found": "; ".join(outcome.found)} if outcome.found else {}),
    )
    _clean_failed_replacement(request, desired.place, context)
    data = {
        "AccessKeyId": outcome.access_key_id,
        "SecretArn": properties.secret_arn,
        "SecretVersionId": outcome.version_id,
        "Status": outcome.status,
    }
    return Result(desired.place.physical_id, data, told(outcome.found))


def delete(request: Request, context: Any) -> Result:
    """Delete every key of the resource. The id does not matter: CloudFormation invents one for a cancelled Create."""
    physical_id = request.answer_id()
    try:
        properties = Properties.parse(request.properties)
    except InvalidRequestError as error:
        record(
            "nothing to delete: no key was ever made from these properties",
            **_about(request),
            reason=str(error),
        )
        return Result(physical_id)
    _remove(request, properties, context)
    return Result(physical_id)


def finish(request: Request, context: Any) -> Result:
    """Create or update the cut-over of a key: every consumer that it waits for uses the new key by now."""
    secret_arn, version_id = parse_cut_over(request.properties)
    cut_over(secret_arn, version_id, context)
    return Result(request.physical_id or f"{request.stack_name}/{request.logical_id}"[:512])


def leave(request: Request, context: Any) -> Result:
    """Delete the cut-over of a key: there is nothing to take back."""
    del context
    return Result(request.physical_id or f"{request.stack_name}/{request.logical_id}"[:512])


def _clean_failed_replacement(request: Request, place: Place, context: Any) -> None:
    """Clean the new place of a replacement that failed without an answer, when it is rolled back.

    CloudFormation never learned the new id, so this Update back to the old place is the last request to name the new
    one. It must succeed in any case, or the stack is stuck; so what fails is tried twice, and told.
    """
    if request.kind != "Update" or request.physical_id != place.physical_id:
        return
    for _ in range(_TRIES_TO_CLEAN):
        try:
            old = Properties.parse(request.old_properties)
            if request.place(old) != place:
                _remove(request, old, context)
        except ProviderError as error:
            record("could not clean the place of a failed replacement", **_about(request), reason=str(error))
        else:
            return


def _remove(request: Request, properties: Properties, context: Any) -> None:
    ports = _ports(request, properties, context)
    removed = make_absent(
        ports,
        request.place(properties),
        request.mark(ports.clock.now()),
        dated=request.requested_at is not None,
    )
    record(
        "deleted" if removed is not None else "not deleted: the resource was created again since",
        **_about(request),
        user=properties.user_name,
        access_key_ids=" ".join(removed or ()),
    )


def _ports(request: Request, properties: Properties, context: Any) -> Ports:
    return ports_of(request.place(properties), properties.role_arn, request.session_name, context)


def _about(request: Request) -> dict[str, str]:
    return {"request_type": request.kind, "stack": request.stack_name, "logical_id": request.logical_id}


_ACCESS_KEY = {"create": put, "update": put, "delete": delete}
_CUT_OVER = {"create": finish, "update": finish, "delete": leave}
