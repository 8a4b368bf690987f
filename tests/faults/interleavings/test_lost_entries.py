"""The ledger is lost: its entry or table deleted, put back to an hour ago, edited, or written by a later release.

A key is managed again if a version's label and a tag of the user say so. One of the two alone never lets it be touched.
"""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from faults.interleavings.aftermath import answers_to, check_after, check_errors, go_on
from faults.interleavings.meet import story
from faults.interleavings.orders import WRITES, calls_of
from faults.interleavings.situations import RULES, SITUATIONS, callers_in, declared
from faults.interleavings.turns import race
from support.stack import SMTP

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fakes.attribute_values import Item
    from faults.interleavings.turns import Race
    from support.stack import Event, Properties, Stack

WHOLE = ("one key", "value replaced", "in grace", "end of grace", "grace over", "retention over")
CALLERS = [(name, kind) for name, situation in SITUATIONS.items() for kind in situation.kinds]
CALLERS_OF_WHOLE = [(name, kind) for name, kind in CALLERS if name in WHOLE]
# The key of an unfinished rotation has no tag yet: see below.
_PUT_BACK = [(name, kind) for name, kind in CALLERS_OF_WHOLE if kind != "createSecret"]
_NEXT = ("update", "delete", "undo", "rotate", "sweep", "createSecret")
_SOON = timedelta(minutes=5)
_RETIRED = timedelta(hours=4)


def come(stack: Stack, kind: str) -> Race:
    """Let one caller come, and let it end."""
    with race(stack, callers_in(stack, kind)) as running:
        running.finish()
    check_errors(running)
    return running


def settle(stack: Stack, running: Race) -> bool:
    """Do what CloudFormation does after its answers, sweep, and tell whether the resource is still there.

    Nobody knows any more for which serial a key was made that was current before the loss. So a rollback may have to
    make another one, and to wait for a key slot: CloudFormation lets a person continue it later.
    """
    (caller,) = running.callers.values()
    properties = stack.known[1] if stack.known else None
    if caller.event.get("ResourceType") == "Custom::IAMAccessKey":
        properties = _follow_up(stack, caller.event)
    stack.sweep_for(_SOON * 4, every=_SOON)
    stack.check_always()
    if properties is None:
        stack.check_nothing_of_ours()
    return properties is not None


def _follow_up(stack: Stack, event: Event) -> Properties | None:
    answer = answers_to(stack, event)[0]
    properties: Properties = event["ResourceProperties"]
    if event["RequestType"] == "Delete":
        if answer["Status"] == "FAILED":
            assert stack.deliver(event) == "SUCCESS", stack.answers[-1]
        return None
    if answer["Status"] == "SUCCESS":
        stack.known = answer["PhysicalResourceId"], properties
        return properties
    if stack.known is None:
        assert stack.deliver(stack.event("Delete", properties, answer["PhysicalResourceId"])) == "SUCCESS"
        return None
    is_rollback = event["OldResourceProperties"]["Serial"] > properties["Serial"]
    back = event if is_rollback else stack.roll_back(event)
    if stack.deliver(back) == "FAILED":
        assert "wait until it is retired" in stack.answers[-1]["Reason"], stack.answers[-1]
        stack.sweep_for(_RETIRED, every=_SOON * 4)
        assert stack.deliver(back) == "SUCCESS", stack.answers[-1]
    stack.known = stack.last_id, back["ResourceProperties"]
    return stack.known[1]


def make_good(stack: Stack, running: Race) -> None:
    """Deploy a change that needs no other key, the first request that writes a lost claim again; then a new serial."""
    assert stack.known
    stack.must(stack.update(stack.known[1] | {"Description": "found again"}))
    go_on(stack, running)
    stack.sweep_for(_RETIRED, every=_SOON * 4)
    stack.check_deployed(stack.known[1])
    stack.deploy("9", **RULES)
    stack.sweep_for(_SOON * 4, every=_SOON)
    stack.check_deployed(stack.known[1])


# --- the entry or the table is gone, or older


@pytest.mark.parametrize(("situation", "kind"), CALLERS_OF_WHOLE, ids=lambda name: name)
def test_an_entry_that_is_deleted(situation: str, kind: str) -> None:
    """Whoever comes first, a deployment makes all good; a Delete leaves no key."""
    with SITUATIONS[situation].prepared.forked() as stack:
        stack.account.person.delete_entry(stack.secret_arn)
        try:
            running = come(stack, kind)
            if settle(stack, running):
                make_good(stack, running)
        except AssertionError as error:
            error.add_note(f"{situation}: {kind}\n{story(stack)}")
            raise


@pytest.mark.parametrize(("situation", "kind"), _PUT_BACK, ids=lambda name: name)
def test_a_table_put_back_to_before(situation: str, kind: str) -> None:
    """Something was done and the ledger knows nothing of it; a sample of who comes next."""
    chance = random.Random(f"put back {situation} {kind}")
    _put_back(situation, kind, chance.choice(_NEXT))


@pytest.mark.thorough
@pytest.mark.parametrize("following", _NEXT)
@pytest.mark.parametrize(("situation", "kind"), _PUT_BACK, ids=lambda name: name)
def test_a_table_put_back_to_before_and_anybody_next(situation: str, kind: str, following: str) -> None:
    """Something was done and the ledger knows nothing of it; each who may come next."""
    _put_back(situation, kind, following)


def _put_back(situation: str, kind: str, following: str) -> None:
    with SITUATIONS[situation].prepared.forked() as stack:
        before = stack.account.clock.now()
        try:
            if not settle(stack, come(stack, kind)):
                return
            stack.account.person.restore_table(to=before)
            running = come(stack, following)
            if settle(stack, running):
                make_good(stack, running)
        except AssertionError as error:
            error.add_note(f"{situation}: {kind}, put back, {following}\n{story(stack)}")
            raise


# --- one witness alone


def _no_label(stack: Stack, key_id: str) -> None:
    stack.account.person.remove_label(stack.secret_arn, key_id)


def _no_tag(stack: Stack, key_id: str) -> None:
    stack.account.person.untag_user("deploy", key_id)


def _tag_of_somebody(stack: Stack, key_id: str) -> None:
    stack.account.person.tag_user("deploy", key_id, "shop/Key owner=0123456789abcdef")


WITNESSES = {"no label": _no_label, "no tag": _no_tag, "another owner's tag": _tag_of_somebody}


@pytest.mark.parametrize("missing", WITNESSES)
@pytest.mark.parametrize("which", ["previous", "current"])
def test_one_witness_alone_lets_nobody_touch_a_key(which: str, missing: str) -> None:
    """Whoever comes, the key stays as it is; the sweep reports one that a version's label names."""
    with SITUATIONS["in grace"].prepared.forked() as before:
        current, _ = before.current_key()
        (previous,) = before.keys().keys() - {current}
        key_id = previous if which == "previous" else current
        before.account.person.delete_entry(before.secret_arn)
        WITNESSES[missing](before, key_id)
        for kind in SITUATIONS["in grace"].kinds:
            with before.forked() as stack:
                settled(stack, kind)
                assert stack.keys().get(key_id) == "Active", f"{kind}\n{story(stack)}"
                assert key_id not in stack.entry.get("keys", {}), kind
                if missing != "no label" and kind in {"update", "rollback"}:
                    assert ("Access Key Drift", key_id) in reported(stack), kind


def settled(stack: Stack, kind: str) -> None:
    """Let one come, repeat what CloudFormation repeats, and let a day go by."""
    (caller,) = come(stack, kind).callers.values()
    if caller.event.get("RequestType") == "Delete" and answers_to(stack, caller.event)[0]["Status"] == "FAILED":
        stack.deliver(caller.event)
    stack.sweep_for(timedelta(hours=25), every=timedelta(hours=2))


def reported(stack: Stack) -> set[tuple[str, str]]:
    """List what was reported of which key."""
    return {
        (event["DetailType"], json.loads(event["Detail"]).get("accessKeyId", ""))
        for event in stack.account.state.events
    }


def test_a_key_of_an_unfinished_rotation_that_the_ledger_lost() -> None:
    """It bears a label only, so it stays. The rotation is given up; the next one works once a person has removed it."""
    with SITUATIONS["one key"].prepared.forked() as stack:
        before = stack.account.clock.now()
        come(stack, "createSecret")
        (lost,) = stack.keys().keys() - SITUATIONS["one key"].prepared.keys()
        stack.account.person.restore_table(to=before)
        for kind in ("createSecret", "testSecret", "sweep", "undo", "update", "sweep"):
            settled(stack, kind)
            assert stack.keys()[lost] == "Active", kind
        assert ("Access Key Drift", lost) in reported(stack)
        stack.account.person.remove_label(stack.secret_arn, lost)
        stack.account.person.delete_key(lost)
        stack.rotate("f" * 32)
        # Nobody has rolled the Update back, which found no key slot: what it declares counts.
        stack.check_deployed(declared(stack, "3") | SMTP)


# --- the table or the entry can't be used


def _delete_table(stack: Stack) -> None:
    stack.account.person.delete_table()


def _edited(change: Callable[[Item], object]) -> Callable[[Stack], None]:
    def spoil(stack: Stack) -> None:
        if stack.secret_arn in stack.account.entries():
            stack.account.person.change_entry(stack.secret_arn, change)

    return spoil


SPOILT = {
    "the table deleted": _delete_table,
    "a later schema": _edited(lambda item: item.update(schema={"N": "2"})),
    "no entry in the item": _edited(lambda item: item.pop("entry")),
    "a text for the entry": _edited(lambda item: item.update(entry={"S": "nonsense"})),
    "a time that is none": _edited(lambda item: item["entry"]["M"].update(settled={"S": "yesterday"})),
    "keys that are none": _edited(lambda item: item["entry"]["M"].update(keys={"L": []})),
    "a text for the schema": _edited(lambda item: item.update(schema={"S": "two"})),
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize(("situation", "kind"), CALLERS, ids=lambda name: name)
def test_a_ledger_that_can_not_be_used(situation: str, kind: str, how: str) -> None:
    """Nothing is done, and whoever asked is told; once the ledger is back, all goes on."""
    with SITUATIONS[situation].prepared.forked() as stack:
        if stack.known is None and how != "the table deleted":
            return
        before = stack.account.clock.now()
        with race(stack, callers_in(stack, kind)) as running:
            SPOILT[how](stack)
            running.finish()
        assert not [call for call in stack.account.log.entries if call.name in WRITES], story(stack)
        _check_told(stack, running, how)
        stack.account.person.restore_table(to=before)
        try:
            check_after(stack, running)
        except AssertionError as error:
            error.add_note(f"{situation}: {kind}, {how}\n{story(stack)}")
            raise


def _check_told(stack: Stack, running: Race, how: str) -> None:
    (caller,) = running.callers.values()
    answers = answers_to(stack, caller.event) if "RequestId" in caller.event else []
    reason = answers[0]["Reason"] if answers else str(caller.error)
    if answers:
        assert answers[0]["Status"] == "FAILED"
    elif caller.event.get("Operation") == "Sweep" and how != "the table deleted":
        # Its other keys are swept all the same; the log has it, and so has what it returns.
        assert caller.result["failed"] <= 1
        return
    assert "ledger" in reason or "entry of" in reason, reason
    assert ("later release" in reason) == (how == "a later schema"), reason


@pytest.mark.parametrize(("situation", "kind"), CALLERS, ids=lambda name: name)
def test_a_ledger_that_is_spoilt_meanwhile(situation: str, kind: str) -> None:
    """A sample: it happens before some call. Once the ledger is back as it was then, all goes on."""
    chance = random.Random(f"meanwhile {situation} {kind}")
    _spoil_at(situation, kind, chance.choice(list(SPOILT)), chance.randint(1, calls_of(situation, kind)))


@pytest.mark.thorough
@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize(("situation", "kind"), CALLERS, ids=lambda name: name)
def test_a_ledger_that_is_spoilt_at_any_call(situation: str, kind: str, how: str) -> None:
    """Before each call."""
    for index in range(1, calls_of(situation, kind)):
        _spoil_at(situation, kind, how, index)


def item_of(stack: Stack) -> tuple[bool, bytes | None]:
    """Read what is in the table, if there is one."""
    table = stack.account.state.table()
    return table.deleted, table.items.get(stack.secret_arn)


def _spoil_at(situation: str, kind: str, how: str, index: int) -> None:
    with SITUATIONS[situation].prepared.forked() as stack:
        spoilt = []

        def spoil() -> None:
            before = stack.account.clock.now()
            stack.account.clock.sleep(0.001)
            SPOILT[how](stack)
            spoilt.append((before, item_of(stack)))

        stack.account.at(index, spoil)
        with race(stack, callers_in(stack, kind)) as running:
            running.finish()
        stack.account.heal()
        # Whoever holds the lease writes over what somebody has edited, if its version is the same.
        if spoilt and spoilt[0][1] == item_of(stack):
            stack.account.person.restore_table(to=spoilt[0][0])
        # As long as the lease of who failed lasts.
        stack.account.clock.sleep(61)
        try:
            check_after(stack, running)
        except AssertionError as error:
            error.add_note(f"{situation}: {kind}, {how} before {index}\n{story(stack)}")
            raise


def _delete_entry(stack: Stack, _: datetime) -> None:
    if stack.secret_arn in stack.account.entries():
        stack.account.person.delete_entry(stack.secret_arn)


LOST = {
    "deleted": _delete_entry,
    "put back": lambda stack, before: stack.account.person.restore_table(to=before),
}


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize(("situation", "kind"), CALLERS_OF_WHOLE, ids=lambda name: name)
def test_an_entry_lost_meanwhile(situation: str, kind: str, how: str) -> None:
    """A sample: it is lost before some call. Who made a key takes it back, or a deployment makes all good."""
    chance = random.Random(f"lost {situation} {kind} {how}")
    _lose_at(situation, kind, how, chance.randint(1, _last_call(situation, kind)))


@pytest.mark.parametrize("kind", SITUATIONS["in grace"].kinds)
@pytest.mark.parametrize("situation", ["in grace", "grace over"])
def test_an_entry_lost_just_before_the_lease_is_taken(situation: str, kind: str) -> None:
    """A Delete finds its keys all the same, and a sweep does not take an empty entry for settled."""
    _lose_at(situation, kind, "deleted", 1)


@pytest.mark.thorough
@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize(("situation", "kind"), CALLERS_OF_WHOLE, ids=lambda name: name)
def test_an_entry_lost_at_any_call(situation: str, kind: str, how: str) -> None:
    """Before each call."""
    for index in range(1, _last_call(situation, kind) + 1):
        _lose_at(situation, kind, how, index)


def _last_call(situation: str, kind: str) -> int:
    """Number the last call at which an entry may be lost; a finished createSecret has left a key without a tag."""
    return max(1, calls_of(situation, kind) - (2 if kind == "createSecret" else 1))


def _lose_at(situation: str, kind: str, how: str, index: int) -> None:
    with SITUATIONS[situation].prepared.forked() as stack:
        before = stack.account.clock.now()
        stack.account.at(index, lambda: LOST[how](stack, before))
        try:
            running = come(stack, kind)
            stack.account.heal()
            stack.account.clock.sleep(61)
            if settle(stack, running):
                make_good(stack, running)
        except AssertionError as error:
            error.add_note(f"{situation}: {kind}, {how} before {index}\n{story(stack)}")
            raise
