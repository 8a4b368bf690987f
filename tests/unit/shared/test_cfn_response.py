"""The sender, against a server with TLS on this machine that misbehaves in the ways that networks do."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from lambda_shared import cfn_response
from local_cloud.certificate import write_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVENT = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Key"}
BODY = cfn_response.body(EVENT, "SUCCESS", "id", data={"AccessKeyId": "AKIA"})


class Bucket(BaseHTTPRequestHandler):
    """Takes answers as S3 does, with the statuses that the test laid out for it (0: close without an answer)."""

    statuses: ClassVar[list[int]] = []
    taken: ClassVar[list[tuple[str, bytes, str | None]]] = []

    def do_PUT(self) -> None:
        """Take one."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, content, self.headers["Content-Type"]))
        status = self.statuses.pop(0) if self.statuses else 200
        if status:
            self.send_response(status)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve a bucket, and return the URL to put an answer to."""
    certificate = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    server = HTTPServer(("127.0.0.1", 0), Bucket)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    monkeypatch.setattr(cfn_response, "_PAUSE", 0)
    Bucket.statuses.clear()
    Bucket.taken.clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"https://localhost:{server.server_port}/bucket/key?X-Amz-Signature=signature"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_is_put_as_the_signature_wants_it(bucket: str) -> None:
    """Path and query as they came, and an empty content type."""
    assert cfn_response.send(bucket, BODY)
    path, content, content_type = Bucket.taken[0]
    assert path == "/bucket/key?X-Amz-Signature=signature"
    assert content_type == ""
    assert json.loads(content) == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "id",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Key",
        "Reason": "",
        "Data": {"AccessKeyId": "AKIA"},
    }


@pytest.mark.parametrize("fault", [500, 503, 0, 307])
def test_a_passing_fault_is_tried_again(bucket: str, fault: int) -> None:
    """Server errors, closed connections and redirections."""
    Bucket.statuses += [fault, fault]
    assert cfn_response.send(bucket, BODY)
    assert len(Bucket.taken) == 3


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_no_success(bucket: str, status: int) -> None:
    """A URL that has expired is refused for ever."""
    Bucket.statuses += [status]
    assert not cfn_response.send(bucket, BODY)
    assert len(Bucket.taken) == 1


def test_the_number_of_attempts_is_bounded(bucket: str) -> None:
    """A function that tries for ever never ends."""
    Bucket.statuses += [500] * 50
    assert not cfn_response.send(bucket, BODY)
    assert len(Bucket.taken) == 6


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/x", "https://localhost:99999/x", "https://[/x", "nonsense", ""])
def test_a_url_that_leads_nowhere_ends_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised: there is nobody to tell."""
    monkeypatch.setattr(cfn_response, "_PAUSE", 0)
    monkeypatch.setattr(cfn_response, "_ATTEMPTS", 2)
    assert not cfn_response.send(url, BODY)


def test_neither_the_url_nor_the_body_is_logged(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has the URL can forge an answer."""
    Bucket.statuses += [500, 403]
    assert not cfn_response.send(bucket, BODY)
    printed = capsys.readouterr().out
    assert "403" in printed
    assert "signature" not in printed
    assert "AKIA" not in printed


@pytest.mark.parametrize("reason", ["x" * 50_000, "ü" * 50_000, "\U0001f511" * 50_000, "\x00" * 50_000])
def test_a_body_is_never_too_long(reason: str) -> None:
    """The reason is cut at its end, whatever it is made of."""
    content = cfn_response.body(EVENT, "FAILED", "i" * 700, reason)
    assert len(content) <= 4096
    assert json.loads(content)["Reason"]


# --- which events are requests, and who answers them


REQUEST = EVENT | {"RequestType": "Create", "ResponseURL": "https://localhost/x"}


@pytest.mark.parametrize("missing", REQUEST)
def test_a_request_has_all_that_an_answer_needs(missing: str) -> None:
    """As texts that are not empty."""
    assert cfn_response.is_request(REQUEST)
    assert not cfn_response.is_request({name: value for name, value in REQUEST.items() if name != missing})
    for nonsense in (None, "", 7, ["x"]):
        assert not cfn_response.is_request(REQUEST | {missing: nonsense})


def test_no_request_is_longer_than_those_of_cloudformation() -> None:
    """What is longer is neither logged nor sent back."""
    assert cfn_response.is_request(REQUEST | {"PhysicalResourceId": "x" * 1024, "ResponseURL": "x" * 8192})
    assert not cfn_response.is_request(REQUEST | {"PhysicalResourceId": "x" * 1025})
    assert not cfn_response.is_request(REQUEST | {"ResponseURL": "x" * 8193})


@pytest.mark.parametrize("nonsense", [None, [], "Create", 7])
def test_anything_else_is_no_request(nonsense: object) -> None:
    """Of whatever type."""
    assert not cfn_response.is_request(nonsense)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Keep what would be sent."""
    kept: list[dict[str, str]] = []
    monkeypatch.setattr(cfn_response, "send", lambda _url, content: kept.append(json.loads(content)))
    return kept


def burst(*_: object) -> None:
    """Handle a request as one without memory does."""
    raise MemoryError


@pytest.mark.parametrize(
    ("kind", "handle", "reason"),
    [
        ("Ping", burst, "RequestType must be one of Create, Update, Delete"),
        (
            "Create",
            None,
            "the function could not start: ImportError while importing; deploy the construct library again",
        ),
        ("Create", burst, "the function failed: MemoryError; deploy again"),
    ],
)
def test_a_request_that_nobody_can_handle_is_answered(
    sent: list[dict[str, str]], kind: str, handle: Callable[..., None] | None, reason: str
) -> None:
    """With the standard library alone."""
    cfn_response.answer_request(REQUEST | {"RequestType": kind}, None, handle, "ImportError")
    assert [(answer["Status"], answer["Reason"]) for answer in sent] == [("FAILED", reason)]


@pytest.mark.parametrize(("given", "expected"), [(None, "Key"), ("known", "known"), (["x"], "Key"), ("", "Key")])
def test_such_an_answer_has_an_id(sent: list[dict[str, str]], given: object, expected: str) -> None:
    """CloudFormation takes no empty one."""
    cfn_response.answer_request(REQUEST | {"PhysicalResourceId": given}, None, burst, "")
    assert sent[0]["PhysicalResourceId"] == expected


def test_a_request_that_was_handled_is_not_answered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler has done it."""
    monkeypatch.setattr(cfn_response, "send", None)
    handled: list[object] = []
    cfn_response.answer_request(REQUEST, "context", lambda *given: handled.append(given), "")
    assert handled == [(REQUEST, "context")]


def test_an_unknown_event_is_described_by_the_names_of_its_members() -> None:
    """A few of them, each cut: their values may be anything."""
    assert cfn_response.shape({"b": "secret", "a" * 90: 1}) == f"dict with {'a' * 40}, b"
    assert cfn_response.shape({}) == "dict with no members"
    assert cfn_response.shape(["secret"]) == "list with no members"
    assert len(cfn_response.shape(dict.fromkeys(range(1000)))) < 100
