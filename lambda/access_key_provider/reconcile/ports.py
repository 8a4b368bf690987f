"""The narrow views of AWS that operations need. `aws` implements them, tests have doubles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from access_key_provider.model.state import AccessKey, LastUse, NewAccessKey, SecretDescription
    from lambda_shared.clock import Clock


class UserKeys(Protocol):
    """The access keys and tags of one user."""

    def list(self) -> tuple[AccessKey, ...]:
        """List the keys. Raises UserNotFoundError."""
        ...

    def tags(self) -> dict[str, str]:
        """Return the user's tags. Raises UserNotFoundError."""
        ...

    def last_use(self, key_id: str) -> LastUse:
        """Tell when a key was last used; an error is never taken for "never"."""
        ...

    def create(self) -> NewAccessKey:
        """Create a key, sending the request once. Raises OutcomeUnknownError if its answer is lost."""
        ...

    def set_status(self, key_id: str, status: str) -> None:
        """Make a key Active or Inactive. Raises ConflictError if it is gone."""
        ...

    def delete(self, key_id: str) -> None:
        """Delete a key. Raises ConflictError if it is gone."""
        ...

    def tag(self, key: str, value: str) -> None:
        """Set a tag of the user."""
        ...

    def untag(self, key: str) -> None:
        """Remove a tag of the user; one that is gone is fine. Raises ConflictError if the user is gone."""
        ...


class SecretVersions(Protocol):
    """The versions, labels and tags of one secret. There is no way to read a value."""

    def describe(self) -> SecretDescription:
        """Describe the secret; a missing one is a description too."""
        ...

    def put(self, version_id: str, value: str, labels: tuple[str, ...]) -> frozenset[str]:
        """Write a version with labels, and return those it has then."""
        ...

    def add_label(self, version_id: str, label: str) -> None:
        """Put a label on a version."""
        ...

    def remove_label(self, version_id: str, label: str) -> None:
        """Take a label off a version. Raises ConflictError if it is not there."""
        ...

    def move_current(self, to_version: str, from_version: str | None) -> None:
        """Move AWSCURRENT if it still is where it was. Raises ConflictError if not."""
        ...

    def tag(self, tags: dict[str, str]) -> None:
        """Set tags of the secret."""
        ...

    def untag(self, keys: tuple[str, ...]) -> None:
        """Remove tags of the secret; those that are gone are fine."""
        ...


class Schedules(Protocol):
    """Operations to come."""

    def create(self, name: str, at: datetime, event: Mapping[str, str]) -> None:
        """Let the function be called with an event at a time; a schedule of that name that exists already is fine."""
        ...

    def delete(self, name: str) -> None:
        """Cancel one; one that is gone is fine."""
        ...


class Notices(Protocol):
    """Events for those who watch over keys."""

    def tell(self, what: str, about: dict[str, str]) -> None:
        """Say what happened, and to which key. Never fails: what was done is done, told or not."""
        ...


class Prover(Protocol):
    """Proof that a key works."""

    def prove(self, key: NewAccessKey, user_name: str) -> None:
        """Wait until calls signed with the key succeed. Raises UnprovenKeyError."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All of them, for one place."""

    keys: UserKeys
    secret: SecretVersions
    prover: Prover
    clock: Clock
    schedules: Schedules
    notices: Notices
