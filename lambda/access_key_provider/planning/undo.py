"""Going back to the previous key. Pure functions, as in `deployment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import AddLabel, LookAgain, SetStatus, Tell
from access_key_provider.model.errors import NothingToUndoError
from access_key_provider.model.ownership import current_key
from access_key_provider.model.records import format_time
from access_key_provider.model.retirement_record import BY_UNDO, retirement_of
from access_key_provider.model.state import ACTIVE
from access_key_provider.planning.deployment import make_current, next_label, put_aside
from access_key_provider.planning.precedence import check_no_request
from access_key_provider.planning.retirement import replaced_keys, supersede

if TYPE_CHECKING:
    from datetime import datetime

    from access_key_provider.model.actions import Action
    from access_key_provider.model.ownership import OwnedKey
    from access_key_provider.model.registration import Registration
    from access_key_provider.model.state import Observed

RESTORED = "Access Key Restored"


def plan_undo(observed: Observed, managed: Registration, *, alarm: datetime | None = None) -> list[Action]:
    """Make the previous key Active and current again; the look after it deactivates the key that was current.

    The restored key becomes the key of the serial that is deployed, so that the next deployment does not bring the bad
    one back.

    Args:
        observed: what is seen.
        managed: the key.
        alarm: when the alarm went off that asks, None if a person does: for an alarm, only a switch is undone that came
            before it, and only within the grace period.

    Raises:
        NothingToUndoError: there is no key to go back to; the message says why.
    """
    place = managed.place
    bad, good = _current(observed, managed), previous_key(observed, managed, alarm=alarm)
    assert good.version is not None  # noqa: S101 - a proven key has a version
    label = next_label(observed, place, managed.serial_digest)
    labelled = good.generation_of(managed.serial_digest) == label.generation - 1
    return [
        *([] if good.active else [SetStatus(good.id, ACTIVE)]),
        *supersede(observed, place, managed.policy, BY_UNDO),
        *([] if labelled else [AddLabel(good.version.id, str(label))]),
        check_no_request(observed, place),
        *make_current(observed, good.version.id),
        Tell(
            RESTORED,
            (
                ("accessKeyId", good.id),
                ("replacedAccessKeyId", bad.id),
                ("userName", place.user_name),
                ("secretArn", place.secret_arn),
                ("by", "alarm" if alarm else "operator"),
            ),
        ),
        LookAgain(),
    ]


def previous_key(observed: Observed, managed: Registration, *, alarm: datetime | None = None) -> OwnedKey:
    """Find the key that was current before the current one.

    Raises:
        NothingToUndoError: there is none, or not any more.
    """
    place = managed.place
    current = _current(observed, managed)
    if managed.inactive:
        raise NothingToUndoError("the template declares the key Inactive: nobody uses it, deploy it Active first")
    replaced = replaced_keys(observed, place)
    earlier = [key for key in replaced if _came_before(observed, managed, key, current)]
    if not earlier:
        records = ((key.id, retirement_of(observed, place, key.id)) for key in replaced)
        for key_id, taken_back in records:
            if taken_back and taken_back.by == BY_UNDO:
                raise NothingToUndoError(
                    f"{key_id} was taken back by an undo at {format_time(taken_back.replaced)}, and {current.id} is "
                    "current again: to get another key, deploy a new serial"
                )
        raise NothingToUndoError(f"{current.id} is the only key: none was replaced, or it is deleted already")
    found = earlier[-1]
    if alarm:
        _require_cause(observed, managed, found, alarm)
    return found


def _require_cause(observed: Observed, managed: Registration, found: OwnedKey, alarm: datetime) -> None:
    """Refuse an alarm that is not about the current key, or comes when the previous one may be forgotten."""
    record = retirement_of(observed, managed.place, found.id)
    if record is None or observed.time >= record.replaced + managed.policy.time_active:
        raise NothingToUndoError(f"the grace period of {found.id} is over: an alarm no longer goes back to it")
    if alarm < record.replaced:
        raise NothingToUndoError(
            f"the alarm went off at {format_time(alarm)}, before {found.id} was replaced at "
            f"{format_time(record.replaced)}: it is not about the key that is current now"
        )


def _came_before(observed: Observed, managed: Registration, key: OwnedKey, current: OwnedKey) -> bool:
    """Leave out keys that a rollback or an undo has replaced. A crash may have given a key its new label already."""
    if put_aside(observed, managed.place, key):
        return False
    taking_back = retirement_of(observed, managed.place, current.id)
    return key.generation < current.generation or (taking_back is not None and taking_back.by == BY_UNDO)


def _current(observed: Observed, managed: Registration) -> OwnedKey:
    current = current_key(observed, managed.place)
    if current is None:
        raise NothingToUndoError(
            "the value that is current was not written by this key, or its key is gone: deploy a new serial instead"
        )
    return current
