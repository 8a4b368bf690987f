"""What comes after callers have met: what each does with its answer, sweeps, and what must hold then."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from faults.interleavings.situations import OWN_VALUE
from support.stack import STEPS, TOKEN

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from faults.interleavings.turns import Caller, Race
    from support.stack import Event, Properties, Stack

_MINUTES = timedelta(minutes=5)
_A_DAY = timedelta(days=1)
_KEY_TYPE = "Custom::IAMAccessKey"


class KeyWatch:
    """Looks after each call whether AWSCURRENT names a key that exists and is Active."""

    def __init__(self, stack: Stack) -> None:
        """Begin to look; `broken` is what was seen."""
        self._stack = stack
        self.broken: list[str] = []
        stack.account.after.append(self._look)

    def _look(self, call: Any) -> None:
        if call.service not in {"iam", "secretsmanager"}:
            return
        state = self._stack.account.state
        secret = state.secrets[self._stack.secret_arn]
        value = secret.versions[secret.labels.value["AWSCURRENT"]].value
        key_id = (re.findall("AKIA[A-Z0-9]{16}", value or "") or ["nothing"])[0]
        key, _ = state.keys.get(key_id, (None, None))
        status = key.status.value if key else None
        if status != "Active":
            self.broken.append(f"after {call}: current key {key_id} is {status or 'deleted'}")


def requests_in(race: Race) -> list[Event]:
    """List what CloudFormation asked of the key in a race, in the order it asked, each once."""
    events = [caller.event for caller in race.callers.values() if caller.event.get("ResourceType") == _KEY_TYPE]
    return sorted({event["RequestId"]: event for event in events}.values(), key=lambda event: event["RequestId"])


def answers_to(stack: Stack, event: Event) -> list[dict[str, Any]]:
    """List what a request was answered, first answer first."""
    return [answer for answer in stack.answers if answer["RequestId"] == event["RequestId"]]


def declared_after(stack: Stack, race: Race) -> Properties | None:
    """Do what CloudFormation does after its answers, and return what it takes for deployed then.

    A request that was not answered is one that failed, by CloudFormation's own timeout.
    """
    requests = requests_in(race)
    if not requests:
        return stack.known[1] if stack.known else None
    last = requests[-1]
    answers = answers_to(stack, last)
    succeeded = bool(answers) and answers[0]["Status"] == "SUCCESS"
    if last["RequestType"] == "Delete":
        if not succeeded:
            assert stack.deliver(last) == "SUCCESS", stack.answers[-1]
        return None
    properties: Properties = last["ResourceProperties"]
    if succeeded:
        stack.known = answers[0]["PhysicalResourceId"], properties
        return properties
    if stack.known is None:
        physical_id = answers[0]["PhysicalResourceId"] if answers else "shop-Key-1ASDFGHJKLZX"
        assert stack.deliver(stack.event("Delete", properties, physical_id)) == "SUCCESS", stack.answers[-1]
        return None
    back = stack.event("Update", stack.known[1], stack.known[0], properties)
    if stack.deliver(back) != "SUCCESS":
        # An operator who undoes and rotates while a deployment waits has the key removed that its rollback needs.
        assert any(caller.event.get("Operation") == "Rotate" for caller in race.callers.values()), stack.answers[-1]
        assert "IAM allows 2" in stack.answers[-1]["Reason"], stack.answers[-1]
        stack.sweep_for(2 * _A_DAY)
        assert stack.deliver(back) == "SUCCESS", stack.answers[-1]
    return stack.known[1]


def go_on(stack: Stack, race: Race) -> None:
    """Let Secrets Manager go on with its steps, Lambda repeat an alarm, and CloudFormation a cut-over."""
    callers = list(race.callers.values())
    if stack.entry.get("rotation") or any("Step" in caller.event for caller in callers):
        _rotate_on(stack)
    for caller in callers:
        if caller.event.get("Operation") == "AlarmUndo" and caller.error is not None:
            stack.account.clock.sleep(60)
            _quietly(stack, caller.event)
        cut_over = caller.event.get("ResourceType", _KEY_TYPE) != _KEY_TYPE
        if cut_over and not any(answer["Status"] == "SUCCESS" for answer in answers_to(stack, caller.event)):
            assert stack.deliver(caller.event) == "SUCCESS", stack.answers[-1]


def _rotate_on(stack: Stack) -> None:
    """Let Secrets Manager try the rotation again, and a day later; one that fails then does not block the next."""
    if _reattempted(stack):
        return
    stack.sweep_for(_A_DAY + _MINUTES * 2, every=timedelta(hours=6))
    assert _reattempted(stack) or _may_begin(stack, "f" * 32), "Secrets Manager can't rotate any more"


def _reattempted(stack: Stack) -> bool:
    if not _may_begin(stack, TOKEN):
        return False
    event = stack.begin_rotation()
    return all(_quietly(stack, event(step)) for step in STEPS)


def _may_begin(stack: Stack, token: str) -> bool:
    labels = stack.account.state.secrets[stack.secret_arn].labels.value
    return labels.get("AWSPENDING") in {None, token, labels.get("AWSCURRENT")}


def _quietly(stack: Stack, event: Event) -> bool:
    """Tell whether an event is handled; what fails says why."""
    try:
        stack.invoke(event, "worker")
    except ProviderError as error:
        why = str(error)
    else:
        return True
    assert "unexpected" not in why, why
    return False


def check_after(stack: Stack, race: Race) -> None:
    """Go on as each caller does, sweep, and check what must hold."""
    check_errors(race)
    properties = declared_after(stack, race)
    go_on(stack, race)
    for _ in range(4):
        stack.sweep()
    if stack.account.state.functions:
        # A call whose answer was lost may run for 18 minutes; what fails is tried less and less often.
        stack.sweep_for(_MINUTES * 9, every=_MINUTES)
    check_errors(race)
    stack.check_deployed(properties)
    if properties is None and not any(_makes_another_key(caller.event) for caller in race.callers.values()):
        _check_own_value(stack)
    _check_reported_once(stack)


def check_errors(race: Race) -> None:
    """Check that whatever failed says why."""
    for caller in race.callers.values():
        assert caller.ended, f"{caller.name} has not ended"
        assert "unexpected" not in str(caller.error), caller.error
    for answer in race.stack.answers:
        assert "unexpected" not in answer["Reason"], answer["Reason"]


def _makes_another_key(event: Event) -> bool:
    """Tell whether somebody asks for a second key: once there was one, Secrets Manager forgets the value before."""
    return event.get("RequestType") == "Update" or event.get("Operation") == "Rotate" or "Step" in event


def _check_own_value(stack: Stack) -> None:
    secret = stack.account.state.secrets[stack.secret_arn]
    values = [version.value for version in secret.versions.values()]
    if OWN_VALUE in values:
        current = secret.labels.value["AWSCURRENT"]
        assert secret.versions[current].value == OWN_VALUE, "the secret's own value is not current again"


def _check_reported_once(stack: Stack) -> None:
    reported = Counter(
        (event["DetailType"], json.loads(event["Detail"])["accessKeyId"])
        for event in stack.account.state.events
        if event["DetailType"] in {"Access Key Created", "Access Key Deleted"}
    )
    twice = [what for what, number in reported.items() if number > 1]
    assert twice == [], "reported more than once"


def outcome(caller: Caller, stack: Stack) -> str:
    """Say in a word how a caller fared, for statistics."""
    if caller.error is not None:
        return type(caller.error).__name__
    answers = answers_to(stack, caller.event) if "RequestId" in caller.event else []
    return str(answers[-1]["Status"]) if answers else "done"
