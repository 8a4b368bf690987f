"""What a key needs for the copies of its secret: permissions, and a resource whose end is the end of the copy.

CloudFormation deletes that resource after the key that wrote to the copy, and only once a deployment has succeeded; the
permissions go after it. So a rollback finds every copy where it was.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from aws_cdk import Annotations, Aws, CfnResource, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdk_iam_access_key._access_key import permissions
from cdk_iam_access_key._access_key.declared_keys import DeclaredKeys
from cdk_iam_access_key._access_key.secret_text import document_length
from cdk_iam_access_key._shared.permissions import through
from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key._shared.validation import shown
from cdk_iam_access_key.copy import Copy
from cdk_iam_access_key.secret_format import SecretFormat

_COPY_TYPE = "Custom::IAMAccessKeyCopy"
_MOST_COPIES = 10
# What a parameter of the standard tier takes.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
_LONGEST_PARAMETER = 4096
_PARAMETER_ACTIONS = ["ssm:DeleteParameter", "ssm:LabelParameterVersion", "ssm:PutParameter"]
_SECRET_ACTIONS = ["secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", *permissions.SECRET_ACTIONS]

Define = Callable[[str, str, dict[str, Any]], CfnResource]


def check_copies(
    key: Construct,
    declared: DeclaredKeys,
    copies: Sequence[Copy],
    secret_name: str | None,
    secret_format: SecretFormat | None,
) -> None:
    """Refuse copies that can't be made.

    Raises:
        ValueError: names the copy, and what to change.
    """
    stack = Stack.of(key)
    if len(copies) > _MOST_COPIES:
        raise ValueError(f"copies must be at most {_MOST_COPIES}, got {len(copies)}; leave some out")
    places = set()
    for copy in copies:
        if not isinstance(copy, Copy):
            raise ValueError(f"copies must be of Copy, got {shown(copy)}; pass Copy.parameter(…) or Copy.secret(…)")  # noqa: TRY004
        place = _place(stack, copy)
        if place in places:
            raise ValueError(f"copies must be different, got the {copy.kind} {copy.name} twice; leave one out")
        places.add(place)
        if place == ("secret", secret_name, stack.region, ""):
            raise ValueError(
                f"copies must be beside the secret, got the secret {copy.name} itself; give the copy another name, "
                "in_region or role"
            )
        length = document_length(secret_format.text) if secret_format else 0
        if copy.kind == "parameter" and length > _LONGEST_PARAMETER:
            raise ValueError(
                f"copies has the parameter {copy.name}, which takes {_LONGEST_PARAMETER:,} bytes, and secret_format "
                f"may make {length:,}; shorten secret_format, or use Copy.secret"
            )
        declared.add_copy(key, _place_in_app(stack, place), f"the {copy.kind} {copy.name}")


def define_copies(
    key: Construct, role: iam.CfnRole, secret_arn: str, copies: Sequence[Copy], define: Define
) -> tuple[list[dict[str, str]], list[CfnResource]]:
    """Define what copies need, and return the key's property and what the key depends on."""
    stack = Stack.of(key)
    written, resources = [], []
    for copy in copies:
        properties = _properties(stack, copy)
        name = f"Copy{_digest(stack, copy)}"
        # Another user or secret makes another role. The policy of the one before goes with that, as late.
        policy = iam.CfnRolePolicy(
            key,
            f"{name}Policy",
            policy_name=name,
            role_name=role.ref,
            policy_document=permissions.document(*_statements(stack, copy)),
        )
        resource = define(name, _COPY_TYPE, {"SecretArn": secret_arn, **properties})
        resource.node.add_dependency(policy)
        written.append(properties)
        resources.append(resource)
    if copies:
        Annotations.of(key).add_info_v2(
            "cdk-iam-access-key:copies",
            f"{key.node.path} has copies: any change of them rotates the key, because nobody can read it back",
        )
    return written, resources


def _place(stack: Stack, copy: Copy) -> tuple[str, str, str, str]:
    """Tell where it is: two copies of one place are one."""
    role = copy.role.role_arn if copy.role else ""
    account = role if is_token(role) else "".join(role.split(":")[4:5])
    return copy.kind, copy.name, copy.region or stack.region, account


def _place_in_app(stack: Stack, place: tuple[str, str, str, str]) -> tuple[str, ...]:
    """Tell the same place of two stacks; one that only the deployment knows is a stack's own."""
    kind, name, region, account = place
    known = kind, name, region, account or stack.account
    return (*known, stack.node.addr if any(is_token(part) for part in known) else "")


def _digest(stack: Stack, copy: Copy) -> str:
    """Name a copy the same at each synthesis, whatever is beside it: tokens are numbered as they come."""
    place = stack.resolve([copy.kind, copy.name, copy.region or "", copy.role.role_arn if copy.role else ""])
    return hashlib.sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()[:8]


def _properties(stack: Stack, copy: Copy) -> dict[str, str]:
    optional = {
        "RoleArn": copy.role.role_arn if copy.role else "",
        "KmsKeyId": copy.encryption_key.key_arn if copy.encryption_key else "",
    }
    return {
        "Kind": copy.kind,
        "Name": copy.name,
        "Region": copy.region or stack.region,
        **{name: value for name, value in optional.items() if value},
    }


def _statements(stack: Stack, copy: Copy) -> list[permissions.Statement]:
    """Allow to write to the copy, or to assume the role that may."""
    if copy.role:
        return [permissions.allow(["sts:AssumeRole"], copy.role.role_arn)]
    region = copy.region or stack.region
    if copy.kind == "parameter":
        service, actions, context = "ssm", _PARAMETER_ACTIONS, "kms:EncryptionContext:PARAMETER_ARN"
        resources = [f"parameter/{copy.name.removeprefix('/')}"]
        if is_token(copy.name):
            # Its value may begin with a slash.
            resources.append(f"parameter{copy.name}")
        kms_actions = ["kms:Encrypt"]
    else:
        service, actions, context = "secretsmanager", _SECRET_ACTIONS, "kms:EncryptionContext:SecretARN"
        # Secrets Manager adds six characters to the name of a secret that exists.
        resources = [f"secret:{copy.name}", f"secret:{copy.name}-??????"]
        kms_actions = permissions.KMS_ACTIONS
    arns = [f"arn:{Aws.PARTITION}:{service}:{region}:{Aws.ACCOUNT_ID}:{resource}" for resource in resources]
    statements = [permissions.allow(actions, arns)]
    if copy.encryption_key:
        condition = {"StringEquals": through(stack, service, region), "StringLike": {context: arns}}
        statements.append(permissions.allow(kms_actions, copy.encryption_key.key_arn, condition))
    return statements
