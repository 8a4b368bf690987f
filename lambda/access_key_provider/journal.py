"""One JSON line for what happened: the log of the function. Never an event, a response URL or a secret."""

from __future__ import annotations

import json


def record(message: str, **fields: str | float | None) -> None:
    """Write a line to standard output, which Lambda keeps as the log."""
    print(json.dumps({"message": message, **fields}), flush=True)
