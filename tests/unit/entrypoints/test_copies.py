"""Copies of the secret: what their readers get, what is refused, and when a copy goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.faults import CONNECTION_LOST
from support.stack import COPIES, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

PARAMETER, SECRET = COPIES
GRACE = {"GracePeriod": "3600"}


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a stack without a key."""
    with Stack.on_fake_account() as found:
        yield found


def read(stack: Stack) -> list[str]:
    """Name the key that the readers of each copy get; empty if there is no copy."""
    values = [stack.read_copy(copy) for copy in COPIES]
    return [json.loads(value)["accessKeyId"] if value else "" for value in values]


def test_a_new_key_is_in_every_copy(stack: Stack) -> None:
    """And in the secret."""
    stack.deploy("1", Copies=COPIES)
    current, _ = stack.current_key()
    assert read(stack) == [current] * 2
    assert set(stack.operate("Show")["copies"].values()) == {current}


def test_readers_get_the_new_key_before_it_is_current_only_if_all_copies_have_it(stack: Stack) -> None:
    """A copy that can't be written fails the deployment, and the readers of all others get the old key again."""
    stack.deploy("1", Copies=COPIES, **GRACE)
    first, _ = stack.current_key()
    stack.account.deny(lambda call: call.service == "secretsmanager" and call.region == SECRET["Region"])
    assert stack.deliver(stack.update(stack.properties("2", Copies=COPIES, **GRACE))) == "FAILED"
    assert stack.current_key() == (first, "Active")
    assert read(stack) == [first] * 2


def test_the_key_before_comes_back_to_its_readers_even_if_a_copy_is_refused(stack: Stack) -> None:
    """Who undoes must be able to; the sweep does the rest."""
    stack.deploy("1", Copies=COPIES, **GRACE)
    first, _ = stack.current_key()
    update = stack.update(stack.properties("2", Copies=COPIES, **GRACE))
    assert stack.deliver(update) == "SUCCESS"
    second, _ = stack.current_key()
    stack.account.deny("ssm:LabelParameterVersion")
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert "LabelParameterVersion" in stack.entry["failing"]["reason"]
    assert stack.current_key() == (first, "Active")
    assert read(stack) == [second, first]
    stack.account.allow_again()
    stack.sweep()
    assert read(stack) == [first] * 2


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: str(copy["Kind"]))
def test_what_somebody_else_has_made_is_not_written_over(stack: Stack, copy: dict[str, str]) -> None:
    """The deployment fails, says what to do, and leaves no key; its Delete leaves theirs."""
    stack.deploy("1", Copies=[copy])
    value = stack.read_copy(copy)
    properties = stack.properties(UserName="vendor", SecretArn=stack.other_arn, Copies=[copy])
    request = stack.event("Create", properties, None, logical_id="Other")
    assert stack.deliver(request) == "FAILED"
    assert f"the {copy['Kind']} {copy['Name']} in {copy['Region']} exists already" in stack.answers[-1]["Reason"]
    assert stack.keys("vendor") == {}
    deletion = stack.delete_copy(copy)
    deletion["ResourceProperties"]["SecretArn"] = stack.other_arn
    assert stack.deliver(deletion) == "SUCCESS"
    assert "was not made by this key" in stack.answers[-1]["Reason"]
    assert stack.read_copy(copy) == value


def test_a_copy_whose_making_got_no_response_is_ours(stack: Stack) -> None:
    """The next try goes on with it."""
    for call in ("ssm:PutParameter", "secretsmanager:CreateSecret"):
        stack.account.fail(CONNECTION_LOST, call, phase="after", times=1)
    stack.deploy("1", Copies=COPIES)
    stack.check_deployed(stack.properties("1", Copies=COPIES))


def test_a_copy_stays_while_another_key_writes_to_it(stack: Stack) -> None:
    """A construct that is renamed deletes its old copies after the new ones were made in the same place."""
    stack.deploy("1", Copies=COPIES)
    renamed = stack.event("Create", stack.properties("1", Copies=COPIES), None, logical_id="Renamed")
    assert stack.deliver(renamed) == "SUCCESS"
    assert stack.deliver(stack.delete()) == "SUCCESS"
    for copy in COPIES:
        assert stack.deliver(stack.delete_copy(copy)) == "SUCCESS"
        assert "another key writes to it" in stack.answers[-1]["Reason"]
    current, _ = stack.current_key()
    assert read(stack) == [current] * 2


def test_a_deleted_key_leaves_no_label_on_its_copy(stack: Stack) -> None:
    """A secret has twenty labels: each rotation would take one."""
    for serial in range(25):
        stack.deploy(str(serial), Copies=COPIES)
    (copied,) = [secret for secret in stack.account.state.secrets.values() if secret.name == SECRET["Name"]]
    labels = {label for label in copied.labels.value if label.startswith("AKIA")}
    assert labels <= set(stack.keys())


def test_another_kms_key_needs_another_name(stack: Stack) -> None:
    """A secret has one KMS key for all versions."""
    key = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    stack.deploy("1", Copies=[SECRET], **GRACE)
    copies = [{**SECRET, "KmsKeyId": key}]
    assert stack.deliver(stack.update(stack.properties("2", Copies=copies, **GRACE))) == "FAILED"
    assert "give the copy another name" in stack.answers[-1]["Reason"]


@pytest.mark.parametrize(
    ("copies", "message"),
    [
        ("none", "Copies must be a list"),
        (["text"], "Copies must be a list"),
        ([{**PARAMETER, "Kind": "file"}], "Kind is 'file': must be parameter or secret"),
        ([{**PARAMETER, "Name": "a b"}], "Name is 'a b'"),
        ([{**PARAMETER, "Name": "a" * 513}], "Name has 513 characters"),
        ([{**PARAMETER, "Region": "../x"}], "Region is"),
        ([{**PARAMETER, "RoleArn": "me"}], "RoleArn is 'me'"),
        ([{**PARAMETER, "KmsKeyId": "alias"}], "KmsKeyId is 'alias'"),
        ([PARAMETER, PARAMETER], "different ones"),
        ([{**PARAMETER, "Name": f"/{number}"} for number in range(11)], "at most 10"),
    ],
)
def test_bad_copies_are_refused_before_anything_is_done(stack: Stack, copies: object, message: str) -> None:
    """And name what is wrong."""
    assert stack.deliver(stack.create(stack.properties(Copies=copies))) == "FAILED"
    assert message in stack.answers[-1]["Reason"]
    assert stack.account.log.entries == []
