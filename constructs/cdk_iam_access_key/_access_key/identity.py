"""What tells one user or secret of an app from another while its name or ARN may still be a token.

This is for the checks at synthesis. Which role a key gets is decided by the names that CloudFormation finds (`role`).
"""

import json

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct

from cdk_iam_access_key._access_key.secret import KeySecret
from cdk_iam_access_key._access_key.validation import defined_user
from cdk_iam_access_key._shared.tokens import is_token, referenced


def identify_user(stack: Stack, user: iam.IUser | iam.CfnUser, name: str) -> str:
    """Name a user, who is known by `name` in `stack`. Two values that mean the same user have the same identity."""
    if not is_token(name):
        return name
    element = defined_user(user) or referenced(name)
    if not isinstance(element, iam.CfnUser):
        return _identify_token(stack, name, element)
    physical_name = element.user_name
    # IAM has one user of a name, whichever way the app came by it. A token is one of a property that may be anything.
    return element.node.addr if physical_name is None or is_token(physical_name) else physical_name


def identify_secret(stack: Stack, arn: str) -> str:
    """Name the secret of a complete ARN. Two values that mean the same secret have the same identity."""
    if not is_token(arn):
        return arn
    element = referenced(arn)
    # The ARN that readers of a key's secret get is an attribute of the key.
    secret = getattr(element.node.scope, "secret", None) if isinstance(element, CfnResource) else None
    if isinstance(secret, KeySecret):
        return secret.identity or identify_secret(stack, secret.written_arn)
    if isinstance(element, secretsmanager.CfnSecret):
        return element.node.addr
    return _identify_token(stack, arn, element)


def _identify_token(stack: Stack, value: str, element: IConstruct | None) -> str:
    owner = Stack.of(element) if element else stack
    # Logical ids are unique in their stack only.
    return f"{owner.node.addr} {json.dumps(stack.resolve(value), sort_keys=True)}"
