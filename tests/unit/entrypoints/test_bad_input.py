"""Bad input gets a clear answer before anything is called, and a Delete never fails for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.stack import ACCOUNT, INVENTED_ID
from unit.entrypoints.test_request import BAD

if TYPE_CHECKING:
    from support.stack import Stack


def changed(stack: Stack, change: dict[str, Any]) -> dict[str, Any]:
    """Change valid properties; None leaves one out."""
    return {name: value for name, value in (stack.properties() | change).items() if value is not None}


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_create_and_update_fail_before_any_call_and_delete_succeeds(
    stack: Stack, change: dict[str, Any], reason: str
) -> None:
    """No key was ever made from such properties, so there is none to delete."""
    bad = changed(stack, change)
    assert stack.deliver(stack.event("Create", bad, None)) == "FAILED"
    assert reason in stack.answers[-1]["Reason"]
    assert stack.deliver(stack.event("Delete", bad, stack.last_id)) == "SUCCESS"
    assert stack.deliver(stack.event("Update", bad, "x", bad)) == "FAILED"
    assert stack.last_id == "x"
    assert stack.account.log.entries == []


def test_a_secret_of_another_region_is_refused_before_any_call(stack: Stack) -> None:
    """The function serves its own region."""
    bad = changed(stack, {"SecretArn": stack.secret_arn.replace("eu-central-1", "us-east-1")})
    assert stack.deliver(stack.event("Create", bad, None)) == "FAILED"
    assert "use a secret of this region" in stack.answers[-1]["Reason"]
    assert stack.account.log.entries == []


@pytest.mark.parametrize("properties", [None, [], "deploy", 7, {}])
def test_properties_of_another_shape(stack: Stack, properties: Any) -> None:
    """Not even an object: a Create fails, a Delete succeeds."""
    create = stack.event("Create", {}, None) | {"ResourceProperties": properties}
    assert stack.deliver(create) == "FAILED"
    delete = stack.event("Delete", {}, "x") | {"ResourceProperties": properties}
    assert stack.deliver(delete) == "SUCCESS"
    assert stack.account.log.entries == []


def test_an_update_whose_old_properties_make_no_sense_succeeds(stack: Stack) -> None:
    """The rollback of an Update that failed for its properties brings them as the old ones."""
    stack.deploy("1")
    bad = changed(stack, {"UserName": "", "SecretArn": "x", "Serial": None})
    assert stack.known
    event = stack.event("Update", stack.properties(Description="x"), stack.known[0], bad)
    assert stack.deliver(event) == "SUCCESS"
    stack.check_deployed(stack.properties())


@pytest.mark.parametrize("what", ["user", "secret", "secret scheduled"])
def test_what_is_not_there_is_named(stack: Stack, what: str) -> None:
    """Nothing is created for it, and the Delete that follows succeeds."""
    if what == "user":
        stack.account.person.delete_user("deploy")
    elif what == "secret":
        stack.account.person.delete_secret(stack.secret_arn)
    else:
        stack.account.person.schedule_deletion(stack.secret_arn)
    assert stack.deliver(stack.create(stack.properties())) == "FAILED"
    advice = {"user": "user deploy does not exist", "secret": "is missing", "secret scheduled": "restore-secret"}
    assert advice[what] in stack.answers[-1]["Reason"]
    assert stack.deliver(stack.event("Delete", stack.properties(), stack.last_id)) == "SUCCESS"
    assert "iam:CreateAccessKey" not in stack.account.log.names()


def test_a_kms_key_that_denies_leaves_no_key(stack: Stack) -> None:
    """The key that was made is removed again, and the answer says who denies."""
    stack.account.switches.kms_denies = True
    assert stack.deliver(stack.create(stack.properties())) == "FAILED"
    assert "KMS" in stack.answers[-1]["Reason"]
    stack.check_deployed(None)


def test_a_role_that_works_after_some_seconds_is_waited_for(stack: Stack) -> None:
    """CloudFormation says that a role exists before every endpoint knows it and its policy."""
    stack.deploy("1")
    role = next(iter(stack.account.roles.values()))
    stack.must(stack.delete())
    role.assume_denials, role.call_denials = 4, 4
    stack.known = None
    stack.deploy("1")


def test_a_role_that_never_works_fails_in_time(stack: Stack) -> None:
    """The wait is bounded, and well within the deadline; nothing was made, so the Delete needs nothing."""
    stack.account.deny("sts:AssumeRole")
    before = stack.account.clock.now()
    assert stack.deliver(stack.create(stack.properties())) == "FAILED"
    assert "sts:AssumeRole" in stack.answers[-1]["Reason"]
    assert 60 < (stack.account.clock.now() - before).total_seconds() < 200
    assert stack.deliver(stack.event("Delete", stack.properties(), stack.last_id)) == "SUCCESS"
    stack.check_deployed(None)


@pytest.mark.parametrize("kind", ["create", "Read", "Ping"])
def test_a_request_of_an_unknown_type_is_answered(stack: Stack, kind: str) -> None:
    """It came from CloudFormation, which waits for an answer."""
    assert stack.deliver(stack.event(kind, stack.properties(), None)) == "FAILED"
    assert "Create, Update, Delete" in stack.answers[-1]["Reason"]
    assert stack.account.log.entries == []


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_what_crhelper_would_obey_is_ignored(stack: Stack, kind: str) -> None:
    """Polling, and attributes that an event brings along."""
    known = stack.properties() if kind != "Create" else None
    if known:
        stack.deploy("1")
    event = stack.event(kind, stack.properties("2" if kind == "Update" else "1"), INVENTED_ID, known)
    forged = {"CrHelperData": {"AccessKeyId": "forged"}, "CrHelperPoll": "x", "CrHelperPermission": "y"}
    forged |= {"CrHelperRule": f"arn:aws:events:eu-central-1:{ACCOUNT}:rule/x"}
    assert stack.deliver(event | forged) == "SUCCESS"
    assert "forged" not in str(stack.answers[-1])


def test_the_members_of_an_invoker_are_bounded(stack: Stack) -> None:
    """An invented stack, say: whatever it is, the answer stays small and nothing is called."""
    for change in ({"StackId": "arn:x"}, {"LogicalResourceId": "K" * 300}, {"RequestId": "r" * 500}):
        assert stack.deliver(stack.create(stack.properties()) | change) == "FAILED"
    assert stack.account.log.entries == []


def test_a_user_whose_name_looks_like_a_failed_create_keeps_no_key(stack: Stack) -> None:
    """Its Delete must fail where the ledger can't be reached, so that CloudFormation tries again."""
    stack.account.person.make_user("nothing-was-made")
    stack.deploy("1", UserName="nothing-was-made")
    denial = stack.account.deny("dynamodb:*")
    assert stack.deliver(stack.delete()) == "FAILED"
    stack.account.denials.remove(denial)
    stack.must(stack.delete())
    assert stack.keys("nothing-was-made") == {}
