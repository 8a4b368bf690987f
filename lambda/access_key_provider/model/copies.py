"""Copies of the secret: parameters, and secrets of other regions and accounts. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - `codec` reads the type
from enum import StrEnum

LOST = "lost"
"""In place of the version of a copy that holds a key: it went with a copy that was deleted, or with a lost entry."""


class CopyKind(StrEnum):
    """What a copy is."""

    PARAMETER = "parameter"
    SECRET = "secret"  # noqa: S105 - a kind


@dataclass(frozen=True, slots=True)
class Copy:
    """Where a key is written beside its secret.

    Attributes:
        kind: what it is.
        name: its name there.
        region: where it is.
        role_arn: the role that may write there, in another account; empty for the key's own account.
        kms_key_id: the KMS key that encrypts it; empty for AWS's own.
    """

    kind: CopyKind
    name: str
    region: str
    role_arn: str = ""
    kms_key_id: str = ""

    @property
    def id(self) -> str:
        """The place: there is one thing of a kind and name in a region of an account."""
        account = f" of account {self.role_arn.split(':')[4]}" if self.role_arn else ""
        return f"{self.kind.value} {self.name} in {self.region}{account}"


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """What is known of a copy.

    Attributes:
        copy: where it is.
        owner: the resource that made it, and since then the one whose key its readers get.
        made: when it was made; None if that began and it is not known whether it was done.
        key_id: the key that its readers get; empty if that is not known.
    """

    copy: Copy
    owner: str
    made: datetime | None = None
    key_id: str = ""
