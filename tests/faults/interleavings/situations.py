"""Where callers meet: what was deployed, how long ago, what is unfinished, and who may come there."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fakes.aws import ProcessDeath
from fakes.faults import PROCESS_DEATH
from faults.interleavings.turns import Caller
from support.stack import COPIES, INVENTED_ID, SMTP, SWEEP, Stack, delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.stack import Event, Properties

NAMES = ("first", "second", "third", "fourth", "fifth")
OWN_VALUE = "a value of somebody else"
DELIVERIES = [delivery(), delivery("gitlab", before=False)]
AWAITED = {"Consumers": ["ci-runner-7"], "ConsumersWithin": "86400", "OverdueConsumers": "Retire"}
RULES = {"GracePeriod": "3600", "RetentionPeriod": "3600"}
_NOBODY_ROLLS_BACK = timedelta(hours=26)
_SWEEP_COMES_BACK = timedelta(minutes=6)
_EVENT_IS_MADE = timedelta(seconds=1)


def declared(stack: Stack, serial: str) -> Properties:
    """Build the properties of a key with an hour of grace and of retention.

    It adopts and is copied if told so, and is delivered if the app has functions for that.
    """
    adoption = {"AdoptedKey": stack.adoptable} if stack.adoptable else {}
    copies = {"Copies": stack.copies} if stack.copies else {}
    deliveries = {"Deliveries": DELIVERIES, **AWAITED} if stack.account.state.functions else {}
    return stack.properties(serial, **RULES, **adoption, **copies, **deliveries)


@dataclass(frozen=True)
class Kind:
    """A kind of caller.

    Attributes:
        name: what it is called in a test's id.
        function: which function takes its event.
        make: makes the event, given the one that was made before it in the same race.
        removes: whether the resource is gone after it.
    """

    name: str
    function: str
    make: Callable[[Stack, Event | None], Event]
    removes: bool = False


def _update(stack: Stack, _: Event | None) -> Event:
    # Another format is another key, too: what holds for the one holds for the other.
    return stack.update(declared(stack, "3") | SMTP)


def _roll_back(stack: Stack, update: Event | None) -> Event:
    """Take back an Update: the one that is under way, one that died, or one that succeeded where another failed."""
    if update and update.get("RequestType") == "Update":
        return stack.roll_back(update)
    assert stack.known
    physical_id, properties = stack.known
    if properties["Serial"] == "1":
        return stack.event("Update", properties, physical_id, declared(stack, "2"))
    return stack.event("Update", declared(stack, "1"), physical_id, properties)


def _delete(stack: Stack, before: Event | None) -> Event:
    if stack.known is None:
        assert before
        return stack.event("Delete", before["ResourceProperties"], INVENTED_ID)
    return stack.delete()


def _cut_over(stack: Stack, _: Event | None) -> Event:
    current = stack.account.state.secrets[stack.secret_arn].labels.value["AWSCURRENT"]
    properties = {"SecretArn": stack.secret_arn, "SecretVersionId": current}
    event = stack.event("Update", properties, "shop/CutOver", properties, logical_id="CutOver")
    return event | {"ResourceType": "Custom::IAMAccessKeyCutOver"}


def _step(name: str) -> Callable[[Stack, Event | None], Event]:
    return lambda stack, _: stack.begin_rotation()(name)


def _operation(name: str) -> Callable[[Stack, Event | None], Event]:
    return lambda stack, _: {"Operation": name, "SecretId": stack.secret_arn}


# In the order in which CloudFormation makes its requests.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("create", "provider", lambda stack, _: stack.create(declared(stack, "1"))),
        Kind("update", "provider", _update),
        Kind("rollback", "provider", _roll_back),
        Kind("cut-over", "provider", _cut_over),
        Kind("delete", "provider", _delete, removes=True),
        Kind("undo", "provider", _operation("Undo")),
        Kind("rotate", "provider", _operation("Rotate")),
        Kind("retire", "provider", _operation("Retire")),
        Kind("alarm", "worker", lambda stack, _: stack.alarm()),
        Kind("sweep", "worker", lambda _stack, _: dict(SWEEP)),
        Kind("acknowledge", "worker", lambda stack, _: stack.acknowledgement("ci-runner-7")),
        *(Kind(step, "worker", _step(step)) for step in ("createSecret", "setSecret", "testSecret", "finishSecret")),
    )
}


def callers_in(stack: Stack, *kinds: str) -> dict[str, Caller]:
    """Make a caller of each kind, in this order, named by where it stands; the same kind twice is the same event."""
    callers: dict[str, Caller] = {}
    before: Event | None = None
    made: dict[str, Event] = {}
    if "delete" in kinds and stack.known is None and "create" not in kinds:
        # The Create that it cancels never got here.
        before = stack.create(declared(stack, "1"))
    for name, kind in zip(NAMES, kinds, strict=False):
        if kind not in made:
            before = made[kind] = KINDS[kind].make(stack, before)
            stack.account.clock.sleep(_EVENT_IS_MADE.total_seconds())
        callers[name] = Caller(name, made[kind], KINDS[kind].function)
    return callers


@dataclass(frozen=True)
class Situation:
    """What the callers find.

    Attributes:
        name: what it is called in a test's id.
        prepare: brings it about.
        kinds: who may come.
        value: what the secret holds before, if anything.
    """

    name: str
    prepare: Callable[[Stack], None]
    kinds: tuple[str, ...]
    value: str | None = None

    @functools.cached_property
    def prepared(self) -> Stack:
        """The stack, to be forked."""
        with Stack.on_fake_account(self.value) as stack:
            self.prepare(stack)
            stack.account.heal()
            return stack

    def pairs(self) -> Iterator[tuple[str, str]]:
        """List who meets whom: each kind each other, and the same event twice."""
        order = list(KINDS)
        for first in self.kinds:
            for second in self.kinds:
                if order.index(first) <= order.index(second):
                    yield first, second


def _nothing(_: Stack) -> None:
    """Nothing was ever deployed."""


def _one_key(stack: Stack) -> None:
    """A key that nobody replaced, and a sweep that is due."""
    stack.deploy("1", **RULES)
    stack.account.clock.sleep(_NOBODY_ROLLS_BACK.total_seconds())


def _in_grace(stack: Stack) -> None:
    """A deployment has replaced the key: the previous one is Active."""
    stack.deploy("1", "2", **RULES)
    stack.account.clock.sleep(60)


def _end_of_grace(stack: Stack) -> None:
    """A few calls of the second of two before the grace period is over."""
    stack.deploy("1", "2", **RULES)
    replaced = next(key["replaced"] for key in stack.entry["keys"].values() if "replaced" in key)
    over = datetime.fromisoformat(replaced) + timedelta(hours=1)
    stack.account.clock.sleep((over - stack.account.clock.now() - 2 * _EVENT_IS_MADE).total_seconds() - 0.3)


def _grace_over(stack: Stack) -> None:
    """The grace period is over, and no sweep came yet: the next one deactivates the previous key."""
    stack.deploy("1", "2", **RULES)
    stack.account.clock.sleep(_NOBODY_ROLLS_BACK.total_seconds())


def _retention_over(stack: Stack) -> None:
    """The retention period is over, and no sweep came yet: the next one deletes the previous key."""
    stack.deploy("1", "2", **RULES)
    stack.sweep_for(timedelta(hours=1, minutes=30), every=timedelta(minutes=5))
    stack.account.clock.sleep(_NOBODY_ROLLS_BACK.total_seconds())
    assert "Inactive" in stack.keys().values()


def _adoptable(stack: Stack) -> None:
    """A person's key, which the template names."""
    stack.make_adoptable()


def _adopted(stack: Stack) -> None:
    """A person's key was adopted a day ago, and no sweep came yet: the next one deactivates it."""
    stack.make_adoptable()
    stack.must(stack.create(declared(stack, "1")))
    stack.account.clock.sleep(_NOBODY_ROLLS_BACK.total_seconds())


def _adopted_and_retired(stack: Stack) -> None:
    """A person's key is Inactive for the retention period: the next sweep deletes it."""
    _adopted(stack)
    stack.sweep()
    assert stack.keys()[stack.adoptable] == "Inactive"
    stack.account.clock.sleep(_NOBODY_ROLLS_BACK.total_seconds())


def _copied(stack: Stack) -> None:
    """A deployment has replaced the key: the previous one is Active, and both are in the copies."""
    stack.copies = COPIES
    for serial in ("1", "2"):
        properties = declared(stack, serial)
        stack.must(stack.update(properties) if stack.known else stack.create(properties))
    stack.account.clock.sleep(60)


def _delivered(stack: Stack) -> None:
    """A deployment has replaced the key, functions have brought both to consumers, and one has to acknowledge."""
    for name in ("github", "gitlab"):
        stack.add_function(name).seconds = 5
    for serial in ("1", "2"):
        properties = declared(stack, serial)
        stack.must(stack.update(properties) if stack.known else stack.create(properties))
    stack.account.clock.sleep(60)


def _pending(stack: Stack) -> None:
    """A rotation has stored its key, and not made it current."""
    _one_key(stack)
    stack.invoke(stack.begin_rotation()("createSecret"), "worker")


def _stuck(stack: Stack) -> None:
    """A rotation has not gone on for a day: the next sweep gives it up."""
    _pending(stack)
    stack.account.clock.sleep(_NOBODY_ROLLS_BACK.total_seconds())


def _died(call: str, phase: str) -> Callable[[Stack], None]:
    def prepare(stack: Stack) -> None:
        """Let an Update die, and the next sweep be due."""
        _one_key(stack)
        stack.account.fail(PROCESS_DEATH, call, phase=phase)
        assert stack.invoke(stack.update(declared(stack, "2")), "provider") is ProcessDeath
        stack.account.clock.sleep(_SWEEP_COMES_BACK.total_seconds())

    return prepare


_OPERATORS = ("undo", "rotate", "retire", "alarm", "sweep")
_STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
_AFTER_A_DEATH = ("update", "rollback", "delete", "undo", "rotate", "alarm", "sweep", "createSecret")

SITUATIONS = {
    situation.name: situation
    for situation in (
        Situation("nothing", _nothing, ("create", "delete", "sweep")),
        Situation("own value", _nothing, ("create", "delete", "sweep"), value=OWN_VALUE),
        Situation(
            "one key", _one_key, ("update", "rollback", "cut-over", "delete", *_OPERATORS, "createSecret", "testSecret")
        ),
        Situation("value replaced", _one_key, ("update", "delete", "rotate", "sweep", "createSecret"), value=OWN_VALUE),
        Situation("in grace", _in_grace, ("update", "rollback", "cut-over", "delete", *_OPERATORS)),
        Situation("end of grace", _end_of_grace, ("rollback", "cut-over", *_OPERATORS)),
        Situation("grace over", _grace_over, ("update", "rollback", "cut-over", "delete", *_OPERATORS, "createSecret")),
        Situation(
            "retention over", _retention_over, ("update", "rollback", "cut-over", "delete", *_OPERATORS, "createSecret")
        ),
        Situation("adoptable", _adoptable, ("create", "delete", "sweep")),
        Situation("adopted", _adopted, ("update", "rollback", "delete", "retire", "sweep", "createSecret")),
        Situation("adopted, retired", _adopted_and_retired, ("update", "rollback", "delete", "retire", "sweep")),
        Situation("copied", _copied, ("update", "rollback", "delete", "undo", "rotate", "sweep")),
        Situation(
            "delivered", _delivered, ("update", "rollback", "delete", "undo", "rotate", "alarm", "sweep", "acknowledge")
        ),
        Situation("pending", _pending, ("update", "delete", *_OPERATORS, *_STEPS)),
        Situation("stuck", _stuck, ("update", "delete", "rotate", "sweep", *_STEPS)),
        Situation("died creating", _died("iam:CreateAccessKey", "after"), _AFTER_A_DEATH),
        Situation("died storing", _died("secretsmanager:PutSecretValue", "after"), _AFTER_A_DEATH),
        Situation("died switching", _died("secretsmanager:UpdateSecretVersionStage", "after"), _AFTER_A_DEATH),
    )
}
