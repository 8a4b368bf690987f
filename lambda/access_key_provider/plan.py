"""The rules: what to do, given what was observed and what is wanted.

Pure functions. Nothing here calls AWS, reads a clock or keeps state, so every rule can be tried on every situation.
A situation in which nothing may be done raises one of `errors`, before any write.

The order of actions is what makes a crash at any point harmless:

- an intent is recorded before a key is created, and a key is recorded before its secret is stored;
- a key is proven before it becomes current, and the previous key works until then;
- a key is deactivated before it is deleted, and its records go after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.actions import (
    NEW,
    AddLabel,
    CreateKey,
    LookAgain,
    MoveCurrent,
    ProveKey,
    SetStatus,
    StoreSecret,
    TagUser,
    UntagUser,
)
from access_key_provider.errors import (
    KeyLimitReachedError,
    SecretUnavailableError,
    UserNotFoundError,
)
from access_key_provider.model import (
    ACTIVE,
    CURRENT,
    INACTIVE,
    KEYS_PER_USER,
    PREVIOUS,
    SETTLING_TIME,
    Intent,
    SecretState,
    SerialLabel,
)
from access_key_provider.ownership import (
    OwnedKey,
    open_intent,
    owned_keys,
)
from access_key_provider.precedence import check_still_wanted, forget_marks, leave_mark, require_latest
from access_key_provider.removal import (
    clean_up,
    close_intent,
    leftover_ids,
    remove,
    remove_orphans,
    remove_ownerless_labels,
    remove_unrecorded,
)
from access_key_provider.room import has_room_for_user_tag, require_room

if TYPE_CHECKING:
    from collections.abc import Collection

    from access_key_provider.actions import Action
    from access_key_provider.model import Desired, Observed, Place


def plan_present(observed: Observed, desired: Desired) -> list[Action]:
    """Make the key of the desired serial current, with the desired status.

    A key that was already made for this serial is used again: that is what a redelivered request finds, and how a
    rollback gets the very key back that was current before. Else a new one is created and the others are retired.

    Raises:
        UserNotFoundError: the user does not exist.
        SecretUnavailableError: the secret can't be written to.
        SupersededError: CloudFormation made a later request.
        KeyLimitReachedError: there is no room for a new key, and no key of ours to remove.
        NoRoomError: there is no room for its tags or labels.
    """
    _require_place(observed, desired.place)
    require_latest(observed, desired)
    repairs = _repair(observed, desired)
    if repairs:
        require_room(observed, desired.place, repairs)
        return [*repairs, LookAgain()]
    target = matching_key(observed, desired)
    act = _settle(observed, desired, target) if target else _replace(observed, desired)
    mark = leave_mark(observed, desired)
    rest = [*forget_marks(observed, desired), *clean_up(observed, desired.place), *act]
    # What makes no key, as a rollback does, is never refused for room that it may not need.
    require_room(observed, desired.place, [*mark, *(rest if target is None else [])])
    if mark:
        # What was seen before the mark may have been changed since by an earlier request, which stops when it finds it.
        return [*mark, LookAgain(SETTLING_TIME if target and _goes_back(observed, desired, target) else 0.0)]
    return rest


def matching_key(observed: Observed, desired: Desired) -> OwnedKey | None:
    """Find the proven key that was made for the desired serial, the newest if there are several."""
    digest = desired.place.serial_digest(desired.serial)
    matching = [
        key for key in owned_keys(observed, desired.place) if key.proven and key.serial and key.serial.digest == digest
    ]
    return matching[-1] if matching else None


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
        actions.append(MoveCurrent(was_current.id, current.id))
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


def _require_place(observed: Observed, place: Place) -> None:
    if not observed.user_exists:
        raise UserNotFoundError(
            f"user {place.user_name} does not exist: create it first, or correct the user of the key"
        )
    if observed.secret.state is not SecretState.WRITABLE:
        raise SecretUnavailableError(_why_unavailable(observed.secret.state, place.secret_arn))


def _why_unavailable(state: SecretState, secret_arn: str) -> str:
    advice = {
        SecretState.MISSING: "create it first, or correct the secret of the key",
        SecretState.SCHEDULED_FOR_DELETION: "restore it (aws secretsmanager restore-secret), or use another secret",
        SecretState.REPLICA: "use the primary secret, in a stack of its own region",
    }[state]
    return f"secret {secret_arn} is {state.value}: {advice}"


def _repair(observed: Observed, desired: Desired) -> list[Action]:
    """Put records back that somebody removed by hand, as long as others tell what they said.

    Without an intent, no attempt is unfinished: a current key without its label of proof has lost the label.
    """
    place = desired.place
    owned = owned_keys(observed, place)
    actions: list[Action] = []
    for key in owned:
        if key.version is None or key.key is None or not (key.proven or key.current) or open_intent(observed, place):
            continue
        if key.serial is None:
            generation = 1 + max(other.generation for other in owned)
            label = SerialLabel(place.serial_digest(desired.deployed_serial), generation)
            actions.append(AddLabel(key.version.id, str(label)))
        if key.id not in key.version.labels:
            actions.append(AddLabel(key.version.id, key.id))
    return actions


def _goes_back(observed: Observed, desired: Desired, target: OwnedKey) -> bool:
    """Tell whether keys would be removed that came after: that one of them was made current may be seen late."""
    others = (key for key in owned_keys(observed, desired.place) if key.key and key.id != target.id)
    return any(key.generation > target.generation or not key.proven for key in others)


def _settle(observed: Observed, desired: Desired, target: OwnedKey) -> list[Action]:
    """Make an existing key the current one, retire the older ones and remove the newer ones, which failed."""
    place = desired.place
    assert target.version is not None  # noqa: S101 - a proven key has a version
    others = [key for key in owned_keys(observed, place) if key.proven and key.id != target.id]
    actions: list[Action] = []
    # A status is sent whatever is seen: what was set a moment ago, by the request that this one undoes, is seen late.
    if desired.status == ACTIVE:
        actions.append(SetStatus(target.id, ACTIVE))
    if not target.current:
        actions += [check_still_wanted(observed, desired), _make_current(observed, target.version.id)]
    if desired.status == INACTIVE:
        actions.append(SetStatus(target.id, INACTIVE))
    actions += [SetStatus(key.id, INACTIVE) for key in others if key.generation <= target.generation]
    actions.append(check_still_wanted(observed, desired))
    for key in others:
        if key.generation > target.generation:
            actions += remove(observed, key)
    tag = TagUser(target.id, place.key_tag_value(desired.description))
    if target.tag != tag.value and has_room_for_user_tag(observed.user_tags, target.id):
        actions.append(tag)
    return [*actions, *close_intent(observed, place)]


def _replace(observed: Observed, desired: Desired) -> list[Action]:
    """Create a key and make it current, then deactivate the one before."""
    place = desired.place
    owned = owned_keys(observed, place)
    room = _make_room(observed, place)
    staying = [key for key in owned if key.proven and key not in room]
    label = SerialLabel(place.serial_digest(desired.serial), 1 + max((key.generation for key in owned), default=0))
    still_wanted = check_still_wanted(observed, desired)
    actions: list[Action] = [TagUser(place.intent_tag, str(_announce(observed, place)))]
    for key in room:
        actions += remove(observed, key)
    actions += [
        CreateKey(),
        TagUser(NEW, place.key_tag_value(desired.description)),
        StoreSecret(),
        ProveKey(),
        AddLabel(NEW, str(label)),
        *([SetStatus(NEW, INACTIVE)] if desired.status == INACTIVE else []),
        still_wanted,
        _make_current(observed, NEW),
        *(SetStatus(key.id, INACTIVE) for key in staying),
        # Once more, because a request may have come in between; it is all taken back then.
        still_wanted,
    ]
    # A key of an earlier attempt may come to light only now: the intent stays open till that look.
    return [*actions, LookAgain(SETTLING_TIME) if open_intent(observed, place) else UntagUser(place.intent_tag)]


def _make_room(observed: Observed, place: Place) -> list[OwnedKey]:
    """Choose which of our retired keys must go for the new one to fit: the oldest first, never an Active one."""
    leftover = leftover_ids(observed, place)
    staying = [key for key in observed.keys if key.id not in leftover]
    retired = [key for key in owned_keys(observed, place) if key.proven and not key.active and not key.current]
    needed = len(staying) + 1 - KEYS_PER_USER
    if needed > len(retired):
        raise KeyLimitReachedError(place.user_name, tuple(staying))
    return retired[: max(0, needed)]


def _announce(observed: Observed, place: Place) -> Intent:
    """Extend an intent that is still open: a key of an earlier attempt may yet come to light."""
    before = open_intent(observed, place)
    leftover = leftover_ids(observed, place)
    staying = frozenset(key.id for key in observed.keys if key.id not in leftover)
    return Intent(place.owner, before.since if before else observed.time, observed.time, staying)


def _make_current(observed: Observed, version_id: str) -> MoveCurrent:
    current = observed.version_with(CURRENT)
    return MoveCurrent(version_id, current.id if current else None)


def _give_back_current(observed: Observed, place: Place) -> list[Action]:
    """Make the value current again that the secret had before it was given to us, if we were the next to write.

    That is what the users of an existing secret need when the deployment that began to use it rolls back.
    """
    current, previous = observed.version_with(CURRENT), observed.version_with(PREVIOUS)
    if observed.secret.state is not SecretState.WRITABLE or current is None or previous is None:
        return []
    if not place.wrote(current) or place.wrote(previous):
        return []
    return [MoveCurrent(previous.id, current.id)]
