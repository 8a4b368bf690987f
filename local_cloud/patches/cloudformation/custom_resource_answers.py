"""How a custom resource's answer gets back to CloudFormation, and which answers count.

On AWS the ResponseURL is a presigned S3 URL: it works only with its whole query string, and whoever has it can
answer. An answer that is no JSON object, longer than 4096 bytes, or without a valid status or physical id
fails the resource, whatever it says. ministack's URL has no query string and it takes an empty answer for a
success.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-responses.html
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
from typing import Any, Self
from urllib.parse import parse_qs, urlencode

from ministack.services.cloudformation import custom_resource

from local_cloud.replacing import Function, replace_function

PATH = "/_ministack/cfn-response/"
_LONGEST_ANSWER = 4096
_LONGEST_PHYSICAL_ID = 1024
_TWO_HOURS = 7200

_signatures: dict[str, str] = {}


class FailureReason(str):
    """Why a request failed, and the physical id that the answer named, empty if the answer did not count."""

    __slots__ = ("physical_id",)

    physical_id: str

    def __new__(cls, reason: str, physical_id: str = "") -> Self:
        """Make a reason of an answer."""
        made = super().__new__(cls, reason)
        made.physical_id = physical_id
        return made


def apply() -> None:
    """Sign the URL, and give a failed answer AWS's words."""
    replace_function(custom_resource, "_response_url", "token", _presigned)
    parameters = "request_type logical_id props stack_name stack_id resource_type physical_id old_props"
    replace_function(custom_resource, "invoke_custom_resource", parameters, _in_the_words_of_aws)


def deliver(token: str, query: str, content_type: str, body: bytes) -> int:
    """Take an answer the way S3 does, and hand it to CloudFormation.

    Returns:
        The HTTP status: 200 even if CloudFormation no longer waits, 403 if this is not the URL that was given
        out or names a content type, which the signature does not cover.
    """
    signature = parse_qs(query).get("X-Amz-Signature", [""])[0]
    if not secrets.compare_digest(_signatures.get(token, "-"), signature) or content_type:
        return 403
    custom_resource.deliver_response(token, _judged(body))
    return 200


def _presigned(original: Function) -> Function:
    def response_url(token: str) -> str:
        now = dt.datetime.now(dt.UTC)
        _signatures[token] = secrets.token_hex(32)
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Expires": str(_TWO_HOURS),
            "X-Amz-Credential": f"AKIAEXAMPLEOFCFN0000/{now:%Y%m%d}/us-east-1/s3/aws4_request",
            "X-Amz-Signature": _signatures[token],
        }
        return f"{original(token)}?{urlencode(query)}"

    return response_url


def _judged(body: bytes) -> dict[str, Any]:
    if len(body) > _LONGEST_ANSWER:
        return _invalid("Response object is too long.")
    try:
        answer = json.loads(body)
    except ValueError:
        return _invalid("Response is not valid JSON")
    if not isinstance(answer, dict):
        return _invalid("Response is not valid JSON")
    if answer.get("Status") not in ("SUCCESS", "FAILED"):
        return _invalid("Invalid Response Status")
    physical_id = answer.get("PhysicalResourceId")
    if not isinstance(physical_id, str) or not 0 < len(physical_id.encode()) <= _LONGEST_PHYSICAL_ID:
        return _invalid("Invalid PhysicalResourceId")
    if answer["Status"] == "FAILED":
        reason = answer.get("Reason") or "See the details in CloudWatch Log Stream"
        answer["Reason"] = FailureReason(
            f"Received response status [FAILED] from custom resource. Message returned: {reason} "
            f"(RequestId: {answer.get('RequestId')})",
            physical_id,
        )
    return answer


def _invalid(reason: str) -> dict[str, Any]:
    return {"Status": "FAILED", "Reason": FailureReason(reason)}


def _in_the_words_of_aws(original: Function) -> Function:
    def invoke_custom_resource(*arguments: Any, **keywords: Any) -> Any:
        try:
            return original(*arguments, **keywords)
        except TimeoutError as error:
            raise TimeoutError(
                "CloudFormation did not receive a response from your Custom Resource. "
                "Please check your logs for requestId."
            ) from error

    return invoke_custom_resource
