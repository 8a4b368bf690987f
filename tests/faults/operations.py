"""What every caller may ask for: CloudFormation, the sweep, operators, alarms, and Secrets Manager."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fakes.faults import PROCESS_DEATH
from support.stack import COPIES, INVENTED_ID, SMTP, STEPS, SWEEP, TOKEN, Operation, delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stack import Event, Properties, Stack

    Prepare = Callable[[Stack], Any]

GRACE, RETENTION = timedelta(hours=1), timedelta(days=1)
ADOPTED_FOR = timedelta(days=1, minutes=1)
KEPT = {"GracePeriod": str(int(GRACE.total_seconds())), "RetentionPeriod": str(int(RETENTION.total_seconds()))}
RETIRES_PREVIOUS = {"OnKeyLimit": "RetirePrevious"}
COPIED = {"Copies": COPIES}
DELIVERED = {"Deliveries": [delivery(), delivery("gitlab", before=False), delivery("wiki", required=False)]}
AWAITED = {"Consumers": ["ci-runner-7"], "ConsumersWithin": "604800"}
RENAMED = "Renamed"
CUT_OVER_TYPE = "Custom::IAMAccessKeyCutOver"

# --- what was before


def deployed(*serials: str, **changes: Any) -> Prepare:
    """Deploy serials one after the other."""
    return lambda stack: stack.deploy(*serials, **changes)


def kept(*serials: str, **changes: Any) -> Prepare:
    """Deploy serials of a key that stays Active for an hour after it was replaced, and a day Inactive."""
    return deployed(*serials, **KEPT, **changes)


def then(*steps: Prepare) -> Prepare:
    """Do one thing after the other."""

    def prepare(stack: Stack) -> None:
        for step in steps:
            step(stack)

    return prepare


def wait(time: timedelta) -> Prepare:
    """Let time pass."""
    return lambda stack: stack.account.clock.sleep(time.total_seconds())


def sweep(stack: Stack) -> None:
    """Let the sweep do what is due."""
    assert stack.sweep()["failed"] == 0


def adoptable(stack: Stack) -> None:
    """Let a person have made a key for the user."""
    stack.make_adoptable()


def adopted(stack: Stack) -> None:
    """Deploy a key that adopts the one that a person made."""
    stack.make_adoptable()
    stack.must(create_adopting(stack))


def dies(request: Callable[[Stack], Event], call: str, nth: int = 1, function: str = "provider") -> Prepare:
    """Let a request die after a call."""

    def prepare(stack: Stack) -> None:
        stack.account.fail(PROCESS_DEATH, call, phase="after", nth=nth)
        stack.account.clock.sleep(30)
        died = stack.invoke(request(stack), function)
        assert isinstance(died, type), "the request did not die"
        stack.account.heal()

    return prepare


def cancelled(call: str, nth: int = 1) -> Prepare:
    """Let a Create die after a call and never answer: its Delete comes with an id that CloudFormation invents."""

    def prepare(stack: Stack) -> None:
        dies(lambda stack: stack.create(stack.properties()), call, nth)(stack)
        stack.known = INVENTED_ID, stack.properties()

    return prepare


def activate(stack: Stack) -> None:
    """Let a person activate the adopted key again."""
    stack.account.person.set_key_status(stack.adoptable, "Active")


def use_previous(stack: Stack) -> None:
    """Use the key that is current no more."""
    current, _ = stack.current_key()
    stack.account.clock.sleep(120)
    for key in stack.our_keys():
        if key != current:
            stack.account.person.use_key(key)


def renamed(stack: Stack) -> None:
    """Create the construct under its new name; the one under its old name is still there."""
    assert stack.deliver(create_renamed(stack)) == "SUCCESS"


def with_functions(stack: Stack) -> None:
    """Let the app have functions that bring keys to consumers, and that run for a while."""
    for name in ("github", "gitlab", "wiki"):
        stack.add_function(name).seconds = 20


def acknowledge(stack: Stack) -> Event:
    """Let a consumer say that it has the current key."""
    return stack.acknowledgement("ci-runner-7")


def take_for_deployed(stack: Stack) -> None:
    """Take what was created last for deployed."""
    assert stack.known
    stack.known, stack.logical_id = (stack.last_id, stack.known[1]), RENAMED


def forget(stack: Stack) -> None:
    """Take nothing for deployed any more."""
    stack.known = None


def run_steps(number: int) -> Prepare:
    """Let Secrets Manager rotate, up to a step."""

    def prepare(stack: Stack) -> None:
        event = stack.begin_rotation()
        for name in STEPS[:number]:
            stack.invoke(event(name), "worker")

    return prepare


def deactivate_pending(stack: Stack) -> None:
    """Let a person deactivate the key that is stored and not current yet."""
    stack.account.person.deactivate_key(stack.entry["rotation"]["key_id"])


def alarm_not_heeded(stack: Stack) -> None:
    """Let an alarm go off while its function can do no more than write it down."""
    dies(lambda stack: stack.alarm(), "dynamodb:PutItem", function="worker")(stack)


# --- what is asked


def update(serial: str = "1", **changes: Any) -> Callable[[Stack], Event]:
    """Change what is deployed."""
    return lambda stack: stack.update(stack.properties(serial, **changes))


def keep(serial: str, **changes: Any) -> Callable[[Stack], Event]:
    """Change the serial of a key that is kept after it was replaced."""
    return update(serial, **KEPT, **changes)


def create_adopting(stack: Stack) -> Event:
    """Create the resource, which adopts the key that a person made."""
    return stack.create(stack.properties(AdoptedKey=stack.adoptable, **KEPT))


def create_adopting_with_copies(stack: Stack) -> Event:
    """Create the resource, which has one key slot: a key that is not in all copies must make room for another one."""
    return stack.create(stack.properties(AdoptedKey=stack.adoptable, **KEPT, **COPIED))


def update_adopting(stack: Stack) -> Event:
    """Let the key that is deployed adopt the one that a person made."""
    return stack.update(stack.properties(AdoptedKey=stack.adoptable, **KEPT))


def elsewhere(*, user: bool, secret: bool) -> Callable[[Stack], Event]:
    """Change the user, the secret, or both."""

    def request(stack: Stack) -> Event:
        changes: Properties = {"UserName": "vendor"} if user else {}
        return stack.update(stack.properties(**changes, **({"SecretArn": stack.other_arn} if secret else {})))

    return request


def delete(stack: Stack) -> Event:
    """Delete what is deployed."""
    return stack.delete()


def create_renamed(stack: Stack) -> Event:
    """Create the construct under a new name, on the same secret."""
    assert stack.known
    return stack.event("Create", stack.known[1], None, logical_id=RENAMED)


def delete_renamed(stack: Stack) -> Event:
    """Take the construct of the new name back."""
    assert stack.known
    return stack.event("Delete", stack.known[1], stack.last_id, logical_id=RENAMED)


def delete_old_name(stack: Stack) -> Event:
    """Delete the construct of the old name."""
    assert stack.known
    return stack.event("Delete", stack.known[1], stack.known[0], logical_id="Key")


def operate(operation: str) -> Callable[[Stack], Event]:
    """Ask as an operator."""
    return lambda stack: {"Operation": operation, "SecretId": stack.secret_arn}


def step(name: str) -> Callable[[Stack], Event]:
    """Ask for a step as Secrets Manager does; a rotation begins if none has begun."""
    return lambda stack: stack.begin_rotation(TOKEN)(name)


def cut_over(stack: Stack) -> Event:
    """Say that all consumers use the current key."""
    labels = stack.account.state.secrets[stack.secret_arn].labels.value
    properties = {"SecretArn": stack.secret_arn, "SecretVersionId": labels["AWSCURRENT"]}
    return stack.event("Create", properties, None, logical_id="CutOver") | {"ResourceType": CUT_OVER_TYPE}


def _by_cloudformation() -> tuple[Operation, ...]:
    def create(stack: Stack) -> Event:
        return stack.create(stack.properties())

    def create_inactive(stack: Stack) -> Event:
        return stack.create(stack.properties(Status="Inactive"))

    def beside_unmanaged(stack: Stack) -> None:
        stack.add_unmanaged_key("deploy")

    def nothing(_: Stack) -> None:
        pass

    other_user = then(deployed("1"), lambda stack: stack.add_unmanaged_key("vendor"))
    return (
        Operation("create", beside_unmanaged, create),
        Operation("create inactive", nothing, create_inactive),
        Operation("create into a secret with a value", nothing, create, "before"),
        Operation("create beside the deployed key of another name", deployed("1"), create_renamed),
        Operation("rotate", deployed("1"), update("2")),
        Operation("rotate with a grace period", kept("1"), keep("2")),
        Operation("rotate and free a key slot", deployed("1", "2"), update("3")),
        Operation("rotate and free a key slot in the grace period", kept("1", "2"), keep("3", **RETIRES_PREVIOUS)),
        Operation("rotate while Inactive", deployed("1", Status="Inactive"), update("2", Status="Inactive")),
        Operation("rotate in a rotation of Secrets Manager", then(deployed("1"), run_steps(1)), update("2")),
        Operation("restore", deployed("1", "2"), update("1")),
        Operation("restore in the grace period", kept("1", "2"), keep("1")),
        Operation("restore in the retention period", then(kept("1", "2"), wait(GRACE), sweep), keep("1")),
        Operation("deactivate", deployed("1"), update(Status="Inactive")),
        Operation("activate", deployed("1", Status="Inactive"), update()),
        Operation("describe", deployed("1"), update(Description="for the vendor")),
        Operation("another user", other_user, elsewhere(user=True, secret=False)),
        Operation("another secret", deployed("1"), elsewhere(user=False, secret=True)),
        Operation("another user and secret", other_user, elsewhere(user=True, secret=True)),
        Operation("delete", deployed("1", "2"), delete),
        Operation("delete in the grace period", kept("1", "2"), delete),
        Operation("delete in a rotation of Secrets Manager", then(deployed("1"), run_steps(1)), delete),
        Operation("delete what was there before a value", deployed("1"), delete, "before"),
        Operation(
            "delete the construct of the old name", then(deployed("1"), renamed, take_for_deployed), delete_old_name
        ),
        Operation("take back the construct of the new name", then(deployed("1"), renamed), delete_renamed),
        Operation("cancel a create whose key was lost", cancelled("iam:CreateAccessKey"), delete),
        Operation("cancel a create that has stored its key", cancelled("secretsmanager:PutSecretValue"), delete),
        Operation("cancel a create that was nearly done", cancelled("iam:TagUser"), delete),
        Operation("create with copies", nothing, lambda stack: stack.create(stack.properties(**COPIED))),
        Operation("rotate with copies", kept("1", **COPIED), keep("2", **COPIED)),
        Operation("rotate with copies, without a grace period", deployed("1", "2", **COPIED), update("3", **COPIED)),
        Operation("restore with copies", kept("1", "2", **COPIED), keep("1", **COPIED)),
        Operation("begin to copy", kept("1"), keep("1", **COPIED)),
        Operation("copy no more", kept("1", **COPIED), keep("1")),
        Operation("delete with copies", kept("1", "2", **COPIED), delete),
        Operation("adopt", adoptable, create_adopting),
        Operation("adopt into a secret with a value", adoptable, create_adopting, "before"),
        Operation("adopt beside a key that is deployed", then(kept("1"), adoptable), update_adopting),
        Operation("release an adopted key", adopted, keep("1")),
        Operation("delete what has adopted a key", adopted, delete),
        Operation("delete what has retired an adopted key", then(adopted, wait(ADOPTED_FOR), sweep), delete),
        Operation("cut over", kept("1", "2", CutOver="Deferred"), cut_over),
        Operation("rotate with another format", kept("1"), keep("1", **SMTP)),
        Operation("adopt with copies", adoptable, create_adopting_with_copies),
        Operation("create and deliver", with_functions, lambda stack: stack.create(stack.properties(**DELIVERED))),
        Operation("rotate and deliver", then(with_functions, kept("1", **DELIVERED)), keep("2", **DELIVERED)),
        Operation("restore and deliver", then(with_functions, kept("1", "2", **DELIVERED)), keep("1", **DELIVERED)),
        Operation("begin to deliver", then(with_functions, kept("1")), keep("1", **DELIVERED)),
        Operation("delete what is delivered", then(with_functions, kept("1", "2", **DELIVERED)), delete),
    )


def _by_others() -> tuple[Operation, ...]:
    def by_sweep(name: str, *before: Prepare) -> Operation:
        return Operation(f"sweep {name}", then(*before), lambda _: SWEEP, function="worker")

    def by_operator(operation: str, name: str, *before: Prepare) -> Operation:
        return Operation(f"{operation} {name}", then(*before), operate(operation))

    def by_rotation(name: str, about: str, *before: Prepare) -> Operation:
        return Operation(f"{name}{about}", then(*before), step(name), function="worker")

    minutes = wait(timedelta(minutes=5))
    finished = then(kept("1"), run_steps(4), minutes)
    return (
        by_sweep("deactivates", kept("1", "2"), wait(GRACE)),
        by_sweep("deletes", kept("1", "2"), wait(GRACE), sweep, wait(RETENTION)),
        by_sweep("deactivates an adopted key", adopted, wait(ADOPTED_FOR)),
        by_sweep("deletes an adopted key", adopted, wait(ADOPTED_FOR), sweep, wait(RETENTION)),
        by_sweep("finds an adopted key Active again", adopted, wait(ADOPTED_FOR), sweep, activate, wait(RETENTION)),
        by_sweep("postpones", kept("1", "2"), use_previous, wait(GRACE)),
        by_sweep("removes an orphan", kept("1"), dies(keep("2"), "iam:CreateAccessKey"), minutes),
        by_sweep("removes a key that was stored", kept("1"), dies(keep("2"), "secretsmanager:PutSecretValue"), minutes),
        by_sweep("finds a switch", kept("1"), dies(keep("2"), "secretsmanager:UpdateSecretVersionStage"), minutes),
        by_sweep("finishes a delete", deployed("1", "2"), dies(delete, "iam:DeleteAccessKey"), forget, minutes),
        by_sweep("heeds an alarm", kept("1", "2"), alarm_not_heeded, minutes),
        by_sweep("gives up a rotation", kept("1"), run_steps(1), wait(timedelta(days=1, minutes=5))),
        by_operator("Undo", "in the grace period", kept("1", "2"), minutes),
        by_operator("Undo", "in the retention period", kept("1", "2"), wait(GRACE), sweep),
        by_operator("Undo", "a rotation of Secrets Manager", finished),
        by_operator("Rotate", "", kept("1")),
        by_operator("Undo", "with copies", kept("1", "2", **COPIED), minutes),
        by_operator("Rotate", "and free a key slot", kept("1", "2", **RETIRES_PREVIOUS)),
        by_operator("Retire", "the previous key", kept("1", "2")),
        by_operator("Retire", "an adopted key", adopted, wait(ADOPTED_FOR)),
        Operation("alarm", then(kept("1", "2"), minutes), lambda stack: stack.alarm(), function="worker"),
        by_rotation("createSecret", "", kept("1")),
        by_rotation("createSecret", " that frees a key slot", deployed("1", "2"), wait(timedelta(days=2))),
        by_rotation("setSecret", "", kept("1"), run_steps(1)),
        by_rotation("testSecret", "", kept("1"), run_steps(2)),
        by_rotation("testSecret", " of a key that was deactivated", kept("1"), run_steps(2), deactivate_pending),
        by_rotation("finishSecret", "", kept("1"), run_steps(3)),
        by_rotation("createSecret", " with copies", kept("1", **COPIED)),
        by_rotation("finishSecret", " with copies", kept("1", **COPIED), run_steps(3)),
        by_rotation("finishSecret", " and deliver", with_functions, kept("1", **DELIVERED), run_steps(3)),
        by_operator("Undo", "and deliver", with_functions, kept("1", "2", **DELIVERED), minutes),
        by_sweep("delivers", with_functions, kept("1"), dies(keep("1", **DELIVERED), "lambda:Invoke"), wait(GRACE)),
        Operation("acknowledge", then(kept("1", "2", **AWAITED), minutes), acknowledge, function="worker"),
    )


BY_CLOUDFORMATION = _by_cloudformation()
BY_OTHERS = _by_others()
OPERATIONS = BY_CLOUDFORMATION + BY_OTHERS
