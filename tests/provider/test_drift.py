"""A success says what it found otherwise than it had been left, in the answer and in the log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.faults import PROCESS_DEATH
from faults.stack import Stack
from provider.test_plan import PLACE, TAG, A, B, F, Situation, desired

from access_key_provider.model.actions import CreateKey, DeleteKey, SetStatus, TagUser
from access_key_provider.planning.drift import MAX_TOLD, findings, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from access_key_provider.model.actions import Action

FOREIGN_VERSION = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a stack on the fake account whose key was rotated once: the second is current, the first retired."""
    with Stack.on_fake_account() as made:
        made.must(made.create(made.properties("1")))
        made.must(made.update(made.properties("2")))
        yield made
        assert made.account.violations == []


def reason_and_log(stack: Stack, event: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Deliver an event that succeeds; return the answer's reason, and what the log says was found."""
    capsys.readouterr()
    stack.must(event)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    reason = str(stack.answers[-1]["Reason"])
    assert len(reason) <= MAX_TOLD
    assert not any(secret in reason for secret in stack.account.secret_access_keys)
    return reason, next(str(line.get("found", "")) for line in lines if line["message"] in {"created", "in place"})


def retired_key(stack: Stack, current: str) -> str:
    """Name the other key."""
    return next(key for key in stack.our_keys() if key != current)


HANDS: dict[str, tuple[Callable[[Stack, str, str], object], str]] = {
    "the current key was deleted": (
        lambda stack, current, _: stack.account.person.delete_key(current),
        "key {current} was deleted: another key is current now",
    ),
    "the retired key was deleted": (
        lambda stack, _, retired: stack.account.person.delete_key(retired),
        "key {retired} was deleted: the records were removed",
    ),
    "the current key was deactivated": (
        lambda stack, current, _: stack.account.person.deactivate_key(current),
        "current key {current} was Inactive: it is Active now",
    ),
    "the retired key was activated": (
        lambda stack, _, retired: stack.account.person.set_key_status(retired, "Active"),
        "previous key {retired} was Active: it is Inactive now",
    ),
    "a value was put": (
        lambda stack, *_: stack.account.person.put_value(stack.secret_arn, "by hand"),
        "AWSCURRENT was on a version that is not ours: it names the declared key again",
    ),
    "the label of the key was removed": (
        lambda stack, current, _: stack.account.person.remove_label(stack.secret_arn, current),
        "key {current} lacked a label: it was put back",
    ),
    "the tag of the key was removed": (
        lambda stack, current, _: stack.account.person.untag_user("deploy", current),
        "key {current} lacked its tag: it was put back",
    ),
    "the tag of the key was changed": (
        lambda stack, current, _: stack.account.person.tag_user("deploy", current, "mine"),
        "key {current} lacked its tag: it was put back",
    ),
    "the user was created anew": (
        lambda stack, *_: stack.account.person.recreate_user("deploy"),
        "the user seems to have been created anew, {retired}, {current} gone: another key is current now",
    ),
}


@pytest.mark.parametrize("what", HANDS)
def test_what_a_person_changed_is_told(stack: Stack, capsys: pytest.CaptureFixture[str], what: str) -> None:
    """Exactly what was found, with the key's id and what was done; the next request finds nothing."""
    current, _ = stack.current_key()
    retired = retired_key(stack, current)
    act, sentence = HANDS[what]
    act(stack, current, retired)
    expected = sentence.format(current=current, retired=retired)
    reason, logged = reason_and_log(stack, stack.update(stack.properties("2", Description="x")), capsys)
    assert reason == logged == expected
    assert reason_and_log(stack, stack.update(stack.properties("2")), capsys) == ("", "")
    stack.check_deployed(stack.properties("2"))


def test_awscurrent_on_another_key_of_ours_is_told(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """A person made readers go back to the retired key."""
    current, _ = stack.current_key()
    retired = retired_key(stack, current)
    person = stack.account.person
    labels = stack.account.client("secretsmanager").describe_secret(SecretId=stack.secret_arn)["VersionIdsToStages"]
    person.move_label(stack.secret_arn, "AWSCURRENT", next(v for v, found in labels.items() if retired in found))
    reason, _ = reason_and_log(stack, stack.update(stack.properties("2", Description="x")), capsys)
    assert f"AWSCURRENT was on key {retired}, which was not the deployed one" in reason
    assert stack.current_key() == (current, "Active")


def test_a_key_whose_records_are_all_gone_is_told_and_left_alone(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but the version's id says whose it is."""
    current, _ = stack.current_key()
    retired = retired_key(stack, current)
    stack.account.person.delete_key(retired)
    stack.account.person.remove_own_labels(stack.secret_arn)
    stack.account.person.untag_user("deploy")
    reason, _ = reason_and_log(stack, stack.update(stack.properties("2", Description="x")), capsys)
    assert reason == f"key {current} had lost its labels and its tag: it was left alone"
    assert current in stack.our_keys()


@pytest.mark.parametrize("call", ["iam:CreateAccessKey", "secretsmanager:PutSecretValue"])
def test_what_an_interrupted_attempt_left_is_told(stack: Stack, capsys: pytest.CaptureFixture[str], call: str) -> None:
    """The same event again says which key it removed."""
    before = set(stack.our_keys())
    rotate = stack.update(stack.properties("3"))
    stack.account.fail(PROCESS_DEATH, call, phase="after")
    assert stack.deliver(rotate) is None
    (left,) = set(stack.our_keys()) - before
    stack.account.heal()
    reason, logged = reason_and_log(stack, rotate, capsys)
    assert reason == logged == f"key {left} was left by an interrupted attempt: it was removed"
    assert reason_and_log(stack, rotate, capsys) == ("", "")


def test_an_interrupted_attempt_that_is_finished_is_told(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Its key is proven, so it is used."""
    rotate = stack.update(stack.properties("3"))
    stack.account.fail(PROCESS_DEATH, "iam:UntagUser", nth=2)
    assert stack.deliver(rotate) is None
    stack.account.heal()
    assert reason_and_log(stack, rotate, capsys)[0] == "an attempt had been interrupted: it was finished"


@pytest.mark.parametrize("value", [None, "the value before"])
def test_an_ordinary_life_has_nothing_to_tell(value: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Create, rotate, switch off, roll back, delete, create again: every reason is empty."""
    with Stack.on_fake_account(value) as stack:
        create = stack.create(stack.properties("1"))
        assert reason_and_log(stack, create, capsys) == ("", "")
        for serial, status in (("1", "Active"), ("2", "Active"), ("2", "Inactive"), ("3", "Active"), ("2", "Active")):
            event = stack.update(stack.properties(serial, Status=status))
            assert reason_and_log(stack, event, capsys) == ("", ""), (serial, status)
            assert reason_and_log(stack, event, capsys) == ("", ""), "delivered again"
        stack.must(stack.event("Delete", stack.properties("2"), stack.last_id))
        assert stack.answers[-1]["Reason"] == ""
        assert reason_and_log(stack, stack.create(stack.properties("1")), capsys) == ("", "")


@pytest.mark.parametrize(
    ("seen", "done", "found"),
    [
        pytest.param(Situation().owned(A, "1", 1, "Active", "AWSCURRENT"), [], (), id="as it was left"),
        pytest.param(Situation().key(F), [CreateKey()], (), id="a first key beside a foreign one"),
        pytest.param(
            Situation(versions={FOREIGN_VERSION: {"AWSCURRENT"}}), [CreateKey()], (), id="an existing secret's value"
        ),
        pytest.param(
            Situation(versions={FOREIGN_VERSION: {"AWSCURRENT"}}).owned(A, "1", 1).intent(),
            [],
            ("an attempt had been interrupted: it was finished",),
            id="a first key not yet published",
        ),
        pytest.param(
            Situation(versions={PLACE.version_id(A): {"AWSCURRENT"}}), [CreateKey()], (), id="the value of an old life"
        ),
        pytest.param(
            Situation().owned(A, "1", 1, "Inactive", "AWSCURRENT"),
            [],
            (f"current key {A} was Inactive: it was left so",),
            id="not activated",
        ),
        pytest.param(
            Situation(user_tags={A: TAG}).owned(A, "1", 1, "Inactive", "AWSCURRENT"),
            [SetStatus(A, "Active"), SetStatus(A, "Inactive")],
            (f"current key {A} was Inactive: it is Inactive now",),
            id="the last status counts",
        ),
        pytest.param(
            Situation().owned(A, "0", 1).owned(B, "1", 2, "Active", "AWSCURRENT").intent(A),
            [SetStatus(A, "Inactive")],
            ("an attempt had been interrupted: it was finished",),
            id="not yet retired",
        ),
        pytest.param(
            Situation().key(B).stored(B),
            [DeleteKey(B)],
            (f"key {B} had lost its labels: it was removed",),
            id="unproven",
        ),
        pytest.param(
            Situation().owned(A, "0", 1, "Inactive").owned(B, "1", 2, "Active", "AWSCURRENT"),
            [DeleteKey(A), CreateKey()],
            (),
            id="a retired key that made room",
        ),
        pytest.param(
            Situation().owned(A, "1", 1, "Active", "AWSCURRENT").owned(B, "2", 2),
            [TagUser(A, TAG), DeleteKey(B)],
            (),
            id="the newer key of a rollback",
        ),
    ],
)
def test_findings(seen: Situation, done: list[Action], found: tuple[str, ...]) -> None:
    """What is found in situations that are hard to bring about, or must not be told."""
    assert findings(seen.observed(), desired("1"), done) == found


def test_a_status_that_was_asked_for_is_no_finding() -> None:
    """Neither the deployed nor the desired one was set by hand."""
    seen = Situation().owned(A, "1", 1, "Inactive", "AWSCURRENT").observed()
    wanted = desired("1")
    assert findings(seen, wanted, [])
    assert not findings(seen, replace(wanted, deployed_status="Inactive"), [])


def test_a_reason_holds_whole_sentences() -> None:
    """What does not fit is counted, and stands in the log."""
    many = tuple(f"key {number} {'x' * 90}" for number in range(5))
    assert told(many) == f"{many[0]}; {many[1]}; 3 more in the log"
    assert told(()) == ""
    assert len(told(("y" * 240, "z" * 240))) <= MAX_TOLD
