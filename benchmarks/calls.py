"""Calls to AWS an operation, on the tests' account in memory: without those that prove a new key.

Prints for each operation the calls to IAM, Secrets Manager and STS against what is aimed at, and those to the ledger
beside the number of writes that they fence.
"""

from __future__ import annotations

import contextlib
import io
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT / part) for part in ("constructs", "lambda", "tests", ".")]

from support.stack import Stack  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

_PERIODS = {"GracePeriod": "3600", "RetentionPeriod": "86400"}
_AIMS = {"create": 9, "rotate": 11, "change the status": 5, "delete one key": 7, "daily check": 4}
_READS = ("List", "Describe", "Get", "AssumeRole")


def main() -> None:
    """Count, and print a line an operation."""
    print(f"{'operation':20}{'calls':>7}{'aim':>6}{'ratio':>8}{'writes':>9}{'ledger':>9}")
    for name, (prepare, act) in _OPERATIONS.items():
        with Stack.on_fake_account() as stack, contextlib.redirect_stdout(io.StringIO()):
            prepare(stack)
            stack.account.log.clear()
            act(stack)
            calls = [call.name for call in stack.account.log.calls()]
        own = [call for call in calls if call.split(":")[0] in {"iam", "secretsmanager", "sts"}]
        counted = [call for call in own if call != "sts:GetCallerIdentity"]
        writes = [call for call in counted if not call.split(":")[1].startswith(_READS)]
        ledger = [call for call in calls if call.startswith("dynamodb:")]
        aim = _AIMS[name]
        ratio = len(counted) / aim
        print(f"{name:20}{len(counted):>7}{aim:>6}{ratio:>8.2f}{len(writes):>9}{len(ledger):>9}")


def _deployed(stack: Stack) -> None:
    stack.deploy("1", **_PERIODS)


def _delete(stack: Stack) -> None:
    assert stack.deliver(stack.delete()) == "SUCCESS"


_OPERATIONS: dict[str, tuple[Callable[[Stack], object], Callable[[Stack], object]]] = {
    "create": (lambda _: None, _deployed),
    "rotate": (_deployed, lambda stack: stack.deploy("2", **_PERIODS)),
    "change the status": (_deployed, lambda stack: stack.deploy("1", **_PERIODS, Status="Inactive")),
    "delete one key": (_deployed, _delete),
    "daily check": (_deployed, lambda stack: stack.sweep(timedelta(days=1, minutes=5))),
}


if __name__ == "__main__":
    main()
