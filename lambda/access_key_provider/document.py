"""What the secret's value looks like to those who read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from access_key_provider.model import NewAccessKey


def secret_document(key: NewAccessKey) -> str:
    """Write the JSON object `{"accessKeyId": …, "secretAccessKey": …}`."""
    return json.dumps({"accessKeyId": key.id, "secretAccessKey": key.secret})
