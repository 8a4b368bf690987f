"""C16: a deployment in express mode, or with `--no-rollback`, fails, and somebody goes on from there.

AWS documents that what failed in an update is sent back, and that what failed to be made is deleted by the next
operation, not when; so each order is tried, and none of them being sent.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from fakes.faults import PROCESS_DEATH
from support.stack import INVENTED_ID, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.stack import Event

# Calls that are refused, until somebody repairs it.
REFUSALS = [
    "iam:ListAccessKeys",
    "iam:CreateAccessKey",
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
    "sts:AssumeRole",
]
HOUR = {"GracePeriod": "3600"}
LATER = 120.0
# As long as an attempt that died is remembered, and a bit.
QUARTER = timedelta(minutes=15)


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a stack on the fake account, with a key that a person made for another user."""
    with Stack.on_fake_account() as stack:
        stack.add_unmanaged_key("vendor")
        yield stack


def refuse(stack: Stack, call: str, event: Event) -> None:
    """Let a request fail, and repair the reason."""
    stack.account.deny(call)
    assert stack.deliver(event) == "FAILED"
    stack.account.allow_again()


def remove(stack: Stack) -> None:
    """Remove the key from the template, or destroy the stack."""
    assert stack.deliver(stack.delete()) == "SUCCESS", stack.answers[-1]
    stack.check_deployed(None)


class TestRotatedBesideAFailure:
    """The key was rotated from 1 to 2, and another resource failed."""

    @pytest.fixture(params=[{}, HOUR], ids=["no-grace", "grace"])
    def keys(self, stack: Stack, request: pytest.FixtureRequest) -> tuple[str, str]:
        """Rotate; give the keys of the serials 1 and 2."""
        stack.deploy("1", **request.param)
        first = stack.current_key()[0]
        stack.deploy("2", **request.param)
        return first, stack.current_key()[0]

    def again(self, stack: Stack, serial: str, **changes: str) -> str:
        """Deploy with a serial and what else was declared; give the current key."""
        assert stack.known
        properties = stack.known[1] | {"Serial": serial} | changes
        stack.must(stack.update(properties))
        stack.check_deployed(properties)
        key, status = stack.current_key()
        assert status == "Active"
        return key

    def test_the_same_serial_changes_nothing(self, stack: Stack, keys: tuple[str, str]) -> None:
        """CloudFormation sends nothing, or something else has changed beside it."""
        before = stack.keys()
        assert self.again(stack, "2", Description="another") == keys[1]
        assert stack.keys() == before

    def test_the_serial_before_restores_the_very_key(self, stack: Stack, keys: tuple[str, str]) -> None:
        """And forth and back again, without a third key."""
        for serial in ("1", "2", "1"):
            assert self.again(stack, serial) == keys[int(serial) - 1]
            assert stack.keys().keys() == set(keys)

    def test_another_serial_needs_a_slot(self, stack: Stack, keys: tuple[str, str]) -> None:
        """Within the grace period it is refused and nothing changes, unless the previous key may go."""
        before, known = stack.keys(), stack.known
        assert known
        if "GracePeriod" in known[1]:
            update = stack.update(known[1] | {"Serial": "3"})
            assert stack.deliver(update) == "FAILED"
            assert keys[0] in stack.answers[-1]["Reason"]
            assert stack.keys() == before
            assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
            stack.check_deployed(known[1])
            third = self.again(stack, "3", OnKeyLimit="RetirePrevious")
        else:
            third = self.again(stack, "3")
        assert third not in keys
        assert keys[0] not in stack.keys()

    def test_a_rollback_restores_the_very_key(self, stack: Stack, keys: tuple[str, str]) -> None:
        """`cdk rollback` goes back to the last complete state, over whatever failed since."""
        assert stack.known
        complete = stack.known[1] | {"Serial": "1"}
        assert self.again(stack, "2", Description="another") == keys[1]
        stack.must(stack.update(complete))
        stack.check_deployed(complete)
        assert stack.current_key() == (keys[0], "Active")

    @pytest.mark.parametrize("serial", ["1", "2"])
    def test_nothing_is_left_when_it_goes(self, stack: Stack, keys: tuple[str, str], serial: str) -> None:
        """From the template, or with the stack, also after another attempt."""
        assert self.again(stack, serial) in keys
        remove(stack)


@pytest.mark.parametrize("call", REFUSALS)
class TestFailedUpdate:
    """The rotation itself failed, and what hindered it was repaired."""

    @pytest.fixture(params=["left", "sent back"])
    def key(self, stack: Stack, call: str, request: pytest.FixtureRequest) -> str:
        """Fail; CloudFormation sends the Update back, or nothing. Give the key."""
        stack.deploy("1", **HOUR)
        key = stack.current_key()[0]
        update = stack.update(stack.properties("2", **HOUR))
        refuse(stack, call, update)
        if request.param == "sent back":
            stack.must(stack.roll_back(update))
        stack.check_deployed(stack.known and stack.known[1])
        assert stack.keys() == {key: "Active"}
        return key

    def test_the_same_serial_rotates(self, stack: Stack, key: str) -> None:
        """Once, without a trace of the first attempt."""
        stack.deploy("2", **HOUR)
        stack.check_deployed(stack.known and stack.known[1])
        assert stack.current_key()[0] != key
        assert len(stack.keys()) == 2
        assert stack.keys()[key] == "Active"

    def test_the_serial_before_changes_nothing(self, stack: Stack, key: str) -> None:
        """The key stays, and the next rotation works."""
        stack.deploy("1", **HOUR)
        assert stack.keys() == {key: "Active"}
        stack.deploy("3", **HOUR)
        stack.check_deployed(stack.known and stack.known[1])
        assert len(stack.keys()) == 2

    def test_it_fails_again_and_then_works(self, stack: Stack, key: str, call: str) -> None:
        """Nothing piles up."""
        for serial in ("2", "3"):
            refuse(stack, call, stack.update(stack.properties(serial, **HOUR)))
            assert stack.keys() == {key: "Active"}
        stack.deploy("3", **HOUR)
        stack.check_deployed(stack.known and stack.known[1])

    def test_nothing_is_left_when_it_goes(self, stack: Stack, key: str) -> None:
        """From the template, or with the stack."""
        assert key in stack.keys()
        remove(stack)


# A first key is current as soon as it is put, and one that is left can't be deleted either.
@pytest.mark.parametrize("call", [*(call for call in REFUSALS if "Stage" not in call), "iam:DeleteAccessKey"])
class TestFailedCreate:
    """The key could not be made, and what hindered it was repaired."""

    @pytest.fixture
    def attempt(self, stack: Stack, call: str) -> Event:
        """Fail, and give the Delete of what failed."""
        create = stack.create(stack.properties("1"))
        if call == "iam:DeleteAccessKey":
            stack.account.deny("secretsmanager:PutSecretValue")
        refuse(stack, call, create)
        return stack.event("Delete", create["ResourceProperties"], stack.last_id)

    @pytest.mark.parametrize("serial", ["1", "2"])
    def test_it_is_made_once_the_attempt_is_deleted(self, stack: Stack, attempt: Event, serial: str) -> None:
        """First the Delete, then the Create, with the same serial or another."""
        assert stack.deliver(attempt) == "SUCCESS"
        assert stack.keys() == {}
        stack.deploy(serial)
        stack.check_deployed(stack.known and stack.known[1])

    @pytest.mark.parametrize("serial", ["1", "2"])
    def test_the_delete_of_the_attempt_leaves_what_was_made_since(
        self, stack: Stack, attempt: Event, serial: str
    ) -> None:
        """First the Create, then the Delete, as CloudFormation cleans up after an update."""
        stack.deploy(serial)
        key = stack.current_key()
        attempt = stack.event("Delete", attempt["ResourceProperties"], attempt["PhysicalResourceId"])
        if attempt["PhysicalResourceId"] != stack.last_id:
            assert stack.deliver(attempt) == "SUCCESS"
        stack.check_deployed(stack.known and stack.known[1])
        assert stack.current_key() == key
        stack.deploy("3")
        stack.check_deployed(stack.known and stack.known[1])
        remove(stack)

    def test_it_fails_again_and_both_attempts_are_deleted(self, stack: Stack, attempt: Event, call: str) -> None:
        """In the order in which they were made, after the third has worked."""
        if call == "iam:DeleteAccessKey":
            stack.account.deny("secretsmanager:PutSecretValue")
        create = stack.create(stack.properties("2"))
        refuse(stack, call, create)
        second = stack.last_id
        stack.deploy("3")
        for properties, physical_id in (
            (attempt["ResourceProperties"], attempt["PhysicalResourceId"]),
            (create["ResourceProperties"], second),
        ):
            if stack.known and physical_id != stack.known[0]:
                assert stack.deliver(stack.event("Delete", properties, physical_id)) == "SUCCESS"
        stack.check_deployed(stack.known and stack.known[1])

    def test_nothing_is_left_when_it_goes(self, stack: Stack, attempt: Event) -> None:
        """With a rollback, from the template, or with the stack."""
        assert stack.deliver(attempt) == "SUCCESS"
        stack.check_deployed(None)


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("call", ["iam:CreateAccessKey", "secretsmanager:PutSecretValue"])
class TestNoAnswer:
    """The function died, and CloudFormation waited in vain."""

    def test_a_create_is_made_again(self, stack: Stack, call: str, phase: str) -> None:
        """After the Delete of what never answered, which has an id that CloudFormation made up."""
        stack.account.fail(PROCESS_DEATH, call, phase=phase)  # type: ignore[arg-type]
        create = stack.create(stack.properties("1"))
        assert stack.deliver(create) is None
        stack.account.heal()
        assert stack.deliver(stack.event("Delete", create["ResourceProperties"], INVENTED_ID), LATER) == "SUCCESS"
        assert stack.keys() == {}
        stack.deploy("1")
        stack.sweep_for(QUARTER)
        stack.check_deployed(stack.known and stack.known[1])

    @pytest.mark.parametrize("serial", ["1", "2", "3"])
    @pytest.mark.parametrize("is_sent_back", [False, True])
    def test_an_update_is_made_again(
        self, stack: Stack, call: str, phase: str, serial: str, *, is_sent_back: bool
    ) -> None:
        """The same serial, the one before, or another."""
        stack.deploy("1", **HOUR)
        first = stack.current_key()[0]
        stack.account.fail(PROCESS_DEATH, call, phase=phase)  # type: ignore[arg-type]
        update = stack.update(stack.properties("2", **HOUR))
        assert stack.deliver(update) is None
        stack.account.heal()
        if is_sent_back:
            stack.must(stack.roll_back(update))
        stack.account.clock.sleep(LATER)
        stack.deploy(serial, **HOUR)
        stack.sweep_for(QUARTER)
        stack.check_deployed(stack.known and stack.known[1])
        assert stack.keys()[first] == "Active"
        assert (stack.current_key()[0] == first) == (serial == "1")
        remove(stack)


class TestReplacement:
    """CloudFormation refuses a replacement while the rollback is disabled, but learns of it from the answer only."""

    @pytest.mark.parametrize("sent", ["Update", "Delete", "both"])
    @pytest.mark.parametrize("where", ["user", "secret"])
    def test_it_is_taken_back(self, stack: Stack, sent: str, where: str) -> None:
        """By an Update back, a Delete of the new id, or both; a rotation goes on from there."""
        stack.deploy("1")
        key, known = stack.current_key(), stack.known
        assert known
        new = stack.properties("1", **({"UserName": "vendor"} if where == "user" else {"SecretArn": stack.other_arn}))
        update = stack.update(new)
        assert stack.deliver(update) == "SUCCESS"
        made = stack.last_id
        if sent != "Update":
            assert stack.deliver(stack.event("Delete", new, made)) == "SUCCESS"
        if sent != "Delete":
            assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
        assert stack.current_key() == key
        stack.check_deployed(known[1])
        stack.deploy("2")
        stack.check_deployed(stack.known and stack.known[1])
        remove(stack)


@pytest.mark.parametrize("serial", ["1", "2"])
def test_a_key_that_was_orphaned_is_taken_up_again(stack: Stack, serial: str) -> None:
    """`cdk orphan` sends no Delete, and the same construct declared again a Create: the key is in place, or rotated."""
    stack.deploy("1", **HOUR)
    key = stack.current_key()[0]
    stack.known = None
    stack.deploy(serial, **HOUR)
    stack.check_deployed(stack.known and stack.known[1])
    assert stack.keys()[key] == "Active"
    assert (stack.current_key()[0] == key) == (serial == "1")
    remove(stack)


def test_a_skipped_rollback_is_made_up_for(stack: Stack) -> None:
    """`cdk rollback --orphan`: CloudFormation takes the old serial for deployed, though the new one is there."""
    stack.deploy("1", **HOUR)
    before = stack.known
    stack.deploy("2", **HOUR)
    second = stack.current_key()[0]
    stack.known = before
    stack.deploy("2", **HOUR)
    stack.check_deployed(stack.known and stack.known[1])
    assert stack.current_key()[0] == second
