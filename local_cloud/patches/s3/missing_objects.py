"""Who may not list a bucket is not told that an object is missing.

AWS then answers GetObject with AccessDenied in place of NoSuchKey, so that nobody learns from it what is there;
ministack tells everybody.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import s3

from local_cloud.replacing import Function, replace_function

_PARAMETERS = (
    "method path headers body query_params signed_path enforce_bucket_region internal access_point_region access_point"
)
_MISSING = 404
_KEY_IS_MISSING = b"<Code>NoSuchKey</Code>"

Answer = tuple[Any, ...]


def apply() -> None:
    """Ask what the caller may before it is told."""
    replace_function(s3, "handle_request", _PARAMETERS, _telling_whom_it_may)


def _telling_whom_it_may(original: Function) -> Function:
    async def handle_request(method: str, path: str, headers: dict[str, str], *rest: Any, **named: Any) -> Answer:
        answer: Answer = await original(method, path, headers, *rest, **named)
        if method != "GET" or answer[0] != _MISSING or _KEY_IS_MISSING not in answer[2]:
            return answer
        bucket, _ = s3._parse_bucket_key(path, headers)
        return answer if _may_list(extract_access_key_id(headers, rest[1]), f"arn:aws:s3:::{bucket}") else _denied(path)

    return handle_request


def _may_list(access_key_id: str | None, bucket_arn: str) -> bool:
    # Who signs nothing, or is no caller of the API, is judged elsewhere.
    if not access_key_id:
        return True
    refusal = iam_evaluator.enforce(access_key_id, "s3:ListBucket", "s3", get_region(), resource_arn=bucket_arn)
    return refusal is None


def _denied(path: str) -> Answer:
    refusal: Answer = s3._error("AccessDenied", "Access Denied", 403, path)
    return refusal
