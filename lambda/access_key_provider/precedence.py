"""Which request counts: the one that CloudFormation made last, whichever comes first.

Lambda may deliver a request twice, late, or while another one runs. So every request leaves a mark on the secret: a
Delete its tombstone before it looks, a Create or Update its own before it writes. Whoever finds a later mark stops.
The two are separate tags, so that a Create that began to look before the Delete came can't write over its tombstone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.actions import CheckStillWanted, TagSecret, UntagSecret
from access_key_provider.errors import SupersededError
from access_key_provider.model import REQUEST_TAG_PREFIX, TOMBSTONE_TAG_PREFIX, Mark

if TYPE_CHECKING:
    from access_key_provider.actions import Action
    from access_key_provider.model import Desired, Observed, Place

# No request is delivered later: Lambda keeps an event for six hours at most.
_NO_LONGER_DELIVERED = timedelta(days=1)


def require_latest(observed: Observed, desired: Desired) -> None:
    """Refuse a request that CloudFormation made before one that was carried out already.

    Within the same second a Delete counts as the later one: CloudFormation never creates again that soon.

    Raises:
        SupersededError: it comes too late.
    """
    if not desired.dated:
        return
    deleted = Mark.parse(tombstone(observed, desired.place))
    if deleted and desired.request.time <= deleted.time:
        raise SupersededError("CloudFormation deleted the resource after it made this request: nothing was done")
    if is_superseded(observed, desired.place, desired.request):
        raise SupersededError("CloudFormation made a later request, which is done: nothing was done for this one")


def is_superseded(observed: Observed, place: Place, request: Mark) -> bool:
    """Tell whether a Create or Update that was made later has been carried out."""
    done = Mark.parse(observed.secret.tags.get(place.request_tag))
    return done is not None and request.time < done.time and request.request_id != done.request_id


def tombstone(observed: Observed, place: Place) -> str | None:
    """Tell what the last Delete of the place left on the secret."""
    return observed.secret.tags.get(place.tombstone_tag)


def leave_mark(observed: Observed, desired: Desired) -> list[Action]:
    """Leave the request's mark, unless an earlier delivery has, and remove those that nobody needs any more."""
    actions: list[Action] = []
    mark = _mark(observed, desired)
    if observed.secret.tags.get(desired.place.request_tag) != mark:
        actions.append(TagSecret(desired.place.request_tag, mark))
    forgotten = _forgotten(observed, desired.place)
    return [*actions, UntagSecret(forgotten)] if forgotten else actions


def check_still_wanted(observed: Observed, desired: Desired) -> CheckStillWanted:
    """Check later that no other request has come since."""
    place = desired.place
    return CheckStillWanted(
        ((place.request_tag, _mark(observed, desired)), (place.tombstone_tag, tombstone(observed, place)))
    )


def _mark(observed: Observed, desired: Desired) -> str:
    left = observed.secret.tags.get(desired.place.request_tag)
    known = Mark.parse(left)
    return left if left and known and known.request_id == desired.request.request_id else str(desired.request)


def _forgotten(observed: Observed, place: Place) -> tuple[str, ...]:
    """Find the marks of other resources that were deleted long ago: a secret has room for fifty tags."""
    keys: list[str] = []
    for key, value in sorted(observed.secret.tags.items()):
        owner = key.removeprefix(TOMBSTONE_TAG_PREFIX)
        deleted = Mark.parse(value)
        if owner in (key, place.owner) or deleted is None:
            continue
        request_tag = REQUEST_TAG_PREFIX + owner
        done = Mark.parse(observed.secret.tags.get(request_tag))
        if deleted.time < observed.time - _NO_LONGER_DELIVERED and (done is None or done.time <= deleted.time):
            keys += [key, *([request_tag] if done else [])]
    return tuple(keys)
