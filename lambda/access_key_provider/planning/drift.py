"""What a Create or Update found otherwise than the request before it had left it, in words for the answer and the log.

Each sentence says what was seen at the first look and what was done about it. It states facts and guesses at no
culprit: what a person changed by hand and what a dead attempt left can look the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import DeleteKey, SetStatus, TagUser
from access_key_provider.model.ownership import open_intent, owned_keys
from access_key_provider.model.retirement_record import retirement_of
from access_key_provider.model.state import ACTIVE, CURRENT, owner_in_tag

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from access_key_provider.model.actions import Action
    from access_key_provider.model.ownership import OwnedKey
    from access_key_provider.model.state import Desired, Observed, Place

MAX_TOLD = 256


def findings(first: Observed, desired: Desired, done: Collection[Action]) -> tuple[str, ...]:
    """Say what was found, the gravest first; nothing if all was as it had been left.

    Args:
        first: what was seen before anything was done.
        desired: what was asked for.
        done: what was then done, with success.
    """
    finders = (_gone, _current_elsewhere, _status_changed, _records_gone, _unrecorded, _left_over)
    return tuple(sentence for find in finders for sentence in find(first, desired, done))


def told(found: Collection[str]) -> str:
    """Join as many sentences as the reason of an answer has room for; the log has all of them."""
    sentences = list(found)
    while sentences:
        left_out = len(found) - len(sentences)
        text = "; ".join([*sentences, *([f"{left_out} more in the log"] if left_out else [])])
        if len(text) <= MAX_TOLD:
            return text
        sentences.pop()
    return ""


def _gone(first: Observed, desired: Desired, _done: Collection[Action]) -> Iterator[str]:
    """Find keys on record that IAM does not list: a user that was created anew has neither them nor their tags."""
    gone = [key for key in owned_keys(first, desired.place) if key.key is None]
    untagged = [key for key in gone if key.tag is None]
    if untagged:
        ids = ", ".join(key.id for key in untagged)
        yield f"the user seems to have been created anew, {ids} gone: {_replaced(untagged)}"
    yield from (f"key {key.id} was deleted: {_replaced([key])}" for key in gone if key.tag is not None)


def _replaced(keys: list[OwnedKey]) -> str:
    return "another key is current now" if any(key.current for key in keys) else "the records were removed"


def _current_elsewhere(first: Observed, desired: Desired, _done: Collection[Action]) -> Iterator[str]:
    place, current = desired.place, first.version_with(CURRENT)
    proven = [key for key in owned_keys(first, place) if key.serials]
    if current is None or not proven or open_intent(first, place):
        return
    if not place.wrote(current):
        yield "AWSCURRENT was on a version that is not ours: it names the declared key again"
    expected = {place.serial_digest(desired.serial), place.serial_digest(desired.deployed_serial)}
    for key in proven:
        if key.current and not any(key.generation_of(digest) for digest in expected):
            yield f"AWSCURRENT was on key {key.id}, which was not the deployed one: it names the declared key again"


def _status_changed(first: Observed, desired: Desired, done: Collection[Action]) -> Iterator[str]:
    place = desired.place
    owned = [key for key in owned_keys(first, place) if key.key]
    current = next((key for key in owned if key.current), None)
    if current is None or current.key is None:
        return
    if current.key.status not in {desired.status, desired.deployed_status or desired.status}:
        yield f"current key {current.id} was {current.key.status}: {_status_now(current, done)}"
    if open_intent(first, place):
        return
    wanted = place.serial_digest(desired.serial)
    for key in owned:
        record = retirement_of(first, place, key.id)
        retired = not desired.policy.time_active or (record is not None and record.inactive is not None)
        if retired and key.active and not key.generation_of(wanted) and 0 < key.generation < current.generation:
            yield f"previous key {key.id} was {ACTIVE}: {_status_now(key, done)}"


def _status_now(key: OwnedKey, done: Collection[Action]) -> str:
    if DeleteKey(key.id) in done:
        return "it was deleted"
    set_to = [action.status for action in done if isinstance(action, SetStatus) and action.key_id == key.id]
    return f"it is {set_to[-1]} now" if set_to else "it was left so"


def _records_gone(first: Observed, desired: Desired, done: Collection[Action]) -> Iterator[str]:
    """Find labels and tags that are missing where no unfinished attempt explains it."""
    place = desired.place
    if open_intent(first, place):
        return
    for key in owned_keys(first, place):
        if key.key is None or key.version is None or not (key.proven or key.current):
            continue
        if not key.serials or key.id not in key.version.labels:
            yield f"key {key.id} lacked a label: it was put back"
        if key.tag is None or owner_in_tag(key.tag) != place.owner:
            tagged = any(isinstance(action, TagUser) and action.key == key.id for action in done)
            yield f"key {key.id} lacked its tag" + (": it was put back" if tagged else "")


def _unrecorded(first: Observed, desired: Desired, _done: Collection[Action]) -> Iterator[str]:
    """Find keys that nothing but the id of a version says to be ours: too little to touch them."""
    known = {key.id for key in owned_keys(first, desired.place)}
    versions = {version.id for version in first.secret.versions}
    for key in first.keys:
        if key.id not in known and desired.place.version_id(key.id) in versions:
            yield f"key {key.id} had lost its labels and its tag: it was left alone"


def _left_over(first: Observed, desired: Desired, done: Collection[Action]) -> Iterator[str]:
    intent = open_intent(first, desired.place)
    removed = _removed(first, desired.place, done)
    why = "was left by an interrupted attempt" if intent else "had lost its labels"
    yield from (f"key {key_id} {why}: it was removed" for key_id in removed)
    if intent and not removed:
        yield "an attempt had been interrupted: it was finished"


def _removed(first: Observed, place: Place, done: Collection[Action]) -> list[str]:
    """Name the keys that were deleted although they were no proven key of ours."""
    proven = {key.id for key in owned_keys(first, place) if key.serials}
    return [action.key_id for action in done if isinstance(action, DeleteKey) and action.key_id not in proven]
