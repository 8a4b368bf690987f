"""The handler, run in the process of a test with the role of a deployed function."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
from support.invocation import Context, TestClock

from access_key_provider import main
from access_key_provider.entrypoints import session as handler_session
from lambda_shared import cfn_response
from lambda_shared.clock import InvocationClock
from local_cloud.environment import FOREIGN_PREFIXES

if TYPE_CHECKING:
    import pytest
    from cloud.least_privilege.deployed import Deployed, Target
    from cloud.stacks import Session


def act_as(monkeypatch: pytest.MonkeyPatch, session: Session, environment: dict[str, str], clock: TestClock) -> None:
    """Let the code of a function run in this process as in its own: with its role, its settings, and a test's time."""
    credentials = {
        "AWS_ACCESS_KEY_ID": session.credentials["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": session.credentials["secret_access_key"],
        "AWS_SESSION_TOKEN": session.credentials["session_token"],
    }
    for name in [name for name in os.environ if name.startswith(FOREIGN_PREFIXES)]:
        monkeypatch.delenv(name)
    for name, value in (session.cloud.environment() | credentials | environment).items():
        monkeypatch.setenv(name, value)
    # It may hold the credentials of an earlier test, and so may the handler's own sessions.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(handler_session, "_SESSIONS", handler_session.Sessions())
    monkeypatch.setattr(InvocationClock, "now", lambda _self: clock.now())
    monkeypatch.setattr(InvocationClock, "sleep", lambda _self, seconds: clock.sleep(seconds))


class Handler:
    """The handler. Only time is the test's own.

    Attributes:
        answers: What CloudFormation would get.
        deployed: The stack that it runs for.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deployed: Deployed) -> None:
        self.answers: list[dict[str, Any]] = []
        self.deployed = deployed
        self._clock = TestClock()
        act_as(monkeypatch, deployed.function, deployed.environment, self._clock)
        monkeypatch.setattr(cfn_response, "_put", self._take)

    def _take(self, _url: str, content: bytes) -> int:
        self.answers.append(json.loads(content))
        return 200

    def send(self, kind: str, target: Target, old: dict[str, str] | None = None, **properties: str) -> dict[str, Any]:
        """Hand over a request about a deployed resource and return the answer to it."""
        event = {
            "RequestType": kind,
            "ResponseURL": "https://localhost/answer",
            "StackId": target.stack_id,
            "RequestId": f"request-{len(self.answers)}",
            "ResourceType": "Custom::IAMAccessKey",
            "LogicalResourceId": target.logical_id,
            "ResourceProperties": self.properties(target, **properties),
        }
        if kind != "Create":
            event["PhysicalResourceId"] = f"{target.user_name}@{target.secret_arn}"
        if old is not None:
            event["OldResourceProperties"] = self.properties(target, **old)
        self.handle(event, target)
        assert self.answers[-1]["RequestId"] == event["RequestId"]
        return self.answers[-1]

    def handle(self, event: dict[str, Any], target: Target, *, later: timedelta = timedelta()) -> dict[str, Any] | None:
        """Hand over any event, as if it came later than it does, and return what the function returns."""
        # The account's clock did not wait along with what was handled before.
        self._clock.slept = later
        context = Context(self._clock)
        context.invoked_function_arn = target.function
        context.function_name = target.function.rsplit(":", 1)[-1]
        return main.handler(event, context)

    @staticmethod
    def properties(target: Target, **properties: str) -> dict[str, str]:
        """Write the properties of a deployed resource, with some of them changed."""
        return {
            "UserName": target.user_name,
            "SecretArn": target.secret_arn,
            "RoleArn": target.role_arn,
            "Serial": "1",
            "Status": "Active",
            "ScheduleName": target.schedule,
            "GracePeriod": "3600",
            "RetentionPeriod": "3600",
        } | properties
