"""The first step and the last, whatever comes in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo import expectations as expect
from demo.account import TOOLKIT_STACK
from demo.steps import Step
from local_cloud.cloud import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.driver import Driver
    from demo.expectations import Expectation


def opening(driver: Driver) -> Step:
    """Prepare the account."""

    def bootstrap() -> Iterator[Expectation]:
        driver.bootstrap()
        yield expect.stack_is(driver.account.stack_status(TOOLKIT_STACK), "CREATE_COMPLETE")

    return Step("Bootstrap", "Prepare the account for CDK deployments, once.", bootstrap)


def closing(driver: Driver) -> Step:
    """Go through the record of API calls, and search everything that was written for secrets."""

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
        yield expect.nobody_else_read_the_secret(calls, reader=ADMINISTRATOR[0])
        yield expect.every_secret_is_known(calls, keyring.ids)
        yield expect.no_secret_was_found(keyring.leaks(written))

    explanation = "Go through the record of API calls; search all that was written for secrets, plain and in base64."
    return Step("Look back", explanation, look_back)
