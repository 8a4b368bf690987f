"""Consumers that acknowledge a key: by a proof that they have it, and retirement waits for them by name."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.signed_requests import acknowledgement
from support.stack import REGION, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITS = {
    "GracePeriod": "3600",
    "RetentionPeriod": "3600",
    "Consumers": ["ci-runner-7", "vendor-x"],
    "ConsumersWithin": str(7 * 86400),
}


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A key that was replaced, and whose consumers have not said anything."""
    with Stack.on_fake_account() as stack:
        stack.deploy("1", "2", **WAITS)
        yield stack


def _previous(stack: Stack) -> str:
    (previous,) = set(stack.our_keys()) - {stack.current_key()[0]}
    return previous


def _told(stack: Stack, kind: str) -> list[dict[str, Any]]:
    events = stack.account.state.events
    return [json.loads(event["Detail"]) for event in events if event["DetailType"] == f"Access Key {kind}"]


def test_retirement_waits_for_all_of_them(stack: Stack) -> None:
    """Who is missing is told each day, and the last one is heeded by the next sweep."""
    previous = _previous(stack)
    stack.sweep_for(timedelta(days=3))
    assert [told["missingConsumers"] for told in _told(stack, "Retirement Postponed")] == ["ci-runner-7, vendor-x"] * 3
    stack.invoke(stack.acknowledgement("ci-runner-7"), "worker")
    stack.sweep()
    assert stack.keys()[previous] == "Active"
    stack.invoke(stack.acknowledgement("vendor-x"), "worker")
    stack.sweep()
    assert stack.keys()[previous] == "Inactive"
    assert [told["consumer"] for told in _told(stack, "Acknowledged")] == ["ci-runner-7", "vendor-x"]


@pytest.mark.parametrize("grace", ["0", "3600"])
@pytest.mark.parametrize("choice", ["Keep", "Retire"])
def test_their_time_is_over(choice: str, grace: str) -> None:
    """It is reported as overdue; then the previous key is kept, or retired, as the template says."""
    with Stack.on_fake_account() as stack:
        stack.deploy("1", "2", **WAITS | {"GracePeriod": grace}, OverdueConsumers=choice)
        previous = _previous(stack)
        stack.sweep_for(timedelta(days=6, hours=22))
        assert stack.keys()[previous] == "Active"
        assert _told(stack, "Retirement Overdue") == []
        stack.sweep_for(timedelta(hours=8))
        assert (stack.keys().get(previous) == "Active") is (choice == "Keep")
        assert [told["missingConsumers"] for told in _told(stack, "Retirement Overdue")] == ["ci-runner-7, vendor-x"]


def test_an_acknowledgement_of_the_previous_key_says_nothing(stack: Stack) -> None:
    """Whoever has the old key only has not moved."""
    for consumer in ("ci-runner-7", "vendor-x"):
        stack.invoke(stack.acknowledgement(consumer, _previous(stack)), "worker")
    stack.sweep_for(timedelta(days=2))
    assert stack.keys()[_previous(stack)] == "Active"


@pytest.mark.parametrize(
    "forge",
    [
        lambda detail, _: detail | {"consumer": "vendor-x"},
        lambda detail, _: detail | {"signature": "0" * 64},
        lambda detail, previous: detail | {"accessKeyId": previous},
        lambda detail, _: detail | {"accessKeyId": "AKIAIOSFODNN7EXAMPLE"},
    ],
    ids=["another consumer", "another signature", "another key", "a key of nobody"],
)
def test_nothing_counts_that_sts_does_not_confirm(stack: Stack, forge: Any) -> None:
    """The proof is for this key, consumer and secret only."""
    event = stack.acknowledgement("ci-runner-7")
    event["Event"]["detail"] = forge(event["Event"]["detail"], _previous(stack))
    stack.invoke(event, "worker")
    assert "acknowledged" not in stack.entry


def test_a_proof_is_valid_for_a_quarter_of_an_hour(stack: Stack) -> None:
    """One that was overheard is of no use later."""
    event = stack.acknowledgement("ci-runner-7")
    stack.account.clock.sleep(16 * 60)
    stack.invoke(event, "worker")
    assert "acknowledged" not in stack.entry


def test_a_late_acknowledgement_of_an_earlier_key_does_not_count(stack: Stack) -> None:
    """EventBridge keeps no order."""
    earlier = stack.acknowledgement("ci-runner-7", _previous(stack))
    stack.account.clock.sleep(60)
    stack.invoke(stack.acknowledgement("ci-runner-7"), "worker")
    stack.invoke(earlier, "worker")
    assert stack.entry["acknowledged"]["ci-runner-7"]["key_id"] == stack.current_key()[0]
    assert len(_told(stack, "Acknowledged")) == 1


@pytest.mark.parametrize(
    "member", ["consumer", "secretArn", "accessKeyId", "signedAt", "signature"],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, "", "x\r\nX-Evil: 1", 7, {"a": 1}], ids=repr)
def test_bad_events(stack: Stack, member: str, value: object) -> None:
    """They are refused before anything is asked of AWS."""
    event = stack.acknowledgement("ci-runner-7")
    event["Event"]["detail"][member] = value
    asked = len(stack.account.log.entries)
    with pytest.raises(Exception, match=r"must be|must name|SecretId"):
        stack.invoke(event, "worker")
    assert len(stack.account.log.entries) == asked


def test_after_a_rollback_all_say_once_more_that_they_have_the_key(stack: Stack) -> None:
    """What a consumer said before proves nothing: it may have moved since, and not said so yet."""
    first = _previous(stack)
    for consumer in ("ci-runner-7", "vendor-x"):
        stack.invoke(stack.acknowledgement(consumer, first), "worker")
    second, _ = stack.current_key()
    stack.account.clock.sleep(60)
    stack.must(stack.update(stack.properties("1", **WAITS)))
    assert stack.current_key()[0] == first
    stack.sweep_for(timedelta(days=2))
    assert stack.keys()[second] == "Active"
    for consumer in ("ci-runner-7", "vendor-x"):
        stack.invoke(stack.acknowledgement(consumer), "worker")
    stack.sweep()
    assert stack.keys()[second] == "Inactive"
    # They repeat it daily, which is no news.
    assert len(_told(stack, "Acknowledged")) == 2
    assert len([line for line in stack.entry["history"] if "says the consumer" in line]) == 2


def test_an_operator_acknowledges_for_a_consumer(stack: Stack) -> None:
    """One that the key waits for; another name is a slip of the pen."""
    event = {"Operation": "Acknowledge", "SecretId": stack.secret_arn, "Consumer": "vendor-x"}
    report = stack.invoke(event, "provider")
    given = report["acknowledged"]["vendor-x"]
    assert (given["accessKeyId"], given["by"]) == (stack.current_key()[0], "operator")
    assert report["acknowledged"]["ci-runner-7"] == {}
    with pytest.raises(Exception, match="Consumer is vendor-y: must be one that the key waits for"):
        stack.invoke({**event, "Consumer": "vendor-y"}, "provider")


def test_an_operator_who_retires_waits_for_nobody(stack: Stack) -> None:
    """The previous key has leaked."""
    previous = _previous(stack)
    stack.operate("Retire")
    assert stack.keys()[previous] == "Inactive"


def test_an_undo_waits_for_those_who_have_to_come_back(stack: Stack) -> None:
    """The key that is taken back works until they have the restored one; `retire` stops it at once."""
    first, (second, _) = _previous(stack), stack.current_key()
    for consumer in ("ci-runner-7", "vendor-x"):
        stack.invoke(stack.acknowledgement(consumer), "worker")
    stack.operate("Undo")
    assert stack.current_key() == (first, "Active")
    with pytest.raises(Exception, match="was taken back by an undo"):
        stack.operate("Undo")
    stack.sweep_for(timedelta(days=1))
    assert stack.keys()[second] == "Active"
    for consumer in ("ci-runner-7", "vendor-x"):
        stack.invoke(stack.acknowledgement(consumer), "worker")
    stack.sweep()
    assert stack.keys()[second] == "Inactive"


def test_an_undo_while_a_deployment_waits_does_not_block_its_rollback(stack: Stack) -> None:
    """The key that was taken back is kept for its consumers, and the restored one is the key for its serial, too."""
    first = _previous(stack)
    update = stack.update(stack.properties("3", **WAITS))
    assert stack.deliver(update) == "FAILED"
    stack.operate("Undo")
    assert stack.current_key()[0] == first
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == (first, "Active")


def test_a_key_that_was_taken_back_and_leaked_is_retired_at_once(stack: Stack) -> None:
    """An operator says so."""
    second, _ = stack.current_key()
    stack.operate("Undo")
    stack.operate("Retire")
    assert stack.keys()[second] == "Inactive"


def test_a_key_slot_is_not_made_of_a_key_that_somebody_waits_for(stack: Stack) -> None:
    """A rotation fails instead, and says whom it waits for."""
    stack.account.clock.sleep(2 * 86400)
    assert stack.deliver(stack.update(stack.properties("3", **WAITS))) == "FAILED"
    assert "is kept for ci-runner-7, vendor-x" in stack.answers[-1]["Reason"]
    assert "wait, or retire it as an operator" in stack.answers[-1]["Reason"]


def test_strangers_names_are_bounded(stack: Stack) -> None:
    """Whoever has the key can acknowledge under any name; the declared ones are never pushed out."""
    for number in range(60):
        stack.account.clock.sleep(1)
        stack.invoke(stack.acknowledgement("ci-runner-7" if not number else f"stranger-{number}"), "worker")
    assert len(stack.entry["acknowledged"]) == 51
    assert "ci-runner-7" in stack.entry["acknowledged"]


def test_who_is_missing_is_told_once_a_day_however_many_come(stack: Stack) -> None:
    """Each acknowledgement has the sweep look again, and is told by itself."""
    stack.sweep_for(timedelta(hours=3))
    for number in range(20):
        stack.invoke(stack.acknowledgement(f"stranger-{number}"), "worker")
        stack.sweep(timedelta(minutes=5))
    assert len(_told(stack, "Retirement Postponed")) == 1
    stack.sweep_for(timedelta(days=1))
    assert len(_told(stack, "Retirement Postponed")) == 2


def test_a_clock_that_is_ahead_does_not_outlast_an_operator(stack: Stack) -> None:
    """A proof may be signed some minutes later than it comes."""
    previous, (current, _) = _previous(stack), stack.current_key()
    key, _ = stack.account.state.keys[previous]
    ahead = stack.account.clock.now() + timedelta(minutes=10)
    stack.invoke(acknowledgement(key, stack.secret_arn, "vendor-x", ahead, REGION), "worker")
    stack.account.clock.sleep(60)
    event = {"Operation": "Acknowledge", "SecretId": stack.secret_arn, "Consumer": "vendor-x"}
    assert stack.invoke(event, "provider")["acknowledged"]["vendor-x"]["accessKeyId"] == current
