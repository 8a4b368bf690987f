"""What CloudFormation really sends, row by row of the table in docs/how-it-works.md, handed to the function on moto."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.aws.secrets_manager import SecretsManagerVersions
from access_key_provider.aws.sts import StsProver
from access_key_provider.model.errors import UnprovenKeyError
from lambda_shared.errors import AccessDeniedError, OutcomeUnknownError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.entrypoints.moto_stack import MotoStack

Answer = dict[str, Any]


def denied() -> AccessDeniedError:
    """Make the error of a call that AWS refuses: it has changed nothing."""
    error = AccessDeniedError("iam:TagUser on user deploy was denied", "AccessDenied")
    error.changed_nothing = True
    return error


def fail(*_: object, **__: object) -> None:
    """Stand for a call that AWS refuses."""
    raise denied()


def unproven(*_: object) -> None:
    """Stand for a key that does not work in time."""
    raise UnprovenKeyError("the new access key did not work in time")


def attributes(answer: Answer) -> tuple[str, dict[str, str]]:
    """Return the status and the attributes of an answer."""
    return answer["Status"], answer["Data"]


def key_of(answer: Answer) -> str:
    """Return the id of the key that a success answers."""
    assert answer["Status"] == "SUCCESS", answer["Reason"]
    return str(answer["Data"]["AccessKeyId"])


def hooked(
    patch: pytest.MonkeyPatch, port: type, method: str, act: Callable[[], object], *, after: bool = False
) -> None:
    """Let something happen once, before or after a call of a port."""
    call, done = getattr(port, method), list[int]()

    def hooked_call(self: Any, *arguments: Any) -> Any:
        if not done and not after:
            done.append(1)
            act()
        result = call(self, *arguments)
        if not done and after:
            done.append(1)
            act()
        return result

    patch.setattr(port, method, hooked_call)


# --- Create


def test_create_makes_one_active_key_and_publishes_it(moto: MotoStack) -> None:
    """The answer has the attributes; the secret has the key; nothing has the secret but the secret."""
    answer = moto.create(Description="for the vendor")
    key = moto.current_key()
    version = moto.secrets.get_secret_value(SecretId=moto.secret_arn, VersionStage="AWSCURRENT")["VersionId"]
    assert answer["PhysicalResourceId"] == f"deploy@{moto.secret_arn}"
    assert attributes(answer) == (
        "SUCCESS",
        {
            "AccessKeyId": key,
            "SecretArn": moto.secret_arn,
            "SecretName": moto.secrets.describe_secret(SecretId=moto.secret_arn)["Name"],
            "SecretVersionId": version,
            "Status": "Active",
        },
    )
    assert moto.statuses() == {key: "Active"}
    tags = {tag["Key"]: tag["Value"] for tag in moto.iam.list_user_tags(UserName="deploy")["Tags"]}
    assert tags[key].startswith("for the vendor owner=")
    secret = json.loads(moto.current_value())["secretAccessKey"]
    assert secret not in json.dumps(answer)
    assert secret not in json.dumps(moto.entries(), default=str)


def test_create_declared_inactive_ends_inactive(moto: MotoStack) -> None:
    """It is proven while it is Active."""
    assert moto.create(Status="Inactive")["Data"]["Status"] == "Inactive"
    moto.expect(status="Inactive")


def test_create_beside_an_unmanaged_key_leaves_it_alone(moto: MotoStack) -> None:
    """There is a slot for one more."""
    unmanaged = moto.add_unmanaged_key()
    assert moto.create()["Status"] == "SUCCESS"
    moto.expect(unmanaged={unmanaged: "Active"})


def test_create_into_a_secret_that_has_a_value_replaces_what_is_current(moto: MotoStack) -> None:
    """The value before it becomes AWSPREVIOUS."""
    moto.secret_arn = moto.new_secret("the value before")
    assert moto.create()["Status"] == "SUCCESS"
    versions = moto.secrets.describe_secret(SecretId=moto.secret_arn)["VersionIdsToStages"]
    assert sorted(label for labels in versions.values() for label in labels if label.startswith("AWS")) == [
        "AWSCURRENT",
        "AWSPREVIOUS",
    ]


def test_create_at_the_limit_fails_before_any_write(moto: MotoStack) -> None:
    """The message names each key, its status, its age and its last use, and says what to do."""
    keys = [moto.add_unmanaged_key(), moto.add_unmanaged_key()]
    moto.iam.update_access_key(UserName="deploy", AccessKeyId=keys[1], Status="Inactive")
    answer = moto.create()
    assert answer["Status"] == "FAILED"
    for fact in (*keys, "Active", "Inactive", "created 20", "never used", "aws iam delete-access-key", "deploy"):
        assert fact in answer["Reason"]
    moto.expect(status=None, unmanaged={keys[0]: "Active", keys[1]: "Inactive"})
    assert "VersionIdsToStages" not in moto.secrets.describe_secret(SecretId=moto.secret_arn)


# --- Create FAILED


@pytest.mark.parametrize(
    ("port", "method"),
    [
        (IamUserKeys, "list"),
        (IamUserKeys, "create"),
        (SecretsManagerVersions, "describe"),
        (SecretsManagerVersions, "put"),
        (StsProver, "prove"),
    ],
)
@pytest.mark.parametrize("error", [denied(), OutcomeUnknownError("lost")])
def test_a_failed_create_undoes_itself(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch, port: type, method: str, error: ProviderError
) -> None:
    """No key is left, and the Delete that CloudFormation sends then succeeds."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    unmanaged = moto.add_unmanaged_key()
    with monkeypatch.context() as patch:
        patch.setattr(port, method, refuse)
        answer = moto.create()
    assert answer["Status"] == "FAILED"
    assert moto.statuses() == {unmanaged: "Active"}
    assert moto.delete(physical_id=answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    moto.sweep()
    assert moto.delete(physical_id=answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert moto.statuses() == {unmanaged: "Active"}
    moto.expect(status=None, unmanaged={unmanaged: "Active"})


def test_the_delete_of_a_create_that_left_nothing_needs_nothing(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is refused for good: the ledger knows that no key was ever made."""
    with monkeypatch.context() as patch:
        for name in ("list", "create", "tags"):
            patch.setattr(IamUserKeys, name, fail)
        patch.setattr(SecretsManagerVersions, "describe", fail)
        failed = moto.create()
        assert failed["Status"] == "FAILED"
        assert moto.delete(physical_id=failed["PhysicalResourceId"])["Status"] == "SUCCESS"
    moto.expect(status=None)


def test_a_create_whose_answer_is_lost_makes_one_key_and_not_two(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that nobody has the secret of is found by listing and deleted, then one is made."""
    lost = lose_the_first_creation(monkeypatch)
    assert moto.create()["Status"] == "SUCCESS"
    assert len(moto.statuses()) == 1
    assert lost[0] not in moto.statuses()
    assert moto.sweep()["swept"] == 1, "the attempt stays open while another key may come to light"


def lose_the_first_creation(patch: pytest.MonkeyPatch) -> list[str]:
    """Lose the answer to the first creation; the id that it had is in the list then."""
    create, lost = IamUserKeys.create, list[str]()

    def create_and_lose(keys: IamUserKeys) -> Any:
        made = create(keys)
        if not lost:
            lost.append(made.id)
            raise OutcomeUnknownError("AWS could not be reached: ReadTimeoutError")
        return made

    patch.setattr(IamUserKeys, "create", create_and_lose)
    return lost


def test_an_existing_value_stays_current_when_a_create_fails_at_the_switch(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever read the secret before must not be left with a dead key."""
    moto.secret_arn = moto.new_secret("the value before")
    with monkeypatch.context() as patch:
        patch.setattr(SecretsManagerVersions, "move_current", fail)
        assert moto.create()["Status"] == "FAILED"
    assert moto.current_value() == "the value before"
    moto.expect(status=None)


def test_a_switch_whose_answer_is_lost_is_found(moto: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWSCURRENT is there already: nothing is switched or created again."""
    moto.secret_arn = moto.new_secret("the value before")

    def lose() -> None:
        raise OutcomeUnknownError("AWS could not be reached: ReadTimeoutError")

    hooked(monkeypatch, SecretsManagerVersions, "move_current", lose, after=True)
    assert moto.statuses() == {}
    assert key_of(moto.create()) == moto.current_key()
    assert len(moto.statuses()) == 1


# --- Create running, sibling fails


def test_a_delete_with_an_invented_id_cleans_what_the_create_made(moto: MotoStack) -> None:
    """CloudFormation invents an id if it cancels a Create before its answer."""
    moto.create()
    assert moto.delete(physical_id="shop-Key961D73C5-1QWERTZ")["Status"] == "SUCCESS"
    moto.expect(status=None)


@pytest.mark.parametrize(
    ("port", "method", "after"),
    [
        (IamUserKeys, "create", False),
        (IamUserKeys, "create", True),
        (SecretsManagerVersions, "put", True),
        (StsProver, "prove", False),
        (SecretsManagerVersions, "move_current", False),
    ],
)
def test_a_create_that_is_still_running_when_its_delete_comes_leaves_nothing(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch, port: type, method: str, *, after: bool
) -> None:
    """It stands still while the Delete waits for its lease and takes it over; the value before is current again."""
    moto.secret_arn = moto.new_secret("the value before")
    deletes: list[Answer] = []
    hooked(monkeypatch, port, method, lambda: deletes.append(moto.delete()), after=after)
    assert moto.create()["Status"] == "FAILED"
    assert [answer["Status"] for answer in deletes] == ["SUCCESS"]
    moto.clock.sleep(120)
    assert moto.delete()["Status"] == "SUCCESS", "CloudFormation may send it again"
    assert moto.current_value() == "the value before"
    moto.sweep()
    moto.expect(status=None)


def test_a_create_delivered_after_its_delete_does_nothing(moto: MotoStack) -> None:
    """The date in the signature of the answer's URL tells which request CloudFormation made first."""
    requested = moto.clock.now()
    moto.clock.sleep(600)
    assert moto.delete(signed_at=requested + timedelta(seconds=2))["Status"] == "SUCCESS"
    late = moto.handle(moto.event("Create", moto.properties(), signed_at=requested))
    assert late["Status"] == "FAILED"
    assert "deleted the resource" in late["Reason"]
    moto.expect(status=None)
    later = moto.handle(moto.event("Create", moto.properties(), signed_at=requested + timedelta(minutes=5)))
    assert later["Status"] == "SUCCESS"
    moto.expect()


# --- serial changed, and rolled back


def test_a_rotation_publishes_a_new_key_and_keeps_the_previous_one_inactive(moto: MotoStack) -> None:
    """The id stays, the attributes change."""
    first, second = moto.create(), moto.rotate("2", "1")
    assert second["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert second["Data"]["AccessKeyId"] == moto.current_key() != first["Data"]["AccessKeyId"]
    assert second["Data"]["SecretVersionId"] != first["Data"]["SecretVersionId"]
    assert moto.statuses() == {key_of(first): "Inactive", key_of(second): "Active"}


def test_a_rollback_restores_the_very_key(moto: MotoStack) -> None:
    """Active, current, with the same attributes as before; the new one is Inactive, and there is no third key."""
    first, second = moto.create(), moto.rotate("2", "1")
    assert attributes(moto.rotate("1", "2")) == attributes(first)
    assert moto.statuses() == {key_of(first): "Active", key_of(second): "Inactive"}


def test_a_rollback_within_a_grace_period_cuts_nobody_off(moto: MotoStack) -> None:
    """Both keys are Active, the one before is current."""
    grace = {"GracePeriod": "3600"}
    first = moto.create(**grace)
    moto.update(moto.properties("2", **grace), moto.properties("1", **grace))
    back = moto.update(moto.properties("1", **grace), moto.properties("2", **grace))
    assert attributes(back) == attributes(first)
    assert len(moto.active()) == 2


def test_many_rotations_never_leave_more_than_two_keys(moto: MotoStack) -> None:
    """Each frees a slot for itself."""
    moto.create()
    for serial in range(2, 7):
        assert moto.rotate(str(serial), str(serial - 1))["Status"] == "SUCCESS"
        assert sorted(moto.statuses().values()) == ["Active", "Inactive"]
        moto.check()


def test_a_rollback_after_a_slot_was_freed_restores_the_key_that_was_current(moto: MotoStack) -> None:
    """The key deleted for the slot is not the one to go back to."""
    moto.create()
    second = moto.rotate("2", "1")
    moto.rotate("3", "2")
    assert attributes(moto.rotate("2", "3")) == attributes(second)
    assert moto.active() == [key_of(second)]


def test_a_rotation_at_the_limit_fails_and_leaves_the_current_key(moto: MotoStack) -> None:
    """An unmanaged key holds the second slot."""
    moto.create()
    unmanaged = moto.add_unmanaged_key()
    answer = moto.rotate("2", "1")
    assert answer["Status"] == "FAILED"
    assert unmanaged in answer["Reason"]
    moto.expect(unmanaged={unmanaged: "Active"})


def test_a_rotation_while_inactive_ends_inactive(moto: MotoStack) -> None:
    """The declared status holds for the new key."""
    moto.create(Status="Inactive")
    moto.update(moto.properties("2", Status="Inactive"), moto.properties("1", Status="Inactive"))
    assert set(moto.statuses().values()) == {"Inactive"}
    moto.expect(status="Inactive")


# --- Update FAILED


def test_a_rotation_that_fails_leaves_the_current_key_and_its_rollback_has_nothing_to_do(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failed answer carries the event's id, and the rollback's the same attributes; it needs no call to AWS."""
    first = moto.create()
    with monkeypatch.context() as patch:
        patch.setattr(StsProver, "prove", unproven)
        failed = moto.rotate("2", "1")
    assert (failed["Status"], failed["PhysicalResourceId"]) == ("FAILED", first["PhysicalResourceId"])
    moto.check()
    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "list", fail)
        patch.setattr(SecretsManagerVersions, "describe", fail)
        assert attributes(moto.rotate("1", "2")) == attributes(first)
    assert moto.statuses() == {key_of(first): "Active"}


def test_a_rotation_that_fails_after_the_switch_goes_back(moto: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The previous key could not be deactivated: it is current again, and so it is after the rollback."""
    first = moto.create()
    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "set_status", fail)
        assert moto.rotate("2", "1")["Status"] == "FAILED"
    assert moto.current_key() == key_of(first)
    assert attributes(moto.rotate("1", "2")) == attributes(first)
    assert moto.active() == [key_of(first)]


def test_an_update_that_fails_keeps_the_retired_key_although_the_current_one_was_deleted_by_hand(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was proven before the request is not the request's to remove."""
    first, second = moto.create(), moto.rotate("2", "1")
    moto.iam.delete_access_key(UserName="deploy", AccessKeyId=key_of(second))
    with monkeypatch.context() as patch:
        patch.setattr(StsProver, "prove", unproven)
        assert moto.rotate("3", "2")["Status"] == "FAILED"
    assert key_of(first) in moto.statuses()
    assert attributes(moto.rotate("1", "3")) == attributes(first)


# --- express mode and --no-rollback


@pytest.mark.parametrize("then", ["1", "2", "3"])
def test_after_a_failure_without_a_rollback_any_serial_goes_on_from_there(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Nothing is sent after the failure; the failed new key is gone, and what comes next may be anything."""
    first = moto.create()
    with monkeypatch.context() as patch:
        patch.setattr(StsProver, "prove", unproven)
        assert moto.rotate("2", "1")["Status"] == "FAILED"
    assert moto.statuses() == {key_of(first): "Active"}
    moto.check()
    answer = moto.rotate(then, "1")
    assert (key_of(answer) == key_of(first)) is (then == "1")
    assert moto.active() == [key_of(answer)]


def test_after_a_create_that_failed_without_a_rollback_it_is_created_again(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Delete comes in between."""
    with monkeypatch.context() as patch:
        patch.setattr(StsProver, "prove", unproven)
        assert moto.create()["Status"] == "FAILED"
    moto.clock.sleep(2)
    assert moto.create()["Status"] == "SUCCESS"


# --- status and description


def test_the_status_changes_there_and_back_without_a_new_key(moto: MotoStack) -> None:
    """In place."""
    first = moto.create()
    off = moto.update(moto.properties(Status="Inactive"), moto.properties())
    moto.expect(status="Inactive")
    on = moto.update(moto.properties(), moto.properties(Status="Inactive"))
    assert off["Data"] == first["Data"] | {"Status": "Inactive"}
    assert on["Data"] == first["Data"]
    moto.expect()


def test_a_new_description_changes_the_tag_only(moto: MotoStack) -> None:
    """The description that IAM's console shows."""
    first = moto.create()
    moto.update(moto.properties(Description="for the vendor"), moto.properties())
    tags = {tag["Key"]: tag["Value"] for tag in moto.iam.list_user_tags(UserName="deploy")["Tags"]}
    assert tags[key_of(first)].startswith("for the vendor owner=")
    assert moto.statuses() == {key_of(first): "Active"}


# --- user or secret changed


def test_a_change_of_user_creates_at_the_new_place_and_the_delete_cleans_the_old(moto: MotoStack) -> None:
    """The new id makes CloudFormation send the Delete, with the old id and the old properties."""
    moto.iam.create_user(UserName="vendor")
    old, new = moto.properties(), moto.properties(UserName="vendor")
    first = moto.create()
    moved = moto.update(new, old)
    assert moved["PhysicalResourceId"] != first["PhysicalResourceId"]
    assert moto.statuses() == {key_of(first): "Active"}
    assert moto.delete(old, first["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert moto.statuses("deploy") == {}
    assert moto.statuses("vendor") == {key_of(moved): "Active"}
    moto.expect(user_name="vendor")


def test_a_change_of_secret_creates_at_the_new_place_and_the_delete_cleans_the_old(moto: MotoStack) -> None:
    """The same user has both keys until the old place is cleaned."""
    second = moto.new_secret()
    old, new = moto.properties(), moto.properties(SecretArn=second)
    first = moto.create()
    moved = moto.update(new, old)
    assert set(moto.statuses()) == {key_of(first), key_of(moved)}
    moto.delete(old, first["PhysicalResourceId"])
    assert moto.statuses() == {key_of(moved): "Active"}
    moto.expect(secret_arn=second)


def test_the_rollback_of_a_replacement_cleans_the_new_place_only(moto: MotoStack) -> None:
    """The Delete carries the new id and the new properties; the value that was there is current again."""
    moto.iam.create_user(UserName="vendor")
    first = moto.create()
    new = moto.properties(UserName="vendor")
    moved = moto.update(new, moto.properties())
    assert moto.delete(new, moved["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert moto.statuses("vendor") == {}
    assert moto.statuses() == {key_of(first): "Active"}
    assert moto.current_key() == key_of(first)


def test_an_update_back_before_the_delete_of_the_new_place_finds_nothing_to_say(moto: MotoStack) -> None:
    """That is the order in which CloudFormation rolls a replacement back after a lost answer."""
    moto.iam.create_user(UserName="vendor")
    old, new = moto.properties(), moto.properties(UserName="vendor")
    first = moto.create()
    moved = moto.update(new, old)
    back = moto.update(old, new, physical_id=first["PhysicalResourceId"])
    assert (back["Status"], back["Reason"]) == ("SUCCESS", "")
    assert moto.delete(new, moved["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert moto.current_key() == key_of(first)
    assert moto.statuses("vendor") == {}


def test_a_replacement_that_fails_undoes_itself(moto: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """CloudFormation never hears of the new id, so no Delete for the new place will come."""
    moto.iam.create_user(UserName="vendor")
    first = moto.create()
    with monkeypatch.context() as patch:
        patch.setattr(StsProver, "prove", unproven)
        failed = moto.update(moto.properties(UserName="vendor"), moto.properties())
    assert (failed["Status"], failed["PhysicalResourceId"]) == ("FAILED", first["PhysicalResourceId"])
    assert moto.statuses("vendor") == {}
    moto.check()


def test_a_replacement_that_died_is_cleaned_by_its_rollback(moto: MotoStack) -> None:
    """The function published at the new place and never answered: the Update back names it a last time."""
    moto.iam.create_user(UserName="vendor")
    second = moto.new_secret()
    old, new = moto.properties(), moto.properties(UserName="vendor", SecretArn=second)
    first = moto.create()
    moto.update(new, old)
    back = moto.update(old, new, physical_id=first["PhysicalResourceId"])
    assert attributes(back) == attributes(first)
    assert moto.statuses("vendor") == {}
    assert moto.statuses() == {key_of(first): "Active"}


# --- renamed construct, existing secret


def test_a_renamed_resource_keeps_its_key_when_the_old_one_is_deleted(moto: MotoStack) -> None:
    """Both resources name the same user and secret; the Delete of the old one must not take the new one's key."""
    moto.create()
    renamed = moto.handle(moto.event("Create", moto.properties(), LogicalResourceId="Renamed"))
    assert moto.delete()["Status"] == "SUCCESS"
    assert moto.statuses() == {key_of(renamed): "Active"}
    assert moto.current_key() == key_of(renamed)


@pytest.mark.parametrize("grace", ["0", "3600"])
def test_a_rename_that_is_rolled_back_gives_the_secret_back(moto: MotoStack, grace: str) -> None:
    """The old resource's key was never touched and is current again; a later rotation works."""
    declared = moto.properties(GracePeriod=grace)
    first = moto.handle(moto.event("Create", declared))
    moto.handle(moto.event("Create", declared, LogicalResourceId="Renamed"))
    deleted = moto.handle(moto.event("Delete", declared, LogicalResourceId="Renamed", PhysicalResourceId="x"))
    assert deleted["Status"] == "SUCCESS"
    assert moto.statuses() == {key_of(first): "Active"}
    assert moto.current_key() == key_of(first)
    moto.check()
    assert moto.update(moto.properties("2", GracePeriod=grace), declared)["Status"] == "SUCCESS"


# --- removed, stack deleted


def test_a_delete_removes_all_our_keys_and_leaves_an_unmanaged_one(moto: MotoStack) -> None:
    """Also the retired one, and whatever a person has done to it."""
    moto.create()
    second = moto.rotate("2", "1")
    for key in set(moto.statuses()) - {key_of(second)}:
        moto.iam.delete_access_key(UserName="deploy", AccessKeyId=key)
    unmanaged = moto.add_unmanaged_key()
    assert moto.delete(moto.properties("2"))["Status"] == "SUCCESS"
    moto.expect(status=None, unmanaged={unmanaged: "Active"})


def test_a_delete_deactivates_before_it_deletes(moto: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is deleted that was not Inactive."""
    moto.create()
    seen: list[dict[str, str]] = []
    with monkeypatch.context() as patch:
        hooked(patch, IamUserKeys, "delete", lambda: seen.append(moto.statuses()))
        moto.delete()
    assert [set(statuses.values()) for statuses in seen] == [{"Inactive"}]
    moto.expect(status=None)


@pytest.mark.parametrize("how", ["gone", "scheduled for deletion"])
def test_a_delete_succeeds_without_the_secret(moto: MotoStack, how: str) -> None:
    """The ledger knows the keys."""
    moto.create()
    window: Any = {"ForceDeleteWithoutRecovery": True} if how == "gone" else {"RecoveryWindowInDays": 7}
    moto.secrets.delete_secret(SecretId=moto.secret_arn, **window)
    assert moto.delete()["Status"] == "SUCCESS"
    assert moto.entries()[moto.secret_arn].get("keys", {}) == {}
    moto.expect(status=None, secret_arn=None)


def test_a_delete_succeeds_without_the_user(moto: MotoStack) -> None:
    """And takes the labels off; the answer says which key could not be found."""
    created = moto.create()
    for key in moto.statuses():
        moto.iam.delete_access_key(UserName="deploy", AccessKeyId=key)
    moto.iam.delete_user(UserName="deploy")
    answer = moto.delete()
    assert answer["Status"] == "SUCCESS"
    assert key_of(created) in answer["Reason"]
    moto.expect(status=None)


def test_a_delete_that_can_not_finish_names_what_is_left(moto: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """CloudFormation tries it up to three times."""
    created = moto.create()
    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "delete", fail)
        answer = moto.delete()
    assert answer["Status"] == "FAILED"
    for fact in ("was denied", "role/cdk-iam-access-key/shop/", f"keys that are left: {key_of(created)}"):
        assert fact in answer["Reason"]
    assert moto.delete()["Status"] == "SUCCESS"
    moto.expect(status=None)


def test_a_delete_of_what_another_ledger_has_forgotten_finds_its_keys(moto: MotoStack) -> None:
    """The table was deleted by hand: two witnesses say whose the key is."""
    created = moto.create()
    moto.dynamodb.delete_item(TableName="ledger", Key={"secretArn": {"S": moto.secret_arn}})
    assert moto.delete(physical_id=created["PhysicalResourceId"])["Status"] == "SUCCESS"
    moto.expect(status=None)


# --- duplicate, late, retried


@pytest.mark.parametrize("times", [2, 3])
def test_every_request_delivered_again_changes_nothing(moto: MotoStack, times: int) -> None:
    """The same event, handled again with the same RequestId, is answered the same."""
    create = moto.event("Create", moto.properties())
    old, new = moto.properties("1"), moto.properties("2")
    members = {"PhysicalResourceId": f"deploy@{moto.secret_arn}"}
    rotate = moto.event("Update", new, OldResourceProperties=old, **members)
    delete = moto.event("Delete", new, **members)
    for event in (create, rotate):
        answers = [moto.handle(event) for _ in range(times)]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["Status"] == "SUCCESS"
        moto.check()
    assert [moto.handle(delete)["Status"] for _ in range(times)] == ["SUCCESS"] * times
    moto.expect(status=None)


def test_a_failed_answer_is_not_replayed(moto: MotoStack) -> None:
    """A retried deployment has the RequestId of the failed one: what hindered it may be gone."""
    unmanaged = [moto.add_unmanaged_key(), moto.add_unmanaged_key()]
    event = moto.event("Create", moto.properties())
    assert moto.handle(event)["Status"] == "FAILED"
    moto.iam.delete_access_key(UserName="deploy", AccessKeyId=unmanaged[0])
    assert moto.handle(event)["Status"] == "SUCCESS"
    moto.expect(unmanaged={unmanaged[1]: "Active"})


def test_a_create_delivered_again_needs_no_call_and_takes_no_key_away(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first delivery succeeded: whatever is refused by now, the second says the same."""
    event = moto.event("Create", moto.properties())
    first = moto.handle(event)
    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "list", fail)
        assert moto.handle(event) == first


def test_a_rotation_delivered_again_after_its_rollback_does_nothing(moto: MotoStack) -> None:
    """CloudFormation believes in the old serial by then."""
    signed = moto.clock.now()
    moto.clock.sleep(600)
    first = moto.handle(moto.event("Create", moto.properties(), signed_at=signed))

    def update(new: str, old: str, at: datetime) -> dict[str, Any]:
        members = {"OldResourceProperties": moto.properties(old), "PhysicalResourceId": first["PhysicalResourceId"]}
        return moto.event("Update", moto.properties(new), **members, signed_at=at)

    rotate = update("2", "1", signed + timedelta(minutes=1))
    assert moto.handle(rotate)["Status"] == "SUCCESS"
    assert attributes(moto.handle(update("1", "2", signed + timedelta(minutes=2)))) == attributes(first)
    late = moto.handle(rotate)
    assert late["Status"] == "FAILED"
    assert "later request" in late["Reason"]
    assert moto.active() == [key_of(first)]


def test_a_delete_delivered_again_after_the_resource_was_created_again_does_nothing(moto: MotoStack) -> None:
    """The same stack, resource, user and existing secret; the key is another one."""
    signed = moto.clock.now()
    moto.clock.sleep(600)
    delete = moto.event("Delete", moto.properties(), PhysicalResourceId="x", signed_at=signed)
    assert moto.handle(delete)["Status"] == "SUCCESS"
    created = moto.handle(moto.event("Create", moto.properties(), signed_at=signed + timedelta(minutes=1)))
    assert moto.handle(delete)["Status"] == "SUCCESS"
    assert moto.statuses() == {key_of(created): "Active"}


@pytest.mark.parametrize("after", [False, True])
def test_a_rotation_overtaken_by_its_rollback_ends_with_the_key_before(
    moto: MotoStack, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    """It stands still around the switch until its lease is over: the old key is current, Active, and the only one."""
    first = moto.create()
    backs: list[Answer] = []
    hooked(
        monkeypatch,
        SecretsManagerVersions,
        "move_current",
        lambda: backs.append(moto.rotate("1", "2")),
        after=after,
    )
    assert moto.rotate("2", "1")["Status"] == "FAILED"
    assert [attributes(back) for back in backs] == [attributes(first)]
    assert moto.active() == [key_of(first)]
    assert moto.current_key() == key_of(first)


# --- what shows late


def test_a_key_listed_late_is_not_forgotten(moto: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Update right after the creation finds the key on record and not in the list."""
    first = moto.create()
    listing, blind = IamUserKeys.list, [1, 2]
    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "list", lambda keys: () if blind and blind.pop() else listing(keys))
        again = moto.update(moto.properties(Description="again"), moto.properties())
    assert attributes(again) == attributes(first)
    assert moto.statuses() == {key_of(first): "Active"}


def test_a_lost_key_that_is_listed_late_is_found(moto: MotoStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing after the lost answer does not show it; a later one does."""
    lost, listing, listings = lose_the_first_creation(monkeypatch), IamUserKeys.list, list[int]()

    def late(keys: IamUserKeys) -> Any:
        listings.append(1)
        return tuple(key for key in listing(keys) if len(listings) > 2 or key.id not in lost)

    monkeypatch.setattr(IamUserKeys, "list", late)
    first = moto.create()
    assert first["Status"] == "SUCCESS"
    moto.clock.sleep(60)
    moto.update(moto.properties(Description="again"), moto.properties())
    assert moto.statuses() == {key_of(first): "Active"}
    moto.sweep()


# --- changed by hand


@pytest.mark.parametrize("what", ["labels", "tags", "value"])
def test_what_was_changed_by_hand_is_put_right_by_the_next_update(moto: MotoStack, what: str) -> None:
    """The key stays the same: nobody who uses it notices."""
    first = moto.create()
    key, version = key_of(first), first["Data"]["SecretVersionId"]
    if what == "labels":
        moto.secrets.update_secret_version_stage(
            SecretId=moto.secret_arn, VersionStage=key, RemoveFromVersionId=version
        )
    elif what == "tags":
        moto.iam.untag_user(UserName="deploy", TagKeys=[key])
    else:
        # moto forgets the labels of a version that another one replaces, so the replacing is done by itself.
        put = {"SecretString": "by hand", "VersionStages": ["by-hand"]}
        by_hand = moto.secrets.put_secret_value(SecretId=moto.secret_arn, **put)["VersionId"]
        moto.secrets.update_secret_version_stage(
            SecretId=moto.secret_arn,
            VersionStage="AWSCURRENT",
            MoveToVersionId=by_hand,
            RemoveFromVersionId=version,
        )
    again = moto.update(moto.properties(Description="again"), moto.properties())
    assert attributes(again) == attributes(first)
    assert moto.statuses() == {key: "Active"}


def test_a_current_key_deleted_by_hand_is_replaced_by_the_next_update(moto: MotoStack) -> None:
    """The attributes change, and what depends on them with them; the answer says what was found."""
    first = moto.create()
    moto.iam.delete_access_key(UserName="deploy", AccessKeyId=key_of(first))
    again = moto.update(moto.properties(Description="again"), moto.properties())
    assert key_of(again) != key_of(first)
    assert again["Reason"] == f"key {key_of(first)} was deleted by somebody else"
    assert len(moto.statuses()) == 1


# --- our answer


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_a_reason_without_end_is_cut(moto: MotoStack, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A body over 4096 bytes would be no answer, and the stack would wait for an hour."""

    def refuse(*_: object) -> None:
        raise ProviderError("ü" * 50_000)

    known = None
    if kind != "Create":
        known = moto.create()["PhysicalResourceId"]
    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "list", refuse)
        answer = moto.handle(
            moto.event(kind, moto.properties("2"), PhysicalResourceId=known, OldResourceProperties=moto.properties())
        )
    assert answer["Status"] == "FAILED"
    assert "üüü" in answer["Reason"]
    if kind == "Create":
        moto.expect(status=None)
