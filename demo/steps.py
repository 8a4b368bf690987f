"""One step after the other, up to the first expectation that does not hold."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo.driver import UnmetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from demo.expectations import Expectation
    from demo.records import Records
    from demo.report import Report


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a journey: its title, what happens and why, and the deed, which says what it expects."""

    title: str
    explanation: str
    deed: Callable[[], Iterator[Expectation]]


def take(steps: Sequence[Step], records: Records, report: Report) -> bool:
    """Take steps up to the first expectation that does not hold; tell whether all hold."""
    for step in steps:
        started, lines_before = time.monotonic(), len(records.notes.log)
        report.step(step.title, step.explanation, of=len(steps))
        try:
            _take(step, report)
        except UnmetError as unmet:
            _explain(unmet, records, report, records.notes.log[lines_before:])
            return False
        report.step_took(time.monotonic() - started)
    report.summary()
    return True


def _take(step: Step, report: Report) -> None:
    for expectation in step.deed():
        if not expectation.holds:
            raise UnmetError(expectation)
        report.holds(expectation)


def _explain(unmet: UnmetError, records: Records, report: Report, log: Sequence[str]) -> None:
    redacted = records.keyring.redacted
    report.does_not_hold(unmet.expectation)
    report.evidence("The function's log of this step", [redacted(line) for line in log])
    if unmet.output:
        report.evidence("The end of what the command wrote", redacted(unmet.output).splitlines())
    report.failed_step(unmet.expectation)
