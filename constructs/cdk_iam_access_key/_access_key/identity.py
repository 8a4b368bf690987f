"""What tells one user or secret from another while its name or ARN may still be a token."""

import hashlib
import json
from dataclasses import dataclass
from typing import cast

from aws_cdk import Reference, Stack, Token, Tokenization
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, IConstruct


@dataclass(frozen=True, slots=True)
class Identity:
    """A user or a secret, as far as the app knows it.

    Attributes:
        name: Equal for two values in the app that mean the same user or secret.
        template: Changes with each change of the template that makes CloudFormation act on another one.
        deploy_time: Whether it can become another one without any change of the template, as the value of a
            parameter or an export can.
    """

    name: str
    template: str
    deploy_time: bool


def identify(stack: Stack, value: str) -> Identity:
    """Identify the user whose name, or the secret whose complete ARN, is `value` as seen from `stack`."""
    if not Token.is_unresolved(value):
        return Identity(name=value, template=value, deploy_time=False)
    resolved = json.dumps(stack.resolve(value), sort_keys=True)
    element = _referenced(value)
    owner = Stack.of(element) if element else stack
    # Logical ids are unique in their stack only. The own stack stays out, so that renaming its construct, which
    # leaves the template as it was, changes nothing here either.
    place = "" if owner.node.addr == stack.node.addr else owner.node.addr
    if isinstance(element, iam.CfnUser):
        return _of_resource(element, stack.resolve(element.user_name), f"{place} {resolved}")
    if isinstance(element, secretsmanager.CfnSecret):
        return _of_resource(element, stack.resolve(element.name), f"{place} {resolved}")
    return Identity(name=f"{owner.node.addr} {resolved}", template=f"{place} {resolved}", deploy_time=True)


def _of_resource(element: IConstruct, physical_name: object, template: str) -> Identity:
    # IAM has one user of a name, whichever way the app came by it. A secret's name is not its ARN.
    named = isinstance(physical_name, str)
    same_name = isinstance(element, iam.CfnUser) and named
    return Identity(
        name=str(physical_name) if same_name else element.node.addr,
        # A change of the physical name replaces the resource under the logical id that it had.
        template=f"{template} {json.dumps(physical_name, sort_keys=True)}",
        deploy_time=physical_name is not None and not named,
    )


def _referenced(value: str) -> IConstruct | None:
    fragments = Tokenization.reverse_string(value)
    token = fragments.first_token if fragments.length == 1 else None
    if token is None or not Reference.is_reference(token):
        return None
    return cast("Reference", token).target


def schedule_name(key: Construct) -> str:
    """Return what the names of a key's schedules begin with: unique in the region, the same at each synth."""
    stack = Stack.of(key)
    while stack.nested_stack_parent is not None:
        stack = stack.nested_stack_parent
    # Not the stack's id: a stack whose construct is renamed stays the same stack, with the same keys.
    place = key.node.path.removeprefix(stack.node.path)
    return hashlib.sha256(f"{stack.stack_name}\n{place}".encode()).hexdigest()[:16]
