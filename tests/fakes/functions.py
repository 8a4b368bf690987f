"""Lambda: functions of the app that bring a key to a consumer.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from fakes.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.state import State

Answer = dict[str, Any]

_WAITS = 40.0


@dataclass(slots=True)
class Function:
    """A function, and what it has brought to its consumer.

    Attributes:
        seconds: how long a call runs, answered or not.
        error: what it raises once it has done its work; empty if nothing.
        has: the key that the consumer has; empty if none.
        calls: what it got.
        runs_until: when the last call ends.
        overlaps: how often it was called while it was running.
    """

    seconds: float = 0.0
    error: str = ""
    has: str = ""
    calls: list[dict[str, str]] = field(default_factory=list)
    runs_until: datetime | None = None
    overlaps: int = 0


def invoke(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Run a function."""
    function = state.functions.get(parameters["FunctionName"])
    if function is None:
        raise ServiceError("ResourceNotFoundException", f"Function not found: {parameters['FunctionName']}")
    now = state.clock.now()
    function.overlaps += bool(function.runs_until and now < function.runs_until)
    function.runs_until = now + timedelta(seconds=function.seconds)
    # Whoever is answered has waited for it.
    state.clock.sleep(min(function.seconds, _WAITS))
    payload: dict[str, str] = json.loads(parameters["Payload"])
    function.calls.append(payload)
    function.has = payload["accessKeyId"]
    state.changed()
    if function.error:
        answer = {"errorMessage": "the secret is not told", "errorType": function.error}
        return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(answer).encode())}
    return {"StatusCode": 200, "Payload": io.BytesIO(b"null")}
