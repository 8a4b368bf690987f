"""AWS::IAM::AccessKey, which apps that migrate have in their templates; ministack refuses a template with one.

`Ref` is the access key id, and `SecretAccessKey` an attribute. Another user or serial makes another key.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-accesskey.html
"""

from __future__ import annotations

import re
from typing import Any

from ministack.services import iam
from ministack.services.cloudformation import provisioners

from local_cloud.replacing import add_item

_TYPE = "AWS::IAM::AccessKey"

Properties = dict[str, Any]


def apply() -> None:
    """Register the type."""
    handlers = {
        "create": lambda _logical_id, props, _stack_name: _create(props),
        "update": lambda key_id, _old_props, props, _stack_name: _set_status(key_id, props),
        "delete": _delete,
    }
    add_item(provisioners._RESOURCE_HANDLERS, _TYPE, handlers)
    provisioners._REPLACING_PROPERTIES[_TYPE] = ("UserName", "Serial")


def _create(props: Properties) -> tuple[str, dict[str, str]]:
    body = _call("CreateAccessKey", props)
    key_id, secret = (_member(body, name) for name in ("AccessKeyId", "SecretAccessKey"))
    if props.get("Status", "Active") != "Active":
        _set_status(key_id, props)
    return key_id, {"SecretAccessKey": secret}


def _set_status(key_id: str, props: Properties) -> tuple[str, dict[str, str]]:
    _call("UpdateAccessKey", props, AccessKeyId=key_id, Status=props.get("Status", "Active"))
    return key_id, {"SecretAccessKey": str(iam._access_keys[key_id]["SecretAccessKey"])}


def _delete(key_id: str, props: Properties) -> None:
    if key_id in iam._access_keys:
        _call("DeleteAccessKey", props, AccessKeyId=key_id)


def _call(action: str, props: Properties, **parameters: str) -> str:
    given = {"UserName": str(props["UserName"]), **parameters}
    status, _, body = iam._IAM_HANDLERS[action]({name: [value] for name, value in given.items()})
    if status != 200:  # noqa: PLR2004
        raise ValueError(f"{_member(body.decode(), 'Message')} (Service: Iam, Status Code: {status})")
    return str(body.decode())


def _member(body: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", body)
    return found[1] if found else ""
