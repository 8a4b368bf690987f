"""What tells one user or secret of an app from another while its name or ARN may still be a token.

This is for the checks at synthesis. Which role a key gets is decided by the names that CloudFormation finds (`role`).
"""

import json
from typing import cast

from aws_cdk import Reference, Stack, Token, Tokenization
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct


def identify(stack: Stack, value: str) -> str:
    """Name the user whose name, or the secret whose complete ARN, is `value` as seen from `stack`.

    Two values of the app that mean the same user or secret have the same name.
    """
    if not Token.is_unresolved(value):
        return value
    element = _referenced(value)
    if isinstance(element, iam.CfnUser):
        name = stack.resolve(element.user_name)
        # IAM has one user of a name, whichever way the app came by it. A secret's name is not its ARN.
        return name if isinstance(name, str) else element.node.addr
    if isinstance(element, secretsmanager.CfnSecret):
        return element.node.addr
    owner = Stack.of(element) if element else stack
    # Logical ids are unique in their stack only.
    return f"{owner.node.addr} {json.dumps(stack.resolve(value), sort_keys=True)}"


def _referenced(value: str) -> IConstruct | None:
    fragments = Tokenization.reverse_string(value)
    token = fragments.first_token if fragments.length == 1 else None
    if token is None or not Reference.is_reference(token):
        return None
    return cast("Reference", token).target
