"""The two functions: each takes its own events only, and answers whatever happens to it."""

from __future__ import annotations

import importlib
import json
import os
import runpy
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from fakes.aws import Context
from support.stack import SWEEP, TOKEN

from access_key_provider import main
from access_key_provider.aws.dynamodb import Ledger
from access_key_provider.aws.eventbridge import EventPublisher
from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.aws.secrets_manager import SecretsManagerVersions
from access_key_provider.entrypoints import custom_resource, session
from lambda_shared import cfn_response
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stack import Event, Stack

PROVIDER, WORKER = "provider", "worker"
EVENTS: dict[str, tuple[str, Callable[[Stack], Event]]] = {
    "create": (PROVIDER, lambda stack: stack.create(stack.properties())),
    "delete": (PROVIDER, lambda stack: stack.event("Delete", stack.properties(), "x")),
    "cut-over": (
        PROVIDER,
        lambda stack: stack.event("Create", {}, None) | {"ResourceType": "Custom::IAMAccessKeyCutOver"},
    ),
    **{
        operation: (PROVIDER, lambda stack, operation=operation: {"Operation": operation, "SecretId": stack.secret_arn})
        for operation in ("Show", "Undo", "Rotate", "Retire")
    },
    "sweep": (WORKER, lambda _: SWEEP),
    "alarm": (WORKER, lambda stack: stack.alarm()),
    "step": (
        WORKER,
        lambda stack: {"Step": "createSecret", "SecretId": stack.secret_arn, "ClientRequestToken": TOKEN},
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_each_function_refuses_the_other_ones_events(stack: Stack, name: str) -> None:
    """Whoever may change a rule's target gets no more than a sweep or an alarm's undo."""
    function, make = EVENTS[name]
    other = WORKER if function == PROVIDER else PROVIDER
    with pytest.raises(ValueError, match="this function does not take such an event: dict with"):
        stack.invoke(make(stack), other)
    assert stack.answers == []
    assert stack.account.log.entries == []


@pytest.mark.parametrize("name", EVENTS)
def test_each_function_takes_its_own_events(stack: Stack, name: str) -> None:
    """Whatever comes of them here, where there is no key yet."""
    function, make = EVENTS[name]
    try:
        stack.invoke(make(stack), function)
    except ProviderError:
        assert name not in {"create", "delete", "sweep"}
    assert stack.answers or stack.account.log.entries


@pytest.mark.parametrize("function", [PROVIDER, WORKER])
@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "Create",
        {},
        {"detail-type": "Scheduled Event", "source": "aws.events"},
        {"RequestType": "Create", "StackId": "x"},
        {"RequestType": 1, "ResponseURL": 2, "StackId": 3, "RequestId": 4, "LogicalResourceId": 5},
        {"Operation": "Delete"},
        {"Operation": ["Sweep"]},
    ],
)
def test_an_event_of_no_known_shape_is_refused(stack: Stack, event: Any, function: str) -> None:
    """Nothing is answered to anybody's URL, and nothing is called."""
    with pytest.raises((ValueError, ProviderError)):
        stack.invoke(event, function)
    assert stack.answers == []
    assert stack.account.log.entries == []


def test_a_refusal_names_the_members_and_none_of_their_values(stack: Stack) -> None:
    """Lambda logs what is raised: their values may be anything, a secret too."""
    event = {"x" * 500: "secret-1", **{f"member-{number}": "secret-2" for number in range(50)}}
    with pytest.raises(ValueError, match="dict with SecretId, Step, member-0") as refused:
        stack.invoke({"Step": 1, "SecretId": 2, **event}, PROVIDER)
    assert "secret" not in str(refused.value)
    assert len(str(refused.value)) < 600


# --- what can't be imported


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_code_that_can_not_be_imported_is_answered(stack: Stack, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Instead of an hour's silence."""
    monkeypatch.setattr(main, "_failure", "ModuleNotFoundError")
    assert stack.deliver(stack.event(kind, stack.properties(), "x")) == "FAILED"
    assert stack.last_id == "x"
    assert "ModuleNotFoundError while importing; deploy" in stack.answers[-1]["Reason"]


@pytest.mark.parametrize("name", ["sweep", "alarm", "step", "Show"])
def test_others_are_told_that_the_code_can_not_be_imported(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Lambda tries an event of EventBridge again; Secrets Manager the step."""
    monkeypatch.setattr(main, "_failure", "ModuleNotFoundError")
    function, make = EVENTS[name]
    with pytest.raises(RuntimeError, match="could not start: ModuleNotFoundError while importing"):
        stack.invoke(make(stack), function)


@pytest.mark.parametrize("failure", [MemoryError(), ModuleNotFoundError("x"), SyntaxError("x")])
def test_a_function_that_can_not_start_answers_by_itself(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The heavy modules do not load: the entry point alone answers, and the same event succeeds once they do."""
    event = stack.create(stack.properties())

    def refuse(_name: str) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", refuse)
        starved = runpy.run_path(str(main.__file__))
    starved["handler"](event, Context(stack.account.clock))
    (given,) = stack.answers
    assert (given["Status"], given["PhysicalResourceId"]) == ("FAILED", "Key")
    assert f"{type(failure).__name__} while importing" in given["Reason"]
    stack.must(event)


@pytest.mark.parametrize("function", [PROVIDER, WORKER])
def test_a_function_imports_what_its_own_events_need(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    """While it starts, where Lambda gives it a full processor."""
    imported: list[str] = []
    import_module = importlib.import_module

    def noted(name: str) -> Any:
        imported.append(name)
        return import_module(name)

    monkeypatch.setattr(importlib, "import_module", noted)
    with mock.patch.dict(os.environ, ENTRY_POINTS=function):
        runpy.run_path(str(main.__file__))
    mine = {name.rpartition(".")[2] for name in imported if "entrypoints" in name}
    assert mine == set(main._ENTRY_POINTS[function])


# --- what happens while an event is handled


def test_an_unexpected_exception_is_answered_without_its_text(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its text may hold anything; its kind and place go to the log."""

    def burst(*_: object) -> None:
        raise KeyError("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

    with monkeypatch.context() as patch:
        patch.setattr(IamUserKeys, "list", burst)
        assert stack.deliver(stack.create(stack.properties())) == "FAILED"
        with pytest.raises(ProviderError, match="unexpected KeyError") as raised:
            stack.operate("Show")
    assert raised.value.__cause__ is None
    assert stack.answers[-1]["Data"] == {}
    assert "unexpected KeyError" in stack.answers[-1]["Reason"]
    printed = capsys.readouterr()
    assert "EXAMPLEKEY" not in stack.answers[-1]["Reason"] + printed.out + printed.err + str(raised.value)
    assert "burst" in printed.out
    stack.check_deployed(None)


def test_a_deadline_that_is_near_stops_before_the_next_step(stack: Stack) -> None:
    """The function answers itself instead of being ended in the middle, and leaves nothing."""
    event = stack.create(stack.properties())
    main.handler(event, Context(stack.account.clock, seconds=40))
    assert stack.answers[-1]["Status"] == "FAILED"
    assert "ran out of time" in stack.answers[-1]["Reason"]
    stack.check_deployed(None)
    stack.must(event)


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
@pytest.mark.parametrize("times", [1, 9])
@pytest.mark.parametrize(
    "where",
    [
        (custom_resource, "AccessKeyResource"),
        (custom_resource, "Work"),
        (custom_resource.log, "info"),
        (custom_resource.AccessKeyResource, "_log_setup"),
        (custom_resource.AccessKeyResource, "_cfn_response"),
        (custom_resource.AccessKeyResource, "generate_physical_id"),
        (session, "IamUserKeys"),
        (Ledger, "read"),
        (Ledger, "write"),
        (EventPublisher, "publish"),
        (SecretsManagerVersions, "describe"),
        (SecretsManagerVersions, "put"),
        (cfn_response, "body"),
    ],
    ids=lambda where: where[1],
)
def test_memory_that_is_short_while_handling_is_answered(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, where: tuple[Any, str], times: int, kind: str
) -> None:
    """Wherever it ends: one answer, small and valid, and the same event succeeds once there is memory again."""
    left, whole = times, getattr(*where)

    def short(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            raise MemoryError("x" * 9000)
        return whole(*arguments, **named)

    if kind != "Create":
        stack.deploy("1")
    event = {
        "Create": lambda: stack.create(stack.properties()),
        "Update": lambda: stack.update(stack.properties("2")),
        "Delete": stack.delete,
    }[kind]()
    before = len(stack.answers)
    with monkeypatch.context() as patch:
        patch.setattr(*where, short)
        try:
            main.handler(event, Context(stack.account.clock))
        except MemoryError:
            # Lambda delivers the event again.
            assert where == (cfn_response, "body")
            assert len(stack.answers) == before
        else:
            assert len(stack.answers) == before + 1
            assert len(json.dumps(stack.answers[-1])) < 1500
    stack.account.clock.sleep(120)
    stack.must(event)
    stack.sweep()
    stack.check_deployed(None if kind == "Delete" else event["ResourceProperties"])


def test_the_answer_of_the_timer_has_the_right_id_and_is_the_only_one(stack: Stack) -> None:
    """When something hangs, crhelper's timer answers; what comes later is not sent."""
    event = stack.create(stack.properties())

    def hang(*_: object) -> tuple[str, dict[str, str], str]:
        resource._timeout()
        return "id", {}, ""

    resource = custom_resource.AccessKeyResource(event, {"create": hang})  # type: ignore[dict-item]
    resource(event, Context(stack.account.clock))
    assert [given["Status"] for given in stack.answers] == ["FAILED"]
    assert stack.last_id == f"deploy@{stack.secret_arn}"
