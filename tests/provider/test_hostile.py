"""Events that nobody should send: every request is answered once, and no name reaches AWS that was not checked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from provider.world import ROLE_ARN, STACK_ID, Context, TestClock

from access_key_provider import main
from access_key_provider.entrypoints import custom_resource
from access_key_provider.model.errors import InvalidRequestError
from lambda_shared import cfn_response
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from access_key_provider.entrypoints.custom_resource_request import Properties, Request

USER_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
ARN = re.compile(r"arn:[ -~]+")
SECRET_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf"
VALID: dict[str, Any] = {
    "RequestType": "Create",
    "ResponseURL": "https://localhost/answer/hostile?X-Amz-Date=20260101T000000Z",
    "StackId": STACK_ID,
    "RequestId": "00000000-0000-4000-8000-000000000000",
    "ResourceType": "Custom::IAMAccessKey",
    "LogicalResourceId": "Key",
    "PhysicalResourceId": f"deploy@{SECRET_ARN}",
    "ResourceProperties": {
        "UserName": "deploy",
        "SecretArn": SECRET_ARN,
        "RoleArn": ROLE_ARN,
        "Serial": "1",
        "Status": "Active",
        "Description": "for the vendor",
    },
    "OldResourceProperties": {"UserName": "deploy", "SecretArn": SECRET_ARN, "RoleArn": ROLE_ARN, "Serial": "0"},
}
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


@st.composite
def tampered(draw: st.DrawFn) -> dict[str, Any]:
    """Take a valid event and replace, remove or add some of its members and properties."""
    event: dict[str, Any] = json.loads(json.dumps(VALID))
    event["RequestType"] = draw(st.sampled_from(["Create", "Update", "Delete"]))
    for place in (event, event["ResourceProperties"], event["OldResourceProperties"]):
        for name in draw(st.lists(st.sampled_from([*place, "Unknown"]), max_size=3)):
            if draw(st.booleans()):
                place.pop(name, None)
            else:
                place[name] = draw(st.one_of(values, texts))
    return event


@pytest.fixture(scope="module")
def seen() -> Iterator[tuple[list[dict[str, Any]], list[Properties]]]:
    """Keep the answers, and the properties with which AWS would be called; it is not."""
    answers: list[dict[str, Any]] = []
    called: list[Properties] = []

    def put(_url: str, content: bytes) -> int:
        answers.append(json.loads(content))
        assert len(content) <= cfn_response.MAX_BODY or len(answers[-1]["Reason"]) == 0
        return 200

    def ports(_request: Request, properties: Properties, _context: object) -> None:
        called.append(properties)
        raise ProviderError("no further in this test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_REGION", "eu-central-1")
        patch.setattr(cfn_response, "_put", put)
        patch.setattr(custom_resource, "_ports", ports)
        yield answers, called


def handled(event: Any, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hand over an event and return the answers that it got."""
    before = len(answers)
    try:
        main.handler(event, Context(TestClock()))
    except (ValueError, InvalidRequestError) as refused:
        assert str(refused).startswith(("neither a request", "Step", "Operation"))  # noqa: PT017 - or it is answered
    return answers[before:]


@given(event=tampered())
@example(event=VALID)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tampered_request_is_answered_once_or_refused(
    event: dict[str, Any], seen: tuple[list[dict[str, Any]], list[Properties]]
) -> None:
    """It is refused only if it lacks what an answer needs; what reaches AWS is a name and ARNs of the right form."""
    answers, called = seen
    texts_needed = ("RequestType", "ResponseURL", "StackId", "RequestId", "LogicalResourceId")
    answerable = all(isinstance(event.get(name), str) and event[name] for name in texts_needed)
    given_answers = handled(event, answers)
    assert len(given_answers) == (1 if answerable else 0)
    for given_answer in given_answers:
        assert given_answer["Status"] in ("SUCCESS", "FAILED")
        assert given_answer["PhysicalResourceId"]
    for properties in called:
        assert USER_NAME.fullmatch(properties.user_name)
        assert properties.user_name != "root"
        assert ARN.fullmatch(properties.secret_arn)
        assert ARN.fullmatch(properties.role_arn)
    called.clear()


@given(event=values)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_else_is_refused(event: Any, seen: tuple[list[dict[str, Any]], list[Properties]]) -> None:
    """Without an answer to anybody and without a call to AWS."""
    answers, called = seen
    assert handled(event, answers) == []
    assert called == []
