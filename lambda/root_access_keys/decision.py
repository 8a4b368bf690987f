"""What is to become of a root access key. Pure functions: no clock, no AWS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from root_access_keys.model import Mode, UnknownUse

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from root_access_keys.model import LastUse, RootKey, Rules


class Action(Enum):
    """What to do about a key."""

    REPORT = auto()
    KEEP = auto()
    DELETE = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a key, and why, in words for whoever reads the result."""

    action: Action
    why: str


def decide(key: RootKey, use: LastUse | UnknownUse, rules: Rules, now: datetime) -> Decision:
    """Decide what becomes of a key.

    It is deleted only where the rules say so, and only if its last use is known and longer ago than they ask. One that
    was never used counts from its creation: it may be meant for a use that is still to come. Active or Inactive makes
    no difference, since nobody but the root user could deactivate it first.

    Args:
        key: the key.
        use: when it was last used.
        rules: what the run goes by.
        now: the time.
    """
    told = _told(key, use, now)
    if rules.mode is not Mode.DELETE_UNUSED:
        return Decision(Action.REPORT, told)
    if isinstance(use, UnknownUse):
        return Decision(Action.KEEP, told)
    last = key.created if use.at is None else max(use.at, key.created)
    if now - last < rules.unused_for:
        return Decision(Action.KEEP, f"{told}: not yet {_days(rules.unused_for)}")
    return Decision(Action.DELETE, told)


def _told(key: RootKey, use: LastUse | UnknownUse, now: datetime) -> str:
    if isinstance(use, UnknownUse):
        return f"its last use is not known: {use.why}"
    if use.at is None:
        return f"never used since it was created {_days(now - key.created)} ago"
    return f"last used {_days(now - use.at)} ago with {use.service or 'an unknown service'} in {use.region or 'N/A'}"


def _days(time: timedelta) -> str:
    return "1 day" if time.days == 1 else f"{max(time.days, 0)} days"
