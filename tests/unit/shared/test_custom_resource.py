"""The custom resource that both function packages use: one answer, with the right id, and not too much in it."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from fakes.aws import Context, VirtualClock

from lambda_shared import cfn_response
from lambda_shared.custom_resource import CustomResource, Result, about, quieten_loggers, stack_name
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

EVENT = {
    "RequestType": "Create",
    "ResponseURL": "https://localhost/answer?X-Amz-Signature=signature",
    "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/1",
    "RequestId": "request",
    "LogicalResourceId": "Key",
    "ResourceProperties": {"Secret": "wJalrXUtnFEMI"},
}
Answers = list[dict[str, Any]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Keep what would be sent."""
    kept: Answers = []

    def put(_url: str, content: bytes) -> int:
        kept.append(json.loads(content))
        return 200

    monkeypatch.setattr(cfn_response, "_put", put)
    return kept


def handle(act: Callable[[Mapping[str, Any], Any], Result], kind: str = "Create", **members: Any) -> None:
    """Let a request be handled."""
    event = EVENT | {"RequestType": kind} | members
    CustomResource(event, dict.fromkeys(("create", "update", "delete"), act))(event, Context(VirtualClock()))


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_a_success_is_answered_with_what_the_handler_returns(answers: Answers, kind: str) -> None:
    """The id, the attributes, and what was found."""
    handle(lambda *_: Result("id", {"A": "1"}, "found"), kind)
    (given,) = answers
    assert given == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "id",
        "StackId": EVENT["StackId"],
        "RequestId": "request",
        "LogicalResourceId": "Key",
        "Reason": "found",
        "Data": {"A": "1"},
    }


def fail(error: Exception) -> Callable[[Mapping[str, Any], Any], Result]:
    """Make a handler that fails."""

    def act(*_: object) -> Result:
        raise error

    return act


def test_a_failure_of_our_own_is_the_reason(answers: Answers) -> None:
    """With the id that it wants, and no attributes."""
    error = ProviderError("user deploy does not exist")
    error.physical_id = "nothing"
    handle(fail(error))
    assert (answers[0]["Status"], answers[0]["Reason"]) == ("FAILED", "user deploy does not exist")
    assert (answers[0]["PhysicalResourceId"], answers[0]["Data"]) == ("nothing", {})


@pytest.mark.parametrize("error", [KeyError("wJalrXUtnFEMI"), MemoryError("wJalrXUtnFEMI"), ValueError("x" * 9000)])
def test_of_any_other_failure_only_its_kind_is_told(
    answers: Answers, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """Its text may hold anything."""
    handle(fail(error))
    printed = capsys.readouterr()
    assert answers[0]["Reason"] == f"unexpected {type(error).__name__} in the function; its log says where"
    assert "wJalr" not in json.dumps(answers) + printed.out + printed.err


@pytest.mark.parametrize(
    ("members", "expected"),
    [({}, "shop/Key"), ({"PhysicalResourceId": "known"}, "known"), ({"LogicalResourceId": "K" * 900}, None)],
)
def test_a_failure_has_an_id(answers: Answers, members: dict[str, str], expected: str | None) -> None:
    """That of the event, or one that a Delete can come back with; CloudFormation takes no empty one."""
    handle(fail(ProviderError("x")), **members)
    given = answers[0]["PhysicalResourceId"]
    assert given == (expected or f"shop/{'K' * 900}"[:512])


def test_only_the_first_answer_is_sent(answers: Answers) -> None:
    """The timer and the handler may both come to it."""

    def hang(*_: object) -> Result:
        resource._timeout()
        return Result("late")

    resource = CustomResource(EVENT, {"create": hang})
    resource(EVENT, Context(VirtualClock()))
    assert [given["Status"] for given in answers] == ["FAILED"]
    assert answers[0]["PhysicalResourceId"] == "shop/Key"


def test_an_answer_that_could_not_be_written_may_be_sent_by_somebody_else(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the entry point, which needs less memory."""
    written, left = cfn_response.body, [1]

    def short(*arguments: Any, **named: Any) -> bytes:
        if left:
            left.pop()
            raise MemoryError
        return written(*arguments, **named)

    monkeypatch.setattr(cfn_response, "body", short)
    handle(lambda *_: Result("id"))
    assert len(answers) == 1


def test_members_of_crhelpers_own_events_are_not_obeyed(answers: Answers) -> None:
    """Neither polling nor attributes."""
    handled: list[Mapping[str, Any]] = []

    def act(event: Mapping[str, Any], _: Any) -> Result:
        handled.append(event)
        return Result("id")

    handle(act, CrHelperPoll=True, CrHelperData={"PhysicalResourceId": "forged"}, CrHelperRule="x")
    assert (answers[0]["PhysicalResourceId"], answers[0]["Data"]) == ("id", {})
    assert not any(name.startswith("CrHelper") for name in handled[0])


def test_a_delete_does_not_pause(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crhelper waits two minutes for the log unless it is told not to."""
    monkeypatch.setattr("crhelper.resource_helper.sleep", None)
    handle(lambda *_: Result("id"), "Delete")
    assert answers[0]["Status"] == "SUCCESS"


def test_no_client_is_made_and_the_environment_is_as_before(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crhelper needs clients for polling only."""
    monkeypatch.setattr(boto3, "client", None)
    before = dict(os.environ)
    handle(lambda *_: Result("id"))
    assert answers
    assert dict(os.environ) == before


def test_a_request_is_named_in_the_log_by_what_people_know() -> None:
    """Type, stack and logical id; never a URL or a property."""
    assert about(EVENT) == {"request_type": "Create", "stack": "shop", "logical_id": "Key"}
    assert stack_name(EVENT | {"StackId": "no-arn"}) == "no-arn"


# --- loggers


@pytest.fixture
def loggers() -> Iterator[dict[str, logging.Logger]]:
    """Give the loggers that tell too much, as somebody has set them to tell everything."""
    names = ("crhelper.resource_helper", "botocore", "botocore.endpoint", "boto3", "urllib3.connectionpool", "mine")
    made = {name: logging.getLogger(name) for name in names}
    levels = {name: logger.level for name, logger in made.items()}
    for logger in made.values():
        logger.setLevel(logging.DEBUG)
    yield made
    for name, level in levels.items():
        made[name].setLevel(level)


def test_loggers_that_tell_events_urls_and_bodies_are_quiet(loggers: dict[str, logging.Logger]) -> None:
    """At every level, whatever was set for one of them by itself; other people's loggers are left alone."""
    quieten_loggers()
    assert not loggers["crhelper.resource_helper"].isEnabledFor(logging.ERROR)
    for name in ("botocore", "botocore.endpoint", "boto3", "urllib3.connectionpool"):
        assert not loggers[name].isEnabledFor(logging.INFO)
        assert loggers[name].isEnabledFor(logging.WARNING)
    assert loggers["mine"].isEnabledFor(logging.DEBUG)
