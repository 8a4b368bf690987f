"""The task of a state machine that writes an object: `aws-sdk:s3:putObject`.

Step Functions writes a Body that is no text as JSON, with what the state machine's role may (execution_roles);
ministack does not know the task.
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import s3, stepfunctions

from local_cloud.replacing import Function, replace_function

_TASK = "aws-sdk:s3:putObject"
_GOOD = 200


def apply() -> None:
    """Add the task."""
    replace_function(stepfunctions, "_invoke_aws_sdk_integration", "resource input_data", _with_put_object)


def _with_put_object(original: Function) -> Function:
    def invoke_integration(resource: str, parameters: Any) -> Any:
        if not resource.endswith(_TASK):
            return original(resource, parameters)
        body = parameters["Body"]
        text = body if isinstance(body, str) else json.dumps(body)
        status, headers, *_ = s3._put_object(parameters["Bucket"], parameters["Key"], text.encode(), {})
        if status != _GOOD:
            raise stepfunctions._ExecutionError("S3.S3Exception", f"the object was not written (Status Code: {status})")
        return {"ETag": headers.get("ETag", "")}

    return invoke_integration
