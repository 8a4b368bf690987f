"""What the emulator serves: the patched ministack, and a few paths of our own beside it.

`/_local_cloud/status|calls|invocations|secret-access-keys|settings|rotation|rule|reset` is what `LocalCloud` uses,
`organization` and `root-keys` what its `Organization` does. The answers of custom resources are taken here
too, because ministack drops their query string and what is wrong with their body.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

from ministack import app as ministack_app

from local_cloud import call_log, issued_keys, patches
from local_cloud.environment import PUBLIC_ADDRESS
from local_cloud.patches.cloudformation import custom_resource_answers
from local_cloud.patches.events import scheduled_rules
from local_cloud.patches.functions import invocations
from local_cloud.patches.iam import last_use, new_keys, root_keys
from local_cloud.patches.organizations import organization
from local_cloud.patches.secretsmanager import rotation

if TYPE_CHECKING:
    from collections.abc import Callable

_ADMIN = "/_local_cloud/"
_TOLD: dict[str, Callable[[], Any]] = {
    "status": lambda: {"pid": os.getpid()},
    "calls": call_log.calls,
    "invocations": invocations.ended,
    "secret-access-keys": issued_keys.issued,
    "organization": organization.described,
    "root-keys": root_keys.told,
}

patches.apply()
call_log.start()
issued_keys.start()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve one connection's scope (ASGI)."""
    path: str = scope.get("path", "")
    if scope["type"] == "http" and path.startswith(_ADMIN):
        status, answer = await _administer(scope["method"], path.removeprefix(_ADMIN), receive)
        await _respond(send, status, json.dumps(answer).encode())
    elif scope["type"] == "http" and path.startswith(custom_resource_answers.PATH):
        await _respond(send, await _take_answer(scope, path, receive), b"")
    else:
        # IAM's conditions are about public addresses.
        await ministack_app.app({**scope, "client": (PUBLIC_ADDRESS, 0)}, receive, send)


async def _administer(method: str, path: str, receive: Any) -> tuple[int, Any]:
    body = await _body(receive)
    match method, path:
        case "GET", _ if path in _TOLD:
            return 200, _TOLD[path]()
        case "DELETE", "calls":
            call_log.clear()
        case "PUT", "settings":
            _configure(json.loads(body))
        case "PUT", "organization":
            _organize(json.loads(body))
        case "PUT", "root-keys":
            root_keys.put(json.loads(body))
        case "PUT", "rotation":
            rotation.make_due(json.loads(body)["secret_id"])
        case "PUT", "rule":
            # It invokes functions, which call this process.
            fired = await asyncio.to_thread(scheduled_rules.fire, json.loads(body)["name"])
            return (200, fired) if fired is not None else (404, {})
        case "POST", "reset":
            await ministack_app._handle_admin_reset("/_ministack/reset", "POST", {})
            _configure({"new_key_rejections": 0, "last_use_lag": 0})
            organization.reset()
            root_keys.reset()
            call_log.clear()
        case _:
            return 404, {}
    return 200, {}


def _configure(settings: dict[str, Any]) -> None:
    if "new_key_rejections" in settings:
        new_keys.set_rejections(int(settings["new_key_rejections"]))
    if "last_use_lag" in settings:
        last_use.set_lag(float(settings["last_use_lag"]))


def _organize(content: dict[str, Any]) -> None:
    if "settings" in content:
        organization.configure(content["settings"])
    if "assume_root_limit" in content:
        root_keys.limit(**content["assume_root_limit"])
    if "accounts" in content:
        organization.seed(content["units"], content["accounts"])


async def _take_answer(scope: Any, path: str, receive: Any) -> int:
    content_type = dict(scope["headers"]).get(b"content-type", b"").decode()
    token = path.removeprefix(custom_resource_answers.PATH)
    query = scope["query_string"].decode()
    return custom_resource_answers.deliver(token, query, content_type, await _body(receive))


async def _body(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _respond(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
