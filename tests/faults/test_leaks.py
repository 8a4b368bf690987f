"""No secret access key and no response URL leaves the functions, and whoever looks for them would find them.

The crash matrix searches what leaves under every fault, on the fake account. Here leaks are planted, to see that each
is found, and the functions run on moto with the real boto3, whose loggers know everything, all at their lowest level.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import quote

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ParamValidationError, ReadTimeoutError
from botocore.parsers import ResponseParser
from fakes.state import SECRET_MARK
from moto import mock_aws
from support.captured_output import capturing, everything_to_debug
from support.invocation import TestClock
from support.leak_scanner import LeakError, LeakScanner
from support.planted_leaks import PLANTS, Plant
from support.stack import REGION, SIGNATURE, Stack
from unit.entrypoints.moto_stack import TABLE, MotoStack

from access_key_provider.aws.sts import Sessions
from access_key_provider.entrypoints import custom_resource, session
from lambda_shared import cfn_response
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE/aZ"
URL = (
    "https://localhost/arn%3Aaws%3Acloudformation%3Aeu-central-1%3A123456789012%3Astack/shop/0a1b%7CKey%7C42"
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260102"
    "&X-Amz-Signature=5b2a4c2e7d0f4d0cb6f2ac0f8b7c4b6d9a8e1f20"
)


# --- the scanner


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


@pytest.mark.parametrize("secret", [SECRET, URL], ids=["secret access key", "response URL"])
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_each_encoding_is_found_and_not_repeated(encode: Callable[[str], str | bytes], secret: str) -> None:
    """Whatever was done to a secret on its way out, it is found, and the message only says where."""
    scanner = LeakScanner([SECRET], [URL])
    encoded = encode(secret)
    text = b"before " + encoded + b" after" if isinstance(encoded, bytes) else f"before {encoded} after"
    with pytest.raises(LeakError, match="in the item") as caught:
        scanner.check([("another", "nothing to see here"), ("the item", {"entry": {"M": {"key": [{"S": text}]}}})])
    assert "another" not in str(caught.value)
    assert LeakScanner([SECRET], [URL]).search([("message", str(caught.value) + repr(scanner))]) == []


@pytest.mark.parametrize("part", [URL.removeprefix("https://localhost"), URL.rpartition("=")[2]])
def test_a_part_of_a_url_that_can_be_used_is_found(part: str) -> None:
    """A URL without its host is as good as whole, and a signature is what makes it valid."""
    assert LeakScanner([], [URL]).search([("the text", f"PUT {part} HTTP/1.1")])


def test_nothing_is_found_where_nothing_is() -> None:
    """The key's id, the host, half a secret and another secret are no leaks."""
    texts = ["AKIAIOSFODNN7EXAMPLE", "https://localhost/", SECRET[:20], SECRET.swapcase(), ""]
    assert LeakScanner([SECRET], [URL]).search([("the text", text) for text in texts]) == []


def test_a_name_that_holds_the_secret_is_found_and_hidden() -> None:
    """A file, or a member of an entry, may be called by it."""
    leaks = LeakScanner([SECRET]).search([(f"file {SECRET}", SECRET), ("item", {SECRET: 1})])
    assert [leak.where for leak in leaks] == ["the name of a text", "[hidden]", "item"]


def test_what_would_be_found_by_accident_is_not_looked_for() -> None:
    """Too short a secret is a mistake of the test's, not a reason to find nothing."""
    with pytest.raises(ValueError, match="by accident"):
        LeakScanner(["testing"])


# --- leaks, planted into the function


SMTP = {
    "SecretFormat": '{"username": "{access_key_id}", "password": "{ses_smtp_password:us-east-1}"}',
    "SecretFormatKind": "json",
}
URL_OF_A_KEY = {"SecretFormat": "s3://{access_key_id}:{secret_access_key|url}@bucket/", "SecretFormatKind": "text"}


def secret_in(value: str) -> str:
    """Take the secret access key out of the default document."""
    return str(json.loads(value)["secretAccessKey"])


def password_in(value: str) -> str:
    """Take the SMTP password out of a document."""
    return str(json.loads(value)["password"])


def in_base64(value: str) -> str:
    """Take all of a document, and hide it."""
    return base64.b64encode(value.encode()).decode()


def create_with_a_leak(
    act: Callable[[Stack, str], str | None], take: Callable[[str], str] = secret_in, **changes: str
) -> list[tuple[str, str]]:
    """Let a create leak something of the document that it wrote; return what was found, and where."""
    ensure_present = custom_resource._ensure_present
    with mock.patch.dict(os.environ), ExitStack() as patches, Stack.on_fake_account() as stack:

        def leaking(work: Any, *arguments: Any, **named: Any) -> Any:
            found = ensure_present(work, *arguments, **named)
            value = stack.account.client("secretsmanager").get_secret_value(SecretId=stack.secret_arn)["SecretString"]
            leaked = act(stack, take(value))
            return (leaked,) if leaked else found

        patches.enter_context(mock.patch.object(custom_resource, "_ensure_present", leaking))
        with capturing() as output:
            with suppress(BaseException):
                stack.deliver(stack.create(stack.properties(**changes)))
            iam, secrets = stack.account.client("iam"), stack.account.client("secretsmanager")
            output.add_account(iam, secrets, ["deploy", "vendor"], [stack.secret_arn, stack.other_arn])
            output.add("the ledger", stack.entries)
            output.add("the events", stack.account.state.events)
        made = [key.secret for key in stack.account.state.users["deploy"].keys.values()]
        leaks = LeakScanner([SECRET_MARK, SIGNATURE, *made]).search(output.values)
    return [(leak.what, leak.where) for leak in leaks]


@pytest.mark.parametrize("plant", PLANTS, ids=str)
def test_a_planted_leak_is_found(plant: Plant) -> None:
    """Each way out of the process is watched, and what is found is said to be where it was planted."""
    found = create_with_a_leak(plant.act)
    assert any(what == "secret access key 1" and where.startswith(plant.where) for what, where in found), found


def test_nothing_is_found_without_a_plant() -> None:
    """The plants alone are what is found."""
    assert create_with_a_leak(lambda _stack, _text: None) == []


@pytest.mark.parametrize(
    ("take", "properties", "what"),
    [
        (password_in, SMTP, "SMTP password of secret access key 3"),
        (in_base64, SMTP, "SMTP password of secret access key 3"),
        (in_base64, {}, "secret access key 1"),
        (in_base64, URL_OF_A_KEY, "secret access key 1"),
        (str, URL_OF_A_KEY, "secret access key 1"),
    ],
    ids=["password", "settings in base64", "document in base64", "URL in base64", "URL"],
)
@pytest.mark.parametrize("name", ["standard output", "event", "item of the ledger", "reason"])
def test_a_planted_leak_of_a_format_is_found(
    name: str, take: Callable[[str], str], properties: dict[str, str], what: str
) -> None:
    """What readers of a format get is as secret as the key: a password that follows from it, a whole document."""
    (plant,) = (plant for plant in PLANTS if plant.name == name)
    found = create_with_a_leak(plant.act, take, **properties)
    assert any((what, plant.where) == (one, where[: len(plant.where)]) for one, where in found), found
    assert create_with_a_leak(lambda _stack, _text: None, **properties) == []


def test_a_planted_response_url_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL is looked for in all places too; one line of the log stands for them."""
    put = custom_resource.AccessKeyResource._send

    def leaking(resource: Any, *arguments: Any, **named: Any) -> None:
        custom_resource.log.info("answering", to=resource._request["ResponseURL"])
        put(resource, *arguments, **named)

    monkeypatch.setattr(custom_resource.AccessKeyResource, "_send", leaking)
    assert ("secret access key 2", "standard output") in create_with_a_leak(lambda _stack, _text: None)


# --- the functions on moto, every logger at its lowest level


_SECRET_MEMBERS = (
    ("AccessKey", "SecretAccessKey"),
    ("Credentials", "SecretAccessKey"),
    ("Credentials", "SessionToken"),
)


class SignedStack(MotoStack):
    """A stack on moto whose requests have response URLs as CloudFormation signs them."""

    def event(self, kind: str, properties: Any, **members: Any) -> dict[str, Any]:
        """Build an event."""
        event = super().event(kind, properties, **members)
        return event | {"ResponseURL": f"{event['ResponseURL']}&X-Amz-Signature={self.requests:064x}"}


@dataclass
class MotoSearch:
    """What was made on moto, and the search for it."""

    stack: SignedStack
    secrets: list[str] = field(default_factory=list, repr=False)

    def run(
        self, steps: Callable[[SignedStack], None], make_loud: Callable[[], None] = everything_to_debug
    ) -> LeakScanner:
        """Take steps, and search all that leaves meanwhile. Raises LeakError."""
        stack = self.stack
        with capturing(make_loud) as output:
            steps(stack)
        arns = [secret["ARN"] for secret in stack.secrets.list_secrets()["SecretList"]]
        users = [user["UserName"] for user in stack.iam.list_users()["Users"]]
        output.add_account(stack.iam, stack.secrets, users, arns)
        output.add("the ledger", stack.entries())
        scanner = LeakScanner(self.secrets, output.urls)
        scanner.check(output.values)
        assert output.urls, "no event was handled"
        assert output.answers, "nothing was answered"
        return scanner


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoSearch]:
    """Give a stack on moto, and all secrets that are in an answer of it from now on."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, REGION)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("LEDGER_TABLE", TABLE)
    clock = TestClock()
    monkeypatch.setattr(InvocationClock, "now", lambda _self: clock.now())
    monkeypatch.setattr(InvocationClock, "sleep", lambda _self, seconds: clock.sleep(seconds))
    monkeypatch.setattr(session, "_SESSIONS", Sessions())
    secrets: list[str] = []
    parse = ResponseParser.parse

    def remembered(parser: ResponseParser, response: Any, shape: Any) -> Any:
        parsed = parse(parser, response, shape)
        given = [parsed.get(group, {}).get(name) for group, name in _SECRET_MEMBERS]
        secrets.extend(secret for secret in given if secret)
        return parsed

    with mock_aws(), mock.patch.object(ResponseParser, "parse", remembered):
        stack = SignedStack.made(clock)

        def put(_url: str, content: bytes) -> int:
            stack.answers.append(json.loads(content))
            return 200

        monkeypatch.setattr(cfn_response, "_put", put)
        yield MotoSearch(stack, secrets)


def root_and_sdk_to_debug() -> None:
    """Do what a variable of the environment, or an extension, has done."""
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


def life(stack: SignedStack) -> None:
    """Create, rotate, restore, deactivate, sweep and delete."""
    first, second = (stack.properties(serial, GracePeriod="0") for serial in "12")
    inactive = first | {"Status": "Inactive"}
    given = [stack.create()]
    given += [stack.update(new, old) for new, old in [(second, first), (first, second), (inactive, first)]]
    stack.sweep(2 * 86_400)
    given.append(stack.delete(inactive, "deploy@" + stack.secret_arn))
    assert [one["Status"] for one in given] == ["SUCCESS"] * len(given), given


def life_of_formats(stack: SignedStack) -> None:
    """Create with one format, change it, go back, let an operator rotate, delete."""
    formats = [SMTP, URL_OF_A_KEY]
    first, second = (stack.properties("1", GracePeriod="0", **one) for one in formats)
    given = [stack.create(**first), stack.update(second, first), stack.update(first, second)]
    given.append(stack.delete(first, "deploy@" + stack.secret_arn))
    assert [one["Status"] for one in given] == ["SUCCESS"] * len(given), given


@pytest.mark.parametrize("make_loud", LOUD, ids=lambda loud: loud.__name__)
def test_a_life_of_formats_leaks_nothing(moto: MotoSearch, make_loud: Callable[[], None]) -> None:
    """Neither a password nor a document is read by anybody but the readers of the secret."""
    scanner = moto.run(life_of_formats, make_loud)
    assert len(moto.secrets) >= 4
    assert scanner.length > 5_000


@pytest.mark.parametrize("make_loud", LOUD, ids=lambda loud: loud.__name__)
def test_a_whole_life_leaks_nothing(moto: MotoSearch, make_loud: Callable[[], None]) -> None:
    """No level and no handler that was set before lets anybody read a key or a URL."""
    scanner = moto.run(life, make_loud)
    assert len(moto.secrets) >= 6
    assert len(tuple(scanner.urls)) == 5
    assert scanner.length > 5_000


def test_loggers_of_the_sdk_with_a_level_of_their_own_leak_nothing(moto: MotoSearch) -> None:
    """A level set for `botocore.parsers` itself holds whatever the level of `botocore` is."""
    moto.run(lambda stack: stack.create(), each_logger_to_debug)


def test_botocore_would_show_the_key_if_it_were_let(moto: MotoSearch) -> None:
    """Without this the silence of botocore would prove nothing: its debugging does show requests and answers."""

    def create_outside_the_function(stack: SignedStack) -> None:
        everything_to_debug()
        stack.iam.create_access_key(UserName="deploy")
        logging.getLogger("botocore").setLevel(logging.WARNING)
        stack.create()

    with pytest.raises(LeakError, match=r"log record of botocore\.parsers, DEBUG"):
        moto.run(create_outside_the_function)


# --- creates that fail on moto, in ways that the fake does not know


def at(action: str, fail: Callable[[dict[str, Any], Callable[[], Any]], Any]) -> Any:
    """Let the calls of an action go wrong."""
    call = BaseClient._make_api_call

    def failing(client: Any, name: str, parameters: dict[str, Any]) -> Any:
        def carry_out() -> Any:
            return call(client, name, parameters)

        return fail(parameters, carry_out) if name == action else carry_out()

    return mock.patch.object(BaseClient, "_make_api_call", failing)


def quoting(action: str, code: str) -> Any:
    """Let AWS refuse an action, and quote what it was asked for."""

    def fail(parameters: dict[str, Any], _carry_out: object) -> Any:
        message = f"not with {json.dumps(parameters)}"
        raise ClientError(
            {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
            action,
        )

    return at(action, fail)


def lost(action: str) -> Any:
    """Let an action be carried out, and its answer be lost in an error that shows it."""

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


FAILURES: dict[str, Callable[[], Any]] = {
    "key lost": lambda: lost("CreateAccessKey"),
    "key cut short": lambda: cut_short("AccessKey"),
    "session cut short": lambda: cut_short("Credentials"),
    "key broken": lambda: broken("CreateAccessKey"),
    "session broken": lambda: broken("AssumeRole"),
    "value refused in a quotation": lambda: quoting("PutSecretValue", "ValidationException"),
    "value not sendable": lambda: not_sendable("PutSecretValue"),
    "value lost": lambda: lost("PutSecretValue"),
    "value broken": lambda: broken("PutSecretValue"),
    "entry refused in a quotation": lambda: quoting("PutItem", "ValidationException"),
    "entry broken": lambda: broken("PutItem"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failing_create_leaks_nothing(moto: MotoSearch, failure: Callable[[], Any]) -> None:
    """Neither the reason nor the log of a failure holds what it failed with, nor do those of the clean-up."""

    def steps(stack: SignedStack) -> None:
        with failure():
            given = stack.create()
        assert given["Status"] == "FAILED", given
        stack.delete(physical_id=given["PhysicalResourceId"])

    moto.run(steps)


@pytest.mark.parametrize("error", [OSError(22), ValueError("bad URL"), ConnectionResetError(104)], ids=repr)
def test_an_answer_that_cannot_be_sent_leaks_nothing(
    moto: MotoSearch, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The error of a request names its URL, the log does not."""
    monkeypatch.setattr(cfn_response.time, "sleep", lambda _seconds: None)

    def unanswerable(url: str, content: bytes) -> int:
        raise type(error)(*error.args, url, content)

    def steps(stack: SignedStack) -> None:
        # What was not sent is not among the answers of the stack.
        with pytest.raises(AssertionError, match="answered exactly once"):
            stack.create()

    with mock.patch.object(cfn_response, "_put", unanswerable):
        moto.run(steps)
