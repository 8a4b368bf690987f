"""Functions of tests that tell in their log what they were invoked with."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tools.cloud.cloudformation_stack import Stack, Template

    from local_cloud import LocalCloud

LISTENER = 'import json\ndef handler(event, context):\n    print("EVENT " + json.dumps(event))\n'


def add_listener(cloud: LocalCloud, name: str) -> str:
    """Make a function that only listens, let Secrets Manager invoke it, and return its ARN."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", LISTENER)
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    functions = cloud.client("lambda")
    function = functions.create_function(
        FunctionName=name,
        Runtime="python3.14",
        Handler="index.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": archive.getvalue()},
    )
    functions.add_permission(
        FunctionName=name,
        StatementId="rotation",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    return str(function["FunctionArn"])


def listen(cloud: LocalCloud, name: str) -> str:
    """Put the events that the provider tells into a queue, and return its URL."""
    queues, bus = cloud.client("sqs"), cloud.client("events")
    url = queues.create_queue(QueueName=name)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name=name, EventPattern=json.dumps({"source": ["cdk-iam-access-key"]}))
    bus.put_targets(Rule=name, Targets=[{"Id": name, "Arn": arn}])
    return str(url)


def received(cloud: LocalCloud, name: str) -> list[dict[str, Any]]:
    """Take all events out of a queue."""
    queues = cloud.client("sqs")
    url, found = queues.get_queue_url(QueueName=name)["QueueUrl"], []
    while messages := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found.append(json.loads(message["Body"]))
    return found


def attribute(resource: str, name: str = "Arn") -> Template:
    """Refer to an attribute of a resource."""
    return {"Fn::GetAtt": [resource, name]}


def allow(action: str | list[str], resource: Any, **condition: Any) -> Template:
    """Write a statement of a policy."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def permission(function: str, service: str, **properties: Any) -> Template:
    """Let a service invoke a function."""
    given = {"FunctionName": attribute(function), "Action": "lambda:InvokeFunction", "Principal": service}
    return {"Type": "AWS::Lambda::Permission", "Properties": given | properties}


def function_arn(cloud: LocalCloud, stack: Stack, logical_id: str) -> str:
    """Give the ARN of a function of a stack."""
    return f"arn:aws:lambda:{cloud.region}:{cloud.account}:function:{stack.physical_id(logical_id)}"


def role_arn(cloud: LocalCloud, stack: Stack, logical_id: str) -> str:
    """Give the ARN of a role of a stack."""
    return f"arn:aws:iam::{cloud.account}:role/{stack.physical_id(logical_id)}"


def assumed(cloud: LocalCloud, role: str) -> dict[str, str]:
    """Assume a role, and give the arguments of `LocalCloud.client`."""
    credentials = cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    return {
        "access_key_id": credentials["AccessKeyId"],
        "secret_access_key": credentials["SecretAccessKey"],
        "session_token": credentials["SessionToken"],
    }


def events(cloud: LocalCloud, function: str, times: int = 0, **having: Any) -> list[dict[str, Any]]:
    """Give the events with these fields that a function got, waiting until there are so many."""
    deadline = time.monotonic() + 10
    while len(found := _logged(cloud, function, having)) < times and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _logged(cloud: LocalCloud, function: str, having: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        lines = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except ClientError:
        return []
    messages = [line["message"].strip() for line in lines]
    got = [json.loads(line.removeprefix("EVENT ")) for line in messages if line.startswith("EVENT ")]
    return [event for event in got if having.items() <= event.items()]
