"""The checks of the guards at a deployment, in the process of a test and with the role of a deployed function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cloud.access import act_as
from cloud.guards.deployed import OWN
from cloud.guards.runs import RunError
from support.invocation import Context, TestClock

from lambda_shared import cfn_response
from lambda_shared.errors import ProviderError
from local_cloud.organization import BOTH_FEATURES
from root_access_keys import main

if TYPE_CHECKING:
    import pytest
    from cloud.guards.deployed import Guard
    from cloud.stacks import Session


class Checks:
    """What a guard's custom resource checks, and what the schedule of the guard of one account does.

    Attributes:
        answers: What CloudFormation would get.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, guard: Guard, tester: Session) -> None:
        self.answers: list[dict[str, Any]] = []
        self._guard, self._clock = guard, TestClock()
        whose = "Check" if guard.name == OWN else "Preflight"
        self._entry = main.own_account if guard.name == OWN else main.organization
        self._role = f":assumed-role/{guard.roles()[whose]}/"
        functions = guard.account.cloud.client("lambda")
        self._function = functions.get_function_configuration(FunctionName=guard.function(whose))
        environment = self._function["Environment"]["Variables"]
        act_as(monkeypatch, guard.assume(tester, whose), environment, self._clock)
        monkeypatch.setattr(cfn_response, "_put", self._take)

    def live(self) -> None:
        """Check as CloudFormation asks for it, and as a schedule does if there is one for it.

        A check that fails while the stack rolls back must not fail the rollback, for which it asks how the stack is.

        Raises:
            RunError: What failed.
        """
        self._entry(self._request(), self._context())
        if self.answers[-1]["Status"] != "SUCCESS":
            raise RunError(self.answers[-1]["Reason"])
        self._fail()
        if self._guard.name == OWN:
            try:
                self._entry({"Operation": "Check"}, self._context())
            except ProviderError as error:
                raise RunError(str(error)) from error

    def _fail(self) -> None:
        """Let an Update be refused, which asks before whether the stack rolls back; this one does not.

        Raises:
            RunError: It could not ask.
        """
        cloud = self._guard.account.cloud
        request = self._request() | {"RequestType": "Update", "PhysicalResourceId": "of other settings"}
        request["ResourceProperties"] |= {"OnFound": "Fail"} if self._guard.name == OWN else {}
        cloud.organization.configure(features=())
        try:
            self._entry(request, self._context())
        finally:
            cloud.organization.configure(features=BOTH_FEATURES)
        assert self.answers[-1]["Status"] == "FAILED"
        asked = [
            call
            for call in cloud.calls()
            if call.name == "cloudformation:DescribeStacks" and self._role in (call.principal or "")
        ]
        if not asked or asked[-1].error:
            raise RunError("it can't be told whether the stack rolls back")

    def _request(self) -> dict[str, Any]:
        (logical_id,) = [name for name in self._guard.physical if name in self._template()]
        properties = self._template()[logical_id]
        return {
            "RequestType": "Create",
            "ResponseURL": "https://localhost/answer",
            "StackId": self._stack_id(),
            "RequestId": f"request-{len(self.answers)}",
            "ResourceType": "Custom::Check",
            "LogicalResourceId": logical_id,
            # A check that only warns goes on to tell.
            "ResourceProperties": {**properties, **({"OnFound": "Warn"} if "OnFound" in properties else {})},
        }

    def _template(self) -> dict[str, dict[str, Any]]:
        """Give the properties of the custom resources that are deployed."""
        cloudformation = self._guard.account.cloud.client("cloudformation")
        found = cloudformation.get_template(StackName=self._guard.name)["TemplateBody"]
        template = json.loads(found) if isinstance(found, str) else found
        resources = template["Resources"].items()
        return {name: one["Properties"] for name, one in resources if one["Type"].startswith("Custom::")}

    def _stack_id(self) -> str:
        cloudformation = self._guard.account.cloud.client("cloudformation")
        return str(cloudformation.describe_stacks(StackName=self._guard.name)["Stacks"][0]["StackId"])

    def _context(self) -> Context:
        context = Context(self._clock)
        context.invoked_function_arn = self._function["FunctionArn"]
        context.function_name = self._function["FunctionName"]
        return context

    def _take(self, _url: str, content: bytes) -> int:
        self.answers.append(json.loads(content))
        return 200
