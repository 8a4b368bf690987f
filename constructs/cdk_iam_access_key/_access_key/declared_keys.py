"""Which access keys an app declares, to find the ones that get in each other's way."""

from typing import cast

from aws_cdk import Annotations, Stack
from constructs import Construct

# No stack gets this id by itself: a stack's name has no blanks.
_ID = "cdk-iam-access-key: declared keys"
_KEYS_OF_A_USER = 2


class DeclaredKeys(Construct):
    """The keys of one app, kept at its root because two stacks may write one secret.

    It renders nothing.
    """

    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, _ID)
        self._writers: dict[str, str] = {}
        self._keys: dict[tuple[str, str], list[str]] = {}

    @classmethod
    def of(cls, scope: Construct) -> "DeclaredKeys":
        """Return the one of the app that `scope` is in."""
        root = scope.node.root
        declared = root.node.try_find_child(_ID)
        return declared if isinstance(declared, DeclaredKeys) else cls(cast("Construct", root))

    def add(self, key: Construct, user: str, secret: str) -> None:
        """Note a key with the identities of its user and its secret.

        Raises:
            ValueError: Another key writes the same secret, or the user would have a third key in this stack.
        """
        path = key.node.path
        writer = self._writers.get(secret)
        if writer is not None:
            raise ValueError(
                f"a secret must hold the key of one AccessKey, but {writer} and {path} write the same; "
                "give each its own secret"
            )
        keys = self._keys.setdefault((Stack.of(key).node.addr, user), [])
        if len(keys) == _KEYS_OF_A_USER:
            raise ValueError(
                f"IAM allows a user {_KEYS_OF_A_USER} access keys, but {', '.join(keys)} and {path} belong to "
                "the same user; give each key its own user"
            )
        self._writers[secret] = path
        keys.append(path)
        if len(keys) == _KEYS_OF_A_USER:
            Annotations.of(key).add_warning_v2(
                "cdk-iam-access-key:no-slot-to-rotate",
                f"{keys[0]} and {keys[1]} take both access keys that IAM allows a user, and a rotation needs a "
                "free slot: a change of serial will fail; give each key its own user",
            )
