"""State machines of the embedded account write objects, and who may not list a bucket does not learn what is in it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import refused
from cloud.invocations import allow, assumed, attribute, role_arn
from tools.cloud.cloudformation_stack import Stack, deployed, role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

STATES, ANYBODY = {"Service": "states.amazonaws.com"}, {"AWS": {"Ref": "AWS::AccountId"}}
BUCKET = "objects-of-the-guard"
OBJECTS = f"arn:aws:s3:::{BUCKET}/*"
READ, WRITE, LIST = (
    allow("s3:GetObject", OBJECTS),
    allow("s3:PutObject", OBJECTS),
    allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
)


def writer(role_name: str) -> Template:
    """Declare a state machine that writes its input."""
    parameters = {"Bucket": BUCKET, "Key.$": "$.key", "Body": {"given.$": "$.given"}}
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "Parameters": parameters, "End": True}
    definition = json.dumps({"StartAt": "Write", "States": {"Write": task}})
    properties = {"RoleArn": attribute(role_name), "DefinitionString": definition}
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}


TEMPLATE: Template = {
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": BUCKET}},
        "Writer": role(STATES, "/", WRITE),
        "Reader": role(STATES, "/", READ),
        "Good": writer("Writer"),
        "Bad": writer("Reader"),
        "Lister": role(ANYBODY, "/", READ, LIST),
        "Blind": role(ANYBODY, "/", READ),
    }
}


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud) -> Iterator[Stack]:
    """Deploy everything once."""
    with deployed(cloud, TEMPLATE) as stack:
        yield stack


def written(cloud: LocalCloud, stack: Stack, machine: str, key: str) -> dict[str, Any]:
    """Let a state machine write, and tell how that ended."""
    states = cloud.client("stepfunctions")
    given = json.dumps({"key": key, "given": ["a", 1]})
    arn = states.start_execution(stateMachineArn=stack.physical_id(machine), input=given)["executionArn"]
    end = time.monotonic() + 10
    told: dict[str, Any] = states.describe_execution(executionArn=arn)
    while told["status"] == "RUNNING" and time.monotonic() < end:
        time.sleep(0.05)
        told = states.describe_execution(executionArn=arn)
    return told


def test_a_state_machine_writes_json(cloud: LocalCloud, stack: Stack) -> None:
    """If its role may; otherwise nothing is written, and the failure says what was denied."""
    s3 = cloud.client("s3")
    assert written(cloud, stack, "Good", "good.json")["status"] == "SUCCEEDED"
    assert json.loads(s3.get_object(Bucket=BUCKET, Key="good.json")["Body"].read()) == {"given": ["a", 1]}
    ended = written(cloud, stack, "Bad", "bad.json")
    assert (ended["status"], ended["error"]) == ("FAILED", "S3.S3Exception")
    assert f"not authorized to perform: s3:PutObject on resource: arn:aws:s3:::{BUCKET}/bad.json" in ended["cause"]
    with refused("NoSuchKey"):
        s3.get_object(Bucket=BUCKET, Key="bad.json")


@pytest.mark.parametrize(("role_name", "code"), [("Lister", "NoSuchKey"), ("Blind", "AccessDenied")])
def test_a_missing_object_is_told_to_whom_may_list(cloud: LocalCloud, stack: Stack, role_name: str, code: str) -> None:
    """Both read what is there."""
    cloud.client("s3").put_object(Bucket=BUCKET, Key="there", Body=b"x")
    reader = cloud.client("s3", **assumed(cloud, role_arn(cloud, stack, role_name)))
    assert reader.get_object(Bucket=BUCKET, Key="there")["Body"].read() == b"x"
    with refused(code):
        reader.get_object(Bucket=BUCKET, Key="missing")
