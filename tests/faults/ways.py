"""How it goes on after a fault: what each caller does next. A way returns what is deployed then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from faults.operations import CUT_OVER_TYPE, KEPT, RETIRES_PREVIOUS
from support.stack import INVENTED_ID, STEPS, ProcessDeath, Properties, Stack

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from support.stack import Event

SUCCESS, FAILED = "SUCCESS", "FAILED"
Way = Callable[[Stack, "Event", "str | None"], "Properties | None"]


def send(stack: Stack, event: Event) -> str | None:
    """Hand an event to a new process of its function; tell how it ended, None if the process died."""
    if "RequestType" in event:
        return stack.deliver(event)
    stack.account.clock.sleep(1)
    try:
        result = stack.invoke(event, "worker" if _is_for_worker(event) else "provider")
    except ProviderError:
        return FAILED
    if result is ProcessDeath:
        return None
    return FAILED if isinstance(result, dict) and result.get("failed") else SUCCESS


# --- CloudFormation


def completed(stack: Stack, event: Event) -> Properties | None:
    """CloudFormation takes the answer for good, and deletes the resource that was replaced."""
    if event["RequestType"] == "Delete":
        is_all = event["LogicalResourceId"] == stack.logical_id
        return None if is_all or stack.known is None else stack.known[1]
    if event["ResourceType"] == CUT_OVER_TYPE:
        return stack.known[1] if stack.known else None
    before, old_name = stack.known, stack.logical_id
    stack.known, stack.logical_id = (stack.last_id, event["ResourceProperties"]), event["LogicalResourceId"]
    if before and (before[0], old_name) != (stack.last_id, stack.logical_id):
        _must(stack, stack.event("Delete", before[1], before[0], logical_id=old_name))
    return stack.known[1]


def redelivered(stack: Stack, event: Event, _answer: str | None) -> Properties | None:
    """The same event comes again, as Lambda or an operator has it, and must succeed."""
    _must(stack, event)
    return completed(stack, event)


def rolled_back(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """CloudFormation undoes the request, whether it failed, never answered, or a sibling failed after it."""
    new = event["ResourceProperties"]
    if event["RequestType"] == "Delete":
        return redelivered(stack, event, answer)
    if event["ResourceType"] == CUT_OVER_TYPE:
        return _deferred_rolled_back(stack, event)
    if event["RequestType"] == "Create":
        physical_id = stack.last_id if answer else INVENTED_ID
        _must(stack, stack.event("Delete", new, physical_id, logical_id=event["LogicalResourceId"]))
        return stack.known[1] if stack.known else None
    assert stack.known
    current = stack.known[1]["SecretArn"]
    if answer == SUCCESS and stack.last_id != stack.known[0]:
        _must(stack, stack.event("Delete", new, stack.last_id))
    else:
        _must(stack, stack.roll_back(event))
    assert current == stack.known[1]["SecretArn"]
    return stack.known[1]


def _deferred_rolled_back(stack: Stack, event: Event) -> Properties:
    """A sibling fails after the consumers' cut-over: the whole deployment is undone."""
    assert stack.known
    _must(stack, stack.event("Delete", event["ResourceProperties"], "cut-over", logical_id="CutOver") | _CUT_OVER)
    before = stack.known[1] | {"Serial": "1"}
    _must(stack, stack.event("Update", before, stack.known[0], stack.known[1]))
    stack.known = stack.known[0], before
    return before


_CUT_OVER = {"ResourceType": CUT_OVER_TYPE}


def redelivered_then_rolled_back(stack: Stack, event: Event, _answer: str | None) -> Properties | None:
    """Both, in the order that they were made."""
    return rolled_back(stack, event, stack.deliver(event))


def rolled_back_then_redelivered(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """The event comes again after it was undone: it must not be done again."""
    deployed = rolled_back(stack, event, answer)
    stack.deliver(event)
    return deployed


def swept_then_redelivered(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """The sweep comes first."""
    stack.sweep()
    return redelivered(stack, event, answer)


def swept_then_rolled_back(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """The sweep comes first."""
    stack.sweep()
    return rolled_back(stack, event, answer)


def deployed_next(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """Nobody sends the reverse Update, as in express mode: the next deployment comes, and then one back."""
    if event["RequestType"] == "Delete" or event["ResourceType"] == CUT_OVER_TYPE:
        redelivered(stack, event, answer)
    elif answer == SUCCESS:
        completed(stack, event)
    elif event["RequestType"] == "Create":
        # A resource that never was there is deleted first, then created anew.
        rolled_back(stack, event, answer)
    return _next(stack, event["ResourceProperties"] if event["RequestType"] == "Update" else None)


def deleted(stack: Stack, event: Event, answer: str | None) -> None:
    """The stack is deleted, with what CloudFormation takes for deployed."""
    if event["RequestType"] == "Delete":
        redelivered(stack, event, answer)
    elif answer == SUCCESS:
        completed(stack, event)
    elif (
        event["RequestType"] == "Create"
        or event["ResourceProperties"]["SecretArn"] != stack.secret_arn
        or event["ResourceProperties"]["UserName"] != "deploy"
    ):
        rolled_back(stack, event, answer)
    _delete(stack)


# --- the others


def repeated(stack: Stack, event: Event, _answer: str | None) -> Properties | None:
    """Whoever asked asks again: Lambda, the next sweep, an operator; Secrets Manager from the first step."""
    if "Step" in event:
        for step in STEPS:
            send(stack, event | {"Step": step})
    elif event["Operation"] == "Sweep":
        _sweep_on(stack)
    elif event["Operation"] != "Rotate" or not _is_rotated(stack):
        send(stack, event)
    return _known(stack)


def swept(stack: Stack, _event: Event, _answer: str | None) -> Properties | None:
    """Nobody asks again: the sweep finishes it, or takes it back."""
    _sweep_on(stack)
    return _known(stack)


def deployed_after(stack: Stack, _event: Event, _answer: str | None) -> Properties | None:
    """The next deployment comes, and then one back."""
    return _next(stack)


def deployed_then_repeated(stack: Stack, event: Event, answer: str | None) -> Properties | None:
    """The same event comes late, after another deployment."""
    deployed = deployed_after(stack, event, answer)
    send(stack, event)
    return deployed


def deleted_after(stack: Stack, event: Event, _answer: str | None) -> None:
    """The stack is deleted, and the event comes again."""
    _delete(stack)
    send(stack, event)


OF_CLOUDFORMATION: tuple[Way, ...] = (
    redelivered,
    rolled_back,
    redelivered_then_rolled_back,
    rolled_back_then_redelivered,
    swept_then_redelivered,
    swept_then_rolled_back,
    deployed_next,
    deleted,
)
OF_OTHERS: tuple[Way, ...] = (repeated, swept, deployed_after, deployed_then_repeated, deleted_after)


def _must(stack: Stack, event: Event) -> None:
    """Have a request succeed; one that comes while a delivery may be running yet, 20 minutes later."""
    answer = stack.deliver(event)
    if answer == FAILED and "may be running yet" in stack.answers[-1]["Reason"]:
        stack.sweep(timedelta(minutes=20))
    elif answer == SUCCESS:
        return
    assert stack.deliver(event) == SUCCESS, stack.answers[-1]


def _known(stack: Stack) -> Properties | None:
    return stack.known[1] if stack.known else None


def _delete(stack: Stack) -> None:
    if stack.known:
        _must(stack, stack.delete())
        stack.known = None


def _next(stack: Stack, failed: Properties | None = None) -> Properties:
    """Deploy another serial, on top of a failed change if there was one, then the one before again."""
    known = stack.known
    last = failed or (known[1] if known else stack.properties())
    # A user with a key of a person, or of another secret, has no key slot for another serial.
    is_short = (
        stack.unmanaged.get(last["UserName"])
        or last["SecretArn"] != stack.secret_arn
        or stack.adoptable in stack.keys(last["UserName"])
    )
    change = {"Description": "next"} if is_short else {"Serial": "9"}
    for properties in (last | change | RETIRES_PREVIOUS, last | RETIRES_PREVIOUS):
        event = stack.update(properties) if stack.known else stack.create(properties)
        _must(stack, event)
        completed(stack, event)
    return properties


def _sweep_on(stack: Stack) -> None:
    """Let the sweep come until all that was due is done."""
    for time in (timedelta(minutes=5), timedelta(hours=2), timedelta(seconds=int(KEPT["RetentionPeriod"]), hours=2)):
        stack.sweep(time)


def _is_for_worker(event: Event) -> bool:
    return "Step" in event or event["Operation"] in {"Sweep", "AlarmUndo", "ConsumerAcknowledgement"}


def _is_rotated(stack: Stack) -> bool:
    """Tell whether the operator sees that the key was rotated."""
    return any("published" in line and line.endswith("by operator") for line in stack.entry["history"])
