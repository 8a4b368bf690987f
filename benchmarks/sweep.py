"""How the sweep grows: with what is due, not with what is there. On the tests' account in memory.

Puts 10, 1,000 and 10,000 entries into a ledger of which ten are due, and prints the processor time and the calls of one
sweep, as ratios to the smallest.
"""

from __future__ import annotations

import contextlib
import copy
import io
import sys
import time
from datetime import timedelta
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT / part) for part in ("constructs", "lambda", "tests", ".")]

from support.stack import Stack  # noqa: E402

_SIZES = (10, 1_000, 10_000)
_DUE = 10
_ROUNDS = 3


def main() -> None:
    """Measure, and print a line a size."""
    print(f"{'entries':>8}{'due':>5}{'swept':>7}{'calls':>7}{'time':>10}{'ratio':>8}")
    smallest = 0.0
    for size in _SIZES:
        seconds, calls, swept = min(_measured(size) for _ in range(_ROUNDS))
        smallest = smallest or seconds
        print(f"{size:>8}{_DUE:>5}{swept:>7}{calls:>7}{seconds * 1000:>8.1f}ms{seconds / smallest:>8.2f}")


def _measured(size: int) -> tuple[float, int, int]:
    """Give the processor time, the number of calls, and how many entries were swept."""
    with Stack.on_fake_account() as stack, contextlib.redirect_stdout(io.StringIO()):
        _fill(stack, size)
        stack.account.log.clear()
        started = time.process_time()
        result = stack.sweep(timedelta(minutes=5))
        return time.process_time() - started, len(stack.account.log.calls()), result["swept"]


def _fill(stack: Stack, size: int) -> None:
    """Deploy ten keys that are due, and write entries like theirs that are due next year."""
    secrets = []
    for number in range(_DUE):
        stack.account.person.make_user(f"user{number}")
        secrets.append(stack.account.person.make_secret(f"shop/{number}"))
        properties = stack.properties(UserName=f"user{number}", SecretArn=secrets[-1])
        assert stack.deliver(stack.event("Create", properties, None, logical_id=f"Key{number}")) == "SUCCESS"
    stack.account.clock.sleep(timedelta(days=1).total_seconds())
    client = stack.account.client("dynamodb")
    item = stack.account.entries()[secrets[0]]
    for number in range(size - _DUE):
        other = copy.deepcopy(item)
        other["secretArn"] = {"S": f"{secrets[0]}-{number}"}
        other["due"] = {"N": "1830000000"}
        client.put_item(TableName="ledger", Item=other)


if __name__ == "__main__":
    main()
