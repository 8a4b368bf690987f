"""How long the inline policies of the role and of the user of a key are: IAM bounds all of one together."""

import json
from typing import Any

_POLICIES = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy")
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_OF_A_ROLE, _OF_A_USER = 10_240, 2_048
# What only the deployment knows counts as the least that it can be.
_SHORTEST = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::URLSuffix": "c2s.ic.gov",
}
_SHORTEST_ARN = "arn:aws:s3:::abc"
# Of a secret.
_LONGER_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf"


def too_long(role: Any, user: Any, resources: dict[str, Any]) -> str | None:
    """Say what is wrong if the policies of a role or a user, by the names that a template has, are longer than that."""
    of_role, of_user = _length(role, resources), _length(user, resources)
    if of_role > _OF_A_ROLE:
        return (
            f"must have a role with inline policies of at most {_OF_A_ROLE:,} characters, got {of_role:,} at least: "
            "copies and deliver_to add to them; leave some out, or pass a role that may write to a copy"
        )
    if of_user > _OF_A_USER:
        return (
            f"must have a user with inline policies of at most {_OF_A_USER:,} characters, got {of_user:,} at least: "
            "grant_self_renewal and wait_for_consumers add to them; pass wider CIDR blocks, or put what else the user "
            "may do into a managed policy"
        )
    return None


def _length(name: Any, resources: dict[str, Any]) -> int:
    """Add up, without blanks, as IAM counts; what is there on a condition only is left out."""
    own = resources.get(name.get("Ref", ""), {}).get("Properties", {}) if isinstance(name, dict) else {}
    policies = [policy for policy in own.get("Policies", []) if isinstance(policy, dict)]
    for resource in resources.values():
        given = resource.get("Properties", {}) if resource["Type"] in _POLICIES and "Condition" not in resource else {}
        if name in [given.get("RoleName"), given.get("UserName"), *given.get("Roles", []), *given.get("Users", [])]:
            policies.append(given)
    documents = [_shortest(policy.get("PolicyDocument", ""), resources) for policy in policies]
    return sum(len(json.dumps(document, separators=(",", ":"))) for document in documents)


def _shortest(value: Any, resources: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_shortest(one, resources) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return separator.join(str(_shortest(part, resources)) for part in parts if isinstance(parts, list))
    if "Fn::GetAtt" in value:
        return _SHORTEST_ARN if value["Fn::GetAtt"][-1] == "Arn" else ""
    if any(name == "Ref" or name.startswith("Fn::") for name in value):
        name = str(value.get("Ref"))
        is_secret = resources.get(name, {}).get("Type") == "AWS::SecretsManager::Secret"
        return _LONGER_ARN if is_secret else _SHORTEST.get(name, "")
    return {name: _shortest(one, resources) for name, one in value.items()}
