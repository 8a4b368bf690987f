"""The settings that a guard is deployed with. No input of a step can change them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from root_access_keys.errors import GuardError
from root_access_keys.model import Mode, Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from root_access_keys.model import Run

VARIABLE = "GUARD_SETTINGS"


@dataclass(frozen=True, slots=True)
class Selection:
    """The accounts that the construct names.

    Attributes:
        only: these; empty for all.
        organizational_units: those in these, and in units below them; empty for all.
        excluding: none of these.
    """

    only: tuple[str, ...] = ()
    organizational_units: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Selection:
        """Read it from the settings of the construct."""
        return cls(
            tuple(item.get("Only", ())),
            tuple(item.get("OrganizationalUnits", ())),
            tuple(item.get("Excluding", ())),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What the construct was given, and the version of this code.

    Attributes:
        rules: what becomes of a key.
        selection: the accounts.
        notice_period: how long a deletion must have been published before a run carries it out.
        at_once: whether keys are deleted that were not published.
        digest: of all of it: a plan is published anew when something changes.
    """

    rules: Rules
    selection: Selection
    notice_period: timedelta
    at_once: bool
    digest: str

    @classmethod
    def deployed(cls) -> Settings:
        """Read them from the environment of the function."""
        text = os.environ[VARIABLE]
        item = json.loads(text)
        return cls(
            Rules(Mode(item["Mode"]), timedelta(seconds=int(item["UnusedForSeconds"]))),
            Selection.from_json(item["Accounts"]),
            timedelta(seconds=int(item["NoticeSeconds"])),
            item["DeleteAtOnce"] is True,
            hashlib.sha256(text.encode()).hexdigest(),
        )

    @property
    def deletes(self) -> bool:
        """Say whether the guard deletes keys at all."""
        return self.rules.mode is Mode.DELETE_UNUSED

    def check(self, run: Run) -> None:
        """Refuse a run that began with other settings.

        Raises:
            GuardError: the guard was deployed with others since.
        """
        if run.settings != self.digest:
            raise GuardError(
                "the guard was deployed with other settings since this run began; the next run goes by them"
            )
