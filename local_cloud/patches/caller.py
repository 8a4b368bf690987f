"""Who calls a service through its API.

ministack's handlers do not know: it has checked the caller's policies before, and what other services do inside the
emulator (CloudFormation making a secret, say) reaches the same functions without any caller.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

from ministack.core import responses
from ministack.core.router import extract_access_key_id

from local_cloud.replacing import Function, replace_function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

Answer = tuple[int, dict[str, str], bytes]

_access_key_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("caller_access_key_id", default=None)
_account: contextvars.ContextVar[str | None] = contextvars.ContextVar("caller_account", default=None)


def access_key_id() -> str | None:
    """Give the access key id of the request that is being answered, None inside the emulator."""
    return _access_key_id.get()


def account() -> str:
    """Give the caller's account, also while something of another account is handled for it."""
    return _account.get() or str(responses.get_account_id())


@contextlib.contextmanager
def acting_in(account: str) -> Iterator[None]:
    """Find the resources of an account."""
    token = responses._request_account_id.set(account)
    try:
        yield
    finally:
        responses._request_account_id.reset(token)


def make_known_to(service: ModuleType, parameters: str) -> None:
    """Let the handlers of a service ask for the caller; `parameters` are those of its `handle_request`."""
    replace_function(service, "handle_request", parameters, _remembering_the_caller)


def _remembering_the_caller(original: Function) -> Function:
    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        token = _access_key_id.set(extract_access_key_id(headers, query) or "")
        account_token = _account.set(str(responses.get_account_id()))
        try:
            answer: Answer = await original(method, path, headers, body, query)
        finally:
            _account.reset(account_token)
            _access_key_id.reset(token)
        return answer

    return handle_request
