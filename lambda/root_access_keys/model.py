"""What the guards know of root access keys. Plain values, which go through JSON between the steps of a run.

Whoever may invoke a step's function makes up its input. So everything that is read back has bounds, and nothing that
decides what may be deleted is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from root_access_keys.errors import GuardError

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_KEY = re.compile(r"\w{1,128}", re.ASCII)
# As Step Functions names executions; a name is part of the path of an object.
_RUN = re.compile(r"[^\s/]{1,80}")
_MOST = 50
_ANYTHING = re.compile(r"[^\x00-\x1f\x7f]{0,500}")


def member(item: Any, name: str) -> Any:
    """Take a member out of what should be an object; None if it has none."""
    return item.get(name) if isinstance(item, dict) else None


def listed(value: Any) -> list[Any]:
    """Read a list of a few things, as many as a root user may have keys and more. Raises GuardError."""
    if not isinstance(value, list) or len(value) > _MOST:
        raise GuardError("a list in the input of the step is none, or too long")
    return value


def checked_run_id(value: Any) -> str:
    """Read the name of an execution. Raises GuardError."""
    return _text("the id of the run", value, _RUN)


def _text(what: str, value: Any, allowed: re.Pattern[str] = _ANYTHING) -> str:
    if not isinstance(value, str) or not allowed.fullmatch(value):
        raise GuardError(f"{what} in the input of the step is none")
    return value


def _time(what: str, value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is None:
        raise GuardError(f"{what} in the input of the step is none")
    return at


class Mode(StrEnum):
    """What a run may do."""

    AUDIT = "Audit"
    DELETE_UNUSED = "DeleteUnused"


class KeyOutcome(StrEnum):
    """What became of a key in a run.

    `reported` and `kept` mean that nothing was done, by order or by the rules; `planned` that a later run deletes it,
    when the notice period is over and if the rules still say so then; `gone` that it was there when the run looked
    first and was not when it would have been deleted; `unknown` that it was to be deleted, and that the step that does
    it told nothing.
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
    def from_json(cls, item: Any) -> RootKey:
        """Read it back."""
        created = _time("the creation of a key", member(item, "Created"))
        return cls(
            _text("the id of a key", member(item, "AccessKeyId"), _KEY), member(item, "Status") == "Active", created
        )


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


def use_from_json(item: Any) -> LastUse | UnknownUse | None:
    """Read a last use back."""
    if item is None:
        return None
    if member(item, "Unknown") is not None:
        return UnknownUse(_text("a last use", item["Unknown"]))
    at = member(item, "At")
    used = None if at is None else _time("a last use", at)
    return LastUse(used, _text("a service", member(item, "Service")), _text("a Region", member(item, "Region")))


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
        due: the ids of the keys that this run may delete, since their deletion was published long enough ago. It only
            tells for which account the step that deletes is worth its while: that step reads the plan itself.
    """

    id: str
    name: str
    management: bool = False
    due: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Write it as an item of the run."""
        return {"Id": self.id, "Name": self.name, "Management": self.management, "Due": list(self.due)}

    @classmethod
    def from_json(cls, item: Any) -> Account:
        """Read it back."""
        return cls(
            _text("the id of the account", member(item, "Id"), _ACCOUNT),
            _text("the name of the account", member(item, "Name")),
            member(item, "Management") is True,
            tuple(_text("the id of a key", key, _KEY) for key in listed(member(item, "Due"))),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as its steps tell each other.

    Attributes:
        id: the name of the execution.
        deletes: whether it may delete keys whose deletion was published, or only says what a later one would.
        began: when it began, since it must not delete for ever.
        settings: the digest of the settings that it began with.
    """

    id: str
    deletes: bool
    began: datetime
    settings: str

    def to_json(self) -> dict[str, Any]:
        """Write it as the input of a step."""
        return {"Id": self.id, "Deletes": self.deletes, "Began": self.began.isoformat(), "Settings": self.settings}

    @classmethod
    def from_json(cls, item: Any) -> Run:
        """Read it back."""
        return cls(
            checked_run_id(member(item, "Id")),
            member(item, "Deletes") is True,
            _time("the beginning of the run", member(item, "Began")),
            _text("the settings of the run", member(item, "Settings")),
        )


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
