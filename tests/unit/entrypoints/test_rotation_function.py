"""Secrets Manager's four steps on the fake account, each again and again, and what it must not be allowed to do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.aws import ProcessDeath
from fakes.faults import ACCESS_DENIED, CONNECTION_LOST, PROCESS_DEATH, THROTTLED
from support.stack import STEPS, TOKEN

from access_key_provider.model.errors import InvalidRequestError, NotManagedError, RotationError
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.aws import Call
    from support.stack import Event, Stack

GRACE = {"GracePeriod": "3600", "RotationSchedule": "rate(30 days)"}
SECOND = "00000000-0000-4000-9000-000000000002"


@pytest.fixture
def begun(stack: Stack) -> Callable[[str], Event]:
    """Begin a rotation of a key that is deployed; make the event of a step."""
    stack.deploy("1", **GRACE)
    return stack.begin_rotation()


def run(stack: Stack, event: Event) -> object:
    """Hand a step to the worker."""
    return stack.invoke(event, "worker")


def labels(stack: Stack) -> dict[str, set[str]]:
    """List the labels of each version."""
    described = stack.account.client("secretsmanager").describe_secret(SecretId=stack.secret_arn)
    return {version: set(found) for version, found in described["VersionIdsToStages"].items()}


def test_the_steps_make_a_new_key_current(stack: Stack, begun: Callable[[str], Event]) -> None:
    """The previous key stays Active for its grace period; AWSPENDING stays where it is."""
    (first,) = stack.our_keys()
    for step in STEPS:
        assert run(stack, begun(step)) is None
        assert (stack.current_key()[0] == first) is (step != "finishSecret")
    second = stack.current_key()[0]
    assert stack.keys() == {first: "Active", second: "Active"}
    assert labels(stack)[TOKEN] == {second, "AWSCURRENT", "AWSPENDING"}
    stack.check_deployed(stack.properties())
    stack.sweep(timedelta(hours=2))
    assert stack.keys() == {first: "Inactive", second: "Active"}


@pytest.mark.parametrize("times", [2, 3])
def test_every_step_may_come_again(stack: Stack, begun: Callable[[str], Event], times: int) -> None:
    """At once, and after those that follow: the key that is current by then is nobody's leftover."""
    for step in STEPS:
        for _ in range(times):
            run(stack, begun(step))
    keys, current = stack.keys(), stack.current_key()
    for step in STEPS:
        run(stack, begun(step))
    assert (stack.keys(), stack.current_key()) == (keys, current)
    assert len(keys) == 2


def test_one_rotation_after_another_needs_no_more_than_two_keys(stack: Stack) -> None:
    """Each takes the slot of the one before."""
    stack.deploy("1", RotationSchedule="rate(30 days)")
    for number in range(3):
        stack.account.clock.sleep(timedelta(days=30).total_seconds())
        stack.rotate(f"00000000-0000-4000-9000-{number:012}")
        assert len(stack.keys()) == 2
        stack.check_deployed(stack.properties())


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(
    "call", ["iam:CreateAccessKey", "sts:GetCallerIdentity", "secretsmanager:PutSecretValue", "dynamodb:PutItem"]
)
def test_a_step_that_died_begins_anew(stack: Stack, begun: Callable[[str], Event], call: str, phase: Any) -> None:
    """With the same token: no key is left of the first try but one that was stored."""
    stack.account.fail(PROCESS_DEATH, call, phase=phase, nth=2 if call.startswith(("sts", "dynamodb")) else 1)
    assert run(stack, begun("createSecret")) is ProcessDeath
    stack.account.heal()
    stack.account.clock.sleep(120)
    for step in STEPS:
        run(stack, begun(step))
    stack.sweep_for(timedelta(hours=3), every=timedelta(minutes=5))
    stack.check_deployed(stack.properties())
    assert len(stack.keys()) == 2


@pytest.mark.parametrize("call", ["sts:GetCallerIdentity", "secretsmanager:PutSecretValue"])
def test_a_step_that_failed_leaves_no_key(stack: Stack, begun: Callable[[str], Event], call: str) -> None:
    """Secrets Manager gets an error and tries again, perhaps a day later."""
    (first,) = stack.our_keys()
    stack.account.fail(CONNECTION_LOST, call, times=None)
    with pytest.raises(ProviderError):
        run(stack, begun("createSecret"))
    assert stack.keys() == {first: "Active"}
    assert stack.current_key() == (first, "Active")
    stack.account.heal()
    for step in STEPS:
        run(stack, begun(step))
    assert stack.current_key()[0] != first


def test_a_refusal_is_raised_in_our_own_words(stack: Stack, begun: Callable[[str], Event]) -> None:
    """Lambda logs it, and Secrets Manager tries again."""
    stack.account.fail(ACCESS_DENIED, "iam:CreateAccessKey", times=None)
    with pytest.raises(ProviderError, match="iam:CreateAccessKey on user deploy was denied"):
        run(stack, begun("createSecret"))
    stack.account.heal()
    run(stack, begun("createSecret"))


@pytest.mark.parametrize("step", ["testSecret", "finishSecret"])
@pytest.mark.parametrize("how", ["deactivated", "deleted"])
def test_a_pending_key_that_a_bot_has_touched_is_given_up(
    stack: Stack, begun: Callable[[str], Event], how: str, step: str
) -> None:
    """The next rotation works; what Secrets Manager is told says what happened."""
    (first,) = stack.our_keys()
    run(stack, begun("createSecret"))
    pending = next(key for key in stack.our_keys() if key != first)
    if how == "deactivated":
        stack.account.person.deactivate_key(pending)
    else:
        stack.account.person.delete_key(pending)
    with pytest.raises(RotationError, match="rotate again"):
        run(stack, begun(step))
    assert stack.current_key() == (first, "Active")
    with pytest.raises(RotationError):
        run(stack, begun("createSecret"))
    stack.rotate(SECOND)
    assert stack.current_key()[0] not in {first, pending}
    assert pending not in stack.our_keys()


def test_a_version_that_nothing_was_written_to_passes_the_test(stack: Stack, begun: Callable[[str], Event]) -> None:
    """That is what a schedule without an immediate rotation does."""
    run(stack, begun("testSecret"))
    assert len(stack.keys()) == 1


def test_a_rotation_that_a_deployment_has_ended_is_refused(stack: Stack, begun: Callable[[str], Event]) -> None:
    """It needed the slot: the pending key is gone, and a new rotation may begin."""
    run(stack, begun("createSecret"))
    stack.deploy("2", **GRACE)
    current = stack.current_key()
    for step in STEPS[1:]:
        with pytest.raises(RotationError):
            run(stack, begun(step))
    assert stack.current_key() == current
    assert all("AWSPENDING" not in found for found in labels(stack).values())


def test_a_deployment_that_could_not_end_a_rotation_is_rolled_back_to_the_key_before(
    stack: Stack, begun: Callable[[str], Event]
) -> None:
    """The key of the rotation is for the same serial, and newer; but nobody has ever had it."""
    before = stack.current_key()
    run(stack, begun("createSecret"))
    stack.account.log.clear()

    def is_after_the_label(call: Call) -> bool:
        names = [made.name for made in stack.account.log.entries]
        return call.name == "dynamodb:PutItem" and "secretsmanager:UpdateSecretVersionStage" in names

    stack.account.fail(THROTTLED, is_after_the_label)
    update = stack.update(stack.properties("2", **GRACE))
    assert stack.deliver(update) == "FAILED"
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == before
    assert len(stack.our_keys()) == 1


def test_a_key_that_was_deleted_meanwhile_is_not_rotated(stack: Stack, begun: Callable[[str], Event]) -> None:
    """CreateSecret comes after the Delete: nothing is made for a resource that is gone."""
    stack.must(stack.delete())
    for step in STEPS:
        with pytest.raises(ProviderError):
            run(stack, begun(step))
    assert stack.our_keys() == []


def test_a_delete_in_the_middle_of_a_rotation_takes_all_keys(stack: Stack, begun: Callable[[str], Event]) -> None:
    """The pending one too, and what Secrets Manager sends afterwards is refused."""
    run(stack, begun("createSecret"))
    stack.must(stack.delete())
    assert stack.our_keys() == []
    with pytest.raises(ProviderError):
        run(stack, begun("finishSecret"))
    stack.check_deployed(None)


def test_a_secret_that_the_ledger_does_not_know_is_not_rotated(stack: Stack) -> None:
    """Somebody has pointed its rotation at the worker."""
    event = stack.begin_rotation()
    for step in STEPS:
        with pytest.raises(NotManagedError):
            run(stack, event(step))
    assert stack.our_keys() == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"Step": "deleteSecret"}, "Step must be one of createSecret, setSecret, testSecret, finishSecret"),
        ({"Step": None}, "Step must be one of"),
        ({"Step": 7}, "Step must be one of"),
        ({"SecretId": "shop/deploy"}, "SecretId must be the complete ARN"),
        ({"SecretId": None}, "SecretId must be the complete ARN"),
        ({"ClientRequestToken": "short"}, "ClientRequestToken must be"),
        ({"ClientRequestToken": "x" * 65}, "ClientRequestToken must be"),
        ({"ClientRequestToken": "é" * 36}, "ClientRequestToken must be"),
        ({"ClientRequestToken": None}, "ClientRequestToken must be"),
        ({"RotationToken": 7}, "RotationToken must be"),
        ({"RotationToken": "x" * 257}, "RotationToken must be"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(stack: Stack, change: dict[str, Any], why: str) -> None:
    """Before any call."""
    event = {"Step": "createSecret", "SecretId": stack.secret_arn, "ClientRequestToken": TOKEN} | change
    with pytest.raises(InvalidRequestError, match=why):
        run(stack, event)
    assert stack.account.log.entries == []
