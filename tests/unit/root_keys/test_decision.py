"""Every combination of what is known of a key and of what the run goes by, against the rules in other words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from root_access_keys.decision import Action, decide
from root_access_keys.model import LastUse, Mode, RootKey, Rules, UnknownUse

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WINDOWS = [timedelta(days=1), timedelta(days=90)]


def ages(window: timedelta) -> list[timedelta]:
    """Give ages around a window, and a date in the future."""
    return [-SECOND, timedelta(0), window - SECOND, window, window + SECOND, 10 * window]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_every_combination(window: timedelta) -> None:
    """Deleted: asked for, a use that is known, and neither the creation nor a use within the window."""
    tried = deleted = 0
    uses = [*ages(window), None, "unknown"]
    for mode, active, created, used in product(Mode, (True, False), ages(window), uses):
        key = RootKey("AKIAROOT", active, NOW - created)
        if used == "unknown":
            use: LastUse | UnknownUse = UnknownUse("ServiceFailure")
        else:
            use = LastUse(None if used is None else NOW - used, "s3", "us-east-1")  # type: ignore[operator]
        decision = decide(key, use, Rules(mode, window), NOW)
        young, used_lately = created < window, isinstance(used, timedelta) and used < window
        if mode is Mode.AUDIT:
            expected = Action.REPORT
        elif used == "unknown" or young or used_lately:
            expected = Action.KEEP
        else:
            expected = Action.DELETE
        assert decision.action is expected, (mode, active, created, used)
        assert decision.why
        tried, deleted = tried + 1, deleted + (expected is Action.DELETE)
    assert (tried, deleted) == (2 * 2 * 6 * 8, 2 * 3 * 4)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (LastUse(NOW - timedelta(days=3), "s3", "eu-west-1"), "last used 3 days ago with s3 in eu-west-1"),
        (LastUse(NOW - timedelta(days=1), "iam", "us-east-1"), "last used 1 day ago with iam in us-east-1"),
        (LastUse(None), "never used since it was created 100 days ago"),
        (UnknownUse("GetAccessKeyLastUsed: ServiceFailure"), "its last use is not known: GetAccessKeyLastUsed: Serv"),
    ],
)
def test_the_reason_names_who_uses_it(use: LastUse | UnknownUse, words: str) -> None:
    """With the service, the Region and how long ago."""
    key = RootKey("AKIAROOT", active=True, created=NOW - timedelta(days=100))
    assert words in decide(key, use, Rules(Mode.DELETE_UNUSED, timedelta(days=90)), NOW).why
