"""The step of a run that looks at one account, and plans what the next step deletes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambda_shared import log
from lambda_shared.custom_resource import quieten_loggers
from root_access_keys.accounts import check_selected
from root_access_keys.calls import call_by_role, patience
from root_access_keys.decision import Action, decide
from root_access_keys.errors import RefusedError
from root_access_keys.model import Account, AccountOutcome, AccountResult, KeyOutcome, KeyResult, Run, member
from root_access_keys.own_account import root_key_present
from root_access_keys.root_session import RootSession, Task
from root_access_keys.settings import Settings
from root_access_keys.store import Store

if TYPE_CHECKING:
    from root_access_keys.model import RootKey, Rules

_DETECTED = (
    "the root user of the management account has an access key; no role can list or delete it: sign in as root, IAM "
    "console, Security credentials, deactivate and delete it"
)
_UNTOLD = "it was to be deleted, and what became of it is not known"
_UNSEEN = "the management account can only be looked at from itself: deploy a RootAccessKeyGuard there"
_OUTCOMES = {Action.REPORT: KeyOutcome.REPORTED, Action.KEEP: KeyOutcome.KEPT, Action.DELETE: KeyOutcome.PLANNED}


def handler(event: Any, context: Any) -> dict[str, list[dict[str, Any]]]:
    """Look at an account. Its result is written, unless keys are left to delete: then the next step writes it.

    Returns:
        The `Plan` of keys to delete and, if there are any, what was `Found`: what holds if the next step tells nothing.

    Raises:
        TryAgainError: AWS asks for patience.
        RoleMayBeNewError: the function's role is denied something, early in the run.
        GuardError: the account is not selected, the settings have changed, or the result can't be written.
    """
    quieten_loggers()
    account, run = Account.from_json(member(event, "Account")), Run.from_json(member(event, "Run"))
    try:
        with patience(run.began):
            return look(account, run, context)
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise log.redacted(error, account=account.id) from None


def look(account: Account, run: Run, context: Any) -> dict[str, list[dict[str, Any]]]:
    """Look at an account, and return what the handler does."""
    settings = Settings.deployed()
    settings.check(run)
    check_selected(settings.selection, account.id)
    partition, own_account = context.invoked_function_arn.split(":")[1:5:3]
    try:
        with patience(run.began):
            if account.management:
                result = _management(account, own_account)
            else:
                result = AccountResult(account, *_seen(RootSession(account.id, Task.AUDIT, partition), settings.rules))
    except RefusedError as error:
        result = AccountResult(account, AccountOutcome.FAILED, why=str(error))
    planned = [one.key for one in result.keys if one.outcome is KeyOutcome.PLANNED]
    plan = [key for key in planned if run.deletes and (settings.at_once or key.id in account.due)]
    if not plan:
        Store(run.id).put_result(account.id, result.to_json())
        return {"Plan": [], "Found": []}
    found = [_untold(one) if one.key in plan else one for one in result.keys]
    return {"Plan": [key.to_json() for key in plan], "Found": [one.to_json() for one in found]}


def judged(session: RootSession, key: RootKey, rules: Rules) -> KeyResult:
    """Look at the last use of a key, and say what becomes of it by the rules."""
    use = session.last_use(key.id)
    decision = decide(key, use, rules, datetime.now(UTC))
    return KeyResult(key, _OUTCOMES[decision.action], decision.why, use)


def _untold(result: KeyResult) -> KeyResult:
    return replace(result, outcome=KeyOutcome.UNKNOWN, why=f"{_UNTOLD}: {result.why}")


def _seen(session: RootSession, rules: Rules) -> tuple[AccountOutcome, tuple[KeyResult, ...]]:
    results = tuple(judged(session, key, rules) for key in session.list())
    return (AccountOutcome.WITH_KEYS if results else AccountOutcome.CLEAN), results


def _management(account: Account, own_account: str) -> AccountResult:
    if account.id != own_account:
        return AccountResult(account, AccountOutcome.UNSEEN, why=_UNSEEN)
    if root_key_present(call_by_role):
        return AccountResult(account, AccountOutcome.DETECTED, why=_DETECTED)
    return AccountResult(account, AccountOutcome.CLEAN)
