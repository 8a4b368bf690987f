"""Custom resources that check something when they are deployed, and keep nothing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from access_key_provider.custom_resource import CustomResource, Result, quieten_loggers, stack_name
from access_key_provider.journal import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def handle(event: Mapping[str, Any], context: Any, check: Callable[[Mapping[str, Any], Any], str]) -> None:
    """Answer a request with what a check finds.

    The resource's id is a digest of what was checked. So a rollback, which asks for the very settings that the id
    names, is told from a change: what was deployed must be deployable again, or the stack would be stuck. A Delete,
    which has nothing to do, does not come here.

    Args:
        event: the request.
        context: Lambda's.
        check: gets the properties, returns what is worth knowing, raises what the deployment should fail with.
    """

    def checked(request: Mapping[str, Any], lambda_context: Any) -> Result:
        physical_id = _physical_id(request)
        if request.get("PhysicalResourceId") == physical_id:
            record("not checked: these settings are deployed already", stack=stack_name(request))
            return Result(physical_id)
        return Result(physical_id, found=check(request["ResourceProperties"], lambda_context))

    quieten_loggers()
    CustomResource(event, {"create": checked, "update": checked})(event, context)


def _physical_id(request: Mapping[str, Any]) -> str:
    properties = json.dumps(request["ResourceProperties"], sort_keys=True).encode()
    return f"{stack_name(request)}/{request['LogicalResourceId']}/{hashlib.sha256(properties).hexdigest()[:16]}"
