"""What CloudFormation really sends, row by row, as events handed to the entry point on moto."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from access_key_provider.aws import sts
from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.aws.secrets_manager import SecretsManagerVersions
from access_key_provider.entrypoints import custom_resource
from access_key_provider.model.errors import UnprovenKeyError
from lambda_shared.errors import AccessDeniedError, OutcomeUnknownError, ProviderError

if TYPE_CHECKING:
    from provider.world import World


def current(world: World) -> str:
    """Return the id of the key that readers of the secret get."""
    return str(json.loads(world.current_value())["accessKeyId"])


def fail(*_: object, **__: object) -> None:
    """Stand for a call that AWS refuses."""
    raise AccessDeniedError("TagUser: AccessDenied: not authorized", "AccessDenied")


# Create


def test_create_makes_one_active_key_and_publishes_it(world: World) -> None:
    """The answer has the attributes; the secret has the key; nothing has the secret but the secret."""
    answer = world.create(Description="for the vendor")
    key = current(world)
    assert answer["Status"] == "SUCCESS"
    assert answer["PhysicalResourceId"] == f"deploy@{world.secret_arn}"
    assert answer["Data"]["AccessKeyId"] == key
    assert answer["Data"]["SecretArn"] == world.secret_arn
    assert answer["Data"]["Status"] == "Active"
    version = world.secrets.get_secret_value(SecretId=world.secret_arn, VersionStage="AWSCURRENT")["VersionId"]
    assert answer["Data"]["SecretVersionId"] == version
    assert world.key_status() == {key: "Active"}
    tags = {tag["Key"]: tag["Value"] for tag in world.iam.list_user_tags(UserName="deploy")["Tags"]}
    assert tags[key].startswith("for the vendor owner=")
    assert json.loads(world.current_value())["secretAccessKey"] not in json.dumps(answer)


def test_create_declared_inactive_ends_inactive(world: World) -> None:
    """It is proven while it is Active."""
    answer = world.create(Status="Inactive")
    assert answer["Data"]["Status"] == "Inactive"
    world.expect(status="Inactive")


def test_create_beside_a_foreign_key_leaves_it_alone(world: World) -> None:
    """There is room for one more."""
    foreign = world.add_foreign_key()
    assert world.create()["Status"] == "SUCCESS"
    world.expect(foreign={foreign: "Active"})


def test_create_into_a_secret_that_has_a_value_replaces_what_is_current(world: World) -> None:
    """The value before it becomes AWSPREVIOUS."""
    world.secret_arn = world.new_secret("the value before")
    assert world.create()["Status"] == "SUCCESS"
    versions = world.secrets.describe_secret(SecretId=world.secret_arn)["VersionIdsToStages"]
    assert sorted(label for labels in versions.values() for label in labels if label.startswith("AWS")) == [
        "AWSCURRENT",
        "AWSPREVIOUS",
    ]


def test_create_at_the_limit_fails_before_any_write(world: World) -> None:
    """The message names each key, its status, its age and its last use, and says what to do."""
    keys = [world.add_foreign_key(), world.add_foreign_key()]
    world.iam.update_access_key(UserName="deploy", AccessKeyId=keys[1], Status="Inactive")
    answer = world.create()
    assert answer["Status"] == "FAILED"
    for fact in (*keys, "Active", "Inactive", "created 20", "never used", "aws iam delete-access-key", "deploy"):
        assert fact in answer["Reason"]
    world.expect(status=None, foreign={keys[0]: "Active", keys[1]: "Inactive"})
    assert "VersionIdsToStages" not in world.secrets.describe_secret(SecretId=world.secret_arn)


@pytest.mark.parametrize(
    ("port", "method"),
    [
        (IamUserKeys, "create"),
        (SecretsManagerVersions, "put"),
        (SecretsManagerVersions, "add_label"),
        (sts.StsProver, "prove"),
    ],
)
@pytest.mark.parametrize("error", [AccessDeniedError("denied", "AccessDenied"), OutcomeUnknownError("lost")])
def test_a_failed_create_undoes_itself(
    world: World, monkeypatch: pytest.MonkeyPatch, port: type, method: str, error: ProviderError
) -> None:
    """No key is left, and the Delete that CloudFormation sends then succeeds.

    Where a key may come to light yet, the intent stays open until that Delete.
    """

    def refuse(*_: object, **__: object) -> None:
        raise error

    foreign = world.add_foreign_key()
    with monkeypatch.context() as patch:
        patch.setattr(port, method, refuse)
        answer = world.create()
    assert answer["Status"] == "FAILED"
    assert world.key_status() == {foreign: "Active"}
    if not isinstance(error, OutcomeUnknownError):
        world.expect(status=None, foreign={foreign: "Active"})
    assert world.delete(physical_id=answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    world.expect(status=None, foreign={foreign: "Active"})


def test_create_key_whose_answer_is_lost_makes_one_key_and_not_two(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that nobody has the secret of is found by listing and deleted, then one is made."""
    create, lost = IamUserKeys.create, []

    def lose_the_first_answer(keys: IamUserKeys) -> Any:
        made = create(keys)
        if not lost:
            lost.append(made.id)
            raise OutcomeUnknownError("AWS could not be reached: ReadTimeoutError")
        return made

    monkeypatch.setattr(IamUserKeys, "create", lose_the_first_answer)
    assert world.create()["Status"] == "SUCCESS"
    assert len(world.key_status()) == 1
    assert lost[0] not in world.key_status()


def test_an_existing_value_comes_back_when_a_create_fails_after_publishing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever read the secret before must not be left with a dead key."""
    world.secret_arn = world.new_secret("the value before")
    monkeypatch.setattr(IamUserKeys, "set_status", refusing_once())
    assert world.create(Status="Inactive")["Status"] == "FAILED"
    assert world.current_value() == "the value before"
    world.expect(status=None)


def refusing_once() -> Any:
    """Make a `set_status` that is refused the first time."""
    set_status, refused = IamUserKeys.set_status, []

    def method(keys: IamUserKeys, key_id: str, status: str) -> None:
        if not refused:
            refused.append(key_id)
            fail()
        set_status(keys, key_id, status)

    return method


# Create running, sibling fails


def test_a_delete_with_an_invented_id_cleans_what_the_create_made(world: World) -> None:
    """CloudFormation invents an id if it cancels a Create before its answer."""
    world.create()
    assert world.delete(physical_id="shop-Key961D73C5-1QWERTZ")["Status"] == "SUCCESS"
    world.expect(status=None)


def test_a_create_that_is_still_running_when_its_delete_comes_removes_its_own_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Delete finds nothing yet; the Create finds the tombstone."""
    create, deletes = IamUserKeys.create, []

    def deleted_meanwhile(keys: IamUserKeys) -> Any:
        deletes.append(world.delete())
        return create(keys)

    monkeypatch.setattr(IamUserKeys, "create", deleted_meanwhile)
    answer_to_create = send_create_around_a_delete(world)
    assert answer_to_create["Status"] == "FAILED"
    assert deletes[0]["Status"] == "SUCCESS"
    world.expect(status=None)


def test_a_delete_between_creation_and_publication_ends_without_a_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Delete takes the key away; the Create must not publish the dead one over a living value."""
    world.secret_arn = world.new_secret("the value before")
    add_label = SecretsManagerVersions.add_label

    def deleted_meanwhile(secret: SecretsManagerVersions, version: str, label: str) -> None:
        add_label(secret, version, label)
        world.delete()

    monkeypatch.setattr(SecretsManagerVersions, "add_label", deleted_meanwhile)
    assert send_create_around_a_delete(world)["Status"] == "FAILED"
    assert world.current_value() == "the value before"
    world.expect(status=None)


def send_create_around_a_delete(world: World) -> dict[str, Any]:
    """Handle a Create whose Delete is handled in the middle of it, and return the Create's answer."""
    event = world.event("Create", world.properties())
    custom_resource.handle(event, FixedContext())
    return world.answers[-1]


def in_use(world: World) -> list[str]:
    """List the user's Active keys; a key that was replaced may be there beside them, Inactive."""
    assert len(world.key_status()) <= 2
    return [key for key, status in world.key_status().items() if status == "Active"]


class FixedContext:
    """Lambda's context with plenty of time."""

    function_name = "provider"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:provider"

    def get_remaining_time_in_millis(self) -> int:
        """Say five minutes."""
        return 300_000


def test_a_create_delivered_after_its_delete_does_nothing(world: World) -> None:
    """The date in the signature of the answer's URL tells which request CloudFormation made first."""
    requested = datetime.now(UTC)
    world.clock.sleep(600)
    assert world.delete(signed_at=requested + timedelta(seconds=2))["Status"] == "SUCCESS"
    late = world.handle(world.event("Create", world.properties(), signed_at=requested))
    assert late["Status"] == "FAILED"
    assert "deleted the resource" in late["Reason"]
    world.expect(status=None)
    later = world.handle(world.event("Create", world.properties(), signed_at=requested + timedelta(minutes=5)))
    assert later["Status"] == "SUCCESS"
    world.expect()


# serial changed, and rolled back


def test_rotation_publishes_a_new_key_and_keeps_the_previous_one_inactive(world: World) -> None:
    """The id stays, the attributes change."""
    first = world.create()
    second = world.update(world.properties("2"), world.properties("1"))
    assert second["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert second["Data"]["AccessKeyId"] == current(world) != first["Data"]["AccessKeyId"]
    assert second["Data"]["SecretVersionId"] != first["Data"]["SecretVersionId"]
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Inactive", second["Data"]["AccessKeyId"]: "Active"}


def test_rollback_of_a_rotation_restores_the_very_key(world: World) -> None:
    """Active, current, with the same attributes as before; the new one is Inactive, and there is no third key."""
    first = world.create()
    world.update(world.properties("2"), world.properties("1"))
    back = world.update(world.properties("1"), world.properties("2"))
    assert back["Status"] == "SUCCESS"
    assert back["Data"] == first["Data"]
    assert in_use(world) == [first["Data"]["AccessKeyId"]]


def test_many_rotations_never_leave_more_than_two_keys(world: World) -> None:
    """Each makes room for itself."""
    world.create()
    for serial in range(2, 7):
        assert world.update(world.properties(str(serial)), world.properties(str(serial - 1)))["Status"] == "SUCCESS"
        assert sorted(world.key_status().values()) == ["Active", "Inactive"]
        world.check()


def test_rollback_after_room_was_made_restores_the_current_key(world: World) -> None:
    """The key deleted for room is not the one to go back to."""
    world.create()
    second = world.update(world.properties("2"), world.properties("1"))
    world.update(world.properties("3"), world.properties("2"))
    back = world.update(world.properties("2"), world.properties("3"))
    assert back["Data"] == second["Data"]
    assert in_use(world) == [second["Data"]["AccessKeyId"]]


def test_a_rotation_that_fails_leaves_the_current_key_and_its_rollback_is_a_no_op(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failed answer carries the event's id, and the rollback's the same attributes as before."""
    first = world.create()

    def refuse(*_: object) -> None:
        raise UnprovenKeyError("the new access key did not work in time")

    with monkeypatch.context() as patch:
        patch.setattr(sts.StsProver, "prove", refuse)
        failed = world.update(world.properties("2"), world.properties("1"))
    assert failed["Status"] == "FAILED"
    assert failed["PhysicalResourceId"] == first["PhysicalResourceId"]
    world.check()
    back = world.update(world.properties("1"), world.properties("2"))
    assert (back["Status"], back["Data"]) == ("SUCCESS", first["Data"])
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Active"}


def test_a_rotation_that_fails_after_publishing_is_rolled_back_to_the_previous_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The previous key could not be deactivated; the rollback makes it current again."""
    first = world.create()
    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "set_status", fail)
        assert world.update(world.properties("2"), world.properties("1"))["Status"] == "FAILED"
    back = world.update(world.properties("1"), world.properties("2"))
    assert back["Data"] == first["Data"]
    assert in_use(world) == [first["Data"]["AccessKeyId"]]


def test_rotation_at_the_limit_fails_and_leaves_the_current_key(world: World) -> None:
    """A foreign key holds the second slot."""
    world.create()
    foreign = world.add_foreign_key()
    answer = world.update(world.properties("2"), world.properties("1"))
    assert answer["Status"] == "FAILED"
    assert foreign in answer["Reason"]
    world.expect(foreign={foreign: "Active"})


def test_a_rotation_while_inactive_ends_inactive(world: World) -> None:
    """The declared status holds for the new key."""
    world.create(Status="Inactive")
    world.update(world.properties("2", Status="Inactive"), world.properties("1", Status="Inactive"))
    assert set(world.key_status().values()) == {"Inactive"}
    world.expect(status="Inactive")


# status and description


def test_status_changes_there_and_back_without_a_new_key(world: World) -> None:
    """In place, in one call each."""
    first = world.create()
    off = world.update(world.properties(Status="Inactive"), world.properties())
    world.expect(status="Inactive")
    on = world.update(world.properties(), world.properties(Status="Inactive"))
    assert off["Data"] == first["Data"] | {"Status": "Inactive"}
    assert on["Data"] == first["Data"]
    world.expect()


def test_a_new_description_changes_the_tag_only(world: World) -> None:
    """The description that IAM's console shows."""
    first = world.create()
    world.update(world.properties(Description="for the vendor"), world.properties())
    tags = {tag["Key"]: tag["Value"] for tag in world.iam.list_user_tags(UserName="deploy")["Tags"]}
    assert tags[first["Data"]["AccessKeyId"]].startswith("for the vendor owner=")
    assert list(world.key_status()) == [first["Data"]["AccessKeyId"]]


# user or secret changed


def test_a_change_of_user_creates_at_the_new_place_and_the_delete_cleans_the_old(world: World) -> None:
    """The new id makes CloudFormation send the Delete, with the old id and the old properties."""
    world.iam.create_user(UserName="vendor")
    old, new = world.properties(), world.properties(UserName="vendor")
    first = world.create()
    moved = world.update(new, old)
    assert moved["PhysicalResourceId"] != first["PhysicalResourceId"]
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Active"}
    assert world.delete(old, first["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert world.key_status("deploy") == {}
    assert world.key_status("vendor") == {moved["Data"]["AccessKeyId"]: "Active"}
    world.expect(user_name="vendor")


def test_a_change_of_secret_creates_at_the_new_place_and_the_delete_cleans_the_old(world: World) -> None:
    """The same user has both keys until the old place is cleaned."""
    second = world.new_secret()
    old, new = world.properties(), world.properties(SecretArn=second)
    first = world.create()
    moved = world.update(new, old)
    assert set(world.key_status()) == {first["Data"]["AccessKeyId"], moved["Data"]["AccessKeyId"]}
    world.delete(old, first["PhysicalResourceId"])
    assert world.key_status() == {moved["Data"]["AccessKeyId"]: "Active"}
    world.expect(secret_arn=second)


def test_rollback_of_a_replacement_cleans_the_new_place_only(world: World) -> None:
    """The Delete carries the new id and the new properties."""
    world.iam.create_user(UserName="vendor")
    first = world.create()
    new = world.properties(UserName="vendor")
    moved = world.update(new, world.properties())
    assert world.delete(new, moved["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert world.key_status("vendor") == {}
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Active"}


def test_a_replacement_that_fails_undoes_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """CloudFormation never hears of the new id, so no Delete for the new place will come."""
    world.iam.create_user(UserName="vendor")
    first = world.create()

    with monkeypatch.context() as patch:
        patch.setattr(sts.StsProver, "prove", fail)
        failed = world.update(world.properties(UserName="vendor"), world.properties())
    assert failed["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert world.key_status("vendor") == {}
    world.check()


def test_a_replacement_that_died_is_cleaned_by_its_rollback(world: World) -> None:
    """The function published at the new place and never answered: the Update back names it a last time."""
    world.iam.create_user(UserName="vendor")
    second = world.new_secret()
    old, new = world.properties(), world.properties(UserName="vendor", SecretArn=second)
    first = world.create()
    world.update(new, old)
    back = world.update(old, new, physical_id=first["PhysicalResourceId"])
    assert (back["Status"], back["Data"]) == ("SUCCESS", first["Data"])
    assert world.key_status("vendor") == {}
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Active"}


def test_a_renamed_resource_keeps_its_key_when_the_old_one_is_deleted(world: World) -> None:
    """Both resources name the same user and secret; the Delete of the old one must not take the new one's key."""
    world.create()
    renamed = world.handle(world.event("Create", world.properties(), LogicalResourceId="Renamed"))
    assert renamed["Status"] == "SUCCESS"
    assert world.delete()["Status"] == "SUCCESS"
    assert world.key_status() == {renamed["Data"]["AccessKeyId"]: "Active"}
    assert current(world) == renamed["Data"]["AccessKeyId"]


def test_a_rename_that_is_rolled_back_gives_the_secret_back(world: World) -> None:
    """The old resource's key was never touched and is current again."""
    first = world.create()
    world.handle(world.event("Create", world.properties(), LogicalResourceId="Renamed"))
    world.handle(world.event("Delete", world.properties(), LogicalResourceId="Renamed", PhysicalResourceId="x"))
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Active"}
    assert current(world) == first["Data"]["AccessKeyId"]


# resource removed


def test_delete_removes_all_owned_keys_and_tags_and_leaves_the_foreign_key(world: World) -> None:
    """Also the retired one."""
    world.create()
    world.update(world.properties("2"), world.properties("1"))
    world.iam.delete_access_key(
        UserName="deploy", AccessKeyId=next(key for key, status in world.key_status().items() if status == "Inactive")
    )
    foreign = world.add_foreign_key()
    assert world.delete(world.properties("2"))["Status"] == "SUCCESS"
    world.expect(status=None, foreign={foreign: "Active"})


def test_delete_deactivates_before_it_deletes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is deleted that was not Inactive."""
    world.create()
    seen: list[str] = []
    delete = IamUserKeys.delete

    def watched(keys: IamUserKeys, key_id: str) -> None:
        seen.append(world.key_status()[key_id])
        delete(keys, key_id)

    monkeypatch.setattr(IamUserKeys, "delete", watched)
    world.delete()
    assert seen == ["Inactive"]
    world.expect(status=None)


def test_delete_succeeds_when_the_secret_is_already_gone(world: World) -> None:
    """The keys are found by the tags on the user."""
    world.create()
    world.secrets.delete_secret(SecretId=world.secret_arn, ForceDeleteWithoutRecovery=True)
    assert world.delete()["Status"] == "SUCCESS"
    world.expect(status=None, secret_arn=None)


def test_delete_succeeds_when_the_secret_is_scheduled_for_deletion(world: World) -> None:
    """Its labels can't be changed any more; the keys can be deleted."""
    world.create()
    world.secrets.delete_secret(SecretId=world.secret_arn, RecoveryWindowInDays=7)
    assert world.delete()["Status"] == "SUCCESS"
    world.expect(status=None, secret_arn=None)


def test_delete_succeeds_when_the_user_is_already_gone(world: World) -> None:
    """And takes the labels off."""
    world.create()
    for key in world.key_status():
        world.iam.delete_access_key(UserName="deploy", AccessKeyId=key)
    world.iam.delete_user(UserName="deploy")
    assert world.delete()["Status"] == "SUCCESS"
    world.expect(status=None)


def test_delete_that_can_not_finish_fails_with_the_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """CloudFormation tries it up to three times; what is left is said."""
    world.create()
    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "delete", fail)
        answer = world.delete()
    assert answer["Status"] == "FAILED"
    assert "not authorized" in answer["Reason"]
    assert world.delete()["Status"] == "SUCCESS"
    world.expect(status=None)


# duplicates


@pytest.mark.parametrize("times", [2, 3])
def test_every_request_delivered_again_changes_nothing(world: World, times: int) -> None:
    """The same event, handled again with the same RequestId, is answered the same."""
    create = world.event("Create", world.properties())
    old, new = world.properties("1"), world.properties("2")
    rotate = world.event("Update", new, OldResourceProperties=old, PhysicalResourceId="x")
    delete = world.event("Delete", new, PhysicalResourceId="x")
    for event in (create, rotate):
        answers = [world.handle(event) for _ in range(times)]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["Status"] == "SUCCESS"
        world.check()
    assert [world.handle(delete)["Status"] for _ in range(times)] == ["SUCCESS"] * times
    world.expect(status=None)


def test_a_failed_answer_is_not_replayed(world: World) -> None:
    """A retried deployment has the RequestId of the failed one: what hindered it may be gone."""
    foreign = [world.add_foreign_key(), world.add_foreign_key()]
    event = world.event("Create", world.properties())
    assert world.handle(event)["Status"] == "FAILED"
    world.iam.delete_access_key(UserName="deploy", AccessKeyId=foreign[0])
    assert world.handle(event)["Status"] == "SUCCESS"
    world.expect(foreign={foreign[1]: "Active"})


def test_a_redelivered_create_that_fails_does_not_take_the_key_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first delivery succeeded: undoing the second must not undo the first."""
    event = world.event("Create", world.properties())
    world.handle(event)
    monkeypatch.setattr(IamUserKeys, "tags", fail)
    assert world.handle(event)["Status"] == "FAILED"


def test_an_update_that_fails_keeps_the_retired_key_even_if_the_current_one_was_deleted_by_hand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was proven before the request is not the request's to remove."""
    first = world.create()
    second = world.update(world.properties("2"), world.properties("1"))
    world.iam.delete_access_key(UserName="deploy", AccessKeyId=second["Data"]["AccessKeyId"])
    with monkeypatch.context() as patch:
        patch.setattr(sts.StsProver, "prove", fail)
        assert world.update(world.properties("3"), world.properties("2"))["Status"] == "FAILED"
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Inactive"}
    assert world.update(world.properties("1"), world.properties("3"))["Data"] == first["Data"]


# late and out of order


def test_a_rotation_delivered_again_after_its_rollback_does_nothing(world: World) -> None:
    """CloudFormation believes in the old serial by then."""
    signed = datetime.now(UTC)
    world.clock.sleep(600)
    first = world.handle(world.event("Create", world.properties(), signed_at=signed))
    rotate = world.event(
        "Update",
        world.properties("2"),
        OldResourceProperties=world.properties("1"),
        PhysicalResourceId=first["PhysicalResourceId"],
        signed_at=signed + timedelta(minutes=1),
    )
    back = rotate | {
        "ResourceProperties": world.properties("1"),
        "OldResourceProperties": world.properties("2"),
        "RequestId": "back",
        "ResponseURL": f"https://localhost/answer/back?X-Amz-Date={signed + timedelta(minutes=2):%Y%m%dT%H%M%SZ}",
    }
    assert world.handle(rotate)["Status"] == "SUCCESS"
    assert world.handle(back)["Data"] == first["Data"]
    late = world.handle(rotate)
    assert late["Status"] == "FAILED"
    assert "later request" in late["Reason"]
    assert in_use(world) == [first["Data"]["AccessKeyId"]]


def test_a_delete_delivered_again_after_the_resource_was_created_again_does_nothing(world: World) -> None:
    """The same stack, resource, user and existing secret; the key is another one."""
    signed = datetime.now(UTC)
    world.clock.sleep(600)
    delete = world.event("Delete", world.properties(), PhysicalResourceId="x", signed_at=signed)
    assert world.handle(delete)["Status"] == "SUCCESS"
    created = world.handle(world.event("Create", world.properties(), signed_at=signed + timedelta(minutes=1)))
    assert world.handle(delete)["Status"] == "SUCCESS"
    assert world.key_status() == {created["Data"]["AccessKeyId"]: "Active"}


def test_a_rotation_overtaken_by_its_rollback_takes_its_key_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rollback comes between the last check and the move: the old key is current, Active, and alone again."""
    first = world.create()
    move, overtaken = SecretsManagerVersions.move_current, []

    def overtake(secret: SecretsManagerVersions, to_version: str, from_version: str | None) -> None:
        if not overtaken:
            overtaken.append(to_version)
            world.update(world.properties("1"), world.properties("2"))
        move(secret, to_version, from_version)

    monkeypatch.setattr(SecretsManagerVersions, "move_current", overtake)
    rotate = world.event(
        "Update",
        world.properties("2"),
        OldResourceProperties=world.properties("1"),
        PhysicalResourceId=first["PhysicalResourceId"],
    )
    custom_resource.handle(rotate, FixedContext())
    assert world.answers[-1]["Status"] == "FAILED"
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Active"}
    assert current(world) == first["Data"]["AccessKeyId"]


# what shows late


def test_a_key_listed_late_is_not_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redelivery right after the creation finds the key on record and not in the list."""
    event = world.event("Create", world.properties())
    first = world.handle(event)
    listing, blind = IamUserKeys.list, [1, 2]
    monkeypatch.setattr(IamUserKeys, "list", lambda keys: () if blind and blind.pop() else listing(keys))
    assert world.handle(event) == first
    assert world.key_status() == {first["Data"]["AccessKeyId"]: "Active"}


def test_a_lost_key_that_is_listed_late_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing after the lost answer does not show it; the one after the success does."""
    create, lost = IamUserKeys.create, list[str]()
    listing, listings = IamUserKeys.list, list[int]()

    def lose_the_first_answer(keys: IamUserKeys) -> Any:
        made = create(keys)
        if not lost:
            lost.append(made.id)
            raise OutcomeUnknownError("AWS could not be reached: ReadTimeoutError")
        return made

    def late(keys: IamUserKeys) -> Any:
        listings.append(1)
        return tuple(key for key in listing(keys) if len(listings) > 2 or key.id not in lost)

    monkeypatch.setattr(IamUserKeys, "create", lose_the_first_answer)
    monkeypatch.setattr(IamUserKeys, "list", late)
    assert world.create()["Status"] == "SUCCESS"
    assert len(world.key_status()) == 1
    assert lost[0] not in world.key_status()


# changed by hand


@pytest.mark.parametrize("what", ["labels", "tags", "value"])
def test_records_changed_by_hand_are_repaired_by_the_next_update(world: World, what: str) -> None:
    """The key stays the same: nobody who uses it notices."""
    first = world.create()
    key, version = first["Data"]["AccessKeyId"], first["Data"]["SecretVersionId"]
    if what == "labels":
        labels = world.secrets.describe_secret(SecretId=world.secret_arn)["VersionIdsToStages"][version]
        for label in set(labels) - {"AWSCURRENT"}:
            world.secrets.update_secret_version_stage(
                SecretId=world.secret_arn, VersionStage=label, RemoveFromVersionId=version
            )
    elif what == "tags":
        world.iam.untag_user(UserName="deploy", TagKeys=[key])
    else:
        # moto forgets the labels of a version that another one replaces, so the replacing is done by itself.
        put = {"SecretString": "by hand", "VersionStages": ["by-hand"]}
        by_hand = world.secrets.put_secret_value(SecretId=world.secret_arn, **put)["VersionId"]
        world.secrets.update_secret_version_stage(
            SecretId=world.secret_arn,
            VersionStage="AWSCURRENT",
            MoveToVersionId=by_hand,
            RemoveFromVersionId=version,
        )
    again = world.update(world.properties(Description="again"), world.properties())
    assert again["Data"] == first["Data"]
    assert world.key_status() == {key: "Active"}


def test_a_current_key_deleted_by_hand_is_replaced_by_the_next_update(world: World) -> None:
    """The attributes change, and what depends on them with them."""
    first = world.create()
    world.iam.delete_access_key(UserName="deploy", AccessKeyId=first["Data"]["AccessKeyId"])
    again = world.update(world.properties(Description="again"), world.properties())
    assert again["Data"]["AccessKeyId"] != first["Data"]["AccessKeyId"]
    assert len(world.key_status()) == 1
