"""What a look at a key leads to, whoever asks for it and whenever it comes. Pure functions, as in `deployment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import LookAgain, SetStatus, Tell
from access_key_provider.model.ownership import current_key, owned_keys
from access_key_provider.model.retirement_record import retirement_of
from access_key_provider.model.retirement_rules import LONGEST_DEPLOYMENT
from access_key_provider.model.state import ACTIVE, INACTIVE, SETTLING_TIME
from access_key_provider.planning.cleanup import remove
from access_key_provider.planning.key_events import HELD_BACK, TOO_OLD, tell_of
from access_key_provider.planning.precedence import check_no_request
from access_key_provider.planning.retirement import given_up, plan_retirement, replaced_keys

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from access_key_provider.model.actions import Action
    from access_key_provider.model.ownership import OwnedKey
    from access_key_provider.model.registration import Registration
    from access_key_provider.model.retirement_record import Retirement
    from access_key_provider.model.state import Observed


def plan_look(
    observed: Observed,
    managed: Registration,
    *,
    cut_over: bool = False,
    deactivated: AbstractSet[str] = frozenset(),
    restored: str = "",
) -> list[Action]:
    """Retire what is due, and tell if the current key is too old.

    Nothing is retired while the current key does not work or is not ours: the previous one may be needed then. That
    is told, at each look, until somebody has put it right.

    Args:
        observed: what is seen.
        managed: the key.
        cut_over: all consumers use the current key by now.
        deactivated: the keys that this look has deactivated. If one of them is current, a request restored it at the
            same moment.
        restored: the key that an undo has made Active and current a moment ago.
    """
    current = current_key(observed, managed.place)
    if current is None:
        return _hold_back(observed, managed, "the value that is current is not of this key, or its key is gone")
    if not current.active and current.id in {restored, *deactivated}:
        return [LookAgain(SETTLING_TIME)] if current.id == restored else [SetStatus(current.id, ACTIVE)]
    if not current.active and not managed.inactive:
        return _hold_back(observed, managed, f"the current key {current.id} is Inactive, which the template is not")
    if any(_unseen_switch(observed, managed, key, current) for key in replaced_keys(observed, managed.place)):
        return _hold_back(observed, managed, f"a key that came after the current key {current.id} is there")
    retired = [
        *_finish_deletions(observed, managed),
        *plan_retirement(observed, managed.place, managed.policy, cut_over=cut_over),
    ]
    if not retired:
        return _remind(observed, managed, current)
    stops = any(isinstance(action, SetStatus) and action.status == INACTIVE for action in retired)
    return [check_no_request(observed, managed.place), *retired, *([LookAgain()] if stops else [])]


def _hold_back(observed: Observed, managed: Registration, why: str) -> list[Action]:
    """Leave the keys that are not current as they are, and tell of those that should not be there any more."""
    place = managed.place
    records = [(key, retirement_of(observed, place, key.id)) for key in replaced_keys(observed, place)]
    return [
        tell_of(HELD_BACK, observed, place, key, record, why=why)
        for key, record in records
        if _is_overdue(observed, key, record)
    ]


def _is_overdue(observed: Observed, key: OwnedKey, record: Retirement | None) -> bool:
    """Tell whether something is due for a key; without a record it may be a switch that is seen late, for a day."""
    if record:
        return record.due is None or observed.time >= record.due
    return key.key is not None and observed.time >= key.key.created + LONGEST_DEPLOYMENT


def _unseen_switch(observed: Observed, managed: Registration, key: OwnedKey, current: OwnedKey) -> bool:
    """Tell whether a key may be the current one already: it came later, and nothing says that it was replaced."""
    unexplained = retirement_of(observed, managed.place, key.id) is None
    return key.generation > current.generation and unexplained and not given_up(observed, managed.place, key)


def _finish_deletions(observed: Observed, managed: Registration) -> list[Action]:
    """Remove what a look that died has left of the keys that it deleted."""
    return [
        action
        for key in owned_keys(observed, managed.place)
        if key.key is None and not key.current and retirement_of(observed, managed.place, key.id)
        for action in remove(observed, key)
    ]


def _remind(observed: Observed, managed: Registration, current: OwnedKey) -> list[Action]:
    bound = managed.policy.maximum_age
    if bound is None or current.key is None or observed.time < current.key.created + bound:
        return []
    about = (
        ("accessKeyId", current.id),
        ("userName", managed.place.user_name),
        ("secretArn", managed.place.secret_arn),
        ("created", current.key.created.isoformat()),
        ("ageInDays", str((observed.time - current.key.created).days)),
    )
    return [Tell(TOO_OLD, about)]
