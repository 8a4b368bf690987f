"""Rules with a schedule: fired by the clock, or by a test that does not want to wait.

ministack looks every ten seconds for rules whose time has come, which makes a rate of a minute ten seconds long or
short. Nothing else is patched: rates and crons are its own.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
"""

from __future__ import annotations

import threading
from typing import Any

from ministack.services import eventbridge

from local_cloud.patches.events import targets
from local_cloud.patches.functions import invocations
from local_cloud.replacing import Function, replace_function, replace_number

_SECONDS_BETWEEN_LOOKS = 1
_LONG_AGO = 0.0

_tick = threading.Lock()


def apply() -> None:
    """Look more often, and never twice at once: a rule fires once for each time that comes."""
    replace_number(eventbridge, "_SCHEDULER_TICK_INTERVAL", _SECONDS_BETWEEN_LOOKS)
    replace_function(eventbridge, "_tick_scheduled_rules", "", _alone)


def fire(name: str) -> dict[str, Any] | None:
    """Fire an enabled rule with a schedule now, by its name or ARN; the time to the next one begins anew.

    Returns:
        By the name of each function that it invokes how many invocations of the function had ended before; None if
        there is no such rule.
    """
    with _tick:
        found = [
            (key, rule)
            for key, rule in eventbridge._rules._data.items()
            if name in (rule["Name"], rule["Arn"]) and rule["State"] == "ENABLED" and rule.get("ScheduleExpression")
        ]
        for key, _ in found:
            eventbridge._rule_last_fired[key] = _LONG_AGO
        ended = invocations.ended()
    eventbridge._tick_scheduled_rules()
    invoked = [
        target["Arn"].split(":")[6]
        for key, rule in found
        for target in eventbridge._targets._data.get(key, [])
        if target["Arn"].startswith("arn:aws:lambda:") and targets.may_invoke(rule, target)
    ]
    return {function: ended.get(function, 0) for function in invoked} if found else None


def _alone(original: Function) -> Function:
    def tick_scheduled_rules() -> None:
        with _tick:
            original()

    return tick_scheduled_rules
