"""What an operator may ask for, with the right to invoke the provider's function.

Show, undo, rotate, retire, or acknowledge a key for a consumer that can't do it itself.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from access_key_provider.entrypoints.acknowledgement import acknowledge
from access_key_provider.entrypoints.custom_resource_request import checked_consumer, parse_secret_id
from access_key_provider.entrypoints.session import KNOWN_ROLE, Work
from access_key_provider.model.actions import BY_OPERATOR
from access_key_provider.model.consumers import Acknowledgement
from access_key_provider.model.errors import InvalidRequestError, NotManagedError
from access_key_provider.planning.deployment import plan_failed_cleanup
from access_key_provider.planning.maintenance import plan_retire_now
from access_key_provider.planning.rotation import plan_rotation_by_operator
from access_key_provider.planning.status_report import owner_of, status_report
from access_key_provider.planning.undo import plan_undo
from access_key_provider.reconcile.reconciler import RESERVE_TO_UNDO
from lambda_shared import log
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from access_key_provider.planning.draft import Draft

    _Planner = Callable[[Draft, str], None]

_PLANS: dict[str, _Planner] = {
    "Undo": plan_undo,
    "Rotate": plan_rotation_by_operator,
    "Retire": plan_retire_now,
}
_ACKNOWLEDGE = "Acknowledge"
OPERATIONS = ("Show", _ACKNOWLEDGE, *_PLANS)


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Carry out an operation and return the state of the keys after it.

    Raises:
        ProviderError: why it can't be done.
    """
    operation = event.get("Operation")
    if operation not in OPERATIONS:
        raise InvalidRequestError(f"Operation must be one of {', '.join(OPERATIONS)}")
    with Work(parse_secret_id(event), operation, context, patience=KNOWN_ROLE) as work:
        if operation == "Show":
            work.lease.read()
            owner = owner_to_work_on(work)
        else:
            work.lease.take()
            owner = owner_to_work_on(work)
            if operation == _ACKNOWLEDGE:
                _acknowledge(work, owner, checked_consumer(event))
            else:
                _carry_out(work, owner, _PLANS[operation])
            log.info("done", operation=operation, secret=work.secret_arn)
        report: dict[str, Any] = {}
        work.reconciler.run(owner, lambda draft, of: report.update(status_report(draft, of)))
    return report


def owner_to_work_on(work: Work) -> str:
    """Choose the resource that is meant by a secret.

    Raises:
        NotManagedError: the ledger has none.
    """
    owner = owner_of(work.lease.entry)
    if owner is None:
        raise NotManagedError(
            f"the ledger has no entry for secret {work.secret_arn}: it holds no key of this provider, or the entry was "
            "lost; a deployment that changes the key writes it again"
        )
    return owner


def _acknowledge(work: Work, owner: str, consumer: str) -> None:
    entry = work.lease.entry
    expected = entry.claims[owner].rules.consumers
    if consumer not in expected:
        names = ", ".join(expected) or "and it waits for none"
        raise InvalidRequestError(f"Consumer is {consumer}: must be one that the key waits for, {names}")
    if entry.current is None:
        raise NotManagedError(f"secret {work.secret_arn} holds no current key that could be acknowledged")
    known, now = entry.acknowledged.get(consumer), work.lease.now()
    # The consumer's clock may have been ahead: what an operator says counts in any case.
    time = max(now, known.time + timedelta(seconds=1)) if known else now
    acknowledge(work, consumer, Acknowledgement(entry.current.id, time, BY_OPERATOR))


def _carry_out(work: Work, owner: str, plan: _Planner) -> None:
    try:
        work.reconciler.run(owner, plan, reserve=RESERVE_TO_UNDO)
    except ProviderError:
        made = tuple(work.reconciler.made)
        with suppress(ProviderError):
            if made:
                work.reconciler.run(
                    owner,
                    lambda draft, of: plan_failed_cleanup(draft, of, made, new_resource=False, go_back=False),
                    check=False,
                )
        raise
