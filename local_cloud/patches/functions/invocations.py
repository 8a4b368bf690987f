"""How often each function has run to its end, so that a test can wait for the end of one that nobody answers to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ministack.services import lambda_svc

from local_cloud.replacing import Function, replace_function

_ended: Counter[str] = Counter()


def apply() -> None:
    """Count every invocation, whoever asks for it; a retry counts again."""
    replace_function(lambda_svc, "_execute_function", "func event", _counting)


def ended() -> dict[str, int]:
    """Give the number of ended invocations by the function's name."""
    return dict(_ended)


def _counting(original: Function) -> Function:
    def execute_function(func: dict[str, Any], event: dict[str, Any]) -> Any:
        try:
            return original(func, event)
        finally:
            _ended[(func.get("config") or func)["FunctionName"]] += 1

    return execute_function
