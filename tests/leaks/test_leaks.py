"""No secret access key and no response URL leaves the process, and whoever looks for them would find them."""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import quote

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError
from botocore.parsers import ResponseParser
from faults.stack import OPERATIONS, Operation, Stack
from faults.test_crash_matrix import calls_of, cases
from leaks.departures import collected, everything_to_debug
from leaks.hunt import Hunt, LeakError
from leaks.plants import PLANTS, Plant

from access_key_provider.entrypoints import custom_resource
from lambda_shared import cfn_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from leaks.conftest import MotoHunt, SignedWorld

# Forms of what is hunted


def wrapped(text: str) -> str:
    """Wrap a text as mail does."""
    return "\n".join(text[start : start + 19] for start in range(0, len(text), 19))


ENCODINGS: dict[str, Callable[[str], str | bytes]] = {
    "plain": str,
    "bytes": str.encode,
    "repr of bytes": lambda text: repr({"body": text.encode()}),
    "wrapped": wrapped,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, one before": lambda text: base64.b64encode(b"x" + text.encode() + b"xyz").decode(),
    "base64, two before": lambda text: base64.b64encode(b"xy" + text.encode() + b"x").decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"xy" + text.encode()).decode(),
    "base64, wrapped": lambda text: base64.encodebytes(b"x" * 40 + text.encode()).decode(),
    "base64 in a URL": lambda text: quote(base64.b64encode(text.encode()), safe=""),
    "basic authorization": lambda text: "Basic " + base64.b64encode(b"AKIAIOSFODNN7EXAMPLE:" + text.encode()).decode(),
    "URL-encoded": lambda text: quote(text, safe=""),
    "URL-encoded, lower case": lambda text: "".join(f"%{ord(one):02x}" if one in "+/:?&=%" else one for one in text),
    "URL-encoded throughout": lambda text: "".join(f"%{ord(one):02X}" for one in text),
    "URL-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON with escaped characters": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"key": json.dumps(text).replace("/", "\\/")})),
    "URL-encoded JSON": lambda text: quote(json.dumps(text).replace("/", "\\u002F"), safe=""),
    "hexadecimal": lambda text: text.encode().hex(),
}
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE/aZ"
URL = (
    "https://localhost/arn%3Aaws%3Acloudformation%3Aeu-central-1%3A123456789012%3Astack/shop/0a1b%7CKey%7C42"
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260102"
    "&X-Amz-Signature=5b2a4c2e7d0f4d0cb6f2ac0f8b7c4b6d9a8e1f20"
)


@pytest.mark.parametrize("hunted", [SECRET, URL], ids=["secret access key", "response URL"])
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_the_hunt_sees_each_encoding_and_does_not_repeat_it(encode: Callable[[str], str | bytes], hunted: str) -> None:
    """Whatever was done to a secret on its way out, it is found, and the message only says where."""
    hunt = Hunt([SECRET], [URL])
    encoded = encode(hunted)
    text = b"before " + encoded + b" after" if isinstance(encoded, bytes) else f"before {encoded} after"
    with pytest.raises(LeakError, match="in the text") as caught:
        hunt.check([("another", "nothing"), ("the text", text)])
    assert hunt.texts == 2
    assert hunt.length == len("nothing") + len(text)
    assert "another" not in str(caught.value)
    assert Hunt([SECRET], [URL]).search([("message", str(caught.value) + repr(hunt))]) == []


@pytest.mark.parametrize("part", [URL.removeprefix("https://localhost"), URL.rpartition("=")[2]])
def test_the_hunt_sees_what_a_response_url_can_be_used_with(part: str) -> None:
    """A URL without its host is as good as whole, and a signature is what makes it valid."""
    assert Hunt([], [URL]).search([("the text", f"PUT {part} HTTP/1.1")])


def test_the_hunt_finds_nothing_where_nothing_is() -> None:
    """The key's id, the host, half a secret and another secret are no leaks."""
    texts = ["AKIAIOSFODNN7EXAMPLE", "https://localhost/", SECRET[:20], SECRET.swapcase(), ""]
    assert Hunt([SECRET], [URL]).search([("the text", text) for text in texts]) == []


def test_the_hunt_hides_a_name_that_holds_the_secret() -> None:
    """A file may have been called by it."""
    leaks = Hunt([SECRET]).search([(f"file {SECRET}", SECRET)])
    assert [leak.where for leak in leaks] == ["the name of a text", "[hidden]"]


def test_the_hunt_takes_nothing_that_would_be_found_by_accident() -> None:
    """Too short a secret is a mistake of the test's, not a reason to find nothing."""
    with pytest.raises(ValueError, match="by accident"):
        Hunt(["testing"])


# Leaks, planted into the handler


def create_with_a_leak(act: Callable[[Stack, str], str | None], encode: Callable[[str], str]) -> list[tuple[str, str]]:
    """Let a create leak the key that it made; return what was found, and where."""
    make_present = custom_resource.make_present
    with mock.patch.dict(os.environ), Stack.on_fake_account() as stack:

        def leaking(*arguments: Any, **named: Any) -> Any:
            outcome = make_present(*arguments, **named)
            value = stack.account.client("secretsmanager").get_secret_value(SecretId=stack.secret_arn)["SecretString"]
            leaked = act(stack, encode(json.loads(value)["secretAccessKey"]))
            return dataclasses.replace(outcome, access_key_id=leaked) if leaked else outcome

        with mock.patch.object(custom_resource, "make_present", leaking), collected() as departures:
            with suppress(BaseException):
                stack.deliver(stack.create(stack.properties()))
            departures.add_account(*administrators(stack), ["deploy", "vendor"], [stack.secret_arn, stack.other_arn])
        leaks = Hunt(hunted_in(stack), departures.urls).search(departures.texts)
    return [(leak.what, leak.where) for leak in leaks]


def administrators(stack: Stack) -> tuple[Any, Any]:
    """Give who may list and describe everything."""
    return stack.account.client("iam"), stack.account.client("secretsmanager")


def hunted_in(stack: Stack) -> list[str]:
    """List all that is secret in an account: access keys of users and sessions, tokens of sessions."""
    state = stack.account.state
    return [*stack.account.secret_access_keys, *(session.token for session in state.sessions.values())]


@pytest.mark.parametrize("plant", PLANTS, ids=str)
def test_a_planted_leak_is_seen(plant: Plant) -> None:
    """Each way out of the process is watched, and what is found is said to be where it was planted."""
    found = create_with_a_leak(plant.act, str)
    assert any(what.startswith("secret access key") and where.startswith(plant.where) for what, where in found), found


@pytest.mark.parametrize(
    "encode",
    [encode for name, encode in ENCODINGS.items() if name != "bytes"],
    ids=[name for name in ENCODINGS if name != "bytes"],
)
def test_a_planted_leak_is_seen_when_encoded(encode: Callable[[str], str]) -> None:
    """A line of the log at its lowest level may hold the key in any form."""

    def debug(_stack: Stack, text: str) -> None:
        logging.getLogger("access_key_provider.debugging").debug("made %s", text)

    assert create_with_a_leak(debug, encode)


def test_a_planted_response_url_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL is looked for in all places too; one line of the log stands for them."""
    monkeypatch.setattr(custom_resource, "_about", lambda request: {"event": str(request)})
    put = custom_resource.AccessKeyResource._send

    def leaking(resource: Any, *arguments: Any, **named: Any) -> None:
        custom_resource.record("answering", to=resource._request["ResponseURL"])
        put(resource, *arguments, **named)

    monkeypatch.setattr(custom_resource.AccessKeyResource, "_send", leaking)
    found = create_with_a_leak(lambda _stack, _text: None, str)
    assert ("response URL 1", "standard output") in found


def test_botocore_would_show_the_key_if_it_were_let(moto: MotoHunt) -> None:
    """Without this the silence of botocore would prove nothing: its debugging does show requests and answers."""

    def create_outside_the_handler(world: SignedWorld) -> None:
        everything_to_debug()
        world.iam.create_access_key(UserName="deploy")
        logging.getLogger("botocore").setLevel(logging.WARNING)
        world.create()

    with pytest.raises(LeakError, match=r"log record of botocore\.parsers, DEBUG"):
        moto.run(create_outside_the_handler)


# The handler on moto, everything at DEBUG


def root_and_sdk_to_debug() -> None:
    """Do what a variable of the environment, or another extension, has done."""
    for name in (None, "boto3", "botocore", "urllib3", "crhelper", "access_key_provider"):
        logging.getLogger(name).setLevel(logging.DEBUG)


def sdk_streams() -> None:
    """Do what the SDK's guide says for debugging."""
    boto3.set_stream_logger("")
    boto3.set_stream_logger("botocore")
    boto3.set_stream_logger("crhelper")


def each_logger_to_debug() -> None:
    """Set the level of every logger there is, also those that would go by the level of their parent."""
    for name in [None, *logging.root.manager.loggerDict]:
        logging.getLogger(name).setLevel(logging.DEBUG)


LOUD = (everything_to_debug, root_and_sdk_to_debug, sdk_streams)


def life(world: SignedWorld) -> None:
    """Create, rotate twice, restore, change the status, describe, and delete."""
    first, second, third = (world.properties(serial) for serial in "123")
    inactive = world.properties("2", Status="Inactive")
    described = world.properties("2", Description="for the vendor")
    given = [world.create()]
    steps = [(second, first), (third, second), (second, third), (inactive, second), (second, inactive)]
    given += [world.update(new, old) for new, old in [*steps, (described, second)]]
    given.append(world.delete(described, "deploy@" + world.secret_arn))
    assert [one["Status"] for one in given] == ["SUCCESS"] * 8, given


@pytest.mark.parametrize("make_loud", LOUD, ids=lambda loud: loud.__name__)
def test_a_whole_life_leaks_nothing(moto: MotoHunt, make_loud: Callable[[], None]) -> None:
    """No level and no handler that was set before lets anybody read a key or a URL."""
    hunt = moto.run(life, make_loud)
    assert len(moto.secrets) >= 6
    assert len(hunt.urls) == 8
    assert hunt.length > 10_000


def test_loggers_of_the_sdk_with_a_level_of_their_own_leak_nothing(moto: MotoHunt) -> None:
    """A level set for `botocore.parsers` itself holds whatever the level of `botocore` is."""
    moto.run(lambda world: world.create(), each_logger_to_debug)


# Creates that fail on moto


def at(action: str, fail: Callable[[dict[str, Any], Callable[[], Any]], Any]) -> Any:
    """Let the calls of an action go wrong."""
    call = BaseClient._make_api_call

    def failing(client: Any, name: str, parameters: dict[str, Any]) -> Any:
        def carry_out() -> Any:
            return call(client, name, parameters)

        return fail(parameters, carry_out) if name == action else carry_out()

    return mock.patch.object(BaseClient, "_make_api_call", failing)


def refused(action: str, code: str, *, quoting: bool = False) -> Any:
    """Let AWS refuse an action, and quote what it was asked for."""

    def fail(parameters: dict[str, Any], _carry_out: object) -> Any:
        message = f"not with {json.dumps(parameters)}" if quoting else "no"
        raise ClientError(
            {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
            action,
        )

    return at(action, fail)


def lost(action: str) -> Any:
    """Let an action be carried out, and its answer be lost."""

    def fail(_parameters: object, carry_out: Callable[[], Any]) -> Any:
        raise ReadTimeoutError(endpoint_url=f"https://aws.invalid/?answer={carry_out()}")

    return at(action, fail)


def broken(action: str) -> Any:
    """Let something fail in a way that nobody thought of, with all it knows in its text."""

    def fail(parameters: dict[str, Any], carry_out: Callable[[], Any]) -> Any:
        raise RuntimeError(f"{parameters} {carry_out()}")

    return at(action, fail)


def not_sendable(action: str) -> Any:
    """Let the SDK refuse a request, and show it."""

    def fail(parameters: dict[str, Any], _carry_out: object) -> Any:
        raise ParamValidationError(report=f"Invalid type for parameter, value: {parameters}")

    return at(action, fail)


def cut_short(member: str) -> Any:
    """Let the SDK meet an answer that ends in the middle: its error shows what there was of it."""
    parse = ResponseParser.parse

    def cut(parser: ResponseParser, response: Any, shape: Any) -> Any:
        parsed = parse(parser, response, shape)
        if member not in parsed:
            return parsed
        body = response["body"]
        return parse(parser, response | {"body": body[: body.rindex(b"</")]}, shape)

    return mock.patch.object(ResponseParser, "parse", cut)


def unanswerable(error: Exception) -> Any:
    """Let the answer not be sent, for a reason that names where to."""

    def put(url: str, content: bytes) -> int:
        raise type(error)(*error.args, url, content)

    return mock.patch.object(cfn_response, "_put", put)


def without_user(world: SignedWorld) -> Any:
    """Delete the user."""
    world.iam.delete_user(UserName="deploy")
    return mock.patch.dict({})


def without_secret(world: SignedWorld) -> Any:
    """Schedule the secret for deletion."""
    world.secrets.delete_secret(SecretId=world.secret_arn)
    return mock.patch.dict({})


def without_room(world: SignedWorld) -> Any:
    """Give the user two keys of a person's."""
    world.add_foreign_key()
    world.add_foreign_key()
    return mock.patch.dict({})


FAILURES: dict[str, Callable[[SignedWorld], Any]] = {
    "no user": without_user,
    "no secret": without_secret,
    "no room": without_room,
    "role not assumable": lambda _: refused("AssumeRole", "AccessDenied"),
    "intent refused": lambda _: refused("TagUser", "AccessDenied"),
    "key refused": lambda _: refused("CreateAccessKey", "LimitExceeded"),
    "key lost": lambda _: lost("CreateAccessKey"),
    "key cut short": lambda _: cut_short("AccessKey"),
    "session cut short": lambda _: cut_short("Credentials"),
    "key broken": lambda _: broken("CreateAccessKey"),
    "session broken": lambda _: broken("AssumeRole"),
    "value refused": lambda _: refused("PutSecretValue", "AccessDeniedException"),
    "value not sendable": lambda _: not_sendable("PutSecretValue"),
    "value lost": lambda _: lost("PutSecretValue"),
    "value broken": lambda _: broken("PutSecretValue"),
    "label refused": lambda _: refused("UpdateSecretVersionStage", "InvalidParameterException"),
    "key rejected": lambda _: refused("GetCallerIdentity", "InvalidClientTokenId"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failing_create_leaks_nothing(moto: MotoHunt, failure: Callable[[SignedWorld], Any]) -> None:
    """Neither the reason nor the log of a failure holds what it failed with, nor do those of the clean-up."""

    def steps(world: SignedWorld) -> None:
        with failure(world):
            given = world.create()
        assert given["Status"] == "FAILED", given
        world.delete(physical_id=given["PhysicalResourceId"])

    moto.run(steps)


def test_a_refusal_that_quotes_the_request_leaks_nothing(moto: MotoHunt) -> None:
    """AWS's own message goes into the reason and the log: what it quotes of the value must not."""

    def steps(world: SignedWorld) -> None:
        with refused("PutSecretValue", "ValidationException", quoting=True):
            assert world.create()["Status"] == "FAILED"

    moto.run(steps)


@pytest.mark.parametrize("error", [OSError(22), ValueError("bad URL"), ConnectionResetError(104)], ids=repr)
def test_an_answer_that_cannot_be_sent_leaks_nothing(
    moto: MotoHunt, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The error of a request names its URL, the log does not."""
    monkeypatch.setattr(cfn_response.time, "sleep", lambda _seconds: None)

    def steps(world: SignedWorld) -> None:
        # What was not sent is not among the answers of the world.
        with pytest.raises(AssertionError, match="answered exactly once"):
            world.create()

    with unanswerable(error):
        moto.run(steps)


# Every fault of every call, on the fake


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_no_fault_leaks_anything(operation: Operation, record_property: Callable[[str, object], None]) -> None:
    """Whatever fails wherever, and when the event comes again: nothing secret leaves."""
    texts, secrets, urls, tried = [], dict[str, None](), dict[str, None](), 0
    for call, fault, phase in cases(calls_of(operation)):
        with Stack.on_fake_account(operation.value) as stack, collected() as departures:
            operation.prepare(stack)
            stack.account.log.clear()
            injection = stack.account.fail(fault, call.index, phase=phase)
            event = operation.request(stack)
            stack.deliver(event)
            assert injection.fired, "the fault was never met"
            stack.account.heal()
            stack.deliver(event)
            departures.add_account(*administrators(stack), ["deploy", "vendor"], [stack.secret_arn, stack.other_arn])
        departures.add("the log of calls", repr(stack.account.log.entries))
        secrets |= dict.fromkeys(hunted_in(stack))
        urls |= dict.fromkeys(departures.urls)
        texts += [(f"{where} ({fault} {phase} {call.name})", text) for where, text in departures.texts]
        tried += 1
    # The accounts of all cases give out the same secrets in the same order, so that one hunt does for all.
    hunt = Hunt(secrets, urls)
    hunt.check(texts)
    for name, count in (("cases", tried), ("texts", hunt.texts), ("bytes", hunt.length), ("secrets", len(secrets))):
        record_property(name, count)
    assert tried > 30
    assert hunt.length > 100_000
