"""AWS as a consumer meets it, on loopback: signatures are checked by the published algorithm, keys have a status.

It answers GetSecretValue, GetCallerIdentity and PutEvents, with a clock of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf"
# AWS takes a signature that is at most five minutes off.
TOLERANCE = 300


@dataclass
class Key:
    """An access key."""

    access_key_id: str
    secret_access_key: str
    status: str = "Active"

    @property
    def text(self) -> str:
        """Return the secret's text as the provider writes it by default."""
        return json.dumps({"accessKeyId": self.access_key_id, "secretAccessKey": self.secret_access_key})


@dataclass
class Version:
    """A version of the secret."""

    version_id: str
    text: str
    created_at: float


@dataclass
class Call:
    """A call as it came in, with what was made of it."""

    action: str
    access_key_id: str
    user_agent: str
    outcome: str


@dataclass
class Account:
    """What AWS knows, and what went wrong with it."""

    ahead: float = 0.0  # the clock of AWS minus that of this machine
    keys: dict[str, Key] = field(default_factory=dict)
    current: Version | None = None
    denied: set[str] = field(default_factory=set)
    failing: dict[str, str] = field(default_factory=dict)  # by action, the error code of a failure
    failed_entry: str = ""
    identity: str = "user/deploy"
    identities: dict[str, str] = field(default_factory=dict)  # by the id of a key, if it is another one
    calls: list[Call] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    slow: float = 0.0

    @property
    def now(self) -> float:
        """Return the time of AWS."""
        return time.time() + self.ahead

    def make_key(self) -> Key:
        """Make an Active key."""
        number = len(self.keys) + 1
        secret = f"Sec/ret+{number:02}" + hashlib.sha256(str(number).encode()).hexdigest()[:30]
        key = Key(f"AKIA{number:016}", secret)
        self.keys[key.access_key_id] = key
        return key

    def put(self, text: str, *, age: float = 3600) -> Version:
        """Make a version AWSCURRENT."""
        self.current = Version(str(uuid.uuid4()), text, self.now - age)
        return self.current

    def rotate(self, *, age: float = 3600) -> Key:
        """Make a key and put it into the secret; the old one stays Active."""
        key = self.make_key()
        self.put(key.text, age=age)
        return key

    def count(self, action: str) -> int:
        """Count calls."""
        return sum(call.action == action for call in self.calls)


def sign(secret: str, string_to_sign: str, scope: str) -> str:
    """Sign as AWS documents it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, string_to_sign.encode(), hashlib.sha256).hexdigest()


def expected_signature(secret: str, headers: dict[str, str], signed: list[str], body: bytes, scope: str) -> str:
    """Return the signature of a POST to the root, from what was sent."""
    canonical = "\n".join(
        [
            "POST",
            "/",
            "",
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return sign(secret, "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest]), scope)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AwsServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a call."""
        account = self.server.account
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        target = headers.get("x-amz-target", "")
        action = target.rpartition(".")[2] or parse_qs(body.decode())["Action"][0]
        time.sleep(account.slow)
        code, access_key_id = self._judge(account, action, headers, body)
        with self.server.lock:
            account.calls.append(Call(action, access_key_id, headers.get("user-agent", ""), code or "ok"))
        if action == "GetCallerIdentity":
            self._answer_xml(account.identities.get(access_key_id, account.identity), code)
        elif code:
            self._answer(400 if code != "InternalFailure" else 500, json.dumps({"__type": code, "message": "no"}))
        else:
            self._answer(200, json.dumps(self._result(account, action, body)))

    def _judge(self, account: Account, action: str, headers: dict[str, str], body: bytes) -> tuple[str, str]:
        """Return an error code or nothing, and the id of the key."""
        authorization = headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ")
        parts = dict(part.split("=", 1) for part in authorization.split(", "))
        access_key_id, _, scope = parts["Credential"].partition("/")
        xml = action == "GetCallerIdentity"
        key = account.keys.get(access_key_id)
        if action in account.failing:
            return account.failing[action], access_key_id
        if key is None or key.status != "Active":
            return "InvalidClientTokenId" if xml else "UnrecognizedClientException", access_key_id
        signed = parts["SignedHeaders"].split(";")
        signature = expected_signature(key.secret_access_key, headers, signed, body, scope)
        moment = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if signature != parts["Signature"] or abs(moment.timestamp() - account.now) > TOLERANCE:
            return "SignatureDoesNotMatch" if xml else "InvalidSignatureException", access_key_id
        return "AccessDeniedException" if action in account.denied else "", access_key_id

    def _result(self, account: Account, action: str, body: bytes) -> dict[str, Any]:
        parameters = json.loads(body)
        if action == "PutEvents":
            if account.failed_entry:
                return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": account.failed_entry, "ErrorMessage": "no"}]}
            account.events += parameters["Entries"]
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}
        assert action == "GetSecretValue"
        assert parameters == {"SecretId": ARN, "VersionStage": "AWSCURRENT"}
        assert account.current
        return {
            "ARN": ARN,
            "VersionId": account.current.version_id,
            "CreatedDate": account.current.created_at,
            "SecretString": account.current.text,
        }

    def _answer_xml(self, identity: str, code: str) -> None:
        if code:
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
        else:
            arn = f"arn:aws:iam::123456789012:{identity}"
            text = (
                "<GetCallerIdentityResponse><GetCallerIdentityResult>"
                f"<Arn>{arn}</Arn><UserId>U</UserId><Account>123456789012</Account>"
                "</GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
        self._answer(403 if code else 200, text, "text/xml")

    def _answer(self, status: int, text: str, content_type: str = "application/x-amz-json-1.1") -> None:
        content = text.encode()
        self.send_response_only(status)
        self.send_header("Date", formatdate(self.server.account.now, usegmt=True))
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class AwsServer(ThreadingHTTPServer):
    """Serves an account on a free port of loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        """Begin to serve."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.account, self.lock = Account(), threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()
        self._thread.join()
