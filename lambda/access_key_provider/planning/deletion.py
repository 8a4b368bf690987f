"""Taking keys away: all of a place, what an attempt that failed has left, what a request that was superseded has done.

Pure functions, as in `deployment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import SetStatus, TagUser
from access_key_provider.model.ownership import owned_keys
from access_key_provider.model.registration import unregister, version_before
from access_key_provider.model.retirement_record import drop_records, records_of, retirement_tag
from access_key_provider.model.state import CURRENT, PREVIOUS, SecretState
from access_key_provider.planning.cleanup import (
    clean_up,
    close_intent,
    remove,
    remove_orphans,
    remove_ownerless_labels,
    remove_unrecorded,
)
from access_key_provider.planning.deployment import make_current

if TYPE_CHECKING:
    from collections.abc import Collection

    from access_key_provider.model.actions import Action
    from access_key_provider.model.state import Observed, Place


def plan_absent(observed: Observed, place: Place, *, key_may_appear: bool = False) -> list[Action]:
    """Deactivate and delete every key of the place, and give back a secret that was somebody else's before.

    If a key may have been created that IAM does not list yet, the intent stays open for the next request to find it.
    """
    owned = owned_keys(observed, place)
    actions: list[Action] = [*_give_back_current(observed, place)]
    for key in reversed(owned):
        actions += remove(observed, key)
    actions += remove_orphans(observed, place)
    actions += remove_ownerless_labels(observed, place)
    if observed.secret.state is SecretState.WRITABLE:
        gone_with_their_keys = {retirement_tag(place, key.id) for key in owned}
        left = [tag for tag in records_of(observed, place) if tag not in gone_with_their_keys]
        actions += [*drop_records(observed, left), *unregister(observed, place)]
    return [*actions, *([] if key_may_appear else close_intent(observed, place))]


def plan_abandoned(observed: Observed, place: Place, *, key_may_appear: bool = False) -> list[Action]:
    """Remove what a failed attempt left, and leave every proven key as it is; the intent as in `plan_absent`."""
    return [*clean_up(observed, place), *([] if key_may_appear else close_intent(observed, place))]


def plan_withdrawn(
    observed: Observed, place: Place, before: Observed, done: Collection[Action], made: str | None
) -> list[Action]:
    """Take back what a superseded request has done, and nothing that the later one may be doing.

    Args:
        observed: what is seen now.
        place: where.
        before: what the request saw at first: the later one is its rollback, or has done its part already.
        done: what the request did.
        made: the key that it made, if it did.
    """
    actions: list[Action] = []
    current, was_current = observed.version_with(CURRENT), before.version_with(CURRENT)
    still_there = {version.id for version in observed.secret.versions}
    if made and current and was_current and current.id == place.version_id(made) and was_current.id in still_there:
        actions += make_current(observed, was_current.id)
    changed = {action.key_id for action in done if isinstance(action, SetStatus)}
    status_before = {key.id: key.status for key in before.keys if key.id in changed}
    owned = owned_keys(observed, place)
    for key in owned:
        if key.id == made:
            actions += remove(observed, key)
        elif key.proven and key.id in status_before:
            actions.append(SetStatus(key.id, status_before[key.id]))
    if made not in {key.id for key in owned}:
        actions += remove_unrecorded(observed, made)
    intent = TagUser(place.intent_tag, observed.user_tags.get(place.intent_tag, ""))
    return [*actions, *(close_intent(observed, place) if intent in done else [])]


def _give_back_current(observed: Observed, place: Place) -> list[Action]:
    """Make the value current again that the secret had before it was given to us, if we were the next to write.

    That is what the users of an existing secret need when the deployment that began to use it rolls back.
    """
    current, previous = observed.version_with(CURRENT), observed.version_with(PREVIOUS)
    if observed.secret.state is not SecretState.WRITABLE or current is None or previous is None:
        return []
    if not place.wrote(current):
        return []
    if place.wrote(previous):
        # The resource's new user has had more than one key; what is given back is the key of the user before.
        before = version_before(observed, place)
        return make_current(observed, before.id) if before else []
    return make_current(observed, previous.id)
