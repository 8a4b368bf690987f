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
        refusal: the error with which Lambda answers instead of running it; empty if it runs.
        wakes_in: seconds from the first call until there is no `refusal` any more; None if there is one for good.
        has: the key that the consumer has; empty if none.
        calls: what it got.
        runs_until: when the last call ends.
        overlaps: how often it was called while it was running.
        woken: when it runs again.
    """

    seconds: float = 0.0
    error: str = ""
    refusal: str = ""
    wakes_in: float | None = None
    has: str = ""
    calls: list[dict[str, str]] = field(default_factory=list)
    runs_until: datetime | None = None
    overlaps: int = 0
    woken: datetime | None = None

    def refuses(self, now: datetime) -> bool:
        """Tell whether Lambda does not run it yet; the first call wakes it."""
        if self.woken is None and self.wakes_in is not None:
            self.woken = now + timedelta(seconds=self.wakes_in)
        return bool(self.refusal) and (self.woken is None or now < self.woken)


def invoke(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Run a function."""
    function = state.functions.get(parameters["FunctionName"])
    if function is None:
        raise ServiceError("ResourceNotFoundException", f"Function not found: {parameters['FunctionName']}")
    now = state.clock.now()
    if function.refuses(now):
        raise ServiceError(function.refusal, "Lambda does not run the function.")
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
