"""The first step of a run: whether and where it may delete, and which accounts it looks at.

Nothing is deleted by surprise: a run deletes only keys of which an earlier run, with the same settings, has published
that a later one would, a notice period ago or longer. So the first run deletes nothing, and a later one no key that
was kept then or has come since.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lambda_shared import log
from lambda_shared.custom_resource import quieten_loggers
from root_access_keys.accounts import select
from root_access_keys.calls import patience
from root_access_keys.errors import GuardError
from root_access_keys.model import Run, checked_run_id, member
from root_access_keys.plan import Plan
from root_access_keys.settings import Settings
from root_access_keys.store import Store


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Begin a run.

    Args:
        event: `RunId`, and the `Input` that the execution was started with.

    Returns:
        The `Run`, whether it is a `DryRun` as a whole, and where its `Accounts` are.

    Raises:
        TryAgainError: AWS asks for patience.
        RoleMayBeNewError: the function's role is denied something.
        GuardError: the organization can't be read, or the input is none.
    """
    quieten_loggers()
    try:
        with patience():
            return begin(checked_run_id(member(event, "RunId")), member(event, "Input"))
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise log.redacted(error, step="start") from None


def begin(run_id: str, given: object) -> dict[str, Any]:
    """Decide what the run may do, and write down which accounts it looks at and which not."""
    store, settings, now = Store(run_id), Settings.deployed(), datetime.now(UTC)
    dry, plan = _asks_for_dry_run(given), store.plan(settings.digest)
    deletes = settings.deletes and not dry and (plan is not None or settings.at_once)
    run = Run(run_id, deletes, now, settings.digest)
    selected = select(settings.selection)
    published = plan or Plan()
    accounts = [
        replace(account, due=published.due(account.id, settings.notice_period, now)) for account in selected.accounts
    ]
    store.put("accounts.json", [account.to_json() for account in accounts])
    store.put("skipped.json", [{"Account": account.to_json(), "Why": why} for account, why in selected.skipped])
    log.info("run", run=run_id, mode=str(settings.rules.mode), deletes=str(deletes), accounts=len(accounts))
    return {
        "Run": run.to_json(),
        "DryRun": settings.deletes and not deletes,
        "Accounts": store.path("accounts.json"),
    }


def _asks_for_dry_run(given: object) -> bool:
    """Read the input of an execution, which can make a run stricter and nothing else."""
    if not isinstance(given, dict) or given.keys() - {"DryRun"} or not isinstance(given.get("DryRun", False), bool):
        raise GuardError('the input of an execution must be {} or {"DryRun": true}; start it again with one of them')
    return given.get("DryRun") is True
