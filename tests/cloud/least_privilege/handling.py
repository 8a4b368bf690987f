"""The handler, run in the process of a test with the role of a deployed function."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from cloud.access import act_as
from support.invocation import Context

from access_key_provider import main
from access_key_provider.entrypoints import session as handler_session
from lambda_shared import cfn_response

if TYPE_CHECKING:
    from datetime import timedelta

    import pytest
    from cloud.least_privilege.deployed import Deployed, Target
    from support.invocation import TestClock


class Handler:
    """The handler. Only time is the test's own.

    Attributes:
        answers: What CloudFormation would get.
        deployed: The stack that it runs for.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deployed: Deployed, clock: TestClock) -> None:
        self.answers: list[dict[str, Any]] = []
        self.deployed = deployed
        self._clock = clock
        self._monkeypatch = monkeypatch
        act_as(monkeypatch, deployed.function, {}, clock)
        # It may hold the sessions of an earlier test.
        monkeypatch.setattr(handler_session, "_SESSIONS", handler_session.Sessions())
        monkeypatch.setattr(cfn_response, "_put", self._take)

    def _take(self, _url: str, content: bytes) -> int:
        self.answers.append(json.loads(content))
        return 200

    def wait(self, time: timedelta) -> None:
        """Let time pass."""
        self._clock.sleep(time.total_seconds())

    def send(self, kind: str, target: Target, old: dict[str, str] | None = None, **properties: str) -> dict[str, Any]:
        """Hand over a request about a deployed resource and return the answer to it."""
        self._clock.sleep(1)
        event = {
            "RequestType": kind,
            "ResponseURL": f"https://localhost/answer?X-Amz-Date={self._clock.now():%Y%m%dT%H%M%SZ}",
            "StackId": target.stack_id,
            "RequestId": str(uuid.uuid4()),
            "ResourceType": "Custom::IAMAccessKey",
            "LogicalResourceId": target.logical_id,
            "ResourceProperties": self.properties(target, **properties),
        }
        if kind != "Create":
            event["PhysicalResourceId"] = f"{target.user_name}@{target.secret_arn}"
        if old is not None:
            event["OldResourceProperties"] = self.properties(target, **old)
        self.handle(event, target.provider)
        assert self.answers[-1]["RequestId"] == event["RequestId"]
        return self.answers[-1]

    def handle(self, event: dict[str, Any], function: str) -> dict[str, Any] | None:
        """Hand over any event to a function and return what it returns."""
        for name, value in self.deployed.environment[function].items():
            self._monkeypatch.setenv(name, value)
        context = Context(self._clock)
        context.invoked_function_arn = function
        context.function_name = function.rsplit(":", 1)[-1]
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
            "GracePeriod": "3600",
            "RetentionPeriod": "3600",
        } | properties
