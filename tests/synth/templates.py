"""Reading templates."""

from typing import Any

from aws_cdk import Stack
from aws_cdk.assertions import Template

KEY = "Custom::IAMAccessKey"
ROLE = "AWS::IAM::Role"
SECRET = "AWS::SecretsManager::Secret"


def resources(stack: Stack) -> dict[str, Any]:
    """Return the resources of a stack by their logical ids."""
    return Template.from_stack(stack).to_json()["Resources"]


def of_type(stack: Stack, kind: str) -> dict[str, Any]:
    """Return the resources of one type by their logical ids."""
    return {name: resource for name, resource in resources(stack).items() if resource["Type"] == kind}


def only(stack: Stack, kind: str) -> dict[str, Any]:
    """Return the properties of the one resource of a type."""
    (resource,) = of_type(stack, kind).values()
    return resource["Properties"]


def function(stack: Stack, entry_points: str = "provider") -> str:
    """Return the logical id of the function with these entry points."""
    (name,) = [
        name
        for name, one in of_type(stack, "AWS::Lambda::Function").items()
        if one["Properties"]["Environment"]["Variables"].get("ENTRY_POINTS") == entry_points
    ]
    return name


def arn_of(name: str) -> dict[str, Any]:
    """Return what a template says for the ARN of a resource."""
    return {"Fn::GetAtt": [name, "Arn"]}


def key_roles(stack: Stack) -> dict[str, Any]:
    """Return the roles that the keys of a stack bring along."""
    return {
        name: role
        for name, role in of_type(stack, ROLE).items()
        if role["Properties"].get("Description", "").startswith("Manages the access keys")
    }


def key_role(stack: Stack) -> tuple[str, dict[str, Any]]:
    """Return the logical id and the properties of the one role of a key."""
    ((name, role),) = key_roles(stack).items()
    return name, role["Properties"]


def provider_role(stack: Stack) -> dict[str, Any]:
    """Return the properties of the role that the functions of a stack's provider run with."""
    roles = of_type(stack, ROLE)
    (name,) = {one["Properties"]["Role"]["Fn::GetAtt"][0] for one in of_type(stack, "AWS::Lambda::Function").values()}
    return roles[name]["Properties"]


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of a role's one inline policy."""
    (policy,) = role["Policies"]
    return policy["PolicyDocument"]["Statement"]
