"""The moment at which all consumers of the app use the new key, and those that never do."""

from collections.abc import Sequence
from typing import cast

from aws_cdk import Annotations, Stack
from constructs import Construct, IConstruct, IDependable


def check_dependents(key: Construct, dependents: Sequence[IDependable]) -> None:
    """Refuse what the cut-over can't wait for.

    Raises:
        ValueError: There is no dependent, or one that is the key, a part of it, what it is part of, or out of reach.
    """
    if not dependents:
        raise ValueError("cut_over_after must have at least one dependent, got none; pass what uses the key")
    for dependent in dependents:
        if not hasattr(dependent, "node"):
            continue
        construct = cast("IConstruct", dependent)
        own, other = _paths(key), _paths(construct)
        if own[-1] in other or other[-1] in own:
            raise ValueError(
                f"cut_over_after must wait for constructs beside the key, got {construct.node.path}, which is the key, "
                "a part of it, or what it is part of; pass what uses the key"
            )
        if Stack.of(key).node.path not in {stack.node.path for stack in _stacks(construct)}:
            raise ValueError(
                f"cut_over_after must wait for constructs of the key's stack {Stack.of(key).node.path}, got "
                f"{construct.node.path}: a stack that uses the key is deployed after the key's stack; use grace_period"
            )


def warn_of_pinning(key: Construct, changes: Sequence[str]) -> None:
    """Warn that something changes the key between deployments, which alone change a pinned reference."""
    if changes:
        Annotations.of(key).add_warning_v2(
            "cdk-iam-access-key:pinned",
            f"secret_value of {key.node.path} pins a consumer to the version of the last deployment, and the key has "
            f"{' and '.join(changes)}: after that the consumer has a key that is retired or Inactive, until a "
            "deployment changes the key; let the consumer read the secret while it runs instead (grant_read), or "
            "leave that out",
        )


def _paths(construct: IConstruct) -> list[str]:
    return [scope.node.path for scope in construct.node.scopes]


def _stacks(construct: IConstruct) -> list[Stack]:
    stack: Stack | None = Stack.of(construct)
    stacks = []
    while stack is not None:
        stacks.append(stack)
        stack = stack.nested_stack_parent
    return stacks
