"""Bad input gets a clear answer before anything is written, and a Delete never fails for it."""

from __future__ import annotations

import importlib
import json
import runpy
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from provider.world import ROLE_ARN, Context, TestClock

from access_key_provider import main
from access_key_provider.aws import iam
from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.aws.secrets_manager import SecretsManagerVersions
from access_key_provider.entrypoints import custom_resource
from access_key_provider.model.errors import InvalidRequestError
from lambda_shared import aws_calls, cfn_response

if TYPE_CHECKING:
    from provider.world import World

LONG = "x" * 5000
BAD = [
    pytest.param({"UserName": None}, "UserName is missing", id="missing user"),
    pytest.param({"UserName": ""}, "UserName is ''", id="empty user"),
    pytest.param({"UserName": "root"}, "never the root user", id="root"),
    pytest.param({"UserName": "../../deploy"}, "UserName is '../../deploy'", id="path"),
    pytest.param({"UserName": "deploy\n"}, "1 to 64 characters", id="line end"),
    pytest.param({"UserName": LONG}, "(5000 characters)", id="long user"),
    pytest.param({"UserName": "müller"}, "UserName is 'müller'", id="not ASCII"),
    pytest.param({"UserName": ["deploy"]}, "UserName is of type list", id="list"),
    pytest.param({"UserName": {"Ref": "User"}}, "UserName is of type dict", id="object"),
    pytest.param({"SecretArn": None}, "SecretArn is missing", id="missing secret"),
    pytest.param({"SecretArn": "shop/deploy"}, "a complete ARN", id="secret by name"),
    pytest.param(
        {"SecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/deploy-AbCdEf"},
        "use a secret of this region",
        id="secret of another region",
    ),
    pytest.param({"RoleArn": None}, "RoleArn is missing", id="missing role"),
    pytest.param({"RoleArn": "deploy"}, "the ARN of a role", id="role by name"),
    pytest.param({"Serial": None}, "Serial is missing", id="missing serial"),
    pytest.param({"Serial": ""}, "Serial is ''", id="empty serial"),
    pytest.param({"Serial": "  "}, "not only blanks", id="blank serial"),
    pytest.param({"Serial": "1" * 129}, "1 to 128", id="long serial"),
    pytest.param({"Serial": 1}, "Serial is of type int", id="serial as a number"),
    pytest.param({"Status": "active"}, "Active or Inactive", id="status in lower case"),
    pytest.param({"Status": None}, "Status is missing", id="missing status"),
    pytest.param({"Description": "a, b"}, "that tags allow", id="comma in the description"),
    pytest.param({"Description": ""}, "1 to 233", id="empty description"),
    pytest.param({"Description": LONG}, "(5000 characters)", id="long description"),
]


@pytest.fixture
def no_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every call to AWS fail the test."""

    def forbidden(*_: object) -> None:
        raise AssertionError("AWS was called")

    monkeypatch.setattr(custom_resource, "_ports", forbidden)


@pytest.mark.usefixtures("no_calls")
@pytest.mark.parametrize(("change", "reason"), BAD)
def test_create_and_update_fail_before_any_call(world: World, change: dict[str, Any], reason: str) -> None:
    """The answer names the property, the value and what is allowed, and carries an id."""
    world.expect(status=None)
    bad = world.properties(**change)
    created = world.handle(world.event("Create", bad))
    updated = world.handle(world.event("Update", bad, PhysicalResourceId="x", OldResourceProperties=bad))
    assert (created["Status"], updated["Status"]) == ("FAILED", "FAILED")
    assert reason in created["Reason"]
    assert updated["PhysicalResourceId"] == "x"


@pytest.mark.usefixtures("no_calls")
@pytest.mark.parametrize(
    "properties", [*(pytest.param(bad.values[0], id=bad.id) for bad in BAD if bad.id != "secret of another region")]
)
def test_delete_of_what_was_never_valid_succeeds(world: World, properties: dict[str, Any]) -> None:
    """No key was ever made from such properties, so there is none to delete."""
    world.expect(status=None)
    assert world.delete(world.properties(**properties))["Status"] == "SUCCESS"


@pytest.mark.usefixtures("no_calls")
@pytest.mark.parametrize("properties", [None, [], "deploy", 7, {}])
def test_properties_of_another_shape(world: World, properties: Any) -> None:
    """Not even an object: a Create fails, a Delete succeeds."""
    world.expect(status=None)
    event = {**world.event("Create", {}), "ResourceProperties": properties}
    assert world.handle(event)["Status"] == "FAILED"
    delete = {**world.event("Delete", {}, PhysicalResourceId="x"), "ResourceProperties": properties}
    assert world.handle(delete)["Status"] == "SUCCESS"


def test_properties_of_a_later_release_are_ignored(world: World) -> None:
    """A rollback may bring properties that this release does not know."""
    assert world.create(GracePeriod="3600", Nested={"a": ["b"]})["Status"] == "SUCCESS"


def test_an_update_whose_old_properties_make_no_sense_succeeds(world: World) -> None:
    """The rollback of an Update that failed for its properties brings them as the old ones."""
    world.create()
    bad = world.properties(UserName="", SecretArn="x", Serial=None)
    assert world.update(world.properties(), bad, physical_id=f"deploy@{world.secret_arn}")["Status"] == "SUCCESS"


def test_a_user_that_does_not_exist(world: World) -> None:
    """The message names it."""
    world.expect(status=None)
    answer = world.create(UserName="nobody")
    assert answer["Status"] == "FAILED"
    assert "user nobody does not exist" in answer["Reason"]


def test_a_secret_scheduled_for_deletion(world: World) -> None:
    """Nothing is created for it, and the message says how to restore it."""
    world.secrets.delete_secret(SecretId=world.secret_arn, RecoveryWindowInDays=7)
    answer = world.create()
    assert answer["Status"] == "FAILED"
    assert "restore-secret" in answer["Reason"]
    world.expect(status=None, secret_arn=None)


def test_a_secret_that_does_not_exist(world: World) -> None:
    """Nothing is created for it."""
    world.secrets.delete_secret(SecretId=world.secret_arn, ForceDeleteWithoutRecovery=True)
    answer = world.create()
    assert answer["Status"] == "FAILED"
    assert "is missing" in answer["Reason"]
    world.expect(status=None, secret_arn=None)


def test_a_kms_key_that_denies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key made is removed again, and AWS's reason is passed on."""
    denied = ClientError(
        {
            "Error": {"Code": "AccessDeniedException", "Message": "Access to KMS is not allowed"},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        },
        "PutSecretValue",
    )

    def refuse(secret: SecretsManagerVersions, *_: object, **__: object) -> None:
        def put_secret_value() -> None:
            raise denied

        secret._call(put_secret_value)

    monkeypatch.setattr(SecretsManagerVersions, "put", refuse)
    answer = world.create()
    assert answer["Status"] == "FAILED"
    assert "Access to KMS is not allowed" in answer["Reason"]
    world.expect(status=None)


def test_a_role_that_works_after_some_seconds_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """CloudFormation says that a role exists before every endpoint knows it and its policy."""
    refusals = [ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListAccessKeys")] * 5
    listing = aws_calls.Caller.__call__

    def refuse_at_first(caller: aws_calls.Caller, method: Any, *arguments: Any, **named: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if refusals:
                raise refusals.pop()
            return method(*arguments, **named)

        return listing(caller, call, *arguments, **named)

    monkeypatch.setattr(aws_calls.Caller, "__call__", refuse_at_first)
    assert world.create()["Status"] == "SUCCESS"
    assert not refusals


def test_a_role_that_never_works_fails_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is bounded, and well within the deadline."""

    def refuse(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "ListAccessKeys")

    listing = aws_calls.Caller.__call__
    monkeypatch.setattr(
        aws_calls.Caller, "__call__", lambda caller, _method, *_arguments, **_named: listing(caller, refuse)
    )
    answer = world.create()
    assert answer["Status"] == "FAILED"
    assert "not authorized" in answer["Reason"]
    assert 30 < world.clock.slept.total_seconds() < 120
    world.expect(status=None)


def test_a_deadline_that_is_near_stops_before_the_next_step(world: World) -> None:
    """The function answers itself instead of being ended in the middle."""
    answer = world.handle(world.event("Create", world.properties()), seconds=40)
    assert answer["Status"] == "FAILED"
    assert "ran out of time" in answer["Reason"]
    world.expect(status=None)


def test_an_unexpected_exception_is_answered_without_its_text(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its text may hold anything; its kind and place go to the log."""

    def burst(*_: object) -> None:
        raise KeyError("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "list", burst)
        answer = world.create()
    assert (answer["Status"], answer["Data"]) == ("FAILED", {})
    assert "unexpected KeyError" in answer["Reason"]
    printed = capsys.readouterr()
    assert "EXAMPLEKEY" not in answer["Reason"] + printed.out + printed.err
    assert "burst" in printed.out
    world.expect(status=None)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "Create",
        {},
        {"detail-type": "Scheduled Event"},
        {"Step": "createSecret", "SecretId": "x", "ClientRequestToken": "y"},
        {"RequestType": "Create", "StackId": "x"},
        {"RequestType": 1, "ResponseURL": 2, "StackId": 3, "RequestId": 4, "LogicalResourceId": 5},
    ],
)
def test_an_event_of_no_known_shape_is_refused(event: Any, world: World) -> None:
    """It names the members found; nothing is answered to anybody's URL."""
    with pytest.raises((ValueError, InvalidRequestError), match=r"neither a request|must be the complete ARN"):
        main.handler(event, Context(world.clock))
    assert world.answers == []
    world.expect(status=None)


@pytest.mark.parametrize("kind", ["create", "Read", "Ping"])
def test_a_request_of_an_unknown_type_is_answered(world: World, kind: str) -> None:
    """It came from CloudFormation, which waits for an answer."""
    world.expect(status=None)
    answer = world.handle(world.event(kind, world.properties()))
    assert answer["Status"] == "FAILED"
    assert "Create, Update, Delete" in answer["Reason"]


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_code_that_can_not_be_imported_is_answered(world: World, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Instead of an hour's silence."""
    monkeypatch.setattr(main, "_failure", "ModuleNotFoundError")
    world.expect(status=None)
    answer = world.handle(world.event(kind, world.properties(), PhysicalResourceId="x"))
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", "x")
    assert "ModuleNotFoundError" in answer["Reason"]


def test_memory_that_is_short_while_importing_is_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heavy modules do not load: the entry point alone answers, and the same event succeeds once they do."""
    event = world.event("Create", world.properties())

    def no_memory(_name: str) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", no_memory)
        starved = runpy.run_path(str(main.__file__))
    starved["handler"](event, Context(world.clock))
    (given,) = world.answers
    assert (given["Status"], given["PhysicalResourceId"]) == ("FAILED", "Key961D73C5")
    assert "MemoryError while importing" in given["Reason"]
    assert world.handle(event)["Status"] == "SUCCESS"


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
@pytest.mark.parametrize("times", [1, 9])
@pytest.mark.parametrize(
    "where",
    [
        (custom_resource, "AccessKeyResource"),
        (custom_resource, "_ports"),
        (custom_resource, "record"),
        (custom_resource.AccessKeyResource, "_log_setup"),
        (custom_resource.AccessKeyResource, "_cfn_response"),
        (custom_resource.AccessKeyResource, "generate_physical_id"),
        (iam, "IamUserKeys"),
        (SecretsManagerVersions, "describe"),
        (SecretsManagerVersions, "put"),
        (cfn_response, "body"),
    ],
)
def test_memory_that_is_short_while_handling_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, where: tuple[Any, str], times: int, kind: str
) -> None:
    """Wherever it ends: one answer, small and valid, and the same event succeeds once there is memory again."""
    left = times
    whole = getattr(*where)

    def short(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise MemoryError("x" * 9000)
        return whole(*arguments, **named)

    known = f"deploy@{world.secret_arn}" if kind != "Create" else None
    if known:
        world.create()
    new = world.properties("2" if kind == "Update" else "1")
    event = world.event(
        kind, new, PhysicalResourceId=known, OldResourceProperties=world.properties() if known else None
    )
    before = len(world.answers)
    with monkeypatch.context() as patch:
        patch.setattr(*where, short)
        try:
            main.handler(event, Context(world.clock))
        except MemoryError:
            # Lambda delivers the event again.
            assert where == (cfn_response, "body")
            assert len(world.answers) == before
        else:
            assert len(world.answers) == before + 1
            assert len(json.dumps(world.answers[-1])) < 1500
    assert world.handle(event)["Status"] == "SUCCESS"
    world.expect(status=None if kind == "Delete" else "Active")


def test_the_answer_of_the_timer_has_the_right_id_and_is_the_only_one(world: World) -> None:
    """When something hangs, crhelper's timer answers; what comes later is not sent."""
    event = world.event("Create", world.properties())

    def hang(*_: object) -> tuple[str, dict[str, str]]:
        resource._timeout()
        return "id", {}

    resource = custom_resource.AccessKeyResource(event, {"create": hang})
    resource(event, Context(TestClock()))
    world.expect(status=None)
    assert [given["Status"] for given in world.answers] == ["FAILED"]
    assert world.answers[0]["PhysicalResourceId"] == f"deploy@{world.secret_arn}"


def test_every_id_fits_into_what_cloudformation_takes(world: World) -> None:
    """The longest user and secret names there are."""
    arn = f"arn:aws-us-gov:secretsmanager:eu-central-1:123456789012:secret:{'s' * 512}-AbCdEf"
    event = world.event("Create", world.properties(UserName="u" * 64, SecretArn=arn, RoleArn=ROLE_ARN))
    request = custom_resource.Request.parse(event)
    assert len(request.answer_id()) <= 1024
    data = {"AccessKeyId": "A" * 20, "SecretArn": arn, "SecretVersionId": "v" * 36, "Status": "Inactive"}
    content = cfn_response.body(event, "FAILED", request.answer_id(), "ü" * 9000, data)
    assert 3000 < len(content) <= 4096
    world.expect(status=None)
