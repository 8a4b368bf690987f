"""Functions that bring keys to consumers: when they are called, with what, and what waits for them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from fakes.aws import ProcessDeath
from fakes.faults import ACCESS_DENIED, CONNECTION_LOST, PROCESS_DEATH, TIMED_OUT
from support.stack import TOKEN, Stack, delivery, function_arn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.stack import Properties

KEPT = {"GracePeriod": "3600", "RetentionPeriod": "3600"}


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Users, secrets, and a function that brings keys to a consumer."""
    with Stack.on_fake_account() as stack:
        stack.add_function()
        yield stack


def declared(stack: Stack, serial: str, *deliveries: dict[str, str]) -> Properties:
    """Build the properties of a key with a required delivery before publishing, or with those that are given."""
    return stack.properties(serial, Deliveries=list(deliveries or (delivery(),)), **KEPT)


def test_a_new_key_is_delivered_before_it_is_published(stack: Stack) -> None:
    """The function gets ids and no secret; the version that it reads is there, and readers get it later."""
    stack.must(stack.create(declared(stack, "1")))
    first, _ = stack.current_key()
    stack.must(stack.update(declared(stack, "2")))
    second, _ = stack.current_key()
    calls = stack.function().calls
    assert [call["accessKeyId"] for call in calls] == [first, second]
    versions = {key["id"]: key["version_id"] for key in stack.entry["keys"].values()}
    assert calls[1] == {
        "secretArn": stack.secret_arn,
        "versionId": versions[second],
        "accessKeyId": second,
        "previousAccessKeyId": first,
        "consumer": "github",
        "phase": "BeforePublishing",
    }
    names = [call.name for call in stack.account.log.entries]
    assert names.index("lambda:Invoke") < names.index("secretsmanager:UpdateSecretVersionStage")
    delivered = [event for event in stack.account.state.events if event["DetailType"] == "Access Key Delivered"]
    assert [json.loads(event["Detail"])["consumer"] for event in delivered] == ["github", "github"]


def test_after_publishing(stack: Stack) -> None:
    """Readers of the secret get the key first."""
    stack.must(stack.create(declared(stack, "1", delivery(before=False))))
    names = [call.name for call in stack.account.log.entries if call.wrote]
    assert names.index("secretsmanager:PutSecretValue") < names.index("lambda:Invoke")
    assert stack.function().calls[0]["phase"] == "AfterPublishing"
    assert stack.function().has == stack.current_key()[0]


def test_a_required_delivery_that_fails_keeps_the_previous_key_current(stack: Stack) -> None:
    """The consumer may have got the new key: it gets the previous one again, before the new one goes."""
    stack.must(stack.create(declared(stack, "1")))
    first, _ = stack.current_key()
    function = stack.function()
    function.error = "GitHubError"
    update = stack.update(declared(stack, "2"))
    assert stack.deliver(update) == "FAILED"
    assert "the delivery to github failed: its function raised GitHubError" in stack.answers[-1]["Reason"]
    assert "not told" not in json.dumps(stack.answers)
    assert stack.current_key() == (first, "Active")
    (second,) = set(stack.our_keys()) - {first}
    assert (stack.keys()[second], function.has) == ("Active", first), "the consumer may have it yet"
    function.error = ""
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.sweep()
    assert stack.our_keys() == [first]
    assert function.has == first


def test_a_delivery_that_was_never_made_leaves_nothing(stack: Stack) -> None:
    """The function may not be called: nobody can have the new key."""
    stack.must(stack.create(declared(stack, "1")))
    stack.account.fail(ACCESS_DENIED, "lambda:Invoke", times=None)
    assert stack.deliver(stack.update(declared(stack, "2"))) == "FAILED"
    assert "the delivery to github failed" in stack.answers[-1]["Reason"]
    assert stack.our_keys() == [stack.current_key()[0]]


def test_what_is_not_required_is_left_to_the_sweep(stack: Stack) -> None:
    """It holds back neither the switch nor the retirement, is tried again, and told."""
    optional = delivery(required=False)
    stack.must(stack.create(declared(stack, "1", optional)))
    function = stack.function()
    function.error = "GitHubError"
    stack.must(stack.update(declared(stack, "2", optional)))
    second, _ = stack.current_key()
    assert stack.sweep()["failed"] == 1
    assert "github" in stack.entry["failing"]["reason"]
    function.error = ""
    stack.sweep(timedelta(minutes=30))
    assert function.has == second
    assert "failing" not in stack.entry


@pytest.mark.parametrize("before", [True, False])
def test_a_required_delivery_holds_retirement_back(stack: Stack, *, before: bool) -> None:
    """However long the previous key has not been used."""
    needed = delivery(before=before)
    stack.must(stack.create(declared(stack, "1", needed)))
    first, _ = stack.current_key()
    stack.must(stack.update(declared(stack, "2", needed)))
    function = stack.function()
    function.error = "GitHubError"
    other = delivery("gitlab", before=before)
    gitlab = stack.add_function("gitlab")
    gitlab.error = "GitLabError"
    stack.must(stack.update(declared(stack, "2", needed, other)))
    stack.sweep_for(timedelta(days=3))
    assert stack.keys()[first] == "Active"
    postponed = [event for event in stack.account.state.events if event["DetailType"].endswith("Postponed")]
    assert {json.loads(event["Detail"])["missingConsumers"] for event in postponed} == {"gitlab"}
    gitlab.error = ""
    stack.sweep_for(timedelta(days=2))
    assert stack.keys().get(first) != "Active"


def test_rollback_and_undo_deliver_the_other_way_round(stack: Stack) -> None:
    """Whoever goes back is not kept from it by a delivery."""
    stack.must(stack.create(declared(stack, "1")))
    first, _ = stack.current_key()
    update = stack.update(declared(stack, "2"))
    assert stack.deliver(update) == "SUCCESS"
    function = stack.function()
    function.error = "GitHubError"
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == (first, "Active")
    function.error = ""
    stack.sweep(timedelta(minutes=10))
    assert function.has == first
    stack.sweep_for(timedelta(days=2))
    stack.must(stack.update(declared(stack, "3")))
    assert function.has == stack.current_key()[0] != first
    stack.operate("Undo")
    assert function.has == stack.current_key()[0] == first


@pytest.mark.parametrize(("required", "status"), [(True, "Active"), (False, "Inactive")])
def test_what_an_undo_takes_back_stays_for_a_required_delivery(stack: Stack, *, required: bool, status: str) -> None:
    """While its function fails; where a delivery may fail, the key that was bad does not stay for it."""
    one = delivery(required=required)
    stack.must(stack.create(declared(stack, "1", one)))
    first, _ = stack.current_key()
    stack.must(stack.update(declared(stack, "2", one)))
    second, _ = stack.current_key()
    stack.function().error = "GitHubError"
    stack.operate("Undo")
    assert stack.current_key() == (first, "Active")
    assert stack.keys()[second] == status
    stack.sweep_for(timedelta(days=1))
    assert (stack.keys().get(second) == "Active") == required


@pytest.mark.parametrize("by", ["operator", "alarm"])
def test_an_undo_delivers_before_it_deactivates(stack: Stack, by: str) -> None:
    """A consumer whose delivery is optional has the restored key by then; one that hangs keeps no bad key Active."""
    optional = [delivery(required=False), *slow(stack, 0, 9)]
    stack.must(stack.create(declared(stack, "1", *optional)))
    first, _ = stack.current_key()
    stack.must(stack.update(declared(stack, "2", *optional)))
    second, _ = stack.current_key()
    slow(stack, 38, 9)
    if by == "operator":
        stack.operate("Undo")
    else:
        stack.invoke(stack.alarm(), "worker")
    last_calls = {call.name: number for number, call in enumerate(stack.account.log.entries)}
    assert last_calls["lambda:Invoke"] < last_calls["iam:UpdateAccessKey"]
    assert stack.keys() == {first: "Active", second: "Inactive"}
    assert stack.function().has == first


@pytest.mark.parametrize("by", ["undo", "sweep"])
@pytest.mark.parametrize("step", ["secretsmanager:UpdateSecretVersionStage", "lambda:Invoke"])
def test_who_ends_an_undo_that_died_delivers_before_it_deactivates(stack: Stack, step: str, by: str) -> None:
    """A second undo and the sweep go on in the order of the first."""
    optional = delivery(required=False)
    stack.must(stack.create(declared(stack, "1", optional)))
    first, _ = stack.current_key()
    stack.must(stack.update(declared(stack, "2", optional)))
    second, _ = stack.current_key()
    stack.account.fail(PROCESS_DEATH, step, phase="after" if step.startswith("secrets") else "before")
    assert stack.operate("Undo") is ProcessDeath
    assert stack.keys() == {first: "Active", second: "Active"}
    stack.account.clock.sleep(timedelta(minutes=30).total_seconds())
    begun = len(stack.account.log.entries)
    if by == "undo":
        stack.operate("Undo")
    else:
        stack.sweep()
    last_calls = {call.name: number for number, call in enumerate(stack.account.log.entries[begun:])}
    assert last_calls["lambda:Invoke"] < last_calls["iam:UpdateAccessKey"]
    assert stack.keys() == {first: "Active", second: "Inactive"}
    assert stack.function().has == first


def test_a_rotation_by_secrets_manager(stack: Stack) -> None:
    """The step fails until the consumer has the key; the same version is the same call."""
    stack.must(stack.create(declared(stack, "1")))
    first, _ = stack.current_key()
    function = stack.function()
    function.error = "GitHubError"
    event = stack.begin_rotation()
    for step in ("createSecret", "setSecret", "testSecret"):
        stack.invoke(event(step), "worker")
    with pytest.raises(Exception, match="GitHubError"):
        stack.invoke(event("finishSecret"), "worker")
    assert stack.current_key() == (first, "Active")
    function.error = ""
    stack.invoke(event("finishSecret"), "worker")
    assert function.calls[-1] == function.calls[-2]
    assert function.calls[-1]["versionId"] == TOKEN
    assert stack.current_key()[0] == function.has != first


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("fault", [TIMED_OUT, CONNECTION_LOST], ids=str)
def test_a_function_is_never_called_while_it_may_be_running(stack: Stack, fault: object, phase: str) -> None:
    """One that did not answer may run for 18 minutes; the consumer has the current key in the end."""
    stack.must(stack.create(declared(stack, "1")))
    function = stack.function()
    function.seconds = 890
    stack.account.fail(fault, "lambda:Invoke", phase=phase)
    update = stack.update(declared(stack, "2"))
    assert stack.deliver(update) == "FAILED"
    assert "may be running yet" in stack.answers[-1]["Reason"]
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.sweep_for(timedelta(hours=2), every=timedelta(minutes=1))
    assert function.overlaps == 0
    assert function.has == stack.current_key()[0]
    assert stack.our_keys() == [function.has]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_death_while_a_function_is_called(stack: Stack, phase: str) -> None:
    """The sweep puts it in order."""
    stack.must(stack.create(declared(stack, "1")))
    first, _ = stack.current_key()
    function = stack.function()
    function.seconds = 890
    stack.account.fail(PROCESS_DEATH, "lambda:Invoke", phase=phase)
    assert stack.invoke(stack.update(declared(stack, "2")), "provider") is ProcessDeath
    stack.sweep_for(timedelta(hours=2), every=timedelta(minutes=1))
    assert (function.overlaps, function.has) == (0, first)
    assert stack.our_keys() == [first]


def test_a_delivery_that_is_declared_later(stack: Stack) -> None:
    """The deployment that declares it brings the current key, and no new one is made."""
    stack.deploy("1", **KEPT)
    stack.must(stack.update(declared(stack, "1")))
    assert stack.function().has == stack.current_key()[0]
    assert len(stack.our_keys()) == 1


def test_another_function_for_the_same_consumer(stack: Stack) -> None:
    """It is told, too."""
    stack.must(stack.create(declared(stack, "1")))
    moved = delivery() | {"FunctionArn": function_arn("moved")}
    stack.add_function("moved")
    stack.must(stack.update(declared(stack, "1", moved)))
    assert stack.function("moved").has == stack.current_key()[0]


def test_a_delivery_that_is_declared_no_more_is_forgotten(stack: Stack) -> None:
    """Once its last call is over: if it comes back sooner, it must not be called at the same time."""
    stack.must(stack.create(declared(stack, "1")))
    function = stack.function()
    function.seconds = 890
    stack.account.fail(TIMED_OUT, "lambda:Invoke", phase="after")
    update = stack.update(declared(stack, "2"))
    assert stack.deliver(update) == "FAILED"
    stack.must(stack.update(stack.properties("1", **KEPT)))
    assert stack.entry["deliveries"].keys() == {"github"}
    stack.sweep_for(timedelta(days=1, hours=6))
    assert "deliveries" not in stack.entry


def test_deletion_calls_nobody(stack: Stack) -> None:
    """The key is gone whatever its deliveries say."""
    stack.must(stack.create(declared(stack, "1")))
    stack.function().error = "GitHubError"
    assert stack.deliver(stack.delete()) == "SUCCESS"
    assert stack.our_keys() == []
    assert len(stack.function().calls) == 1


def test_a_rename_that_is_rolled_back(stack: Stack) -> None:
    """The consumer has the key of the new name, which is gone: the next sweep brings it the old one again."""
    stack.must(stack.create(declared(stack, "1")))
    first, _ = stack.current_key()
    renamed = stack.event("Create", declared(stack, "1"), None, logical_id="Renamed")
    assert stack.deliver(renamed) == "SUCCESS"
    assert stack.function().has == stack.current_key()[0] != first
    assert stack.deliver(stack.event("Delete", declared(stack, "1"), stack.last_id, logical_id="Renamed")) == "SUCCESS"
    assert stack.current_key() == (first, "Active")
    stack.sweep(timedelta(minutes=6))
    assert stack.function().has == first


@pytest.mark.parametrize("function", ["github", "moved"])
def test_a_function_that_may_be_running_is_not_called_for_another_consumer(stack: Stack, function: str) -> None:
    """Whether it delivers to both, or the consumer was renamed meanwhile, or had another function before."""
    before, arn = delivery(), {"FunctionArn": stack.add_function(function) and function_arn(function)}
    stack.must(stack.create(declared(stack, "1", before)))
    running = stack.function(function)
    running.seconds = 890
    stack.account.fail(TIMED_OUT, "lambda:Invoke", phase="after")
    optional = delivery(required=False) | arn
    both = declared(stack, "2", optional, delivery("wiki", required=False) | arn)
    stack.must(stack.update(both))
    stack.must(stack.update(declared(stack, "2", delivery("renamed") | arn)))
    stack.sweep_for(timedelta(hours=2), every=timedelta(minutes=1))
    assert (running.overlaps, running.has) == (0, stack.current_key()[0])
    assert running.calls[-1]["consumer"] == "renamed"


def test_no_key_is_its_own_previous_one(stack: Stack) -> None:
    """A function that takes the previous key away from its consumer never takes the one that it has just brought."""
    stack.must(stack.create(declared(stack, "1")))
    function = stack.function()
    function.error = "GitHubError"
    update = stack.update(declared(stack, "2"))
    assert stack.deliver(update) == "FAILED"
    function.error = ""
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.add_function("moved")
    stack.must(stack.update(declared(stack, "1", delivery() | {"FunctionArn": function_arn("moved")})))
    calls = [*function.calls, *stack.function("moved").calls]
    assert len(calls) >= 4
    assert all(call["previousAccessKeyId"] != call["accessKeyId"] for call in calls)


def slow(stack: Stack, seconds: float, number: int = 10) -> list[dict[str, str]]:
    """Declare deliveries whose functions take their time."""
    for index in range(number):
        stack.add_function(f"slow-{index}").seconds = seconds
    return [delivery(f"slow-{index}", required=False) for index in range(number)]


GETTING_READY = [
    "CodeArtifactUserPendingException",
    "EC2ThrottledException",
    "ENINotReadyException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "SnapStartNotReadyException",
]


@pytest.mark.parametrize("refusal", GETTING_READY)
def test_a_function_that_was_idle_for_weeks_is_waited_for(stack: Stack, refusal: str) -> None:
    """Lambda refuses the first call, and gets the function ready again; a rotation is just the call after weeks."""
    stack.must(stack.create(declared(stack, "1")))
    function = stack.function()
    function.refusal, function.wakes_in = refusal, 90.0
    stack.must(stack.update(declared(stack, "2")))
    assert function.has == stack.current_key()[0]
    assert len(function.calls) == 2, "one for each key"


@pytest.mark.parametrize(("refusal", "seconds"), [("ResourceNotReadyException", 120.0), ("KMSDisabledException", 0.0)])
def test_a_function_that_lambda_does_not_run_is_not_running(stack: Stack, refusal: str, seconds: float) -> None:
    """Lambda says so with a 502: nothing is in doubt, and the next attempt comes as soon as somebody makes it."""
    stack.must(stack.create(declared(stack, "1")))
    function, (first, _) = stack.function(), stack.current_key()
    function.refusal = refusal
    begun = stack.account.clock.now()
    assert stack.deliver(stack.update(declared(stack, "2"))) == "FAILED"
    assert f"the delivery to github failed: Invoke: {refusal}" in stack.answers[-1]["Reason"]
    assert stack.current_key()[0] == first
    assert stack.our_keys() == [first]
    assert (stack.account.clock.now() - begun).total_seconds() < seconds + 60
    function.refusal = ""
    stack.must(stack.update(declared(stack, "2")))
    assert function.has == stack.current_key()[0] != first


def test_a_function_that_was_waited_for_may_run_for_longer(stack: Stack) -> None:
    """It is not called while it may be running, counted from when Lambda let it run."""
    stack.must(stack.create(declared(stack, "1")))
    function = stack.function()
    function.refusal, function.wakes_in, function.seconds = "ResourceNotReadyException", 110.0, 895

    def is_awake() -> bool:
        return bool(function.woken) and not function.refuses(stack.account.clock.now())

    stack.account.fail(TIMED_OUT, lambda call: call.name == "lambda:Invoke" and is_awake(), phase="after")
    stack.deliver(stack.update(declared(stack, "2")))
    stack.sweep_for(timedelta(hours=1), every=timedelta(seconds=30))
    assert len(function.calls) >= 2
    assert function.overlaps == 0


def test_an_idle_function_takes_no_time_from_the_switch(stack: Stack) -> None:
    """However many there are, and however long they take to wake."""
    for index in range(4):
        function = stack.add_function(f"idle-{index}")
        function.refusal = "ResourceNotReadyException"
    idle = [delivery(f"idle-{index}", required=False) for index in range(4)]
    stack.must(stack.create(declared(stack, "1", *idle)))
    stack.must(stack.update(declared(stack, "2", *idle)))


def test_functions_that_hang_do_not_use_up_the_time_for_the_switch(stack: Stack) -> None:
    """A delivery that is not required holds it back neither by failing nor by taking long."""
    optional = slow(stack, 0)
    stack.must(stack.create(declared(stack, "1", *optional)))
    slow(stack, 890)
    first, _ = stack.current_key()
    stack.account.fail(TIMED_OUT, "lambda:Invoke", phase="after", times=None)
    stack.must(stack.update(declared(stack, "2", *optional)))
    assert stack.current_key()[0] != first


def test_a_request_is_answered_in_time_however_long_deliveries_take(stack: Stack) -> None:
    """Also when those that had the new key get the previous one again."""
    needed = [one | {"Required": "true"} for one in slow(stack, 0)]
    stack.must(stack.create(declared(stack, "1", *needed)))
    first, _ = stack.current_key()
    slow(stack, 38)
    began = stack.account.clock.now()
    update = stack.update(declared(stack, "2", *needed))
    assert stack.deliver(update, after=0) == "FAILED"
    assert "ran out of time before the delivery to slow-" in stack.answers[-1]["Reason"]
    assert stack.account.clock.now() - began < timedelta(seconds=290)
    began = stack.account.clock.now()
    assert stack.deliver(stack.roll_back(update), after=0) == "SUCCESS"
    assert stack.account.clock.now() - began < timedelta(seconds=290)
    stack.sweep_for(timedelta(hours=1), every=timedelta(minutes=5))
    assert {stack.function(one["Name"]).has for one in needed} == {first}
    assert stack.our_keys() == [first]


def test_a_sweep_ends_in_time_however_long_deliveries_take(stack: Stack) -> None:
    """The next one goes on."""
    late = [one | {"Phase": "AfterPublishing"} for one in slow(stack, 38)]
    stack.must(stack.create(declared(stack, "1", *late)))
    assert not all(stack.function(one["Name"]).has for one in late)
    for _ in range(3):
        stack.account.clock.sleep(300)
        began = stack.account.clock.now()
        stack.sweep(timedelta())
        assert stack.account.clock.now() - began < timedelta(seconds=290)
    assert {stack.function(one["Name"]).has for one in late} == {stack.current_key()[0]}


def test_without_a_grace_period_a_rollback_waits_for_whoever_has_to_come_back(stack: Stack) -> None:
    """The consumer has the newer key until its function has brought it the older one again."""
    hasty = {"GracePeriod": "0", "RetentionPeriod": "3600", "Deliveries": [delivery()]}
    stack.deploy("1", **hasty)
    first, _ = stack.current_key()
    update = stack.update(stack.properties("2", **hasty))
    assert stack.deliver(update) == "SUCCESS"
    second, _ = stack.current_key()
    assert stack.keys()[first] == "Inactive", "all had the second key before it became current"
    function = stack.function()
    function.error = "GitHubError"
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == (first, "Active")
    stack.sweep_for(timedelta(hours=2), every=timedelta(minutes=5))
    assert stack.keys()[second] == "Active"
    function.error = ""
    stack.sweep_for(timedelta(hours=12), every=timedelta(minutes=5))
    assert stack.keys().get(second) != "Active"


@pytest.mark.parametrize("changed", [{}, {"UserName": "vendor"}], ids=["secret", "user and secret"])
@pytest.mark.parametrize("is_answer_lost", [False, True])
def test_a_change_of_the_secret_that_is_rolled_back(
    stack: Stack, changed: dict[str, str], *, is_answer_lost: bool
) -> None:
    """The consumer has the key of the other secret, which is gone; a sweep brings it the one of this secret again."""
    stack.must(stack.create(declared(stack, "1")))
    first, _ = stack.current_key()
    stack.account.clock.sleep(86400)
    moved = declared(stack, "1") | {"SecretArn": stack.other_arn} | changed
    update = stack.update(moved)
    assert stack.deliver(update) == "SUCCESS"
    assert stack.function().has != first
    back = stack.roll_back(update) if is_answer_lost else stack.event("Delete", moved, stack.last_id)
    assert stack.deliver(back) == "SUCCESS"
    stack.sweep(timedelta(minutes=6))
    assert (stack.function().has, stack.our_keys()) == (first, [first])
    assert "failing" not in stack.entry


@pytest.mark.parametrize("way", ["moved", "renamed"])
def test_a_change_of_the_secret_that_fails_in_a_delivery(stack: Stack, way: str) -> None:
    """The first consumer has the new key by then, which is gone at once, because nothing is current there."""
    stack.add_function("gitlab")
    both = delivery(), delivery("gitlab")
    stack.must(stack.create(declared(stack, "1", *both)))
    first, _ = stack.current_key()
    stack.function("gitlab").error = "GitLabError"
    moved = declared(stack, "1", *both) | {"SecretArn": stack.other_arn}
    if way == "moved":
        update = stack.update(moved)
        assert stack.deliver(update) == "FAILED"
        assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    else:
        assert stack.deliver(stack.event("Create", moved, None, logical_id="Renamed")) == "FAILED"
        assert stack.deliver(stack.event("Delete", moved, stack.last_id, logical_id="Renamed")) == "SUCCESS"
    stack.function("gitlab").error = ""
    stack.sweep(timedelta(minutes=6))
    stack.sweep(timedelta(minutes=30))
    assert stack.our_keys() == [first]
    assert [stack.function(name).has for name in ("github", "gitlab")] == [first, first]


def test_a_change_of_the_secret_is_told_once(stack: Stack) -> None:
    """The Delete of what was before finds that the consumer has the key of the other secret."""
    stack.must(stack.create(declared(stack, "1")))
    before = stack.delete()
    stack.must(stack.update(declared(stack, "1") | {"SecretArn": stack.other_arn}))
    assert stack.deliver(before) == "SUCCESS"
    stack.sweep(timedelta(minutes=6))
    assert len(stack.function().calls) == 2
    assert "failing" not in stack.entries[stack.other_arn]


def test_a_key_that_is_declared_inactive_is_not_delivered(stack: Stack) -> None:
    """It would not work at the consumer, which keeps the previous one until the key is declared Active."""
    stack.must(stack.create(declared(stack, "1")))
    first, _ = stack.current_key()
    stack.must(stack.update(declared(stack, "2") | {"Status": "Inactive"}))
    second, _ = stack.current_key()
    sweeps = sum(stack.sweep(timedelta(minutes=5))["swept"] for _ in range(12 * 24))
    assert sweeps <= 3
    assert (stack.function().has, stack.keys()) == (first, {first: "Active", second: "Inactive"})
    stack.must(stack.update(declared(stack, "2")))
    assert stack.function().has == second
    stack.sweep_for(timedelta(days=2))
    assert stack.keys().get(first) != "Active"
