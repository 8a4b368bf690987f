"""How a run over an organization grows: `python benchmarks/organization_size.py [ACCOUNTS ...]`.

The functions run as they are, on an organization in memory, in as many threads as the Distributed Map has children.
Each call of AWS takes a millisecond. Prints the time of an account relative to the first line, all of one process: 1.0
is linear; and how many accounts were looked at at the same time, which the bound must hold.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT / folder) for folder in ("tests", "lambda")]

from root_keys.guard_settings import deployed, settings  # noqa: E402
from root_keys.organization import Key, Member, Organization, forget_clients  # noqa: E402
from root_keys.state_machine import each_account, step  # noqa: E402

from root_access_keys import finish, start  # noqa: E402

_CONCURRENCY = 20
_SECONDS_A_CALL = 0.001


class Gauge:
    """Counts what goes on at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.most = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Count one more for a while."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


class SlowOrganization(Organization):
    """An organization whose calls take a while."""

    def answer(self, *arguments: object) -> object:
        """Answer a call."""
        time.sleep(_SECONDS_A_CALL)
        return super().answer(*arguments)  # type: ignore[arg-type]


def measure(accounts: int) -> tuple[float, int, int]:
    """Run over so many accounts; give the seconds, the calls, and the most accounts at the same time."""
    long_ago = datetime.now(UTC) - timedelta(days=400)
    members = {
        f"{number:012}": Member([Key(f"AKIA{number:012}", long_ago)] if number % 10 == 0 else [])
        for number in range(1, accounts + 1)
    }
    gauge = Gauge()
    # Each account takes a client of its own, as in the functions.
    forget_clients()
    with (
        SlowOrganization(members).installed() as organization,
        deployed(settings(at_once=True)),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        began = time.perf_counter()
        begun = step(start.handler, {"RunId": "run", "Input": {}})

        def look(account: dict[str, object]) -> None:
            with gauge():
                each_account(organization, account, begun["Run"])

        with ThreadPoolExecutor(_CONCURRENCY) as children:
            list(children.map(look, json.loads(organization.objects[begun["Accounts"]])))
        step(finish.handler, {"Start": begun})
        seconds = time.perf_counter() - began
    assert len(organization.deleted) == accounts // 10
    return seconds, len(organization.log), gauge.most


def main() -> None:
    """Measure and print."""
    sizes = [int(size) for size in sys.argv[1:]] or [200, 1000, 5000]
    measure(sizes[0])
    line = "{:>8}  {:>6}  {:>13}  {:>22}  {:>7}  {:>5}"
    print(line.format("accounts", "calls", "calls/account", "time/account, relative", "at once", "bound"))
    first = 0.0
    for size in sizes:
        seconds, calls, most = measure(size)
        first = first or seconds / size
        print(line.format(size, calls, f"{calls / size:.2f}", f"{seconds / size / first:.2f}", most, _CONCURRENCY))


if __name__ == "__main__":
    main()
