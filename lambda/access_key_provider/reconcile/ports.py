"""The narrow views of AWS that reconciling needs. `aws` implements them; each may raise any `ProviderError`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from access_key_provider.model.copies import Copy
    from access_key_provider.model.state import AccessKey, LastUse, NewAccessKey, SecretDescription


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
        """Create a key, sending the request once. Raises OutcomeUnknownError if its response is lost."""
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
        """Remove a tag of the user; one that is gone is fine."""
        ...


class SecretVersions(Protocol):
    """The versions and labels of one secret. There is no way to read a value."""

    def describe(self) -> SecretDescription:
        """Describe the secret; a missing one is a description too."""
        ...

    def put(self, version_id: str, value: str, labels: tuple[str, ...]) -> frozenset[str]:
        """Write a version with labels, and return those it has then."""
        ...

    def remove_label(self, version_id: str, label: str) -> None:
        """Take a label off a version. Raises ConflictError if it is not there."""
        ...

    def move_current(self, to_version: str, from_version: str | None) -> None:
        """Move AWSCURRENT if it still is where it was. Raises ConflictError if not."""
        ...


class CopyVersions(Protocol):
    """One copy of the secret. There is no way to read a value."""

    def make(self, *, known: bool) -> bool:
        """Make it, unless it is `known` and there; tell whether that was needed. Raises CopyError if it is not ours."""
        ...

    def write(self, value: str, version_id: str, label: str, *, known: bool) -> str:
        """Write a version that readers do not get yet, and return its name. Raises CopyError."""
        ...

    def point(self, version: str) -> None:
        """Let readers get a version. Raises ConflictError if it is gone."""
        ...

    def unlabel(self, version: str, label: str) -> None:
        """Take a key's label off a version; one that is off is fine."""
        ...

    def remove(self) -> None:
        """Delete the copy; one that is gone is fine."""
        ...


class Prover(Protocol):
    """Proof that a key works."""

    def prove(self, key: NewAccessKey, user_name: str) -> None:
        """Wait until calls signed with the key succeed. Raises UnprovenKeyError."""
        ...


class SmtpProver(Protocol):
    """Proof that the SMTP passwords of a key work."""

    def prove(self, key: NewAccessKey, regions: tuple[str, ...], port: int) -> None:
        """Wait until the endpoint of each region takes its password. Raises UnprovenKeyError."""
        ...


class Functions(Protocol):
    """The functions that bring a key to its consumers."""

    def call(self, function_arn: str, payload: dict[str, str]) -> None:
        """Call one, and wait. Raises DeliveryError if it has failed, OutcomeUnknownError if it may be running yet."""
        ...


class Session(Protocol):
    """AWS as the role of one key sees it. The role is assumed at the first call."""

    @property
    def keys(self) -> UserKeys:
        """The user's keys and tags."""
        ...

    @property
    def secret(self) -> SecretVersions:
        """The secret's versions and labels."""
        ...

    def copy(self, copy: Copy) -> CopyVersions:
        """Give a copy of the secret."""
        ...

    @property
    def functions(self) -> Functions:
        """The functions that bring a key to its consumers."""
        ...

    @property
    def prover(self) -> Prover:
        """The proof that a new key works."""
        ...

    @property
    def smtp_prover(self) -> SmtpProver:
        """The proof that its SMTP passwords work."""
        ...
