"""What a stack declares beside its keys that would break one of them, now or at a rotation.

Whoever wrote it: a construct of any level, an aspect, an override. So the template is asked, when all is said.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from aws_cdk import Stack

from cdk_iam_access_key._access_key.exports import exported
from cdk_iam_access_key._access_key.inline_policies import too_long
from cdk_iam_access_key._shared.retained import instead, retained
from cdk_iam_access_key._shared.templates import Templates, paths_of, resources_of, walk, written

_KEY, _RAW_KEY = "Custom::IAMAccessKey", "AWS::IAM::AccessKey"
_COPY, _NESTED_STACK = "Custom::IAMAccessKeyCopy", "AWS::CloudFormation::Stack"
# They let somebody else write to a secret.
_WRITERS = ("AWS::SecretsManager::RotationSchedule", "AWS::SecretsManager::SecretTargetAttachment")
# Whoever may use a secret may use this one.
_OF_AWS = "alias/aws/secretsmanager"
_KEYS_OF_A_USER = 2
# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
_PATH_CHARACTERS = 512

Resources = dict[str, Any]


def broken_keys(stack: Stack, others: Iterable[Stack], templates: Templates) -> Iterator[str]:
    """Say what would break the keys of a stack, with their paths.

    Args:
        stack: The stack.
        others: The stacks in which a secret of these keys may be.
        templates: Of the app.
    """
    resources = resources_of(templates.of(stack))
    keys = [name for name, resource in resources.items() if resource["Type"] == _KEY]
    found = [(name, what) for name in keys for what in _found(stack, name, others, templates)]
    paths = paths_of(stack) if found else {}
    for name, what in found:
        yield f"{paths.get(name, name).removesuffix('/Resource')} {what}"


def _found(stack: Stack, name: str, others: Iterable[Stack], templates: Templates) -> Iterator[str]:
    resources = resources_of(templates.of(stack))
    properties = resources[name]["Properties"]
    given = properties.get("SecretArn")
    secret, beside = _exported(given, others, templates) or (given, resources)
    writers = [
        *_writers(resources, given, {"Fn::GetAtt": [name, "SecretArn"]}),
        *([] if beside is resources else _writers(beside, secret)),
    ]
    for what in (
        exported(stack, name, templates),
        _encrypted(properties, resources, _referenced(secret, beside)),
        _written_by_others(properties, writers),
        _too_many(properties, resources),
        _elsewhere(properties, resources),
        too_long({"Ref": _referred(properties.get("RoleArn"))}, properties.get("UserName"), resources),
        _left_behind(resources[name]),
        _copy_left_behind(properties, resources),
        _nested_stack_left_behind(stack, templates),
    ):
        if what:
            yield what


def _exported(reference: Any, stacks: Iterable[Stack], templates: Templates) -> tuple[Any, Resources] | None:
    """Follow an import to what is exported, and the resources beside it."""
    if not isinstance(reference, dict) or "Fn::ImportValue" not in reference:
        return None
    for stack in stacks:
        template = templates.of(stack)
        for output in template.get("Outputs", {}).values():
            if output.get("Export", {}).get("Name") == reference["Fn::ImportValue"]:
                return output["Value"], resources_of(template)
    return None


def _encrypted(properties: Resources, resources: Resources, secret: Resources) -> str | None:
    """Look for a KMS key that the key's role may not use."""
    kms_key = secret.get("KmsKeyId", _OF_AWS)
    role = _referenced(properties.get("RoleArn"), resources)
    if kms_key == _OF_AWS or "kms:GenerateDataKey" in walk(role):
        return None
    return (
        "must know the KMS key of its secret, got one that an aspect, an override or a resource of the secret alone "
        "has: the key's role could not write the secret; pass it as encryption_key to the AccessKey, or of a secret "
        "that is passed in to secretsmanager.Secret or from_secret_attributes"
    )


def _writers(resources: Resources, *secret: Any) -> list[str]:
    """List what lets somebody write to a secret, by each way to refer to it."""
    return [
        name
        for name, resource in resources.items()
        if resource["Type"] in _WRITERS and resource["Properties"].get("SecretId") in secret
    ]


def _written_by_others(properties: Resources, writers: list[str]) -> str | None:
    """Refuse whoever else writes to the secret."""
    if len(writers) <= ("RotationSchedule" in properties):
        return None
    return (
        "must be the only one that writes to its secret, but there is a rotation or an attachment of the same "
        f"secret: {' and '.join(writers)}; leave it out, and pass rotation_schedule to the AccessKey"
    )


def _too_many(properties: Resources, resources: Resources) -> str | None:
    """Count the keys of the user that other constructs define."""
    user = properties.get("UserName")
    raw, managed = (
        [
            name
            for name, resource in resources.items()
            if resource["Type"] == kind and resource.get("Properties", {}).get("UserName") == user
        ]
        for kind in (_RAW_KEY, _KEY)
    )
    if not raw or len(raw) + len(managed) <= _KEYS_OF_A_USER:
        return None
    return (
        f"must have a user with at most {_KEYS_OF_A_USER} access keys, as IAM allows, but {' and '.join(raw)} are "
        f"{_RAW_KEY} of the same user; give each key its own user"
    )


def _elsewhere(properties: Resources, resources: Resources) -> str | None:
    """Look for a path of the key's role that is not its own, or that IAM refuses."""
    role, user = _referenced(properties.get("RoleArn"), resources), properties.get("UserName")
    path = role.get("Path")
    parts = list(walk(path))
    if role and user not in parts and not any(isinstance(part, str) and f"{user}/" in part for part in parts):
        return (
            f"must have a role whose path has the user and the secret in it, got {path}, which an aspect or an "
            "override gave it: another user would get the same role, and the provider may not assume it there; pass "
            "role_path to the AccessKeyProvider, and leave roles out whose description begins with Manages the access "
            "keys"
        )
    known = sum(_length(part, resources) for part in parts)
    if known <= _PATH_CHARACTERS:
        return None
    return (
        f"must have a role with a path of at most {_PATH_CHARACTERS} characters, got {known}: role_path of the "
        "provider, the user's name and the secret's name are in it; shorten one of them"
    )


def _left_behind(key: Resources) -> str | None:
    """Refuse a key that CloudFormation would not have deleted: the ledger and the function may be gone by then."""
    found = retained(key)
    if not found:
        return None
    return (
        f"must not be retained, got {found}: its key would stay Active when the ledger that knows it is deleted; "
        f"{instead(_KEY)}"
    )


def _copy_left_behind(properties: Resources, resources: Resources) -> str | None:
    """Refuse a copy that holds a key for good."""
    for resource in resources.values():
        copied, found = resource.get("Properties", {}), retained(resource)
        if found and resource["Type"] == _COPY and copied.get("SecretArn") == properties.get("SecretArn"):
            return (
                f"must have no copy that is retained, got {found} of {copied.get('Name')}: it would hold the key of "
                f"that time, and its name would be taken when the stack is deployed anew; {instead(_COPY)}"
            )
    return None


def _nested_stack_left_behind(stack: Stack, templates: Templates) -> str | None:
    """Refuse a nested stack that is not deleted with those that its key may need."""
    nested: Stack | None = stack
    while nested is not None and nested.nested_stack_parent is not None:
        found = retained(written(nested.nested_stack_resource, templates))
        if found:
            return (
                f"must not be in a nested stack that is retained, got {found} of {nested.node.path}: its key would "
                f"stay Active when what it needs of other stacks is deleted; {instead(_NESTED_STACK)}"
            )
        nested = nested.nested_stack_parent
    return None


def _length(part: Any, resources: Resources) -> int:
    """Count the characters of a part of a path, as far as they are known."""
    if isinstance(part, str):
        return len(part) if "/" in part else 0
    named = _referenced(part, resources) if isinstance(part, dict) and "Ref" in part else {}
    name = named.get("UserName", named.get("Name"))
    return len(name) if isinstance(name, str) else 0


def _referenced(value: Any, resources: Resources) -> Resources:
    """Return the properties of the resource that a value refers to, or none."""
    found: Resources = resources.get(_referred(value), {}).get("Properties", {})
    return found


def _referred(value: Any) -> Any:
    """Return the logical id of the resource that a value refers to, or nothing."""
    return value.get("Ref", value.get("Fn::GetAtt", [""])[0]) if isinstance(value, dict) else ""
