"""What the account holds, and the switches that say how it behaves."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from fakes.clock import VirtualClock
from fakes.lags import Lags

if TYPE_CHECKING:
    from fakes.dynamodb import Table
    from fakes.functions import Function
    from fakes.iam import AccessKey, User
    from fakes.lags import Seen
    from fakes.secretsmanager import Secret
    from fakes.ssm import Parameter
    from fakes.sts import Role, Session

_Value = TypeVar("_Value")

_ID_CHARACTERS = string.ascii_uppercase + "234567"
SECRET_MARK = "Ik+7wJ/alrXUtnFEMI/K7MDENG"
"""In everything that is secret, so that one search finds whatever was made; no part of it is a word."""
_SECRET_CHARACTERS = string.ascii_letters + string.digits + "+/"


@dataclass(slots=True)
class Switches:
    """How the account behaves where AWS leaves room.

    Attributes:
        keys_per_user: IAM's quota, which has been seen to overshoot.
        new_key_rejections: how many calls signed with a new key each region's endpoint rejects before it works there.
        new_key_rejections_in: the same of single regions, where it differs.
        new_key_seconds: how long calls signed with a new key are rejected.
        deleted_key_seconds: how long a deleted key works on.
        last_use_seconds: how late the last use of a key comes to be known.
        iam_clock_skew: how many seconds IAM's clock, which dates keys, is ahead of the function's.
        page_size: how many items a listing has at most.
        latency: how many seconds a call takes.
        unknown_roles: whether a role that nobody has added may be assumed, and then may do what any key's role may.
        kms_denies: whether the secrets' KMS key may not be used.
        deletions_of_active_keys: whether those are allowed by the test; else they are violations.
    """

    keys_per_user: int = 2
    new_key_rejections: int = 0
    new_key_rejections_in: dict[str, int] = field(default_factory=dict)
    new_key_seconds: float = 0.0
    deleted_key_seconds: float = 0.0
    last_use_seconds: float = 0.0
    iam_clock_skew: float = 0.0
    page_size: int = 100
    latency: float = 0.05
    unknown_roles: bool = True
    kms_denies: bool = False
    deletions_of_active_keys: bool = False


class Names:
    """Makes up ids and secrets, the same in every run of a test."""

    def __init__(self, seed: int = 0) -> None:
        """Begin a sequence."""
        self._random = random.Random(seed)

    def __getstate__(self) -> tuple[Any, ...]:
        """Say how far the sequence is."""
        return self._random.getstate()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Go on from there; with a seed, or a generator would be seeded by the system, which takes longer."""
        self._random = random.Random(0)
        self._random.setstate(state)

    def _text(self, length: int, characters: str) -> str:
        return "".join(self._random.choices(characters, k=length))

    def access_key_id(self, prefix: str = "AKIA") -> str:
        """Make up the id of an access key."""
        return prefix + self._text(16, _ID_CHARACTERS)

    def secret_access_key(self) -> str:
        """Make up a secret, with characters that look different in JSON, URLs and base64."""
        return self._text(10, _SECRET_CHARACTERS) + SECRET_MARK + "/a+Z"

    def user_id(self) -> str:
        """Make up the id of a user."""
        return "AIDA" + self._text(17, _ID_CHARACTERS)

    def session_token(self) -> str:
        """Make up a session token."""
        return self._text(47, _SECRET_CHARACTERS) + SECRET_MARK + self._text(47, _SECRET_CHARACTERS)

    def suffix(self) -> str:
        """Make up the end of a secret's ARN."""
        return self._text(6, string.ascii_letters + string.digits)

    def version_id(self) -> str:
        """Make up a version id as the SDK does."""
        digits = self._text(32, string.hexdigits[:16])
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@dataclass(slots=True)
class State:
    """Everything in the account. `secret_access_keys` are all that were ever made, for those who look for leaks.

    Parameters are by region and name, functions by ARN. `asked_in` is the region of the endpoint that is asked; empty
    for the own one.
    """

    account_id: str
    region: str
    clock: VirtualClock = field(default_factory=VirtualClock)
    names: Names = field(default_factory=Names)
    switches: Switches = field(default_factory=Switches)
    lags: Lags = field(default_factory=Lags)
    users: dict[str, User] = field(default_factory=dict)
    keys: dict[str, tuple[AccessKey, User]] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    parameters: dict[tuple[str, str], Parameter] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    secret_access_keys: list[str] = field(default_factory=list, repr=False)
    revision: int = 0
    all_seen: bool = False
    asked_in: str = ""

    def changed(self) -> None:
        """Note that something changed."""
        self.revision += 1

    def table(self, name: str | None = None) -> Table:
        """Return a table, also a deleted one; the only one if none is named."""
        if name is None:
            (table,) = self.tables.values()
            return table
        return self.tables[name]

    def shown(self, seen: Seen[_Value]) -> _Value:
        """Read what may be seen late; the administrator sees everything at once."""
        return seen.value if self.all_seen else seen.read(self.clock.now())
