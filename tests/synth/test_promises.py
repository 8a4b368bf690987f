"""What others depend on changes on purpose only: it is compared with what was promised before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from synth.promises import MEANINGS, Promises, promises

PROMISED = Path(__file__).with_name("promises.json")
RECORD = "RECORD_PROMISES=1 make test ARGS=tests/synth/test_promises.py"


def breaches(promised: Promises, now: Promises) -> str:
    """Say what is no longer as it was promised, and what that does; empty if all is."""
    lines = []
    for kind, meaning in MEANINGS.items():
        was, is_ = promised.get(kind, {}), now[kind]
        lost = [f"  gone: {name} ({was[name]})" for name in was if name not in is_]
        other = [
            f"  changed: {name} was {was[name]}, is {is_[name]}"
            for name in was
            if is_.get(name, was[name]) != was[name]
        ]
        if lost or other:
            lines += [f"*breaking* {kind}: {meaning}", *lost, *other]
    if lines:
        lines.append(f"If that is meant, CHANGELOG.md says so and the version says so; then record it: {RECORD}")
    return "\n".join(lines)


def unrecorded(promised: Promises, now: Promises) -> str:
    """Say what is new and not promised yet; empty if nothing is."""
    new = [f"  {kind}: {name}" for kind, found in now.items() for name in found if name not in promised.get(kind, {})]
    return "\n".join([f"new, which breaks nobody; record it: {RECORD}", *new]) if new else ""


def test_nothing_that_others_depend_on_has_changed(tmp_path: Path) -> None:
    """A logical id, a property, an attribute, a name, a parameter, an event's member."""
    now = promises(tmp_path)
    if os.environ.get("RECORD_PROMISES"):
        PROMISED.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", "utf-8")
    promised = json.loads(PROMISED.read_text("utf-8"))
    broken = breaches(promised, now)
    assert not broken, broken
    added = unrecorded(promised, now)
    assert not added, added


@pytest.mark.parametrize("kind", MEANINGS)
def test_a_change_is_called_breaking_and_says_what_it_does(kind: str) -> None:
    """Each kind has its own consequence for those who have deployed it."""
    promised: Promises = {each: {"same": "one", "lost": "one", "other": "one"} for each in MEANINGS}
    now: Promises = {**promised, kind: {"same": "one", "other": "two", "new": "one"}}
    lines = breaches(promised, now).splitlines()
    assert lines[:3] == [
        f"*breaking* {kind}: {MEANINGS[kind]}",
        "  gone: lost (one)",
        "  changed: other was one, is two",
    ]
    assert breaches(promised, promised) == ""
    assert unrecorded(promised, now).splitlines()[1:] == [f"  {kind}: new"]
