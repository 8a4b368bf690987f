"""The state of the keys as a table, and lines below it.

What the function answers is shown as text and nothing else: a terminal obeys control characters.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

_COLUMNS = {
    "accessKeyId": "ACCESS KEY ID",
    "status": "STATUS",
    "state": "STATE",
    "created": "CREATED",
    "published": "PUBLISHED",
    "replaced": "REPLACED",
    "deactivated": "DEACTIVATED",
    "nextStep": "NEXT STEP",
    "lastUse": "LAST USE",
    "note": "NOTE",
}
_ALWAYS = ("accessKeyId", "status", "state")
_PREVIOUS = ("replaced", "inactive")


def printable(text: object) -> str:
    """Write a value as one line that a terminal shows and does not obey."""
    # Control characters, those that change the direction of writing, and line and paragraph separators.
    return "".join(character for character in str(text) if unicodedata.category(character) not in _OBEYED)


def status_table(report: Mapping[str, Any]) -> str:
    """Show the keys, one a line, with the columns that any of them has a value for."""
    keys = [key for key in _listed(report.get("keys")) if isinstance(key, dict)]
    columns = [name for name in _COLUMNS if name in _ALWAYS or any(key.get(name) is not None for key in keys)]
    rows = [tuple(_COLUMNS[name] for name in columns)]
    rows += [tuple(printable(key.get(name, "-")) for name in columns) for key in keys]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    title = f"user {printable(report.get('userName', '-'))}, secret {printable(report.get('secretArn', '-'))}"
    return "\n".join([title, *lines])


def remarks(report: Mapping[str, Any]) -> str:
    """Say what fails, who has the current key, what comes next, what an undo would do, and what was done last."""
    lines = []
    failing = report.get("failing")
    if isinstance(failing, dict):
        lines.append(f"failing since {printable(failing.get('since', '-'))}: {printable(failing.get('reason', '-'))}")
    for name, given in _members(report.get("acknowledged")):
        who = (
            f"{printable(given.get('accessKeyId', '-'))} at {printable(given.get('time', '-'))}" if given else "nothing"
        )
        lines.append(f"consumer {name} acknowledged {who}")
    for name, key in _members(report.get("deliveries")):
        lines.append(f"delivery to {name}: {printable(key) or 'none yet'}")
    if report.get("nextSweep") is not None:
        lines.append(f"next sweep: {printable(report['nextSweep'])}")
    if report.get("undoRestores") is not None:
        lines.append(f"undo: makes {printable(report['undoRestores'])} current again")
    else:
        lines.append(f"undo: refused, {printable(report.get('undoRefused', '-'))}")
    history = _listed(report.get("history"))
    if history:
        lines += ["history:", *(f"  {printable(line)}" for line in history)]
    return "\n".join(lines)


def active_previous_keys(report: Mapping[str, Any]) -> list[str]:
    """Name the keys that were replaced and are Active, also one that somebody has activated since its retirement."""
    keys = [key for key in _listed(report.get("keys")) if isinstance(key, dict) and key.get("status") == "Active"]
    return [printable(key.get("accessKeyId")) for key in keys if key.get("state") in _PREVIOUS]


def _members(value: object) -> list[tuple[str, Any]]:
    return [(printable(name), member) for name, member in value.items()] if isinstance(value, dict) else []


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


_OBEYED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
