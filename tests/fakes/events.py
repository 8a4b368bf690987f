"""EventBridge: what was put on the default bus.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.state import State

_REQUIRED = ("Source", "DetailType", "Detail")


def put_events(state: State, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Take events; one that lacks something, or whose detail is no JSON object, fails by itself."""
    answers: list[dict[str, str]] = []
    for entry in parameters["Entries"]:
        missing = [name for name in _REQUIRED if not entry.get(name)]
        if missing:
            message = f"Parameter {missing[0]} is not valid. Reason: {missing[0]} is a required argument."
            answers.append({"ErrorCode": "InvalidArgument", "ErrorMessage": message})
        elif _is_object(entry["Detail"]):
            state.events.append(entry)
            answers.append({"EventId": f"event-{len(state.events)}"})
        else:
            answers.append({"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."})
    state.changed()
    return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
