"""Twenty keys of twenty users at the same time, on an account that allows so many calls a second and no more."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from fakes.faults import THROTTLED
from faults.neighbours import Resource
from faults.stack import Stack
from faults.test_races import answers_to, handler
from faults.timeline import Timeline

from lambda_shared import aws_calls
from local_cloud.invariants import Expected, violations

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fakes.calls import Call

RESOURCES = 20


@dataclass
class Bucket:
    """A token bucket, as IAM limits calls with: an account's calls to a service have one together."""

    service: str
    rate: float
    size: float
    refilled: datetime
    tokens: float = 0.0
    refused: int = 0

    def take(self, call: Call) -> None:
        """Take a token for a call. Raises ClientError if there is none."""
        if call.service != self.service:
            return
        passed = (call.time - self.refilled).total_seconds()
        self.tokens, self.refilled = min(self.size, self.tokens + passed * self.rate), call.time
        if self.tokens < 1:
            self.refused += 1
            error = THROTTLED.make(call)
            assert error
            raise error
        self.tokens -= 1


def at_once(
    stack: Stack, timeline: Timeline, resources: list[Resource], kind: str, serial: str
) -> tuple[list[str], list[float]]:
    """Make a request for each resource at once; return the answers, and how many seconds each took."""
    events = {resource.user: resource.event(kind, serial) for resource in resources}
    took: list[float] = []

    def timed(handle: Callable[[], None]) -> Callable[[], None]:
        def work() -> None:
            begin = stack.account.clock.now()
            handle()
            took.append((stack.account.clock.now() - begin).total_seconds())

        return work

    timeline.run({user: timed(handler(stack, event)) for user, event in events.items()})
    answers = [answer for event in events.values() for answer in answers_to(stack, event)]
    assert len(answers) == len(resources)
    return [f"{answer['Status']} {answer['Reason']}".strip() for answer in answers], took


@pytest.mark.parametrize("seed", range(5))
def test_twenty_keys_at_once_under_throttling(seed: int, record_property: Callable[[str, object], None]) -> None:
    """All are created, rotated and deleted at the first go, in time, though every other call is refused."""
    chance = random.Random(seed)
    with Stack.on_fake_account() as stack, mock.patch.object(aws_calls, "random", chance):
        account = stack.account
        resources = [
            Resource(stack, f"Key{number}", "shop", f"user-{number}", account.person.make_secret(f"shop/{number}"))
            for number in range(RESOURCES)
        ]
        for resource in resources:
            account.person.make_user(resource.user)
        buckets = [
            Bucket("iam", 4, 8, account.clock.now()),
            Bucket("secretsmanager", 8, 16, account.clock.now()),
        ]
        account.before += [bucket.take for bucket in buckets]
        timeline = Timeline(account.clock, chance)
        iam, secrets = account.client("iam"), account.client("secretsmanager")
        for kind, serial, status in (("Create", "1", "Active"), ("Update", "2", "Active"), ("Delete", "2", None)):
            answers, took = at_once(stack, timeline, resources, kind, serial)
            assert answers == ["SUCCESS"] * RESOURCES
            record_property(f"slowest {kind}", round(max(took)))
            stack.check_always()
            for resource in resources:
                assert violations(iam, secrets, Expected(resource.user, resource.secret_arn, status)) == []
        record_property("refused", sum(bucket.refused for bucket in buckets))
        record_property("sent", len(account.log.entries))
        assert sum(bucket.refused for bucket in buckets) > len(account.log.entries) / 4
