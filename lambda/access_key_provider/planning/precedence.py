"""Which request counts: the one that CloudFormation made last, whichever comes first.

Lambda may deliver a request twice, late, or while another one runs. So every request leaves a mark on the secret before
it takes the look that it acts on: a Delete a tombstone, a Create or Update a tag of its own, so that none writes over
another's. Whoever finds a later mark stops, and takes back what it has done.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.actions import CheckStillWanted, TagSecret, UntagSecret
from access_key_provider.model.errors import SupersededError
from access_key_provider.model.records import REQUEST_TAG_PREFIX, TOMBSTONE_TAG_PREFIX, Mark
from access_key_provider.model.registration import registration_tags
from access_key_provider.planning.room import has_room_for_tag

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from access_key_provider.model.actions import Action
    from access_key_provider.model.state import Desired, Observed, Place

# No request is delivered later: Lambda keeps an event for six hours at most.
_NO_LONGER_DELIVERED = timedelta(days=1)
_CLOCK_SKEW = timedelta(minutes=5)


def require_latest(observed: Observed, desired: Desired) -> None:
    """Refuse a request that CloudFormation made before one that was carried out already.

    Within the same second a Delete counts as the later one: CloudFormation never creates again that soon.

    Raises:
        SupersededError: it comes too late.
    """
    if not desired.dated:
        return
    deleted = _past(Mark.parse(tombstone(observed, desired.place)), observed.time)
    if deleted and desired.request.time <= deleted.time:
        raise SupersededError("CloudFormation deleted the resource after it made this request: nothing was done")
    if is_superseded(observed.secret.tags, desired.place, desired.request, observed.time):
        raise SupersededError("CloudFormation made a later request: nothing was done for this one")


def is_superseded(tags: Mapping[str, str], place: Place, request: Mark, now: datetime) -> bool:
    """Tell from the secret's tags whether CloudFormation has made a later Create or Update."""
    return any(
        mark.time > request.time and mark.request_id != request.request_id
        for mark in _requests(tags, place, now).values()
    )


def is_buried(tags: Mapping[str, str], place: Place, request: Mark, now: datetime) -> bool:
    """Tell whether a later Delete has left its tombstone, which an earlier one must not replace."""
    left = _past(Mark.parse(tags.get(place.tombstone_tag)), now)
    return left is not None and left.time > request.time


def tombstone(observed: Observed, place: Place) -> str | None:
    """Tell what the last Delete of the place left on the secret."""
    return observed.secret.tags.get(place.tombstone_tag)


def marks_of(tags: Mapping[str, str], place: Place) -> dict[str, str]:
    """Choose the marks of a place among the tags of its secret."""
    prefix = REQUEST_TAG_PREFIX + place.owner
    return {key: value for key, value in tags.items() if key == place.tombstone_tag or key.startswith(prefix)}


def marks_in_the_way(tags: Mapping[str, str], place: Place) -> tuple[str, ...] | None:
    """Name the marks that must go for a tombstone to fit: none, if there is room; None if that would not help.

    Then there is no mark either that a creation which is still running could have left.
    """
    if has_room_for_tag(tags, place.tombstone_tag):
        return ()
    return tuple(tag for tag in marks_of(tags, place) if tag != place.tombstone_tag) or None


def leave_mark(observed: Observed, desired: Desired) -> list[Action]:
    """Leave the request's mark, unless an earlier delivery has, and what the template says now.

    On a secret whose tags are full the mark takes the place of those that it supersedes: a rollback always fits.
    """
    tag = desired.place.request_tag(desired.request.request_id)
    registration = registration_tags(observed, desired)
    if tag in observed.secret.tags:
        return [TagSecret(tuple(registration.items()))] if registration else []
    superseded = tuple(_requests(observed.secret.tags, desired.place, observed.time))
    swap = [UntagSecret(superseded)] if superseded and not has_room_for_tag(observed.secret.tags, tag) else []
    return [*swap, TagSecret(((tag, str(desired.request)), *registration.items()))]


def check_still_wanted(observed: Observed, desired: Desired) -> CheckStillWanted:
    """Check later that no other request has come since."""
    seen = marks_of(observed.secret.tags, desired.place)
    since = desired.request.time if desired.dated else None
    return CheckStillWanted(desired.place.request_tag(desired.request.request_id), frozenset(seen.items()), since)


def is_still_wanted(tags: Mapping[str, str], place: Place, check: CheckStillWanted) -> bool:
    """Tell from the secret's tags whether no other request has come."""
    marks = marks_of(tags, place)
    new = {tag: Mark.parse(value) for tag, value in marks.items() - check.seen}
    return (check.mark is None or check.mark in marks) and all(
        tag != place.tombstone_tag and mark and check.since and mark.time < check.since for tag, mark in new.items()
    )


def check_no_request(observed: Observed, place: Place) -> CheckStillWanted:
    """Check later, on behalf of somebody else than CloudFormation, that it has made no request since."""
    return CheckStillWanted(None, frozenset(marks_of(observed.secret.tags, place).items()))


def latest_request(observed: Observed, place: Place) -> Mark | None:
    """Find the mark of the last Create or Update."""
    marks = _requests(observed.secret.tags, place, observed.time).values()
    return max(marks, key=lambda mark: mark.time, default=None)


def forget_marks(observed: Observed, desired: Desired) -> list[Action]:
    """Remove the marks that this request supersedes, and those of resources that were deleted long ago.

    A secret has room for fifty tags.
    """
    own = desired.place.request_tag(desired.request.request_id)
    keys = [tag for tag in _requests(observed.secret.tags, desired.place, observed.time) if tag != own]
    for key, value in sorted(observed.secret.tags.items()):
        owner, deleted = key.removeprefix(TOMBSTONE_TAG_PREFIX), Mark.parse(value)
        if owner in (key, desired.place.owner) or deleted is None:
            continue
        requests = {
            tag: Mark.parse(mark)
            for tag, mark in observed.secret.tags.items()
            if tag.startswith(REQUEST_TAG_PREFIX + owner)
        }
        alive = any(mark is None or mark.time > deleted.time for mark in requests.values())
        if deleted.time < observed.time - _NO_LONGER_DELIVERED and not alive:
            keys += [key, *requests]
    return [UntagSecret(tuple(keys))] if keys else []


def _requests(tags: Mapping[str, str], place: Place, now: datetime) -> dict[str, Mark]:
    marks = {
        tag: _past(Mark.parse(value), now) for tag, value in marks_of(tags, place).items() if tag != place.tombstone_tag
    }
    return {tag: mark for tag, mark in marks.items() if mark}


def _past(mark: Mark | None, now: datetime) -> Mark | None:
    """Ignore a mark of the future, which nobody but a forger leaves: it would outdate every request to come."""
    return mark if mark and mark.time <= now + _CLOCK_SKEW else None
