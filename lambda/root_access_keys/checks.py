"""Custom resources that check something when they are deployed, and keep nothing."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import boto3

from lambda_shared import log
from lambda_shared.aws_calls import RetryingCaller
from lambda_shared.clock import InvocationClock
from lambda_shared.custom_resource import CustomResource, Result, about, quieten_loggers, stack_name
from lambda_shared.errors import ProviderError
from root_access_keys.calls import CLIENT_CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def handle(event: Mapping[str, Any], context: Any, check: Callable[[Mapping[str, Any], Any], str]) -> None:
    """Answer a request with what a check finds.

    What was deployed must be deployable again, or the stack would be stuck. The resource's id is a digest of what was
    checked: a rollback of an Update that failed here asks for the very settings that the id names, and is not checked.
    A rollback of one that succeeded here, because something else of the stack failed, may come as an Update as well,
    which looks like any change. So it is told by the status of the stack; what its check finds is said, and does not
    fail it. A Delete, which has nothing to do, does not come here.

    Args:
        event: the request.
        context: Lambda's.
        check: gets the properties, returns what is worth knowing, raises what the deployment should fail with.
    """

    def checked(request: Mapping[str, Any], lambda_context: Any) -> Result:
        physical_id = _physical_id(request)
        if request.get("PhysicalResourceId") == physical_id:
            log.info("not checked: these settings are deployed already", stack=stack_name(request))
            return Result(physical_id)
        try:
            found = check(request["ResourceProperties"], lambda_context)
        except Exception as error:
            if request["RequestType"] != "Update" or not _rolls_back(request, lambda_context):
                raise
            found = str(log.redacted(error, **about(request)))
            log.info("not failed: the stack rolls back", stack=stack_name(request))
        return Result(physical_id, found=found)

    quieten_loggers()
    CustomResource(event, {"create": checked, "update": checked})(event, context)


def _rolls_back(request: Mapping[str, Any], lambda_context: Any) -> bool:
    """Ask CloudFormation whether the stack of a request is rolled back; no if it does not tell.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
    """
    call = RetryingCaller(InvocationClock(lambda_context))
    client = boto3.client("cloudformation", config=CLIENT_CONFIG)
    try:
        stacks = call(client.describe_stacks, StackName=request["StackId"])["Stacks"]
    except ProviderError as error:
        log.info("it can't be told whether the stack rolls back", stack=stack_name(request), reason=str(error))
        return False
    return any("ROLLBACK" in stack["StackStatus"] for stack in stacks)


def _physical_id(request: Mapping[str, Any]) -> str:
    properties = json.dumps(request["ResourceProperties"], sort_keys=True).encode()
    return f"{stack_name(request)}/{request['LogicalResourceId']}/{hashlib.sha256(properties).hexdigest()[:16]}"
