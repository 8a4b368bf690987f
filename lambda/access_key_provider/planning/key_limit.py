"""Which key may go when the user has no room for another one. Pure functions, as in `deployment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import DeleteKey, SetStatus
from access_key_provider.model.errors import KeyLimitReachedError
from access_key_provider.model.ownership import owned_keys
from access_key_provider.model.retirement_record import BY_DEPLOYMENT, retirement_of
from access_key_provider.model.retirement_rules import LONGEST_DEPLOYMENT, REMOVE_UNUSED, RETIRE_PREVIOUS
from access_key_provider.model.state import INACTIVE, KEYS_PER_USER, owner_in_tag
from access_key_provider.planning.cleanup import leftover_ids, remove
from access_key_provider.planning.retirement import given_up, out_of_grace, replaced_keys

if TYPE_CHECKING:
    from access_key_provider.model.actions import Action
    from access_key_provider.model.ownership import OwnedKey
    from access_key_provider.model.retirement_rules import Policy
    from access_key_provider.model.state import AccessKey, Observed, Place


def make_room(observed: Observed, place: Place, policy: Policy, *, for_rotation: bool = False) -> list[Action]:
    """Remove as many keys as the new one needs to fit, and none that somebody may still use.

    In this order: our replaced keys that are Inactive, the oldest first; a key that a rotation of Secrets Manager has
    made and not finished, or that was given up; our replaced keys whose grace period is over and that are not used.
    Beyond that only what the policy names.

    Args:
        observed: what is seen, after leftovers of interrupted attempts are discounted.
        place: where.
        policy: the rules.
        for_rotation: whether Secrets Manager rotates. It waits for a key that a deployment may still go back to.

    Raises:
        KeyLimitReachedError: there is no room; the message names each key and says what to do.
    """
    leftover = leftover_ids(observed, place)
    staying = [key for key in observed.keys if key.id not in leftover]
    needed = len(staying) + 1 - KEYS_PER_USER
    if needed <= 0:
        return []
    removable = _removable(observed, place, policy, for_rotation=for_rotation)
    if needed > len(removable):
        raise KeyLimitReachedError(place.user_name, tuple(staying), _advice(observed, place, for_rotation=for_rotation))
    return [action for removal in removable[:needed] for action in removal]


def foreign_keys_in_question(observed: Observed, place: Place, policy: Policy) -> frozenset[str]:
    """Name the foreign keys whose last use decides whether the policy lets them be removed."""
    if policy.on_key_limit != REMOVE_UNUSED or policy.unused_since is None or len(observed.keys) < KEYS_PER_USER:
        return frozenset()
    owned = {key.id for key in owned_keys(observed, place)}
    before = observed.time - policy.unused_since
    return frozenset(
        key.id
        for key in observed.keys
        if key.id not in owned
        and owner_in_tag(observed.user_tags.get(key.id, "")) is None
        and key.status == INACTIVE
        and key.created < before
    )


def _removable(observed: Observed, place: Place, policy: Policy, *, for_rotation: bool) -> list[list[Action]]:
    replaced = [key for key in replaced_keys(observed, place) if not for_rotation or not _kept(observed, place, key)]
    pending = [key for key in owned_keys(observed, place) if key.proven and key.pending]
    chosen = [key for key in replaced if not key.active]
    chosen += [] if for_rotation else pending
    active = [key for key in replaced if key.active]
    chosen += [key for key in active if given_up(observed, place, key)]
    chosen += [key for key in active if out_of_grace(observed, place, policy, key)]
    if policy.on_key_limit == RETIRE_PREVIOUS:
        chosen += [key for key in active if key not in chosen]
    return [*(remove(observed, key) for key in chosen), *_foreign(observed, place, policy)]


def _kept(observed: Observed, place: Place, key: OwnedKey) -> bool:
    record = retirement_of(observed, place, key.id)
    return record is not None and record.by == BY_DEPLOYMENT and observed.time < record.replaced + LONGEST_DEPLOYMENT


def _foreign(observed: Observed, place: Place, policy: Policy) -> list[list[Action]]:
    """Choose the Inactive foreign keys of which IAM knows that they were never used."""
    in_question = foreign_keys_in_question(observed, place, policy)
    never_used = [
        key
        for key in observed.keys
        if key.id in in_question and (use := observed.last_uses.get(key.id)) and not use.time
    ]
    return [[SetStatus(key.id, INACTIVE), DeleteKey(key.id)] for key in sorted(never_used, key=_age)]


def _age(key: AccessKey) -> tuple[object, str]:
    return key.created, key.id


def _advice(observed: Observed, place: Place, *, for_rotation: bool) -> str:
    """Say when one of ours may go, if there is one; else that none is ours."""
    for key in replaced_keys(observed, place):
        record = retirement_of(observed, place, key.id)
        if for_rotation and _kept(observed, place, key) and record:
            return f"{key.id} is kept until {record.replaced + LONGEST_DEPLOYMENT:%Y-%m-%d %H:%M} UTC for a rollback"
        if key.active:
            return (
                f"{key.id} is the previous key, in its grace period or still in use: wait until it is retired, or set "
                "on_key_limit to retire it now"
            )
    return ""
