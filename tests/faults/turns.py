"""A scheduler: two requests in two threads, of which one runs at a time, and who runs is decided call by call."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fakes.aws import FakeAccount

Schedule = list[tuple[str, int | None]]

_SECONDS = 20


@dataclass
class Turns:
    """Whose turn it is. A turn is a worker and how many calls it may make; None is all it wants."""

    schedule: Schedule
    finished: set[str] = field(default_factory=set)
    failures: list[BaseException] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def before_call(self, _call: object) -> None:
        """Wait for a turn, and use one call of it up."""
        name = threading.current_thread().name
        with self.changed:
            self._await(name)
            worker, calls = self.schedule[0]
            self.schedule[0] = worker, None if calls is None else calls - 1

    def begin(self) -> None:
        """Wait for the first turn."""
        with self.changed:
            self._await(threading.current_thread().name)

    def finish(self) -> None:
        """Leave the field to the others."""
        with self.changed:
            self.finished.add(threading.current_thread().name)
            self.changed.notify_all()

    def _await(self, name: str) -> None:
        while True:
            while self.schedule and (self.schedule[0][0] in self.finished or self.schedule[0][1] == 0):
                self.schedule.pop(0)
                self.changed.notify_all()
            if not self.schedule or self.schedule[0][0] == name:
                if not self.schedule:
                    self.schedule.append((name, None))
                return
            if not self.changed.wait(_SECONDS):
                raise TimeoutError(f"{name} never had its turn")


def run(account: FakeAccount, schedule: Sequence[tuple[str, int | None]], **workers: Callable[[], Any]) -> None:
    """Run the workers, each in a thread of its name, as the schedule says.

    Raises:
        BaseException: what a worker raised.
    """
    turns = Turns(list(schedule))
    account.before.append(turns.before_call)

    def work(worker: Callable[[], Any]) -> None:
        try:
            turns.begin()
            worker()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            turns.failures.append(error)
        finally:
            turns.finish()

    threads = [threading.Thread(target=work, args=(worker,), name=name) for name, worker in workers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    account.before.remove(turns.before_call)
    if turns.failures:
        raise turns.failures[0]
