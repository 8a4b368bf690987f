"""What `write` puts into a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from iam_access_key_client.errors import ClientError
from iam_access_key_client.profiles import edited

if TYPE_CHECKING:
    from iam_access_key_client.state import KeyPair


def rendered(form: str, pair: KeyPair, *, found: str = "", profile: str = "default", template: str = "") -> str:
    """Return the text of a file.

    Args:
        form: "env", "credentials", "json" or "template".
        pair: The key pair.
        found: What is in the file. A credentials file keeps its other profiles and settings.
        profile: The profile of a credentials file.
        template: A text with `{access_key_id}` and `{secret_access_key}`, or `{secret_access_key|url}` for a secret
            that is percent-encoded. Other braces stand for themselves.

    Raises:
        ClientError: The template has no placeholder for the secret access key.
    """
    access_key_id, secret = pair.access_key_id, pair.secret_access_key
    if form == "env":
        return f"AWS_ACCESS_KEY_ID={access_key_id}\nAWS_SECRET_ACCESS_KEY={secret}\n"
    if form == "json":
        return json.dumps({"accessKeyId": access_key_id, "secretAccessKey": secret}) + "\n"
    if form == "credentials":
        settings = {"aws_access_key_id": access_key_id, "aws_secret_access_key": secret, "aws_session_token": None}
        return edited(found, profile, settings)
    placeholders = {"{secret_access_key}": secret, "{secret_access_key|url}": quote(secret, safe="")}
    if not any(placeholder in template for placeholder in placeholders):
        raise ClientError("the template must have {secret_access_key} or {secret_access_key|url} in it")
    for placeholder, value in {**placeholders, "{access_key_id}": access_key_id}.items():
        template = template.replace(placeholder, value)
    return template
