"""The step of a run that deletes root access keys of one account. Only the state machine may start it.

Whoever may invoke it makes up its input, so it decides by none of that: the settings are those that are deployed, the
plan is read from the bucket, and each key is looked at again first: it may have been used meanwhile. One that may be
deleted and was not published long enough ago stays planned. A key that this step finds gone was deleted by an earlier
attempt of it, by another run, or by a person; all of that is fine.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any

from lambda_shared import log
from lambda_shared.custom_resource import quieten_loggers
from root_access_keys.accounts import check_selected
from root_access_keys.audit import judged
from root_access_keys.calls import patience
from root_access_keys.errors import GuardError, RefusedError
from root_access_keys.model import (
    Account,
    AccountOutcome,
    AccountResult,
    KeyOutcome,
    KeyResult,
    RootKey,
    Run,
    listed,
    member,
    use_from_json,
)
from root_access_keys.plan import Plan
from root_access_keys.root_session import RootSession, Task
from root_access_keys.settings import Settings
from root_access_keys.store import Store

_GONE = "was gone when it was to be deleted"
_STILL_LISTED = "IAM still lists it after DeleteAccessKey"
_UNPROVEN = "DeleteAccessKey succeeded, but it could not be seen that the key is gone"
# IAM's lists follow its deletions within seconds.
_PAUSES = (1, 2, 4, 8)
# An execution ends by then. What comes later is redriven by somebody, and looks at an organization of another day.
_LONGEST_RUN = timedelta(hours=12)


def handler(event: Any, context: Any) -> dict[str, str]:
    """Delete the keys of an account that may still be deleted, prove it, and write the account's result.

    Args:
        event: the `Account`, the `Run`, the `Plan` of keys to delete, and what was `Found`.
        context: Lambda's.

    Raises:
        TryAgainError: AWS asks for patience, or an answer was lost. Taken again, the step goes on where it was.
        RoleMayBeNewError: the function's role is denied something, early in the run.
        GuardError: it must not delete or can't enter the account, or the result can't be written.
    """
    quieten_loggers()
    account, run = Account.from_json(member(event, "Account")), Run.from_json(member(event, "Run"))
    uses = {
        RootKey.from_json(item).id: use_from_json(member(item, "LastUse")) for item in listed(member(event, "Found"))
    }
    keys = [RootKey.from_json(item) for item in listed(member(event, "Plan"))]
    seen = [KeyResult(key, KeyOutcome.GONE, _GONE, uses.get(key.id)) for key in keys]
    try:
        with patience(run.began):
            result = delete(account, run, seen, context)
            Store(run.id).put_result(account.id, result.to_json())
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise log.redacted(error, account=account.id) from None
    return {"Outcome": str(result.outcome)}


def delete(account: Account, run: Run, seen: list[KeyResult], context: Any) -> AccountResult:
    """Delete what was planned, as far as settings, plan and rules say so now.

    Args:
        account: the account.
        run: the run.
        seen: the keys to delete, as they are told if they are gone by now.
        context: Lambda's.

    Raises:
        TryAgainError: AWS asks for patience, or an answer was lost.
        GuardError: the run must not delete keys of this account, or the account can't be entered.
    """
    settings, now = Settings.deployed(), datetime.now(UTC)
    settings.check(run)
    if not (settings.deletes and run.deletes) or account.management:
        raise GuardError("this run must not delete keys of this account")
    if now - run.began > _LONGEST_RUN:
        raise GuardError("this run began too long ago to delete keys; start another one")
    check_selected(settings.selection, account.id)
    wanted = {one.key.id for one in seen}
    due = wanted if settings.at_once else wanted & _due(run, account, settings, now)
    session = RootSession(account.id, Task.DELETE, context.invoked_function_arn.split(":")[1])
    keys = session.list()
    decided = [judged(session, key, settings.rules) for key in keys]
    done = [_deleted(session, account, one) if one.key.id in due else one for one in decided]
    results, there = _proven(session, done), {key.id for key in keys}
    gone = [one for one in seen if one.key.id not in there]
    return AccountResult(account, AccountOutcome.WITH_KEYS, (*results, *gone))


def _due(run: Run, account: Account, settings: Settings, now: datetime) -> set[str]:
    """Read the plan again: it may be another one by now, or none."""
    plan = Store(run.id).plan(settings.digest) or Plan()
    return set(plan.due(account.id, settings.notice_period, now))


def _deleted(session: RootSession, account: Account, result: KeyResult) -> KeyResult:
    if result.outcome is not KeyOutcome.PLANNED:
        return result
    try:
        outcome = KeyOutcome.DELETED if session.delete(result.key.id) else KeyOutcome.GONE
    except RefusedError as error:
        return replace(result, outcome=KeyOutcome.FAILED, why=str(error))
    log.info("root access key", account=account.id, access_key_id=result.key.id, outcome=outcome, why=result.why)
    return replace(result, outcome=outcome, why=result.why if outcome is KeyOutcome.DELETED else _GONE)


def _proven(session: RootSession, results: list[KeyResult]) -> list[KeyResult]:
    """List the keys again until none is there that was deleted, and say so if one stays."""
    deleted = {result.key.id for result in results if result.outcome is KeyOutcome.DELETED}
    try:
        left, why = _left(session, deleted), _STILL_LISTED
    except RefusedError as error:
        left, why = deleted, f"{_UNPROVEN}: {error}"
    return [replace(one, outcome=KeyOutcome.FAILED, why=why) if one.key.id in left else one for one in results]


def _left(session: RootSession, deleted: set[str]) -> set[str]:
    """List the keys until none of these is there any more, or patience ends."""
    left = {key.id for key in session.list()} & deleted if deleted else set[str]()
    for pause in _PAUSES:
        if not left:
            break
        sleep(pause)
        left = {key.id for key in session.list()} & deleted
    return left
