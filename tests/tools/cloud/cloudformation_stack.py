"""Stacks of tests: templates as plain data, and CloudFormation's API to deploy them."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_cloud import LocalCloud

Template = dict[str, Any]

LAMBDA = {"Service": "lambda.amazonaws.com"}

# Answers as its properties say, or its environment first, and prints each request, which ends up in its log.
PROVIDER = """
import json, os, time, urllib.request
def handler(event, context):
    print("REQUEST " + json.dumps(event))
    time.sleep(float(event["ResourceProperties"].get(event["RequestType"] + "Seconds", 0)))
    body = os.environ.get(event["RequestType"]) or event["ResourceProperties"].get(event["RequestType"], "")
    answer = {"Status": "SUCCESS", "PhysicalResourceId": event.get("PhysicalResourceId", "made-by-provider"),
              "StackId": event["StackId"], "RequestId": event["RequestId"],
              "LogicalResourceId": event["LogicalResourceId"]}
    if body == "silence":
        return
    if body.startswith("{+"):
        body = json.dumps(answer | json.loads("{" + body[2:]))
    headers = {"Content-type": event["ResourceProperties"].get("ContentType", "")}
    url = event["ResponseURL"]
    if event["ResourceProperties"].get("Url") == "bare":
        url = url.partition("?")[0]
    body = (body or json.dumps(answer)).encode()
    urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT", headers=headers)).close()
"""


def role(
    principal: dict[str, Any], path: str = "/", *statements: Template, condition: Template | None = None
) -> Template:
    """Declare an AWS::IAM::Role; the condition is that of its trust."""
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    trust: Template = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if condition:
        trust["Condition"] = condition
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "Path": path,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "only", "PolicyDocument": policy}] if statements else [],
        },
    }


def function(code: str, role_name: str) -> Template:
    """Declare an AWS::Lambda::Function as the construct library declares its own."""
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.14",
            "Architectures": ["arm64"],
            "Handler": "index.handler",
            "Timeout": 30,
            "Role": {"Fn::GetAtt": [role_name, "Arn"]},
            "Code": {"ZipFile": code},
        },
    }


def with_provider(**resources: Template) -> Template:
    """Declare a custom resource provider next to some resources."""
    return {
        "Resources": {
            "ProviderRole": role(LAMBDA),
            "Provider": function(PROVIDER, "ProviderRole"),
            **resources,
        }
    }


def custom_resource(**properties: str) -> Template:
    """Declare a custom resource of that provider."""
    token = {"Fn::GetAtt": ["Provider", "Arn"]}
    return {"Type": "Custom::Thing", "Properties": {"ServiceToken": token, "ServiceTimeout": 20, **properties}}


class Stack:
    """A stack of a test, driven through CloudFormation's API."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self._cloud = cloud
        self._api = cloud.client("cloudformation")

    def create(self, template: Template, **options: Any) -> str:
        """Create it and give the status it ends in."""
        self.begin(template, **options)
        return self._settled()

    def begin(self, template: Template, **options: Any) -> None:
        """Begin to create it."""
        self._api.create_stack(
            StackName=self.name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"], **options
        )

    def update(self, template: Template, **options: Any) -> str:
        """Update it and give the status it ends in."""
        self._api.update_stack(
            StackName=self.name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"], **options
        )
        return self._settled()

    def roll_back(self) -> str:
        """Roll back what failed without a rollback, and give the status it ends in."""
        self._api.rollback_stack(StackName=self.name)
        return self._settled()

    def delete(self, **options: Any) -> str:
        """Delete it and give the status it ends in."""
        stack_id = self._description()["StackId"]
        self._api.delete_stack(StackName=self.name, **options)
        return self._settled(stack_id)

    def physical_id(self, logical_id: str) -> str:
        """Give the physical id of a resource."""
        detail = self._api.describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        return str(detail["StackResourceDetail"]["PhysicalResourceId"])

    def reasons(self, logical_id: str) -> list[str]:
        """Give why a resource failed."""
        events = self._api.describe_stack_events(StackName=self.name)["StackEvents"]
        return [
            event["ResourceStatusReason"]
            for event in events
            if event["LogicalResourceId"] == logical_id and event["ResourceStatus"].endswith("_FAILED")
        ]

    def statuses(self) -> dict[str, str]:
        """Give the status of each resource that it has."""
        found = self._api.describe_stack_resources(StackName=self.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["ResourceStatus"] for resource in found}

    def events(self, logical_id: str) -> list[str]:
        """Give the statuses that a resource went through, oldest first."""
        told = self._api.describe_stack_events(StackName=self.name)["StackEvents"]
        return [event["ResourceStatus"] for event in reversed(told) if event["LogicalResourceId"] == logical_id]

    def requests(self, provider: str = "") -> list[dict[str, Any]]:
        """Give the requests that its provider got, oldest first; one that is gone must be named."""
        group = f"/aws/lambda/{provider or self.physical_id('Provider')}"
        events = self._cloud.client("logs").filter_log_events(logGroupName=group)["events"]
        messages = [event["message"] for event in events]
        return [json.loads(text.removeprefix("REQUEST ")) for text in messages if text.startswith("REQUEST ")]

    def why(self) -> str:
        """Give why it is in its status."""
        return str(self._description()["StackStatusReason"])

    def provider(self) -> str:
        """Give the name of its provider, which may have left it."""
        events = self._api.describe_stack_events(StackName=self.name)["StackEvents"]
        ids = (event["PhysicalResourceId"] for event in events if event["LogicalResourceId"] == "Provider")
        return str(next(name for name in ids if name))

    def _description(self, stack_id: str = "") -> dict[str, Any]:
        stack: dict[str, Any] = self._api.describe_stacks(StackName=stack_id or self.name)["Stacks"][0]
        return stack

    def _settled(self, stack_id: str = "") -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = str(self._description(stack_id)["StackStatus"])
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.05)
        raise TimeoutError(f"{self.name} did not settle")


@contextmanager
def deployed(cloud: LocalCloud, template: Template) -> Iterator[Stack]:
    """Deploy a template to an empty account, which is emptied afterwards."""
    cloud.reset()
    stack = Stack(cloud)
    assert stack.create(template) == "CREATE_COMPLETE"
    yield stack
    cloud.reset()
