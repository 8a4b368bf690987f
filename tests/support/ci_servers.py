"""The secrets of GitHub Actions and the variables of GitLab, on loopback, as their documentation describes them."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from nacl.public import PrivateKey, SealedBox

if TYPE_CHECKING:
    from types import TracebackType

TOKEN = "a-token-of-nobody"


@dataclass
class Server:
    """A server that only the right token may write to.

    Attributes:
        has: What jobs would get, by name.
        requests: Method and path of each request.
        failing: The status with which it answers instead, by how many requests it has answered.
    """

    has: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    failing: dict[int, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
                server.requests.append(f"{self.command} {self.path}")
                status = server.failing.get(len(server.requests))
                answer: Any = {"message": "no"}
                if status is None:
                    status, answer = (
                        server.answer(self.command, urlsplit(self.path).path, parse_qs(urlsplit(self.path).query), body)
                        if server.is_allowed(dict(self.headers))
                        else (401, answer)
                    )
                text = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                if 300 <= status < 400:
                    self.send_header("Location", f"{server.url}/elsewhere")
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = _answer  # noqa: N815 - names of the standard library

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, args=[0.01], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def is_allowed(self, headers: dict[str, str]) -> bool:
        """Tell whether a request has the token."""
        raise NotImplementedError

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Return status and body."""
        raise NotImplementedError


@dataclass
class GitHub(Server):
    """The secrets of the repository `example/shop`.

    https://docs.github.com/en/rest/actions/secrets
    """

    private_key: PrivateKey = field(default_factory=PrivateKey.generate, repr=False)
    key_id: str = "568250167242549743"

    def is_allowed(self, headers: dict[str, str]) -> bool:
        """Take a bearer token, and refuse who names no user agent, as GitHub does."""
        return headers.get("Authorization") == f"Bearer {TOKEN}" and bool(headers.get("User-Agent"))

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Give out the public key, and open what is sealed with it."""
        del query
        before, _, name = path.rpartition("/")
        if before != "/repos/example/shop/actions/secrets":
            return 404, {"message": "Not Found"}
        if (method, name) == ("GET", "public-key"):
            return 200, {"key_id": self.key_id, "key": b64encode(bytes(self.private_key.public_key)).decode()}
        if method != "PUT" or body.get("key_id") != self.key_id:
            return 422, {"message": "Validation Failed"}
        status = 204 if name in self.has else 201
        self.has[name] = SealedBox(self.private_key).decrypt(b64decode(body["encrypted_value"])).decode()
        return status, None if status == 204 else {}


@dataclass
class GitLab(Server):
    """The variables of the project `example/shop`.

    https://docs.gitlab.com/api/project_level_variables/, https://docs.gitlab.com/ci/variables/#mask-a-cicd-variable
    """

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def is_allowed(self, headers: dict[str, str]) -> bool:
        """Take a token in GitLab's own header."""
        return headers.get("PRIVATE-TOKEN") == TOKEN

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Create a variable, or change one that is there."""
        variables = "/api/v4/projects/example%2Fshop/variables"
        if not path.startswith(variables):
            return 404, {"message": "404 Project Not Found"}
        name = unquote(path.removeprefix(variables).removeprefix("/")) or body.get("key", "")
        if body.get("masked") and (len(body["value"]) < 8 or any(one in " \n\r" for one in body["value"])):
            return 400, {"message": {"value": ["is invalid"]}}
        if method == "PUT" and (name not in self.has or query.get("filter[environment_scope]") != ["*"]):
            return 404, {"message": "404 Variable Not Found"}
        if method == "POST" and name in self.has:
            return 400, {"message": {"key": [f"({name}) has already been taken"]}}
        self.has[name] = body["value"]
        self.settings[name] = {setting: body.get(setting) for setting in ("masked", "protected", "raw")}
        return (201 if method == "POST" else 200), {"key": name, "value": body["value"]}
