"""Bring a key to the CI/CD variables of one GitLab project.

`AccessKey.deliver_to` calls it with the ids of a version, and it reads that version itself. Called again with the
same version it writes the same values; with an earlier one, as after a rollback, it puts the earlier key back.
Nothing is logged, and no error tells a secret.

https://docs.gitlab.com/api/project_level_variables/
"""

import json
import os
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import quote, urlencode, urlsplit

import boto3

# The whole call must end before the provider stops waiting for it, after 40 seconds.
_SECONDS_A_REQUEST = 8
_NOT_FOUND = 404


class GitLabError(Exception):
    """GitLab has refused a request. The provider's report has the name of this class, the function's log the text."""


def handler(event: Mapping[str, str], _context: object) -> None:
    """Write both variables. Raises GitLabError, or OSError if GitLab can't be reached; the provider calls again."""
    secrets = boto3.client("secretsmanager")
    version = secrets.get_secret_value(SecretId=event["secretArn"], VersionId=event["versionId"])
    pair = json.loads(version["SecretString"])
    # A token from a file often ends in a line break.
    token = secrets.get_secret_value(SecretId=os.environ["TOKEN_SECRET"])["SecretString"].strip()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", pair["accessKeyId"]),
        ("AWS_SECRET_ACCESS_KEY", pair["secretAccessKey"]),
    ):
        _write(token, {"key": name, "value": value, "masked": True, "protected": True, "raw": True})


def _write(token: str, variable: Mapping[str, object]) -> None:
    """Change a variable of all environments, or create it."""
    path = f"/api/v4/projects/{quote(os.environ['PROJECT'], safe='')}/variables"
    every = urlencode({"filter[environment_scope]": "*"})
    status = _request(token, "PUT", f"{path}/{variable['key']}?{every}", variable)
    if status == _NOT_FOUND:
        status = _request(token, "POST", path, variable)
    if status not in {200, 201}:
        raise GitLabError(f"{variable['key']} was answered with status {status}")


def _request(token: str, method: str, path: str, variable: Mapping[str, object]) -> int:
    """Send a request, and return its status. It follows no redirect: the token goes to this host only."""
    host = urlsplit(os.environ.get("API_URL", "https://gitlab.com"))
    kind = HTTPSConnection if host.scheme == "https" else HTTPConnection
    connection = kind(host.netloc, timeout=_SECONDS_A_REQUEST)
    headers = {"Content-Type": "application/json", "PRIVATE-TOKEN": token, "User-Agent": "cdk-iam-access-key"}
    try:
        connection.request(method, host.path + path, json.dumps(variable), headers)
        return connection.getresponse().status
    finally:
        connection.close()
