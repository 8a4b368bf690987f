"""Which access keys an app declares, to find the ones that get in each other's way."""

from dataclasses import dataclass
from typing import cast

from aws_cdk import Annotations, Stack
from constructs import Construct

# No stack gets this id by itself: a stack's name has no blanks.
_ID = "cdk-iam-access-key: declared keys"
_KEYS_OF_A_USER = 2


@dataclass(frozen=True, slots=True)
class Home:
    """Where a stack is. Asking the CDK for it takes longer than all else that is checked.

    Attributes:
        stack: The stack.
        account, region: Its account and region, which may be tokens.
        address: Unique in the app.
    """

    stack: Stack
    account: str
    region: str
    address: str

    @classmethod
    def of(cls, stack: Stack) -> "Home":
        """Ask a stack where it is."""
        return cls(stack, stack.account, stack.region, stack.node.addr)


class DeclaredKeys(Construct):
    """The keys of one app, kept at its root because two stacks may write one secret.

    It renders nothing.
    """

    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, _ID)
        self._homes: dict[Stack, Home] = {}
        self._writers: dict[str, Construct] = {}
        self._keys: dict[tuple[str, str], list[Construct]] = {}

    @classmethod
    def of(cls, scope: Construct) -> "DeclaredKeys":
        """Return the one of the app that `scope` is in."""
        root = scope.node.root
        declared = root.node.try_find_child(_ID)
        return declared if isinstance(declared, DeclaredKeys) else cls(cast("Construct", root))

    def home(self, stack: Stack) -> Home:
        """Tell where a stack is."""
        if stack not in self._homes:
            self._homes[stack] = Home.of(stack)
        return self._homes[stack]

    def add(self, key: Construct, home: Home, user: str, secret: str) -> None:
        """Note a key with the identities of its user and its secret.

        Raises:
            ValueError: Another key writes the same secret, or the user would have a third key in this stack.
        """
        writer = self._writers.get(secret)
        if writer is not None:
            raise ValueError(
                f"a secret must hold the key of one AccessKey, but {_path(writer)} and {_path(key)} write the same; "
                "give each its own secret"
            )
        keys = self._keys.setdefault((home.address, user), [])
        if len(keys) == _KEYS_OF_A_USER:
            raise ValueError(
                f"IAM allows a user {_KEYS_OF_A_USER} access keys, but {', '.join(map(_path, keys))} and {_path(key)} "
                "belong to the same user; give each key its own user"
            )
        self._writers[secret] = key
        keys.append(key)
        if len(keys) == _KEYS_OF_A_USER:
            Annotations.of(key).add_warning_v2(
                "cdk-iam-access-key:no-slot-to-rotate",
                f"{_path(keys[0])} and {_path(keys[1])} take both access keys that IAM allows a user, and a rotation "
                "needs a free slot: a change of serial will fail; give each key its own user",
            )


def _path(key: Construct) -> str:
    return key.node.path
