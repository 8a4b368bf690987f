"""Keys that are kept after they were replaced: the operations that retire them, and how time passes for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fakes.aws import Context, ProcessDeath, cold_start
from fakes.scheduler import waiting

from access_key_provider import main
from lambda_shared.errors import ProviderError
from local_cloud.invariants import Expected, Timetable, violations

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.scheduler import OneTimeSchedule
    from faults.stack import Event, Properties, Stack

GRACE, RETENTION = 7200, 604_800
KEEPING = {"GracePeriod": str(GRACE), "RetentionPeriod": str(RETENTION), "ScheduleName": "shop-Key"}
AT_ONCE = {"OnKeyLimit": "RetirePrevious"}
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
TOKEN = "11111111-2222-4333-8444-555555555555"
_LAMBDA_TRIES = 3


def send(stack: Stack, event: Event, after: float = 30) -> str | None:
    """Hand any event to a new process and tell how it ended; None if it died."""
    if "RequestType" in event:
        return stack.deliver(event, after)
    stack.account.clock.sleep(after)
    cold_start()
    try:
        main.handler(event, Context(stack.account.clock))
    except ProcessDeath:
        return None
    except ProviderError:
        return "FAILED"
    return "SUCCESS"


def send_all(stack: Stack, events: list[Event]) -> str | None:
    """Hand over events until one does not succeed."""
    answer: str | None = "SUCCESS"
    for event in events:
        answer = send(stack, event)
        if answer != "SUCCESS":
            break
    return answer


def keep(stack: Stack, serial: str, **changes: str) -> Properties:
    """Build the properties of a key that is kept for a while after it was replaced."""
    return stack.properties(serial, **KEEPING, **changes)


def look(stack: Stack, secret_arn: str | None = None) -> Event:
    """Make the event of a schedule."""
    return {"Operation": "Look", "SecretId": secret_arn or stack.secret_arn}


def undo(stack: Stack, **members: str) -> Event:
    """Make the event of an operator, or of an alarm."""
    return {"Operation": "Undo", "SecretId": stack.secret_arn, **members}


def steps(stack: Stack, token: str = TOKEN) -> list[Event]:
    """Begin a rotation of Secrets Manager, and make its four events."""
    # A rotation waits until the deployment before it can't be running any more.
    stack.account.clock.sleep(600)
    rotation_token = stack.account.person.begin_rotation(stack.secret_arn, token)
    return [
        {"Step": step, "SecretId": stack.secret_arn, "ClientRequestToken": token, "RotationToken": rotation_token}
        for step in STEPS
    ]


def cut_over(stack: Stack, secret_arn: str | None = None) -> Event:
    """Make the request that comes when all consumers use the current key."""
    arn = secret_arn or stack.secret_arn
    labels = stack.account.state.secrets[arn].labels.value
    properties = {"SecretArn": arn, "SecretVersionId": labels["AWSCURRENT"]}
    return stack.event("Create", properties, None) | {"ResourceType": "Custom::IAMAccessKeyCutOver"}


def fire(stack: Stack, schedule: OneTimeSchedule) -> None:
    """Let a schedule fire, which is gone then; Lambda tries a look that fails twice more."""
    stack.account.state.schedules.pop(schedule.name, None)
    for _ in range(_LAMBDA_TRIES):
        if send(stack, json.loads(schedule.input)) == "SUCCESS":
            return


def pass_time(stack: Stack, fires: int = 40) -> None:
    """Let all schedules fire when they are due, also those that are made meanwhile."""
    for _ in range(fires):
        left = waiting(stack.account.state)
        if not left:
            return
        wait_for(stack, left[0])
        fire(stack, left[0])
    raise AssertionError("looks are scheduled for ever")


def wait_for(stack: Stack, schedule: OneTimeSchedule) -> None:
    """Wait until a schedule is due."""
    stack.account.clock.sleep((schedule.at - stack.account.clock.now()).total_seconds())


def check_kept(stack: Stack, properties: Properties | None) -> None:
    """Check all that holds at rest, of a key that is deployed or of none."""
    stack.check_always()
    state = stack.account.state
    status = properties["Status"] if properties else None
    timetable = Timetable(stack.account.clock.now(), set(state.schedules))
    expected = Expected("deploy", stack.secret_arn, status, stack.foreign.get("deploy", {}), timetable)
    found = violations(stack.account.client("iam"), stack.account.client("secretsmanager"), expected)
    if properties and AT_ONCE.items() <= properties.items():
        # A rotation that was to retire it at once and died may leave it Inactive in its grace period, for the look at
        # the end of that to go on from there.
        found = [problem for problem in found if " is Inactive, and its record tells" not in problem]
    assert found == [], f"{found}\n{stack.account.log}"


@dataclass(frozen=True)
class Course:
    """Something that is asked of a key that is kept: by CloudFormation, a schedule, an operator or Secrets Manager.

    Attributes:
        name: what tests are parametrised with.
        prepare: brings the stack to where it begins.
        events: makes the events, each of which comes if the one before succeeded.
    """

    name: str
    prepare: Callable[[Stack], None]
    events: Callable[[Stack], list[Event]]

    def __str__(self) -> str:
        """Name it in a test's id."""
        return self.name


def _kept(*serials: str, **changes: str) -> Callable[[Stack], None]:
    def prepare(stack: Stack) -> None:
        for serial in serials:
            properties = keep(stack, serial, **changes)
            stack.must(stack.update(properties) if stack.known else stack.create(properties))

    return prepare


def _then(prepare: Callable[[Stack], None], *acts: Callable[[Stack], Any]) -> Callable[[Stack], None]:
    def prepared(stack: Stack) -> None:
        prepare(stack)
        for act in acts:
            act(stack)

    return prepared


def _fire_next(stack: Stack) -> None:
    schedule = waiting(stack.account.state)[0]
    wait_for(stack, schedule)
    fire(stack, schedule)


def _let_next_be_due(stack: Stack) -> None:
    schedule = waiting(stack.account.state)[0]
    wait_for(stack, schedule)
    del stack.account.state.schedules[schedule.name]


def _use_previous(stack: Stack) -> None:
    current, _ = stack.current_key()
    stack.account.clock.sleep(60)
    for key in stack.our_keys():
        if key != current:
            stack.account.person.use_key(key)


def _rotate_natively(stack: Stack) -> None:
    assert send_all(stack, steps(stack, TOKEN.replace("1", "9"))) == "SUCCESS"


def _run_steps(number: int) -> Callable[[Stack], None]:
    def run(stack: Stack) -> None:
        assert send_all(stack, steps(stack)[:number]) == "SUCCESS"

    return run


def _delete(stack: Stack) -> list[Event]:
    assert stack.known
    return [stack.event("Delete", stack.known[1], stack.known[0])]


def _to(serial: str, **changes: str) -> Callable[[Stack], list[Event]]:
    return lambda stack: [stack.update(keep(stack, serial, **changes))]


COURSES = (
    Course("rotate with a grace period", _kept("1"), _to("2")),
    Course("rotate and make room", _then(_kept("1", "2"), _fire_next), _to("3")),
    Course("rotate and retire for room", _kept("1", "2", **AT_ONCE), _to("3", **AT_ONCE)),
    Course("go back in the grace period", _kept("1", "2"), _to("1")),
    Course("go back in the retention period", _then(_kept("1", "2"), _fire_next), _to("1")),
    Course("the look that deactivates", _then(_kept("1", "2"), _let_next_be_due), lambda stack: [look(stack)]),
    Course(
        "the look that deletes",
        _then(_kept("1", "2"), _fire_next, _let_next_be_due),
        lambda stack: [look(stack)],
    ),
    Course(
        "the look that postpones",
        _then(_kept("1", "2"), _use_previous, _let_next_be_due),
        lambda stack: [look(stack)],
    ),
    Course(
        "the look that reminds",
        _then(_kept("1", MaximumAge="3600"), lambda stack: stack.account.clock.sleep(7200)),
        lambda stack: [look(stack)],
    ),
    Course("cut over", _kept("1", "2", CutOver="Deferred"), lambda stack: [cut_over(stack)]),
    Course("undo", _kept("1", "2"), lambda stack: [undo(stack)]),
    Course("undo in the retention period", _then(_kept("1", "2"), _fire_next), lambda stack: [undo(stack)]),
    Course("undo by an alarm", _kept("1", "2"), lambda stack: [undo(stack, Alarm="errors")]),
    Course("undo a native rotation", _then(_kept("1"), _rotate_natively), lambda stack: [undo(stack)]),
    Course("native rotation", _kept("1"), steps),
    Course("native rotation that makes room", _then(_kept("1"), _rotate_natively, _fire_next), steps),
    Course("createSecret", _kept("1"), lambda stack: steps(stack)[:1]),
    Course("testSecret", _then(_kept("1"), _run_steps(2)), lambda stack: steps(stack)[2:3]),
    Course("finishSecret", _then(_kept("1"), _run_steps(3)), lambda stack: steps(stack)[3:]),
    Course("rotate beside a native rotation", _then(_kept("1"), _run_steps(1)), _to("2")),
    Course("rotate after a native rotation", _then(_kept("1"), _rotate_natively, _fire_next), _to("2")),
    Course("delete during a native rotation", _then(_kept("1"), _run_steps(1)), _delete),
    Course("delete in the grace period", _kept("1", "2"), _delete),
    Course("delete in the retention period", _then(_kept("1", "2"), _fire_next), _delete),
)
