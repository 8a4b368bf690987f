"""AWS::Scheduler::Schedule in a template: all its properties count, and what is wrong fails the deployment.

ministack passes some properties on (not `ActionAfterCompletion`, say) and takes no notice of a refusal.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-scheduler-schedule.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import scheduler
from ministack.services.cloudformation import provisioners

from local_cloud.replacing import Function, replace_item

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, str]]


def apply() -> None:
    """Make and change schedules by the same way as the API does."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    replace_item(handlers, "create", "logical_id props stack_name", _creating)
    replace_item(handlers, "update", "physical_id old_props new_props stack_name", _updating)
    replacing = provisioners._REPLACING_PROPERTIES
    replacing.setdefault("AWS::Scheduler::Schedule", ("Name", "GroupName"))


def _creating(_original: Function) -> Function:
    def create(logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        name = props.get("Name") or provisioners._physical_name(stack_name, logical_id, max_len=64)
        scheduler._ensure_default_group()
        return name, _arn_of(scheduler._create_schedule(name, props))

    return create


def _updating(_original: Function) -> Function:
    def update(physical_id: str, _old_props: Properties, new_props: Properties, _stack_name: str) -> Provisioned:
        return physical_id, _arn_of(scheduler._update_schedule(physical_id, new_props))

    return update


def _arn_of(answer: tuple[int, dict[str, str], bytes]) -> dict[str, str]:
    status, _, body = answer
    content = json.loads(body)
    if status != 200:  # noqa: PLR2004
        raise ValueError(f"{content['Message']} (Service: Scheduler, Status Code: {status})")
    return {"Arn": content["ScheduleArn"]}
