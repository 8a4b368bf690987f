"""Bring a key to the secrets of GitHub Actions of one repository.

`AccessKey.deliver_to` calls it with the ids of a version, and it reads that version itself. Called again with the
same version it writes the same values; with an earlier one, as after a rollback, it puts the earlier key back.
Nothing is logged, and no error tells a secret.

https://docs.github.com/en/rest/actions/secrets
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
from nacl.public import PublicKey, SealedBox

# The whole call must end before the provider stops waiting for it, after 40 seconds.
_SECONDS_A_REQUEST = 8


class GitHubError(Exception):
    """GitHub has refused a request. The provider's report has the name of this class, the function's log the text."""


def handler(event: Mapping[str, str], _context: object) -> None:
    """Write both secrets. Raises GitHubError, or OSError if GitHub can't be reached; the provider calls again."""
    secrets = boto3.client("secretsmanager")
    version = secrets.get_secret_value(SecretId=event["secretArn"], VersionId=event["versionId"])
    pair = json.loads(version["SecretString"])
    # A token from a file often ends in a line break.
    token = secrets.get_secret_value(SecretId=os.environ["TOKEN_SECRET"])["SecretString"].strip()
    public_key = _request(token, "GET", "public-key")
    box = SealedBox(PublicKey(b64decode(public_key["key"])))
    for name, value in (
        ("AWS_ACCESS_KEY_ID", pair["accessKeyId"]),
        ("AWS_SECRET_ACCESS_KEY", pair["secretAccessKey"]),
    ):
        sealed = b64encode(box.encrypt(value.encode())).decode()
        _request(token, "PUT", name, {"encrypted_value": sealed, "key_id": public_key["key_id"]})


def _request(token: str, method: str, name: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Send a request about one secret. It follows no redirect: the token goes to this host only."""
    host = urlsplit(os.environ.get("API_URL", "https://api.github.com"))
    kind = HTTPSConnection if host.scheme == "https" else HTTPConnection
    connection = kind(host.netloc, timeout=_SECONDS_A_REQUEST)
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "User-Agent": "cdk-iam-access-key",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    path = f"{host.path}/repos/{quote(os.environ['REPOSITORY'])}/actions/secrets/{name}"
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status not in {200, 201, 204}:
        raise GitHubError(f"{method} {path} was answered with status {response.status}")
    return dict(json.loads(answer)) if answer else {}
