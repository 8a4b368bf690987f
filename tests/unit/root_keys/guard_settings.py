"""The settings of a guard, as its construct puts them into the environment of its functions."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from root_access_keys.settings import VARIABLE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings(
    mode: str = "DeleteUnused", *, days: int = 90, notice: int = 0, at_once: bool = False, **accounts: list[str]
) -> dict[str, Any]:
    """Write the settings of a guard; without a notice period, which its construct always gives, a run can follow."""
    return {
        "Mode": mode,
        "UnusedForSeconds": days * 86400,
        "NoticeSeconds": notice,
        "Accounts": {"Only": [], "OrganizationalUnits": [], "Excluding": []} | accounts,
        "DeleteAtOnce": at_once,
        "Code": "1",
    }


@contextmanager
def deployed(guard: dict[str, Any]) -> Iterator[None]:
    """Let the functions find the settings of a guard in their environment."""
    with mock.patch.dict("os.environ", {VARIABLE: json.dumps(guard, sort_keys=True)}):
        yield


def digest(guard: dict[str, Any]) -> str:
    """Digest the settings of a guard as its functions do."""
    with deployed(guard):
        return Settings.deployed().digest
