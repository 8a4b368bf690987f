"""Which access keys an app declares, to find the ones that get in each other's way."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, cast

from aws_cdk import Annotations, Stack, Stage
from constructs import Construct

from cdk_iam_access_key._access_key.written_stack import broken_keys
from cdk_iam_access_key._shared.at_synthesis import AtSynthesis
from cdk_iam_access_key._shared.templates import Templates
from cdk_iam_access_key._shared.tokens import is_token

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


class Named(Protocol):
    """What has a name in an account, which an app may still give or change before synthesis."""

    @property
    def account(self) -> str:
        """The account, which may be a token."""

    @property
    def home(self) -> Home:
        """The stack that it is defined in, or imported into."""

    def identity(self) -> str:
        """Tell it from others, by what is known now."""


@dataclass(frozen=True, slots=True)
class _Key:
    construct: Construct
    user: Named
    secret: Named

    @property
    def path(self) -> str:
        return self.construct.node.path


@dataclass(slots=True)
class _Count:
    """Counts keys; the same at construction, when a traceback shows the line, and at synthesis, when names are final.

    Attributes:
        writers: The key that writes a secret.
        keys: The keys of a user, by its account and by the stack that it comes from: where a stack without an account
            is deployed to may be another one each time.
        likely: The first key of each such stack whose user has a name.
        warnings: What is likely, or works until a key is rotated: the second key, and the text.
    """

    writers: dict[str, _Key] = field(default_factory=dict)
    keys: dict[tuple[str, str], list[_Key]] = field(default_factory=dict)
    likely: dict[str, dict[str, _Key]] = field(default_factory=dict)
    warnings: list[tuple[_Key, str, str]] = field(default_factory=list)

    def add(self, key: _Key) -> None:
        """Count a key.

        Raises:
            ValueError: Another key writes the same secret, or the user would have a third key.
        """
        secret, user = key.secret.identity(), key.user.identity()
        writer = self.writers.setdefault(secret, key)
        if writer is not key:
            raise ValueError(
                f"a secret must hold the key of one AccessKey, but {writer.path} and {key.path} write the same; "
                "give each its own secret"
            )
        known = not is_token(key.user.account)
        for place in [key.user.home.address, *([key.user.account] if known else [])]:
            self._add_to_user(key, place, user)
        if not known:
            self._warn_of_one_name(key, user)

    def _add_to_user(self, key: _Key, place: str, user: str) -> None:
        keys = self.keys.setdefault((place, user), [])
        keys.append(key)
        if len(keys) > _KEYS_OF_A_USER:
            raise ValueError(
                f"IAM allows a user {_KEYS_OF_A_USER} access keys, but {_listed(keys)} belong to the same user; "
                "give each key its own user"
            )
        if len(keys) == _KEYS_OF_A_USER:
            text = (
                f"{_listed(keys)} take both access keys that IAM allows a user, and a rotation needs a free slot: "
                "a change of serial will fail; give each key its own user"
            )
            self.warnings.append((key, "no-slot-to-rotate", text))

    def _warn_of_one_name(self, key: _Key, user: str) -> None:
        homes = self.likely.setdefault(user, {})
        homes.setdefault(key.user.home.address, key)
        if len(homes) <= _KEYS_OF_A_USER:
            return
        # Stages stand for accounts, so only the stacks of one count.
        stage = Stage.of(key.user.home.stack)
        alike = [each for each in homes.values() if Stage.of(each.user.home.stack) is stage]
        if len(alike) > _KEYS_OF_A_USER:
            text = (
                f"{_listed(alike)} belong to users of one name, {user}: if their stacks are deployed to one account, "
                f"the third fails, because IAM allows a user {_KEYS_OF_A_USER} access keys; give each its own user, "
                "or the stacks an env with their account"
            )
            self.warnings.append((key, "one-user-of-many-stacks", text))


def _listed(keys: list[_Key]) -> str:
    paths = [key.path for key in keys]
    return f"{', '.join(paths[:-1])} and {paths[-1]}"


class DeclaredKeys(Construct):
    """The keys of one app, kept at its root because two stacks may write one secret, and stages share an account.

    It renders nothing.
    """

    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, _ID)
        self._homes: dict[Stack, Home] = {}
        self._count = _Count()
        self._keys: list[_Key] = []
        self._adopted: dict[str, Construct] = {}
        self._copies: dict[tuple[str, ...], Construct] = {}
        self._warned: set[str] = set()
        AtSynthesis.of(self).check(self._found)

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

    def add(self, construct: Construct, user: Named, secret: Named) -> None:
        """Note a key with its user and its secret.

        Raises:
            ValueError: Another key writes the same secret, or the user would have a third key.
        """
        key = _Key(construct, user, secret)
        self._count.add(key)
        self._keys.append(key)

    def adopt(self, key: Construct, access_key_id: str) -> None:
        """Note that a key adopts another one.

        Raises:
            ValueError: It adopts one already, or another key of the app adopts that one.
        """
        for known, adopting in self._adopted.items():
            if adopting is key or known == access_key_id:
                raise ValueError(
                    f"adopt must be called once for a key, and once with an id, but {adopting.node.path} adopts "
                    f"{known} and {key.node.path} is to adopt {access_key_id}; remove one of the calls"
                )
        self._adopted[access_key_id] = key

    def add_copy(self, key: Construct, place: tuple[str, ...], name: str) -> None:
        """Note that a key writes to a copy.

        Raises:
            ValueError: Another key writes to it.
        """
        other = self._copies.setdefault(place, key)
        if other is not key:
            raise ValueError(
                f"a copy must hold the key of one AccessKey, but {other.node.path} and {key.node.path} write {name}; "
                "give each its own name"
            )

    def _found(self, templates: Templates) -> Iterator[str]:
        """Count once more: an aspect, or whoever has the construct, may have named a user or a secret since."""
        count = _Count()
        for key in self._keys:
            try:
                count.add(key)
            except ValueError as error:
                yield str(error)
        for key, name, text in count.warnings:
            if text not in self._warned:
                self._warned.add(text)
                Annotations.of(key.construct).add_warning_v2(f"cdk-iam-access-key:{name}", text)
        for stack in self._homes:
            yield from broken_keys(stack, self._homes, templates)
