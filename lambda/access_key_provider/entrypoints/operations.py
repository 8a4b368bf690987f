"""What is done for a key that is known by its secret only: a scheduled look, an undo, a cut-over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from access_key_provider.entrypoints.custom_resource_request import parse_secret_id, session_name
from access_key_provider.entrypoints.repetition import alarm_time, come_back
from access_key_provider.entrypoints.session import ports_of, registered
from access_key_provider.model.actions import SetStatus
from access_key_provider.model.errors import InvalidRequestError, NothingToUndoError
from access_key_provider.model.ownership import current_key
from access_key_provider.model.state import CURRENT
from access_key_provider.planning.maintenance import plan_look
from access_key_provider.planning.retirement import next_look
from access_key_provider.planning.status_report import statement
from access_key_provider.planning.undo import plan_undo, previous_key
from access_key_provider.reconcile.observer import observe
from access_key_provider.reconcile.reconciler import carry_out
from lambda_shared.errors import AccessDeniedError, ProviderError
from lambda_shared.log import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from access_key_provider.model.actions import Action
    from access_key_provider.model.registration import Registration
    from access_key_provider.model.state import Observed
    from access_key_provider.reconcile.ports import Ports

# A schedule runs within the minute after its time; one that comes a moment early waits for it.
_EARLY = 60.0


def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Carry out an operation and return the state of the key after it.

    Raises:
        ProviderError: why it can't be done.
    """
    operation = event.get("Operation")
    if operation not in _OPERATIONS:
        raise InvalidRequestError(f"Operation must be one of {', '.join(_OPERATIONS)}")
    managed = registered(parse_secret_id(event), context)
    ports = _ports(operation, managed, context)
    try:
        _OPERATIONS[operation](ports, managed, event)
    except AccessDeniedError:
        # What is not allowed will not be in a quarter of an hour: forged tags would make looks without end.
        raise
    except ProviderError as error:
        come_back(ports, managed, event, error)
        raise
    return statement(observe(ports, managed.place, managed.policy), managed)


def cut_over(secret_arn: str, version_id: str, context: Any) -> None:
    """Deactivate the previous key now: all consumers use the given version, if it still is the current one."""
    managed = registered(secret_arn, context)
    ports = _ports("CutOver", managed, context)

    def is_latest(observed: Observed) -> bool:
        current = observed.version_with(CURRENT)
        return current is not None and current.id == version_id

    _retire(ports, managed, cut_over=is_latest)


def _show(ports: Ports, managed: Registration, event: Mapping[str, Any]) -> None:
    """Do nothing: the state is the answer."""
    del ports, managed, event


def _look(ports: Ports, managed: Registration, event: Mapping[str, Any]) -> None:
    del event
    observed = _retire(ports, managed)
    due = next_look(observed, managed.place)
    wait = (due - ports.clock.now()).total_seconds() if due else _EARLY
    if 0 < wait < min(_EARLY, ports.clock.remaining() / 2):
        ports.clock.sleep(wait)
        _retire(ports, managed)


def _retire(
    ports: Ports,
    managed: Registration,
    cut_over: Callable[[Observed], bool] = lambda _: False,
    restored: str = "",
) -> Observed:
    deactivated: set[str] = set()

    def plan(observed: Observed) -> list[Action]:
        actions = plan_look(observed, managed, cut_over=cut_over(observed), deactivated=deactivated, restored=restored)
        deactivated.update(action.key_id for action in actions if isinstance(action, SetStatus))
        return actions

    return carry_out(ports, managed.place, plan, managed.policy)


def _undo(ports: Ports, managed: Registration, event: Mapping[str, Any]) -> None:
    alarm = alarm_time(event, ports.clock.now())
    restored = ""

    def plan(observed: Observed) -> list[Action]:
        nonlocal restored
        current = current_key(observed, managed.place)
        if current and current.id == restored:
            return []
        restored = previous_key(observed, managed, alarm=alarm).id
        return plan_undo(observed, managed, alarm=alarm)

    # What an undo that was interrupted has left to do comes first.
    _retire(ports, managed)
    try:
        carry_out(ports, managed.place, plan, managed.policy)
    except NothingToUndoError as error:
        record("nothing to undo", secret=managed.place.secret_arn, reason=str(error))
        if alarm is None:
            raise
    _retire(ports, managed, restored=restored)


def _ports(operation: str, managed: Registration, context: Any) -> Ports:
    return ports_of(managed.place, managed.role_arn, session_name(operation, managed.place.logical_id), context)


_OPERATIONS = {"Look": _look, "Show": _show, "Undo": _undo}
