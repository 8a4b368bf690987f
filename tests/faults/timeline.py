"""Many requests at the same time, on a virtual clock: whoever waits lets the others go on, as on AWS."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from fakes.clock import VirtualClock

_SECONDS = 60


@dataclass
class Timeline:
    """Runs one worker at a time, the one whose wait is over first; chance decides between two at the same moment."""

    clock: VirtualClock
    chance: random.Random
    failures: list[BaseException] = field(default_factory=list)
    _wakes: dict[str, tuple[datetime, float]] = field(default_factory=dict)
    _running: str = ""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def run(self, workers: Mapping[str, Callable[[], Any]]) -> None:
        """Run the workers, who begin within a second.

        Raises:
            BaseException: what a worker raised.
        """
        self._wakes = {name: self._after(self.chance.random()) for name in workers}
        self._pass_on()
        with mock.patch.object(self.clock, "sleep", self._sleep):
            threads = [
                threading.Thread(target=self._work, args=(name, worker), name=name) for name, worker in workers.items()
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self.failures:
            raise self.failures[0]

    def _work(self, name: str, worker: Callable[[], Any]) -> None:
        try:
            with self._changed:
                self._await(name)
            worker()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self.failures.append(error)
        finally:
            with self._changed:
                del self._wakes[name]
                self._pass_on()

    def _sleep(self, seconds: float) -> None:
        name = threading.current_thread().name
        with self._changed:
            self._wakes[name] = self._after(seconds)
            self._pass_on()
            self._await(name)

    def _after(self, seconds: float) -> tuple[datetime, float]:
        return self.clock.now() + timedelta(seconds=max(0.0, seconds)), self.chance.random()

    def _pass_on(self) -> None:
        if self._wakes:
            self._running = min(self._wakes, key=lambda name: self._wakes[name])
            self.clock._now = self._wakes[self._running][0]
            with self._changed:
                self._changed.notify_all()

    def _await(self, name: str) -> None:
        while self._running != name:
            if not self._changed.wait(_SECONDS):
                raise TimeoutError(f"{name} never had its turn")
