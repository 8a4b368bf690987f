"""One step after the other, up to the first expectation that does not hold; and the first step and the last."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo import expectations as expect
from demo.account import TOOLKIT_STACK
from demo.driver import UnmetError
from local_cloud.cloud import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from demo.account import Account
    from demo.driver import Driver
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


def opening(driver: Driver) -> Step:
    """Prepare the account."""

    def bootstrap() -> Iterator[Expectation]:
        driver.bootstrap()
        yield expect.stack_is(driver.account.stack_status(TOOLKIT_STACK), "CREATE_COMPLETE")

    return Step("Bootstrap", "Prepare the account for CDK deployments, once.", bootstrap)


def closing(driver: Driver, renewing: Account) -> Step:
    """Go through the record of API calls, and search everything that was written for secrets.

    Args:
        driver: Of a stack whose secret nobody reads.
        renewing: The stack whose user reads its own secret, if it was deployed.
    """

    def look_back() -> Iterator[Expectation]:
        calls, keyring, written = driver.cloud.calls(), driver.records.keyring, driver.records.written()
        driver.report.facts(
            {
                "API calls": f"{len(calls)}",
                "Searched for": f"{len(keyring.ids)} secret access keys",
                "Searched in": f"{len(written)} texts and files, {sum(map(len, written.values())) // 1000} kB",
            }
        )
        yield expect.keys_were_deactivated_first(calls)
        yield expect.nobody_else_read_the_secret(calls, reader=ADMINISTRATOR[0], renewing=renewing.user_name)
        yield expect.every_secret_is_known(calls, keyring.ids)
        yield expect.no_secret_was_found(keyring.leaks(written))

    explanation = "Go through the record of API calls; search all that was written for secrets, plain and in base64."
    return Step("Look back", explanation, look_back)
