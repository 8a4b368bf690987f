"""What `LocalCloud` asks of the emulator's own paths."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def ask(endpoint_url: str, authority: Path, method: str, path: str, body: dict[str, Any] | None) -> Any:
    """Send one request, past any proxy of the machine, and give the answer."""
    context = ssl.create_default_context(cafile=str(authority))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(
        f"{endpoint_url}/_local_cloud/{path}",
        data=json.dumps(body).encode() if body is not None else None,
        method=method,
    )
    with opener.open(request, timeout=30) as response:
        return json.load(response)
