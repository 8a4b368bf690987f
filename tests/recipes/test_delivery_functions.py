"""The functions of the examples that bring a key to a CI system, run against its API on loopback."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from support.ci_servers import TOKEN, GitHub, GitLab, Server

from examples.functions.github import index as github
from examples.functions.gitlab import index as gitlab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST = {"accessKeyId": "AKIAEXAMPLEFIRST0001", "secretAccessKey": "first+/Secret0123456789abcdefghijklmnop0"}
SECOND = {"accessKeyId": "AKIAEXAMPLESECOND002", "secretAccessKey": "second/+Secret0123456789abcdefghijklmno0"}


@dataclass
class Delivery:
    """A function, the system it writes to, and a secret with two versions.

    Attributes:
        server: The system.
        handler: The function.
        error: What it raises when the system refuses.
        events: Those of the provider, for the first and for the second version.
    """

    server: Server
    handler: Callable[[dict[str, str], None], None]
    error: type[Exception]
    events: list[dict[str, str]]

    @property
    def pair(self) -> dict[str, str]:
        """What jobs get."""
        return {
            "accessKeyId": self.server.has["AWS_ACCESS_KEY_ID"],
            "secretAccessKey": self.server.has["AWS_SECRET_ACCESS_KEY"],
        }

    def call(self, version: int) -> None:
        """Call the function with a version, as Lambda does."""
        self.handler(self.events[version], None)


@pytest.fixture(params=["github", "gitlab"])
def delivery(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivery]:
    """Each function, its system, and AWS."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("TOKEN_SECRET", "ci/token")
    kind, module, error = {
        "github": (GitHub, github, github.GitHubError),
        "gitlab": (GitLab, gitlab, gitlab.GitLabError),
    }[request.param]
    monkeypatch.setenv("REPOSITORY" if request.param == "github" else "PROJECT", "example/shop")
    with mock_aws(), kind() as server:
        monkeypatch.setenv("API_URL", server.url)
        secrets = boto3.client("secretsmanager")
        # As many editors leave it.
        secrets.create_secret(Name="ci/token", SecretString=f"{TOKEN}\n")
        arn = secrets.create_secret(Name="key")["ARN"]
        versions = [
            secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(pair), VersionStages=[f"key{number}"])[
                "VersionId"
            ]
            for number, pair in enumerate((FIRST, SECOND))
        ]
        common = {"secretArn": arn, "consumer": request.param, "phase": "BeforePublishing", "previousAccessKeyId": ""}
        events = [
            {**common, "versionId": version, "accessKeyId": pair["accessKeyId"]}
            for version, pair in zip(versions, (FIRST, SECOND), strict=True)
        ]
        yield Delivery(server, module.handler, error, events)


def test_a_key_is_brought_and_brought_again(delivery: Delivery) -> None:
    """A version that is no current one yet; once more, which changes nothing; the next; and back, as in a rollback."""
    for version, pair in ((0, FIRST), (0, FIRST), (1, SECOND), (1, SECOND), (0, FIRST)):
        delivery.call(version)
        assert delivery.pair == pair
        assert sorted(delivery.server.has) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]


@pytest.mark.parametrize("request_number", [1, 2, 3])
@pytest.mark.parametrize("status", [301, 403, 404, 500])
def test_what_fails_half_way_is_put_right_by_the_next_call(
    delivery: Delivery, request_number: int, status: int
) -> None:
    """An error is raised, follows no redirect with the token, and tells neither key nor token."""
    delivery.call(0)
    server = delivery.server
    before = len(server.requests)
    if isinstance(server, GitLab):
        # PUT and PUT: the third is the POST that follows a 404.
        server.failing = {before + number: status for number in ({1, 2} if request_number == 1 else {2, 3})}
    else:
        server.failing = {before + request_number: status}
    with pytest.raises(delivery.error) as failure:
        delivery.call(1)
    told = str(failure.value)
    assert not any(secret in told for secret in (*SECOND.values(), *FIRST.values(), TOKEN))
    assert not any("elsewhere" in one for one in server.requests)
    server.failing = {}
    delivery.call(1)
    assert delivery.pair == SECOND


def test_nothing_secret_is_logged(
    delivery: Delivery, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not on standard output, which is the log of a function, nor by what this code logs itself."""
    with caplog.at_level(logging.INFO):
        delivery.call(0)
        delivery.call(1)
    output = capfd.readouterr()
    logged = output.out + output.err + caplog.text
    assert not any(secret in logged for secret in (FIRST["secretAccessKey"], SECOND["secretAccessKey"], TOKEN))


def test_a_wrong_token_is_an_error(delivery: Delivery) -> None:
    """Nothing is written, and the token is not told."""
    boto3.client("secretsmanager").put_secret_value(SecretId="ci/token", SecretString="an-expired-token")
    with pytest.raises(delivery.error, match="status 401") as failure:
        delivery.call(0)
    assert delivery.server.has == {}
    assert "an-expired-token" not in str(failure.value)


def test_a_system_that_can_not_be_reached_is_an_error(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider calls again later."""
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")
    with pytest.raises(OSError, match="refused"):
        delivery.call(0)


@pytest.mark.parametrize("delivery", ["gitlab"], indirect=True)
def test_variables_of_gitlab_are_masked_and_protected(delivery: Delivery) -> None:
    """Also after a change; and nothing in a value is expanded."""
    assert isinstance(delivery.server, GitLab)
    for version in (0, 1):
        delivery.call(version)
        wanted: dict[str, Any] = {"masked": True, "protected": True, "raw": True}
        assert delivery.server.settings == dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), wanted)
