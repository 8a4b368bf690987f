"""EventBridge Scheduler: who may make a schedule, and when it fires.

On AWS the ARN of a schedule carries its group; whoever makes one must be allowed to pass its role, and the role
must trust Scheduler; a name may be used again. ministack takes every schedule to be in the group `default`,
asks for no role, never fires a one-time schedule whose name has fired before, and looks every 10 seconds only.
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import scheduler

from local_cloud.patches import caller, service_access
from local_cloud.replacing import Function, replace_function, replace_number

_SERVICE = "scheduler.amazonaws.com"
_SECONDS_BETWEEN_LOOKS = 0.2

Answer = tuple[int, dict[str, str], bytes]
Request = dict[str, Any]


def apply() -> None:
    """Name schedules as AWS does, check their role, and let each fire for itself."""
    replace_number(scheduler, "_SCHEDULE_TICK_INTERVAL", _SECONDS_BETWEEN_LOOKS)
    parameters = "service method path headers body query_params region account_id"
    replace_function(iam_actions, "extract_resource_arn", parameters, _in_its_group)
    caller.make_known_to(scheduler, "method path headers body_bytes query_params")
    replace_function(scheduler, "_create_schedule", "name body", _checked)
    replace_function(scheduler, "_update_schedule", "name body", _checked)


def _in_its_group(original: Function) -> Function:
    def extract_resource_arn(service: str, *arguments: Any) -> str:
        arn: str = original(service, *arguments)
        _, path, _, body, query, *_ = arguments
        if service != "scheduler" or not path.startswith("/schedules/"):
            return arn
        group = (query.get("groupName") or [None])[0] or _request(body).get("GroupName") or "default"
        return arn.replace(":schedule/default/", f":schedule/{group}/", 1)

    return extract_resource_arn


def _checked(original: Function) -> Function:
    def put_schedule(name: str, body: Request) -> Answer:
        refusal = _refusal(body)
        if refusal:
            return refusal
        answer: Answer = original(name, body)
        if answer[0] == 200:  # noqa: PLR2004
            group = body.get("GroupName", "default")
            scheduler._schedule_last_fired.pop((get_account_id(), get_region(), f"{group}/{name}"), None)
        return answer

    return put_schedule


def _refusal(body: Request) -> Answer | None:
    window = body.get("FlexibleTimeWindow") or {}
    if (window.get("Mode") == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        return _error(
            400, "ValidationException", "Invalid FlexibleTimeWindow: MaximumWindowInMinutes goes with FLEXIBLE."
        )
    role_arn = (body.get("Target") or {}).get("RoleArn")
    if not role_arn:
        return None
    key_id = caller.access_key_id()
    # CloudFormation's own calls are not asked.
    if key_id is not None:
        message = service_access.caller_may_pass(key_id, role_arn, _SERVICE)
        if message:
            return _error(403, "AccessDeniedException", message)
    if not service_access.may_assume(_SERVICE, role_arn, scheduler._group_arn(body.get("GroupName", "default"))):
        message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        return _error(400, "ValidationException", message)
    return None


def _request(body: bytes) -> Request:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _error(status: int, code: str, message: str) -> Answer:
    answer: Answer = scheduler._error(status, code, message)
    return answer
