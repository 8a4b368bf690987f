"""Two resources with keys of one user: they share IAM's two key slots, and the keys that an attempt may have lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from fakes.faults import PROCESS_DEATH
from support.stack import Stack

if TYPE_CHECKING:
    from support.stack import Event, Properties


def second(stack: Stack, kind: str, properties: Properties | None = None) -> Event:
    """Make a request of the second resource, which has the other secret."""
    wanted = properties or stack.properties(SecretArn=stack.other_arn)
    physical_id = f"deploy@{stack.other_arn}" if kind != "Create" else None
    return stack.event(kind, wanted, physical_id, wanted if kind == "Update" else None, logical_id="Second")


def test_both_get_a_key_and_neither_can_rotate() -> None:
    """IAM allows two: a rotation says whose keys are in the way, and changes nothing."""
    with Stack.on_fake_account() as stack:
        stack.deploy("1")
        assert stack.deliver(second(stack, "Create")) == "SUCCESS"
        before = stack.keys()
        assert stack.deliver(stack.update(stack.properties("2"))) == "FAILED"
        assert "2 access keys" in stack.answers[-1]["Reason"]
        assert stack.keys() == before


def test_one_is_deleted_and_the_other_stays() -> None:
    """The key of the other entry is untouched."""
    with Stack.on_fake_account() as stack:
        stack.deploy("1")
        assert stack.deliver(second(stack, "Create")) == "SUCCESS"
        kept = stack.current_key()[0]
        assert stack.deliver(second(stack, "Delete")) == "SUCCESS"
        assert stack.keys() == {kept: "Active"}


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_lost_key_of_one_is_not_taken_for_the_other_s(phase: str) -> None:
    """One dies while it creates a key; the other is made, rotated and swept: only the lost key goes."""
    with Stack.on_fake_account() as stack:
        assert stack.deliver(second(stack, "Create")) == "SUCCESS"
        kept = stack.current_key(stack.other_arn)[0]
        stack.account.fail(PROCESS_DEATH, "iam:CreateAccessKey", phase=phase)  # type: ignore[arg-type]
        create = stack.create(stack.properties())
        assert stack.deliver(create) is None
        stack.account.heal()
        for _ in range(3):
            stack.sweep(timedelta(hours=1))
        assert stack.current_key(stack.other_arn) == (kept, "Active")
        assert stack.deliver(stack.event("Delete", create["ResourceProperties"], "invented")) == "SUCCESS"
        stack.sweep_for(timedelta(days=2), timedelta(hours=4))
        assert stack.keys() == {kept: "Active"}


def test_a_key_of_another_ledger_is_left_alone() -> None:
    """A key with a tag of another provider's resource is no orphan, though it came to be within an attempt."""
    with Stack.on_fake_account() as stack:
        stack.account.fail(PROCESS_DEATH, "iam:CreateAccessKey")
        assert stack.deliver(stack.create(stack.properties())) is None
        stack.account.heal()
        other = stack.add_unmanaged_key("deploy")
        stack.account.person.tag_user("deploy", other, "other/Key owner=0123456789abcdef")
        for _ in range(3):
            stack.sweep(timedelta(hours=1))
        stack.check_always()
        assert stack.keys()[other] == "Active"
