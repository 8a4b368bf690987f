"""What the guards know of root access keys. Plain values, which go through JSON between the steps of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Mode(StrEnum):
    """What a run may do."""

    AUDIT = "Audit"
    DELETE_UNUSED = "DeleteUnused"


class KeyOutcome(StrEnum):
    """What became of a key in a run.

    `reported` and `kept` mean that nothing was done, by order or by the rules; `planned` that the next run deletes it,
    if the rules still say so then; `gone` that it was there when the run looked first and was not when it would have
    been deleted; `unknown` that it was to be deleted, and that the step that does it told nothing.
    """

    REPORTED = "reported"
    KEPT = "kept"
    PLANNED = "planned"
    DELETED = "deleted"
    GONE = "gone"
    FAILED = "failed"
    UNKNOWN = "unknown"


class AccountOutcome(StrEnum):
    """What became of an account in a run."""

    CLEAN = "clean"
    WITH_KEYS = "with keys"
    DETECTED = "detected"
    UNSEEN = "unseen"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RootKey:
    """An access key of a root user, without its secret, which nobody can read."""

    id: str
    active: bool
    created: datetime

    def to_json(self) -> dict[str, Any]:
        """Write it. An access key id is no secret."""
        return {
            "AccessKeyId": self.id,
            "Status": "Active" if self.active else "Inactive",
            "Created": self.created.isoformat(),
        }

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> RootKey:
        """Read it back."""
        return cls(str(item["AccessKeyId"]), item["Status"] == "Active", datetime.fromisoformat(item["Created"]))


@dataclass(frozen=True, slots=True)
class LastUse:
    """When a key was last used, as far as IAM knows; `at` is None if it never was."""

    at: datetime | None
    service: str = ""
    region: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write it."""
        return {"At": self.at and self.at.isoformat(), "Service": self.service, "Region": self.region}


@dataclass(frozen=True, slots=True)
class UnknownUse:
    """That IAM did not tell the last use, and why. It is never taken for "unused"."""

    why: str

    def to_json(self) -> dict[str, Any]:
        """Write it."""
        return {"Unknown": self.why}


def use_from_json(item: Mapping[str, Any] | None) -> LastUse | UnknownUse | None:
    """Read a last use back."""
    if item is None:
        return None
    if "Unknown" in item:
        return UnknownUse(str(item["Unknown"]))
    at = item["At"] and datetime.fromisoformat(item["At"])
    return LastUse(at, str(item["Service"]), str(item["Region"]))


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run goes by.

    Attributes:
        mode: what it may do.
        unused_for: how long a key must not have been used before it is deleted.
    """

    mode: Mode
    unused_for: timedelta


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the organization that a run looks at.

    Attributes:
        id: its id.
        name: its name in the organization.
        management: whether it is the management account.
        announced: the ids of the keys of which the run before published that this one deletes them.
    """

    id: str
    name: str
    management: bool = False
    announced: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write it as an item of the run."""
        return {"Id": self.id, "Name": self.name, "Management": self.management, "Announced": list(self.announced)}

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Account:
        """Read it back. Where an earlier version of this code wrote whether, and not what, nothing was announced."""
        announced = item["Announced"] if isinstance(item["Announced"], list) else ()
        return cls(str(item["Id"]), str(item["Name"]), item["Management"] is True, tuple(map(str, announced)))


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as its steps tell each other.

    Attributes:
        id: the name of the execution.
        rules: what it goes by.
        deletes: whether it may delete keys that were announced, or only says what the next one would.
        began: when it began, since it must not delete for ever.
        at_once: whether it may delete also what was not announced.
    """

    id: str
    rules: Rules
    deletes: bool
    began: datetime
    at_once: bool = False

    def may_delete(self, account: Account, key_id: str) -> bool:
        """Say whether it may delete a key if the rules agree: nothing is deleted by surprise."""
        return self.deletes and not account.management and (self.at_once or key_id in account.announced)

    def to_json(self) -> dict[str, Any]:
        """Write it as the input of a step."""
        return {
            "Id": self.id,
            "Mode": str(self.rules.mode),
            "UnusedForSeconds": int(self.rules.unused_for.total_seconds()),
            "Deletes": self.deletes,
            "Began": self.began.isoformat(),
            "AtOnce": self.at_once,
        }

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Run:
        """Read it back."""
        rules = Rules(Mode(item["Mode"]), timedelta(seconds=int(item["UnusedForSeconds"])))
        began = datetime.fromisoformat(item["Began"])
        return cls(str(item["Id"]), rules, item["Deletes"] is True, began, item.get("AtOnce") is True)


@dataclass(frozen=True, slots=True)
class KeyResult:
    """What a run says of one key.

    Attributes:
        key: the key.
        outcome: what became of it.
        why: in words, with the service and the time of its last use.
        use: its last use; None if it was gone before that could be read.
    """

    key: RootKey
    outcome: KeyOutcome
    why: str
    use: LastUse | UnknownUse | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it into a result."""
        use = self.use and self.use.to_json()
        return {**self.key.to_json(), "Outcome": str(self.outcome), "Why": self.why, "LastUse": use}

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> KeyResult:
        """Read it back."""
        outcome, use = KeyOutcome(item["Outcome"]), use_from_json(item.get("LastUse"))
        return cls(RootKey.from_json(item), outcome, str(item["Why"]), use)


@dataclass(frozen=True, slots=True)
class AccountResult:
    """What a run says of one account."""

    account: Account
    outcome: AccountOutcome
    keys: tuple[KeyResult, ...] = ()
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write it as an object of the bucket."""
        return {
            "Account": self.account.to_json(),
            "Outcome": str(self.outcome),
            "Keys": [key.to_json() for key in self.keys],
            "Why": self.why,
        }
