"""The state machine of a guard, as far as its functions can tell: steps, retries, catches, JSON between them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from unit.root_keys.guard_settings import deployed
from unit.root_keys.organization import OWN, Death

from root_access_keys import audit, deletion, finish, start
from root_access_keys.errors import RoleMayBeNewError, TryAgainError

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.root_keys.organization import Organization

ATTEMPTS, ATTEMPTS_OF_A_NEW_ROLE = 9, 10
CONTEXT = SimpleNamespace(invoked_function_arn=f"arn:aws:lambda:eu-central-1:{OWN}:function:guard")


class StepError(Exception):
    """A step failed for good."""

    def __init__(self, failure: dict[str, str]) -> None:
        super().__init__(failure["Cause"])
        self.failure = failure


def step(handler: Callable[[Any, Any], Any], event: dict[str, Any]) -> Any:
    """Take a step, again while it is worth it. Raises StepError."""
    given = json.dumps(event)
    left = {TryAgainError: ATTEMPTS - 1, Death: ATTEMPTS - 1, RoleMayBeNewError: ATTEMPTS_OF_A_NEW_ROLE}
    while True:
        try:
            return json.loads(json.dumps(handler(json.loads(given), CONTEXT)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the state machine decides
            last: BaseException = error
        except Death as error:
            last = error
        if not left.get(type(last), 0):
            cause = json.dumps({"errorMessage": str(last), "errorType": type(last).__name__})
            raise StepError({"Error": type(last).__name__, "Cause": cause})
        left[type(last)] -= 1


def run(organization: Organization, run_id: str, guard: dict[str, Any], given: dict[str, Any] | None = None) -> Any:
    """Execute the state machine; return the summary that is in the bucket, None if the run failed as a whole."""
    with deployed(guard):
        try:
            begun = step(start.handler, {"RunId": run_id, "Input": given or {}})
            for account in json.loads(organization.objects[begun["Accounts"]]):
                each_account(organization, account, begun["Run"])
            step(finish.handler, {"Start": begun})
        except StepError as error:
            step(finish.handler, {"RunId": run_id, "Failure": error.failure})
            return None
    return json.loads(organization.objects[f"runs/{run_id}/summary.json"])


def each_account(organization: Organization, account: dict[str, Any], run_of: dict[str, Any]) -> None:
    """Execute the child of one account."""
    known: dict[str, Any] = {}
    try:
        audited = step(audit.handler, {"Account": account, "Run": run_of})
        if audited["Plan"]:
            known["Found"] = audited["Found"]
            step(deletion.handler, {"Account": account, "Run": run_of, **audited})
    except StepError as error:
        content = json.dumps({"Account": account, "Failure": error.failure, **known}).encode()
        organization.objects[f"runs/{run_of['Id']}/results/{account['Id']}.json"] = content
