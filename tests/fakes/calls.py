"""The record of what was asked of the account, one entry for each time that a request was sent."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

OK = "OK"

_SHOWN = frozenset(
    {
        "AccessKeyId",
        "IndexName",
        "Key",
        "Limit",
        "Labels",
        "Name",
        "Overwrite",
        "ParameterVersion",
        "ClientRequestToken",
        "DurationSeconds",
        "Marker",
        "MoveToVersionId",
        "RemoveFromVersionId",
        "RoleArn",
        "RoleSessionName",
        "SecretId",
        "Status",
        "TableName",
        "TagKeys",
        "Tags",
        "UserName",
        "VersionStage",
        "VersionStages",
    }
)


@dataclass(slots=True)
class Call:
    """A request to AWS.

    Attributes:
        index: which call of the provider it belongs to, from 0; the SDK may send a call several times.
        attempt: how often the SDK has sent it by now, from 1.
        service: as in its endpoint, such as `iam`.
        action: as IAM names it, such as `CreateAccessKey`.
        parameters: without anything secret.
        principal: the ARN of who signed it.
        region: which region's endpoint it was sent to.
        time: when it was sent.
        outcome: what the caller saw: `OK`, AWS's error code, or the name of the exception; None while it runs.
        carried_out: whether AWS did what was asked, even if its answer was lost.
        wrote: whether that changed anything.
        serial: which call of the account's whole life it belongs to, whenever the log was cleared.
    """

    index: int
    attempt: int
    service: str
    action: str
    parameters: Mapping[str, Any]
    principal: str
    region: str
    time: datetime
    outcome: str | None = None
    carried_out: bool = False
    wrote: bool = False
    serial: int = 0

    @property
    def name(self) -> str:
        """The action the way policies write it, such as `iam:CreateAccessKey`."""
        return f"{self.service}:{self.action}"

    def __str__(self) -> str:
        """Show it in a test report."""
        again = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"{self.index} {self.name}{again}: {self.outcome}{', wrote' if self.wrote else ''}"


@dataclass(slots=True)
class CallLog:
    """The requests so far, in the order they were sent."""

    entries: list[Call] = field(default_factory=list)
    _serials: Iterator[int] = field(default_factory=itertools.count)
    _begins: int = 0

    def next_serial(self) -> int:
        """Number a new call."""
        return next(self._serials)

    def index_of(self, serial: int) -> int:
        """Number a call from where the log begins."""
        return serial - self._begins

    def clear(self) -> None:
        """Forget everything and number from 0 again."""
        self.entries.clear()
        self._begins = next(self._serials)
        self._serials = itertools.count(self._begins)

    def calls(self) -> list[Call]:
        """List the calls, each once, as it ended."""
        return list({entry.index: entry for entry in self.entries}.values())

    def names(self) -> list[str]:
        """List the names of the calls in order."""
        return [call.name for call in self.calls()]

    def writes(self) -> list[str]:
        """List the names of the calls that changed something."""
        return [entry.name for entry in self.entries if entry.wrote]

    def __str__(self) -> str:
        """Show it in a test report."""
        return "\n".join(str(entry) for entry in self.entries)


def without_secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the parameters that may be shown: those on a list, so that no secret can get through."""
    return {name: value for name, value in parameters.items() if name in _SHOWN}
