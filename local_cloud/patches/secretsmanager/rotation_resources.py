"""AWS::SecretsManager::RotationSchedule and AWS::SecretsManager::ResourcePolicy.

The schedule is RotateSecret with the declared rules: at once, unless `RotateImmediatelyOnUpdate` is false; deleting
it is CancelRotateSecret. ministack refuses a template with either.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-rotationschedule.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-resourcepolicy.html
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

from local_cloud.patches.secretsmanager import rotation
from local_cloud.replacing import add_item

_SCHEDULE = "AWS::SecretsManager::RotationSchedule"
_POLICY = "AWS::SecretsManager::ResourcePolicy"

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, str]]


def apply() -> None:
    """Register the two types; another secret makes another resource of each."""
    for kind, put, delete in (
        (_SCHEDULE, _put_schedule, _cancel_rotation),
        (_POLICY, _put_policy, _delete_policy),
    ):
        handlers = {
            "create": lambda _logical_id, props, _stack_name, put=put: put(props),
            "update": lambda _physical_id, _old_props, props, _stack_name, put=put: put(props),
            "delete": lambda _physical_id, props, delete=delete: delete(props),
        }
        add_item(provisioners._RESOURCE_HANDLERS, kind, handlers)
        provisioners._REPLACING_PROPERTIES[kind] = ("SecretId",)


def _put_schedule(props: Properties) -> Provisioned:
    given = ("SecretId", "RotationLambdaARN", "RotationRules")
    request: Properties = {name: props[name] for name in given if name in props}
    request["RotateImmediately"] = provisioners._cfn_bool(props.get("RotateImmediatelyOnUpdate", True))
    return _arn_of(rotation.rotate_secret(request)), {}


def _cancel_rotation(props: Properties) -> None:
    rotation.cancel_rotate_secret({"SecretId": props["SecretId"]})


def _put_policy(props: Properties) -> Provisioned:
    request = {"SecretId": props["SecretId"], "ResourcePolicy": json.dumps(props["ResourcePolicy"])}
    return _arn_of(secretsmanager._put_resource_policy(request)), {}


def _delete_policy(props: Properties) -> None:
    secretsmanager._delete_resource_policy({"SecretId": props["SecretId"]})


def _arn_of(answer: tuple[int, dict[str, str], bytes]) -> str:
    status, _, body = answer
    content = json.loads(body)
    if status != 200:  # noqa: PLR2004
        raise ValueError(f"{content['message']} (Service: SecretsManager, Status Code: {status})")
    return str(content["ARN"])
