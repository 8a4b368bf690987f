"""What a Step Functions execution may do: what its state machine's role may.

On AWS the role must trust Step Functions and needs leave for every function, topic, bus, queue and execution that a
state names, for the objects that a state writes or a distributed map reads, and for the map's own child executions. A
child execution has a context of its own, and no state's output is larger than 256 KiB. ministack's executions do what
they like, a child has its parent's context, and outputs have any size.
https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

from __future__ import annotations

import contextvars
import json
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions

from local_cloud.patches import service_access
from local_cloud.replacing import Function, replace_function

_SERVICE = "states.amazonaws.com"
_LARGEST_OUTPUT = 256 * 1024
_INTEGRATION = "arn:aws:states:::"

# The parameter that names the resource of an integration, the action that it is, and how an AWS error of it begins.
_INTEGRATIONS = {
    "lambda:invoke": ("FunctionName", service_access.INVOKE, "Lambda.AWSLambdaException"),
    "sns:publish": ("TopicArn", "sns:Publish", "SNS.AuthorizationErrorException"),
    "sqs:sendMessage": ("QueueUrl", "sqs:SendMessage", "SQS.AmazonSQSException"),
    "states:startExecution": ("StateMachineArn", "states:StartExecution", "StepFunctions.AWSStepFunctionsException"),
}
_PUT_EVENTS = "events:putEvents"
_PUT_OBJECT = "aws-sdk:s3:putObject"

# The state machine whose execution is running in this thread.
_state_machine: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("state_machine", default=None)


def apply() -> None:
    """Ask the role first, give children their own context, and refuse outputs that are too large."""
    replace_function(stepfunctions, "_run_execution", "exec_arn", _knowing_the_state_machine)
    replace_function(stepfunctions, "_invoke_resource", "resource input_data", _as_the_role_may)
    replace_function(stepfunctions, "_s3_object_text", "bucket key", _as_the_role_may_read)
    parameters = "state_def raw_input effective iterator execution ctx"
    replace_function(stepfunctions, "_run_distributed_map", parameters, _with_child_executions)
    parameters = "states start_at input_data execution ctx"
    replace_function(stepfunctions, "_run_sub_machine", parameters, _in_its_own_context)


def _knowing_the_state_machine(original: Function) -> Function:
    def run_execution(exec_arn: str) -> None:
        execution = stepfunctions._executions.get(exec_arn) or {}
        token = _state_machine.set(stepfunctions._state_machines.get(execution.get("stateMachineArn")))
        try:
            original(exec_arn)
        finally:
            _state_machine.reset(token)

    return run_execution


def _as_the_role_may(original: Function) -> Function:
    def invoke_resource(resource: str, input_data: Any) -> Any:
        for action, arn, error in _needed(resource, input_data):
            _demand(action, arn, error)
        return _within_the_limit(original(resource, input_data))

    return invoke_resource


def _as_the_role_may_read(original: Function) -> Function:
    def object_text(bucket: str, key: str) -> Any:
        _demand("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", "States.ItemReaderFailed")
        return original(bucket, key)

    return object_text


def _with_child_executions(original: Function) -> Function:
    def run_distributed_map(*arguments: Any) -> Any:
        arn = arguments[4]["stateMachineArn"]
        _demand("states:StartExecution", arn, "StepFunctions.AWSStepFunctionsException")
        output, following = original(*arguments)
        return _within_the_limit(output), following

    return run_distributed_map


def _in_its_own_context(original: Function) -> Function:
    def run_sub_machine(states: Any, start_at: str, input_data: Any, execution: dict[str, Any], ctx: Any) -> Any:
        if "mapRunArn" in execution:
            ctx["Execution"] = {
                "Id": execution["executionArn"],
                "Input": input_data,
                "Name": execution["name"],
                "RoleArn": ctx["Execution"].get("RoleArn", ""),
                "StartTime": execution["startDate"],
            }
        return original(states, start_at, input_data, execution, ctx)

    return run_sub_machine


def _needed(resource: str, parameters: Any) -> list[tuple[str, str, str]]:
    if resource.startswith("arn:aws:lambda:"):
        return [(service_access.INVOKE, resource, "Lambda.AWSLambdaException")]
    integration = resource.removeprefix(_INTEGRATION).partition(".")[0]
    if integration == _PUT_EVENTS:
        buses = {str(entry.get("EventBusName", "default")) for entry in parameters.get("Entries", ())}
        return [
            ("events:PutEvents", _arn("events", f"event-bus/{bus}"), "EventBridge.AccessDeniedException")
            for bus in buses
        ]
    if integration == _PUT_OBJECT:
        written = f"arn:aws:s3:::{parameters.get('Bucket')}/{parameters.get('Key')}"
        return [("s3:PutObject", written, "S3.S3Exception")]
    if integration not in _INTEGRATIONS:
        return []
    name, action, error = _INTEGRATIONS[integration]
    wanted = str(parameters.get(name, ""))
    if name == "FunctionName":
        wanted = _arn("lambda", f"function:{wanted}")
    elif name == "QueueUrl":
        wanted = _arn("sqs", wanted.rpartition("/")[2])
    return [(action, wanted, error)]


def _arn(service: str, name: str) -> str:
    # What has an ARN for a name is named by it.
    _, arn, rest = name.partition("arn:aws:")
    return arn + rest if arn else f"arn:aws:{service}:{get_region()}:{get_account_id()}:{name}"


def _demand(action: str, arn: str, error: str) -> None:
    machine = _state_machine.get()
    if machine is None:
        return
    role_arn = machine["roleArn"]
    trusted = service_access.may_assume(_SERVICE, role_arn, machine["stateMachineArn"])
    if not trusted or not service_access.role_may(role_arn, action, arn):
        name = role_arn.rsplit("/", 1)[-1]
        user = f"arn:aws:sts::{get_account_id()}:assumed-role/{name}/execution"
        message = f"User: {user} is not authorized to perform: {action} on resource: {arn}"
        raise stepfunctions._ExecutionError(error, message)


def _within_the_limit(output: Any) -> Any:
    if len(json.dumps(output, default=str).encode()) > _LARGEST_OUTPUT:
        message = "The state/task returned a result with a size exceeding the maximum number of bytes service limit."
        raise stepfunctions._ExecutionError("States.DataLimitExceeded", message)
    return output
