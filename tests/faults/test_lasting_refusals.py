"""Every action of every role denied for good, from before each operation, then allowed again.

What must hold is in `docs/reliability.md`: who undoes is able to, bookkeeping fails nothing, what can't be put right
says so, and the next request or sweep puts everything right once it may. Nothing grows meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.key_events import events
from support.stack import STEPS, Stack

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.stack import Event

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KMS = "kms"
KEY_ROLE = (
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:GetAccessKeyLastUsed",
    "iam:ListAccessKeys",
    "iam:ListUserTags",
    "iam:UpdateAccessKey",
    "iam:TagUser",
    "iam:UntagUser",
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
    KMS,
)
FUNCTION_ROLE = ("sts:AssumeRole", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "events:PutEvents")
SERVICES = ("iam:*", "secretsmanager:*", "dynamodb:*")
ACTIONS = (*KEY_ROLE, *FUNCTION_ROLE, *SERVICES)
BOOKKEEPING = {
    "iam:GetAccessKeyLastUsed",
    "iam:ListUserTags",
    "iam:TagUser",
    "iam:UntagUser",
    "dynamodb:Query",
    "events:PutEvents",
}
LEDGER = {"dynamodb:GetItem", "dynamodb:*"}
"""Without them nobody can know what was done."""

AT_ONCE = {"GracePeriod": "0"}
AN_HOUR = {"GracePeriod": "3600", "RetentionPeriod": "86400"}
RULES = {"no grace period": AT_ONCE, "an hour": AN_HOUR}
ANOTHER_ROLE = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/another"


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a stack, which must end without an Active key deleted, and without one more than is recorded."""
    with Stack.on_fake_account() as made:
        yield made
        assert made.account.violations == []


def deny(stack: Stack, action: str) -> None:
    """Deny an action to everybody for good."""
    if action == KMS:
        stack.account.switches.kms_denies = True
    else:
        stack.account.deny(action)


def allow(stack: Stack) -> None:
    """Deny nothing any more."""
    stack.account.switches.kms_denies = False
    stack.account.allow_again()


def said(stack: Stack, event: Event) -> str:
    """Deliver a request: how it was answered, and why."""
    stack.deliver(event)
    return f"{stack.answers[-1]['Status']} {stack.answers[-1].get('Reason', '')}".strip()


def attempt(stack: Stack, event: Event, function: str = "worker") -> str:
    """Hand an event to a function; return the message of the failure, or nothing."""
    try:
        stack.invoke(event, function)
    except ProviderError as error:
        return str(error)
    return ""


def sweeps(stack: Stack, time: timedelta, every: timedelta = timedelta(hours=6)) -> None:
    """Let sweeps come that may fail."""
    end = stack.account.clock.now() + time
    while stack.account.clock.now() < end:
        stack.account.clock.sleep(every.total_seconds())
        attempt(stack, {"Operation": "Sweep"})


def check_works(stack: Stack) -> None:
    """Check that readers of the secret get a key that works."""
    assert stack.current_key()[1] == "Active"


def check_put_right(stack: Stack, properties: dict[str, str] | None) -> None:
    """Check that all is as declared after two days in which everything is allowed."""
    allow(stack)
    sweeps(stack, 4 * DAY)
    stack.check_deployed(properties)


def check_told(action: str, text: str, *resources: str) -> None:
    """Check that a message names the action, a resource, and who denies it."""
    service, _, name = action.partition(":")
    if action == KMS:
        assert "PutSecretValue" in text
        assert "denied by KMS" in text
    elif service == "dynamodb":
        assert "the ledger" in text
        assert "service control policy" in text
    else:
        assert name == "*" or action in text
        assert "service control policy" in text
        assert any(resource in text for resource in resources)


def resources(stack: Stack) -> tuple[str, ...]:
    """List what a refused call can be about."""
    return "user deploy", "user vendor", stack.secret_arn, stack.other_arn, stack.properties()["RoleArn"], ANOTHER_ROLE


@pytest.mark.parametrize("action", ACTIONS)
def test_create(stack: Stack, action: str) -> None:
    """A Create fails with nothing made, and its Delete succeeds; or it succeeds, and its Delete says what is left."""
    deny(stack, action)
    create = stack.create(stack.properties())
    answer = said(stack, create)
    physical_id, keys = stack.last_id, stack.our_keys()
    if action in BOOKKEEPING:
        assert answer == "SUCCESS"
    if answer.startswith("FAILED"):
        check_told(action, answer, *resources(stack))
        assert keys == []
        assert said(stack, stack.event("Delete", create["ResourceProperties"], physical_id)) == "SUCCESS"
    else:
        check_works(stack)
        deleted = said(stack, stack.event("Delete", create["ResourceProperties"], physical_id))
        if deleted.startswith("FAILED"):
            check_told(action, deleted, *resources(stack))
            assert keys[0] in deleted
        else:
            assert stack.our_keys() == []
    check_put_right(stack, None)


@pytest.mark.parametrize("serials", [("1",), ("0", "1")], ids=["one key", "two keys"])
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("action", ACTIONS)
def test_update_and_rollback(stack: Stack, action: str, rules: dict[str, str], serials: tuple[str, ...]) -> None:
    """An Update fails, or another resource does: the rollback succeeds, and the key is current that was."""
    stack.deploy(*serials, **rules)
    stack.sweep_for(DAY)
    before = stack.current_key()
    deny(stack, action)
    update = stack.update(stack.properties("2", **rules))
    answer = said(stack, update)
    if answer.startswith("FAILED"):
        check_told(action, answer, *resources(stack))
        assert not set(stack.keys()) - {before[0]} - set(stack.entry["keys"])
    check_works(stack)
    rolled_back = said(stack, stack.roll_back(update))
    if action in LEDGER:
        assert "the ledger could not be read" in rolled_back
        allow(stack)
        rolled_back = said(stack, stack.roll_back(update))
    assert rolled_back.startswith("SUCCESS")
    assert stack.current_key() == before
    assert stack.known is not None
    check_put_right(stack, stack.known[1])
    assert stack.current_key() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_update_that_stays(stack: Stack, action: str) -> None:
    """An Update that succeeds though something is denied is carried through by sweeps once it is allowed."""
    stack.deploy("1", **AN_HOUR)
    deny(stack, action)
    update = stack.update(stack.properties("2", **AN_HOUR))
    if stack.deliver(update) == "SUCCESS":
        stack.known = stack.last_id, update["ResourceProperties"]
    check_works(stack)
    sweeps(stack, 3 * DAY)
    check_works(stack)
    assert stack.known is not None
    check_put_right(stack, stack.known[1])


@pytest.mark.parametrize("changes", [{"UserName": "vendor"}, {"SecretArn": ""}], ids=["user", "secret"])
@pytest.mark.parametrize("action", ACTIONS)
def test_change_of_user_or_secret_and_rollback(stack: Stack, action: str, changes: dict[str, str]) -> None:
    """A replacement fails, or another resource does: what was there before is current, and nothing new is left."""
    stack.deploy("1", **AN_HOUR)
    before = stack.current_key()
    deny(stack, action)
    new = {name: value or stack.other_arn for name, value in changes.items()} | {"RoleArn": ANOTHER_ROLE}
    update = stack.update(stack.properties("1", **AN_HOUR, **new))
    answer = said(stack, update)
    new_id = stack.last_id
    if answer.startswith("FAILED"):
        check_told(action, answer, *resources(stack))
    rolled_back = said(stack, stack.roll_back(update))
    if action in LEDGER:
        assert "the ledger" in rolled_back
        allow(stack)
        rolled_back = said(stack, stack.roll_back(update))
    if (
        "SecretArn" in changes
        or not answer.startswith("SUCCESS")
        or action != "secretsmanager:UpdateSecretVersionStage"
    ):
        assert rolled_back.startswith("SUCCESS")
    if answer.startswith("SUCCESS"):
        deleted = said(stack, stack.event("Delete", update["ResourceProperties"], new_id))
        if deleted.startswith("FAILED"):
            check_told(action, deleted, *resources(stack))
    assert stack.current_key() == before
    assert stack.known is not None
    check_put_right(stack, stack.known[1])


@pytest.mark.parametrize("action", ACTIONS)
def test_delete(stack: Stack, action: str) -> None:
    """A Delete succeeds, or names each key that is left; it succeeds once it may, also if the sweep came first."""
    stack.deploy("1", "2", **AN_HOUR)
    keys = stack.our_keys()
    deny(stack, action)
    answer = said(stack, stack.delete())
    if answer.startswith("FAILED"):
        check_told(action, answer, *resources(stack))
        assert action.startswith("dynamodb:") or all(key in answer for key in keys)
    else:
        assert stack.our_keys() == []
        assert answer == "SUCCESS" or action in answer
    # A day later, what is left of keys that are gone is given up: the role is gone as well by then.
    sweeps(stack, 12 * HOUR)
    if action.startswith("dynamodb:") and action != "dynamodb:Query":
        # The ledger has not heard of the Delete.
        allow(stack)
        assert said(stack, stack.delete()) == "SUCCESS"
    check_put_right(stack, None)
    assert said(stack, stack.delete()) == "SUCCESS"


@pytest.mark.parametrize("operation", ["Undo", "Rotate", "Retire", "alarm", "cut-over"])
@pytest.mark.parametrize("action", ACTIONS)
def test_operation(stack: Stack, action: str, operation: str) -> None:
    """An operator, an alarm or a cut-over fails or not: the current key works, and what is asked again goes through."""
    stack.deploy("1", "2", **AN_HOUR)
    if operation == "Rotate":
        stack.sweep_for(4 * DAY)
    event, function = operation_event(stack, operation)
    deny(stack, action)
    if function == "cloudformation":
        text = said(stack, event)
        failed = text.startswith("FAILED")
    else:
        text = attempt(stack, event, function)
        failed = bool(text)
    if failed:
        check_told(action, text, *resources(stack))
    elif action not in {"secretsmanager:DescribeSecret", "iam:ListAccessKeys", "sts:AssumeRole", *SERVICES}:
        assert not failed
    check_works(stack)
    assert len(stack.our_keys()) <= 2
    assert stack.known is not None
    allow(stack)
    if failed and operation != "cut-over":
        assert attempt(stack, event, function) == ""
    check_works(stack)
    check_put_right(stack, stack.known[1])


def operation_event(stack: Stack, operation: str) -> tuple[Event, str]:
    """Make the event of an operation, and say who takes it."""
    if operation == "alarm":
        stack.account.clock.sleep(60)
        return stack.alarm(), "worker"
    if operation == "cut-over":
        current = stack.entry["keys"][stack.current_key()[0]]
        properties = {"SecretArn": stack.secret_arn, "SecretVersionId": current["version_id"]}
        event = stack.event("Create", properties, None, logical_id="CutOver")
        return event | {"ResourceType": "Custom::IAMAccessKeyCutOver"}, "cloudformation"
    return {"Operation": operation, "SecretId": stack.secret_arn}, "provider"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("action", ACTIONS)
def test_rotation(stack: Stack, action: str, step: str) -> None:
    """A step is denied for hours: the key that is current works, and the same token goes through once it may."""
    stack.deploy("1", **AN_HOUR)
    event = stack.begin_rotation()
    for name in STEPS[: STEPS.index(step)]:
        assert attempt(stack, event(name)) == ""
    deny(stack, action)
    for _ in range(3):
        text = attempt(stack, event(step))
        if text:
            check_told(action, text, *resources(stack))
        check_works(stack)
        assert len(stack.our_keys()) <= 2
        sweeps(stack, HOUR, every=HOUR)
    allow(stack)
    # Secrets Manager begins a rotation that failed anew, with the same token.
    for name in STEPS:
        assert attempt(stack, event(name)) == ""
    check_works(stack)
    assert stack.known is not None
    check_put_right(stack, stack.known[1])


@dataclass(frozen=True)
class Growth:
    """How much there is of what could grow."""

    entry: int
    keys: int
    tags: int
    labels: int
    versions: int
    entries: int

    @classmethod
    def of(cls, stack: Stack) -> Growth:
        """Measure it."""
        secrets, iam = stack.account.client("secretsmanager"), stack.account.client("iam")
        labels = secrets.describe_secret(SecretId=stack.secret_arn).get("VersionIdsToStages", {})
        return cls(
            entry=len(json.dumps(stack.entry, default=str)),
            keys=len(stack.keys()),
            tags=len(iam.list_user_tags(UserName="deploy")["Tags"]),
            labels=sum(map(len, labels.values())),
            versions=len(labels),
            entries=len(stack.entries),
        )

    def exceeds(self, other: Growth) -> bool:
        """Tell whether there is more, but for some digits of a number."""
        return (self.keys, self.tags, self.labels, self.versions, self.entries) > (
            other.keys,
            other.tags,
            other.labels,
            other.versions,
            other.entries,
        ) or self.entry > other.entry + 40


def begin_rotation(stack: Stack) -> None:
    """Leave a rotation before testSecret."""
    stack.deploy("1", **AN_HOUR)
    attempt(stack, stack.begin_rotation()("createSecret"))


def fail_to_delete(stack: Stack) -> None:
    """Let a Delete fail for a reason of its own."""
    stack.deploy("1", "2", **AN_HOUR)
    denial = stack.account.deny("iam:DeleteAccessKey")
    stack.deliver(stack.delete())
    stack.account.denials.remove(denial)
    stack.known = None


def ask_for_undo(stack: Stack) -> None:
    """Let an alarm go off whose undo fails at first."""
    stack.deploy("1", "2", **AN_HOUR)
    stack.account.clock.sleep(60)
    denial = stack.account.deny("secretsmanager:UpdateSecretVersionStage")
    attempt(stack, stack.alarm())
    stack.account.denials.remove(denial)


STATES: dict[str, Callable[[Stack], Any]] = {
    "nothing due": lambda stack: stack.deploy("1", **AN_HOUR),
    "a key to retire": lambda stack: stack.deploy("1", "2", **AN_HOUR),
    "a rotation begun": begin_rotation,
    "a Delete that failed": fail_to_delete,
    "an undo to do": ask_for_undo,
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_grows_in_thirty_days(stack: Stack, action: str, state: str) -> None:
    """Thirty days of sweeps that fail: no more of anything; reported once and then daily; put right afterwards."""
    STATES[state](stack)
    deny(stack, action)
    sweeps(stack, 3 * DAY)
    early, since = Growth.of(stack), len(stack.account.state.events)
    sweeps(stack, 27 * DAY)
    late = Growth.of(stack)
    assert not late.exceeds(early), f"{early} became {late}"
    counted = Counter(event.kind for event in events(stack.account, since=since))
    assert all(count <= 28 for count in counted.values()), counted
    if counted["Upkeep Failed"]:
        assert counted["Upkeep Failed"] >= 25
    if stack.known:
        check_put_right(stack, stack.known[1])
    else:
        allow(stack)
        sweeps(stack, 4 * DAY)
        assert stack.our_keys() == []
        assert all(not entry.get("keys") for entry in stack.entries.values())


@pytest.mark.thorough
@pytest.mark.parametrize("action", ["iam:UntagUser", "iam:TagUser", "iam:ListUserTags", "dynamodb:Query"])
def test_nothing_grows_in_thirty_rotations(stack: Stack, action: str) -> None:
    """Thirty daily rotations without a piece of bookkeeping: no more of anything but tags, of which IAM takes fifty."""
    stack.deploy("0", **(AN_HOUR | {"RetentionPeriod": "3600"}))
    deny(stack, action)
    sizes = []
    for number in range(30):
        token = f"00000000-0000-4000-9000-{number:012}"
        stack.rotate(token)
        sweeps(stack, DAY, every=HOUR)
        sizes.append(Growth.of(stack))
        check_works(stack)
    assert sizes[-1].entry < sizes[15].entry + 400
    assert (sizes[-1].keys, sizes[-1].labels) == (sizes[15].keys, sizes[15].labels)
    allow(stack)
    sweeps(stack, 3 * DAY)
    check_works(stack)
