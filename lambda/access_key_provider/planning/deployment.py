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

from access_key_provider.model.actions import (
    NEW,
    AddLabel,
    CreateKey,
    LookAgain,
    MoveCurrent,
    ProveKey,
    RemoveLabel,
    SetStatus,
    StoreSecret,
    TagUser,
)
from access_key_provider.model.errors import SecretUnavailableError, UserNotFoundError
from access_key_provider.model.ownership import OwnedKey, open_intent, owned_keys
from access_key_provider.model.records import Intent, SerialLabel
from access_key_provider.model.retirement_record import BY_DEPLOYMENT, NEVER_AGAIN, retirement_of
from access_key_provider.model.state import ACTIVE, CURRENT, INACTIVE, PENDING, PREVIOUS, SETTLING_TIME, SecretState
from access_key_provider.planning.cleanup import clean_up, close_intent, leftover_ids
from access_key_provider.planning.key_limit import make_room
from access_key_provider.planning.precedence import check_still_wanted, forget_marks, leave_mark, require_latest
from access_key_provider.planning.retirement import given_up, plan_retirement, supersede
from access_key_provider.planning.room import has_room_for_user_tag, require_room

if TYPE_CHECKING:
    from access_key_provider.model.actions import Action
    from access_key_provider.model.state import Desired, Observed, Place


def plan_present(observed: Observed, desired: Desired, made: str | None = None) -> list[Action]:
    """Make the key of the desired serial current, with the desired status.

    A key that was already made for this serial is used again: that is what a redelivered request finds, and how a
    rollback gets the very key back that was current before. Else a new one is created and the others are retired.

    Args:
        observed: what is seen.
        desired: what is wanted.
        made: the key that this very request has made by now.

    Raises:
        UserNotFoundError: the user does not exist.
        SecretUnavailableError: the secret can't be written to.
        SupersededError: CloudFormation made a later request.
        KeyLimitReachedError: there is no room for a new key, and no key of ours to remove.
        NoRoomError: there is no room for its tags or labels.
    """
    require_place(observed, desired.place)
    require_latest(observed, desired)
    repairs = _repair(observed, desired)
    if repairs:
        require_room(observed, desired.place, repairs)
        return [*repairs, LookAgain()]
    target = matching_key(observed, desired)
    act = _settle(observed, desired, target, made) if target else _replace(observed, desired)
    mark = leave_mark(observed, desired)
    rest = [*forget_marks(observed, desired), *clean_up(observed, desired.place), *act]
    # What makes no key, as a rollback does, is never refused for room that it may not need.
    require_room(observed, desired.place, [*mark, *(rest if target is None else [])])
    if mark:
        # What was seen before the mark may have been changed since by an earlier request, which stops when it finds it.
        return [*mark, LookAgain(SETTLING_TIME if _is_seen_late(observed, desired, target) else 0.0)]
    return rest


def matching_key(observed: Observed, desired: Desired) -> OwnedKey | None:
    """Find the proven key of the desired serial, the one that became current last if there are several.

    One that a rotation has not finished does not count, nor one of a rotation that was given up, nor one that an undo
    has taken back.
    """
    place, digest = desired.place, desired.serial_digest
    matching = [
        key
        for key in owned_keys(observed, place)
        if key.proven and not key.pending and key.generation_of(digest) and not put_aside(observed, place, key)
    ]
    return max(matching, key=lambda key: key.generation_of(digest), default=None)


def put_aside(observed: Observed, place: Place, key: OwnedKey) -> bool:
    """Tell whether an undo has taken a key back, or its rotation was given up: it never becomes current again."""
    record = retirement_of(observed, place, key.id)
    return given_up(observed, place, key) or (record is not None and record.by in NEVER_AGAIN and not key.current)


def require_place(observed: Observed, place: Place) -> None:
    """Refuse a place where no key can be. Raises UserNotFoundError or SecretUnavailableError."""
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
        if not key.serials:
            label = next_label(observed, place, place.serial_digest(desired.deployed_serial))
            actions.append(AddLabel(key.version.id, str(label)))
        if key.id not in key.version.labels:
            actions.append(AddLabel(key.version.id, key.id))
    return actions


def _is_seen_late(observed: Observed, desired: Desired, target: OwnedKey | None) -> bool:
    """Tell whether to wait before the next look: for what came after the key, or for tags that are written again."""
    again = desired.place.request_tag(desired.request.request_id) in observed.secret.tags
    return again or (target is not None and _goes_back(observed, desired, target))


def _goes_back(observed: Observed, desired: Desired, target: OwnedKey) -> bool:
    """Tell whether keys would be stopped that came after: that one of them was made current may be seen late."""
    others = (key for key in owned_keys(observed, desired.place) if key.key and key.id != target.id)
    return any(key.generation > target.generation or not key.proven for key in others)


def _settle(observed: Observed, desired: Desired, target: OwnedKey, made: str | None) -> list[Action]:
    """Make an existing key the current one, and retire the others as far as that is due."""
    place, policy = desired.place, desired.policy
    assert target.version is not None  # noqa: S101 - a proven key has a version
    actions: list[Action] = []
    # A status is sent whatever is seen: what was set a moment ago, by the request that this one undoes, is seen late.
    # But a key that was made Active a moment ago is Inactive only if another delivery is deleting it.
    if desired.status == ACTIVE and target.id != made:
        actions.append(SetStatus(target.id, ACTIVE))
    if not target.current:
        actions += supersede(observed, place, policy, BY_DEPLOYMENT)
        actions += [check_still_wanted(observed, desired), *make_current(observed, target.version.id)]
    if desired.status == INACTIVE:
        actions.append(SetStatus(target.id, INACTIVE))
    if not target.current:
        # Who is to be retired now shows in the next look.
        return [*actions, check_still_wanted(observed, desired), LookAgain()]
    actions += [*plan_retirement(observed, place, policy), check_still_wanted(observed, desired)]
    tag = TagUser(target.id, place.key_tag_value(desired.description))
    if target.tag != tag.value and has_room_for_user_tag(observed.user_tags, target.id):
        actions.append(tag)
    return [*actions, *close_intent(observed, place)]


def _replace(observed: Observed, desired: Desired) -> list[Action]:
    """Create a key and make it current; the next look retires the one before."""
    place = desired.place
    still_wanted = check_still_wanted(observed, desired)
    room = make_room(observed, place, desired.policy)
    actions: list[Action] = [
        TagUser(place.intent_tag, str(announce(observed, place))),
        *room,
        CreateKey(),
        TagUser(NEW, place.key_tag_value(desired.description)),
        StoreSecret(),
        ProveKey(),
        AddLabel(NEW, str(next_label(observed, place, desired.serial_digest))),
        *([SetStatus(NEW, INACTIVE)] if desired.status == INACTIVE else []),
        *supersede(observed, place, desired.policy, BY_DEPLOYMENT),
        still_wanted,
        *make_current(observed, NEW),
        # Once more, because a request may have come in between; it is all taken back then.
        still_wanted,
    ]
    # A key of an earlier attempt may come to light only now: the intent stays open till that look.
    return [*actions, LookAgain(SETTLING_TIME if open_intent(observed, place) else 0.0)]


def next_label(observed: Observed, place: Place, digest: str) -> SerialLabel:
    """Write the label of the key that becomes current next."""
    return SerialLabel(digest, 1 + max((key.generation for key in owned_keys(observed, place)), default=0))


def announce(observed: Observed, place: Place) -> Intent:
    """Announce a creation. One that is still open is extended: a key of an earlier attempt may yet come to light."""
    before = open_intent(observed, place)
    leftover = leftover_ids(observed, place)
    staying = frozenset(key.id for key in observed.keys if key.id not in leftover)
    return Intent(place.owner, before.since if before else observed.time, observed.time, staying)


def make_current(observed: Observed, version_id: str) -> list[Action]:
    """Make a version current instead of the one that is.

    A rotation of Secrets Manager leaves AWSPENDING on the version that it made current. Once that is current no more,
    Secrets Manager would take the label for a rotation that is not finished.
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
    """
    current, pending = observed.version_with(CURRENT), observed.version_with(PENDING)
    finished = pending and pending.id != version_id and pending.labels & {CURRENT, PREVIOUS}
    done = [RemoveLabel(pending.id, PENDING)] if pending and finished else []
    return [*done, MoveCurrent(version_id, current.id if current else None)]
