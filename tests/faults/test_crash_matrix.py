"""Every operation of every caller, every call in it, every fault, every way that it goes on afterwards.

`make test` tries one fault of each class that the code can tell apart, and each outcome in two ways, in turn; `make
thorough` tries all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.faults import CONNECTION_LOST
from faults.matrix import Matrix
from faults.operations import OPERATIONS
from support.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stack import Operation

    Record = Callable[[str, object], None]

_SHOWN = 10


def tried(operation: Operation, record_property: Record, *, thorough: bool) -> None:
    """Try the matrix of an operation, and report how much that was."""
    matrix = Matrix(operation, thorough=thorough)
    matrix.run()
    for name in ("calls", "injected", "runs"):
        record_property(name, getattr(matrix, name))
    record_property("bytes searched", matrix.scanner.length)
    assert matrix.failures == [], "\n".join([f"{len(matrix.failures)} fail:", *matrix.failures[:_SHOWN]])
    assert matrix.runs > matrix.calls, "little was tried"
    assert matrix.scanner.length > 10_000, "little was searched"


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_crash_matrix(operation: Operation, record_property: Record) -> None:
    """Whatever fails wherever, and whatever comes then: no key is lost, is too many, or leaks."""
    tried(operation, record_property, thorough=False)


@pytest.mark.thorough
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_whole_crash_matrix(operation: Operation, record_property: Record) -> None:
    """The same with every fault, for a call and for as long as the process lives, in every way."""
    tried(operation, record_property, thorough=True)


def test_create_access_key_is_sent_once() -> None:
    """It has no idempotency token: a second attempt would make a second key, whose loss nobody would notice."""
    with Stack.on_fake_account() as stack:
        stack.deploy("1")
        stack.account.log.clear()
        stack.account.fail(CONNECTION_LOST, "iam:CreateAccessKey", phase="after")
        properties = stack.properties("2")
        assert stack.deliver(stack.update(properties)) == "SUCCESS"
        creations = [entry for entry in stack.account.log.entries if entry.name == "iam:CreateAccessKey"]
        assert len(creations) == 2, "the first answer was lost, the second call made the key"
        between = range(creations[0].index, creations[1].index)
        assert "iam:DeleteAccessKey" in [stack.account.log.calls()[index].name for index in between]
        # The sweep ends the attempt, once no key of it can come to light any more.
        stack.sweep()
        stack.check_deployed(properties)
