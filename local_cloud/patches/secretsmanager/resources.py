"""AWS::SecretsManager::Secret: what `Ref` gives, a secret without a name, and one without a value.

`Ref` is the secret's ARN on AWS and its name in ministack, where a grant on it matches nothing. A secret that
declares no value has no version on AWS and an empty one in ministack. `GenerateSecretString: {}` generates a
password of 32 characters on AWS and nothing in ministack. A name that CloudFormation makes is the logical id and 12
random characters, which the CDK's `secret_name` relies on; ministack puts the stack's name before it. A name that is
declared must be free; ministack takes over the secret that has it, value and all.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-secretsmanager-secret.html
"""

from __future__ import annotations

import secrets
import string
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import drift, provisioners

from local_cloud.patches.secretsmanager.versions import drop_empty_versions
from local_cloud.replacing import Function, replace_item

_TYPE = "AWS::SecretsManager::Secret"
_DEFAULT_GENERATION = {"PasswordLength": 32}

_RANDOM_CHARACTERS = 12

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, str]]


def apply() -> None:
    """Put the ARN where ministack has the name, translating back where it looks a secret up."""
    handlers = provisioners._RESOURCE_HANDLERS[_TYPE]
    replace_item(handlers, "create", "logical_id props stack_name", _creating)
    replace_item(handlers, "update", "physical_id old_props new_props stack_name logical_id", _updating)
    replace_item(handlers, "delete", "physical_id props", _by_name)
    # The comparison for drift looks the secret up by its physical id as well.
    reader, compared = drift._DRIFT_READERS[_TYPE]
    drift._DRIFT_READERS[_TYPE] = (_by_name(reader), compared)


def _creating(original: Function) -> Function:
    def create(logical_id: str, props: Properties, stack_name: str) -> Provisioned:
        props = {**_with_generation(props), "Name": props.get("Name") or _generated_name(logical_id)}
        if props["Name"] in secretsmanager._secrets:
            message = f"The operation failed because the secret {props['Name']} already exists."
            raise ValueError(f"{message} (Service: SecretsManager, Status Code: 400)")
        name, attributes = original(logical_id, props, stack_name)
        drop_empty_versions(secretsmanager._secrets[name])
        return attributes["Arn"], attributes

    return create


def _updating(original: Function) -> Function:
    def update(
        physical_id: str, old_props: Properties, new_props: Properties, stack_name: str, logical_id: str | None
    ) -> Provisioned:
        name = _name(physical_id)
        # A secret that keeps the name that was made for it is the same secret.
        kept = name if "Name" not in old_props else _generated_name(logical_id or name)
        new_props = {**_with_generation(new_props), "Name": new_props.get("Name") or kept}
        _, attributes = original(name, _with_generation(old_props), new_props, stack_name, logical_id)
        drop_empty_versions(secretsmanager._resolve(attributes["Arn"])[1])
        return attributes["Arn"], attributes

    return update


def _by_name(original: Function) -> Function:
    def by_name(physical_id: str, props: Properties) -> Any:
        return original(_name(physical_id), props)

    return by_name


def _with_generation(props: Properties) -> Properties:
    if props.get("GenerateSecretString") == {}:
        return {**props, "GenerateSecretString": _DEFAULT_GENERATION}
    return props


def _generated_name(logical_id: str) -> str:
    alphabet = string.ascii_letters + string.digits
    return f"{logical_id}-{''.join(secrets.choice(alphabet) for _ in range(_RANDOM_CHARACTERS))}"


def _name(physical_id: str) -> str:
    key, _ = secretsmanager._resolve(physical_id)
    return key or physical_id
