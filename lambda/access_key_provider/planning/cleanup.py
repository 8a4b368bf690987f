"""Removing keys and their records, in the order that a crash at any point leaves something to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import DeleteKey, RemoveLabel, SetStatus, UntagUser
from access_key_provider.model.ownership import orphaned_keys, owned_keys, ownerless_labels
from access_key_provider.model.retirement_record import drop_record_of
from access_key_provider.model.state import INACTIVE, SecretState

if TYPE_CHECKING:
    from access_key_provider.model.actions import Action
    from access_key_provider.model.ownership import OwnedKey
    from access_key_provider.model.state import AccessKey, Observed, Place


def leftover_ids(observed: Observed, place: Place) -> frozenset[str]:
    """Name the keys that `clean_up` deletes."""
    unproven = {key.id for key in owned_keys(observed, place) if not key.proven}
    return frozenset(unproven | {key.id for key in orphaned_keys(observed, place)})


def clean_up(observed: Observed, place: Place) -> list[Action]:
    """Remove what an interrupted attempt left: keys not proven, keys not recorded, records without a key."""
    actions: list[Action] = []
    for key in owned_keys(observed, place):
        if not key.proven:
            actions += remove(observed, key)
    actions += remove_orphans(observed, place)
    return [*actions, *remove_ownerless_labels(observed, place)]


def remove(observed: Observed, owned: OwnedKey) -> list[Action]:
    """Deactivate and delete a key, then take its labels and its tag away: while a record is left, it is found."""
    actions = _delete(owned.key)
    if owned.version and observed.secret.state is SecretState.WRITABLE:
        actions += [RemoveLabel(owned.version.id, label) for label in owned.labels]
    if observed.user_exists:
        # Also a tag that is not seen: it may have been set a moment ago.
        actions.append(UntagUser(owned.id))
    return [*actions, *drop_record_of(observed, owned.id)] if observed.secret.state is SecretState.WRITABLE else actions


def remove_orphans(observed: Observed, place: Place) -> list[Action]:
    """Delete the keys whose secret was lost."""
    return [action for key in orphaned_keys(observed, place) for action in _delete(key)]


def remove_unrecorded(observed: Observed, key_id: str | None) -> list[Action]:
    """Delete a key that bears no record yet or any more, if it is there."""
    return [action for key in observed.keys if key.id == key_id for action in _delete(key)]


def remove_ownerless_labels(observed: Observed, place: Place) -> list[Action]:
    """Take off labels that belong to no key any more."""
    if observed.secret.state is not SecretState.WRITABLE:
        return []
    return [RemoveLabel(version.id, label) for version, label in ownerless_labels(observed, place)]


def _delete(key: AccessKey | None) -> list[Action]:
    # Deactivated also if it seems to be: it may have been activated a moment ago.
    return [SetStatus(key.id, INACTIVE), DeleteKey(key.id)] if key else []


def close_intent(observed: Observed, place: Place) -> list[Action]:
    """Forget the announced creation: nothing of it is left to find."""
    return [UntagUser(place.intent_tag)] if place.intent_tag in observed.user_tags else []
