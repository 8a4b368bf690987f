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
    from collections.abc import Iterator
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
