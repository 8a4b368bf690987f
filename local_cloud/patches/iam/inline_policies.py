"""AWS::IAM::RolePolicy and AWS::IAM::UserPolicy, which follow whom they are about where a template replaces that.

ministack has AWS::IAM::Policy only.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-rolepolicy.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-userpolicy.html
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners

from local_cloud.replacing import add_item

Properties = dict[str, Any]


def apply() -> None:
    """Register the types."""
    for kind in ("Role", "User"):
        policies = _Policies(kind)
        handlers = {"create": policies.create, "update": policies.update, "delete": policies.delete}
        add_item(provisioners._RESOURCE_HANDLERS, f"AWS::IAM::{kind}Policy", handlers)
        provisioners._REPLACING_PROPERTIES[f"AWS::IAM::{kind}Policy"] = ("PolicyName", f"{kind}Name")


class _Policies:
    def __init__(self, kind: str) -> None:
        self._name, self._names = f"{kind}Name", f"{kind}s"

    def create(self, logical_id: str, props: Properties, stack_name: str) -> tuple[str, dict[str, str]]:
        provisioners._iam_policy_create(logical_id, self._policy(props), stack_name)
        return f"{props['PolicyName']}|{props[self._name]}", {}

    def update(self, policy_id: str, old: Properties, new: Properties, stack_name: str) -> tuple[str, dict[str, str]]:
        provisioners._iam_policy_update(policy_id, self._policy(old), self._policy(new), stack_name)
        return policy_id, {}

    def delete(self, policy_id: str, props: Properties) -> None:
        provisioners._iam_policy_delete(policy_id, self._policy(props))

    def _policy(self, props: Properties) -> Properties:
        return {**props, self._names: [props[self._name]]}
