"""Twenty keys of twenty users, on an account that allows so many calls a second and no more."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from fakes.faults import THROTTLED
from support.stack import Stack

from lambda_shared import aws_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fakes.calls import Call

KEYS = 20


@dataclass
class Bucket:
    """A token bucket, as AWS limits calls with: an account's calls to a service have one together."""

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


@pytest.mark.parametrize("seed", range(2))
def test_twenty_keys_under_throttling(seed: int, record_property: Callable[[str, object], None]) -> None:
    """All are created, rotated and deleted at the first go, though every fourth call is refused, the ledger's too."""
    with Stack.on_fake_account() as stack, mock.patch.object(aws_calls, "random", random.Random(seed)):
        account = stack.account
        buckets = [
            Bucket("iam", 0.7, 1, account.clock.now()),
            Bucket("secretsmanager", 0.7, 1, account.clock.now()),
            Bucket("dynamodb", 4, 4, account.clock.now()),
        ]
        secrets = [account.person.make_secret(f"shop/{number}") for number in range(KEYS)]
        for number in range(KEYS):
            account.person.make_user(f"user{number}")
        account.before += [bucket.take for bucket in buckets]
        for kind, serial in (("Create", "1"), ("Update", "2"), ("Delete", "2")):
            for number, secret_arn in enumerate(secrets):
                name = f"user{number}"
                properties = stack.properties(serial, UserName=name, SecretArn=secret_arn)
                physical_id = None if kind == "Create" else f"{name}@{secret_arn}"
                old = stack.properties("1", UserName=name, SecretArn=secret_arn) if kind == "Update" else None
                event = stack.event(kind, properties, physical_id, old, logical_id=f"Key{number}")
                assert stack.deliver(event, after=0) == "SUCCESS", stack.answers[-1]
        stack.check_always()
        assert all(stack.keys(f"user{number}") == {} for number in range(KEYS))
        refused = sum(bucket.refused for bucket in buckets)
        record_property("refused", refused)
        assert refused > len(account.log.entries) / 8
