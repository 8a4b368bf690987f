"""The step of a run that deletes root access keys of one account. Only the state machine may start it.

Whatever was planned, each key is looked at again first: it may have been used meanwhile. One that may be deleted and
was not announced is planned for the next run. A key that this step finds gone was deleted by an earlier attempt of it,
by another run, or by a person; all of that is fine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import TYPE_CHECKING, Any

from lambda_shared.custom_resource import quieten_loggers
from lambda_shared.log import record, shown
from root_access_keys.audit import judged
from root_access_keys.errors import GuardError, RefusedError
from root_access_keys.model import Account, AccountOutcome, AccountResult, KeyOutcome, KeyResult, RootKey, Rules, Run
from root_access_keys.root_session import RootSession, Task
from root_access_keys.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

_GONE = "was gone when it was to be deleted"
_STILL_LISTED = "IAM still lists it after DeleteAccessKey"
_UNPROVEN = "DeleteAccessKey succeeded, but it could not be seen that the key is gone"
# IAM's lists follow its deletions within seconds.
_PAUSES = (1, 2, 4, 8)
# An execution ends by then. What comes later goes by settings that may not hold any more.
_LONGEST_RUN = timedelta(hours=12)


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    """Delete the keys of a plan that may still be deleted, prove it, and write the account's result.

    Raises:
        TryAgainError: AWS asks for patience, or an answer was lost. Taken again, the step goes on where it was.
        GuardError: it must not delete, or the result can't be written.
    """
    quieten_loggers()
    account, run = Account.from_json(event["Account"]), Run.from_json(event["Run"])
    try:
        plan, found = map(RootKey.from_json, event["Plan"]), map(KeyResult.from_json, event.get("Found", ()))
        result = delete(account, run, Plan(tuple(plan), tuple(found)), context)
        Store(run.id).put_result(account.id, result.to_json())
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise shown(error, account=account.id) from None
    return {"Outcome": str(result.outcome)}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the step is given to do.

    Attributes:
        keys: those to delete.
        found: all of the account, as they are told if this step does not get to them.
    """

    keys: tuple[RootKey, ...]
    found: tuple[KeyResult, ...] = ()


def delete(account: Account, run: Run, plan: Plan, context: Any) -> AccountResult:
    """Delete what was planned, as far as the rules still say so.

    Raises:
        TryAgainError: AWS asks for patience, or an answer was lost.
        GuardError: the run is over.
    """
    planned = {key.id for key in plan.keys if run.may_delete(account, key.id)}
    if not planned:
        return AccountResult(account, AccountOutcome.FAILED, why="this run must not delete keys of this account")
    if datetime.now(UTC) - run.began > _LONGEST_RUN:
        raise GuardError("this run began too long ago to delete keys: its settings may not hold any more")
    partition = context.invoked_function_arn.split(":")[1]
    try:
        session = RootSession(account.id, Task.DELETE, partition)
        keys = session.list()
    except RefusedError as error:
        return AccountResult(account, AccountOutcome.FAILED, plan.found, str(error))
    rules = _strictest(run.rules)
    decided = [judged(session, key, rules) for key in keys]
    done = [_deleted(session, account, one) if one.key.id in planned else one for one in decided]
    results, there = _proven(session, done), {key.id for key in keys}
    uses = {one.key.id: one.use for one in plan.found}
    gone = [KeyResult(key, KeyOutcome.GONE, _GONE, uses.get(key.id)) for key in plan.keys if key.id not in there]
    return AccountResult(account, AccountOutcome.WITH_KEYS, (*results, *gone))


def _strictest(rules: Rules) -> Rules:
    """Go by what is deployed where it asks for more than the input, which is older, or was made up by somebody."""
    deployed = timedelta(seconds=int(os.environ["UNUSED_FOR_SECONDS"]))
    return replace(rules, unused_for=max(rules.unused_for, deployed))


def _deleted(session: RootSession, account: Account, result: KeyResult) -> KeyResult:
    if result.outcome is not KeyOutcome.PLANNED:
        return result
    try:
        outcome = KeyOutcome.DELETED if session.delete(result.key.id) else KeyOutcome.GONE
    except RefusedError as error:
        return replace(result, outcome=KeyOutcome.FAILED, why=str(error))
    record("root access key", account=account.id, access_key_id=result.key.id, outcome=outcome, why=result.why)
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
