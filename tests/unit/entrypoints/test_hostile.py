"""Events that nobody should send: every request is answered once, and no name reaches AWS that was not checked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from fakes.aws import Context, VirtualClock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.stack import ROLE_ARN, STACK_ID

from access_key_provider import main
from access_key_provider.entrypoints import alarm, custom_resource, operations, rotation_function
from access_key_provider.model.errors import InvalidRequestError
from lambda_shared import cfn_response
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator

ARN = re.compile(r"arn:aws:secretsmanager:eu-central-1:123456789012:secret:[A-Za-z0-9/_+=.@-]+")
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf"
PROPERTIES = {
    "UserName": "deploy",
    "SecretArn": SECRET,
    "RoleArn": ROLE_ARN,
    "Serial": "1",
    "Status": "Active",
    "Description": "for the vendor",
    "GracePeriod": "3600",
}
REQUEST: dict[str, Any] = {
    "RequestType": "Create",
    "ResponseURL": "https://localhost/answer/hostile?X-Amz-Date=20260101T000000Z",
    "StackId": STACK_ID,
    "RequestId": "00000000-0000-4000-8000-000000000000",
    "ResourceType": "Custom::IAMAccessKey",
    "LogicalResourceId": "Key",
    "PhysicalResourceId": f"deploy@{SECRET}",
    "ResourceProperties": PROPERTIES,
    "OldResourceProperties": PROPERTIES | {"Serial": "0"},
}
ALARM = {
    "source": "aws.cloudwatch",
    "time": "2026-01-01T00:00:00Z",
    "detail": {
        "state": {"value": "ALARM", "timestamp": "2026-01-01T00:00:00Z", "reasonData": '{"startDate": "2026-01-01"}'}
    },
}
OTHERS: list[dict[str, Any]] = [
    {"Operation": "Undo", "SecretId": SECRET},
    {"Operation": "AlarmUndo", "SecretId": SECRET, "Event": ALARM},
    {
        "Step": "createSecret",
        "SecretId": SECRET,
        "ClientRequestToken": "00000000-0000-4000-8000-000000000000",
        "RotationToken": "x",
    },
]

texts = st.one_of(
    st.text(max_size=200),
    st.sampled_from(
        [
            "",
            " ",
            "root",
            "../../root",
            "deploy\n",
            "deploy\x00",
            "deploy/../vendor",
            "*",
            "arn:aws:iam::123456789012:user/deploy",
            "arn:aws:iam::123456789012:root",
            "${aws:username}",
            "Create",
            "Update",
            "Delete",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "20260101T000000Z",
            "\uff44\uff45\uff50\uff4c\uff4f\uff59",
            "x" * 1_000_000,
            "\ud800",
        ]
    ),
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=20), inner, max_size=4)),
    max_leaves=20,
)


def places(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """List the objects in an event."""
    yield event
    for member in event.values():
        if isinstance(member, dict):
            yield from places(member)


@st.composite
def tampered(draw: st.DrawFn, *events: dict[str, Any]) -> dict[str, Any]:
    """Take a valid event and replace, remove or add some of its members, at every depth."""
    event: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(events))))
    if "RequestType" in event:
        event["RequestType"] = draw(st.sampled_from(["Create", "Update", "Delete"]))
    for place in list(places(event)):
        for name in draw(st.lists(st.sampled_from([*place, "Unknown"]), max_size=3)):
            if draw(st.booleans()):
                place.pop(name, None)
            else:
                place[name] = draw(st.one_of(values, texts))
    return event


Seen = tuple[list[dict[str, Any]], list[str]]


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """Keep the answers, and the secrets with which work would begin; it does not."""
    answers: list[dict[str, Any]] = []
    begun: list[str] = []

    def put(_url: str, content: bytes) -> int:
        answers.append(json.loads(content))
        assert len(content) <= cfn_response.MAX_BODY or len(answers[-1]["Reason"]) == 0
        return 200

    def work(secret_arn: str, *_: object, **__: object) -> None:
        begun.append(secret_arn)
        raise ProviderError("no further in this test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", "eu-central-1")
        patch.setattr(cfn_response, "_put", put)
        for module in (custom_resource, operations, alarm, rotation_function):
            patch.setattr(module, "Work", work)
        yield answers, begun


def handled(event: Any, seen: Seen, function: str = "provider") -> list[dict[str, Any]]:
    """Hand over an event and return the answers that it got; what is refused says so in few words."""
    answers, begun = seen
    before = len(answers)
    begun.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENTRY_POINTS", function)
        try:
            main.handler(event, Context(VirtualClock()))
        except (ValueError, ProviderError) as refused:
            assert len(str(refused)) < 1000  # noqa: PT017 - or it is answered
    for secret_arn in begun:
        assert ARN.fullmatch(secret_arn)
    return answers[before:]


thoroughly = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@given(event=tampered(REQUEST))
@example(event=REQUEST)
@thoroughly
def test_a_tampered_request_is_answered_once_or_refused(event: dict[str, Any], seen: Seen) -> None:
    """It is refused only if it is none of CloudFormation's; what work begins on is an ARN of the right form."""
    given_answers = handled(event, seen)
    assert len(given_answers) == (1 if cfn_response.is_request(event) else 0)
    for given_answer in given_answers:
        assert given_answer["Status"] in ("SUCCESS", "FAILED")
        assert given_answer["PhysicalResourceId"]
        assert len(given_answer["PhysicalResourceId"]) <= 1_000_000


@given(event=tampered(REQUEST))
@thoroughly
def test_the_worker_takes_no_request_of_cloudformations(event: dict[str, Any], seen: Seen) -> None:
    """Whoever may change the target of a rule can't forge a Delete."""
    assert handled(event, seen, "worker") == []
    assert seen[1] == []


@given(event=tampered(*OTHERS))
@example(event=OTHERS[0])
@example(event=OTHERS[1])
@example(event=OTHERS[2])
@thoroughly
def test_a_tampered_event_of_others_is_refused_or_carried_out(event: dict[str, Any], seen: Seen) -> None:
    """By the function that takes it, and never by both; nobody's URL is answered."""
    began = []
    for function in ("provider", "worker"):
        assert handled(event, seen, function) == []
        began.append(bool(seen[1]))
    assert began != [True, True]


@given(event=values)
@settings(thoroughly, max_examples=100)
def test_anything_else_is_refused(event: Any, seen: Seen) -> None:
    """Without an answer to anybody and without a call to AWS."""
    for function in ("provider", "worker"):
        assert handled(event, seen, function) == []
        assert seen[1] == []


def test_the_examples_are_valid(seen: Seen) -> None:
    """Else nothing but refusals would be tried."""
    assert len(handled(REQUEST, seen)) == 1
    assert seen[1]
    for event, function in zip(OTHERS, ("provider", "worker", "worker"), strict=True):
        handled(event, seen, function)
        assert seen[1] == [SECRET]
    with pytest.raises(InvalidRequestError):
        alarm.data_began({})
