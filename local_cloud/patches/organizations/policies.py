"""AWS::Organizations::Policy in a template: a policy of the organization, attached to its targets.

`Ref` is its id. Name, description, content and targets change in place, another type makes another policy; a deletion
detaches it first. What fails fails the deployment, and leaves no policy behind. ministack has the calls of
Organizations for all of that, and refuses a template with the type.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-organizations-policy.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import organizations
from ministack.services.cloudformation import provisioners

from local_cloud.patches.organizations import organization
from local_cloud.replacing import add_item

_TYPE = "AWS::Organizations::Policy"
_GOOD = 200

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]


def apply() -> None:
    """Register the type."""
    handlers = {
        "create": lambda _logical_id, props, _stack_name: _create(props),
        "update": lambda physical_id, old_props, props, _stack_name: _change(physical_id, old_props, props),
        "delete": lambda physical_id, _props: _delete(physical_id),
    }
    add_item(provisioners._RESOURCE_HANDLERS, _TYPE, handlers)
    provisioners._REPLACING_PROPERTIES[_TYPE] = ("Type",)


def _create(props: Properties) -> Provisioned:
    given = {"Type": props["Type"], "Tags": props.get("Tags", []), **_changeable(props)}
    summary = _asked("CreatePolicy", given)["Policy"]["PolicySummary"]
    try:
        _attach(summary["Id"], props)
    except ValueError:
        # CloudFormation is not told the id of what failed.
        _delete(summary["Id"])
        raise
    return _told(summary)


def _change(policy_id: str, before: Properties, props: Properties) -> Provisioned:
    try:
        return _update(policy_id, props)
    except ValueError:
        # ministack rolls back what was changed before this resource, AWS this one too.
        _update(policy_id, before)
        raise


def _update(policy_id: str, props: Properties) -> Provisioned:
    summary = _asked("UpdatePolicy", {"PolicyId": policy_id, **_changeable(props)})["Policy"]["PolicySummary"]
    _attach(policy_id, props)
    return _told(summary)


def _delete(policy_id: str) -> None:
    for target in _targets(policy_id):
        _asked("DetachPolicy", {"PolicyId": policy_id, "TargetId": target})
    _asked("DeletePolicy", {"PolicyId": policy_id})


def _attach(policy_id: str, props: Properties) -> None:
    """Attach a policy to what it is not attached to yet, and detach it from the rest."""
    wanted, before = props.get("TargetIds", []), _targets(policy_id)
    for target in wanted:
        if target not in before:
            _asked("AttachPolicy", {"PolicyId": policy_id, "TargetId": target})
    for target in before:
        if target not in wanted:
            _asked("DetachPolicy", {"PolicyId": policy_id, "TargetId": target})


def _targets(policy_id: str) -> list[str]:
    return [each["TargetId"] for each in _asked("ListTargetsForPolicy", {"PolicyId": policy_id})["Targets"]]


def _changeable(props: Properties) -> Properties:
    content = props["Content"]
    return {
        "Name": props["Name"],
        "Description": props.get("Description", ""),
        "Content": content if isinstance(content, str) else json.dumps(content),
    }


def _told(summary: Properties) -> Provisioned:
    return summary["Id"], {name: summary[name] for name in ("Arn", "Id", "AwsManaged")}


def _asked(operation: str, payload: Properties) -> Properties:
    status, _, body = organization.refusal(operation) or organizations._DISPATCH[operation](payload)
    content: Properties = json.loads(body)
    if status != _GOOD:
        raise ValueError(f"{content.get('message', content)} (Service: Organizations, Status Code: {status})")
    return content
