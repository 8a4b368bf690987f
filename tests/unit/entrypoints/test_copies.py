"""Copies of the secret: what their readers get, what is refused, and when a copy goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes.faults import CONNECTION_LOST
from support.stack import COPIES, REGION, ROLE_ARN, STEPS, Stack

from lambda_shared.errors import ProviderError

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
    return [read_one(stack, copy) for copy in COPIES]


def read_one(stack: Stack, copy: dict[str, str]) -> str:
    """Name the key that the readers of a copy get; empty if there is no copy."""
    value = stack.read_copy(copy)
    return str(json.loads(value)["accessKeyId"]) if value else ""


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


def test_a_copy_that_somebody_has_deleted_comes_back_without_the_keys_before(stack: Stack) -> None:
    """Its first version is current by itself: that readers get a pending key there is told, until it is current."""
    stack.deploy("1", Copies=[SECRET], **GRACE)
    stack.delete_copy_by_hand(SECRET)
    event = stack.begin_rotation()
    stack.invoke(event("createSecret"), "worker")
    stack.sweep()
    assert "secret copies/deploy in us-west-2, whose readers may get another key" in stack.entry["failing"]["reason"]
    for step in STEPS[1:]:
        stack.invoke(event(step), "worker")
    stack.sweep()
    assert "failing" not in stack.entry
    assert read_one(stack, SECRET) == stack.current_key()[0]


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


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: str(copy["Kind"]))
def test_a_copy_that_somebody_has_deleted_does_not_stand_for_a_key_that_is_not_in_it(
    stack: Stack, copy: dict[str, str]
) -> None:
    """A parameter numbers its versions from 1 again: the number of the key before is that of another key."""
    stack.deploy("1", Copies=[copy], **GRACE)
    first, _ = stack.current_key()
    stack.delete_copy_by_hand(copy)
    update = stack.update(stack.properties("2", Copies=[copy], **GRACE))
    assert stack.deliver(update) == "SUCCESS"
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == (first, "Active")
    stack.sweep()
    assert stack.entry["failing"], "nobody is told that the readers of the copy get a key that goes"
    assert set(stack.operate("Show")["copies"].values()) != {first}
    stack.account.clock.sleep(8 * 24 * 3600)
    stack.sweep()
    stack.deploy("3", Copies=[copy], **GRACE)
    assert read_one(stack, copy) == stack.current_key()[0]
    stack.sweep()
    assert "failing" not in stack.entry


def test_an_undo_reports_the_copies_that_the_restored_key_is_not_in(stack: Stack) -> None:
    """Their readers would get a key that is Inactive. A rollback stays with it; a new serial is in all copies."""
    stack.deploy("1", **GRACE)
    first, _ = stack.current_key()
    stack.deploy("2", Copies=COPIES, **GRACE)
    stack.operate("Undo")
    assert stack.current_key() == (first, "Active")
    stack.sweep()
    assert f"{first} is not known to be in the parameter /ci/key in {REGION}" in stack.entry["failing"]["reason"]
    update = stack.update(stack.properties("3", Copies=COPIES, OnKeyLimit="RetirePrevious", **GRACE))
    assert stack.deliver(update) == "SUCCESS"
    assert read(stack) == [stack.current_key()[0]] * 2
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == (first, "Active")


def test_a_rename_that_is_rolled_back_gives_the_copies_back(stack: Stack) -> None:
    """And a copy does not need the role of the construct that is gone."""
    stack.deploy("1", Copies=COPIES, **GRACE)
    first, _ = stack.current_key()
    properties = stack.properties("1", Copies=COPIES, RoleArn=f"{ROLE_ARN}2", **GRACE)
    renamed = stack.event("Create", properties, None, logical_id="Renamed")
    assert stack.deliver(renamed) == "SUCCESS"
    deletion = stack.event("Delete", properties, stack.last_id, logical_id="Renamed")
    assert stack.deliver(deletion) == "SUCCESS"
    assert stack.current_key() == (first, "Active")
    assert read(stack) == [first] * 2
    stack.account.deny(lambda call: call.parameters.get("RoleArn") == f"{ROLE_ARN}2")
    assert stack.deliver(stack.delete()) == "SUCCESS"
    for copy in COPIES:
        assert stack.deliver(stack.delete_copy(copy)) == "SUCCESS", stack.answers[-1]
        assert stack.read_copy(copy) is None


def test_a_change_of_user_that_is_rolled_back_gives_the_copies_back(stack: Stack) -> None:
    """The same for two resources of one construct."""
    stack.deploy("1", Copies=COPIES, **GRACE)
    first, _ = stack.current_key()
    update = stack.update(stack.properties("1", Copies=COPIES, UserName="vendor", RoleArn=f"{ROLE_ARN}2", **GRACE))
    assert stack.deliver(update) == "SUCCESS"
    assert stack.deliver(stack.event("Delete", update["ResourceProperties"], stack.last_id)) == "SUCCESS"
    assert stack.current_key() == (first, "Active")
    assert read(stack) == [first] * 2


def test_a_lost_entry_does_not_keep_a_rollback_from_its_key(stack: Stack) -> None:
    """The copies are somebody else's then, as far as is known: the deployment is refused, its rollback is not."""
    stack.deploy("1", Copies=COPIES, **GRACE)
    first, _ = stack.current_key()
    stack.account.person.delete_entry(stack.secret_arn)
    update = stack.update(stack.properties("2", Copies=COPIES, **GRACE))
    assert stack.deliver(update) == "FAILED"
    assert "exists already" in stack.answers[-1]["Reason"]
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.current_key() == (first, "Active")
    assert read(stack) == [first] * 2


def test_a_copy_that_was_dropped_is_made_again_with_a_new_key(stack: Stack) -> None:
    """The key of the serial before is in it no more."""
    stack.deploy("1", Copies=COPIES, **GRACE)
    first, _ = stack.current_key()
    stack.deploy("1", Copies=[SECRET], **GRACE)
    assert stack.deliver(stack.delete_copy(PARAMETER)) == "SUCCESS"
    stack.operate("Retire")
    stack.account.clock.sleep(3600)
    stack.deploy("1", Copies=COPIES, OnKeyLimit="RetirePrevious", GracePeriod="60")
    assert stack.current_key()[0] != first
    assert read(stack) == [stack.current_key()[0]] * 2


def test_another_role_for_a_copy_is_used_from_then_on(stack: Stack) -> None:
    """For what is left to do of the keys that were written with the one before, too: it may be gone."""
    before, after = ({**SECRET, "RoleArn": f"{ROLE_ARN}-copies-{number}"} for number in (1, 2))
    stack.deploy("1", "2", Copies=[before], **GRACE)
    stack.deploy("2", Copies=[after], **GRACE)
    stack.account.deny(lambda call: call.parameters.get("RoleArn") == before["RoleArn"])
    stack.operate("Undo")
    assert "failing" not in stack.entry
    assert read_one(stack, SECRET) == stack.current_key()[0]
    assert stack.deliver(stack.delete()) == "SUCCESS"
    assert stack.deliver(stack.delete_copy(after)) == "SUCCESS", stack.answers[-1]
    assert stack.read_copy(SECRET) is None


def test_what_is_wrong_with_a_copy_names_it(stack: Stack) -> None:
    """A key may have ten."""
    stack.deploy("1", Copies=COPIES)
    (arn,) = [secret.arn for secret in stack.account.state.secrets.values() if secret.name == SECRET["Name"]]
    stack.account.person.schedule_deletion(arn)
    assert stack.deliver(stack.update(stack.properties("2", Copies=COPIES))) == "FAILED"
    assert "secret copies/deploy in us-west-2 can't be written to" in stack.answers[-1]["Reason"]
    stack.account.person.restore_secret(arn)
    stack.account.deny(lambda call: call.region == SECRET["Region"] and call.action == "PutSecretValue")
    assert stack.deliver(stack.update(stack.properties("3", Copies=COPIES))) == "FAILED"
    assert "PutSecretValue on secret copies/deploy in us-west-2 was denied" in stack.answers[-1]["Reason"]


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: str(copy["Kind"]))
def test_a_rotation_that_can_not_be_finished_gives_the_copies_back(stack: Stack, copy: dict[str, str]) -> None:
    """Readers never get a key that is not current for longer than the step takes. The next try finishes it."""
    stack.deploy("1", Copies=COPIES, **GRACE)
    first, _ = stack.current_key()
    event = stack.begin_rotation()
    for step in STEPS[:3]:
        stack.invoke(event(step), "worker")
    point = {"parameter": "LabelParameterVersion", "secret": "UpdateSecretVersionStage"}[copy["Kind"]]
    stack.account.deny(lambda call: call.action == point and call.region == copy["Region"])
    with pytest.raises(ProviderError):
        stack.invoke(event("finishSecret"), "worker")
    assert stack.current_key() == (first, "Active")
    assert read(stack) == [first] * 2
    stack.account.allow_again()
    stack.invoke(event("finishSecret"), "worker")
    assert stack.current_key()[0] != first
    assert read(stack) == [stack.current_key()[0]] * 2


def test_a_copy_that_no_reader_has_seen_is_not_reported(stack: Stack) -> None:
    """Without a rollback it stays as it is: made, and empty."""
    stack.deploy("1", **GRACE)
    stack.account.deny(lambda call: call.action == "PutSecretValue" and call.region == SECRET["Region"])
    assert stack.deliver(stack.update(stack.properties("1", Copies=COPIES, **GRACE))) == "FAILED"
    stack.account.allow_again()
    stack.sweep()
    assert "failing" not in stack.entry


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
        ([{**PARAMETER, "Name": "ci/key"}], "must begin with a slash"),
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
