"""What an operator asks for, on the fake account."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.faults import ACCESS_DENIED, CONNECTION_LOST
from support.stack import TOKEN

from access_key_provider.model.errors import InvalidRequestError, NothingToUndoError, NotManagedError, RotationError
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from support.stack import Stack

GRACE = {"GracePeriod": "3600", "RetentionPeriod": "604800"}


def kinds(stack: Stack) -> list[str]:
    """Name the events so far."""
    return [event["DetailType"].removeprefix("Access Key ") for event in stack.account.state.events]


def test_show_tells_the_state_and_changes_nothing(stack: Stack) -> None:
    """Neither in AWS nor in the ledger; no secret is in it."""
    stack.deploy("1", "2", **GRACE)
    before = stack.entry
    stack.account.log.clear()
    report = stack.operate("Show")
    assert [key["state"] for key in report["keys"]] == ["replaced", "current"]
    assert report["undoRestores"] == stack.our_keys()[0]
    assert stack.account.log.writes() == []
    assert stack.entry == before
    assert not any(secret in json.dumps(report) for secret in stack.account.secret_access_keys)


def test_show_does_not_wait_for_another_caller(stack: Stack) -> None:
    """It takes no lease."""
    stack.deploy("1", **GRACE)
    lease = {"M": {"holder": {"S": "x"}, "until": {"S": "2099-01-01T00:00:00Z"}, "doing": {"S": "x"}}}
    stack.account.person.change_entry(stack.secret_arn, lambda item: item["entry"]["M"].update(lease=lease))
    assert stack.operate("Show")["keys"]
    with pytest.raises(ProviderError, match="another caller is at work on the secret"):
        stack.operate("Rotate")


def test_undo_makes_the_previous_key_current_and_returns_the_state(stack: Stack) -> None:
    """At once: the bad key is Inactive, and the next deployment does not bring it back."""
    stack.deploy("1", "2", **GRACE)
    first, second = stack.our_keys()
    report = stack.operate("Undo")
    assert stack.keys() == {first: "Active", second: "Inactive"}
    assert stack.current_key() == (first, "Active")
    assert [(key["accessKeyId"], key["state"]) for key in report["keys"]] == [(second, "inactive"), (first, "current")]
    assert "taken back by an undo" in report["undoRefused"]
    with pytest.raises(NothingToUndoError):
        stack.operate("Undo")
    stack.must(stack.update(stack.properties("2", Description="x", **GRACE)))
    assert stack.current_key() == (first, "Active")
    assert kinds(stack)[-3:] == ["Restored", "Replaced", "Deactivated"]


def test_rotate_makes_a_new_key_that_the_next_deployment_keeps(stack: Stack) -> None:
    """Of the serial that is declared; the previous one is in its grace period."""
    stack.deploy("1", **GRACE)
    (first,) = stack.our_keys()
    report = stack.operate("Rotate")
    second, status = stack.current_key()
    assert second != first
    assert stack.keys() == {first: "Active", second: status}
    assert [key["state"] for key in report["keys"]] == ["replaced", "current"]
    stack.must(stack.update(stack.properties("1", Description="x", **GRACE)))
    assert stack.current_key() == (second, "Active")


def test_retire_deactivates_the_previous_key_within_its_grace_period(stack: Stack) -> None:
    """Although it was just used: an operator says that nobody needs it."""
    stack.deploy("1", "2", **GRACE)
    first, second = stack.our_keys()
    stack.account.person.use_key(first)
    stack.operate("Retire")
    assert stack.keys() == {first: "Inactive", second: "Active"}


@pytest.mark.parametrize("call", ["iam:CreateAccessKey", "secretsmanager:PutSecretValue", "sts:GetCallerIdentity"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_rotation_that_fails_leaves_nothing(stack: Stack, call: str, phase: Any) -> None:
    """The key that was current is so still, and the operator hears why."""
    stack.deploy("1", **GRACE)
    keys = stack.keys()
    stack.account.fail(CONNECTION_LOST, call, phase=phase, times=None)
    with pytest.raises(ProviderError):
        stack.operate("Rotate")
    if call != "iam:CreateAccessKey":
        assert stack.keys() == keys, "what it made goes at once; a key whose answer was lost is found by the sweep"
    stack.account.heal()
    stack.sweep_for(timedelta(hours=1), every=timedelta(minutes=5))
    assert stack.keys() == keys
    stack.check_deployed(stack.properties())


def test_a_refusal_is_told_in_our_own_words(stack: Stack) -> None:
    """With the action and the user."""
    stack.deploy("1", **GRACE)
    stack.account.fail(ACCESS_DENIED, "iam:CreateAccessKey", times=None)
    with pytest.raises(ProviderError, match="iam:CreateAccessKey on user deploy was denied"):
        stack.operate("Rotate")


@pytest.mark.parametrize("operation", ["Show", "Undo", "Rotate", "Retire"])
def test_a_secret_without_an_entry_is_refused(stack: Stack, operation: str) -> None:
    """With what it may mean."""
    with pytest.raises(NotManagedError, match=f"no entry for secret {stack.secret_arn}: it holds no key of this"):
        stack.operate(operation)
    assert stack.our_keys() == []


@pytest.mark.parametrize("operation", ["Undo", "Rotate", "Retire"])
def test_the_keys_of_a_deleted_resource_are_left_to_its_delete(stack: Stack, operation: str) -> None:
    """No operation makes a key for it."""
    stack.deploy("1", **GRACE)
    stack.must(stack.delete())
    try:
        stack.operate(operation)
    except ProviderError as refused:
        assert isinstance(refused, (RotationError, NothingToUndoError))  # noqa: PT017 - or it has nothing to do
    assert stack.our_keys() == []


@pytest.mark.parametrize("operation", ["Delete", "", None, 7, ["Show"]])
def test_an_unknown_operation_is_refused(stack: Stack, operation: Any) -> None:
    """With those that there are."""
    with pytest.raises(InvalidRequestError, match="Operation must be one of Show, Acknowledge, Undo, Rotate, Retire"):
        stack.invoke({"Operation": operation, "SecretId": stack.secret_arn}, "provider")


@pytest.mark.parametrize("secret", [None, "shop/deploy", 7])
def test_a_secret_is_named_by_its_complete_arn(stack: Stack, secret: Any) -> None:
    """Before any call."""
    with pytest.raises(InvalidRequestError, match="SecretId must be the complete ARN"):
        stack.invoke({"Operation": "Show", "SecretId": secret}, "provider")
    assert stack.account.log.entries == []


def test_an_operator_ends_a_rotation_that_is_under_way(stack: Stack) -> None:
    """Its pending key goes, and Secrets Manager may begin another one."""
    stack.deploy("1", **GRACE)
    step = stack.begin_rotation(TOKEN)
    stack.invoke(step("createSecret"), "worker")
    pending = stack.our_keys()[1]
    stack.operate("Rotate")
    assert pending not in stack.our_keys()
    with pytest.raises(ProviderError, match="rotate again"):
        stack.invoke(step("finishSecret"), "worker")
