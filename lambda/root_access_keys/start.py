"""The first step of a run: whether and where it may delete, and which accounts it looks at.

Nothing is deleted by surprise: a run deletes only keys of which the run before, with the same settings, has published
that this one would. So the first run deletes nothing, and a later one no key that was kept then or has come since.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lambda_shared.custom_resource import quieten_loggers
from lambda_shared.log import record, shown
from root_access_keys.accounts import Selection, select
from root_access_keys.errors import GuardError
from root_access_keys.model import Mode, Rules, Run
from root_access_keys.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Begin a run.

    Args:
        event: `RunId`, the `Settings` of the construct, and the `Input` that the execution was started with.

    Returns:
        The `Run`, whether it is a `DryRun` as a whole, the digest of its `Settings`, and where its `Accounts` are.

    Raises:
        TryAgainError: AWS asks for patience.
        GuardError: the organization can't be read, or the input is none.
    """
    quieten_loggers()
    try:
        return begin(str(event["RunId"]), event["Settings"], event["Input"])
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise shown(error, step="start") from None


def begin(run_id: str, settings: Mapping[str, Any], given: object) -> dict[str, Any]:
    """Decide what the run may do, and write down which accounts it looks at and which not."""
    store, digest = Store(run_id), settings_digest(settings)
    rules = Rules(Mode(settings["Mode"]), timedelta(seconds=int(settings["UnusedForSeconds"])))
    at_once, announced = settings["DeleteAtOnce"] is True, store.announced(digest)
    dry = _asks_for_dry_run(given) or (announced is None and not at_once)
    deletes = rules.mode is Mode.DELETE_UNUSED and not dry
    run = Run(run_id, rules, deletes, datetime.now(UTC), at_once)
    selected = select(Selection.from_json(settings["Accounts"]))
    planned = announced or {}
    accounts = [replace(account, announced=planned.get(account.id, ())) for account in selected.accounts]
    store.put("accounts.json", [account.to_json() for account in accounts])
    store.put("skipped.json", [{"Account": account.to_json(), "Why": why} for account, why in selected.skipped])
    record("run", run=run_id, mode=str(rules.mode), deletes=str(deletes), accounts=len(accounts))
    return {
        "Run": run.to_json(),
        "DryRun": rules.mode is Mode.DELETE_UNUSED and not deletes,
        "Settings": digest,
        "Accounts": store.path("accounts.json"),
    }


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Digest the settings, among them the version of this code: a plan is published anew when one changes."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _asks_for_dry_run(given: object) -> bool:
    """Read the input of an execution, which can make a run stricter and nothing else."""
    if not isinstance(given, dict) or given.keys() - {"DryRun"} or not isinstance(given.get("DryRun", False), bool):
        raise GuardError('the input of an execution must be {} or {"DryRun": true}; start it again with one of them')
    return given.get("DryRun") is True
